"""
Two notebooks, two kernels, one room: what one writes is in the other's rows and on its way to the other's browser.

All times are of the system's one monotonic clock, which every process here reads.
"""

import os
import statistics
import time

import pytest

from tests.kernels.kernel import Kernel

pytestmark = pytest.mark.alone

SOON = 0.1  # seconds; on an idle machine it is a few thousandths

ENTER = """
import time, threading
import partysync_widget as ps
room = ps.connect("{name}")
todos = room.table("todos", n=int)
"""

# Notes when rows are there, on the I/O thread: the kernel's own loop has nothing to do with it.
FOLLOW = """
seen, threads = {}, set()
def note(changes):
    there = todos.rows_of(changes.ids)
    seen.update(dict.fromkeys(set(there) - set(seen), time.monotonic()))
    threads.add(threading.current_thread().name)
following = todos.follow(note)
widget = ps.TableWidget(todos)
"""

# Row ``n`` is written at ``written[str(n)]``, by the clock.
WRITE = """
written, decided = {{}}, {{}}
def write(count, pause):
    for n in range(count):
        begun = written[f"{mark}-{{n}}"] = time.monotonic()
        receipt = todos.insert(id=f"{mark}-{{n}}", n=n)
        receipt.when_done(lambda receipt: decided.setdefault(receipt.id, time.monotonic()))
        time.sleep(max(0, begun + pause - time.monotonic()))
write({count}, {pause})
"""


@pytest.fixture(scope="module")
def kernels(server):
    environment = {**os.environ, "PARTYSYNC_URL": server.url, "PARTYSYNC_TOKEN": server.token}
    started = [Kernel(environment), Kernel(environment)]
    yield started
    for kernel in started:
        assert kernel.close() < 3, "A kernel with an open room took long to end."


@pytest.fixture
def notebooks(kernels, request):
    """Two kernels in a room of the test's own."""
    a, b = kernels
    for kernel in kernels:
        kernel.run(ENTER.format(name=request.node.name))
    b.run("room.sync(8)\n" + FOLLOW)
    yield a, b
    for kernel in kernels:
        kernel.run("room.close()")


def open_browser(kernel):
    """The comm of the table's channel, after a browser has said hello and has every row."""
    comm = kernel.ask("widget.get_state()['table']").removeprefix("anywidget:")
    kernel.say(comm, {"k": "hello", "for": "page"})
    kernel.until(lambda: [content for _, content, _ in kernel.heard(comm) if content["k"] == "snapshot"])
    return comm


def arrivals(kernel, comm):
    """When each row first arrived at the browser."""
    found = {}
    for when, content, buffer in kernel.heard(comm):
        if content["k"] == "delta":
            for id in buffer["ids"]:
                found.setdefault(id, when)
    return found


def delays(written, seen):
    return [seen[id] - begun for id, begun in written.items()]


def milliseconds(values):
    ordered = sorted(values)
    return f"median {statistics.median(values) * 1000:.1f} ms, p95 {ordered[int(len(ordered) * 0.95)] * 1000:.1f} ms"


def test_an_insert_in_one_is_in_the_others_rows_and_widget(notebooks):
    """R2."""
    a, b = notebooks
    comm = open_browser(b)
    a.run(WRITE.format(mark="row", count=100, pause=0.025))
    a.run("room.sync(8)")
    b.run("room.sync(8)")
    b.until(lambda: len(arrivals(b, comm)) == 100)
    written, decided, seen = a.ask("written"), a.ask("decided"), b.ask("seen")
    in_rows, in_browser, at_author = (delays(written, there) for there in (seen, arrivals(b, comm), decided))
    print(f"\nin the other's rows: {milliseconds(in_rows)}; on the way to its browser: {milliseconds(in_browser)}")
    print(f"at the author as a receipt: {milliseconds(at_author)}")

    assert b.ask("todos.records") == b.ask("widget.records") == a.ask("todos.records")
    assert b.ask("[row['n'] for row in todos.records]") == list(range(100))
    assert b.ask("list(threads)") == ["partysync-io"]
    assert statistics.median(in_rows) < SOON
    assert statistics.median(in_browser) < SOON
    # One frame goes to everybody: the other has it about when the author hears that it is decided.
    assert statistics.median(in_rows) < 3 * statistics.median(at_author)


