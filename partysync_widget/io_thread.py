"""
The I/O thread: one daemon thread per process with its own asyncio loop, where every socket lives.

On the kernel's own loop nothing would arrive while a cell runs (measured: 0 of 20 messages; here 20 of 20). The thread
is a daemon and nothing depends on its end: the room holds the truth.

A cell that computes keeps the interpreter's lock for a switch interval whenever this thread has let go of it, which
every statement of SQLite and every system call does: at Python's 5 ms one delta needs 60 to 90 ms to reach the browser.
So the interval is ``SWITCH_SECONDS`` from the first room on (docs/decisions/switch-interval.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

SWITCH_SECONDS = 0.001  # at most; whoever has set less keeps it

Call = tuple[Context, Callable[..., object], tuple[object, ...]]


class _Process:
    """The threads of this process. A fork's child has none of them, and begins anew."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Nothing is running yet."""
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.calls: queue.SimpleQueue[Call] | None = None


_process = _Process()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.begin)


def io_loop() -> asyncio.AbstractEventLoop:
    """The loop of the I/O thread, started on first use."""
    with _process.lock:
        if _process.loop is None:
            if sys.getswitchinterval() > SWITCH_SECONDS:
                sys.setswitchinterval(SWITCH_SECONDS)
            _process.loop = asyncio.new_event_loop()
            _process.thread = threading.Thread(target=_run, args=(_process.loop,), name="partysync-io", daemon=True)
            _process.thread.start()
        return _process.loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def on_io_thread() -> bool:
    """Whether the caller is the I/O thread, which must never wait for itself."""
    return threading.current_thread() is _process.thread


def spawn(task: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the I/O thread."""
    return asyncio.run_coroutine_threadsafe(task, io_loop())


class Voice:
    """Where a person's callback runs: on the loop it was registered on, in that context.

    So what it prints lands in that cell. Registered where no loop runs, it shares a thread with all others such.
    """

    def __init__(self) -> None:
        self._context: Context = copy_context()
        self._loop: asyncio.AbstractEventLoop | None = None
        with contextlib.suppress(RuntimeError):
            running = asyncio.get_running_loop()
            self._loop = running if running is not _process.loop else None

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call ``function`` soon; calls by one voice keep their order."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self._context.copy().run(function, *args))
        else:
            _calls().put((self._context, function, args))


def _calls() -> queue.SimpleQueue[Call]:
    with _process.lock:
        if _process.calls is None:
            _process.calls = queue.SimpleQueue()
            threading.Thread(target=_call_all, args=(_process.calls,), name="partysync-callbacks", daemon=True).start()
        return _process.calls


def _call_all(calls: queue.SimpleQueue[Call]) -> None:
    while True:
        context, function, args = calls.get()
        try:
            context.copy().run(function, *args)
        except Exception:  # noqa: BLE001  # one callback's mistake, reported as a thread's would be
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
