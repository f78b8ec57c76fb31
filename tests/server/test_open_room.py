"""An open room: what it does about those who take what they are sent slowly, or not at all."""

import asyncio
import contextlib
import threading
import time

import apsw
import pytest

from partysync_server import open_room, sending
from partysync_server.access import Access
from partysync_server.ledger import Ledger
from partysync_server.parties import Parties
from partysync_server.principal import OPERATOR
from partysync_server.rooms import Rooms
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from partysync_widget.core.errors import StorageFailed
from partysync_widget.core.party import Main, Party, mutator

SECONDS = 0.2  # for a frame to be taken


async def until(there):
    while not there():  # noqa: ASYNC110  # what is watched has no event of its own
        await asyncio.sleep(0.005)


class SlowWire:
    """Takes a frame in so many seconds."""

    def __init__(self, pace):
        self.pace = pace
        self.heard = []
        self.closed = asyncio.Event()

    async def send(self, frame):
        await asyncio.sleep(self.pace)
        self.heard.append(decode_down(frame, "json"))

    async def until(self, kind):
        await until(lambda: any(isinstance(frame, kind) for frame in self.heard))

    def close(self):
        self.closed.set()


@pytest.fixture
def rooms(tmp_path):
    access = Access(tmp_path / "access.sqlite")
    yield Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 22, 256), idle=60)
    access.close()


async def enter(place, wire, client):
    session = Session(OPERATOR, "json", "owner")
    place.join(session, wire)
    place.receive(session, m.Hello(m.PROTOCOL, client))
    await asyncio.wait_for(wire.until(m.End), 8)
    return session


def large(epoch):
    """Edits whose delta is many parts."""
    rows = [[str(n), "x" * 1_000] for n in range(3_000)]
    made = m.Mutation(1, "create_table", {"name": "t", "columns": [{"name": "x", "type": "text"}]})
    return m.Push(epoch, [made, m.Mutation(2, "insert_rows", {"table": "t", "columns": ["id", "x"], "rows": rows})])


def test_a_slow_line_has_its_time_for_each_frame_of_a_large_change(rooms, monkeypatch):
    """R12. It was cut after the time of one frame, came again with the same cursor, and was cut again, for ever."""
    monkeypatch.setattr(sending, "WRITE_SECONDS", SECONDS)

    async def story():
        place = await rooms.open(Main, "r")
        author, slow = SlowWire(0), SlowWire(SECONDS / 4)
        writing = await enter(place, author, "author")
        await enter(place, slow, "slow")
        slow.heard.clear()
        place.receive(writing, large(place.room.ledger.epoch))
        await asyncio.wait_for(slow.until(m.End), 20)
        await rooms.close(m.Bye("The end."))
        return slow

    slow = asyncio.run(story())

    assert sum(isinstance(frame, m.Part) for frame in slow.heard) > 8  # more than the time of one frame


def test_who_takes_nothing_is_cut_and_holds_up_nobody(rooms, monkeypatch):
    """R12."""
    monkeypatch.setattr(sending, "WRITE_SECONDS", SECONDS)

    async def story():
        place = await rooms.open(Main, "r")
        author, stalled = SlowWire(0), SlowWire(0)
        writing = await enter(place, author, "author")
        await enter(place, stalled, "stalled")
        stalled.pace = 3600
        place.receive(writing, large(place.room.ledger.epoch))
        author.heard.clear()
        await asyncio.wait_for(author.until(m.End), 8)
        await asyncio.wait_for(stalled.closed.wait(), 8)
        there = len(place.wires)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(rooms.close(m.Bye("The end.")), 8)
        return there

    assert asyncio.run(story()) == 1


