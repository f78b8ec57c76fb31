"""
What marimo does differently: a widget belongs to the cell that made it, and ends when that cell runs again.

In Jupyter a widget stays until it is closed, so all cells share one grid and one channel per table. marimo closes
the comm of what a cell has made when the cell runs again or is deleted, and tells the widget nothing; and when a
session of an app is over, a thread of one process, it closes nothing at all. So widgets and rooms are ended here.
"""

from __future__ import annotations

import sys
import threading
import weakref
from types import FrameType
from typing import Any


class _Session(threading.local):
    """What a thread has to close. Its attributes go when the thread does."""

    def __init__(self) -> None:
        self.open: weakref.WeakSet[Any] = weakref.WeakSet()
        self.end = _End()
        if threading.current_thread() is not threading.main_thread():
            weakref.finalize(self.end, _close, self.open).atexit = False


class _End:
    """Nothing but its life."""


def in_marimo() -> bool:
    """Whether this code runs in a cell of marimo."""
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())


def written_in_cell(frame: FrameType | None) -> bool:
    """Whether the code of ``frame`` stands in a cell of marimo, and not in a module, which all sessions share."""
    return frame is not None and frame.f_globals.get("__name__") == "__main__" and in_marimo()


def end_with_cell(widget: Any) -> None:
    """In marimo, close ``widget`` when its comm is closed or its session ends, so that it lets go of its table."""
    comm = widget.comm
    if type(comm).__module__.partition(".")[0] != "marimo":
        return
    close, known = comm.close, weakref.ref(widget)

    def closing(*args: Any, **kwargs: Any) -> None:
        comm.close = close
        close(*args, **kwargs)
        if (widget := known()) is not None:
            widget.close()

    comm.close = closing
    end_with_session(widget)


def end_with_session(thing: Any) -> None:
    """Close ``thing`` when the session of marimo ends in whose thread this is called."""
    _session.open.add(thing)


def _close(things: weakref.WeakSet[Any]) -> None:
    for thing in list(things):
        thing.close()


_session = _Session()
