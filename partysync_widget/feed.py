"""
A feed: what one table's browsers have been told, and what they are still to hear.

::

    table ──follow──▶ Feed ──snapshot in parts, deltas, at most 60 a second──▶ js/src/feed.ts
      ▲                │       a small table whole, a large one as windows
      └──── edits ◀────┴─── hello, edit, window, look, draft (js/src/wire.ts has every message)

All of it belongs to the I/O thread, so rows reach the browser while a cell runs. Every message carries the next number
(Jupyter drops messages without a word beyond 1000 a second), and the cost of a delta is that of its rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from .blocks import block, describe, drafted, parts
from .core.codec import check_value
from .core.errors import MutationRejected
from .edits import Edit, Edits
from .windows import Windows

if TYPE_CHECKING:
    import asyncio

    from .audience import Changes
    from .core.messages import Column
    from .table import Table

FRAME = 1 / 60  # seconds between messages of one feed: what a screen shows, far below Jupyter's limit
TAIL = 2.0  # seconds of quiet after which the last number is repeated, so that a lost last message is noticed
WHOLE = 20_000  # rows that a browser holds itself, and sorts and scrolls while the kernel is busy
SLACK = 2_000  # rows more before a table that has been whole is told in windows
UNDECIDED = 0.03  # seconds before it is told that a draft is a mutation now: most often its delta comes, and tells all
DRAFT_SECONDS = 60.0  # after the last key; a page that was closed in the middle of a word does not say so
DRAFT_LENGTH = 2_000  # characters of it that the others see

Row = tuple[Any, ...]
log = logging.getLogger(__name__)


@dataclass
class Reading:
    """Everything a delta says of rows, read at one moment (R8)."""

    windows: list[dict[str, Any]]
    rows: dict[str, Row]
    gone: list[str]
    held: set[str]  # rows in sight that are told when the views have been looked at
    pending: set[str]
    people: list[dict[str, Any]]
    drafts: list[dict[str, Any]]


class Feed:
    """See the module. ``post`` takes a message and its buffer on their way to every browser."""

    def __init__(self, table: Table, post: Callable[[dict[str, Any], bytes | None], None]) -> None:
        self._table = table
        self._room = table.room
        self._loop: asyncio.AbstractEventLoop = table.room.io_loop
        self._post = post
        self._edits = Edits(table, self._refuse)
        self._windows = Windows()
        self._subscription: Any = None  # from the first hello on: before it nobody listens
        self._seq = 0
        self._whole = True  # every row is told, not only those in sight
        self._columns: tuple[Column, ...] = ()  # as in the last snapshot
        self._told_pending: set[str] = set()
        self._told: dict[str, Any] = {}  # status, people and drafts, as they were told last
        # To be told.
        self._ids: set[str] = set()
        self._authors: dict[str, str] = {}
        self._took: list[tuple[str, int]] = []  # edits, each with what the views must have seen before it is said
        self._refused: list[dict[str, Any]] = []
        self._reset = False
        self._due: asyncio.TimerHandle | None = None
        self._last = 0.0  # when something was last told, by the loop's clock
        self._tail: asyncio.TimerHandle | None = None
        self._parts: Iterator[tuple[dict[str, Any], bytes]] | None = None  # of the snapshot under way
        self._typing: dict[str, asyncio.TimerHandle] = {}  # drafts of our browsers, and when they are given up

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
        try:
            if isinstance(content, dict):  # what no frame can carry must not get into one; ``Edits`` looks at changes
                check_value({name: value for name, value in content.items() if name != "changes"})
            match content:
                case {"k": "hello", "for": str(page)}:
                    self._hello(page)
                case {"k": "edit", **edit}:
                    self._edit(msgspec.convert(edit, Edit))
                case {"k": "window", "view": str(view), "ask": int(ask), "first": int(first), "count": int(count)}:
                    self._windows.ask(view, ask, content.get("query", {}), first, count)
                    self._schedule()
                case {"k": "forget", "view": str(view)}:
                    self._windows.forget(view)
                case {"k": "look", "at": None}:
                    self._room.connection.look(None)
                case {"k": "look", "at": {"id": str(id_), "column": str(column)}}:
                    self._room.connection.look({"table": self._table.name, "id": id_, "column": column})
                case {"k": "draft", "key": str(key), "id": str(id_), "column": str(column), "text": str(text)}:
                    self._draft(key, {id_: {column: text[:DRAFT_LENGTH]}})
                case {"k": "draft", "key": str(key), "text": None}:
                    self._draft(key, {})
                case _:
                    log.warning("A browser sent a message that is none of ours: %.200r", content)
        except (msgspec.ValidationError, MutationRejected) as error:
            log.warning("A browser sent a message that is none of ours (%s): %.200r", error, content)

    def _hello(self, page: str) -> None:
        """Send a whole snapshot. Pages that listen already skip it: what they lack stays untold, and follows."""
        if self._subscription is None:
            self._subscription = self._table.follow(self._changed)
            self._told_pending = self._table.pending_ids()
            self._whole = self._size() <= WHOLE
        self._snapshot(None if self._reset else page)

    def _edit(self, edit: Edit) -> None:
        refusal = self._edits.receive(edit)
        if edit.draft:
            self._typed(edit.draft)
            if refusal is not None:
                self._room.connection.draft(edit.draft, self._table.name, {})
        if refusal is None:
            self._took.append((edit.n, self._windows.touch()))
            self._schedule()
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: dict[str, Any]) -> None:
        """Receipts settle right after followers heard, so a refusal and its rows go in one delta."""
        self._refused.append(refusal)
        self._schedule()

    def _draft(self, key: str, rows: dict[str, Any]) -> None:
        """Somebody types here; the others see it (R11)."""
        self._typed(key)
        self._room.connection.draft(key, self._table.name, rows)
        if rows:
            self._typing[key] = self._loop.call_later(DRAFT_SECONDS, self._draft, key, {})

    def _typed(self, key: str) -> None:
        if (timer := self._typing.pop(key, None)) is not None:
            timer.cancel()

    def _changed(self, changes: Changes) -> None:
        self._ids |= changes.ids
        self._authors.update(changes.authors)
        self._reset |= changes.reset
        data = bool(changes.ids or changes.reset or changes.settled)
        self._schedule(0.0 if data or not self._undecided() else UNDECIDED)

    def _undecided(self) -> bool:
        """Whether a draft of somebody's is a mutation already: its delta is on the way."""
        return any(draft.mid for _, draft in self._room.connection.replica.drafts_of(self._table.name))

    # Telling.

    def _schedule(self, after: float = 0.0) -> None:
        """Tell what there is: at once after a pause, else with the next frame. One telling is due at most."""
        if self._parts is not None:
            return
        when = max(self._last + FRAME, self._loop.time() + after)
        if self._due is not None:
            if self._due.when() <= when:
                return
            self._due.cancel()
        self._due = self._loop.call_at(when, self._tell)

    def _tell(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._subscription is None or self._parts is not None:
            return  # what has gathered follows the snapshot
        if self._reset or self._outgrown():
            self._snapshot(None)
            return
        reading = self._read()
        if any(len(row) != 2 + len(self._columns) for row in reading.rows.values()):
            return  # a column was added; the notice of it is on the way, and brings a snapshot
        delta = self._delta(reading)
        if delta is not None:
            self._send({"k": "delta"}, msgspec.json.encode(delta))
        if (wait := self._windows.wanting(self._loop.time())) is not None:
            self._schedule(wait)

    def _outgrown(self) -> bool:
        """The table has become too large to be told whole."""
        return self._whole and bool(self._ids) and self._size() > WHOLE + SLACK

    def _size(self) -> int:
        return len(self._table) if self._table.exists else 0

    def _read(self) -> Reading:
        """What is untold, with the rows of edits whose notice is still on its way: a mutation is seen whole (R8)."""
        connection = self._room.connection
        with connection.lock:
            ids = self._ids | connection.untold(self._table.name)
            seen = self._windows.ids
            if ids:
                self._windows.touch()
            windows, rows = self._windows.read(connection.replica, self._table.name, self._loop.time())
            held: set[str] = set()
            if not self._whole:
                ids &= seen | self._windows.ids
                if self._windows.behind:
                    held, ids = ids, set()
            rows.update(self._table.rows_of(ids - rows.keys()))
            return Reading(
                windows,
                rows,
                [id_ for id_ in ids if id_ not in rows],
                held,
                self._table.pending_ids(),
                self._people(),
                self._told.get("drafts", []) if held else self._drafts(),  # one ends with its row (R11)
            )

    def _delta(self, reading: Reading) -> dict[str, Any] | None:
        """Everything untold in one frame, so that an edit leaves the browser's overlay as its row arrives (R2).

        In windows a new row arrives when its place has been looked at, and until then the overlay shows it.
        """
        self._ids = reading.held
        authors, self._authors = self._authors, {id_: by for id_, by in self._authors.items() if id_ in reading.held}
        took = [n for n, touched in self._took if self._windows.saw(touched)]
        self._took = [(n, touched) for n, touched in self._took if not self._windows.saw(touched)]
        refused, self._refused = self._refused, []
        pending = reading.pending
        news = self._news(reading)
        answers = reading.windows or took or refused
        if not (reading.rows or reading.gone or answers or pending != self._told_pending or news):
            return None
        delta = {
            **block(self._columns, reading.rows.values()),
            "gone": reading.gone,
            "pending_on": sorted(pending - self._told_pending),
            "pending_off": sorted(self._told_pending - pending),
            "took": took,
            "refused": refused,
            "windows": reading.windows,
            "by": {id_: author for id_, author in authors.items() if id_ in reading.rows},
            **news,
        }
        self._told_pending = pending
        return delta

    def _news(self, reading: Reading) -> dict[str, Any]:
        """Status, people and drafts, each only if it is not what was told last."""
        now = {"status": self._status(), "people": reading.people, "drafts": reading.drafts}
        news = {name: value for name, value in now.items() if value != self._told.get(name)}
        self._told = now
        return news

    def _snapshot(self, page: str | None) -> None:
        """Begin a snapshot for one page, or for all; one that was under way is given up."""
        if page is None:
            self._reset = False
            self._ids.clear()
            self._authors.clear()
            self._told_pending = self._table.pending_ids()
            self._whole = self._size() <= WHOLE
            self._windows.clear()
        with self._room.connection.lock:
            columns, rows = self._table.window() if self._whole else (self._table.columns, [])
            if page is None or not self._told:  # else what is new follows, for those who skip this one, too
                self._told = {"status": self._status(), "people": self._people(), "drafts": self._drafts()}
        self._columns = columns
        first = {
            "columns": [describe(column) for column in columns],
            "pending": sorted(self._told_pending),
            "whole": self._whole,
            **self._told,
        }
        self._seq += 1
        self._parts = parts(columns, rows, first)
        self._next_part(self._parts, {"k": "snapshot", "seq": self._seq, "for": page})

    def _next_part(self, under_way: Iterator[tuple[dict[str, Any], bytes]], head: dict[str, Any]) -> None:
        """One part in each turn of the loop, which has sockets to serve."""
        if under_way is not self._parts:
            return
        place, buffer = next(under_way)
        self._post({**head, **place}, buffer)
        self._noted()
        if place["part"] + 1 < place["of"]:
            self._loop.call_soon(self._next_part, under_way, head)
        else:
            self._parts = None
            self._schedule()

    def _send(self, content: dict[str, Any], buffer: bytes) -> None:
        self._seq += 1
        self._post({**content, "seq": self._seq}, buffer)
        self._noted()

    def _noted(self) -> None:
        self._last = self._loop.time()
        if self._tail is not None:
            self._tail.cancel()
        self._tail = self._loop.call_later(TAIL, self._beat)

    def _beat(self) -> None:
        """Once after the last message, not for ever: Jupyter would take a kernel that talks for one in use."""
        self._post({"k": "beat", "seq": self._seq}, None)

    # What there is to say beside rows.

    def _status(self) -> dict[str, Any]:
        room = self._room
        return {
            "room": room.status,
            "waiting": room.pending,
            "trouble": room.trouble,
            "verbs": room.connection.replica.verbs,
        }

    def _people(self) -> list[dict[str, Any]]:
        """Who else is in the room, and at which cell of this table."""
        peers = self._room.connection.replica.peers
        return [
            {"key": client, "name": peer.name, "color": peer.color, "at": self._place(peer.state.get("at"))}
            for client, peer in sorted(peers.items())
        ]

    def _place(self, at: Any) -> dict[str, str] | None:
        """What a peer says is anything at all."""
        match at:
            case {"table": self._table.name, "id": str(id_), "column": str(column)}:
                return {"id": id_, "column": column}
        return None

    def _drafts(self) -> list[dict[str, Any]]:
        """What others are typing, or have done and the room has not decided."""
        found = self._room.connection.replica.drafts_of(self._table.name)
        columns = self._table.columns if found and self._table.exists else ()
        return [
            {
                "by": client,
                "typing": draft.mid == 0,
                "rows": {id_: drafted(columns, values) for id_, values in draft.rows.items()},
            }
            for client, draft in found
        ]

    def _stop(self) -> None:
        for timer in (self._due, self._tail, *self._typing.values()):
            if timer is not None:
                timer.cancel()
        for key in self._typing:
            self._room.connection.draft(key, self._table.name, {})
        self._typing.clear()
        if self._subscription is not None:
            self._subscription.close()
        self._subscription = self._parts = None
