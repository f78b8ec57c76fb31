"""
Effort: what SQL may ask of a connection at most, and how it is stopped when a mutation takes too long.

SQLite calls back every ``STEPS`` instructions. That is where an interrupt of the kernel reaches a query, and where a
mutation ends that has used up its time. What is stopped while it writes takes its whole transaction with it, as some
errors do (sqlite.org/c3ref/interrupt.html, lang_transaction.html), and what a mutator went on to write would be kept by
itself. So from then on no statement runs until ``end``, and what says so is caught by no ``except Exception``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import apsw

STEPS = 2_000  # instructions between two looks: 20 to 50 microseconds of a plain query
MOST_BYTES = 1 << 24  # in one value, and in one row: what a function may make at a stroke, and no look can stop

LIMITS = {
    apsw.SQLITE_LIMIT_LENGTH: MOST_BYTES,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 1 << 20,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 1_000,  # a search through 500 columns is an OR of so many
    apsw.SQLITE_LIMIT_VDBE_OP: 500_000,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: 32_766,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 1_000,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
}


class Stopped(BaseException):
    """A mutation has used up its time, or lost its transaction, and goes no further."""


class Effort:
    """The limits of one connection, and the time that the mutation on it has left."""

    _running = False  # a mutation; of the class, for a connection that is collected rolls back after our own are gone

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._clock: Callable[[], float] | None = None  # while one runs that has only so much time
        self._seconds = 0.0
        self._end = 0.0  # of its time; 0: it has run for less than STEPS
        self.stopped = False  # nothing more of it runs
        self.late = False  # because its time was up
        for limit, most in LIMITS.items():
            connection.limit(limit, most)
        connection.set_progress_handler(self._look, STEPS)
        connection.set_rollback_hook(self._lost)

    def begin(self, clock: Callable[[], float] | None, seconds: float) -> None:
        """A mutation begins; by this clock it has so long. It is asked only of one that takes its time."""
        self._running, self._clock, self._seconds, self._end = True, clock, seconds, 0.0

    def end(self) -> None:
        """It is over; what runs next is ours."""
        self._running, self._clock = False, None
        if self.stopped:
            self.stopped = self.late = False
            self._connection.exec_trace = None

    def check(self) -> None:
        """Raise Stopped if the mutation was stopped, and its mutator goes on all the same."""
        if self.stopped:
            self._refuse()

    def _look(self) -> bool:
        if self._clock is None:
            return False
        now = self._clock()
        self._end = self._end or now + self._seconds
        if now > self._end:
            self.late = True
            self._stop()
            self._refuse()
        return False

    def _lost(self) -> None:
        """The transaction was rolled back: by us, or under a mutation that runs, whatever it makes of the reason."""
        if self._running:
            self._stop()

    def _stop(self) -> None:
        self.stopped = True
        self._connection.exec_trace = self._refuse

    @staticmethod
    def _refuse(*_: object) -> NoReturn:
        raise Stopped

    def close(self) -> None:
        """Let go of the connection, which otherwise holds us as we hold it."""
        self._connection.set_progress_handler(None)
        self._connection.set_rollback_hook(None)
