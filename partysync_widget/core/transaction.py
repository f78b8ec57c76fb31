"""
What a mutator holds: ``tx``, the only thing it may change rows through.

Every method changes the view in a kernel and the truth in the room alike. Names are looked up, values coerced; a
wrong one raises MutationRejected with a sentence, in the kernel before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from .columns import coerce, present
from .errors import MutationRejected
from .messages import Column, TableSpec
from .sight import EVERYTHING, Sight
from .stored_table import DELETED_AT

if TYPE_CHECKING:
    from .store import Store
    from .stored_table import StoredTable

# Nobody is put back beyond it: rows that come after must still find a place that SQLite and a browser count exactly.
LAST_POSITION = 2**52


class Statement(NamedTuple):
    """One row written, so that it can be written again as long as its table is as it was."""

    entry: StoredTable
    sql: str
    values: tuple[Any, ...]
    id: str  # of the row
    must: bool = False  # it has to be there


class Transaction:
    """One mutation while it runs.

    ``user`` is who made it and ``role`` what they are in this room; ``guess`` is true in a kernel, false in the room.
    ``statements`` is all that it did, as long as it has looked at nothing: then it would do the same over other rows.
    """

    def __init__(
        self, store: Store, *, user: str = "", role: str = "owner", sight: Sight = EVERYTHING, guess: bool = False
    ) -> None:
        self._store = store
        self.user = user
        self.role = role
        self.guess = guess
        self.sight = sight  # of whoever made the mutation
        self._within = EVERYTHING  # what is being changed must lie within it
        self.statements: list[Statement] | None = []
        self._begun: list[Statement] | None = None  # the same, while one is on its way; lost if it raises
        self.used_sql = False  # rows may hold what no column allows; the store looks before it lets them out

    def sql(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """Run SQL on this room's tables; ``?`` takes the arguments. Rows as dicts, for a query.

        Transactions, PRAGMA, ATTACH and changes of the schema are refused.
        """
        self.used_sql = True
        self.statements = None
        return self._store.guarded(query, args, write=True)

    def get(self, table: str, id: str, /) -> dict[str, Any] | None:
        """The row, ``id`` included, or None."""
        self.statements = None
        entry = self._store.table(table)
        row = self._fetch(table, id)
        if row is None:
            return None
        values = zip(entry.spec.columns, row[2:], strict=True)
        return {"id": id, **{column.name: present(column, value) for column, value in values}}

    def insert(self, table: str, /, **values: Any) -> None:
        """A new row. ``id`` is required: minting one is the caller's, so that both sides use the same."""
        entry, names, stored = self._coerced(table, values)
        for name in entry.required:
            if values.get(name) is None:
                raise MutationRejected("missing-value", f"{table}.{name} must have a value.")
        self._write(entry, self._insert_sql(entry, tuple(names), values["id"]), tuple(stored), values["id"])

    def insert_rows(self, table: str, names: list[str], rows: list[list[Any]], /) -> None:
        """Many new rows, the values of each in the order of ``names``, ``id`` among them."""
        entry = self._entry(table, names)
        columns = [entry.column(name) for name in names]
        for name in entry.required:
            if name not in names:
                raise MutationRejected("missing-value", f"{table}.{name} must have a value.")
        if "id" not in names or any(len(row) != len(names) for row in rows):
            raise MutationRejected("bad-arguments", f"Each row of {table} needs an id and {len(names)} values in all.")
        stored = [[coerce(column, value) for column, value in zip(columns, row, strict=True)] for row in rows]
        place = names.index("id")
        if not all(row[place] for row in stored):
            raise _missing_id(table)
        if entry.keeps:
            for row in stored:
                self._store.execute(self._insert_sql(entry, tuple(names), str(row[place])), row)
            return
        self._store.connection.executemany(entry.insert_sql(tuple(names)), stored)

    def update(self, table: str, id: str, /, **values: Any) -> None:
        """Change some columns of one row; the others stay as they are, whoever wrote them."""
        entry, names, stored = self._coerced(table, {"id": id, **values})
        if len(names) == 1:
            if self._fetch(table, id) is None:
                raise unknown_row(table, id)
            return
        self._write(entry, entry.update_sql(tuple(names[1:])), (*stored[1:], stored[0]), id, must=True)

    def upsert(self, table: str, /, **values: Any) -> None:
        """Insert the row, or change these columns of the one that has its id."""
        if self._fetch(table, values.get("id", "")) is not None:
            self.update(table, values.pop("id"), **values)
        else:
            self.insert(table, **values)

    def delete(self, table: str, id: str, /) -> None:
        """Delete the row. One that is gone already is no error: two people may delete it at once.

        In a table with a column ``deleted_at`` the room keeps it for a while, and nobody sees it any more.
        """
        entry = self._entry(table)
        self._write(entry, entry.keep_sql if entry.keeps and not self.guess else entry.delete_sql, (id,), id)

    def put_back(
        self, table: str, id: str, before: dict[str, Any] | None, after: dict[str, Any] | None, position: int | None, /
    ) -> bool:
        """Make what is still as ``after`` says as ``before`` says, None being no row. Whether anything was."""
        entry = self._entry(table, [*(before or ()), *(after or ())])
        row = self._fetch(table, id)
        if row is None:
            if before is None or after is not None:
                return False
            self._insert_at(entry, position, {**before, "id": id})
            return True
        if after is None:
            return False
        now = {"id": id, **dict(zip(entry.names, row[2:], strict=True))}
        still = [name for name, value in after.items() if coerce(entry.column(name), value) == now[name]]
        if before is None:
            if len(still) == len(after):
                self.delete(table, id)
            return len(still) == len(after)
        values = {name: before[name] for name in still if name in before and name != "id"}
        if values:
            self.update(table, id, **values)
        return bool(values)

    def _insert_at(self, entry: StoredTable, position: int | None, values: dict[str, Any]) -> None:
        """In the place it had among the rows, if that is free."""
        self.insert(entry.spec.name, **values)
        fits = position is not None and 0 < position < LAST_POSITION
        if fits and self._store.execute(entry.free_sql, (position,)).get:
            self._store.execute(entry.move_sql, (position, values["id"]))

    def create_table(self, spec: TableSpec) -> None:
        """Make a table; nothing to do when it is there with these very columns."""
        self.statements = None
        self._visible(spec.name)
        self._store.create_table(spec)

    def add_column(self, table: str, column: Column) -> None:
        """Add a column; nothing to do when it is there and the same."""
        self.statements = None
        self._visible(table, [column.name])
        self._store.add_column(table, column)

    def run(self, name: str, args: dict[str, Any]) -> Any:
        """Run another mutator of this party as part of this mutation, whoever may call it."""
        mutator = self._store.mutator(name)
        return mutator.function(self, **mutator.bound(args))

    def call(self, name: str, args: dict[str, Any]) -> Any:
        """For this library: run a mutator because the author of this mutation asks for it, and may.

        A party's own code is trusted with all of the room; the built-in mutators do what they are told, so they are
        held to what their caller is shown.
        """
        mutator = self._store.mutator(name)
        self._store.party.require(self.role, name)
        before, self._within = self._within, EVERYTHING if name in self._store.party.mutators else self.sight
        try:
            return mutator.function(self, **mutator.bound(args))
        finally:
            self._within = before

    def repeat(self, statements: Iterable[Statement]) -> None:
        """For this library: do what a mutation did that had looked at nothing."""
        for each in statements:
            self._begun, self.statements = self.statements, None
            self._write(*each[:4], must=each.must)

    def _visible(self, table: str, columns: Iterable[str] = ()) -> None:
        if self._within.hides(table, columns):
            raise MutationRejected("forbidden", "This edit is about a table or a column that you are not shown.")

    def _entry(self, table: str, columns: Iterable[str] = ()) -> StoredTable:
        self._begun, self.statements = self.statements, None
        self._visible(table, columns)
        entry = self._store.table(table)
        if entry.keeps:  # what a mutator does depends on rows that are not seen
            self._begun = None
        return entry

    def _fetch(self, table: str, id: str) -> tuple[Any, ...] | None:
        self.statements = None
        row = self._store.fetch(table, [id]).get(id)
        entry = self._store.table(table)
        if row is not None and entry.keeps and row[2 + entry.names.index(DELETED_AT)] is not None:
            return None
        return row

    def _insert_sql(self, entry: StoredTable, names: tuple[str, ...], id: str) -> str:
        if entry.keeps and self._store.execute(entry.is_kept_sql, (id,)).get:
            return entry.revive_sql(names)
        return entry.insert_sql(names)

    def _write(self, entry: StoredTable, sql: str, values: tuple[Any, ...], id: str, *, must: bool = False) -> None:
        """What ``_entry`` has begun. A mutator may catch what is raised here, and so learn of the rows."""
        self._store.execute(sql, values)
        if must and self._store.connection.changes() == 0:
            raise unknown_row(entry.spec.name, id)
        if self._begun is not None:
            self._begun.append(Statement(entry, sql, values, id, must))
        self.statements = self._begun

    def _coerced(self, table: str, values: dict[str, Any]) -> tuple[StoredTable, list[str], list[Any]]:
        entry = self._entry(table, values)
        stored = [coerce(entry.column(name), value) for name, value in values.items()]
        if not values.get("id"):
            raise _missing_id(table)
        return entry, [*values], stored


def _missing_id(table: str) -> MutationRejected:
    return MutationRejected("missing-value", f"A row of {table} needs an id, which is text and not empty.")


def unknown_row(table: str, id: str) -> MutationRejected:
    return MutationRejected(
        "unknown-row", f"There is no row {id!r} in {table}. It may have been deleted; insert it again if it is missed."
    )
