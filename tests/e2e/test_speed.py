"""
How long people wait, measured in their browsers: figures are printed (``pytest -s``) and held to bounds.

Clocks are those of one machine; what is measured is from the key or the click in one page to the frame in the other.
"""

import itertools
import json
import math
import os
import re
import secrets
import statistics

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(400)]

SOON = 15_000  # ms
MEDIAN, WORST = 40, 120  # ms from an edit in one notebook to the frame that shows it in another: the goal
TIMES = 3.0  # what a bare pipe takes at the same time: that much is allowed where the machine itself is slow
EDITS, WARM = 100, 10  # of a round; and before the first one, uncounted
ROUNDS = 6  # at most: the first that is good enough is the last

# The same way without us: page, Jupyter Server, kernel, a bare socket, kernel, Jupyter Server, page.
PIPE = """
import socket, threading, anywidget

class Pipe(anywidget.AnyWidget):
    _esm = '''export default {render({model, el}) {
        const box = Object.assign(document.createElement("input"), {type: "checkbox", className: "bare"});
        box.addEventListener("click", () => model.send({checked: box.checked}));
        model.on("msg:custom", ({checked}) => { box.checked = checked; });
        el.append(box);
    }}'''

pipe = Pipe()
"""
LISTEN = """
door = socket.create_server(("127.0.0.1", 0))
def follow():
    line, _ = door.accept()
    while said := line.recv(1):
        pipe.send({"checked": said == b"1"})
threading.Thread(target=follow, daemon=True).start()
print(door.getsockname()[1])
"""
DIAL = """
line = socket.create_connection(("127.0.0.1", %s))
line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
pipe.on_msg(lambda _, said, __: line.send(b"1" if said["checked"] else b"0"))
"""
BARE, DONE, TEXT = ".bare", '[data-id="r1"] [data-column="done"] input', '[data-id="r1"] [data-column="text"]'

numbers = itertools.count(100)

# The grid writes into the page in the frame's own callback: the first task after a change comes right after its paint.
# Who waits for a paint is told by the page itself: a test that asked would take the processor from what it measures.
WATCH = """(what) => {
    const now = () => performance.timeOrigin + performance.now();
    const seen = document.querySelector(what);
    const cell = seen.closest("[role=gridcell]") ?? seen;
    const read = () => {
        const box = cell.matches("input") ? cell : cell.querySelector("input");
        return box ? String(box.checked) : cell.textContent;
    };
    const paints = new BroadcastChannel("paints");
    let last = read();
    window.painted = new Map();  // of each value, when it was seen decided
    const look = () => {
        const value = read();
        window.expected?.();
        if (cell.classList.contains("ps-draft") || value === last) return;
        last = value;
        const painted = new MessageChannel();
        painted.port1.onmessage = () => {
            const at = now();
            window.painted.set(value, at);
            paints.postMessage(at);
            window.expected?.();
        };
        painted.port2.postMessage(0);
    };
    const observer = new MutationObserver(look);
    observer.observe(cell, {childList: true, characterData: true, subtree: true, attributes: true});
    const looking = setInterval(look, 2);  // a box is ticked by a property, which nobody observes
    window.unwatch = () => { clearInterval(looking); observer.disconnect(); paints.close(); };
}"""
PAINTED = """(value) => new Promise((done, fail) => {
    setTimeout(fail, 15_000, new Error(`${value} is not to be seen.`));
    window.expected = () => window.painted.has(value) && done(window.painted.get(value));
    window.expected();
})"""
DRAFTED = """(value) => new Promise((done, fail) => {
    setTimeout(fail, 15_000, new Error(`The draft of ${value} is not to be seen.`));
    window.expected = () => document.querySelector('[data-id="r1"] .ps-draft')?.textContent === value && done();
    window.expected();
})"""
# At no fixed place between two frames, and when what came of the click before is over.
CLICK = """async ([what, clicks]) => {
    const now = () => performance.timeOrigin + performance.now();
    const paints = new BroadcastChannel("paints");
    const waits = [];
    for (let i = 0; i < clicks; i++) {
        await new Promise((done) => setTimeout(done, 30 + 40 * Math.random()));
        const painted = new Promise((done, fail) => {
            paints.onmessage = ({data}) => done(data);
            setTimeout(fail, 15_000, new Error(`Click ${i} is not to be seen.`));
        });
        document.querySelector(what).click();
        const clicked = now();
        waits.push((await painted) - clicked);
    }
    paints.close();
    return waits;
}"""