def test_who_asks_and_does_not_take_the_answers_is_told_so(rooms):
    """R12. Answers that wait count among the questions that may be open."""

    async def story():
        place = await rooms.open(Main, "r")
        wire = SlowWire(0)
        session = await enter(place, wire, "asks")
        wire.pace = 3600
        place.receive(session, m.Ping(0))  # from now on it takes nothing
        for n in range(50):
            place.receive(session, m.Ask(n, "people"))
            await until(lambda: not session.asked)
        waiting, ended = len(session.answers), session.ended
        place.leave(session)
        await rooms.close(m.Bye("The end."))
        return waiting, ended

    waiting, ended = asyncio.run(story())

    assert waiting <= open_room.MOST_ASKED
    assert ended.kind == "busy"


class QuickWire:
    """Takes everything at once."""

    def __init__(self):
        self.heard = []

    def send(self, frame):
        self.heard.append(decode_down(frame, "json"))

    def close(self):
        pass

    @property
    def peers(self):
        """Who is there, as far as it was told."""
        known = {}
        for frame in self.heard:
            if isinstance(frame, m.Welcome):
                known = dict(frame.peers)
            elif isinstance(frame, m.Peers):
                known |= frame.peers
        return {client for client, peer in known.items() if peer is not None}


def test_of_many_who_come_at_once_everybody_hears_together(rooms, monkeypatch):
    """R11, R12. It was a frame for each pair of them: for a thousand, minutes."""
    monkeypatch.setattr(sending, "PEER_SECONDS", 0.001)
    many = 150

    async def story():
        place = await rooms.open(Main, "r")
        wires = [QuickWire() for _ in range(many)]
        sessions = [Session(OPERATOR, "json", "owner") for _ in wires]
        for n, (session, wire) in enumerate(zip(sessions, wires, strict=True)):
            place.join(session, wire)
            place.receive(session, m.Hello(m.PROTOCOL, f"c{n}"))
            await until(lambda wire=wire: wire.heard)
        everybody = {f"c{n}" for n in range(many)}
        await asyncio.wait_for(until(lambda: all(wire.peers == everybody for wire in wires)), 8)
        for session in sessions[: many // 2]:
            place.leave(session)
            await asyncio.sleep(0)
        rest = {f"c{n}" for n in range(many // 2, many)}
        await asyncio.wait_for(until(lambda: all(wire.peers == rest for wire in wires[many // 2 :])), 8)
        await rooms.close(m.Bye("The end."))
        return wires

    wires = asyncio.run(story())

    assert sum(isinstance(frame, m.Peers) for wire in wires for frame in wire.heard) < many * many / 8


def test_of_one_who_comes_to_few_they_hear_at_once(rooms, monkeypatch):
    """R11."""
    monkeypatch.setattr(sending, "PEER_SECONDS", 3600)

    async def story():
        place = await rooms.open(Main, "r")
        wires = [QuickWire(), QuickWire()]
        for n, wire in enumerate(wires):
            session = Session(OPERATOR, "json", "owner")
            place._sending._peers_at = 0.0  # the last telling was long ago
            place.join(session, wire)
            place.receive(session, m.Hello(m.PROTOCOL, f"c{n}"))
            await until(lambda wire=wire: wire.heard)
        await asyncio.wait_for(until(lambda: wires[0].peers == {"c0", "c1"}), 8)
        await rooms.close(m.Bye("The end."))

    asyncio.run(story())


class Waiting(Party):
    """Its mutator takes as long as the test likes."""

    begun, go = threading.Semaphore(0), threading.Event()

    @mutator
    def wait(tx):
        Waiting.begun.release()
        Waiting.go.wait(8)


def test_a_turn_that_takes_long_is_logged_once_when_it_has_taken_so_long(rooms, monkeypatch, caplog):
    """Also one that begins a while after another, whose time does not count; and again, the next that does."""
    monkeypatch.setattr(open_room, "SLOW_SECONDS", slow := 0.3)

    pushed = []

    def said():
        return [record.created for record in caplog.records if "the mutator wait of" in record.getMessage()]

    async def story():
        place = await rooms.open(Waiting, "r")
        wire = QuickWire()
        session = Session(OPERATOR, "json", "owner")
        place.join(session, wire)
        place.receive(session, m.Hello(m.PROTOCOL, "c"))
        await asyncio.wait_for(until(lambda: wire.heard), 8)
        for mid in range(1, 5):
            if mid in (2, 4):
                await asyncio.sleep(slow / 2)  # the story: it begins in the middle
            Waiting.go.clear()
            if mid in (1, 3):  # these take no time
                Waiting.go.set()
            pushed.append(time.time())  # the turn begins after that, and the mutator when a thread is free
            place.receive(session, m.Push(place.room.ledger.epoch, [m.Mutation(mid, "wait", {})]))
            await asyncio.wait_for(until(lambda: Waiting.begun.acquire(blocking=False)), 8)
            if mid in (2, 4):
                await asyncio.wait_for(until(lambda mid=mid: len(said()) == mid // 2), 8)
            Waiting.go.set()
            await asyncio.wait_for(until(lambda mid=mid: place.room.ledger.version == mid and not place.deciding), 8)
        await rooms.close(m.Bye("The end."))

    asyncio.run(story())

    late = [at - pushed[n] for n, at in zip((1, 3), said(), strict=True)]
    assert min(late) >= 0.95 * slow
    assert max(late) < 8


def test_of_too_many_empty_rooms_those_are_closed_that_were_longest(rooms, monkeypatch):
    """Whoever comes back finds the room as it was."""
    monkeypatch.setattr("partysync_server.rooms.COMING_SECONDS", -1.0)
    rooms.kept = 3

    async def story():
        for n in range(8):
            await rooms.open(Main, f"r{n}")
        place = rooms.places[rooms.path(Main, "r1")]
        session, wire = Session(OPERATOR, "json", "owner"), QuickWire()
        place.join(session, wire)
        await rooms.close_idle()
        there = {each.name for each in rooms.places.values()}
        place.leave(session)
        await rooms.open(Main, "r0")
        await rooms.close_idle()
        then = {each.name for each in rooms.places.values()}
        await rooms.close(m.Bye("The end."))
        return there, then

    there, then = asyncio.run(story())

    assert there == {"r1", "r5", "r6", "r7"}  # somebody is in the first
    assert then == {"r7", "r1", "r0"}


@pytest.mark.parametrize("moments", range(0, 12, 2))
def test_a_room_that_is_being_opened_while_the_server_stops_is_not_left_open(rooms, tmp_path, moments):
    """Its log stayed beside its file, and nobody in it was told anything."""

    async def story():
        opening = asyncio.create_task(rooms.open(Main, "r"))
        for _ in range(moments):
            await asyncio.sleep(0.0005)
        await rooms.close(m.Bye("The end."))
        with contextlib.suppress(StorageFailed):
            await opening
        with pytest.raises(StorageFailed, match="The end"):
            await rooms.open(Main, "another")
        return list(rooms.places)

    assert asyncio.run(story()) == []
    assert not list((tmp_path / "rooms").rglob("*-wal"))


def test_whoever_is_on_the_way_in_finds_the_room_open(rooms):
    rooms.kept = 0

    async def story():
        await rooms.open(Main, "r")
        await rooms.close_idle()
        there = len(rooms.places)
        await rooms.close(m.Bye("The end."))
        return there

    assert asyncio.run(story()) == 1


def test_a_long_log_is_folded_when_nobody_waits(rooms):
    """Nobody's edit pays for it. Before, it was the next edit's business, of whoever came with it."""

    async def story():
        place = await rooms.open(Main, "r")
        wire = SlowWire(0)
        session = await enter(place, wire, "author")
        file, size = place.room.ledger.path, 5_000_000
        rows = [[str(n), "x" * 50_000] for n in range(size // 50_000)]
        made = m.Mutation(1, "create_table", {"name": "t", "columns": [{"name": "x", "type": "text"}]})
        many = m.Mutation(2, "insert_rows", {"table": "t", "columns": ["id", "x"], "rows": rows})
        place.receive(session, m.Push(place.room.ledger.epoch, [made, many]))
        await asyncio.wait_for(until(lambda: file.stat().st_size > size), 8)
        await rooms.close(m.Bye("The end."))

    asyncio.run(story())


def test_a_fold_that_fails_is_a_failure_of_storage(rooms, monkeypatch):
    """R9: the file is opened again, and asked; the room goes on."""
    failures = 0
    checkpoint = Ledger.checkpoint

    def once(ledger):
        nonlocal failures
        if not failures:
            failures += 1
            raise StorageFailed("The room's file failed while folding the log into it.")
        checkpoint(ledger)

    monkeypatch.setattr(Ledger, "checkpoint", once)

    async def story():
        place = await rooms.open(Main, "r")
        wire = SlowWire(0)
        session = await enter(place, wire, "author")
        first = place.room.ledger
        monkeypatch.setattr("partysync_server.room_file.FOLD_BYTES", 8_000)
        place.receive(session, large(first.epoch))
        await asyncio.wait_for(until(lambda: place.room.ledger is not first), 8)
        place.receive(session, m.Push(first.epoch, [m.Mutation(3, "delete", {"table": "t", "id": "0"})]))
        await asyncio.wait_for(until(lambda: place.room.ledger.version == 3), 8)
        assert not place.broken
        await rooms.close(m.Bye("The end."))

    asyncio.run(story())

    assert failures == 1


def test_a_room_that_everybody_has_left_gives_memory_back(rooms):
    """It stays open for a while, for whoever comes next."""

    def held(place):
        current, _ = place.room.ledger.store.connection.status(apsw.SQLITE_DBSTATUS_CACHE_USED)
        return current

    async def story():
        place = await rooms.open(Main, "r")
        wire = SlowWire(0)
        session = await enter(place, wire, "author")
        place.receive(session, large(place.room.ledger.epoch))
        await asyncio.wait_for(until(lambda: place.room.shown == 2), 8)
        before = held(place)
        place.leave(session)
        await asyncio.wait_for(until(lambda: held(place) < before / 10), 8)
        again = await enter(place, SlowWire(0), "author")
        assert again.cursor == 2
        await rooms.close(m.Bye("The end."))

    asyncio.run(story())


def test_a_room_that_breaks_when_its_last_has_left_ends_in_order(rooms, monkeypatch):
    """R9: whoever waits for it is told. Its file is closed by then, and has no memory to give back."""

    def fail(*_, **__):
        raise StorageFailed("The room's file failed while committing.")

    async def story():
        place = await rooms.open(Main, "r")
        session = await enter(place, SlowWire(0), "author")
        monkeypatch.setattr(Ledger, "commit", fail)
        place._reopen = fail
        place.receive(session, large(place.room.ledger.epoch))
        place.leave(session)
        await asyncio.wait_for(until(lambda: place.broken), 8)
        with pytest.raises(StorageFailed):
            await asyncio.wait_for(place.between(lambda ledger: None), 8)
        await asyncio.wait_for(asyncio.wait([place._driver]), 8)
        assert place._driver.exception() is None

    asyncio.run(story())


def test_a_room_whose_alarm_cannot_be_read_is_not_opened_and_can_be_later(rooms, monkeypatch):
    """R9: it is the disk that has failed, and no party."""

    def fail(_ledger):
        raise StorageFailed("The room's file failed while looking for its alarm.")

    async def story():
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "alarm", property(fail))
            with pytest.raises(StorageFailed, match=r"^The room's file failed while looking for its alarm\.$"):
                await rooms.open(Main, "r")
        await rooms.open(Main, "r")
        await rooms.close(m.Bye("The end."))

    asyncio.run(story())
