"""What people do with the grid, two at a time: in a real browser, by mouse and keyboard, on two kernels."""

import re
import secrets

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SOON = 10_000  # ms
BOTH = pytest.mark.front_ends("lab", "notebook7")
FILL = "todos.insert_many([dict(id=f'r{i}', text=f'row {i}', n=i, done=False) for i in range(8)]).result(10)"


@pytest.fixture
def two(notebook):
    """Ada and Grace in one new room, each with the grid of its table."""
    enter = f"import partysync_widget as ps\nroom = ps.connect('grid-{secrets.token_hex(4)}', user="
    declare = ")\ntodos = room.table('todos', text=str, done=bool, n=int, size=['small', 'big'])"
    opened = [notebook(f"{enter}{name!r}{declare}", "todos") for name in ("Ada Lovelace", "Grace Hopper")]
    for each in opened:
        each.run_all()
    for each in opened:
        expect(each.grid.locator(".ps-status")).to_have_text("live", timeout=60_000)
    opened[0].run(FILL)
    for each in opened:
        expect(each.cell("r7", "text")).to_be_visible(timeout=SOON)
    return opened


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def copied(page):
    """What a copy puts on the clipboard, without asking the browser for leave to read it."""
    page.evaluate(
        """() => {
            const set = DataTransfer.prototype.setData;
            DataTransfer.prototype.setData = function (type, text) {
                window.copied = text;
                set.call(this, type, text);
            };
        }"""
    )
    page.keyboard.press("Control+C")
    return page.evaluate("window.copied")


def paste(page, text):
    """As from a spreadsheet."""
    page.evaluate(
        """(text) => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
            document.activeElement.dispatchEvent(event);
        }""",
        text,
    )


@BOTH
def test_what_one_types_shows_to_the_other_before_it_is_sent(two):
    """R11: the draft, with its author; then the value in its place, with the old one never between them."""
    a, b = two
    a.cell("r2", "text").click()
    expect(b.cell("r2", "text")).to_have_class(re.compile("ps-peer"), timeout=SOON)
    expect(b.grid.locator(".ps-face")).to_have_attribute("title", "Ada Lovelace")
    b.page.evaluate(
        """() => {
            const cell = document.querySelector('[data-id="r2"] [role=gridcell][data-column="text"]');
            window.shown = [];
            new MutationObserver(() => {
                const text = cell.textContent;
                if (text !== window.shown.at(-1)) window.shown.push(text);
            }).observe(cell, {childList: true, characterData: true, subtree: true});
        }"""
    )

    a.page.keyboard.type("fed", delay=60)
    draft = b.cell("r2", "text")
    expect(draft).to_have_text("fed", timeout=SOON)
    expect(draft).to_have_class(re.compile("ps-typing"))
    expect(draft).to_have_attribute("title", re.compile("Ada Lovelace is typing"))
    assert "'row 2'" in b.run("print(repr(todos['r2']['text']))")  # a draft is no data
    b.screenshot("draft")
    press(a.page, "Enter")
    expect(draft).not_to_have_class(re.compile("ps-draft"), timeout=SOON)
    expect(draft).to_have_text("fed")
    shown = b.page.evaluate("window.shown")
    assert shown[-1] == "fed"
    assert "row 2" not in shown

    a.page.keyboard.type("gone")  # into r3
    expect(b.cell("r3", "text")).to_have_text("gone", timeout=SOON)
    press(a.page, "Escape")
    expect(b.cell("r3", "text")).to_have_text("row 3", timeout=SOON)


def test_an_edit_the_room_has_not_decided_shows_to_the_others_as_theirs(two, jupyter):
    """R11: a slow mutator."""
    a, b = two
    name = f"slow_{secrets.token_hex(3)}"
    (jupyter.folder / f"{name}.py").write_text(
        "import time\nfrom partysync_widget import Party, mutator\n\n\nclass Slow(Party):\n"
        '    schema = "CREATE TABLE jobs (id TEXT PRIMARY KEY NOT NULL, state TEXT) STRICT"\n\n'
        "    @mutator\n    def finish(tx, id: str):\n        if not tx.guess:\n            time.sleep(4)\n"
        "        tx.upsert('jobs', id=id, state='done')\n"
    )
    for each in (a, b):
        each.run(f"import {name}\nslow = ps.connect('slow', party={name}.Slow, user=room.connection.replica.user)")
    a.run("slow.table('jobs').insert(id='j1', state='new').result(10)")
    b.start("slow.table('jobs')")
    expect(b.cell("j1", "state")).to_have_text("new", timeout=SOON)

    a.run("slow.mutate('finish', id='j1'); slow.mutate('finish', id='j2'); None")
    expect(b.cell("j1", "state")).to_have_text("done", timeout=3_000)
    expect(b.cell("j1", "state")).to_have_class(re.compile("ps-draft"))
    expect(b.cell("j2", "state")).to_have_text("done")  # a row that is not there yet
    assert "'new'" in b.run("print(repr(slow.table('jobs')['j1']['state']), len(slow.table('jobs')))")
    b.screenshot("undecided")
    expect(b.grid.locator(".ps-draft")).to_have_count(0, timeout=15_000)
    expect(b.cell("j2", "state")).to_have_text("done")


