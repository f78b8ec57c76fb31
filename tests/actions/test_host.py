"""A host: hooks that are called in an open room, and what becomes of their SQL."""

import asyncio
import threading
import time

import apsw
import pytest

from partysync_server import room
from partysync_server.access import Access
from partysync_server.parties import Parties
from partysync_server.principal import OPERATOR
from partysync_server.rooms import Rooms
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected, PartySyncError, StorageFailed
from partysync_widget.core.party import Party


class Hooked(Party):
    """Hooks of whatever name: what calls them is not the point here."""

    schema = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, n INTEGER UNIQUE) STRICT"

    def __init__(self):
        self.said = []
        self.gate = threading.Event()

    def on_plain(self, id):
        self.sql("INSERT INTO t (id) VALUES (?)", id)
        return object

    def on_nothing(self):
        return self.said

    async def on_slow(self, id):
        await asyncio.sleep(0.01)
        self.sql("INSERT INTO t (id) VALUES (?)", id)
        return self.sql("SELECT count(*) AS n FROM t")[0]["n"]

    def on_bad(self):
        self.sql("INSERT INTO t (id) VALUES ('half')")
        raise KeyError("its own")

    def on_twice(self):
        self.sql("INSERT INTO t (id, n) VALUES ('a', 1)")
        try:
            self.sql("INSERT INTO t (id, n) VALUES ('b', 1)")
        except apsw.ConstraintError as error:
            self.said.append(type(error).__name__)

    def on_blocks(self):
        self.gate.wait(8)

    async def on_waits(self):
        await asyncio.Event().wait()

    def tells(self, *, well):
        self._host.afterwards(lambda: self.said.append("before its SQL"))
        self.sql("INSERT INTO t (id) VALUES ('told')")
        self._host.afterwards(lambda: self.said.append("after it"))
        if not well:
            raise ValueError("no")

    def on_tells_badly(self):
        self.tells(well=False)

    def on_tells_well(self):
        self.tells(well=True)

    def on_reads(self):
        return self.sql("SELECT id FROM t")


@pytest.fixture
def in_a_room(tmp_path):
    """Run a story in an open room of a party; the room is closed in the end."""
    access = Access(tmp_path / "access.sqlite")

    def run(story, party=Hooked):
        async def whole():
            rooms = Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 20, 256), idle=60)
            place = await rooms.open(party, "r")
            try:
                return await asyncio.wait_for(story(place), 8)
            finally:
                await rooms.close(m.Bye("The end."))

        return asyncio.run(whole())

    yield run
    access.close()


def ids(place):
    return [id for (id,) in place.room.ledger.store.execute("SELECT id FROM t ORDER BY id")]


def test_a_hook_is_one_decision_of_the_room_itself(in_a_room):
    """R1, B6: it takes one version, and what it returns goes to whoever has called it."""

    async def story(place):
        returned = await place.host.call("on_plain", "a"), await place.host.call("on_slow", "b")
        return returned, place.room.ledger.version, place.room.shown, ids(place)

    assert in_a_room(story) == ((object, 2), 2, 2, ["a", "b"])


def test_a_hook_that_touches_no_row_takes_no_version(in_a_room):
    """R1: there is nothing to tell."""

    async def story(place):
        return await place.host.call("on_nothing"), await place.host.call("on_reads"), place.room.ledger.version

    assert in_a_room(story) == ([], [], 0)


def test_a_hook_that_raises_keeps_nothing_and_raises_to_whoever_called_it(in_a_room):
    """R6."""

    async def story(place):
        with pytest.raises(KeyError, match="its own"):
            await place.host.call("on_bad")
        await place.host.call("on_plain", "a")
        return ids(place), place.room.ledger.version

    assert in_a_room(story) == (["a"], 1)


def test_a_hook_may_catch_what_its_sql_raises(in_a_room):
    async def story(place):
        await place.host.call("on_twice")
        return ids(place), place.host.party.said

    assert in_a_room(story) == (["a"], ["ConstraintError"])


def test_a_hook_that_blocks_keeps_no_turn_and_no_loop(in_a_room):
    """Its thread is its own."""

    async def story(place):
        blocked = asyncio.create_task(place.host.call("on_blocks"))
        began = time.monotonic()
        while time.monotonic() < began + 0.05:
            await place.between(lambda ledger: ledger.version)
        assert not blocked.done()
        place.host.party.gate.set()
        await blocked
        return True

    assert in_a_room(story)


def test_what_a_hook_tells_waits_until_its_sql_is_durable(in_a_room):
    """R9: and what was undone is not told; what was said before any SQL, at once."""

    async def story(place):
        said = place.host.party.said
        with pytest.raises(ValueError, match="no"):
            await place.host.call("on_tells_badly")
        assert said == ["before its SQL"]
        await place.host.call("on_tells_well")
        return said

    assert in_a_room(story) == ["before its SQL", "before its SQL", "after it"]


def test_a_hook_has_its_time(in_a_room):
    class Hasty(Hooked):
        action_seconds = 0.05

    async def story(place):
        with pytest.raises(MutationRejected, match=r"on_waits was given up after 0.05 s") as late:
            await place.host.call("on_waits")
        return late.value.code

    assert in_a_room(story, Hasty) == "too-slow"


def test_a_room_that_closes_ends_its_hooks_and_its_thread(in_a_room):
    waiting = []

    async def story(place):
        waiting.append(asyncio.create_task(place.host.call("on_waits")))
        await place.host.call("on_plain", "a")
        assert place.needed

    in_a_room(story)
    [task] = waiting
    assert task.cancelled() or isinstance(task.exception(), StorageFailed)
    for each in threading.enumerate():
        if each.name.startswith("partysync-party"):
            each.join(8)
            assert not each.is_alive()


