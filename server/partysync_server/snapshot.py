"""
Snapshots: every row of a room in parts, read piece by piece while the room goes on, and shared by all who join.

The pieces are read at different versions. That is mended at the end: a last part holds whatever changed since the
first was read, and a replica shows nothing before it has that. So one snapshot serves all who come while it is fresh,
no reading is longer than a piece, and no version waits for a reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format, encode
from partysync_widget.core.sight import EVERYTHING, Sight

from .ledger import Ledger
from .parts import PART_BYTES, in_parts

FIRST_ROWS = 500  # in a part, before it is known how wide rows are
STALE_VERSIONS = 2_000  # after so many, reading anew is cheaper than the last part


class Snapshot:
    """The rows of a room from version ``version`` on, encoded, as far as anybody has asked."""

    def __init__(self, ledger: Ledger, format: Format, sight: Sight = EVERYTHING) -> None:
        self.version = ledger.version
        self._ledger = ledger
        self.format = format
        self.sight = sight
        self._todo = [name for name in ledger.store.tables if not sight.hides(name)]
        self._after: int | None = None
        self._rows = FIRST_ROWS
        self._parts: list[bytes] = []
        self.begin = encode(m.Begin(ledger.epoch, None, sight.specs(ledger.store.schema_since(-1))), format)

    def part(self, index: int) -> bytes | None:
        """Part ``index``, read now if nobody has had it yet; None after the last."""
        while index >= len(self._parts) and self._todo:
            self._read()
        return self._parts[index] if index < len(self._parts) else None

    def _read(self) -> None:
        table = self._todo[0]
        entry = self._ledger.store.table(table)
        rows: list[Any] = self._ledger.store.rows(table, after=self._after, most=self._rows)
        if len(rows) < self._rows:
            self._todo.pop(0)
            self._after = None
        else:
            self._after = rows[-1][0]
        if rows:
            grown = self.sight.specs([entry.spec]) if entry.version > self.version else []
            part = encode(m.Part(self.sight.changes([m.TableChange(table, entry.names, rows)]), grown), self.format)
            self._parts.append(part)
            self._rows = max(1, len(rows) * PART_BYTES // max(len(part), 1))

    def fresh(self, ledger: Ledger) -> bool:
        """Whether it can still be mended by a last part, at a fair price."""
        return ledger is self._ledger and max(ledger.horizon, ledger.version - STALE_VERSIONS) <= self.version


@dataclass
class Reading:
    """How far one session is in a snapshot. ``since``: the version up to which it knows whose mutations are decided."""

    snapshot: Snapshot
    client: str
    since: int
    next: int = field(default=-1)

    def step(self, ledger: Ledger) -> tuple[list[bytes], bool]:
        """The next frames, and whether they were the last."""
        format = self.snapshot.format
        if self.next < 0:
            self.next = 0
            return [self.snapshot.begin], False
        part = self.snapshot.part(self.next)
        if part is not None:
            self.next += 1
            return [part], False
        sight = self.snapshot.sight
        since = sight.changes(ledger.store.changes_since(self.snapshot.version))
        last = in_parts(since, sight.specs(ledger.store.schema_since(self.snapshot.version)), format)
        acks = {**ledger.acks(self.since), self.client: ledger.last_mid(self.client)}
        end = m.End(ledger.version, acks, ledger.results("client = ?", self.client), self.next + len(last))
        return [*last, encode(end, format)], True
