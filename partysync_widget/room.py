"""
A room, as a notebook holds it: its tables, its people, its state.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import datetime as dt
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from .audience import Subscription
from .batch import Batch
from .connection import Connection
from .core import messages as m
from .core.codec import plain
from .core.columns import column
from .core.errors import MutationRejected, NotConnected, PartySyncError, SchemaMismatch
from .core.party import ACT, ROW_MUTATORS, TABLE_MUTATORS
from .core.roles import Role
from .io_thread import Voice, io_loop, on_io_thread
from .receipt import Receipt

if TYPE_CHECKING:
    from .inspection import Layers
    from .sharing import People, Person, Share
    from .table import Table

CLOSE_SECONDS = 2.0  # for the line to be cut and the cache to be let go
CUT = ("offline", "closed", "failed")

_rooms: weakref.WeakSet[Room] = weakref.WeakSet()


class Room:
    """A room you are in: its tables, its people, its state. Get one from ``connect``; close it, or let it go.

    Everything here may be called from any thread. Reads see the view: what the room has decided, with your own
    undecided edits over it.
    """

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self.connection = connection  # for this library; its ways change without notice
        self._batch: ContextVar[Batch | None] = ContextVar("batch", default=None)
        self._tables: weakref.WeakValueDictionary[str, Table] = weakref.WeakValueDictionary()
        self._finalizer = weakref.finalize(self, connection.close)
        self._finalizer.atexit = False
        _rooms.add(self)

    # --- what is here ---------------------------------------------------------------------------------------------

    @property
    def party(self) -> str:
        """The name of its party."""
        return self.connection.replica.party.name

    @property
    def status(self) -> str:
        """``connecting``, ``live``, ``waiting`` (to try again), ``offline`` (on purpose), ``closed`` or ``failed``."""
        return self.connection.status

    @property
    def trouble(self) -> str:
        """Why it is not live, as a sentence; empty if it is."""
        trouble = self.connection.trouble
        return str(trouble) if trouble is not None and self.status != "live" else ""

    @property
    def version(self) -> int:
        """The version of the room that this copy has."""
        return self.connection.replica.cursor

    @property
    def pending(self) -> int:
        """How many of your edits the room has not decided."""
        return len(self.connection.replica.pending)

    @property
    def role(self) -> str:
        """What you are in it: ``owner``, ``editor`` or ``viewer``."""
        return self.connection.replica.role

    @property
    def user(self) -> str:
        """Your name, as the others see it."""
        return self.connection.replica.user

    @property
    def tables(self) -> list[str]:
        """Names of its tables, in the order they were made."""
        with self.connection.lock:
            return list(self.connection.replica.view.tables)

    @property
    def peers(self) -> list[dict[str, Any]]:
        """Who else is here: name, role, colour, and what they show of themselves."""
        with self.connection.lock:
            found = list(self.connection.replica.peers.values())
        return [{**peer.state, "name": peer.name, "role": peer.role, "color": peer.color} for peer in found]

    def table(self, name: str, /, **columns: Any) -> Table:
        """The table called ``name``. With columns it is made if it is missing, and gets those that it lacks.

        A column is a Python type (``str int float bool dict list datetime date bytes``), a list of choices, or a type's
        name: ``room.table("todos", text=str, done=bool, due=datetime.date, size=["S", "M", "L"])``.
        Raises MutationRejected if it does not exist, SchemaMismatch if a column is of another type.
        """
        from .table import Table

        if columns:
            self._declare(name, [column(kind, name=each) for each, kind in columns.items()])
        with self.connection.lock:
            self.connection.replica.view.table(name)
            found = self._tables.get(name)
            if found is None:
                found = self._tables[name] = Table(self, name)
            return found

    def _declare(self, name: str, columns: list[m.Column]) -> None:
        with self.connection.lock:
            entry = self.connection.replica.view.tables.get(name)
        if entry is None:
            args = {"name": name, "columns": [plain(each) for each in columns]}
            made = [self.connection.mutate("create_table", args)]
        else:
            have = {each.name: each for each in entry.spec.columns}
            for each in columns:
                if each.name in have and (have[each.name].type, have[each.name].choices) != (each.type, each.choices):
                    was = have[each.name]
                    raise SchemaMismatch(
                        f"{name}.{each.name} is {_described(was)} in this room, not {_described(each)}. "
                        f"Use another name."
                    )
            missing = [each for each in columns if each.name not in have]
            made = [self.connection.mutate("add_column", {"table": name, "column": plain(each)}) for each in missing]
        if self.status == "live" and not on_io_thread():
            for receipt in made:
                try:
                    receipt.result(10)
                except MutationRejected as error:
                    raise SchemaMismatch(error.message) from None
                except NotConnected:  # it is kept, and decided later
                    break

    # --- doing ----------------------------------------------------------------------------------------------------

    def sql(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """Ask the view, in SQL; ``?`` takes the arguments. Rows as dicts. Reads only.

        Values are as SQLite has them: booleans 0 and 1, datetimes ISO 8601 text, JSON text.
        """
        from .core.refusals import explain_query

        with self.connection.lock:
            view = self.connection.replica.view
            with explain_query(query):
                return view.guarded(query, args, write=False)

    def mutate(self, name: str, /, **args: Any) -> Receipt:
        """Call a mutator of the room's party. It shows here at once; the receipt has the room's word."""
        replica = self.connection.replica
        own = replica.party.mutators.get(name)
        return self.make(name, own.plain(args) if own is not None else plain(args))

    def act(self, channel: str, name: str, payload: Any = None, /) -> Receipt:
        """Send an action about the table ``channel`` to the room's party: to its mutator of that name, else to its
        ``on_action``, of which only the room can say what it does. The receipt has what that returned.
        """
        party, takes = self.connection.replica.party, self.connection.replica.mutators or ()
        built_in = name in (*ROW_MUTATORS, *TABLE_MUTATORS, ACT)
        own = name in party.mutators or (name in takes and not built_in)
        if not own and (party.acts() or ACT in takes):
            return self.make(ACT, {"channel": channel, "type": name, "payload": plain(payload)})
        if not isinstance(payload, dict | None):
            text = f"{name} is a mutator, which takes a dict of its arguments, and not {payload!r:.100}."
            raise MutationRejected("bad-arguments", text)
        table = {"table": channel} if name in ROW_MUTATORS and name != "batch" and not own else {}
        return self.mutate(name, **{**table, **(payload or {})})

    def make(self, name: str, args: dict[str, Any], *, id: str | None = None) -> Receipt:
        """For this library: an edit whose arguments are as they travel, alone or in the batch that is open."""
        batch = self._batch.get()
        if batch is not None:
            return batch.add(name, args, id)
        return self.connection.mutate(name, args, id=id)

    @contextlib.contextmanager
    def batch(self) -> Iterator[Batch]:
        """Several edits as one: ``with room.batch():`` all of them are kept, or none.

        They show, and are sent, when the block ends; an exception in it drops them all.
        """
        if (outer := self._batch.get()) is not None:
            yield outer  # whole or not at all is said of the outer one too
            return
        batch = Batch()
        token = self._batch.set(batch)
        try:
            try:
                yield batch
            finally:
                self._batch.reset(token)
            if batch.steps:
                batch.receipt.follow(self.connection.mutate("batch", {"steps": [list(step) for step in batch.steps]}))
            else:
                batch.receipt.settle([], None)
        except PartySyncError as error:
            batch.receipt.settle(None, error)
            raise
        except BaseException as error:
            dropped = f"The batch was dropped, because its block raised {type(error).__name__}."
            batch.receipt.settle(None, MutationRejected("mutator-raised", dropped))
            raise

    def sync(self, timeout: float | None = None) -> None:
        """Wait until everything you sent is decided, and everything decided so far is here.

        Raises NotConnected when that takes longer than ``timeout`` seconds.
        """
        if on_io_thread():
            raise RuntimeError("room.sync() was called on PartySync's I/O thread, which would wait for itself.")
        try:
            self.connection.barrier().result(timeout)
        except FutureTimeout:
            why = f" {self.trouble}" if self.trouble else ""
            raise NotConnected(f"The room {self.name!r} was not in step within {timeout} s.{why}") from None

    def present(self, **state: Any) -> None:
        """Show something of yourself to the others, until you leave: ``room.present(mood="curious")``."""
        self.connection.present(plain(state))

    # --- who may enter --------------------------------------------------------------------------------------------

    def share(
        self,
        role: Role = "viewer",
        *,
        user: str = "",
        group: str = "",
        everyone: bool = False,
        expires: float | dt.timedelta | dt.datetime | None = None,
        note: str = "",
    ) -> Share:
        """Let others in. Owners may.

        With neither ``user``, ``group`` nor ``everyone`` it makes a link: ``connect(share.link)`` lets in whoever has
        it, as ``role``. The other three are for accounts that the server knows, as a JupyterHub's. ``expires``: in so
        many seconds, after a timedelta, or at a datetime. ``note`` says whom it is for, in ``people()``.
        Raises PermissionDenied if you are no owner, NotConnected while the line is down.
        """
        from .sharing import share

        return share(self.connection, role, user=user, group=group, everyone=everyone, expires=expires, note=note)

    def people(self) -> People:
        """Who has access and who is here, to read and to loop over. Who is no owner sees only who is here."""
        from .sharing import people

        return people(self.connection)

    def revoke(self, who: Share | Person | str) -> None:
        """Take access back: of a share, by its id, or of a user or group by name. Their sessions end within a second.

        Raises PermissionDenied if you are no owner, PartySyncError if nothing is shared with them.
        """
        from .sharing import revoke

        revoke(self.connection, who)

    def inspect(self, table: str) -> Layers:
        """Base, pending and view of a table as they are now, to look at: ``print(room.inspect("todos"))``."""
        from .inspection import inspect

        return inspect(self.connection, table)

    def offline(self) -> None:
        """Cut the line on purpose. Edits go on, and wait."""
        cut = threading.Event()

        def look(_: object) -> None:
            if self.status in CUT:
                cut.set()

        watching = self.connection.audience.follow(None, look)
        try:
            self.connection.want(connected=False)
            if self.status not in CUT and not on_io_thread():
                cut.wait(CLOSE_SECONDS)  # what is edited from here on stays here
        finally:
            watching.close()

    def online(self) -> None:
        """Mend the line: what waited is sent, what was missed arrives."""
        self.connection.want(connected=True)

    def observe(self, function: Callable[[Room], object]) -> Subscription:
        """Call ``function(room)`` after anything here has changed: rows, people, or the state of the line.

        It keeps the room open, until ``subscription.close()`` or ``room.close()``.
        """
        voice = Voice()
        return self.connection.audience.follow(None, lambda _: voice.call(function, self))

    def close(self) -> None:
        """Leave. Receipts that the room has not decided raise OutcomeUnknown."""
        self._finalizer()
        if not on_io_thread() and self.connection.own:
            self.connection.ended.wait(CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        waiting = f", {self.pending} pending" if self.pending else ""
        return f"<Room {self.name!r} of party {self.party!r}: {self.status}, version {self.version}{waiting}>"

    @property
    def batching(self) -> bool:
        """Whether this is a ``with room.batch()``."""
        return self._batch.get() is not None

    # --- for the widgets ------------------------------------------------------------------------------------------

    @property
    def io_loop(self) -> asyncio.AbstractEventLoop:
        return io_loop()


def _described(column: m.Column) -> str:
    return f"{column.type} {list(column.choices)}" if column.choices else column.type


@atexit.register
def _flush_all() -> None:
    """Give edits that were made just now a moment to leave. Nothing depends on it."""
    for room in list(_rooms):
        with contextlib.suppress(Exception):  # the process ends; nobody is left to be told
            room.connection.flushed(0.5)
