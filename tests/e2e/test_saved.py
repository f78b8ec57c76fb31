"""A notebook that was saved: its rows are there in plain HTML, with no kernel, no trust and no browser at all."""

import json
import re
import secrets
import subprocess
import sys

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LIVE = 60_000  # ms
ROWS = ["r1", "feed the yeast", "3"]
# What Lab, Notebook 7 and nbconvert say where a widget should be and cannot.
COMPLAINTS = re.compile(r"error|not found|could not|loading widget|model_id|traceback", re.IGNORECASE)


def cells():
    """Show a table as itself and as a widget, and something plain after them."""
    enter = f"import partysync_widget as ps\nroom = ps.connect('saved-{secrets.token_hex(4)}')\n"
    make = "todos = room.table('todos', text=str, n=int)\n_ = todos.upsert('r1', text='feed the yeast', n=3).result(10)"
    return enter + make, "todos", "ps.TableWidget(todos)", "'after'"


def jupyter_does(jupyter, *command):
    done = subprocess.run(
        [sys.executable, "-m", *command], env=jupyter.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def saved(notebook):
    """A notebook that was run and saved in the front end, and whose kernel has ended."""
    made = notebook(*cells())
    made.run_all()
    for n in range(2):
        expect(made.page.locator(".ps-table .ps-status").nth(n)).to_have_text("live", timeout=LIVE)
    expect(made.page.get_by_text("'after'").last).to_be_visible()
    made.save()
    made.end()
    return made.file


@pytest.fixture(scope="session")
def executed(jupyter, tmp_path_factory):
    """A notebook that nbconvert ran: the state of its widgets is in it."""
    import nbformat

    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells()])
    file = jupyter.folder / "executed.ipynb"
    nbformat.write(made, file)
    jupyter_does(jupyter, "nbconvert", "--to", "notebook", "--execute", "--inplace", str(file))
    return file


def expect_plain_rows(opened, *, complaints=0):
    """Both tables show their rows, and where the grids would be nothing complains; out of sight so many do."""
    opened.loaded()
    plain = opened.page.locator(".partysync-preview table")
    for n in range(2):
        expect(plain.nth(n)).to_be_visible()
        expect(plain.nth(n).locator("td")).to_have_text(ROWS)
    after = opened.page.locator(".jp-OutputArea-output", has_text="'after'")
    expect(after).to_be_visible()
    missing = opened.page.locator(".jp-OutputArea-output", has_text="model not found")
    expect(missing).to_have_count(complaints, timeout=LIVE)
    for said in opened.page.locator(".jp-OutputArea").all_inner_texts():
        assert not COMPLAINTS.search(said)


@pytest.mark.front_ends("lab", "notebook7")
def test_on_a_fresh_kernel_the_plain_rows_show_until_the_cell_runs_again(saved, notebook):
    opened = notebook(file=saved)
    expect_plain_rows(opened, complaints=2)
    assert opened.page.locator(".ps-table").count() == 0

    opened.run_all()
    for n in range(2):
        expect(opened.page.locator(".ps-table .ps-status").nth(n)).to_have_text("live", timeout=LIVE)
        expect(opened.page.locator(".partysync-preview").nth(n)).to_be_hidden()
    expect(opened.cell("r1", "text")).to_have_text("feed the yeast")


@pytest.mark.front_ends("lab", "notebook7")
def test_a_notebook_that_is_not_trusted_shows_the_plain_rows(saved, notebook):
    content = json.loads(saved.read_text())
    content["cells"][0]["source"] += "\n# changed by somebody who cannot sign it"
    content["cells"][1]["outputs"][0]["data"]["text/html"] += "<!-- likewise -->"
    other = saved.with_name(f"u{saved.name}")
    other.write_text(json.dumps(content))

    opened = notebook(file=other)
    expect_plain_rows(opened)
    assert not opened.page.evaluate("() => jupyterapp.shell.currentWidget.context.model.cells.get(1).trusted")


@pytest.mark.front_ends("lab", "notebook7")
@pytest.mark.parametrize("trusted", [True, False])
def test_a_notebook_that_nbconvert_ran_shows_rows(jupyter, executed, notebook, trusted):
    """With the state of its widgets: where it is trusted the front end makes them of it, without a kernel."""
    file = executed.with_name(f"{secrets.token_hex(4)}.ipynb")
    content = json.loads(executed.read_text())
    content["metadata"]["copy"] = file.name  # what is trusted is the content
    file.write_text(json.dumps(content))
    if trusted:
        jupyter_does(jupyter, "jupyter", "trust", str(file))
    expect_plain_rows(notebook(file=file))


def test_nbconvert_writes_the_rows_into_html(jupyter, executed, context):
    jupyter_does(jupyter, "nbconvert", "--to", "html", str(executed), "--output", "as-it-is.html")
    jupyter_does(jupyter, "nbconvert", "--to", "html", "--execute", str(executed), "--output", "executed-again.html")
    for name in ("as-it-is.html", "executed-again.html"):
        page = context.new_page()
        page.route(re.compile("^https?://"), lambda route: route.abort())  # as on a machine without a network
        page.goto((jupyter.folder / name).as_uri(), wait_until="domcontentloaded")
        plain = page.locator(".partysync-preview table")
        for n in range(2):
            expect(plain.nth(n)).to_be_visible()
            expect(plain.nth(n).locator("td")).to_have_text(ROWS)
        for said in page.locator(".jp-OutputArea").all_inner_texts():
            assert not COMPLAINTS.search(said)
        page.close()