def test_a_change_by_somebody_else_flashes_once_in_their_colour(two):
    a, b = two
    b.page.evaluate(
        """() => {
            const ours = (e) => e.animationName.startsWith("ps-flash");
            const flashed = (e) => ours(e) && window.flashes.push(e.target.dataset.column);
            window.flashes = [];  // those of the first rows are over when their animations are
            addEventListener("animationstart", flashed, true);
        }"""
    )
    b.page.wait_for_function("() => !document.querySelector('.ps-pane').getAnimations({subtree: true}).length")
    a.run("todos.update('r1', n=100).result(10)")
    expect(b.cell("r1", "n")).to_have_text("100", timeout=SOON)
    b.page.wait_for_function("window.flashes?.length > 0")
    assert b.page.evaluate("window.flashes") == ["n"]

    b.page.emulate_media(reduced_motion="reduce")
    assert b.cell("r1", "n").evaluate("(cell) => getComputedStyle(cell).animationTimingFunction").startswith("steps(1")
    b.cell("r5", "done").locator("input").click()
    expect(a.cell("r5", "done").locator("input")).to_be_checked(timeout=SOON)
    b.run("room.sync(10)")
    assert b.page.evaluate("window.flashes") == ["n"]  # not for one's own


@BOTH
def test_ranges_go_to_a_spreadsheet_and_come_back_as_one_mutation(two):
    a, b = two
    a.cell("r1", "text").click()
    press(a.page, "Shift+ArrowDown", "Shift+ArrowRight", "Shift+ArrowRight")
    expect(a.grid.locator(".ps-selected")).to_have_count(6)
    assert copied(a.page) == "row 1\tfalse\t1\nrow 2\tfalse\t2"

    version = int(a.run("room.sync(10); print(room.version)").split()[0])
    a.cell("r4", "text").click()
    paste(a.page, '"with a\ttab"\ttrue\t40\r\n"line\nbreak"\tno\t\r\n')
    expect(b.cell("r4", "n")).to_have_text("40", timeout=SOON)
    assert repr("line\nbreak") in b.run("print(repr(todos['r5']['text']), todos['r5']['n'])")
    assert int(a.run("room.sync(10); print(room.version)").split()[0]) == version + 1

    a.cell("r4", "text").click()  # the notebook has had the focus
    press(a.page, "Control+Z")  # all of it
    expect(b.cell("r4", "n")).to_have_text("4", timeout=SOON)
    expect(b.cell("r5", "text")).to_have_text("row 5")
    press(a.page, "Control+Y")
    expect(b.cell("r4", "n")).to_have_text("40", timeout=SOON)


@pytest.mark.parametrize(
    ("column", "text", "why"),
    [
        ("n", "1\t2\t3", "has 3 columns; from n on the table has 2"),
        ("text", "a\tyes\t1\nb\tperhaps\t2", "Row 3, done: perhaps is neither true nor false"),
        ("n", "12\nabc\n1.5", "Row 3, n: abc is not a whole number. Row 4, n: 1.5"),
        ("size", "huge", "huge is not one of small, big"),
        ("text", "a\tyes\nb", "Row 3 has 1 cell where the others have 2"),
    ],
)
def test_a_paste_that_does_not_fit_says_which_cells_and_changes_nothing(one, column, text, why):
    before = one.run("print(todos.records)")
    one.cell("r1", column).click()
    paste(one.page, text)
    expect(one.grid.locator(".ps-notices")).to_contain_text("Nothing was changed.")
    expect(one.grid.locator(".ps-notices")).to_contain_text(why)
    assert one.run("print(todos.records)") == before


@pytest.fixture(scope="module")
def alone(module_notebook):
    """One notebook for all tests of this module that leave no trace."""
    made = module_notebook(
        f"import partysync_widget as ps\nroom = ps.connect('one-{secrets.token_hex(4)}')\n"
        "todos = room.table('todos', text=str, done=bool, n=int, size=['small', 'big'])\n"
        f"{FILL}",
    )
    made.run_all()
    return made


