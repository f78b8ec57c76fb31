"""
A piece: one call of a party's hook, and how its SQL becomes one turn of the room.

::

    the party's thread    call ─▶ await … ─▶ first sql ── waits ──▶ rest of it, with sql ─▶ end
                                                │                        ▲
    the room's turn                             └─ asked for ─▶ granted ─┘  waits ─▶ COMMIT ─▶ told

It runs in its party's thread, one step at a time: from one ``await`` to the next. The step that does SQL runs while the
room's turn waits for it, so its SQL is one decision among the others. If it awaits after that, others would come in
between: then nothing of it is kept, and it hears why.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import types
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any, TypeVar

from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.transaction import Transaction

T = TypeVar("T")

log = logging.getLogger("partysync.server")

current: ContextVar[Piece | None] = ContextVar("piece", default=None)


class Piece:
    """See the module. ``ask`` puts it into the room's queue, and may be called from any thread.

    ``label`` is its name in sentences; ``user`` and ``role`` are whose action it is.
    """

    def __init__(  # noqa: PLR0913  # by keyword
        self,
        label: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        *,
        baton: threading.Lock,
        ask: Callable[[Piece], None],
        patience: float = 10.0,
        here: bool = False,  # it runs in its turn, in whichever thread that has
        user: str = "",
        role: str = "",
    ) -> None:
        self.label = label
        self.user, self.role = user, role
        self.finished = False  # there is a value, or an error
        self.asked = False  # for its turn
        self.kept = False  # what it did in its turn
        self.lasting: list[Callable[[], None]] = []  # to be done, on the room's loop, when what it did is durable
        self.settle: Callable[[Any, BaseException | None], None] = _ignored  # and who waits is told, there as well
        self._function, self._args = function, args
        self.first: Callable[[], None] | None = None  # to be done in its turn, before all that it does
        self._here = here
        self._baton = baton  # whoever runs the party's Python has it
        self._ask = ask
        self._value: Any = None
        self._error: BaseException | None = None
        self._tx: Transaction | None = None  # while its turn runs
        self._over: MutationRejected | None = None  # no SQL of it runs any more
        self._step = 0  # the thread in which a step of it runs
        self._granted, self._ended = threading.Event(), threading.Event()
        self.given_up: MutationRejected | None = None  # it has held the room for too long
        self._using = threading.Lock()  # the room's connection, which is not used when its turn is over
        self._patience = patience  # seconds for which it may hold the room

    # --- in the party's thread ------------------------------------------------------------------------------------

    async def perform(self) -> None:
        """Call the hook and drive it to its end. Raises nothing but CancelledError, which others explain."""
        current.set(self)
        try:
            value = self._stepped(lambda: self._function(*self._args))
            if inspect.iscoroutine(value):
                value = await _Driven(self, value)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is for whoever waits
            self.end(None, error)
        else:
            self.end(value, None)

    def end(self, value: Any, error: BaseException | None) -> None:
        """It is over; whoever waits for its turn goes on. The first end counts."""
        if error is not None and (isinstance(error, StopIteration) or not isinstance(error, Exception)):
            error = _tamed(self.label, error)
        if not self.finished:
            self.finished, self._value, self._error = True, value, error
            self._function, self._args = _over, ()
            self._ended.set()

    def _stepped(self, step: Callable[[], Any]) -> Any:
        with self._baton:
            self._step = threading.get_ident()
            try:
                return step()
            finally:
                self._step = 0

    def step(self, resume: Callable[[Any], Any], value: Any) -> Any:
        """One step of a coroutine. Raises StopIteration at its end."""
        waits_for = self._stepped(lambda: resume(value))
        if self._tx is not None:
            self._over = MutationRejected(
                "bad-sql",
                f"{self.label} awaited something after its SQL, where others could have come in between, so nothing of "
                f"it was kept. Await everything first, then do all the SQL.",
            )
            self.end(None, self._over)
            raise self._over
        return waits_for

    def in_turn(self, work: Callable[[Transaction], T]) -> T:
        """Do something in the room's turn, which is waited for at the first SQL.

        Raises MutationRejected if there is none for it, or it has held the room for too long.
        """
        tx = self._turn()
        with self._using:
            if self._over is not None:
                raise self._over
            return work(tx)

    def apart(self, work: Callable[[], T]) -> T:
        """Wait for something that is elsewhere; actions go on meanwhile. Raises MutationRejected in the turn."""
        if self._tx is not None:
            raise MutationRejected(
                "bad-sql",
                f"{self.label} waits for another room after its SQL, or in an action that is not async, and everybody "
                f"in this room would wait with it. Connect first, and then do the SQL.",
            )
        if self._step != threading.get_ident():
            return work()
        self._baton.release()
        try:
            return work()
        finally:
            self._baton.acquire()

    def _turn(self) -> Transaction:
        if self._step != threading.get_ident():
            raise MutationRejected(
                "bad-sql",
                f"SQL of {self.label} was asked for outside of it, in a task or a thread that it has started. Let them "
                f"return what they found, and do the SQL in the hook itself.",
            )
        if self._tx is None and self._over is None:
            self._baton.release()
            try:
                self.asked = True
                self._ask(self)
                self._granted.wait()
            finally:
                self._baton.acquire()
        if self._over is not None:
            raise self._over
        assert self._tx is not None  # noqa: S101  # granted
        return self._tx

    @property
    def runs_here(self) -> bool:
        """Whether a step of it runs in this thread."""
        return self._step == threading.get_ident()

    # --- in the room ----------------------------------------------------------------------------------------------

    @property
    def outcome(self) -> tuple[Any, BaseException | None]:
        """What the hook returned, or what it raised; once it is finished."""
        return self._value, self._error

    def run(self, tx: Transaction) -> Any:
        """Its turn, in a worker thread: what the hook returned, or raises what it raised."""
        if self.first is not None and self._error is None:
            self.first()
        if self._here:
            return self._inline(tx)
        if not self.finished:
            self._tx = tx
            self._granted.set()
            if not self._ended.wait(self._patience):
                self._let_go()
            self._tx = None
        if self._error is not None:
            raise self._error
        return self._value

    def _let_go(self) -> None:
        """It holds the room for too long. Its Python cannot be stopped, but goes on without the room."""
        with self._using:  # SQL that runs is stopped by its own time
            self.given_up = self._over = MutationRejected(
                "too-slow",
                f"{self.label} held the room for {self._patience:g} s after its first SQL and was given up; nothing of "
                f"it was kept. Let it do first what takes its time, and then the SQL.",
            )
            self.end(None, self._over)

    def _inline(self, tx: Transaction) -> Any:
        """The same for a hook that is not ``async``: all of it, here and now."""
        if not self._baton.acquire(timeout=self._patience):
            text = f"{self.label} has waited {self._patience:g} s for another hook of the party, which runs still."
            raise MutationRejected("too-slow", f"{text} Try again.")
        before = current.set(self)
        self._tx, self.asked, self._step = tx, True, threading.get_ident()
        try:
            return self._function(*self._args)
        finally:
            self._step = 0
            self._baton.release()
            self._tx = None
            self._over = MutationRejected("bad-sql", f"{self.label} is over.")
            current.reset(before)

    def durable(self) -> None:
        """What it did in its turn is on the disk. On the room's loop."""
        for each in self.lasting if self.kept else ():
            try:
                each()
            except Exception:  # it is the party's, or for one session: the turn is as it is
                log.exception("what %s does afterwards has failed", self.label)
        self.settle(self._value, self._error)

    def fail(self, why: MutationRejected) -> None:
        """It was undone, for this reason if for none of its own."""
        self.refuse(why)
        self.end(None, why)
        self._value, self._error = None, self._error or why

    def refuse(self, why: MutationRejected) -> None:
        """It gets no turn: the room closes, or its time is up."""
        self._over = why
        self._granted.set()


class _Driven:
    """A coroutine, awaited step by step."""

    def __init__(self, piece: Piece, coroutine: types.CoroutineType[Any, Any, Any]) -> None:
        self._piece = piece
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        resume: Callable[[Any], Any] = self._coroutine.send
        value: Any = None
        try:
            while True:
                try:
                    waits_for = self._piece.step(resume, value)
                except StopIteration as stop:
                    return stop.value
                try:
                    value, resume = (yield waits_for), self._coroutine.send
                except BaseException as error:  # noqa: BLE001  # it is the hook's to hear
                    value, resume = error, self._coroutine.throw
        finally:
            with contextlib.suppress(Exception):  # what it does on its way out is nobody's any more
                self._coroutine.close()


def _tamed(label: str, error: BaseException) -> RuntimeError:
    """Of a hook's own, what would end the server's loop (SystemExit), or what no future takes (StopIteration)."""
    tamed = RuntimeError(f"{label} raised {type(error).__name__}.")
    tamed.__cause__ = error
    return tamed


def _ignored(_value: Any, _error: BaseException | None) -> None:
    """Nobody waits."""


def _over() -> None:
    """What a piece that has ended calls: it holds nothing any more."""