@pytest.fixture
def two(notebook):
    enter = f"import partysync_widget as ps\nroom = ps.connect('speed-{secrets.token_hex(4)}')\n"
    opened = [notebook(enter + "t = room.table('t', text=str, done=bool)", "t") for _ in range(2)]
    for each in opened:
        each.run_all()
    for each in opened:
        expect(each.grid.locator(".ps-status")).to_have_text("live", timeout=60_000)
    opened[0].run("t.insert(id='r1', text='0', done=False).result(10)")
    for each in opened:
        expect(each.cell("r1", "text")).to_have_text("0", timeout=SOON)
    return opened


def told(what, waits):
    """Median and 99th percentile, and a line that says them."""
    waits = sorted(waits)
    median, worst = statistics.median(waits), waits[math.ceil(len(waits) * 0.99) - 1]
    load = os.getloadavg()[0] / os.cpu_count()
    print(f"\n{what}: median {median:.0f} ms, 99th percentile {worst:.0f} ms, of {len(waits)}; load {load:.1f} a core")
    return median, worst


def clicks(a, b, what, count):
    """From a click on a checkbox in A to the frame that shows it in B."""
    b.page.evaluate(WATCH, what)
    waits = a.page.evaluate(CLICK, [what, count])
    b.page.evaluate("window.unwatch()")
    return waits


def words(a, b, count):
    """From Enter in A, once B has seen the draft, to the frame that shows the value in B."""
    b.page.evaluate(WATCH, TEXT)
    waits = []
    for _ in range(count):
        word = str(next(numbers))
        a.cell("r1", "text").click()
        a.page.keyboard.type(word, delay=20)
        b.page.evaluate(DRAFTED, word)
        a.page.keyboard.press("Enter")
        waits.append(b.page.evaluate(PAINTED, word) - a.page.evaluate("window.entered"))
    b.page.evaluate("window.unwatch()")
    return waits


def test_an_edit_is_on_the_other_screen_before_one_looks_up(two):
    """Through Jupyter Server, twice, and the room. The best round counts: what else runs here can only add time.

    It is held to the goal, or, where the machine is too busy for that, to a multiple of what a bare pipe between the
    same two pages takes in the same round.
    """
    a, b = two
    for each in two:
        each.start(f"{PIPE}\ndisplay(pipe)")
        expect(each.page.locator(BARE)).to_be_visible(timeout=SOON)
    a.run(DIAL % b.run(LISTEN).split()[0])
    a.page.evaluate(
        """() => addEventListener("keydown", (e) => {
            if (e.key === "Enter") window.entered = performance.timeOrigin + performance.now();
        }, true)"""
    )
    for what in (BARE, DONE):
        clicks(a, b, what, WARM)
    words(a, b, WARM)
    measures = {
        "A click in A to the frame in B": lambda: clicks(a, b, DONE, EDITS),
        "Enter in A, when B has seen the draft, to the frame in B": lambda: words(a, b, EDITS),
    }
    goal, allowed = dict.fromkeys(measures, math.inf), dict.fromkeys(measures, math.inf)  # times of it, at best
    rounds = iter(range(ROUNDS))
    while max(allowed.values()) > 1 and next(rounds, None) is not None:
        floor = told("A bare pipe", clicks(a, b, BARE, EDITS))
        for what in [each for each in measures if allowed[each] > 1]:
            found = told(what, measures[what]())
            of_goal = [took / most for took, most in zip(found, (MEDIAN, WORST), strict=True)]
            of_floor = [took / (TIMES * bare) for took, bare in zip(found, floor, strict=True)]
            goal[what] = min(goal[what], max(of_goal))
            allowed[what] = min(allowed[what], max(map(min, of_goal, of_floor)))
    print(f"The goal is {MEDIAN} and {WORST} ms: {'reached' if max(goal.values()) <= 1 else 'NOT reached'}")

    assert max(allowed.values()) <= 1