@pytest.fixture
def one(alone):
    alone.start("todos")
    expect(alone.cell("r7", "text")).to_be_visible(timeout=60_000)
    return alone


@BOTH
def test_undo_leaves_alone_what_somebody_else_has_written_since(two):
    a, b = two
    a.cell("r1", "text").click()
    paste(a.page, "mine\ttrue\t77")
    expect(b.cell("r1", "n")).to_have_text("77", timeout=SOON)
    b.run("todos.update('r1', n=88).result(10)")
    expect(a.cell("r1", "n")).to_have_text("88", timeout=SOON)

    press(a.page, "Control+Z")
    expect(b.cell("r1", "text")).to_have_text("row 1", timeout=SOON)
    expect(a.cell("r1", "n")).to_have_text("88")
    expect(a.grid.locator(".ps-notices")).to_contain_text("1 cell that somebody else has changed since")
    assert "88" in b.run("room.sync(10); print(todos['r1'])")

    a.cell("r6", "text").click()
    press(a.page, "Control+Delete")
    expect(b.row("r6")).to_have_count(0, timeout=SOON)
    press(a.page, "Control+Z")
    expect(b.cell("r6", "text")).to_have_text("row 6", timeout=SOON)
    order = b.grid.locator(".ps-row").evaluate_all("(rows) => rows.map((row) => row.dataset.id)")
    assert order == [f"r{i}" for i in range(8)]  # where it was


def test_an_edit_that_breaks_the_rooms_rule_says_why_on_the_cell(two, jupyter):
    """R6: rolled back, with the reason and "try again" at the cell."""
    a, b = two
    name = f"rules_{secrets.token_hex(3)}"
    (jupyter.folder / f"{name}.py").write_text(
        "from partysync_widget import Party\n\n\nclass Rules(Party):\n"
        '    schema = """CREATE TABLE seats (\n        id TEXT PRIMARY KEY NOT NULL,\n'
        '        free INTEGER NOT NULL CHECK (free >= 0)\n    ) STRICT"""\n'
    )
    for each in (a, b):
        each.run(f"import {name}\nrules = ps.connect('rules', party={name}.Rules)")
    a.run("rules.table('seats').insert(id='s1', free=2).result(10)")
    a.start("rules.table('seats')")
    a.cell("s1", "free").click()
    press(a.page, "-", "1", "Enter")
    expect(a.cell("s1", "free")).to_have_class(re.compile("ps-rejected"), timeout=SOON)
    expect(a.cell("s1", "free")).to_have_text("2")
    bubble = a.grid.locator(".ps-bubble")
    expect(bubble).to_contain_text("free >= 0")
    a.screenshot("rejected-cell")

    b.run("print(rules.table('seats')['s1'])")
    bubble.get_by_role("button", name="Try again").click()
    expect(a.cell("s1", "free")).to_have_class(re.compile("ps-rejected"), timeout=SOON)  # the rule is the same
    a.cell("s1", "free").click()
    bubble.get_by_role("button", name="Dismiss").click()
    expect(a.grid.locator(".ps-rejected")).to_have_count(0)


