"""
A channel: carries one table between this kernel and its browsers. It has no view; widgets refer to it.

``Feed`` decides what is said and when; this is the wire, an anywidget without a face, whose other end is
js/src/channel.ts.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget

from .feed import Feed
from .marimo_cells import end_with_cell, end_with_session, in_marimo

if TYPE_CHECKING:
    from .table import Table

# By the table's identity (tables compare equal by their rows), and by the widget where each has a channel of its own.
_channels: weakref.WeakValueDictionary[tuple[int, Any], TableChannel] = weakref.WeakValueDictionary()


def bundle(name: str) -> Path | str:
    """A file of the browser side, built from js/ when this package was installed.

    As text: what a class holds as a path, anywidget watches for every widget made of it, which is then never forgotten,
    nor its table and room. With ANYWIDGET_HMR=1 that is wanted.
    """
    path = Path(__file__).parent / "static" / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: the browser side has not been built. In a working copy, `make js` builds it."
        )
    return path if os.environ.get("ANYWIDGET_HMR") == "1" else path.read_text(encoding="utf-8")


class TableChannel(anywidget.AnyWidget):
    """The kernel's end of the channel of ``table``. Get it with ``TableChannel.of``."""

    _esm = bundle("channel.js")

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        self._feed = Feed(table, self._post)
        # ipykernel 7.4 sends what the browser answers to wherever we last spoke from, the main shell, where it would
        # wait for the running cell. Left to the browser's choice, a click during time.sleep arrives (measured: 0.1 s).
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _content, chosen: chosen  # noqa: SLF001 - there is no public name
        end_with_cell(self)
        self.on_msg(self._receive)

    @staticmethod
    def of(table: Table, widget: object = None) -> TableChannel:
        """The channel of ``table``, opened on first use. In marimo it is ``widget``'s alone, and goes with its cell."""
        apart = widget is not None and in_marimo()
        if apart:
            end_with_session(widget)
        key = (id(table), weakref.ref(widget) if apart else None)
        channel = _channels.get(key)
        if channel is None or channel.comm is None:
            channel = _channels[key] = TableChannel(table)
        return channel

    @staticmethod
    def referred(reference: object) -> Table | None:
        """The table whose channel the browser means by ``"anywidget:<model_id>"``."""
        for channel in list(_channels.values()):
            if channel.comm is not None and reference == channel.reference:
                return channel.table
        return None

    @property
    def reference(self) -> str:
        """What ``host.getWidget`` in the browser takes."""
        return f"anywidget:{self.model_id}"

    def close(self) -> None:
        feed = getattr(self, "_feed", None)  # __del__ closes an object whose __init__ failed, too
        if feed is not None:
            feed.stop()
        super().close()

    def _receive(self, _widget: object, content: Any, _buffers: object) -> None:
        """Runs in the main thread or a subshell's, beside a cell: hand over and return."""
        self._feed.call(self._feed.receive, content)

    def _post(self, content: dict[str, Any], buffer: bytes | None) -> None:
        if self.comm is not None:
            self.send(content, None if buffer is None else [buffer])
