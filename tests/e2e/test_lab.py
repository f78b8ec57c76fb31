"""Two notebooks on two kernels of one Jupyter, used by mouse and keyboard as people do."""

import re
import secrets

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SOON = 10_000  # ms

in_both = pytest.mark.front_ends("lab", "notebook7")


@pytest.fixture
def two(notebook):
    """Notebooks A and B in one new room, each showing the grid of its table."""
    enter = f"import partysync_widget as ps\nroom = ps.connect('e2e-{secrets.token_hex(4)}')\n"
    declare = "todos = room.table('todos', text=str, done=bool, n=int, size=['small', 'big'])"
    opened = [notebook(enter + declare, "todos") for _ in range(2)]
    for each in opened:
        each.run_all()
        expect(each.grid.locator(".ps-status")).to_have_text("live", timeout=60_000)
    return opened


@in_both
def test_an_edit_in_one_notebook_shows_in_the_other(two):
    a, b = two
    a.run("todos.insert(id='r1', text='feed the yeast', done=False, n=3, size='small')")
    expect(b.cell("r1", "text")).to_have_text("feed the yeast", timeout=SOON)

    a.cell("r1", "text").dblclick()
    a.page.keyboard.press("Control+A")
    a.page.keyboard.type("feed the yeast twice")
    a.page.keyboard.press("Enter")
    expect(b.cell("r1", "text")).to_have_text("feed the yeast twice", timeout=SOON)

    b.cell("r1", "done").locator("input").click()
    expect(a.cell("r1", "done").locator("input")).to_be_checked(timeout=SOON)
    expect(a.row("r1")).not_to_have_class(re.compile("ps-pending"), timeout=SOON)
    assert "feed the yeast twice" in b.run("print(todos.records)")

    a.screenshot("two-a")
    b.screenshot("two-b")


@in_both
def test_keys_edit_the_grid_and_leave_the_notebook_alone(two):
    a, b = two
    a.run("todos.insert(id='r1', text='one', n=1)\ntodos.insert(id='r2', text='two', n=2)")
    expect(a.cell("r2", "text")).to_be_visible(timeout=SOON)
    cells = a.page.locator(".jp-Notebook .jp-Cell").count()

    a.cell("r1", "text").click()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "4", "2", "Enter"):  # to r2's n, and over it
        a.page.keyboard.press(key)
    expect(b.cell("r2", "n")).to_have_text("42", timeout=SOON)

    a.cell("r1", "text").click()
    for key in ("b", "d", "d", "a"):  # in a cell of the notebook these would add and delete cells
        a.page.keyboard.press(key)
    a.page.keyboard.press("Enter")
    expect(b.cell("r1", "text")).to_have_text("bdda", timeout=SOON)

    a.cell("r1", "size").dblclick()
    a.page.keyboard.press("b")  # the native select jumps to big; a cell of the notebook would get one below it
    a.page.keyboard.press("Enter")
    expect(b.cell("r1", "size")).to_have_text("big", timeout=SOON)

    a.cell("r1", "done").click(position={"x": 4, "y": 4})
    a.page.keyboard.press("Space")
    expect(b.cell("r1", "done").locator("input")).to_be_checked(timeout=SOON)
    assert a.page.locator(".jp-Notebook .jp-Cell").count() == cells


@in_both
def test_rows_are_added_and_deleted(two):
    a, b = two
    a.grid.locator(".ps-add").click()
    a.page.keyboard.type("a new row")
    a.page.keyboard.press("Enter")
    rows = b.grid.locator("[role=row][data-id]")
    expect(rows).to_have_count(1, timeout=SOON)
    expect(rows.locator("[data-column=text]")).to_have_text("a new row", timeout=SOON)

    rows.first.hover()
    rows.first.locator(".ps-delete").click()
    expect(a.grid.locator("[role=row][data-id]")).to_have_count(0, timeout=SOON)
    expect(a.grid.locator(".ps-empty")).to_have_text("No rows")


