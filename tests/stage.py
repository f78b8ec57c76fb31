"""
A stage: a room with its real file, kernels with their replicas, and between them wires that a test holds in its hand.

::

    Kernel (Replica) ──up──▶ wire: bytes of the real codec ──▶ Room (Ledger, a file)
                     ◀─down─

A frame lies on its wire until the test carries it to the other end. So a line can be cut between any two frames, a
frame lost or told twice, and the server ended in the middle of a turn. Nothing here waits, and nothing is random.
"""

import math
import shutil
from collections import deque
from contextlib import suppress
from itertools import count

import pytest

from partysync_server.ledger import Ledger
from partysync_server.principal import Principal
from partysync_server.room import LIMITS, Room
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, decode_up, encode
from partysync_widget.core.columns import present
from partysync_widget.core.errors import MutationRejected, ProtocolError
from partysync_widget.core.party import Main, Party, mutator
from partysync_widget.core.replica import Link, Replica
from partysync_widget.core.store import Store

MOST_ROUNDS = 500  # a stage that has not come to rest by then never will


ID = "id TEXT PRIMARY KEY NOT NULL"


class Todos(Party):
    """A party with rules of its own, one mutator for each thing that can happen."""

    schema = """CREATE TABLE todos (
        id TEXT PRIMARY KEY NOT NULL,
        text TEXT NOT NULL CHECK (length(text) < 20),
        done INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
    ) STRICT"""
    types = {"todos": {"done": bool}}

    @mutator
    def create(tx, id: str, text: str, done: bool = False):
        tx.sql("INSERT INTO todos (id, text, done) VALUES (?, ?, ?)", id, text, done)
        return f"created by {tx.user or 'nobody'}"

    @mutator
    def finish(tx, id: str):
        row = tx.get("todos", id)
        if row is None or row["done"]:
            raise ValueError("it is not there, or done already")
        tx.update("todos", id, done=True)

    @mutator
    def clear(tx):
        tx.sql("DELETE FROM todos")

    @mutator
    def guess_differently(tx, id: str):
        tx.insert("todos", id=id, text="a guess" if tx.guess else "the truth")


class Sql(Party):
    """Whatever SQL somebody writes into a mutator."""

    schema = f"""
        CREATE TABLE people ({ID}, name TEXT UNIQUE) STRICT;
        CREATE TABLE todos (
            {ID}, text TEXT, who TEXT REFERENCES people (id) ON DELETE CASCADE ON UPDATE CASCADE
        ) STRICT;
        CREATE TABLE log ({ID}, n INTEGER DEFAULT 0) STRICT;
        CREATE TRIGGER counted AFTER UPDATE OF text ON todos BEGIN
            INSERT INTO log (id, n) VALUES (NEW.id, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1;
        END;
    """

    @mutator
    def run_sql(tx, query: str | list[str], args: list = []):  # noqa: B006  # a mutator's, copied for each call
        *before, last = [query] if isinstance(query, str) else query
        for each in before:
            tx.sql(each)
        return tx.sql(last, *args)

    @mutator
    def returns(tx, what: str):
        return {"a set": {1}, "nan": math.nan, "an object": object(), "a value": {"a": [1]}}[what]

    @mutator
    def raises(tx, what: str):
        tx.insert("log", id="half")
        raise {"ValueError": ValueError, "KeyError": KeyError, "MemoryError": MemoryError}[what]("of its own")