@BOTH
def test_sorting_filtering_and_columns_are_each_persons_own(two):
    a, b = two
    ids = "(rows) => rows.map((row) => row.dataset.id)"
    a.grid.get_by_role("columnheader", name="n", exact=False).filter(has=a.page.locator("text=/^n$/")).click()
    a.grid.locator('.ps-th[data-column="n"]').click()
    expect(a.grid.locator('.ps-th[data-column="n"]')).to_have_attribute("aria-sort", "descending")
    assert a.grid.locator(".ps-row").evaluate_all(ids)[0] == "r7"
    assert b.grid.locator(".ps-row").evaluate_all(ids)[0] == "r0"

    b.run("todos.update('r3', n=300).result(10)")  # it moves to its place
    expect(a.grid.locator(".ps-row").first).to_have_attribute("data-id", "r3", timeout=SOON)

    a.grid.locator(".ps-search").fill("row 5")
    expect(a.grid.locator(".ps-row")).to_have_count(1)
    expect(a.grid.locator(".ps-count")).to_have_text("1 row found")
    a.grid.locator(".ps-search").fill("")
    a.grid.locator(".ps-filter-toggle").click()
    a.grid.get_by_label("Filter n").fill(">=5")
    expect(a.grid.locator(".ps-row")).to_have_count(4)

    a.grid.locator(".ps-columns").click()
    a.grid.get_by_role("menuitemcheckbox", name="size").click()
    expect(a.grid.locator('.ps-th[data-column="size"]')).to_have_count(0)
    edge = a.grid.locator('.ps-th[data-column="text"] .ps-edge')
    box = edge.bounding_box()
    a.page.mouse.move(box["x"] + 3, box["y"] + 5)
    a.page.mouse.down()
    a.page.mouse.move(box["x"] + 103, box["y"] + 5, steps=4)
    a.page.mouse.up()
    width = a.grid.locator('.ps-th[data-column="text"]').bounding_box()["width"]
    header, target = a.grid.locator('.ps-th[data-column="n"] .ps-name'), a.grid.locator('.ps-th[data-column="text"]')
    at, to = header.bounding_box(), target.bounding_box()
    a.page.mouse.move(at["x"] + 2, at["y"] + 4)
    a.page.mouse.down()
    a.page.mouse.move(to["x"] + 4, to["y"] + 4, steps=5)
    a.page.mouse.up()
    expect(a.grid.locator(".ps-th").first).to_have_attribute("data-column", "n")
    expect(b.grid.locator(".ps-th").first).to_have_attribute("data-column", "text")

    a.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    a.page.reload()  # the kernel keeps the arrangement
    expect(a.grid.locator(".ps-row")).to_have_count(4, timeout=60_000)
    expect(a.grid.locator(".ps-th").first).to_have_attribute("data-column", "n")
    expect(a.grid.locator('.ps-th[data-column="size"]')).to_have_count(0)
    assert abs(a.grid.locator('.ps-th[data-column="text"]').bounding_box()["width"] - width) < 2


def test_hostile_text_stays_text(one):
    """As values, ids and column names."""
    one.run(
        """
hostile = [
    '<img src=x onerror="window.pwned=1">', '<script>window.pwned=1</script>', 'javascript:window.pwned=1',
    '\\u202eevil\\u202c', '__proto__', 'constructor', 'toString', '{{7*7}}', '${window.pwned=1}',
    '"><svg onload=window.pwned=1>', "' onmouseover='window.pwned=1", '&lt;b&gt;', '=HYPERLINK("http://x")',
    '\\u2066a\\u2069', 'a' * 5000, '\\U0001F469\\u200D\\U0001F4BB',
]
bad = room.table('bad', **{'__proto__': str, 'constructor': int, 'text': str, '<b>bold</b>': str})
for text in hostile:
    bad.insert(id=text, **{'__proto__': text, 'text': text, '<b>bold</b>': text, 'constructor': 1})
room.sync(10)
"""
    )
    one.start("bad")
    expect(one.grid.locator(".ps-row")).to_have_count(16, timeout=SOON)
    assert one.page.evaluate("window.pwned") is None
    assert one.grid.locator("img, script, svg, b").count() == 0
    assert one.grid.locator(".ps-name").all_text_contents() == ["__proto__", "constructor", "text", "<b>bold</b>"]
    cell = one.grid.locator('.ps-row[data-id="__proto__"] [data-column="__proto__"]')
    expect(cell).to_have_text("__proto__")
    cell.dblclick()
    one.page.keyboard.type("kept")
    press(one.page, "Enter")
    expect(cell).to_have_text("kept")
    expect(one.grid.locator('.ps-row[data-id="__proto__"]')).not_to_have_class(re.compile("ps-pending"), timeout=SOON)
    assert "kept" in one.run("print(bad['__proto__'])")
    one.grid.locator(".ps-search").fill("onerror")
    expect(one.grid.locator(".ps-row")).to_have_count(1)
    assert one.page.evaluate("window.pwned") is None


def test_a_finger_and_a_magnifying_glass(one):
    """Touch: a tap selects, two edit; at 200 % nothing is cut off that cannot be scrolled to."""
    one.page.evaluate("() => { document.body.style.zoom = '2' }")
    one.cell("r1", "n").scroll_into_view_if_needed()
    one.cell("r1", "n").click()
    box = one.cell("r1", "n").bounding_box()
    active = one.grid.locator(".ps-active").bounding_box()
    assert abs(box["x"] - active["x"]) < 1
    assert abs(box["y"] - active["y"]) < 1
    press(one.page, "Enter")
    expect(one.grid.locator(".ps-editor")).to_be_focused()
    press(one.page, "Escape")
    one.page.evaluate("() => { document.body.style.zoom = '' }")
