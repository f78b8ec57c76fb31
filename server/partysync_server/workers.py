"""
Workers: threads that run what would keep the event loop, a turn and its commit above all.

::

    event loop ─▶ one queue ─▶ a thread that is free ─▶ call_soon_threadsafe ─▶ event loop

An edit that is decided alone pays for the way there and back. By ``asyncio.to_thread`` that is 80 microseconds, for a
future of each kind, a lock and a semaphore; by a queue and one future 32 (docs/decisions/turn-on-a-worker.md).
"""

from __future__ import annotations

import asyncio
import queue
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

MOST_THREADS = 8  # they wait for disks, and for each other's Python

T = TypeVar("T")
Piece = tuple[Callable[[], Any], Callable[[Any, BaseException | None], None]]  # and who is told of its end


class Workers:
    """The threads of one event loop, started as they are needed. All methods are for that loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._queue: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self._loop = weakref.ref(loop)
        self._threads = self._busy = 0
        weakref.finalize(loop, self._end)

    async def run(self, function: Callable[[], T], then: Callable[[], None] | None = None) -> T:
        """What ``function`` gives, from a thread. It goes on to its end though nobody should wait for it any more.

        ``then`` is called on the loop as soon as it has succeeded, a round before whoever waits goes on; what it raises
        is raised there.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._busy += 1
        if self._busy > self._threads < MOST_THREADS:
            self._threads += 1
            name = f"partysync-worker-{self._threads}"
            threading.Thread(target=_work, args=(self._queue, self._loop), name=name, daemon=True).start()
        self._queue.put((function, partial(self._finish, done, then)))
        return await done

    def _finish(
        self, done: asyncio.Future[T], then: Callable[[], None] | None, result: T, error: BaseException | None
    ) -> None:
        self._busy -= 1
        if done.done():
            return  # whoever waited was cancelled
        if error is None and then is not None:
            try:
                then()
            except BaseException as raised:  # noqa: BLE001  # it is raised where it is waited for
                error = raised
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def _end(self) -> None:
        for _ in range(self._threads):
            self._queue.put(None)


def _work(pieces: queue.SimpleQueue[Piece | None], home: weakref.ref[asyncio.AbstractEventLoop]) -> None:
    while (piece := pieces.get()) is not None:
        (function, finish), result, error = piece, None, None
        try:
            result = function()
        except BaseException as raised:  # noqa: BLE001  # it is raised where it is waited for
            error = raised
        loop = home()
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:  # it was closed while the piece ran
            return
        del piece, function, finish, result, error, loop  # nothing is kept alive by a thread that waits


_workers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Workers] = weakref.WeakKeyDictionary()


async def on_worker(function: Callable[[], T], then: Callable[[], None] | None = None) -> T:
    """Run ``function`` on a worker of this event loop, as ``Workers.run`` does."""
    loop = asyncio.get_running_loop()
    found = _workers.get(loop)
    if found is None:
        found = _workers[loop] = Workers(loop)
    return await found.run(function, then)
