"""
A room in which nothing happens gives its memory back and keeps the people; whatever happens next wakes it.

A room whose file is closed has no log beside it: SQLite takes that away.
"""

import asyncio
import contextlib
import gc
import shutil
import statistics
import threading
import time
import weakref
from pathlib import Path

import pytest

from partysync_server import operating
from partysync_server.access import Access
from partysync_server.parties import Parties
from partysync_server.principal import OPERATOR
from partysync_server.rooms import Rooms
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from partysync_widget.core.party import Main
from tests.dialect.conftest import PARTIES
from tests.dialect.tab import Tab
from tests.hostile.test_decoder import resident
from tests.proof import extent, note
from tests.server.stranger import Stranger, hello, sentence

FEW_BYTES = 140_000  # as the system counts them, of a room that is asleep, its one socket included


@pytest.fixture
def drowsy(start_server):
    """A server whose rooms sleep soon."""
    return start_server(*PARTIES, "--idle-room=0.2")


def asleep(server, rooms=1):
    """Whether all these rooms are, which nobody has left."""
    return lambda: server.metric("partysync_rooms_asleep") == rooms and not server.files("*-wal")


def greeted(server, room, client):
    """A kernel, by hand, that has everything."""
    kernel = Stranger(server, f"/parties/main/{room}")
    kernel.frame(hello(client))
    while kernel.hear()["type"] != "end":
        pass
    return kernel


def test_a_room_with_only_idle_sockets_closes_its_file_and_an_edit_wakes_it(drowsy, enter, wait_until):
    """R2, R9: everybody hears of the edit, in one frame each, and nothing is lost; whatever they speak."""
    room = enter("naps", at=drowsy, user="ann")
    table = room.table("todos", text=str)
    table.insert(id="t1", text="before").result(8)
    with Tab(drowsy, "/parties/main/naps", "p1") as one, Tab(drowsy, "/parties/main/naps", "p2") as other:
        assert one.rows().keys() == other.rows().keys() == {"t1"}
        for n in range(2):
            wait_until(asleep(drowsy), what="sleep")
            assert room.status == "live"
            sessions = drowsy.sessions()
            made = one.result("insert", {"id": f"w{n}", "values": {"text": f"after sleep {n}"}})
            assert made[0][:2] == [f"w{n}", f"after sleep {n}"]
            assert [record[0] for record in other.hear()["payload"]] == [f"w{n}"]
            wait_until(lambda n=n: f"w{n}" in table, what="the page's edit in the kernel")
            assert drowsy.sessions() == sessions
        wait_until(asleep(drowsy), what="sleep")
        table.update("t1", text="by the kernel").result(8)
        for tab in (one, other):
            assert tab.hear()["payload"][0][:2] == ["t1", "by the kernel"]

    assert room.version == 5
    assert "Traceback" not in drowsy.log


def test_a_sync_wakes_a_room_and_so_does_who_comes(drowsy, enter, wait_until):
    """R4."""
    enter("woken", at=drowsy).table("todos", text=str).insert(id="t1", text="x").result(8)
    with Tab(drowsy, "/parties/main/woken", "p1") as tab:
        wait_until(asleep(drowsy))
        assert tab.rows().keys() == {"t1"}
        wait_until(asleep(drowsy))
        assert enter("woken", at=drowsy).table("todos")["t1"]["text"] == "x"


def test_pings_are_answered_in_its_sleep_and_presence_is_told(drowsy, wait_until):
    """R3, R11. Kernels ping every ten seconds; none of it opens the file."""
    with greeted(drowsy, "listens", "k1") as one, greeted(drowsy, "listens", "k2") as other:
        while one.hear()["type"] != "peers":
            pass
        wait_until(asleep(drowsy))
        openings = drowsy.metric("partysync_rooms_asleep")
        for _ in range(3):
            one.frame({"type": "ping", "version": 0})
            assert one.hear() == {"type": "pong", "version": 0}
        other.frame({"type": "presence", "state": {"at": "here"}})
        assert one.hear()["peers"]["k2"]["state"] == {"at": "here"}
        assert drowsy.metric("partysync_rooms_asleep") == openings == 1