def test_a_thousand_updates_a_second_leave_the_page_smooth(two):
    """Of rows in sight of a table of 100,000: at least 30 frames a second, at most 60 messages a second."""
    a, b = two
    a.run(
        "big = room.table('big', n=int, text=str)\n"
        "rows = [dict(id=f'r{i:06}', n=i, text=f'row {i}') for i in range(100_000)]\n"
        "big.insert_many(rows, progress=False).result(120)"
    )
    b.run("room.sync(60); big = room.table('big')")
    a.start("big")
    expect(a.cell("r000010", "n")).to_have_text("10", timeout=30_000)
    messages = "from partysync_widget.channel import TableChannel; print(TableChannel.of(big)._feed._seq)"
    before = int(a.run(messages).split()[0])
    b.start(
        """
import time
began = time.monotonic()
for tick in range(250):  # of 20 ms: 20 updates each
    with room.batch():
        for i in range(20):
            big.update(f"r{i % 15:06}", n=1_000_000 + tick * 20 + i)
    time.sleep(max(0, began + (tick + 1) / 50 - time.monotonic()))
took = time.monotonic() - began
"""
    )
    expect(a.cell("r000010", "n")).not_to_have_text("10", timeout=SOON)
    frames, seconds, longest = a.page.evaluate(
        """() => new Promise((done) => {
            const times = [];
            const frame = (now) => {
                times.push(now);
                if (now - times[0] < 4000) return requestAnimationFrame(frame);
                const gaps = times.slice(1).map((time, i) => time - times[i]);
                done([gaps.length, (now - times[0]) / 1000, Math.max(...gaps)]);
            };
            requestAnimationFrame(frame);
        })"""
    )
    took = float(b.run("room.sync(30); print(took)").split()[0])
    sent = int(a.run(messages).split()[0]) - before
    last = b.run("print(big['r000004']['n'])").split()[0]
    expect(a.cell("r000004", "n")).to_have_text(last, timeout=SOON)
    print(
        f"\n1,000 updates a second ({5000 / took:.0f} made) for 4 s: {frames / seconds:.0f} frames a second, "
        f"the longest gap {longest:.0f} ms; {sent / took:.0f} messages a second"
    )
    assert 5000 / took > 900
    assert frames / seconds >= 30
    assert sent / took <= 60


