"""
A table as a store knows it: its columns by name, and the statements that touch its rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .errors import MutationRejected
from .messages import Column, TableSpec
from .schema import quote

_ID = Column(name="id", type="text", required=True)


@dataclass(frozen=True)
class StoredTable:
    """See the module. ``key`` stands for it among the stamps; ``version`` is when it was made or last changed."""

    key: int
    spec: TableSpec
    version: int
    _inserts: dict[tuple[str, ...], str] = field(default_factory=dict)  # SQL by the columns that are given
    _puts: dict[tuple[str, ...], str] = field(default_factory=dict)
    _updates: dict[tuple[str, ...], str] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """The column called ``name``, or MutationRejected('unknown-column')."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(column.name for column in self.spec.columns)
            raise MutationRejected(
                "unknown-column", f"{self.spec.name} has no column {name!r:.100}. It has: id, {known}."
            ) from None

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {"id": _ID, **{column.name: column for column in self.spec.columns}}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Columns that an insert must give a value for."""
        return tuple(column.name for column in self.spec.columns if column.required and column.default is None)

    @cached_property
    def names(self) -> list[str]:
        return [column.name for column in self.spec.columns]

    @cached_property
    def blobs(self) -> frozenset[str]:
        return frozenset(column.name for column in self.spec.columns if column.type == "bytes")

    @cached_property
    def fields(self) -> str:
        """Position, id, and values in the order of ``names``, of the table as ``t``."""
        return ", ".join(["t.rowid", "t.id", *(f"t.{quote(name)}" for name in self.names)])

    @cached_property
    def select(self) -> str:
        """``SELECT`` those of every row."""
        return f"SELECT {self.fields} FROM {quote(self.spec.name)} AS t"

    @cached_property
    def select_one(self) -> str:
        """Of the row with an id."""
        return f"{self.select} WHERE t.id = ?"

    @cached_property
    def put_since_sql(self) -> str:
        """Rows that are there and were changed after a version, in that order."""
        # CROSS JOIN fixes the order: first the few stamps by their index, then their rows (sqlite.org/optoverview)
        return (
            f"SELECT {self.fields} FROM _partysync_rows AS r CROSS JOIN {quote(self.spec.name)} AS t "
            f"ON t.id = r.id WHERE r.tbl = {self.key} AND r.version > ? AND r.dead = 0 ORDER BY r.version, t.rowid"
        )

    @cached_property
    def gone_since_sql(self) -> str:
        """Ids of rows that are gone since a version."""
        return f"SELECT id FROM _partysync_rows WHERE tbl = {self.key} AND version > ? AND dead = 1"

    @cached_property
    def delete_sql(self) -> str:
        return f"DELETE FROM {quote(self.spec.name)} WHERE id = ?"

    @cached_property
    def free_sql(self) -> str:
        """Whether no row stands at a position."""
        return f"SELECT count(*) = 0 FROM {quote(self.spec.name)} WHERE rowid = ?"

    @cached_property
    def move_sql(self) -> str:
        """To a position, by id."""
        return f"UPDATE {quote(self.spec.name)} SET rowid = ? WHERE id = ?"

    def insert_sql(self, names: tuple[str, ...]) -> str:
        made = self._inserts.get(names)
        if made is None:
            made = self._inserts[names] = self._into("INSERT", names)
        return made

    def put_sql(self, names: tuple[str, ...]) -> str:
        """A row of a frame over whatever has its id or its position: those are in the same frame, or gone."""
        made = self._puts.get(names)
        if made is None:
            made = self._puts[names] = self._into("INSERT OR REPLACE", names, "rowid", "id")
        return made

    def new_sql(self, names: tuple[str, ...]) -> str:
        """The same where neither is there."""
        return self._into("INSERT", names, "rowid", "id")

    def update_sql(self, names: tuple[str, ...]) -> str:
        made = self._updates.get(names)
        if made is None:
            sets = ", ".join(f"{quote(name)} = ?" for name in names)
            made = self._updates[names] = f"UPDATE {quote(self.spec.name)} SET {sets} WHERE id = ?"
        return made

    def _into(self, verb: str, names: tuple[str, ...], *first: str) -> str:
        columns = [*first, *map(quote, names)]
        return f"{verb} INTO {quote(self.spec.name)} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