def test_the_last_one_who_leaves_a_sleeping_room_ends_it(drowsy, wait_until):
    with Tab(drowsy, "/parties/todos/left", "p1") as tab:
        assert tab.rows() == {}
        wait_until(asleep(drowsy))
    wait_until(lambda: drowsy.metric("partysync_rooms_open") == 0, what="the end of the room")
    assert "Traceback" not in drowsy.log


def test_a_server_that_stops_says_goodbye_to_those_in_sleeping_rooms(drowsy, wait_until):
    with greeted(drowsy, "ends", "k1") as kernel, Tab(drowsy, "/parties/todos/ends", "p1") as tab:
        assert tab.rows() == {}
        wait_until(asleep(drowsy, 2))
        assert drowsy.stop() == 0
        assert kernel.hear_all()[-1]["type"] == "bye"
        assert "stopping" in tab.hear_all()[-1]["exception"][0]
    assert "Traceback" not in drowsy.log


def test_access_that_is_taken_back_ends_a_session_in_a_sleeping_room(drowsy, enter, wait_until):
    """R13. Shares are changed by who is there, which wakes it; one that expires does so by itself."""
    owner = enter("guarded", at=drowsy)
    owner.table("todos", text=str)
    share = owner.share("editor", expires=2.0)
    with Tab(drowsy, "/parties/main/guarded", token=share.token) as guest:
        assert guest.rows() == {}
        wait_until(asleep(drowsy))
        (last,) = guest.hear_all()
        assert sentence(last["exception"][0])


@pytest.mark.parametrize("what", ["gone", "replaced"])
def test_who_is_in_a_sleeping_room_whose_file_is_touched_is_told_and_told_no_other_history(drowsy, wait_until, what):
    """R10. What they hold is of the file that was closed."""
    with Tab(drowsy, "/parties/todos/moved", "p1") as tab:
        tab.result("create", {"id": "t1", "text": "x", "completed": 0})
        wait_until(asleep(drowsy))
        (path,) = drowsy.files()
        older = path.with_suffix(".older")
        shutil.copy(path, older)
        tab.result("create", {"id": "t2", "text": "x", "completed": 0})
        wait_until(asleep(drowsy))
        if what == "gone":
            path.unlink()
        else:
            older.replace(path)
        *_, last = tab.hear_all()
        assert sentence(last["exception"][0])
    if what == "replaced":
        with Tab(drowsy, "/parties/todos/moved", "p2") as later:
            assert later.rows().keys() == {"t1"}


# --- in the server's own process --------------------------------------------------------------------------------------


class Wire:
    """Takes everything at once, or in its own time."""

    def __init__(self):
        self.heard = []
        self.held = None

    def send(self, frame):
        self.heard.append(decode_down(frame, "json"))
        return self.held

    def close(self):
        pass

    def kinds(self, kind):
        return [frame for frame in self.heard if isinstance(frame, kind)]


@pytest.fixture
def rooms(tmp_path):
    access = Access(tmp_path / "access.sqlite")
    yield Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 22, 256), idle=60)
    access.close()


async def until(there):
    async with asyncio.timeout(8):
        while not there():  # noqa: ASYNC110  # what is watched has no event of its own
            await asyncio.sleep(0.001)


async def come(place, client):
    session, wire = Session(OPERATOR, "json", "owner"), Wire()
    place.join(session, wire)
    place.receive(session, m.Hello(m.PROTOCOL, client))
    await until(lambda: wire.kinds(m.End))
    return session, wire


def push(place, first, count=1):
    edits = [m.Mutation(first + n, "insert", {"table": "t", "id": str(first + n), "values": {}}) for n in range(count)]
    return m.Push(place.room.ledger.epoch, edits)


async def settled(place):
    """It falls asleep as soon as it may."""

    def there():
        place.doze()
        return place.asleep

    await until(there)