class Kernel:
    """Somebody in the room: a replica, and the two directions of its line as bytes that nobody has carried yet."""

    def __init__(self, stage, name, *, party, format, typed=True, owner="token", role="owner"):
        self.stage = stage
        self.name = name
        self.format = format
        self.owner = owner
        self.role = role
        self.replica = Replica(party, f"client-{name}", user=name, typed=typed)
        self.session = None
        self.up, self.down = deque(), deque()
        self.steps = []
        self.settled = {}  # by ticket
        self.ended = None  # the error or bye that ended the last connection
        self.failed = None
        self.barriers = []
        self.watched = []

    # --- the line -------------------------------------------------------------------------------------------------

    def connect(self):
        self.session = Session(
            Principal(self.owner), role=self.role, sight=self.stage.room.party.sight(self.role), format=self.format
        )
        self.stage.room.join(self.session)
        self.ended = self.failed = None
        self.take(self.replica.opened(f"spare-{self.name}-{next(self.stage.numbers)}"))
        return self

    def speak(self, format):
        """Connect again, with this sub-protocol."""
        self.cut()
        self.format = format
        self.connect()
        self.stage.rest()

    def cut(self):
        """The line is gone, and with it whatever was on it."""
        self.hang_up()
        self.take(self.replica.closed())

    def hang_up(self):
        if self.session is not None:
            self.stage.room.leave(self.session)
        self.session = None
        self.up.clear()
        self.down.clear()

    def take(self, step):
        """Do with a step what the connection does."""
        self.steps.append(step)
        self.up.extend(encode(frame, self.format) for frame in step.send if self.session is not None)
        self.settled.update({each.ticket: each for each in step.settled})
        self.barriers += [barrier.n for barrier in step.barriers]
        for values, look in self.watched:
            values.append(look())
        if step.ended is not None or step.failed is not None:
            self.ended, self.failed = step.ended, step.failed
            self.hang_up()
            self.take(self.replica.closed())
        return step

    def push(self):
        """Put on the wire what has not been sent."""
        self.up.extend(encode(frame, self.format) for frame in self.replica.outgoing() if self.session is not None)

    def carry_up(self, most=-1):
        """Carry frames to the room. As the server does, one that cannot be read ends the session."""
        while self.up and most:
            most -= 1
            raw = self.up.popleft()
            try:
                self.stage.room.receive(self.session, decode_up(raw, self.format))
            except ProtocolError as error:
                self.session.end(m.Error("bad-frame", error.message, "never"))

    def owed(self):
        """Ask the room what this kernel is to be sent next, and put it on the wire."""
        frames = self.stage.room.frames(self.session) if self.session is not None else []
        self.down.extend(frames)
        return frames

    def carry_down(self, most=None, *, together=True):
        """Carry frames to the replica, in one call or one by one."""
        raw = [self.down.popleft() for _ in range(len(self.down) if most is None else most)]
        frames = [decode_down(each, self.format) for each in raw]
        if together:
            return self.take(self.replica.receive(frames))
        return [self.take(self.replica.receive([frame])) for frame in frames if self.session is not None]

    def hear(self, *frames):
        """Be told these frames, through the codec, whatever the room would have said."""
        return self.take(
            self.replica.receive([decode_down(encode(frame, self.format), self.format) for frame in frames])
        )

    # --- edits ----------------------------------------------------------------------------------------------------

    def mutate(self, name, /, **args):
        made, step = self.replica.mutate(name, args)
        self.take(step)
        return made

    def insert(self, id, *, table="todos", **values):
        return self.mutate("insert", table=table, id=id, values=values)

    def update(self, id, *, table="todos", **values):
        return self.mutate("update", table=table, id=id, values=values)

    def delete(self, id, *, table="todos"):
        return self.mutate("delete", table=table, id=id)

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def live(self):
        return self.replica.link is Link.LIVE

    def rows(self, table="todos"):
        """Its view of a table: rows by id, in order."""
        return rows_of(self.replica.view, table)

    def watch(self, look):
        """A list that gets ``look()`` after every step, as an observer would be told."""
        values = []
        self.watched.append((values, look))
        return values

    def outcome(self, pending):
        """``"pending"``, what the mutation returned, or the error it is to raise."""
        settled = self.settled.get(pending.ticket)
        return "pending" if settled is None else settled.error or settled.value


