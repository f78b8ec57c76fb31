"""
Windows: what the views of a large table have in sight, each a slice of a query, kept up to date.

Where rows stand is looked at again when anything in the table has changed, a fifth of the time at most: what a look
costs is SQLite's to know, not ours. All views are looked at together, and no change of a row in sight is told before:
so a mutation that brings rows into sight is seen whole (R8).
"""

from __future__ import annotations

import logging
import time
from array import array
from typing import Any

import apsw
import msgspec

from .core.stored_table import StoredTable
from .core.view import View
from .query import Query, expression, matches, rows_at, window

MOST_VIEWS = 16  # of one table; a page that went without a word leaves its own behind, and the oldest goes
MOST_ROWS = 5_000  # in one window
PAUSE, SHARE = 1 / 60, 5  # seconds between two looks at least, and how many times as long as the last one took

log = logging.getLogger(__name__)

Row = tuple[Any, ...]


class Listing:
    """One view: a query, and the rows of it that are in sight."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.query = Query()
        self.ids: list[str] = []  # of the rows in sight, as told
        self.size = 0  # rows in all, as told
        self.asked = False  # it waits for an answer
        self.stale = False  # what was found has to be found anew
        self._ask = 0
        self._first = self._count = 0
        self._matches: array[int] | None = None  # of a query that leaves rows out

    def ask(self, number: int, query: Query, first: int, count: int) -> None:
        """Bring other rows into sight. An earlier question that comes late counts for nothing."""
        if number <= self._ask:
            return
        if query != self.query:
            self.query, self._matches = query, None
        self._ask, self._first, self._count = number, max(0, first), max(0, min(count, MOST_ROWS))
        self.asked = True

    @property
    def unfound(self) -> bool:
        """Whether every row of the table has to be read for it."""
        return self.query.filtered and self._matches is None

    def read(self, view: View, table: str) -> tuple[dict[str, Any] | None, list[Row]]:
        """What to tell of it, None if that is what was told, and the rows in sight."""
        rows, size = self._look(view, table) if table in view.view.tables else ([], 0)
        ids = [row[1] for row in rows]
        same = not self.asked and ids == self.ids and size == self.size
        self.ids, self.size, self.asked = ids, size, False
        return (None, []) if same else (self.told(ids, size), rows)

    def told(self, ids: list[str], size: int) -> dict[str, Any]:
        """What is in sight, as the browser hears it."""
        return {"view": self.name, "ask": self._ask, "first": self._first, "size": size, "ids": ids}

    def _look(self, view: View, table: str) -> tuple[list[Row], int]:
        """The rows in sight, and how many there are in all. A scroll takes the matches as they were found last."""
        store, entry = view.view, view.view.table(table)
        if not self.query.filtered:
            self._index(view, entry)
            return window(store, entry, self.query, self._first, self._count), store.count(table)
        if self._matches is None or self.stale:
            self._matches = matches(store, entry, self.query)
        return rows_at(store, entry, self._matches[self._first : self._first + self._count]), len(self._matches)

    def _index(self, view: View, entry: StoredTable) -> None:
        """An index over the first column that is sorted by; ``id`` has one."""
        for name, _ in self.query.sort[:1]:
            if name in entry.names:
                place = entry.names.index(name)
                over = expression(entry.column(name)).removeprefix("t.")
                view.index(f"_partysync_order_{entry.key}_{place}", entry.spec.name, over)


class Windows:
    """The views of one table. Not thread-safe: the I/O thread has them, under the room's lock."""

    def __init__(self) -> None:
        self._listings: dict[str, Listing] = {}  # least lately asked first
        self._touched = 0  # how often rows have changed
        self._seen = 0  # how often they had when all views were looked at
        self._due = 0.0  # when they may be again

    @property
    def ids(self) -> set[str]:
        """Every row in sight."""
        return set().union(*(each.ids for each in self._listings.values()))

    def ask(self, name: str, number: int, query: Any, first: int, count: int) -> None:
        """A view's question. Raises msgspec.ValidationError for a query that is none."""
        asked = msgspec.convert(query, Query)
        listing = self._listings.pop(name, None) or Listing(name)
        listing.ask(number, asked, first, count)
        self._listings[name] = listing
        while len(self._listings) > MOST_VIEWS:
            del self._listings[next(iter(self._listings))]

    def forget(self, name: str) -> None:
        self._listings.pop(name, None)

    def clear(self) -> None:
        """Everything is different: views ask anew."""
        self._listings.clear()

    def touch(self) -> int:
        """Rows have changed. The number to ask ``saw`` with."""
        self._touched += 1
        return self._touched

    def saw(self, touched: int) -> bool:
        """Whether every view was looked at since then, or there is none."""
        return not self._listings or self._seen >= touched

    @property
    def behind(self) -> bool:
        """Whether rows have changed since the views were looked at."""
        return not self.saw(self._touched)

    def wanting(self, now: float) -> float | None:
        """Seconds until the next look is due; None if none is."""
        if any(each.asked for each in self._listings.values()):
            return 0.0
        return max(0.0, self._due - now) if self.behind else None

    def read(self, view: View, table: str, now: float) -> tuple[list[dict[str, Any]], dict[str, Row]]:
        """What has to be told of the views that ask, or if they are due of all, and the rows in them by id."""
        told: list[dict[str, Any]] = []
        rows: dict[str, Row] = {}
        again = self.behind and self._due <= now
        fresh = any(each.unfound for each in self._listings.values())
        began = time.perf_counter()
        for each in list(self._listings.values()):
            each.stale = again
            if not (again or each.asked):
                continue
            try:
                what, found = each.read(view, table)
            except (apsw.Error, ValueError, OverflowError) as error:  # a query beyond what SQLite can do
                log.warning("A browser asked for what cannot be listed (%s): %.200r", error, each.query)
                del self._listings[each.name]
                what, found = each.told([], 0), []
            if what is not None:
                told.append(what)
                rows.update((row[1], row) for row in found)
        if again:
            self._seen = self._touched
        if again or fresh:  # a scroll puts off no look
            self._due = now + max(PAUSE, SHARE * (time.perf_counter() - began))
        return told, rows
