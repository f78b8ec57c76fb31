"""
A table as a store knows it: its columns by name, and the statements that touch its rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .errors import MutationRejected
from .messages import Column, ColumnType, TableSpec
from .schema import quote

DELETED_AT = "deleted_at"  # a table that has this column keeps its deleted rows for a while, and tells them as gone
SECONDS_BELOW = 1e11  # a time that is smaller counts seconds: as milliseconds it would be in 1973 or before
_NOW: dict[ColumnType, str] = {  # as such a column holds it
    "text": "strftime('%Y-%m-%d %H:%M:%S', 'now')",
    "datetime": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
    "integer": "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    "real": "unixepoch('subsec') * 1000.0",
}

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
    def keeps(self) -> bool:
        """Whether a room keeps rows of it that are deleted, with the time in their ``deleted_at``."""
        column = self._by_name.get(DELETED_AT)
        return column is not None and column.type in _NOW and not column.required

    @cached_property
    def stands(self) -> str:
        """What is true of a row that is not deleted, of the table as ``t``."""
        return f"t.{DELETED_AT} IS NULL" if self.keeps else "true"

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
            f"ON t.id = r.id WHERE r.tbl = {self.key} AND r.version > ? AND r.dead = 0 AND {self.stands} "
            "ORDER BY r.version, t.rowid"
        )

    @cached_property
    def kept_since_sql(self) -> str:
        """The same of those that are deleted and kept."""
        return self.put_since_sql.replace(self.stands, f"NOT {self.stands}")

    @cached_property
    def gone_since_sql(self) -> str:
        """Ids of rows that are gone since a version."""
        gone = f"SELECT id FROM _partysync_rows WHERE tbl = {self.key} AND version > ?1 AND dead = 1"
        if not self.keeps:
            return gone
        return (
            f"{gone} UNION ALL SELECT r.id FROM _partysync_rows AS r CROSS JOIN {quote(self.spec.name)} AS t "
            f"ON t.id = r.id WHERE r.tbl = {self.key} AND r.version > ?1 AND r.dead = 0 AND NOT {self.stands}"
        )

    @cached_property
    def delete_sql(self) -> str:
        return f"DELETE FROM {quote(self.spec.name)} WHERE id = ?"

    @cached_property
    def keep_sql(self) -> str:
        """Delete a row, and keep it."""
        now, updated = _NOW[self.column(DELETED_AT).type], self._by_name.get("updated_at")
        if {self.column(DELETED_AT).type, updated and updated.type} <= {"integer", "real"}:  # it may count seconds
            now = f"CASE WHEN t.updated_at < {SECONDS_BELOW} THEN unixepoch() ELSE {now} END"
        return f"UPDATE {quote(self.spec.name)} AS t SET {DELETED_AT} = {now} WHERE id = ? AND {self.stands}"

    @cached_property
    def is_kept_sql(self) -> str:
        """Whether the row with an id is one that is deleted and kept."""
        return f"SELECT count(*) FROM {quote(self.spec.name)} AS t WHERE id = ? AND NOT {self.stands}"

    @cached_property
    def hide_sql(self) -> str:
        """Take out what a version has deleted: a copy keeps nothing."""
        return (
            f"DELETE FROM {quote(self.spec.name)} AS t WHERE NOT {self.stands} AND id IN "
            f"(SELECT id FROM _partysync_rows WHERE tbl = {self.key} AND version = ? AND dead = 0)"
        )

    @cached_property
    def purge_sql(self) -> str:
        """Delete for good what was deleted more than so many seconds ago. Like is compared with like."""
        at = f"t.{DELETED_AT}"
        if self.column(DELETED_AT).type in ("integer", "real"):
            at = f"CASE WHEN {at} < {SECONDS_BELOW} THEN {at} ELSE {at} / 1000.0 END"
        else:
            at = f"unixepoch({at})"
        return f"DELETE FROM {quote(self.spec.name)} AS t WHERE {at} < unixepoch('subsec') - ?"

    @cached_property
    def end_sql(self) -> str:
        """The last position of all, 0 if there is no row."""
        return f"SELECT coalesce(max(rowid), 0) FROM {quote(self.spec.name)}"

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

    def revive_sql(self, names: tuple[str, ...]) -> str:
        """A new row in the place of one that is deleted and kept."""
        sets = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in self.names)
        return f"{self.insert_sql(names)} ON CONFLICT (id) DO UPDATE SET {sets}"

    def update_sql(self, names: tuple[str, ...]) -> str:
        made = self._updates.get(names)
        if made is None:
            sets = ", ".join(f"{quote(name)} = ?" for name in names)
            where = "id = ?" if not self.keeps or DELETED_AT in names else f"id = ? AND {DELETED_AT} IS NULL"
            made = self._updates[names] = f"UPDATE {quote(self.spec.name)} SET {sets} WHERE {where}"
        return made

    def _into(self, verb: str, names: tuple[str, ...], *first: str) -> str:
        columns = [*first, *map(quote, names)]
        return f"{verb} INTO {quote(self.spec.name)} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