class Stage:
    """One room and whoever is in it."""

    def __init__(self, folder, *, party=Main, limits=LIMITS, format="json"):
        self.folder = folder
        self.party = party
        self.limits = limits
        self.format = format
        self.numbers = count(1)
        self.path = folder / "room.db"
        self.kernels = []
        self.open()

    def open(self, epoch=None):
        self.ledger = Ledger(self.path, self.party, epoch or f"epoch-{next(self.numbers)}", room="a room")
        self.room = Room(self.party, self.ledger, limits=self.limits)

    def enter(self, name=None, *, connected=True, party=None, format=None, **how):
        kernel = Kernel(
            self, name or f"k{len(self.kernels)}", party=party or self.party, format=format or self.format, **how
        )
        self.kernels.append(kernel)
        if connected:
            kernel.connect()
            self.rest()
        return kernel

    # --- the server -----------------------------------------------------------------------------------------------

    def turn(self):
        self.room.turn()
        self.room.commit()
        self.room.published()

    def restart(self):
        """The server ends in good order and comes back, with a new epoch; every line is cut."""
        self.cut_all()
        self.ledger.close()
        self.open()

    def crash(self):
        """The server is killed: what it had not committed is gone, what it had is in the file and its log."""
        self.cut_all()
        kept = self.save("crash")
        with suppress(Exception):  # in whatever state it was
            self.ledger.close()
        self.restore(kept)

    def cut_all(self):
        for kernel in self.kernels:
            kernel.cut()

    def save(self, name):
        """A copy of the file and its log, as a backup takes it."""
        copy = self.folder / f"{name}-{next(self.numbers)}.db"
        for suffix in ("", "-wal"):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                shutil.copy(source, copy.with_name(copy.name + suffix))
        return copy

    def restore(self, copy):
        """Open a copy in place of the file, as from a backup: without the witness. The server is down."""
        self.path.with_name(self.path.name + "-witness").unlink(missing_ok=True)
        for suffix in ("", "-wal"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            if (source := copy.with_name(copy.name + suffix)).exists():
                shutil.copy(source, self.path.with_name(self.path.name + suffix))
        self.open()

    # --- all together ---------------------------------------------------------------------------------------------

    def rest(self):
        """Carry everything until nothing moves. Who is not connected stays so."""
        for _ in range(MOST_ROUNDS):
            moved = False
            for kernel in self.kernels:
                if kernel.session is None:
                    continue
                kernel.push()
                moved |= bool(kernel.up)
                kernel.carry_up()
            while self.room.waiting:
                self.turn()
                moved = True
            for kernel in self.kernels:
                moved |= bool(kernel.owed())
                if kernel.down:
                    moved = True
                    kernel.carry_down()
            if not moved:
                return
        raise AssertionError(f"The stage did not come to rest in {MOST_ROUNDS} rounds.")

    def rows(self, table="todos"):
        """What the room holds to be true."""
        return rows_of(self.ledger.store, table)

    def assert_agreed(self, *kernels):
        """These kernels, or all that are connected, see what the room holds, and wait for nothing."""
        for kernel in kernels or [each for each in self.kernels if each.session is not None]:
            store = kernel.replica.view
            assert kernel.live, kernel.name
            assert kernel.replica.pending == [], kernel.name
            assert [entry.spec for entry in store.tables.values()] == [
                entry.spec for entry in self.ledger.store.tables.values()
            ], kernel.name
            for table in self.ledger.store.tables:
                assert store.rows(table) == self.ledger.store.rows(table), (kernel.name, table)
            assert (kernel.replica.epoch, kernel.replica.cursor) == (self.ledger.epoch, self.ledger.version)

    def close(self):
        self.ledger.close()
        for kernel in self.kernels:
            kernel.replica.store.close()


def decide(store, name, /, **args):
    """Run a mutation as a room does: the next version, a savepoint, and back to it if it is rejected."""
    store.version += 1
    store.savepoint("mutation")
    try:
        return store.run(name, args)
    except MutationRejected:
        store.undo("mutation")
        raise
    finally:
        store.release("mutation")


def rows_of(store, table):
    columns = store.table(table).spec.columns
    return {
        row[1]: {column.name: present(column, value) for column, value in zip(columns, row[2:], strict=True)}
        for row in store.rows(table)
    }


@pytest.fixture
def sql():
    """A store of the party ``Sql`` at version 1: ada, with todos 1 and 2."""
    store = Store.memory(Sql)
    decide(
        store,
        "run_sql",
        query=[
            "INSERT INTO people VALUES ('ada', 'Ada')",
            "INSERT INTO todos VALUES ('1', 'a', 'ada'), ('2', 'b', 'ada')",
        ],
    )
    return store


@pytest.fixture
def make_stage(tmp_path):
    """Make a stage: ``make_stage(party=…, limits=…, format=…)``. Closed when the test is over."""
    made = []

    def make(**how):
        folder = tmp_path / f"stage-{len(made)}"
        folder.mkdir()
        made.append(Stage(folder, **how))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@pytest.fixture
def stage(make_stage):
    """A room of the party ``main``, and nobody in it."""
    return make_stage()
