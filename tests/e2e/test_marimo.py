"""A table in marimo: the grid stands in a shadow root, widgets end with their cell, sessions are threads."""

import contextlib
import json
import os
import re
import secrets
import sys
from pathlib import Path

import pytest

import partysync_widget as ps

pytest.importorskip("marimo")
expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SOON = 10_000  # ms
COLD = 60_000

APP = '''
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import partysync_widget as ps

    todos = ps.connect("{room}").table("todos", text=str, done=bool, n=int)
    return mo, ps, todos


@app.cell
def _(mo):
    again = mo.ui.button(value=0, on_click=lambda n: n + 1, label="again")
    again
    return (again,)


@app.cell
def _(again, mo, todos):
    mo.vstack([mo.md(f"run {{again.value}}"), todos])
    return


@app.cell
def _(todos):
    todos
    return


@app.cell
def _(mo, ps, todos):
    mo.ui.anywidget(ps.TableWidget(todos))
    return


@app.cell
def _(mo, ps, todos):
    import anywidget

    class Count(anywidget.AnyWidget):
        rows = ps.SyncedTable()
        _esm = """
        async function render({{ model, el, host }}) {{
            const {{ exports: {{ table }} }} = await host.getWidget(model.get("rows"));
            table.subscribe(() => {{ el.textContent = `${{table.rows.size}} here`; }});
        }}
        export default {{ render }};
        """

    mo.ui.anywidget(Count(rows=todos))
    return


@app.cell
def _(mo, todos):
    count, set_count = mo.state(len(todos))
    following = todos.observe(lambda _: set_count(len(todos)))
    return (count,)


@app.cell
def _(count, mo):
    mo.md(f"{{count()}} in Python")
    return
'''
GRIDS = 3


class Session:
    """A page on the app."""

    def __init__(self, page, url):
        self.page = page
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url, wait_until="commit")
        for n in range(GRIDS):
            expect(self.grid(n).locator(".ps-status")).to_have_text("live", timeout=COLD)

    def grid(self, n):
        return self.page.locator(".ps-table").nth(n)

    def cell(self, n, row, column):
        return self.grid(n).locator(f'[role=row][data-id="{row}"] [role=gridcell][data-column="{column}"]')


@pytest.fixture(scope="module")
def marimo(serving, free_port, tmp_path_factory, context):
    """Start it with ``marimo(mode)``: gives a function that opens sessions, and the room as another process has it."""
    with contextlib.ExitStack() as started:

        def marimo(mode, *options):
            folder = tmp_path_factory.mktemp("marimo")
            room = f"marimo-{secrets.token_hex(4)}"
            (folder / "app.py").write_text(APP.format(room=room))
            (folder / "config" / "marimo").mkdir(parents=True)
            (folder / "config" / "marimo" / "marimo.toml").write_text("[runtime]\nauto_instantiate = true\n")
            environment = {
                **os.environ,
                "HOME": str(folder),
                "XDG_CONFIG_HOME": str(folder / "config"),
                "XDG_CACHE_HOME": str(folder / "cache"),
                "XDG_STATE_HOME": str(folder / "state"),
                "JUPYTER_DATA_DIR": str(folder / "data"),
                "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
                "PARTYSYNC_DATA": str(folder / "rooms"),
                "PARTYSYNC_USER": "Marimo",
            }
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            command = [sys.executable, "-m", "marimo", mode, "app.py", "--headless", "--no-token", *options]
            command += ["--host", "127.0.0.1", "--port", str(port)]
            started.enter_context(serving(command, environment, folder, f"{url}/health"))

            def session():
                opened = Session(context.new_page(), url)
                started.callback(opened.page.close)
                return opened

            def enter():
                own = json.loads((folder / "runtime" / "partysync-local.json").read_text())
                entered = ps.connect(room, url=own["url"], token=own["token"], user="Elsewhere")
                started.callback(entered.close)
                return entered

            return session, enter

        yield marimo


@pytest.fixture(scope="module")
def edited(marimo):
    """An open notebook, and its room elsewhere."""
    session, enter = marimo("edit", "--skip-update-check")
    return session(), enter()


@pytest.fixture(scope="module")
def app(marimo):
    return marimo("run", "--session-ttl", "1")