def test_a_party_that_cannot_be_made_leaves_nothing_open(in_a_room, tmp_path):
    class Broken(Hooked):
        def __init__(self):
            raise ValueError("not like this")

    with pytest.raises(StorageFailed, match="could not begin in this room: ValueError: not like this"):
        in_a_room(lambda place: place, Broken)

    assert not [*tmp_path.glob("rooms/*/*-wal")]


def test_self_needs_a_room():
    """In a kernel nobody makes an instance; whoever does is told."""
    with pytest.raises(PartySyncError, match=r"Only the server makes an instance of a party"):
        Hooked().sql("SELECT 1")


def test_sql_in_init_is_refused_with_what_to_do(in_a_room):
    class Early(Hooked):
        def __init__(self):
            self.sql("SELECT 1")

    with pytest.raises(StorageFailed, match="belongs into on_start"):
        in_a_room(lambda place: place, Early)


def test_an_alarm_needs_an_on_alarm(in_a_room):
    class Forgetful(Hooked):
        def on_sets(self):
            self.set_alarm(0)

    async def story(place):
        with pytest.raises(MutationRejected, match=r"Forgetful has no on_alarm\(self\)"):
            await place.host.call("on_sets")
        return place.room.ledger.alarm

    assert in_a_room(story, Forgetful) is None


class Behind(Party):
    """Its actions wait for the gate."""

    schema = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL) STRICT"

    def __init__(self):
        self.gate = threading.Event()

    async def on_action(self, channel, action):
        while not self.gate.is_set():  # noqa: ASYNC110  # it is opened from another thread
            await asyncio.sleep(0.005)


class Wire:
    """Takes everything."""

    def send(self, frame):
        return None

    def close(self):
        pass


def enter(place, client):
    """A session that has said hello."""
    session = Session(OPERATOR, "json", "owner")
    place.join(session, Wire())
    place.receive(session, m.Hello(m.PROTOCOL, client))
    return session


def push(place, session, *mids, size=0):
    """Inserts; ann's first is an action."""
    many = [m.Mutation(n, "insert", {"table": "t", "id": f"{session.client} {n}", "values": {}}) for n in mids]
    if mids[0] == 1 and session.client == "ann":
        many[0] = m.Mutation(1, "act", {"channel": "t", "type": "x"})
    place.receive(session, m.Push(place.room.ledger.epoch, many), size)


async def until(there):
    while not there():  # noqa: ASYNC110  # what is watched has no event of its own
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(("limit", "most"), [("MOST_BEHIND", 10), ("MOST_BEHIND_BYTES", 1_000)])
def test_so_much_waits_behind_an_action_and_no_more(in_a_room, monkeypatch, limit, most):
    """R12: whoever brings more is told to come back; others are not."""
    monkeypatch.setattr(room, limit, most)

    async def story(place):
        ann, bob = enter(place, "ann"), enter(place, "bob")
        await until(lambda: ann.live and bob.live)
        push(place, ann, *range(1, 21), size=2_000)
        await until(lambda: place.room.lanes.behind("ann") == 20)
        push(place, ann, 21)
        push(place, bob, 1, 2)
        await until(lambda: place.room.ledger.last_mid("bob") == 2)
        return ann.ended.kind, bob.ended

    assert in_a_room(story, Behind) == ("busy", None)


def test_what_waited_behind_an_action_comes_before_what_arrives_while_it_is_decided(in_a_room):
    """R5."""

    async def story(place):
        loop, arrived = asyncio.get_running_loop(), threading.Event()
        ann, commit = enter(place, "ann"), place.room.commit
        await until(lambda: ann.live)
        push(place, ann, 1, 2)
        await until(lambda: place.room.lanes.behind("ann") == 2)

        def bring():
            push(place, ann, 3)
            arrived.set()

        def slow():
            commit()
            if not arrived.is_set():
                loop.call_soon_threadsafe(bring)
                arrived.wait(8)

        place.room.commit = slow
        place.host.party.gate.set()
        await until(lambda: ann.ended or place.room.ledger.last_mid("ann") == 3)
        return ann.ended

    assert in_a_room(story, Behind) is None


def test_an_action_stays_though_a_mutation_after_it_in_the_same_turn_is_refused(in_a_room):
    """R6: mutations share a savepoint, which is undone then; an action cannot be run again."""

    class Slow(Behind):
        async def on_action(self, channel, action):
            await super().on_action(channel, action)
            self.sql("INSERT INTO t (id) VALUES ('by ann')")

    async def story(place):
        loop, arrived = asyncio.get_running_loop(), threading.Event()
        ann, bob, turn = enter(place, "ann"), enter(place, "bob"), place.room.turn
        await until(lambda: ann.live and bob.live)
        push(place, ann, 1)
        await until(lambda: place.room.lanes.behind("ann") == 1)

        def bring():
            twice = [m.Mutation(n, "insert", {"table": "t", "id": "by bob", "values": {}}) for n in (1, 2)]
            place.receive(bob, m.Push(place.room.ledger.epoch, twice))
            arrived.set()

        def joined(time_is_up):
            if place.room.queued and not arrived.is_set():
                loop.call_soon_threadsafe(bring)
                arrived.wait(8)
            turn(time_is_up)

        place.room.turn = joined
        place.host.party.gate.set()
        await until(lambda: place.room.ledger.last_mid("bob") == 2 and not place.room.lanes.busy)
        return ids(place), place.room.ledger.rejected

    assert in_a_room(story, Slow) == (["by ann", "by bob"], 1)
