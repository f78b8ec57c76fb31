"""
Throttling: an observer that draws something costly is called a few times a second, and never left with an old state.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from .io_thread import Voice, io_loop
from .table import TableChange

T = TypeVar("T")


def throttled(seconds: float) -> Callable[[Callable[[T], object]], Throttled[T]]:
    """A decorator for observers: between two calls the function rests for at least so many seconds.

    ::

        @throttled(0.25)
        def redraw(change): ...

        table.observe(redraw)

    The first change is told at once. Those that come during a rest are told together at its end, so what was last is
    always told: as one TableChange with the rows of all, or, of anything else than TableChanges, the last alone.
    It is called where an observer is, and prints into the same cell.
    """

    def decorate(function: Callable[[T], object]) -> Throttled[T]:
        return Throttled(function, seconds)

    return decorate


class Throttled(Generic[T]):
    """A function that rests between its calls. See ``throttled``."""

    def __init__(self, function: Callable[[T], object], seconds: float) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._seconds = seconds
        self._lock = threading.Lock()
        self._waiting: dict[str, T] = {}  # by table: one function may observe several
        self._busy = False  # called, or at rest

    def __call__(self, change: T) -> None:
        with self._lock:
            table = change.table if isinstance(change, TableChange) else ""
            self._waiting[table] = _joined(self._waiting.get(table), change)
            if self._busy:
                return
            self._busy = True
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        try:
            for change in waiting.values():
                self._function(change)
        finally:  # the rest begins when the call ends: one that takes long leaves the kernel time for others
            voice = Voice()
            io_loop().call_soon_threadsafe(io_loop().call_later, self._seconds, voice.call, self._rested)

    def _rested(self) -> None:
        with self._lock:
            self._busy = bool(self._waiting)
        if self._busy:
            self._tell()


def _joined(before: T | None, change: T) -> T:
    """Rows are told as they are now, so of each the later one holds."""
    if isinstance(before, TableChange) and isinstance(change, TableChange):
        return type(change)(change.table, {**before.rows, **change.rows})
    return change
