"""
A channel: carries one table between this kernel and its browsers. It has no view; widgets refer to it.

::

    table ──follow──▶ Feed ──snapshot in parts, deltas, at most 60 a second──▶ js/src/channel.ts, one live table
      ▲                │
      └──insert, update, delete ◀── hello, edits (js/src/wire.ts has every message)

All state of a Feed belongs to the I/O thread, so rows reach the browser while a cell runs. Every message carries the
next number (Jupyter drops messages without a word beyond 1000 a second), and the cost of a delta is that of its rows.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import msgspec

from .blocks import block, describe, from_browser, parts

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .audience import Changes
    from .core.messages import Column
    from .table import Table

FRAME = 1 / 60  # seconds between messages of one channel: what a screen shows, far below Jupyter's limit
TAIL = 2.0  # seconds of quiet after which the last number is repeated, so that a lost last message is noticed
ANSWERS = 1_000  # answered edits remembered, for a browser that asks again

log = logging.getLogger(__name__)
_channels: weakref.WeakValueDictionary[int, TableChannel] = weakref.WeakValueDictionary()


def bundle(name: str) -> Path:
    """A file of the browser side, built from js/ when this package was installed."""
    path = Path(__file__).parent / "static" / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: the browser side has not been built. In a working copy, `make js` builds it."
        )
    return path


class TableChannel(anywidget.AnyWidget):
    """The kernel's end of the channel of ``table``. Get it with ``TableChannel.of``: a table has one."""

    _esm = bundle("channel.js")

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        self._feed = Feed(table, self._post)
        # ipykernel 7.4 sends what the browser answers to wherever we last spoke from, the main shell, where it would
        # wait for the running cell. Left to the browser's choice, a click during time.sleep arrives (measured: 0.1 s).
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _content, chosen: chosen  # noqa: SLF001 - there is no public name
        self.on_msg(self._receive)

    @staticmethod
    def of(table: Table) -> TableChannel:
        """The channel of ``table``, opened on first use. By identity: tables compare equal by their rows."""
        channel = _channels.get(id(table))
        if channel is None or channel.comm is None:
            channel = _channels[id(table)] = TableChannel(table)
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