def test_a_room_never_sleeps_while_something_is_undecided_or_unsent(rooms):
    """R6, R12. It is told to sleep at each moment of an edit, a hundred times over."""

    async def story():
        place = await rooms.open(Main, "r")
        session, wire = await come(place, "a")
        _, other = await come(place, "b")
        place.receive(
            session, m.Push(place.room.ledger.epoch, [m.Mutation(1, "create_table", {"name": "t", "columns": []})])
        )
        slept = 0
        for n in range(2, 102):
            place.doze()
            place.receive(session, push(place, n))
            for _ in range(n % 7):
                place.doze()
                await asyncio.sleep(0)
            await until(lambda n=n: other.kinds(m.Delta) and other.kinds(m.Delta)[-1].version == n)
            if n % 3 == 0:
                await settled(place)
            slept += place.asleep
        deltas = other.kinds(m.Delta)
        wire.held = asyncio.get_running_loop().create_future()  # a line that takes nothing more
        place.receive(session, push(place, 102))
        await until(lambda: other.kinds(m.Delta)[-1].version == 102)
        for _ in range(20):
            place.doze()
            await asyncio.sleep(0.002)
        stuck = place.asleep
        wire.held.set_result(None)
        wire.held = None
        await settled(place)
        await rooms.close(m.Bye("The end."))
        return slept, [(each.base, each.version) for each in deltas], stuck, wire

    slept, told, stuck, wire = asyncio.run(story())

    assert slept > 20
    assert [base for base, _ in told[1:]] == [version for _, version in told[:-1]]  # one after the other (R3)
    assert not stuck
    assert wire.kinds(m.Delta)[-1].version == 102
    assert isinstance(wire.heard[-1], m.Bye)


def test_a_sleeping_room_holds_neither_its_store_nor_its_party(rooms):
    """Nor anything that was encoded for somebody."""

    async def story():
        place = await rooms.open(Main, "r")
        await come(place, "a")
        held = [weakref.ref(each) for each in (place.room.ledger.store, place.host.party, place.room.ledger.pages)]
        await settled(place)
        gc.collect()
        left = [each() for each in held if each() is not None]
        await rooms.close(m.Bye("The end."))
        return left, place.room._deltas._frames, place.room._snapshots

    assert asyncio.run(story()) == ([], {}, {})


def test_a_room_that_cannot_be_opened_again_says_so(rooms, monkeypatch):
    async def story():
        place = await rooms.open(Main, "r")
        session, wire = await come(place, "a")
        await settled(place)

        def fails(*_, **__):
            raise OSError("a disk that failed")

        monkeypatch.setattr(place, "_reopen", fails)
        place.receive(session, push(place, 1))
        await until(lambda: isinstance(wire.heard[-1], m.Error))
        again = await rooms.open(Main, "r")
        await come(again, "b")
        await rooms.close(m.Bye("The end."))
        return wire.heard[-1], again is place

    error, same = asyncio.run(story())

    assert (error.kind, error.retry) == ("storage", "backoff")
    assert not same


def test_a_sleeping_room_is_backed_up_listed_and_restored_like_any_other(rooms, tmp_path):
    """And whoever is in it hears that it was restored."""

    async def story():
        place = await rooms.open(Main, "r")
        session, wire = await come(place, "a")
        table = m.Mutation(1, "create_table", {"name": "t", "columns": []})
        place.receive(session, m.Push(place.room.ledger.epoch, [table]))
        await until(lambda: wire.kinds(m.Delta))
        await settled(place)
        (tmp_path / "copy.db").touch()
        (line,) = await operating.listed(rooms)
        label = await operating.back_up(rooms, "main", "r", tmp_path / "copy.db")
        awake = not place.asleep
        await settled(place)
        await operating.restore(rooms, "main", "r", tmp_path / "copy.db")
        again = await rooms.open(Main, "r")
        _, later = await come(again, "b")
        await rooms.close(m.Bye("The end."))
        return line.version, label.version, awake, wire.heard[-1], later.kinds(m.Welcome)[0].version

    listed, backed_up, awake, last, restored = asyncio.run(story())

    assert (listed, backed_up, restored) == (1, 1, 1)
    assert awake
    assert isinstance(last, m.Bye)


