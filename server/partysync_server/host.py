"""
A host: the instance of a party in an open room, and the thread in which its hooks run.

::

    the rooms' loop      call ─────────────┐                                   ┌─▶ what it returned, when durable
    the party's thread                     └─▶ a step ─ await ─ a step ─ sql ─┐│
    a worker                                                    the turn ◀────┘┘

Each room that needs one has a thread with an event loop of its own, so a hook that takes its time, or even blocks,
keeps nobody but the hooks of that room: turns go on beside it, and so do other rooms. Of all the party's Python one
step runs at a time (the baton), so that ``self`` needs no locks. An ``on_action`` that is not ``async`` runs in the
turn itself.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from partysync_widget.core.errors import MutationRejected, NotConnected, StorageFailed
from partysync_widget.core.hosted import When
from partysync_widget.core.party import Party

from .alarms import moment
from .connections import Connection, Connections, framed
from .neighbours import Address, Neighbours
from .piece import Piece, current
from .room import Queued, Room

log = logging.getLogger("partysync.server")

CLOSED = "The room was closed meanwhile. Try again."


class Place(Protocol):
    """What a host needs of the open room that it is in. All of it is for the room's loop."""

    room: Room
    connections: Connections
    address: Address | None

    def wake(self) -> None:
        """There is something to decide."""


