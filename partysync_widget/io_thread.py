"""
The I/O thread: one daemon thread per process with its own asyncio loop, where every socket lives.

On the kernel's own loop nothing would arrive while a cell runs (measured: 0 of 20 messages; here 20 of 20). The thread
is a daemon and nothing depends on its end: the room holds the truth.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def io_loop() -> asyncio.AbstractEventLoop:
    """The loop of the I/O thread, started on first use."""
    global _loop, _thread
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_run, args=(_loop,), name="partysync-io", daemon=True)
            _thread.start()
        return _loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def on_io_thread() -> bool:
    """Whether the caller is the I/O thread, which must never wait for itself."""
    return threading.current_thread() is _thread


def spawn(task: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the I/O thread."""
    return asyncio.run_coroutine_threadsafe(task, io_loop())


class Voice:
    """Where a person's callback runs: on the loop it was registered on, in that context, so that what it prints
    lands in that cell. Registered where no loop runs, it has a thread to itself with all the others."""

    def __init__(self) -> None:
        self._context: Context = copy_context()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        if self._loop is _loop:
            self._loop = None

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call ``function`` soon; calls by one voice keep their order."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self._context.copy().run(function, *args))
        else:
            _calls().put((self._context, function, args))


_queue: queue.SimpleQueue[tuple[Context, Callable[..., object], tuple[object, ...]]] | None = None


def _calls() -> queue.SimpleQueue[tuple[Context, Callable[..., object], tuple[object, ...]]]:
    global _queue
    with _lock:
        if _queue is None:
            _queue = queue.SimpleQueue()
            threading.Thread(target=_call_all, args=(_queue,), name="partysync-callbacks", daemon=True).start()
        return _queue


def _call_all(calls: queue.SimpleQueue[tuple[Context, Callable[..., object], tuple[object, ...]]]) -> None:
    while True:
        context, function, args = calls.get()
        try:
            context.copy().run(function, *args)
        except Exception:
            threading.excepthook(threading.ExceptHookArgs((*_exc_info(), threading.current_thread())))


def _exc_info() -> Any:
    import sys

    return sys.exc_info()


def _forget_after_fork() -> None:
    """Threads do not survive a fork; the child starts its own when it connects."""
    global _loop, _thread, _queue, _lock
    _loop = _thread = _queue = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