@in_both
def test_an_open_editor_is_left_alone_by_the_edits_of_others(two):
    a, b = two
    a.run("for n in range(5): todos.insert(id=f'r{n}', text=f'row {n}', n=0)")
    a.cell("r2", "text").dblclick()
    a.page.keyboard.press("Control+A")
    a.page.keyboard.type("half ty")

    b.run("todos.update('r2', n=7, text='theirs')\ntodos.delete('r0')\ntodos.insert(id='r9', text='new')")
    expect(a.cell("r2", "n")).to_have_text("7", timeout=SOON)
    expect(a.row("r0")).to_have_count(0, timeout=SOON)
    a.page.keyboard.type("ped")
    assert a.grid.locator(".ps-editor").input_value() == "half typed"
    a.page.keyboard.press("Enter")

    expect(b.cell("r2", "text")).to_have_text("half typed", timeout=SOON)


def test_what_does_not_fit_is_refused_where_it_is_typed(two):
    a, _ = two
    a.run("todos.insert(id='r1', text='one', n=1)")
    a.cell("r1", "n").dblclick()
    a.page.keyboard.press("Control+A")
    a.page.keyboard.type("99999999999999999999")
    a.page.keyboard.press("Enter")

    expect(a.grid.locator(".ps-bubble")).to_contain_text("whole number")
    expect(a.grid.locator(".ps-editor")).to_have_attribute("aria-invalid", "true")
    a.screenshot("refused-cell")

    a.page.keyboard.press("Escape")
    expect(a.cell("r1", "n")).to_have_text("1")
    expect(a.grid.locator(".ps-bubble")).to_be_hidden()


def test_an_edit_the_room_rejects_is_told_with_its_reason(two):
    """R6: made offline on a row that somebody deletes meanwhile."""
    a, b = two
    a.run("todos.insert(id='r1', text='one').result(10)\nroom.offline()")
    expect(a.grid.locator(".ps-status")).to_have_text("offline", timeout=SOON)
    a.cell("r1", "text").dblclick()
    a.page.keyboard.type("!")
    a.page.keyboard.press("Enter")
    expect(a.row("r1")).to_have_class(re.compile("ps-pending"))
    expect(a.grid.locator(".ps-status")).to_have_text("offline · 1 waiting", timeout=SOON)
    a.screenshot("offline")
    b.run("todos.delete('r1').result(10)")

    a.run("room.online()")
    expect(a.grid.locator(".ps-notice")).to_contain_text("r1", timeout=SOON)
    expect(a.row("r1")).to_have_count(0)
    a.screenshot("rejected-row")


@in_both
def test_clicks_reach_the_others_while_a_cell_runs(two):
    a, b = two
    a.run("todos.insert(id='r1', text='one', done=False).result(10)")
    expect(b.cell("r1", "text")).to_be_visible(timeout=SOON)
    a.start("import time; time.sleep(30)")
    a.page.wait_for_function("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")

    a.cell("r1", "done").locator("input").click()
    expect(b.cell("r1", "done").locator("input")).to_be_checked(timeout=SOON)
    b.cell("r1", "done").locator("input").click()
    expect(a.cell("r1", "done").locator("input")).not_to_be_checked(timeout=SOON)


def test_a_widget_of_ones_own_shows_and_edits_a_synced_table(two):
    """The example of trait.py, with a button."""
    a, b = two
    a.start(
        """
import anywidget
class Poll(anywidget.AnyWidget):
    votes = ps.SyncedTable()
    _esm = '''
    async function render({ model, el, host, signal }) {
        const { exports: { table } } = await host.getWidget(model.get("votes"));
        const button = document.createElement("button");
        button.className = "poll";
        button.onclick = () => table.insert({ text: "aye", n: 1 });
        const draw = () => { button.textContent = `${table.rows.size} votes`; };
        signal.addEventListener("abort", table.subscribe(draw));
        draw();
        el.append(button);
    }
    export default { render };
    '''
Poll(votes=todos)
"""
    )
    poll = a.page.locator(".poll")
    expect(poll).to_have_text("0 votes", timeout=SOON)
    poll.click()
    expect(poll).to_have_text("1 votes")
    expect(b.grid.locator("[role=gridcell][data-column=text]")).to_have_text("aye", timeout=SOON)

    b.run("todos.insert(text='nay')")
    expect(poll).to_have_text("2 votes", timeout=SOON)
