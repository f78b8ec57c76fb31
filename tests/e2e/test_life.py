"""The life of a grid: pages come and go, kernels restart, widgets are closed, and one table is shown many times."""

import secrets

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SOON = 10_000  # ms
LIVE = 60_000

in_both = pytest.mark.front_ends("lab", "notebook7")


@pytest.fixture
def shown(notebook):
    """A notebook with the grid of a table of one row."""
    enter = f"import partysync_widget as ps\nroom = ps.connect('life-{secrets.token_hex(4)}')\n"
    make = "todos = room.table('todos', text=str, n=int)\n_ = todos.upsert('r1', text='one', n=1).result(10)"
    made = notebook(enter + make, "todos")
    made.run_all()
    expect_live(made)
    return made


def expect_live(opened, n=0):
    expect(grid(opened, n).locator(".ps-status")).to_have_text("live", timeout=LIVE)


def grid(opened, n):
    return opened.page.locator(".ps-table").nth(n)


def text(opened, n=0):
    return grid(opened, n).locator('[role=row][data-id="r1"] [role=gridcell][data-column="text"]')


def write(opened, new, n=0):
    """By keyboard, into the first cell of the n-th grid."""
    text(opened, n).click()
    opened.page.keyboard.type(new)
    opened.page.keyboard.press("Enter")


def expect_in_kernel(opened, new):
    """What is typed goes beside the cells, by a subshell: a cell that runs at once may be there before it."""
    expect(text(opened)).to_have_text(new)
    expect(grid(opened, 0).locator(".ps-row.ps-pending")).to_have_count(0, timeout=SOON)
    assert new in opened.run("print(todos.records)")


@in_both
def test_a_reloaded_page_shows_the_table_again(shown):
    shown.save()
    shown.page.reload()
    expect_live(shown)
    expect(text(shown)).to_have_text("one")

    write(shown, "after the reload")
    expect_in_kernel(shown, "after the reload")
    shown.run("todos.update('r1', text='and back')")
    expect(text(shown)).to_have_text("and back", timeout=SOON)


@in_both
def test_two_tabs_on_one_notebook_are_both_live(shown, notebook):
    shown.save()
    other = notebook(file=shown.file)
    expect_live(other)

    write(shown, "from the first")
    expect(text(other)).to_have_text("from the first", timeout=SOON)
    write(other, "from the second")
    expect(text(shown)).to_have_text("from the second", timeout=SOON)

    other.page.close()
    write(shown, "alone again")
    expect_in_kernel(shown, "alone again")


@in_both
def test_a_table_shown_in_two_cells_is_live_in_both(shown):
    shown.start("todos")
    expect_live(shown, 1)

    write(shown, "above")
    expect(text(shown, 1)).to_have_text("above", timeout=SOON)
    write(shown, "below", 1)
    expect(text(shown)).to_have_text("below", timeout=SOON)

    shown.page.evaluate(
        """() => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = notebook.widgets.length - 1;
        }"""
    )
    shown.command("notebook:delete-cell")
    expect(shown.page.locator(".ps-table")).to_have_count(1)
    shown.run("todos.update('r1', text='still live')")
    expect(text(shown)).to_have_text("still live", timeout=SOON)


def test_a_view_of_its_own_beside_the_notebook_is_live(shown):
    """Lab's "Create New View for Cell Output"; Notebook 7 has no room for one."""
    shown.page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 1 }")
    shown.command("notebook:create-output-view")
    beside = shown.page.locator(".jp-LinkedOutputView .ps-table")
    expect(beside.locator(".ps-status")).to_have_text("live", timeout=LIVE)

    inside = shown.page.locator(".jp-Notebook .ps-table [data-id=r1] [data-column=text]")
    outside = beside.locator("[data-id=r1] [data-column=text]")
    outside.click()
    shown.page.keyboard.type("outside")
    shown.page.keyboard.press("Enter")
    expect(inside).to_have_text("outside", timeout=SOON)
    inside.click()
    shown.page.keyboard.type("inside")
    shown.page.keyboard.press("Enter")
    expect(outside).to_have_text("inside", timeout=SOON)


@in_both
def test_a_restarted_kernel_leaves_the_rows_in_sight_and_says_so(shown):
    shown.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(grid(shown, 0).locator(".ps-status")).to_have_text("kernel gone", timeout=SOON)
    expect(text(shown)).to_have_text("one")
    expect(grid(shown, 0).locator(".ps-add")).to_be_disabled()
    shown.screenshot("kernel-gone")

    shown.run_all()
    expect_live(shown)
    expect(shown.page.locator(".ps-table")).to_have_count(1)
    write(shown, "on the new kernel")
    expect_in_kernel(shown, "on the new kernel")


@in_both
def test_a_closed_widget_goes_and_leaves_the_others(shown):
    shown.start("other = ps.TableWidget(todos)\nother")
    expect_live(shown, 1)

    shown.run("other.close()")
    expect(shown.page.locator(".ps-table")).to_have_count(1, timeout=SOON)
    write(shown, "the table is not closed")
    expect_in_kernel(shown, "the table is not closed")
    shown.start("todos._ipython_display_()")
    expect_live(shown, 1)