def test_a_million_rows_open_at_once_and_scroll_without_blanks(notebook, jupyter):
    name = f"million_{secrets.token_hex(3)}"
    (jupyter.folder / f"{name}.py").write_text(
        "from partysync_widget import Party, mutator\n\n\nclass Million(Party):\n"
        '    schema = "CREATE TABLE big (id TEXT PRIMARY KEY NOT NULL, n INTEGER, text TEXT, x REAL) STRICT"\n\n'
        "    @mutator\n    def fill(tx, rows: int):\n        tx.sql(\n"
        "            'WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < ?) '\n"
        "            \"INSERT INTO big SELECT printf('r%07d', i), i, 'row ' || (i * 7919 % 1000003), i / 3.0 \"\n"
        "            'FROM c',\n"
        "            rows,\n        )\n"
    )
    a = notebook(f"import partysync_widget as ps, {name}\nroom = ps.connect('{name}', party={name}.Million)")
    a.run_all()
    assert "True" in a.run("room.mutate('fill', rows=1_000_000).result(240); room.sync(240); print(True)")

    a.page.evaluate(
        """() => {
            const now = () => performance.now();
            new MutationObserver(() => {
                const first = document.querySelector('.ps-row [data-column="n"]');
                if (!window.opened && first?.textContent) window.opened = now();
            }).observe(document.body, {childList: true, subtree: true});
            window.began = now();
        }"""
    )
    a.start("room.table('big')")
    a.page.wait_for_function("window.opened")
    opened = a.page.evaluate("window.opened - window.began")
    expect(a.grid.locator(".ps-count")).to_have_text("1,000,000 rows")
    blanks = a.page.evaluate(SCROLL)
    print(f"\nA million rows: open after {opened:.0f} ms; scrolling: {json.dumps(blanks)}")
    a.screenshot("million")
    assert opened < 1_000
    assert blanks["wheel"]["blank"] == 0
    assert blanks["jumps"]["blank"] == 0
    assert blanks["wheel"]["late"] <= 2  # frames in a row that showed rows of before
    assert blanks["jumps"]["ms"] < 400

    a.page.keyboard.press("Escape")
    a.grid.locator('.ps-th[data-column="text"] .ps-name').click()
    expect(a.grid.locator('.ps-row [data-column="text"]').first).to_have_text("row 0", timeout=30_000)
    a.grid.locator(".ps-search").fill("row 99999")
    expect(a.grid.locator(".ps-count")).to_have_text(re.compile("^[0-9,]+ rows found"), timeout=30_000)


# Two ways to scroll: like a wheel, a few rows a frame; and by the bar, far away. In each frame the rows that are drawn
# must fill what is in sight (else it is blank), and be those of the place that the bar shows (else they are late).
SCROLL = """async () => {
    const grid = [...document.querySelectorAll(".ps-grid")].at(-1);
    const pane = grid.querySelector(".ps-pane");
    const frame = () => new Promise(requestAnimationFrame);
    const total = 1_000_000 * 28, view = pane.clientHeight;
    const look = () => {
        const scale = (total - view) / (grid.scrollHeight - grid.clientHeight);
        const top = grid.scrollTop * scale;
        const box = pane.getBoundingClientRect();
        const rows = [...pane.querySelectorAll(".ps-row")].map((row) => ({
            box: row.getBoundingClientRect(), n: Number(row.querySelector('[data-column="n"]').textContent),
        })).filter(({box: b}) => b.bottom > box.top + 1 && b.top < box.bottom - 1);
        const height = ({box: b}) => Math.min(b.bottom, box.bottom) - Math.max(b.top, box.top);
        const filled = rows.reduce((sum, row) => sum + height(row), 0);
        const first = rows.length ? Math.min(...rows.map(({n}) => n)) : -1;
        return {blank: filled < view - 2, late: Math.abs(first - Math.floor(top / 28)) > 1};
    };
    const wheel = {blank: 0, late: 0, frames: 0};
    let run = 0;
    for (let i = 0; i < 180; i++) {
        grid.scrollTop += 0.3 * 28;  // the bar is scaled: about one row of it is several of the table
        await frame(); await frame();
        const {blank, late} = look();
        wheel.frames += 1; wheel.blank += blank; run = late ? run + 1 : 0; wheel.late = Math.max(wheel.late, run);
    }
    const waits = [];
    let blank = 0;
    for (const part of [0.5, 0.9, 0.1, 0.999, 0.33]) {
        grid.scrollTop = part * grid.scrollHeight;
        const began = performance.now();
        for (;;) {
            await frame();
            const seen = look();
            blank += seen.blank;
            if (!seen.late || performance.now() - began > 5000) break;
        }
        waits.push(performance.now() - began);
    }
    return {wheel, jumps: {blank, ms: Math.round(waits.sort((a, b) => a - b)[2]), worst: Math.round(waits[4])}};
}"""
