"""
A store: one room's tables in one SQLite database, in the room's file or in a kernel's memory.

Both sides run the same mutators on it. Triggers note every row that changes (``stamp_sql``), whatever SQL changed it,
so what a mutation did is a query and not a guess.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any

import apsw
import msgspec

from . import schema as ddl
from .built_in import BUILT_IN
from .codec import check_value
from .effort import Effort, Stopped
from .errors import MutationRejected, ProtocolError, SchemaMismatch, StorageFailed
from .guard import Guard
from .messages import Column, Mutation, TableChange, TableSpec
from .party import ACT, Mutator, Party
from .refusals import STORAGE_ERRORS, explain
from .sight import EVERYTHING, Sight
from .stored_table import StoredTable
from .straight import Series, series, statement
from .transaction import Statement, Transaction, unknown_row

SET_VERSION = "UPDATE _partysync_meta SET value = ? WHERE key = 'version'"
FEW_ROWS = 100  # of a frame: to stamp more, and take the stamps away, costs more than to prepare statements anew


class Store:
    """Tables, their stamps, and the version they are at. Not thread-safe: its owner sees to that."""

    def __init__(self, connection: apsw.Connection, party: type[Party]) -> None:
        self.connection = connection
        self.party = party
        self._tables: dict[str, StoredTable] | None = None
        self._writer = connection.cursor()  # for statements that give no rows: a new one each time costs as much again
        self._guard = Guard(connection)
        self._unchecked = False  # SQL that is not ours has run, and nobody has looked at what it wrote
        self._effort = Effort(connection)
        self._plain: bool | None = None
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        self.once("PRAGMA recursive_triggers=ON")  # REPLACE then fires delete triggers
        self.once("PRAGMA foreign_keys=ON")
        self.once("PRAGMA temp_store=MEMORY")
        self.once("PRAGMA cell_size_check=ON")  # a damaged page is said to be one; somebody may have made it

    @classmethod
    def memory(cls, party: type[Party]) -> Store:
        """An empty store in memory."""
        store = cls(apsw.Connection(":memory:"), party)
        store.create()
        return store

    # --- making ---------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Our own tables and the party's, in a database that has none."""
        ddl.check_schema(self.party.schema)
        self.once(files(__package__).joinpath("store.sql").read_text())
        try:
            self._guard.build(self.party.schema)
        except MutationRejected as error:
            raise SchemaMismatch(f"The schema of party {self.party.name!r} goes too far: {error}.") from None
        except (apsw.Error, ValueError) as error:  # half a surrogate pair, a NUL
            raise SchemaMismatch(f"The schema of party {self.party.name!r} is not valid SQL: {error}.") from None
        specs = ddl.introspect(self.connection, self.party.column_types())
        ddl.check_seen_by(self.party.seen_by, specs)
        for spec in specs:
            self._register(spec)

    def create_table(self, spec: TableSpec) -> None:
        """Make a declared table, or find it there with these very columns."""
        ddl.check_table_name(spec.name)
        ddl.check_columns(spec.name, spec.columns)
        for name, entry in self.tables.items():
            if name == spec.name and entry.spec.columns == spec.columns:
                return
            if name.lower() == spec.name.lower():
                has = ", ".join(f"{column.name} {column.type}" for column in entry.spec.columns)
                raise MutationRejected(
                    "table-exists", f"There is a table {name!r} already, with the columns {has}. Choose another name."
                )
        self.once(ddl.create_table_sql(spec))
        self._register(spec)

    def add_column(self, table: str, column: Column) -> None:
        """Add a declared column to a table, or find it there the same."""
        entry = self.table(table)
        if column in entry.spec.columns:
            return
        ddl.check_columns(table, (*entry.spec.columns, column))
        if column.required and column.default is None and self.count(table):
            raise MutationRejected(
                "missing-value", f"{table} has rows, so the required column {column.name!r} needs a default."
            )
        self.once(f"ALTER TABLE {ddl.quote(table)} ADD COLUMN {ddl.column_sql(column)}")
        self._save(TableSpec(name=table, columns=(*entry.spec.columns, column)))
        if column.default is not None:  # every row has changed, though no trigger fires for it
            self.execute(
                "INSERT INTO _partysync_rows (tbl, id, version, dead) "
                f"SELECT ?, id, ?, 0 FROM {ddl.quote(table)} WHERE true "
                "ON CONFLICT (tbl, id) DO UPDATE SET version = excluded.version, dead = 0",
                (entry.key, self.version),
            )

    def adopt(self, specs: Iterable[TableSpec]) -> None:
        """Tables as the room has them: make what is missing here, add the columns that are new."""
        for spec in specs:
            entry = self.tables.get(spec.name)
            if entry is None:
                self.once(ddl.create_table_sql(spec))
                self._register(spec)
            elif entry.spec != spec:
                for column in [each for each in spec.columns if each not in entry.spec.columns]:
                    if column.required and column.default is None:  # the room's had no rows then: ours are gone since
                        self.execute(f"DELETE FROM {ddl.quote(spec.name)}")
                    self.once(f"ALTER TABLE {ddl.quote(spec.name)} ADD COLUMN {ddl.column_sql(column)}")
                self._save(spec)

    def build(self, script: str) -> None:
        """Run SQL of the party's own that changes tables. What they are is to be said by ``register_anew`` after it."""
        self._guard.build(script)

    def unstamp(self) -> None:
        """Rows may change without a note of it, until ``register_anew``."""
        ours = f"SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '{ddl.RESERVED}*'"
        names: list[Any] = self.execute(ours).fetchall()
        for (name,) in names:
            self.once(f"DROP TRIGGER {ddl.quote(name)}")

    def register_anew(self, specs: Iterable[TableSpec]) -> None:
        """These are the tables from now on, in this order. What was noted of their rows before is forgotten."""
        self.unstamp()
        self.once("DELETE FROM _partysync_rows; DELETE FROM _partysync_tables")
        for spec in specs:
            self._register(spec)
        self._tables = None

    def _register(self, spec: TableSpec) -> None:
        self.execute(
            "INSERT INTO _partysync_tables (name, spec, version) VALUES (?, ?, ?)",
            (spec.name, msgspec.json.encode(spec).decode(), self.version),
        )
        self.once(ddl.stamp_sql(spec.name, self.connection.last_insert_rowid()))
        self._tables = None

    def _save(self, spec: TableSpec) -> None:
        self.execute(
            "UPDATE _partysync_tables SET spec = ?, version = ? WHERE name = ?",
            (msgspec.json.encode(spec).decode(), self.version, spec.name),
        )
        self._tables = None

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The room's counter as this store has it; the triggers read it too."""
        return int(self.meta("version"))

    @version.setter
    def version(self, version: int) -> None:
        self._writer.execute(SET_VERSION, (version,))

    def meta(self, key: str) -> Any:
        return self.execute("SELECT value FROM _partysync_meta WHERE key = ?", (key,)).get

    def set_meta(self, key: str, value: int | str) -> None:
        self.execute(
            "INSERT INTO _partysync_meta (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    @property
    def tables(self) -> dict[str, StoredTable]:
        """Tables by name, in the order they were made."""
        if self._tables is None:
            self._plain = None
            self._tables = {
                name: StoredTable(key, msgspec.json.decode(spec, type=TableSpec), version)
                for key, name, spec, version in self.execute(
                    "SELECT key, name, spec, version FROM _partysync_tables ORDER BY key"
                )
            }
        return self._tables

    @property
    def plain(self) -> bool:
        """Whether no row's change makes another: there is no foreign key, and no trigger but ours."""
        tables = self.tables
        if self._plain is None:
            rules = self.execute(
                "SELECT (SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name NOT GLOB ?) + "
                "(SELECT count(*) FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) WHERE s.type = 'table')",
                (f"{ddl.RESERVED}*",),
            ).get
            self._plain = bool(tables) and not rules
        return self._plain

    def table(self, name: str) -> StoredTable:
        """The table called ``name``, or MutationRejected('unknown-table')."""
        try:
            return self.tables[name]
        except (KeyError, TypeError):
            known = ", ".join(self.tables) or "none yet"
            raise MutationRejected(
                "unknown-table", f"There is no table {name!r:.100} in this room. It has: {known}."
            ) from None

    def count(self, table: str) -> int:
        found: int = self.execute(f"SELECT count(*) FROM {ddl.quote(self.table(table).spec.name)}").get
        return found

    def fetch(self, table: str, ids: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        """``(position, id, value, …)`` by id, for those that are there."""
        rows = self.connection.executemany(self.table(table).select_one, [(id,) for id in ids])
        return {row[1]: row for row in rows}

    def rows(self, table: str, *, after: int | None = None, most: int = -1) -> list[tuple[Any, ...]]:
        """``(position, id, value, …)`` in the order of insertion, from after a position, at most so many."""
        entry = self.table(table)
        if after is None:
            query = f"{entry.select} WHERE {entry.stands} ORDER BY t.rowid LIMIT ?"
            return self.execute(query, (most,)).fetchall()
        query = f"{entry.select} WHERE t.rowid > ? AND {entry.stands} ORDER BY t.rowid LIMIT ?"
        return self.execute(query, (after, most)).fetchall()

    def ids(self, table: str) -> list[str]:
        """Of every row, in no order."""
        return [id for (id,) in self.execute(f"SELECT id FROM {ddl.quote(self.table(table).spec.name)}")]

    def has_index(self, name: str) -> bool:
        """Whether ``make_index`` has made it here."""
        return bool(self.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = ?", (name,)).get)

    def make_index(self, name: str, table: str, expression: str) -> None:
        """An index of ours over a column of a party's table: it only makes reading quicker."""
        self.once(f"CREATE INDEX {ddl.quote(name)} ON {ddl.quote(table)} ({expression})")

    def touched(self, since: int) -> dict[str, set[str]]:
        """Ids of the rows that were changed after version ``since``, by table."""
        found = {}
        for name, entry in self.tables.items():
            rows = self.execute("SELECT id FROM _partysync_rows WHERE tbl = ? AND version > ?", (entry.key, since))
            if ids := {id for (id,) in rows}:
                found[name] = ids
        return found

    def changes_since(self, cursor: int) -> list[TableChange]:
        """The net change from version ``cursor`` to now, deletions included; the caller has looked at the horizon."""
        changes = []
        for name, entry in self.tables.items():
            put: list[Any] = self.execute(entry.put_since_sql, (cursor,)).fetchall()
            gone: list[Any] = [id for (id,) in self.execute(entry.gone_since_sql, (cursor,))]
            if put or gone:
                changes.append(TableChange(name, entry.names, put, gone))
        return changes

    def schema_since(self, cursor: int) -> list[TableSpec]:
        """Tables that were made or got a column after version ``cursor``."""
        return [entry.spec for entry in self.tables.values() if entry.version > cursor]

    # --- changing -------------------------------------------------------------------------------------------------

    def mutator(self, name: str) -> Mutator:
        """The party's mutator called ``name``, or MutationRejected('unknown-mutator')."""
        if name == ACT and self.party.acts():
            text = "An action goes by itself to the party's on_action: no batch and no mutator takes it along."
            raise MutationRejected("bad-arguments", text)
        found = self.party.mutators.get(name) or (BUILT_IN.get(name) if name in self.party.built_in else None)
        if found is None:
            known = ", ".join([*self.party.mutators, *self.party.built_in])
            raise MutationRejected(
                "unknown-mutator", f"The party {self.party.name!r} has no mutator {name!r:.100}. It has: {known}."
            )
        return found

    def run(
        self,
        name: str,
        args: dict[str, Any],
        *,
        user: str = "",
        role: str = "owner",
        sight: Sight = EVERYTHING,
        guess: bool = False,
        check: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> Any:
        """Run one mutator as version ``self.version``, and give what it returned as plain data.

        ``sight`` is what its author is shown: what the built-in mutators change lies within it. Without ``check`` the
        caller calls ``check_rows``, once for several mutators. By ``clock``, if there is one, it has the party's
        ``mutation_seconds``; one that is stopped while it writes takes the whole transaction with it, and then
        ``in_transaction`` is false.

        Raises MutationRejected for whatever the mutator did wrong; the caller rolls its savepoint back. Raises
        StorageFailed when the database itself failed, and then nothing is known of the transaction.
        """
        tx = Transaction(self, user=user, role=role, sight=sight, guess=guess)
        return self.perform(tx, name, args, check=check, clock=clock)

    def perform(
        self,
        tx: Transaction,
        name: str,
        args: dict[str, Any],
        *,
        check: bool = True,
        clock: Callable[[], float] | None = None,
        again: Sequence[Statement] = (),
        work: Callable[[Transaction], Any] | None = None,
    ) -> Any:
        """Run one mutator in a transaction that was made for it, as ``run`` does; ``again`` is what it did before.

        With ``work`` that is done in place of a mutator, and ``name`` is what it is called.
        """
        try:
            value = self._called(tx, name, work or (lambda tx: tx.call(name, args)), clock, again)
            if value is not None:
                value = msgspec.to_builtins(value)
                check_value(value)
            self._unchecked |= tx.used_sql or bool(self.party.schema)
            if tx.guess:
                self._hide_deleted()
            if check:
                self.check_rows(self.version - 1)
        except MutationRejected as error:
            raise _discreet(error, tx.sight) from None
        except (KeyboardInterrupt, StorageFailed):
            raise
        except apsw.NoMemError:
            text = f"{name} was stopped, because its SQL needs more memory than there is. Ask for less at a time."
            raise MutationRejected("too-large", text) from None
        except STORAGE_ERRORS as error:
            raise StorageFailed(f"The database failed while {name} ran: {error}.") from error
        except apsw.Error as error:
            raise _discreet(explain(name, error), tx.sight) from None
        except BaseException as error:  # SystemExit too: a mutator does not end a server
            raise MutationRejected("mutator-raised", f"{name} raised {type(error).__name__}: {error}") from error
        return value

    def _called(
        self,
        tx: Transaction,
        name: str,
        work: Callable[[Transaction], Any],
        clock: Callable[[], float] | None,
        again: Sequence[Statement],
    ) -> Any:
        """What the mutator returned. Raises MutationRejected('too-slow'), whatever it made of being stopped."""
        self._effort.begin(clock, self.party.mutation_seconds)
        try:
            if again:
                tx.repeat(again)
            value = None if again else work(tx)
            self._effort.check()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not self._effort.late:
                if isinstance(error, Stopped):
                    raise StorageFailed(f"The transaction was lost while {name} ran.") from None
                raise
            text = (
                f"{name} was stopped after {self.party.mutation_seconds:g} s, and nothing of it was kept. Look for "
                f"SQL that never ends, or let the party {self.party.name!r} have more mutation_seconds."
            )
            raise MutationRejected("too-slow", text) from None
        finally:
            self._effort.end()
        return value

    def _hide_deleted(self) -> None:
        """In a kernel: what a guess has marked as deleted is not to be seen, as if the room had told it as gone."""
        for entry in self.tables.values():
            if entry.keeps:
                self.execute(entry.hide_sql, (self.version,))

    def purge(self, seconds: float) -> bool:
        """In a room: let go of rows that were deleted so long ago; whether there were any."""
        before = self.connection.total_changes()
        for entry in self.tables.values():
            if entry.keeps:
                self.execute(entry.purge_sql, (seconds,))
        return self.connection.total_changes() != before

    @property
    def in_transaction(self) -> bool:
        """Whether one is open, or a savepoint is."""
        return self.connection.in_transaction

    def check_rows(self, since: int) -> None:
        """Raise MutationRejected if SQL of the party's own has put into a row what no frame can carry since a version.

        That is ±Infinity, or broken UTF-8: no column has looked at what such SQL wrote.
        """
        if not self._unchecked:
            return
        self._unchecked = False
        found: list[Iterable[Any]] = [change.put for change in self.changes_since(since)]
        found += [self.execute(entry.kept_since_sql, (since,)) for entry in self.tables.values() if entry.keeps]
        for rows in found:
            for row in rows:
                for value in row:
                    if isinstance(value, float):
                        check_value(value)

    def straight(self, name: str, args: dict[str, Any], *, role: str, sight: Sight) -> Statement | None:
        """The one statement that a mutation comes to, for a caller with a savepoint around it; None if it is more."""
        return statement(self.tables, name, args) if self._is_straight(name, role, sight) else None

    def series(self, first: Mutation, others: Iterable[Mutation], *, role: str, sight: Sight) -> Series | None:
        """The same of ``first`` and of those after it that are like it."""
        return series(self.tables, first, others) if self._is_straight(first.name, role, sight) else None

    def _is_straight(self, name: str, role: str, sight: Sight) -> bool:
        return self.plain and role in ("editor", "owner") and sight.whole and name in self.party.built_in

    def write(self, statement: Statement) -> None:
        """Run it. Raises MutationRejected if it needs a row that is not there, or apsw.Error."""
        self._writer.execute(statement.sql, statement.values)
        if statement.must and not self.connection.changes():
            raise unknown_row(statement.entry.spec.name, statement.id)

    def write_series(self, series: Series, version: int) -> None:
        """Run it, each as a version of its own, the first of which is given. As ``write``."""
        before, count = self.connection.total_changes(), len(series.values)
        bindings = [(number, *values) for number, values in enumerate(series.values, version)]
        self._writer.executemany(f"{SET_VERSION};{series.sql}", bindings)
        if series.must and self.connection.total_changes() - before != 3 * count:  # a version, a row and its stamp each
            raise MutationRejected("unknown-row", "A row is not there.")

    def write_again(self, statements: Iterable[Statement]) -> None:
        """What was written before, in as few steps as can be. As ``write``."""
        execute, changes = self._writer.execute, self.connection.changes
        for one in statements:
            execute(one.sql, one.values)
            if one.must and not changes():
                raise unknown_row(one.entry.spec.name, one.id)

    def guarded(self, query: str, args: Sequence[Any], *, write: bool) -> list[dict[str, Any]]:
        """Run somebody else's SQL: rows as dicts. Only reads, or reads and writes of rows; never our own tables."""
        self._effort.check()
        return self._guard.run(query, args, write=write)

    def apply(self, changes: Sequence[TableChange], specs: Sequence[TableSpec] = (), *, building: bool = False) -> None:
        """Put rows as the room told them, into a store that is at its base, or that is ``building`` one from nothing.

        No trigger and no foreign key acts: their effects are in the frame too. To switch them off and on again has
        SQLite prepare every statement anew, so where there are none but ours a few rows are put, and their stamps taken
        away.
        """
        quietly = self.plain and not specs and sum(len(each.put) + len(each.gone) for each in changes) <= FEW_ROWS
        if not quietly:
            self._let_act(0)
        try:
            self.adopt(specs)
            for change in changes:
                self._apply_table(change, building=building)
            if quietly:
                self.execute("DELETE FROM _partysync_rows")
        except (apsw.Error, MutationRejected, TypeError, ValueError, OverflowError) as error:
            raise ProtocolError("bad-frame", f"A change from the room does not fit this copy: {error}.") from error
        finally:
            if not quietly:
                self._let_act(1)

    def _let_act(self, whether: int) -> None:
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, whether)
        self.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, whether)

    def _apply_table(self, change: TableChange, *, building: bool) -> None:
        entry = self.table(change.table)
        if change.gone:
            self.connection.executemany(entry.delete_sql, [(id,) for id in change.gone])
        if not change.put:
            return
        for name in change.columns:
            entry.column(name)
        blobs = [index for index, name in enumerate(change.columns, 2) if name in entry.blobs]
        put = change.put
        if blobs:
            put = [[_blob(value) if i in blobs else value for i, value in enumerate(row)] for row in put]
        if not building or not self._put_new(entry, tuple(change.columns), put):
            self.connection.executemany(entry.put_sql(tuple(change.columns)), put)

    def _put_new(self, entry: StoredTable, names: tuple[str, ...], rows: list[list[Any]]) -> bool:
        """Put rows that are likely not there: half the cost of putting them over whatever is. False: one is there."""
        self.savepoint("part")
        try:
            self.connection.executemany(entry.new_sql(names), rows)
        except apsw.ConstraintError:
            self.execute("ROLLBACK TO part")
            return False
        finally:
            self.release("part")
        return True

    # --- savepoints -----------------------------------------------------------------------------------------------

    def savepoint(self, name: str) -> None:
        self.execute(f"SAVEPOINT {name}")

    def release(self, name: str) -> None:
        self.execute(f"RELEASE {name}")

    def undo(self, name: str) -> None:
        """Back to the savepoint, which stays open."""
        self.rest()
        self.execute(f"ROLLBACK TO {name}")
        self.look_again()

    def rollback(self) -> None:
        """Back to what is committed; no savepoint stays open."""
        self.rest()
        self.execute("ROLLBACK")
        self.look_again()

    def rest(self) -> None:
        """What runs next is ours, whatever an interrupt has left on."""
        self._guard.off()
        self._effort.end()

    def look_again(self) -> None:
        """A rollback may have taken tables with it."""
        if self._tables is not None:
            have = self.execute("SELECT count(*), total(version) FROM _partysync_tables").fetchone()
            if have != (len(self._tables), float(sum(entry.version for entry in self._tables.values()))):
                self._tables = None

    def execute(self, sql: str, bindings: Sequence[Any] | None = None) -> apsw.Cursor:
        """Our own SQL."""
        return self.connection.execute(sql, bindings)

    def once(self, sql: str) -> None:
        """The same if it is not to be said again soon: what SQLite has made of it is not kept, which is kilobytes."""
        self.connection.execute(sql, can_cache=False)

    def close(self) -> None:
        self._guard.close()
        self._effort.close()
        self.connection.close()


def _discreet(error: MutationRejected, sight: Sight) -> MutationRejected:
    """The same refusal, without a word about what its reader is not shown."""
    hidden = {*sight.tables, *(name for names in sight.columns.values() for name in names)}
    if any(re.search(rf"\b{re.escape(name)}\b", error.message) for name in hidden):
        return MutationRejected(error.code, "This edit breaks a rule about something that you are not shown.")
    return error


def _blob(value: Any) -> Any:
    return base64.b64decode(value) if isinstance(value, str) else value
