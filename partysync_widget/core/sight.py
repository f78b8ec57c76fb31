"""
Sight: what of a party's tables a role is shown.

A party says it in ``seen_by``: ``{"grades": "owner", "students.email": "editor"}``, a table or a column and the role
from which on it is shown. Whatever leaves the room for somebody of a lower role passes by here, and what they write
through the built-in mutators does too (R13).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from .messages import Draft, TableChange, TableSpec


@dataclass(frozen=True)
class Sight:
    """The tables, and the columns of tables, that are hidden. Equal ones are told by the same frames."""

    tables: frozenset[str] = frozenset()
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)

    @cached_property
    def whole(self) -> bool:
        """Whether nothing is hidden."""
        return not (self.tables or self.columns)

    @cached_property
    def name(self) -> str:
        """Short, and another one for another sight; empty for that of everything."""
        if self.whole:
            return ""
        hidden = [*sorted(self.tables), *sorted(f"{table}.{each}" for table, of in self.columns.items() for each in of)]
        return hashlib.sha256("\n".join(hidden).encode()).hexdigest()[:8]

    def hides(self, table: str, columns: Iterable[str] = ()) -> bool:
        """Whether the table is hidden, or one of these columns of it."""
        if not self.columns:
            return table in self.tables
        return table in self.tables or not self.columns.get(table, frozenset()).isdisjoint(columns)

    def specs(self, specs: Iterable[TableSpec]) -> list[TableSpec]:
        """Those tables, without what is hidden of them."""
        return [
            msgspec.structs.replace(spec, columns=tuple(each for each in spec.columns if not self._hides(spec, each)))
            for spec in specs
            if spec.name not in self.tables
        ]

    def _hides(self, spec: TableSpec, column: Any) -> bool:
        return column.name in self.columns.get(spec.name, ())

    def changes(self, changes: Iterable[TableChange]) -> list[TableChange]:
        """The same rows, without what is hidden of them."""
        return [self._change(change) for change in changes if change.table not in self.tables]

    def _change(self, change: TableChange) -> TableChange:
        hidden = self.columns.get(change.table)
        if not hidden:
            return change
        kept = [0, 1, *(place for place, name in enumerate(change.columns, 2) if name not in hidden)]
        columns = [name for name in change.columns if name not in hidden]
        put = [[row[place] for place in kept] for row in change.put]
        return TableChange(change.table, columns, put, change.gone, change.by)

    def draft(self, draft: Draft) -> Draft | None:
        """The draft without what is hidden of it; None if nothing is left. One that is over stays so."""
        if draft.table in self.tables:
            return None
        hidden = self.columns.get(draft.table)
        if not hidden or not draft.rows:
            return draft
        rows = {
            id: row if row is None else {name: value for name, value in row.items() if name not in hidden}
            for id, row in draft.rows.items()
        }
        rows = {id: row for id, row in rows.items() if row is None or row}
        return msgspec.structs.replace(draft, rows=rows) if rows else None

    def state(self, state: dict[str, Any]) -> dict[str, Any]:
        """What somebody shows of themselves, without a place (``at``) that is hidden."""
        place = state.get("at")
        if not isinstance(place, dict):
            return state
        if not self.hides(str(place.get("table")), [str(place.get("column"))]):
            return state
        return {name: value for name, value in state.items() if name != "at"}


EVERYTHING = Sight()
