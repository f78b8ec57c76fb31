"""
A connection: the I/O thread's side of a room. It keeps a replica in touch with the server, and says what came of it.

::

    connecting ─▶ live ──cut──▶ waiting ─▶ connecting …        offline (on purpose)        closed, failed (for good)

Edits come from any thread, under the lock, and are shown before they are sent. Everything that is told (to observers,
widgets, receipts) is told from here, on one thread and in one order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal

import apsw
from tornado.websocket import WebSocketClientConnection, WebSocketError

from .audience import Audience
from .cache import Cache
from .core import messages as m
from .core.codec import BINARY, SUBPROTOCOLS, Format, decode_down, encode
from .core.errors import NotConnected, PartySyncError, PermissionDenied, ProtocolError
from .core.replica import Link, Replica
from .core.view import Step
from .dial import dial
from .discovery import Finder
from .io_thread import io_loop, on_io_thread, spawn
from .receipt import Receipt
from .showing import Showing

log = logging.getLogger("partysync")

FIRST_DELAY, LAST_DELAY = 0.5, 30.0  # seconds between attempts to reconnect; doubles, full jitter
PING_SECONDS = 10.0  # of silence before asking whether the room is still there
SILENCE_SECONDS = 10.0  # without an answer before the line counts as dead
UNDECIDED = 0.15  # seconds after which others are shown an edit that the room has not decided

Dialled = tuple[WebSocketClientConnection, list[str | bytes | None]]  # a socket, and what has come out of it

_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_held: list[threading.RLock] = []


def _before_fork() -> None:
    """A child gets every copy whole: nobody is in the middle of one while the process forks."""
    for connection in list(_connections):
        connection.lock.acquire()
        _held.append(connection.lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class Connection:
    """See the module. Methods may be called from any thread unless they say otherwise."""

    def __init__(
        self, replica: Replica, room: str, find: Finder, *, party_hint: str = "", cache: Cache | None = None
    ) -> None:
        self.replica = replica
        replica.clock = time.thread_time  # a busy machine makes no guess slow
        self.room = room
        self.lock = threading.RLock()
        self.audience = Audience()
        self.loop = io_loop()
        self.status = "connecting"
        self.trouble: PartySyncError | None = None  # why it is not live
        self.url = ""
        self.generation = 0  # counts changes of the view, for what is cached by it
        self.first: Future[None] = Future()  # live for the first time, or the reason why not
        self._find = find
        self._party_hint = party_hint
        self._cache = cache
        self._showing = Showing(replica)
        self._patience = 0.0  # seconds that a server on its way down asked for
        self._pid = os.getpid()
        self._socket: WebSocketClientConnection | None = None
        self._received: list[str | bytes | None] = []
        self._heard = 0.0
        self._pinged = False
        self._wanted = True  # False: offline on purpose
        self._closing = False
        self._turned = asyncio.Event()  # wanted or closing has changed
        self._steps: list[Step] = []  # of edits, still to be told
        self._scheduled = False  # a flush is on its way
        self._unsure = False  # an edit is being made; left so by an interrupt in the middle of it
        self._barriers: dict[int, Future[None]] = {}
        self._asked: set[int] = set()  # barriers that were sent on this connection
        self._questions: dict[int, Future[Any]] = {}  # asked on this connection, and not answered
        self._barrier = 0
        self._question = 0
        self.ended = threading.Event()
        _connections.add(self)
        spawn(self._run())

    # --- any thread -----------------------------------------------------------------------------------------------

    def mutate(self, name: str, args: dict[str, Any], *, id: str | None = None) -> Receipt:
        """Make an edit. It is in the view when this returns."""
        receipt = Receipt(name, id=id)
        with self.lock:
            self.check_usable()
            if not self._scheduled:  # first of all, so that an interrupt cannot leave an edit unsent
                self._soon(self._flush)
                self._scheduled = True
            self._unsure = True
            try:
                pending, step = self.replica.mutate(name, args)
            except PartySyncError:
                self._unsure = False
                raise
            self._to_cache(lambda cache: cache.added(pending))
            receipt.mid = pending.mutation.mid
            self.audience.expect(pending.ticket, receipt)
            self.generation += 1
            self._steps.append(step)
            self._unsure = False
        return receipt

    def untold(self, table: str) -> set[str]:
        """Rows of ``table`` that edits have changed in the view, and nobody was told of yet. Under the lock."""
        return set().union(*(step.changed.get(table, set()) for step in self._steps))

    @property
    def own(self) -> bool:
        """Whether this process made it, and not one that has forked since."""
        return os.getpid() == self._pid

    def check_usable(self) -> None:
        """Raise NotConnected for a room that is closed, or that a fork has taken into another process."""
        if not self.own:
            raise NotConnected(f"The room {self.room!r} belongs to the process that connected it. Connect again here.")
        if self._closing:
            why = f": {self.trouble}" if self.status == "failed" else "."
            raise NotConnected(f"The room {self.room!r} is closed{why} Connect again.")

    def barrier(self) -> Future[None]:
        """Done when everything sent so far is decided, and everything decided is here."""
        self.check_usable()
        done: Future[None] = Future()
        with self.lock:
            self._barrier += 1
            self._barriers[self._barrier] = done
        self._soon(self._flush)
        return done

    def ask(self, what: Literal["share", "revoke", "people"], args: dict[str, Any]) -> Future[Any]:
        """The room's answer to a question about who may enter. NotConnected when the line is down, or goes down."""
        self.check_usable()
        done: Future[Any] = Future()
        self._soon(self._ask, what, args, done)
        return done

    def present(self, state: dict[str, Any]) -> None:
        """Show ``state`` of ourselves to the others, as long as we are here."""
        self.check_usable()
        with self.lock:
            self._showing.present(state)
        self._show_soon()

    def look(self, place: dict[str, Any] | None) -> None:
        """Show where we are, as ``at`` in our presence: ``{"table": …, "id": …, "column": …}``; None is nowhere."""
        with self.lock:
            self._showing.look(place)
        self._show_soon()

    def draft(self, key: str, table: str, rows: dict[str, Any], *, mid: int = 0) -> None:
        """Show others what ``rows`` would be (id -> column -> value, or None: deleted); none: it is over.

        ``mid``: it is that mutation of ours now, and ends by itself when that is decided. Nobody is told what is too
        large, or what comes when we show too much already.
        """
        with self.lock:
            self._showing.draft(key, table, rows, mid)
        self._show_soon()

    def _show_soon(self) -> None:
        """At once on the I/O thread, so that a draft goes before the push of its mutation."""
        if on_io_thread():
            self._show()
        elif self.own and not self._closing:
            with contextlib.suppress(RuntimeError):  # the loop has ended with the process
                self._soon(self._show)

    def want(self, *, connected: bool) -> None:
        """Cut the line on purpose, or mend it."""
        self.check_usable()
        self._soon(self._want, connected)

    def close(self) -> None:
        """Let go of the room. What it has not decided is told so."""
        if self.own and not self._closing:
            self._closing = True
            with contextlib.suppress(RuntimeError):  # the loop has ended with the process
                self._soon(self._turned.set)

    def flushed(self, timeout: float) -> None:
        """Give what was not sent a moment, at the end of the process."""
        deadline = time.monotonic() + timeout
        while self.status == "live" and self.replica.pending and time.monotonic() < deadline:
            time.sleep(0.01)

    def _soon(self, function: Callable[..., None], *args: Any) -> None:
        self.loop.call_soon_threadsafe(function, *args)

    # --- the I/O thread -------------------------------------------------------------------------------------------

    def _want(self, connected: bool) -> None:  # noqa: FBT001  # call_soon passes by position
        self._wanted = connected
        self._turned.set()

    async def _run(self) -> None:
        attempt = 0
        while not self._over():
            self._turned.clear()
            if not self._wanted:
                self._become("offline")
                await self._turned.wait()
                continue
            self._become("connecting")
            useful = False
            try:
                socket = await self._connect()
                useful = socket is not None and await self._converse(*socket)
            except PartySyncError as error:
                self._fail(error)
            except Exception:  # a bug of ours: the person keeps the edits, the log has the details
                log.exception("The connection to room %s failed", self.room)
                self._fail(NotConnected("The connection failed; see the log of the kernel. It is tried again."))
            attempt = 0 if useful else attempt + 1
            if self._waiting():
                self._become("waiting")
                most = min(LAST_DELAY, FIRST_DELAY * 2 ** min(attempt, 10))
                delay = self._patience + random.uniform(0, most)  # noqa: S311  # spreads, keeps no secret
                self._patience = 0.0
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._turned.wait(), delay)
        self._end()

    def _over(self) -> bool:
        return self._closing

    def _waiting(self) -> bool:
        return self._wanted and not self._closing

    async def _connect(self) -> Dialled | None:
        """The open socket; None if it is not wanted any more before it is there."""
        dialling = asyncio.ensure_future(self._dial())
        turned = asyncio.ensure_future(self._turned.wait())
        await asyncio.wait({dialling, turned}, return_when="FIRST_COMPLETED")
        turned.cancel()
        if dialling.done():
            return dialling.result()
        dialling.add_done_callback(_let_go)  # not cancelled: what is half open would stay so
        return None

    async def _dial(self) -> Dialled:
        server = await asyncio.to_thread(self._find)
        self.url = server.url
        received: list[str | bytes | None] = []  # of this socket: another's end is not ours

        def hear(message: str | bytes | None) -> None:
            received.append(message)
            if self._received is received and len(received) == 1:
                self.loop.call_soon(self._take)

        socket = await dial(server, self.replica.party.name, self.room, hear, party_hint=self._party_hint)
        return socket, received

    async def _converse(self, socket: WebSocketClientConnection, received: list[str | bytes | None]) -> bool:
        """Talk until the line is cut; whether anything useful came of it."""
        self._socket = socket
        self._received = received
        if received:
            self.loop.call_soon(self._take)
        self._heard = self.loop.time()
        self._asked.clear()
        self._hang_up = self.loop.create_future()
        turned = asyncio.ensure_future(self._turned.wait())
        try:
            with self.lock:
                self._showing.dialled()
                step = self.replica.opened(secrets.token_hex(8), time.time_ns() // 1_000_000)
            self._after(step)
            while not self._hang_up.done():
                waiting = self._heard + PING_SECONDS - self.loop.time()
                await asyncio.wait({self._hang_up, turned}, timeout=max(waiting, 0.01), return_when="FIRST_COMPLETED")
                if turned.done():
                    break
                silent = self.loop.time() - self._heard
                if silent > PING_SECONDS + SILENCE_SECONDS:
                    self.trouble = NotConnected("The server has stopped answering.")
                    break
                if silent > PING_SECONDS:
                    if not self._pinged and self.replica.link is not Link.GREETING:
                        self._pinged = True  # one at a time: each answer that is not as expected asks for everything
                        self._send([self.replica.ping()])
                    await asyncio.wait({self._hang_up, turned}, timeout=1.0, return_when="FIRST_COMPLETED")
            return self.status == "live"
        finally:
            turned.cancel()
            useful = self.status == "live"
            self._socket = None
            self._unanswered()
            socket.close()
            with self.lock:
                step = self.replica.closed()
            self._after(step)
            if useful:
                self._become("waiting" if self._wanted else "offline")

    def _take(self) -> None:
        received = self._received[:]
        self._received.clear()
        self._pinged = False
        if self._socket is None:
            return
        self._heard = self.loop.time()
        try:
            frames = [
                decode_down(raw.encode() if isinstance(raw, str) else raw, self._format)
                for raw in received
                if raw is not None
            ]
        except ProtocolError as error:
            self._fail(error)
            frames = []
        try:
            if frames:
                with self.lock:
                    step = self.replica.receive(frames)
                    self.generation += 1
                self._after(step)
                self._flush()
        except Exception:  # a bug of ours: the line is cut, and the next one begins with hello
            log.exception("Room %s: frames could not be taken", self.room)
            self._hang()
        if None in received or self.status == "failed":
            self._hang()

    @property
    def _format(self) -> Any:
        chosen = self._socket.selected_subprotocol if self._socket is not None else None
        return SUBPROTOCOLS.get(chosen or "", "json")

    def _ask(self, what: Literal["share", "revoke", "people"], args: dict[str, Any], done: Future[Any]) -> None:
        if self._socket is None or self.replica.link is not Link.LIVE:
            done.set_exception(NotConnected(f"The room {self.room!r} cannot be asked: it is {self.status}."))
            return
        self._question += 1
        self._questions[self._question] = done
        self._send([m.Ask(self._question, what, args)])

    def _answered(self, answers: list[m.Answer]) -> None:
        for answer in answers:
            done = self._questions.pop(answer.n, None)
            if done is None:
                continue
            if answer.code is None:
                done.set_result(answer.value)
            else:
                kind = PermissionDenied if answer.code == "forbidden" else PartySyncError
                done.set_exception(kind(answer.message or answer.code))

    def _unanswered(self) -> None:
        """The line is cut, and nobody knows what became of these."""
        for done in self._questions.values():
            done.set_exception(NotConnected(f"The line to room {self.room!r} was cut before its answer. Ask again."))
        self._questions.clear()

    def _hang(self) -> None:
        if not self._hang_up.done():
            self._hang_up.set_result(None)

    def _flush(self) -> None:
        """Tell what edits changed, and send what has gathered."""
        with self.lock:
            self._scheduled = False
            steps = self._untold_steps()
            pushes = self.replica.outgoing() if self._socket is not None else []
            live = self._socket is not None and self.replica.link is Link.LIVE
            asked = [n for n in self._barriers if n not in self._asked] if live else []  # behind all that goes now
            self._asked.update(asked)
        for step in steps:
            self.audience.tell(step)
        self._send(pushes)
        if pushes:
            last = pushes[-1].mutations[-1].mid
            self.loop.call_later(UNDECIDED, self._late, last)
        self._send([m.Barrier(n) for n in asked])

    def _late(self, mid: int) -> None:
        """By now our edits up to ``mid`` are decided, or others are shown them."""
        if mid > self.replica.settled_mid:
            with self.lock:
                self._showing.late(mid)
            self._show()

    def _show(self) -> None:
        """Send what the room has not been told of us. Only when live: before that, it would forget it."""
        if self._socket is not None and self.replica.link is Link.LIVE:
            with self.lock:
                frames = self._showing.due()
            self._send(frames)

    def _untold_steps(self) -> list[Step]:
        """What edits have changed since the last telling. Under the lock, so none is being made."""
        steps, self._steps = self._steps, []
        if self._unsure:  # one was interrupted: what it has changed, or not, nobody knows
            self._unsure = False
            self.generation += 1
            steps.append(Step(reset=True))
        return steps

    def _send(self, frames: list[Any]) -> None:
        if self._socket is None:
            return
        said: Format = "msgpack" if self._format == "msgpack" else "json"
        for frame in frames:
            raw = encode(frame, said)
            with contextlib.suppress(WebSocketError):  # it is closed; the reading side says so
                sending = self._socket.write_message(raw, binary=self._format in BINARY)
                sending.add_done_callback(_noticed)

    def _after(self, step: Step) -> None:
        """What follows from a step: frames first, then what is told, in one order for everybody (R8)."""
        with self.lock:
            steps = self._untold_steps()
            self._to_cache(lambda cache: cache.settled(step, self.replica))
            if step.renumbered:
                self._showing.renumbered()
            if any(isinstance(frame, m.Hello) for frame in step.send):
                self._showing.greeted()
                self._asked.clear()  # barriers of the conversation before
        for earlier in steps:
            self.audience.tell(earlier)
        self._send(step.send)
        self._show()
        if step.based or step.rebased:
            with self.lock:
                self._to_cache(lambda cache: cache.moved(step, self.replica))
        if self.replica.link is Link.LIVE and self.status != "live":
            self.trouble = None
            self._become("live")
        self.audience.tell(step)
        self._answered(step.answers)
        for barrier in step.barriers:
            if (done := self._barriers.pop(barrier.n, None)) is not None:
                done.set_result(None)
        if step.rewound:
            log.warning("Room %s: %s", self.room, step.rewound)
        if step.failed is not None:
            self._fail(step.failed, final=True)
        elif isinstance(step.ended, m.Error):
            kind = PermissionDenied if step.ended.kind == "forbidden" else None
            error = kind(step.ended.message) if kind else ProtocolError(step.ended.kind, step.ended.message)
            self._fail(error, final=step.ended.retry == "never")
            self._hang()
        elif isinstance(step.ended, m.Bye):
            self.trouble = NotConnected(step.ended.reason)
            self._patience = step.ended.after
            self._hang()

    def _to_cache(self, write: Callable[[Cache], None]) -> None:
        """Under the lock. A cache that cannot be written is given up, and said so: the room goes on without."""
        if self._cache is None:
            return
        try:
            write(self._cache)
        except (apsw.Error, OSError, PartySyncError) as error:
            log.warning(
                "The cache of room %s failed (%s). Edits are kept in memory only from now on.", self.room, error
            )
            self._cache.close()
            self._cache = None

    def _become(self, status: str) -> None:
        if status == self.status:
            return
        self.status = status
        if status == "live" and not self.first.done():
            self.first.set_result(None)
        self.audience.tell(Step(peers=True))

    def _fail(self, error: PartySyncError, *, final: bool = False) -> None:
        self.trouble = error
        if not self.first.done():
            self.first.set_exception(error)
        if final:
            self._closing = True
            self.status = "failed"
            self._turned.set()

    def _end(self) -> None:
        """For good: nobody is left waiting."""
        if self.status != "failed":
            self._become("closed")
        reason = str(self.trouble) if self.status == "failed" else "it was closed first"
        with self.lock:
            self._closing = True
            if self._cache is not None:
                self._cache.close()
                self._cache = None
            pending = {each.ticket: each.mutation for each in self.replica.pending}
        self.audience.dismiss(self.room, reason, pending)
        for done in self._barriers.values():
            done.set_exception(NotConnected(f"The room {self.room!r} ended while it was being synced: {reason}."))
        self._barriers.clear()
        self.audience.tell(Step(peers=True))
        self.ended.set()


def _let_go(dialling: asyncio.Future[Dialled]) -> None:
    """A socket that nobody wants any more is closed as soon as it is open."""
    if not dialling.cancelled() and dialling.exception() is None:
        dialling.result()[0].close()


def _noticed(sending: asyncio.Future[None]) -> None:
    """A write that failed says so to the log of asyncio unless somebody looks; the reading side has noticed."""
    if not sending.cancelled():
        sending.exception()