def test_an_edit_by_keyboard_reaches_another_kernel_and_theirs_shows(edited):
    page, room = edited
    todos = room.table("todos")
    todos.insert(id="r1", text="feed the yeast", n=3)
    for n in range(GRIDS):
        expect(page.cell(n, "r1", "text")).to_have_text("feed the yeast", timeout=SOON)
    cells = page.page.locator("[data-cell-id]").count()

    page.cell(1, "r1", "text").click()
    for key in ("a", "b", "d", "Enter"):  # marimo has keys for cells, too
        page.page.keyboard.press(key)
    expect(page.cell(2, "r1", "text")).to_have_text("abd", timeout=SOON)
    for key in ("ArrowRight", "Space", "ArrowRight", "4", "2", "Enter"):
        page.page.keyboard.press(key)
    expect(page.cell(2, "r1", "n")).to_have_text("42", timeout=SOON)
    room.sync(10)

    assert todos.records == [{"id": "r1", "text": "abd", "done": True, "n": 42}]
    expect(page.page.get_by_text("1 here")).to_be_visible(timeout=SOON)
    expect(page.page.get_by_text("1 in Python")).to_be_visible(timeout=SOON)
    assert page.page.locator("[data-cell-id]").count() == cells
    assert page.errors == []


def test_the_grid_stands_in_a_shadow_root_with_its_styles(edited):
    page, _ = edited
    for n in range(GRIDS):
        assert page.grid(n).evaluate("(grid) => grid.getRootNode() instanceof ShadowRoot")
        rows = page.grid(n).locator(".ps-grid")
        assert rows.evaluate("(grid) => getComputedStyle(grid).overflowY") in ("auto", "scroll")
    path = Path(__file__).parents[2] / "test-results"
    path.mkdir(exist_ok=True)
    page.page.screenshot(path=path / "marimo.png")


def test_menus_help_and_complaints_stand_in_the_top_layer_of_the_shadow_root(edited):
    page, room = edited
    keyboard = page.page.keyboard
    room.table("todos").insert(id="r2", text="two", n=2).result(10)
    page.cell(1, "r2", "n").dblclick()
    keyboard.press("Control+A")
    keyboard.type("many")
    keyboard.press("Enter")
    bubble = page.grid(1).locator(".ps-bubble")
    expect(bubble).to_contain_text("whole number")
    assert bubble.evaluate("(each) => each.matches(':popover-open')")
    keyboard.press("Escape")
    expect(bubble).to_be_hidden()

    keyboard.press("Alt+ArrowDown")
    menu = page.grid(1).locator(".ps-menu")
    expect(menu).to_be_visible()
    below = page.cell(1, "r2", "n").bounding_box()
    assert abs(menu.bounding_box()["x"] - below["x"]) < 300
    keyboard.press("Escape")
    expect(menu).to_have_count(0)

    keyboard.press("?")
    sheet = page.grid(1).locator("dialog.ps-help")
    expect(sheet).to_be_visible()
    assert sheet.evaluate("(each) => each.matches(':modal')")
    assert sheet.evaluate("(each) => getComputedStyle(each).backgroundColor") != "rgba(0, 0, 0, 0)"
    keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    assert page.grid(1).evaluate("(grid) => grid.getRootNode().activeElement.className") == "ps-grid"
    assert page.errors == []


def test_a_cell_that_runs_again_leaves_the_grids_of_other_cells_alone(app):
    """The first cell that showed the table would own its channel; each grid has one of its own."""
    session, enter = app
    page, todos = session(), enter().table("todos")
    page.page.get_by_role("button", name="again").click()
    expect(page.page.get_by_text("run 1")).to_be_visible(timeout=SOON)

    todos.insert(id="r1", text="after the run")
    for n in range(GRIDS):
        expect(page.cell(n, "r1", "text")).to_have_text("after the run", timeout=SOON)
    page.cell(2, "r1", "text").click()
    page.page.keyboard.type("typed")
    page.page.keyboard.press("Enter")
    for n in range(GRIDS):
        expect(page.cell(n, "r1", "text")).to_have_text("typed", timeout=SOON)
    page.page.close()
    assert page.errors == []


def test_sessions_of_one_app_are_people_of_their_own(app, wait_until):
    """They are threads of one process; a page that is closed takes its person along."""
    session, enter = app
    room = enter()

    def there():
        return sum(peer["name"] == "Marimo" for peer in room.peers)

    a, b = session(), session()
    wait_until(lambda: there() == 2, 20)
    a.grid(1).locator(".ps-add").click()
    a.page.keyboard.type("from a")
    a.page.keyboard.press("Enter")
    expect(b.grid(1).locator("[role=gridcell]", has_text=re.compile("^from a$"))).to_be_visible(timeout=SOON)

    a.page.close()
    b.page.close()
    wait_until(lambda: there() == 0, 20)
