"""The whole grid by keyboard and by screen reader: axe-core finds nothing, and no action needs a mouse."""

import re
import secrets
from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SOON = 10_000  # ms
AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def one(module_notebook):
    made = module_notebook(
        "import partysync_widget as ps\nimport datetime as dt\n"
        f"room = ps.connect('keys-{secrets.token_hex(4)}', user='Ada')\n"
        "todos = room.table('todos', text=str, done=bool, n=int, size=['small', 'big'], due=dt.date)\n"
        "todos.insert_many([dict(id=f'r{i}', text=f'row {i}', n=i, done=False) for i in range(30)]).result(10)",
        "todos",
    )
    made.run_all()
    expect(made.cell("r7", "text")).to_be_visible(timeout=60_000)
    return made


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def violations(page):
    """What axe-core has to say about the grid; of the page around it we know nothing."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found, passed = page.evaluate(
        """() => axe.run([...document.querySelectorAll(".ps-table")].at(-1)).then(({violations, passes}) => [
            violations.map(({id, nodes}) => [id, nodes.map((node) => node.html + node.failureSummary)]), passes.length,
        ])"""
    )
    assert passed > 10  # it has looked
    return found


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_no_violation(one, theme):
    """With filters, a selection, an editor, a refusal, a menu and the help sheet open, one after the other."""
    page = one.page
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function(f"document.body.dataset.jpThemeName === {theme!r}")
    assert violations(page) == []

    one.cell("r1", "n").click()
    press(page, "Shift+ArrowDown", "Control+Shift+F")
    expect(one.grid.get_by_label("Filter n")).to_be_focused()
    assert violations(page) == []
    press(page, "Escape", "Enter")
    page.keyboard.type("abc")
    expect(one.grid.locator(".ps-bubble")).to_contain_text("abc is not a whole number")
    assert violations(page) == []
    press(page, "Escape", "Alt+ArrowDown")
    expect(one.grid.get_by_role("menu")).to_be_visible()
    assert violations(page) == []
    press(page, "Escape", "?")
    expect(one.grid.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []
    press(page, "Escape", "Control+Shift+F")
    one.run("room.offline(); todos.update('r2', n=5)")
    one.cell("r1", "due").click()
    press(page, "Shift+ArrowLeft", "Delete")
    expect(one.row("r1")).to_have_class(re.compile("ps-pending"))
    assert violations(page) == []
    press(page, "Control+Z")
    one.run("room.online(); room.sync(10)")
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")


def test_the_whole_grid_can_be_worked_by_keyboard(one):
    """From Tab into it to the last menu, with no mouse and nothing lost to the notebook."""
    page, grid = one.page, one.grid
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    grid.locator(".ps-search").focus()
    press(page, "Tab")
    expect(grid.locator("[role=grid]")).to_be_focused()
    press(page, "Control+Home")
    active = grid.locator("[role=grid]")
    named = lambda: page.evaluate(  # noqa: E731
        "() => { const g = [...document.querySelectorAll('[role=grid].ps-grid')].at(-1);"
        " return document.getElementById(g.getAttribute('aria-activedescendant'))?.textContent; }"
    )
    assert named() == "row 0"

    press(page, "F2", "End")
    page.keyboard.type("!")
    press(page, "Tab")  # commits, and goes right: to the checkbox
    expect(one.cell("r0", "text")).to_have_text("row 0!")
    press(page, "Space")
    expect(one.cell("r0", "done").locator("input")).to_be_checked()
    press(page, "ArrowRight", "4", "2", "Enter")
    expect(one.cell("r0", "n")).to_have_text("42")
    press(page, "Control+Z")
    expect(one.cell("r0", "n")).to_have_text("0")
    press(page, "Control+Y")
    expect(one.cell("r0", "n")).to_have_text("42")

    press(page, "ArrowUp", "Shift+ArrowDown", "Shift+ArrowDown", "Control+d")
    expect(one.cell("r2", "n")).to_have_text("42")
    press(page, "Delete")
    expect(one.cell("r1", "n")).to_have_text("")
    press(page, "Escape", "Control+Home", "ArrowUp", "Enter")  # the header of text: sorted by it
    expect(grid.locator('[data-column="text"][role=columnheader]')).to_have_attribute("aria-sort", "ascending")
    press(page, "Enter")
    expect(grid.locator('[data-column="text"][role=columnheader]')).to_have_attribute("aria-sort", "descending")
    expect(grid.locator(".ps-row").first).to_have_attribute("data-id", "r9")
    press(page, "Enter", "Alt+ArrowDown")
    expect(grid.get_by_role("menuitemcheckbox", name="Sort ascending")).to_be_focused()
    press(page, "m", "m", "Escape")
    expect(active).to_be_focused()
    press(page, "Shift+F10", "h", "Enter")  # hide
    expect(grid.locator('[data-column="text"][role=columnheader]')).to_have_count(0)
    grid.locator(".ps-columns").focus()
    press(page, "Enter", "t", "Enter")
    expect(grid.locator('[data-column="text"][role=columnheader]')).to_have_count(1)
    expect(active).to_be_focused()
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_rows_and_columns_can_be_worked_by_keyboard(one):
    page, grid = one.page, one.grid
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    active = grid.locator("[role=grid]")
    active.focus()
    width = grid.locator(".ps-th").first.bounding_box()["width"]
    press(page, "Control+Home", "Alt+Shift+ArrowRight")
    assert grid.locator(".ps-th").first.bounding_box()["width"] > width
    press(page, "Alt+Enter")
    expect(grid.locator(".ps-editor")).to_be_focused()
    page.keyboard.type("by hand")
    press(page, "Enter")
    expect(grid.locator(".ps-count")).to_have_text("31 rows")
    press(page, "Control+End", "Home", "Control+Shift+D")
    expect(grid.locator(".ps-count")).to_have_text("32 rows")
    press(page, "Control+Delete", "Control+End", "Control+Delete")
    expect(grid.locator(".ps-count")).to_have_text("30 rows")
    press(page, "Control+f")
    page.keyboard.type("row 12")
    expect(grid.locator(".ps-count")).to_have_text("1 row found")
    press(page, "Escape", "Escape", "?")
    expect(grid.get_by_role("dialog")).to_be_visible()
    press(page, "Escape")
    expect(active).to_be_focused()
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_a_screen_reader_is_told_what_there_is(one):
    grid = one.grid.locator("[role=grid]")
    expect(grid).to_have_attribute("aria-rowcount", "31")
    expect(grid).to_have_attribute("aria-colcount", "6")
    first = one.row("r0")
    expect(first).to_have_attribute("aria-rowindex", "2")
    assert one.cell("r0", "n").get_attribute("aria-colindex") == "3"
    grid.focus()
    press(one.page, "Control+End")
    last = one.row("r29")
    expect(last).to_have_attribute("aria-rowindex", "31")
    press(one.page, "Shift+ArrowUp")
    assert one.grid.locator("[aria-selected=true]").count() == 2
    press(one.page, "Control+Space")
    assert grid.evaluate("(g) => document.getElementById(g.getAttribute('aria-activedescendant')) !== null")
