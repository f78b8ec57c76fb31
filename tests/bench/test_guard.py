"""
The guard against growing slow: what a room reaches, held to what bare floors reach in the same seconds.

Only ratios within one run. Each is taken in pairs, ours and the floor one right after the other, and the best of a few
pairs counts: what else the machine does makes some pairs worse, a slower program makes all of them so.
"""

import itertools

import pytest

from partysync_server.bench import bare, kernel
from partysync_server.bench.crowd import Crowd
from partysync_server.bench.process import stop_all
from partysync_server.bench.systems import SYSTEMS
from partysync_server.bench.tongues import PER_PUSH
from partysync_server.bench.workloads import Extent, one_by_one, sessions
from tests.proof import note

# Every bound, in one place: what the code reached when it was set, on a busy machine, with a margin of two to five.
LEAST = {
    "pipelined writes, of what SQLite alone commits in groups of 256": 0.10,
    "writes one at a time into 50,000 rows, of those into an empty table": 0.55,
    "writes of ten clients, of those of one": 0.30,
    "writes one at a time, of those into a bare room": 0.25,
    "frames to 50 observers, of those of a bare room": 0.012,
    "rows to 50 observers, of those of a bare room": 0.05,
    "rows to 50 observers, of those to one": 13,
}
MOST = {
    "median delay to 20 observers, of that in a bare room": 5.0,
    "99th percentile of the delay to 20 observers, of that in a bare room": 8.0,
    "rebase of 100 pending in 20,000 rows, of that in 100 rows": 2.5,
    "memory of a session, of one in a bare room": 3.5,
}
PAIRS = 3
SECONDS = 0.4  # of each flow
SHORT = Extent(seconds=SECONDS, writes=40, quick=True)

folders = itertools.count()
pytestmark = pytest.mark.alone


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left():
    yield
    stop_all()


@pytest.fixture
def folder(tmp_path):
    return lambda: tmp_path / str(next(folders))


def at_least(name, pair):
    """The best of some ratios reaches the bound; no more are taken than are needed."""
    found = []
    while len(found) < PAIRS and max(found, default=0.0) < LEAST[name]:
        found.append(pair())
    note("guard", **{name: round(max(found), 3)})
    assert max(found) >= LEAST[name], f"{name}: {found}, and should be {LEAST[name]} or more."


def at_most(name, pair):
    found = []
    while len(found) < PAIRS and min(found, default=1e9) > MOST[name]:
        found.append(pair())
    note("guard", **{name: round(min(found), 3)})
    assert min(found) <= MOST[name], f"{name}: {found}, and should be {MOST[name]} or less."


class Room:
    """A system with some observers and writers, to be asked several times."""

    def __init__(self, system, folder, *, observers=1, writers=1, rows=0):
        self.running = SYSTEMS[system].start(folder)
        self.crowd = Crowd()
        self.running.fill(rows)
        self.running.observe(self.crowd, observers)
        self.writers = self.running.writers(self.crowd, writers)
        self.flow(0.1)  # warm

    def flow(self, seconds=SECONDS, *, window=2048, burst=256):
        return self.crowd.pipelined(self.writers, seconds, window=window, burst=burst)

    def delays(self):
        times = self.crowd.paced(self.writers[0], 50, SHORT.writes, 20)
        return times[len(times) // 2], times[len(times) * 99 // 100]

    def close(self):
        self.crowd.__exit__()
        self.running.stop()


@pytest.fixture
def enter(folder):
    entered = []

    def enter(system, **how):
        entered.append(Room(system, folder(), **how))
        return entered[-1]

    yield enter
    for each in entered:
        each.close()


def writes(flow):
    return flow.rows / flow.seconds


def test_pipelined_writes_keep_up_with_the_disk(enter, folder):
    room = enter("ours")

    def pair():
        path = folder()
        path.mkdir()
        return writes(room.flow()) / bare.commit_rows(path / "rows.db", 20 * PER_PUSH, PER_PUSH)

    at_least("pipelined writes, of what SQLite alone commits in groups of 256", pair)


def test_a_large_table_is_written_to_as_fast_as_an_empty_one(enter):
    empty, large = enter("ours"), enter("ours", rows=50_000)

    at_least(
        "writes one at a time into 50,000 rows, of those into an empty table",
        lambda: writes(large.flow(window=1, burst=1)) / writes(empty.flow(window=1, burst=1)),
    )


def test_ten_clients_write_as_fast_as_one(enter):
    one, ten = enter("ours"), enter("ours", writers=10)

    at_least("writes of ten clients, of those of one", lambda: writes(ten.flow()) / writes(one.flow()))


def test_a_write_alone_waits_for_the_disk_and_little_else(folder):
    def pair():
        ours, floor = (one_by_one(system, 0, SHORT, folder()).values["writes"] for system in ("ours", "bare"))
        return ours / floor

    at_least("writes one at a time, of those into a bare room", pair)


def test_telling_many_is_cheap(enter):
    ours, floor = enter("ours", observers=50), enter("bare", observers=50)

    def frames():
        mine, theirs = (room.flow(window=4, burst=1) for room in (ours, floor))
        return mine.frames / mine.seconds / (theirs.frames / theirs.seconds)

    def rows():
        mine, theirs = ours.flow(), floor.flow()
        return mine.deliveries / mine.seconds / (theirs.deliveries / theirs.seconds)

    at_least("frames to 50 observers, of those of a bare room", frames)
    at_least("rows to 50 observers, of those of a bare room", rows)


def test_a_delta_is_made_once_for_all(enter):
    """R12: what one more observer costs is the sending of bytes that are there."""
    one, many = enter("ours"), enter("ours", observers=50)

    def pair():
        mine, theirs = many.flow(), one.flow()
        return mine.deliveries / mine.seconds / (theirs.deliveries / theirs.seconds)

    at_least("rows to 50 observers, of those to one", pair)


def test_nobody_hears_late(enter):
    ours, floor = enter("ours", observers=20), enter("bare", observers=20)
    pairs = []

    def median():
        pairs.append([mine / theirs for mine, theirs in zip(ours.delays(), floor.delays(), strict=True)])
        return pairs[-1][0]

    at_most("median delay to 20 observers, of that in a bare room", median)
    at_most(
        "99th percentile of the delay to 20 observers, of that in a bare room",
        lambda: pairs.pop()[1] if pairs else median() and pairs.pop()[1],
    )


def test_a_rebase_does_not_grow_with_the_table():
    at_most(
        "rebase of 100 pending in 20,000 rows, of that in 100 rows",
        lambda: kernel.rebase(100, 20_000) / kernel.rebase(100, 100),
    )


def test_an_idle_session_costs_little(folder):
    def pair():
        ours, floor = (sessions(system, 100, SHORT, folder()).values["kilobytes"] for system in ("ours", "bare"))
        return ours / floor

    at_most("memory of a session, of one in a bare room", pair)