@pytest.mark.parametrize(
    ("cell", "seconds"), [("time.sleep(5)", 5), ("while time.monotonic() < begun + 2: sum(range(1000))", 2)]
)
def test_while_a_cell_runs_rows_and_widget_keep_following(notebooks, cell, seconds):
    """The cell keeps the kernel's loop; the I/O thread needs none of it."""
    a, b = notebooks
    comm = open_browser(b)
    running = b.begin(f"begun = time.monotonic()\n{cell}\nended = time.monotonic()")
    b.until(lambda: b.of(running, "execute_input"))
    running_since = time.monotonic()
    a.run(WRITE.format(mark="row", count=int(seconds * 8), pause=0.1))
    a.run("room.sync(8)")
    assert not [m for m in b.of(running, "status") if m["content"]["execution_state"] == "idle"]
    b.end(running)
    begun, ended, seen, written = b.ask("begun"), b.ask("ended"), b.ask("seen"), a.ask("written")
    arrived = arrivals(b, comm)
    print(f"\nin the rows: {milliseconds(delays(written, seen))}; browser: {milliseconds(delays(written, arrived))}")

    assert ended - begun >= seconds
    assert set(seen) == set(arrived) == set(written)
    assert all(running_since < when < ended for when in [*seen.values(), *arrived.values()])
    assert statistics.median(delays(written, seen)) < SOON
    assert statistics.median(delays(written, arrived)) < SOON


def test_what_a_callback_prints_lands_in_the_cell_that_registered_it(notebooks):
    a, b = notebooks
    registering = b.begin("s = todos.observe(lambda change: print('heard', *change.rows.values()))")
    b.end(registering)
    b.run("'another cell, run since'")
    a.run("todos.insert(id='1', n=1)")

    b.until(lambda: "heard {'id': '1', 'n': 1}" in "".join(m["content"]["text"] for m in b.of(registering, "stream")))
    b.run("s.close()")


def test_callbacks_wait_for_the_cell_that_runs_and_keep_their_order(notebooks):
    a, b = notebooks
    b.run("order = []\nsubscription = todos.observe(lambda change: order.extend(sorted(change.rows, key=int)))")
    running = b.begin("time.sleep(1); during = list(order)")
    b.until(lambda: b.of(running, "execute_input"))
    a.run("for n in range(20): todos.insert(id=str(n), n=n).result(8)")
    b.end(running)

    assert b.ask("during") == []
    b.run("import asyncio\nwhile len(set(order)) < 20: await asyncio.sleep(0.01)")
    assert list(dict.fromkeys(b.ask("order"))) == [str(n) for n in range(20)]


@pytest.mark.parametrize("wait", ["receipt.result()", "await receipt", "room.sync()"])
def test_a_wait_in_a_cell_can_be_interrupted(notebooks, wait):
    """ipykernel delivers an interrupt during an await only when its loop wakes."""
    _, b = notebooks
    b.run("room.offline()\nwhile room.status != 'offline': time.sleep(0.01)\nreceipt = todos.insert(id='kept', n=1)")
    running = b.begin(f"try:\n    {wait}\nexcept BaseException as error:\n    stopped = repr(error)")
    b.until(lambda: b.of(running, "execute_input"))
    begun = time.monotonic()
    b.interrupt()
    b.until(lambda: [m for m in b.of(running, "status") if m["content"]["execution_state"] == "idle"], 3)

    assert time.monotonic() - begun < 3
    b.run("room.online(); receipt.result(8)")
    assert b.ask("todos.records") == [{"id": "kept", "n": 1}]
