"""
What marimo does differently: a widget belongs to the cell that made it, and ends when that cell runs again.

In Jupyter a widget stays until it is closed, so all cells share one grid and one channel per table. marimo closes the
comm of what a cell has made when the cell runs again or is deleted, and tells the widget nothing; and of an app's session
that is over, a thread of one process, it closes nothing at all. So widgets, and with them tables and rooms, are ended here.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any


class _Session(threading.local):
    """A thread's widgets. Its attributes go when the thread does, and the widgets are closed then."""

    def __init__(self) -> None:
        self.widgets: weakref.WeakSet[Any] = weakref.WeakSet()
        self.end = _End()
        if threading.current_thread() is not threading.main_thread():
            weakref.finalize(self.end, _close, self.widgets).atexit = False


class _End:
    """Nothing but its life."""


def in_marimo() -> bool:
    """Whether this code runs in a cell of marimo."""
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())


def end_with_cell(widget: Any) -> None:
    """In marimo, close ``widget`` when its comm is closed, or its session ends: it lets go of its table and the room."""
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
    _session.widgets.add(widget)


def _close(widgets: weakref.WeakSet[Any]) -> None:
    for widget in list(widgets):
        widget.close()


_session = _Session()