class Feed:
    """What one table's browsers have been told, and what they are still to hear. Lives on the I/O thread."""

    def __init__(self, table: Table, post: Callable[[dict[str, Any], bytes | None], None]) -> None:
        self._table = table
        self._room = table.room
        self._loop: asyncio.AbstractEventLoop = table.room.io_loop
        self._post = post
        self._subscription: Any = None  # from the first hello on: before it nobody listens
        self._seq = 0
        self._columns: tuple[Column, ...] = ()  # as in the last snapshot
        self._told_pending: set[str] = set()
        self._told_status: dict[str, Any] = {}
        # To be told.
        self._ids: set[str] = set()
        self._took: list[str] = []
        self._refused: list[dict[str, Any]] = []
        self._reset = False
        self._due: asyncio.TimerHandle | None = None
        self._last = 0.0  # when something was last told, by the loop's clock
        self._tail: asyncio.TimerHandle | None = None
        self._parts: Iterator[tuple[dict[str, Any], bytes]] | None = None  # of the snapshot under way
        # The browser's edits.
        self._answers: dict[str, dict[str, Any] | None] = {}  # by edit number: None taken, else the refusal

    # Any thread.

    def call(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: the kernel is going, and so are we
            log.debug("The I/O thread has ended; %s is not called.", function)

    def stop(self) -> None:
        self.call(self._stop)

    # The I/O thread, from here on.

    def receive(self, content: Any) -> None:
        match content:
            case {"k": "hello", "for": str(page)}:
                self._hello(page)
            case {"k": "edit", "n": str(), "op": "insert" | "update" | "delete", "id": str(), "values": dict()}:
                self._edit({key: content[key] for key in ("n", "op", "id", "values")})
            case _:
                log.warning("A browser sent a message that is none of ours: %.200r", content)

    def _hello(self, page: str) -> None:
        """Send a whole snapshot. Pages that listen already skip it: what they lack stays untold, and follows."""
        if self._subscription is None:
            self._subscription = self._table.follow(self._changed)
            self._told_pending = self._table.pending_ids()
        self._snapshot(None if self._reset else page)

    def _edit(self, edit: dict[str, Any]) -> None:
        """Make a browser's edit, once: one seen before is only answered again (R5)."""
        n = edit["n"]
        if n in self._answers:
            refusal = self._answers[n]
        else:
            refusal = self._answers[n] = self._make(edit)
            while len(self._answers) > ANSWERS:
                del self._answers[next(iter(self._answers))]
        if refusal is None:
            self._took.append(n)
        else:
            self._refused.append(refusal)
        self._schedule()

    def _make(self, edit: dict[str, Any]) -> dict[str, Any] | None:
        try:
            values = from_browser(self._table.columns, edit["values"])
            match edit["op"]:
                case "insert":
                    receipt = self._table.insert(**{**values, "id": edit["id"]})
                case "update":
                    receipt = self._table.update(edit["id"], **values)
                case _:
                    receipt = self._table.delete(edit["id"])
        except Exception as error:  # noqa: BLE001 - a party's own mutators raise what they like; the person is told
            return {**edit, "why": str(error) or type(error).__name__}
        receipt.when_done(lambda decided: self._decided(edit, decided.outcome()[1]))
        return None

    def _changed(self, changes: Changes) -> None:
        self._ids |= changes.ids
        self._reset |= changes.reset
        self._schedule()

    def _decided(self, edit: dict[str, Any], error: BaseException | None) -> None:
        """The room's word on a browser's edit. Receipts settle right after followers heard, so both go in one delta."""
        if error is not None:
            refusal = self._answers[edit["n"]] = {**edit, "why": str(error)}
            self._refused.append(refusal)
            self._schedule()

    def _schedule(self) -> None:
        """Tell what there is: at once after a pause, else with the next frame. One telling is due at most."""
        if self._due is None and self._parts is None:
            wait = self._last + FRAME - self._loop.time()
            self._due = self._loop.call_later(max(0.0, wait), self._tell)

    def _tell(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._subscription is None or self._parts is not None:
            return  # what has gathered follows the snapshot
        if self._reset:
            self._snapshot(None)
            return
        rows = self._read()
        if any(len(row) != 2 + len(self._columns) for row in rows.values()):
            return  # a column was added; the notice of it is on the way, and brings a snapshot
        delta = self._delta(rows)
        if delta is not None:
            self._send({"k": "delta"}, msgspec.json.encode(delta))

    def _read(self) -> dict[str, tuple[Any, ...]]:
        """The untold rows, with those of edits whose notice is still on its way: a mutation is seen whole (R8)."""
        connection = self._room.connection
        with connection.lock:
            self._ids |= connection.untold(self._table.name)
            return self._table.rows_of(self._ids)

    def _delta(self, rows: dict[str, tuple[Any, ...]]) -> dict[str, Any] | None:
        """Everything untold in one frame, so that an edit leaves the browser's overlay as its row arrives (R2)."""
        ids, self._ids = self._ids, set()
        took, self._took = self._took, []
        refused, self._refused = self._refused, []
        pending = self._table.pending_ids()
        status = self._status()
        if not (ids or took or refused or pending != self._told_pending or status != self._told_status):
            return None
        delta = {
            **block(self._columns, rows.values()),
            "gone": [id_ for id_ in ids if id_ not in rows],
            "pending_on": sorted(pending - self._told_pending),
            "pending_off": sorted(self._told_pending - pending),
            "took": took,
            "refused": refused,
            "status": status,
        }
        self._told_pending, self._told_status = pending, status
        return delta

    def _snapshot(self, page: str | None) -> None:
        """Begin a snapshot for one page, or for all; one that was under way is given up."""
        if page is None:
            self._reset = False
            self._ids.clear()
            self._told_pending = self._table.pending_ids()
        self._columns, rows = self._table.window()
        first = {
            "columns": [describe(column) for column in self._columns],
            "pending": sorted(self._told_pending),
            "status": self._status(),
        }
        self._seq += 1
        self._parts = parts(self._columns, rows, first)
        self._next_part(self._parts, {"k": "snapshot", "seq": self._seq, "for": page})

    def _next_part(self, under_way: Iterator[tuple[dict[str, Any], bytes]], head: dict[str, Any]) -> None:
        """One part in each turn of the loop, which has sockets to serve."""
        if under_way is not self._parts:
            return
        place, buffer = next(under_way)
        self._post({**head, **place}, buffer)
        self._told()
        if place["part"] + 1 < place["of"]:
            self._loop.call_soon(self._next_part, under_way, head)
        else:
            self._parts = None
            self._schedule()

    def _send(self, content: dict[str, Any], buffer: bytes) -> None:
        self._seq += 1
        self._post({**content, "seq": self._seq}, buffer)
        self._told()

    def _told(self) -> None:
        self._last = self._loop.time()
        if self._tail is not None:
            self._tail.cancel()
        self._tail = self._loop.call_later(TAIL, self._beat)

    def _beat(self) -> None:
        """Once after the last message, not for ever: Jupyter would take a kernel that talks for one in use."""
        self._post({"k": "beat", "seq": self._seq}, None)

    def _status(self) -> dict[str, Any]:
        return {"room": self._room.status, "waiting": self._room.pending, "trouble": self._room.trouble}

    def _stop(self) -> None:
        for timer in (self._due, self._tail):
            if timer is not None:
                timer.cancel()
        if self._subscription is not None:
            self._subscription.close()
        self._subscription = self._parts = None