def test_a_room_wakes_in_order_while_its_file_is_worked_with(rooms):
    """What woke it has the file for as long as it needs; the party begins meanwhile, and touches nothing of it."""

    async def story():
        place = await rooms.open(Main, "r")
        await come(place, "a")
        await settled(place)
        asleep, gate = place.asleep, threading.Event()

        def work(ledger):
            ledger.store.connection.create_scalar_function("at_the_gate", lambda: gate.wait(8))
            return ledger.store.connection.execute("SELECT at_the_gate()").fetchall()

        asked = asyncio.create_task(place.between(work))
        await until(lambda: not place.asleep and place._begun.is_set() and not place._tasks)
        gate.set()
        opened = await asked
        await rooms.close(m.Bye("The end."))
        return asleep, opened, place.broken

    assert asyncio.run(story()) == (True, [(1,)], "")


def test_who_comes_and_goes_while_a_room_falls_asleep_or_wakes_finds_it(rooms):
    """At each moment of it; everybody is welcomed, and holds what the others do."""

    async def story():
        place = await rooms.open(Main, "r")
        session, _ = await come(place, "a")
        table = m.Mutation(1, "create_table", {"name": "t", "columns": []})
        place.receive(session, m.Push(place.room.ledger.epoch, [table]))
        versions = []
        for n in range(40):
            place.doze()
            for _ in range(n % 9):
                await asyncio.sleep(0)
            guest, wire = await come(place, f"g{n}")
            place.receive(guest, push(place, 1))
            await until(lambda wire=wire: wire.kinds(m.Delta))
            versions.append(wire.kinds(m.Delta)[-1].version)
            place.leave(guest)
        await rooms.close(m.Bye("The end."))
        return versions

    assert asyncio.run(story()) == list(range(2, 42))


def test_a_large_room_stays_open(rooms, monkeypatch):
    """All of its file is read when it is opened again."""
    monkeypatch.setattr("partysync_server.sleeping.LARGE", 1_000)

    async def story():
        place = await rooms.open(Main, "r")
        await come(place, "a")
        for _ in range(50):
            place.doze()
            await asyncio.sleep(0.002)
        asleep = place.asleep
        await rooms.close(m.Bye("The end."))
        return asleep

    assert not asyncio.run(story())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.timeout(300)
@pytest.mark.alone
def test_a_sleeping_room_takes_little_memory(start_server, wait_until):
    """Figures: of a room in which one socket is idle, open and asleep; and how long its next edit takes."""
    count = extent("sleepers", 120, 1_000)
    costs, waking = {}, []
    for how, idle in (("open", "3600"), ("asleep", "0.1")):
        server = start_server(*PARTIES, f"--idle-room={idle}")
        with contextlib.ExitStack() as stack:
            tabs = [stack.enter_context(filled(server, f"first-{n}")) for n in range(10)]  # it makes once what it needs
            wait_until(lambda server=server, how=how: how == "open" or asleep(server, 10)())
            before = resident(server.process.pid)
            for n in range(count):
                tabs.append(stack.enter_context(filled(server, f"room-{n}")))
                if how == "asleep" and n % 20 == 19:
                    wait_until(asleep(server, len(tabs)), what="sleep")
            if how == "asleep":
                wait_until(asleep(server, len(tabs)), what="sleep")
            costs[how] = (resident(server.process.pid) - before) / count
            for tab in tabs[-20:]:
                began = time.perf_counter()
                tab.result("update", {"id": "t1", "text": "y", "completed": 1})
                waking.append((how, time.perf_counter() - began))
        server.stop()
    took = {how: statistics.median(seconds for which, seconds in waking if which == how) for how in costs}
    note(
        "sleeping-rooms",
        rooms=count,
        **{f"{how}_kb": round(each / 1024, 1) for how, each in costs.items()},
        **{f"edit_{how}_ms": round(each * 1000, 1) for how, each in took.items()},
    )
    assert costs["asleep"] < FEW_BYTES
    assert costs["asleep"] < costs["open"] / 2


def filled(server, room):
    """A page in a room that has a row."""
    tab = Tab(server, f"/parties/todos/{room}", "p1")
    tab.result("create", {"id": "t1", "text": "x", "completed": 0})
    return tab