class Host:
    """See the module. Made on the rooms' loop, for which its methods are unless they say otherwise."""

    def __init__(self, place: Place, party: type[Party], name: str) -> None:
        """Raises whatever the party's ``__init__`` raises; ``self.sql`` is for ``on_start``, not for there."""
        self.name = name  # of the room
        self.closed = False
        self._place = place
        self._home = asyncio.get_running_loop()
        self.neighbours = Neighbours(lambda: place.address)
        self._baton = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # the party's, once it is needed
        self._tasks: set[asyncio.Task[None]] = set()  # for the party's loop
        self._calls = 0  # that are not answered
        self.party = party.__new__(party)
        self.party._host = self  # noqa: SLF001  # this is whom it is for
        self.party.__init__()  # type: ignore[misc]  # now that it can say who it is
        self._slow = self.is_async("on_action")

    # --- hooks ----------------------------------------------------------------------------------------------------

    def has(self, hook: str) -> bool:
        """Whether the party has it: ``has("on_start")``."""
        return callable(getattr(self.party, hook, None))

    def is_async(self, hook: str) -> bool:
        """Whether it is a coroutine function."""
        return inspect.iscoroutinefunction(getattr(self.party, hook, None))

    async def call(self, hook: str, *args: Any) -> Any:
        """Call a hook of the party. What it returned, once all that it did is durable; raises what it raised.

        It runs in the party's thread, ``async`` or not, and its SQL is one decision of the room. Raises StorageFailed
        if the room closes meanwhile.
        """
        return await self._called(self.piece(hook, args))

    def piece(self, hook: str, args: tuple[Any, ...]) -> Piece:
        """One call of a hook, not yet begun, whose turn is the room's own."""
        return self._own_piece(hook, getattr(self.party, hook), args)

    def _own_piece(self, label: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Piece:
        patience = self.party.mutation_seconds
        return Piece(label, function, args, baton=self._baton, ask=self._ask, patience=patience)

    async def _called(self, piece: Piece, *, turn: bool = False) -> Any:
        """``turn``: it has one also if it asks for none."""
        done: asyncio.Future[Any] = self._home.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)

        piece.settle = settle
        self._begin(piece, lambda: self._take(piece) if turn and piece.outcome[1] is None else settle(*piece.outcome))
        self._calls += 1
        try:
            return await done
        finally:
            self._calls -= 1

    @property
    def busy(self) -> bool:
        """Whether a hook runs that was called, and is no action."""
        return self._calls > 0

    def _begin(self, piece: Piece, ended: Callable[[], None]) -> None:
        """Let it run in the party's thread. ``ended`` is called here if it has come to its end without a turn."""
        if self.closed:
            piece.settle(None, StorageFailed(CLOSED))
            return
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            thread = threading.Thread(
                target=_live, args=(self._loop,), name=f"partysync-party-{self.party.name}", daemon=True
            )
            thread.start()
        self._loop.call_soon_threadsafe(self._start, piece, ended)

    def _start(self, piece: Piece, ended: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(piece, ended))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, piece: Piece, ended: Callable[[], None]) -> None:
        """In the party's thread."""
        seconds = self.party.action_seconds
        try:
            async with asyncio.timeout(seconds):
                await piece.perform()
        except TimeoutError:
            text = (
                f"{piece.label} was given up after {seconds:g} s, and nothing of it was kept. Try again; what it waits "
                f"for may be slow, or let the party {self.party.name!r} have more action_seconds."
            )
            piece.refuse(MutationRejected("too-slow", text))
            piece.end(None, MutationRejected("too-slow", text))
        except asyncio.CancelledError:
            why = (
                StorageFailed(CLOSED) if self.closed else MutationRejected("mutator-raised", f"{piece.label} gave up.")
            )
            piece.end(None, why)
        if not piece.asked:
            self._tell(ended)

    # --- actions --------------------------------------------------------------------------------------------------

    @property
    def slow(self) -> bool:
        """Whether ``on_action`` is ``async``."""
        return self._slow

    def action(self, queued: Queued) -> Piece:
        """One call of ``on_action``, not yet begun. In a turn as well."""
        args = queued.mutation.args
        action = {"type": args["type"], "payload": copy.deepcopy(args.get("payload"))}
        function: Any = self.party.on_action  # type: ignore[attr-defined]  # this one has it
        return Piece(
            str(args["type"]),
            function,
            (args["channel"], action),
            baton=self._baton,
            ask=lambda piece: self._tell(lambda: self._ready(queued, piece)),
            here=not self._slow,
            patience=self.party.mutation_seconds,
            user=queued.session.peer.name,
            role=queued.session.role,
        )

    def wait_for(self, queued: Queued) -> None:
        """Begin an action that takes its time. It is decided when it asks for its turn, or has ended."""
        piece = self.action(queued)
        self._begin(piece, lambda: self._ready(queued, piece))

    def _ready(self, queued: Queued, piece: Piece) -> None:
        if self.closed:  # nobody has decided it: its client sends it again
            piece.refuse(MutationRejected("mutator-raised", CLOSED))
        else:
            self._place.room.ready(queued, piece)
            self._place.wake()

    # --- the alarm ------------------------------------------------------------------------------------------------

    async def ring(self, at: int) -> None:
        """Call ``on_alarm`` for the alarm that was set for then. Raises what that raises; then it is set as before."""
        hook = self.party.on_alarm if self.has("on_alarm") else lambda: None  # type: ignore[attr-defined]
        piece = Piece("on_alarm", hook, (), baton=self._baton, ask=self._ask)

        def first() -> None:
            if self._place.room.ledger.alarm == at:
                self._place.room.ledger.set_alarm(None)

        piece.first = first
        await self._called(piece, turn=True)

    # --- turns ----------------------------------------------------------------------------------------------------

    def _ask(self, piece: Piece) -> None:
        """In the party's thread: a piece of the room's own wants its turn."""
        self._tell(lambda: self._take(piece))

    def _take(self, piece: Piece) -> None:
        if self.closed:
            piece.refuse(MutationRejected("mutator-raised", CLOSED))
            piece.settle(None, StorageFailed(CLOSED))
            return
        self._place.room.own(piece)
        self._place.wake()

    def _tell(self, function: Callable[[], None]) -> None:
        """From any thread: have it done on the rooms' loop."""
        try:
            self._home.call_soon_threadsafe(function)
        except RuntimeError:  # the server has ended
            log.debug("a hook has outlived its server")

    def afterwards(self, function: Callable[[], None]) -> None:
        """From within a hook: do this on the rooms' loop, when all that the hook did is durable (R9).

        At once where it has done no SQL yet; not at all if what it did is undone. For whatever tells others of it.
        """
        piece = current.get()
        if piece is not None and piece.given_up is not None and piece.runs_here:
            raise piece.given_up
        if piece is None or not piece.asked or piece.finished:
            self._tell(function)
        else:
            piece.lasting.append(function)

    # --- what the party finds in self: from within a hook, in whichever thread ---------------------------------------

    @property
    def user(self) -> str:
        piece = current.get()
        return piece.user if piece is not None else ""

    @property
    def role(self) -> str:
        piece = current.get()
        return piece.role if piece is not None else ""

    def sql(self, query: str, args: tuple[Any, ...]) -> list[dict[str, Any]]:
        return self._piece("sql").in_turn(lambda tx: tx.sql(query, *args))

    def set_alarm(self, when: When) -> None:
        at = moment(when, time.time())
        if not self.has("on_alarm"):
            name = type(self.party).__name__
            raise MutationRejected("bad-value", f"{name} has no on_alarm(self), which an alarm calls. Write one first.")
        self._piece("set_alarm").in_turn(lambda _: self._place.room.ledger.set_alarm(round(at * 1000)))

    def get_alarm(self) -> float | None:
        at = self._piece("get_alarm").in_turn(lambda _: self._place.room.ledger.alarm)
        return None if at is None else at / 1000

    def delete_alarm(self) -> None:
        self._piece("delete_alarm").in_turn(lambda _: self._place.room.ledger.set_alarm(None))

    def broadcast(self, message: str | bytes, exclude: Iterable[Any], tag: str | None) -> None:
        frame = framed(message)
        left_out = frozenset(each if isinstance(each, str) else each.id for each in _several(exclude))
        self.afterwards(lambda: self._place.connections.tell(frame, left_out, tag))

    def connections(self, tag: str | None) -> list[Connection]:
        return self._place.connections.all(tag)

    def soon(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._tell(lambda: self._run_soon(function, args))

    def _run_soon(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        label = getattr(function, "__name__", "a function")

        def settle(_value: Any, error: BaseException | None) -> None:
            if error is not None and not self.closed:
                log.error("the party %s failed in %s", self.party.name, label, exc_info=error)

        piece = self._own_piece(label, function, args)
        task = asyncio.ensure_future(self._called(piece))
        task.add_done_callback(lambda done: settle(None, None if done.cancelled() else done.exception()))

    def connect(self, room: str, how: dict[str, Any]) -> Any:
        party = how.get("party", "main")
        if "url" not in how and room == self.name and party in (self.party.name, type(self.party)):
            raise NotConnected("A room is no client of itself: self.sql is what it has of its own tables.")
        piece = current.get()
        if piece is None or piece.finished:
            return self.neighbours.connect(room, how)
        return piece.apart(lambda: self.neighbours.connect(room, how))

    def _piece(self, verb: str) -> Piece:
        piece = current.get()
        if piece is None:
            raise MutationRejected(
                "bad-sql",
                f"self.{verb} is for a party's hooks while the room runs them; this is another thread, or __init__. "
                f"What a room needs at its beginning belongs into on_start.",
            )
        return piece

    # --- the end --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """The room closes, and decides nothing more. Whatever still runs is cancelled, and hears so at its SQL."""
        self.neighbours.close()
        before, self.closed = self.closed, True
        if not before and self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel)

    def forget(self) -> None:
        """Once it is closed, and nothing of it runs: let go of the instance."""
        del self.party

    def _cancel(self) -> None:
        """In the party's thread: which is a daemon, so that a hook that never ends keeps no server."""
        loop = asyncio.get_running_loop()
        tasks = list(asyncio.all_tasks(loop))
        for each in tasks:
            each.cancel()
        self._tasks.add(loop.create_task(_end(loop, tasks)))


def _several(what: Any) -> Iterable[Any]:
    """Of one thing and of many: many."""
    return (what,) if isinstance(what, str | Connection) else what


def _live(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _end(loop: asyncio.AbstractEventLoop, tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    loop.stop()
