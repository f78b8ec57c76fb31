"""
A kernel is interrupted, or killed and started again, in the middle of making edits and of taking others'.

R6, R7, R8: no half of an edit is ever seen, by a cell or by an observer; afterwards every edit has the room's word, and
the kernel sees what everybody sees. What a kernel with a cache has made outlives it.
"""

import contextlib
import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.faults import purse, tally
from tests.kernels.kernel import Kernel
from tests.proof import extent, note

INTERRUPTS = extent("interrupts", 60, 500)
RESTARTS = extent("restarts", 2, 10)
SEED = 20261127

chance = random.Random(SEED)

ENTER = """
import random
import partysync_widget as ps
import purse
room = ps.connect("purses", party=purse.Purse)
room.sync(20)
receipts, halves, looks, interrupts, told = [], [], 0, 0, 0

def look():
    found = room.sql("SELECT sum(coins) AS coins, count(*) AS purses FROM purses")[0]
    if found != {"coins": purse.TOTAL, "purses": purse.PURSES}:
        halves.append(("a cell", found))

def hear(changes):
    global told
    told += 1
    rows = room.table("purses").records
    if (sum(row["coins"] for row in rows), len(rows)) != (purse.TOTAL, purse.PURSES):
        halves.append(("a follower", rows))

following = room.table("purses").follow(hear)
"""

# One interrupt at a time, and only while we work: one that hits ipykernel itself, between two cells, can break that.
WORK = """
import os, signal, threading
chance = random.Random({seed})

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

while interrupts < {count}:
    try:
        threading.Timer(chance.uniform(0.0, 0.02), interrupt).start()
        while True:
            receipts.append(room.mutate("move", purses=random.sample([f"p{{n}}" for n in range(purse.PURSES)], 6)))
            look()
            looks += 1
            if len(receipts) > 50:
                receipts[-50].result(20)
    except KeyboardInterrupt:
        interrupts += 1
    look()
"""


@pytest.fixture
def parties(on_path):
    on_path(Path(__file__).parent)


@pytest.fixture
def kernel_at(parties):
    """A kernel that finds this server: ``kernel_at(server)``. Another one ends those before it."""
    started = []

    def start(server):
        while started:
            started.pop().kill()
        started.append(Kernel({**os.environ, "PARTYSYNC_URL": server.url, "PARTYSYNC_TOKEN": server.token}))
        return started[-1]

    yield start
    for kernel in started:
        kernel.kill()


@contextlib.contextmanager
def busy(room):
    """Somebody else moves coins all the time, so that there is always a delta to be taken."""
    ended = threading.Event()

    def work():
        ids = [f"p{n}" for n in range(purse.PURSES)]
        receipts = []
        while not ended.is_set():
            receipts.append(room.mutate("move", purses=random.sample(ids, 3)))
            if len(receipts) > 5:
                receipts.pop(0).result(20)
            time.sleep(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.timeout(60 + INTERRUPTS)
def test_an_interrupt_anywhere_leaves_no_half_of_an_edit(parties, start_server, kernel_at, enter):
    server = start_server("--party", "purse:Purse")
    other = enter("purses", at=server, party=purse.Purse)
    other.mutate("fill").result(8)
    kernel = kernel_at(server)
    kernel.run(ENTER)
    with busy(other):
        kernel.end(kernel.begin(WORK.format(count=INTERRUPTS, seed=SEED)), seconds=30 + INTERRUPTS)
    kernel.run("undecided = [receipt for receipt in receipts if receipt.result(20) is not None]\nroom.sync(20)")
    other.sync(20)
    looks, told, halves = kernel.ask("looks"), kernel.ask("told"), kernel.ask("halves")

    note(
        "kernel interrupted",
        interrupts=kernel.ask("interrupts"),
        looks=looks,
        deltas_heard=told,
        halves_seen=len(halves),
        seed=SEED,
    )
    assert halves == []
    assert kernel.ask("[room.status, room.pending, len(undecided)]") == ["live", 0, 0]
    assert kernel.ask("room.table('purses').records") == other.table("purses").records
    assert sum(row["coins"] for row in other.table("purses").records) == purse.TOTAL
    before = kernel.ask("told")
    other.mutate("move", purses=["p0", "p1"]).result(8)  # and what comes later still comes
    kernel.run("room.sync(20)")
    assert kernel.ask("told") > before
    assert looks > INTERRUPTS / 4


MAKE = """
import time
import partysync_widget as ps
import tally
room = ps.connect("tally", party=tally.Tally, cache={cache!r}, timeout=20)
if {alone}:
    room.offline()
n = 0
with open({made!r}, "a", buffering=1) as lines:
    while True:
        n += 1
        room.mutate("enter", who={who!r}, n=n)
        lines.write(f"{who} {{n}}\\n")  # it is made: mutate has returned
        while room.pending > 200 and not {alone}:
            time.sleep(0.001)
"""


@pytest.mark.timeout(120 + 20 * RESTARTS)
def test_a_kernel_that_is_killed_and_started_again_loses_no_edit(tally_server, kernel_at, come, tmp_path, wait_until):
    """R5, R6. With a cache. It is killed while it edits and takes others' edits; every other time, offline."""
    server = tally_server()
    kernel = kernel_at(server)
    (ann,) = come(server, "ann")
    made = tmp_path / "made"
    made.touch()
    where = {"cache": str(tmp_path / "cache"), "made": str(made)}
    lives = [f"life-{n}" for n in range(RESTARTS)]
    for who in lives:
        before = made.stat().st_size
        kernel.begin(MAKE.format(who=who, alone=who in lives[1::2], **where))
        wait_until(lambda before=before: made.stat().st_size > before, 30, "edits")
        time.sleep(chance.uniform(0.05, 0.5))  # chance, not waiting
        kernel = kernel_at(server)  # the end of the one before it
    kernel.run(
        "import partysync_widget as ps, tally\n"
        f"room = ps.connect('tally', party=tally.Tally, cache={where['cache']!r}, timeout=20)\nroom.sync(30)"
    )
    pending = kernel.ask("room.pending")
    ann.go_on()
    ann.hear()
    kernel.run("room.sync(30)")
    digest = kernel.ask("tally.digest(room)")
    ann.go_on()
    assert ann.hear() == digest
    kernel.run("room.close()")
    server.stop()
    entries, _ = tally.in_file(*server.files())

    there = [(who, n) for who, n, _ in entries if who in lives]
    returned = [(who, int(n)) for who, n in map(str.split, made.read_text().splitlines())]
    kept = {(who, n) for who, n in returned if n % tally.REFUSED}
    lost, doubled = kept - {*there}, [entry for entry in entries if entry[2] != 1]
    note(
        "kernel restarted",
        restarts=RESTARTS,
        edits=len(returned),
        lost=len(lost),
        doubled=len(doubled),
        seed=SEED,
    )
    assert pending == 0
    assert not lost
    assert not doubled
    assert there == sorted(there, key=lambda each: (lives.index(each[0]), each[1]))  # in their order
    assert len({*there} - {*returned}) <= RESTARTS  # the one whose line was not written before it was killed
