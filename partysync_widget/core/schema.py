"""
Tables as SQL: names that are safe, DDL for declared columns, and the triggers that stamp every changed row.

A name from the wire is never put into SQL as it came: a new one must be of a narrow form, a known one is looked up,
and both are quoted (R13).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import apsw
import msgspec

from .columns import STORAGE, coerce, literal
from .errors import MutationRejected, SchemaMismatch
from .messages import Column, ColumnType, TableSpec

RESERVED = "_partysync_"  # tables and triggers of ours begin with this
MAX_NAME, MAX_COLUMNS = 64, 500

_TABLE_NAME = re.compile(r"[^\W\d]\w*")
_FORBIDDEN = re.compile(rf"\bROLLBACK\b|\bDEFERRED\b|{RESERVED}", re.IGNORECASE)
_ROWID_NAMES = frozenset({"rowid", "oid", "_rowid_"})  # they would hide SQLite's own, which holds the order
_COLUMN_TYPES: dict[str, ColumnType] = {"TEXT": "text", "INTEGER": "integer", "INT": "integer", "REAL": "real"}


def quote(name: str) -> str:
    """``name`` as an SQL identifier (sqlite.org/lang_keywords.html)."""
    return '"' + name.replace('"', '""') + '"'


def check_table_name(name: str) -> None:
    """Raise MutationRejected('bad-name') unless ``name`` can be a new table's."""
    lower = name.lower()
    if not _TABLE_NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise MutationRejected(
            "bad-name",
            f"{name!r:.100} cannot be the name of a table. Use letters, digits and underscores, at most {MAX_NAME}, "
            f"not beginning with a digit.",
        )
    if lower.startswith((RESERVED, "sqlite_")):
        raise MutationRejected("bad-name", f"The name {name!r} is reserved. Choose one that begins differently.")


def check_columns(table: str, columns: Iterable[Column]) -> None:
    """Raise MutationRejected unless these can be the columns of a table, beside its ``id``."""
    taken = {"id"}
    for count, column in enumerate(columns, 1):
        name = column.name
        if not name or len(name) > MAX_NAME or not name.isprintable() or '"' in name or name != name.strip():
            raise MutationRejected(
                "bad-name",
                f"{name!r:.100} cannot be the name of a column. Use printable characters without "
                f"double quotes, at most {MAX_NAME}.",
            )
        if name.lower() in taken or name.lower() in _ROWID_NAMES:
            why = (
                "every row has an id already"
                if name.lower() == "id"
                else "the name is taken (case does not tell apart)"
            )
            raise MutationRejected("bad-name", f"{table} cannot have a column {name!r}: {why}.")
        if count > MAX_COLUMNS:
            raise MutationRejected("too-large", f"{table} would have more than {MAX_COLUMNS} columns.")
        if column.type == "choice" and not column.choices:
            raise MutationRejected("bad-value", f"The column {name!r} is a choice of nothing. Give its choices.")
        coerce(column, column.default)
        taken.add(name.lower())


def create_table_sql(spec: TableSpec) -> str:
    """The STRICT table that ``spec`` declares."""
    lines = ["id TEXT PRIMARY KEY NOT NULL", *(column_sql(column) for column in spec.columns)]
    return f"CREATE TABLE {quote(spec.name)} ({', '.join(lines)}) STRICT"


def column_sql(column: Column) -> str:
    """One column's definition, with the CHECK that its type needs whatever SQL writes to it."""
    name = quote(column.name)
    parts = [name, STORAGE[column.type]]
    if column.required:
        parts.append("NOT NULL")
    if column.default is not None:
        parts.append(f"DEFAULT {literal(coerce(column, column.default))}")
    match column.type:
        case "boolean":
            parts.append(f"CHECK ({name} IN (0, 1))")
        case "json":
            parts.append(f"CHECK (json_valid({name}))")
        case "choice":
            parts.append(f"CHECK ({name} IN ({', '.join(literal(choice) for choice in column.choices)}))")
        case _:
            pass
    return " ".join(parts)


def stamp_sql(table: str, key: int) -> str:
    """Triggers that note, for every row any SQL changes, at which version that was.

    A changed id is the old one gone and the new one here. REPLACE fires the delete trigger only with
    ``PRAGMA recursive_triggers=ON``, which every store sets (sqlite.org/lang_conflict.html).
    """
    version = f"(SELECT value FROM {RESERVED}meta WHERE key = 'version')"
    stamp = (
        f"INSERT INTO {RESERVED}rows (tbl, id, version, dead) VALUES ({key}, {{id}}, {version}, {{dead}}) "
        f"ON CONFLICT (tbl, id) DO UPDATE SET version = excluded.version, dead = excluded.dead;"
    )
    born, died = stamp.format(id="NEW.id", dead=0), stamp.format(id="OLD.id", dead=1)
    on = f"ON {quote(table)}"
    name = f"{RESERVED}{key}"
    return (
        f"CREATE TRIGGER {name}_insert AFTER INSERT {on} BEGIN {born} END;"
        f"CREATE TRIGGER {name}_update AFTER UPDATE {on} WHEN OLD.id IS NEW.id BEGIN {born} END;"
        f"CREATE TRIGGER {name}_rename AFTER UPDATE {on} WHEN OLD.id IS NOT NEW.id BEGIN {died} {born} END;"
        f"CREATE TRIGGER {name}_delete AFTER DELETE {on} BEGIN {died} END;"
    )


def check_schema(schema: str) -> None:
    """Raise SchemaMismatch for what a party's SQL may not say, because a turn is shared by many mutations."""
    if word := _FORBIDDEN.search(schema):
        raise SchemaMismatch(
            f"A party's schema cannot say {word[0]}: it would undo or hold up the mutations of everybody in the turn, "
            f"or pass for a table of ours. Use ABORT, or an immediate constraint."
        )


def introspect(connection: apsw.Connection, types: dict[str, dict[str, Column]]) -> list[TableSpec]:
    """The tables that a party's own schema made, in its order.

    ``types`` says what SQL cannot: that an INTEGER is a boolean, that a TEXT is a date. Raises SchemaMismatch for a
    table that cannot be synced, with the line to write instead.
    """
    specs = []
    listing = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        f"AND name NOT LIKE '\\{RESERVED.replace('_', chr(92) + '_')[1:]}%' ESCAPE '\\' ORDER BY rowid"
    )
    for name, sql in list(listing):
        specs.append(_introspect_table(connection, name, sql, types.get(name, {})))
    for name in types.keys() - {spec.name for spec in specs}:
        raise SchemaMismatch(f"The party declares types for a table {name!r} that its schema does not make.")
    return specs


def check_seen_by(seen_by: Mapping[str, str], specs: Iterable[TableSpec]) -> None:
    """Raise SchemaMismatch for a name in ``Party.seen_by`` that nothing has: it would hide nothing."""
    known = {spec.name: {column.name for column in spec.columns} for spec in specs}
    for name in seen_by:
        table, _, column = name.partition(".")
        if table not in known or (column and column not in known[table]):
            raise SchemaMismatch(
                f"seen_by names {name!r}, which this party's schema does not make. Write a table, or table.column."
            )


def _introspect_table(connection: apsw.Connection, name: str, sql: str, types: dict[str, Column]) -> TableSpec:
    (strict, without_rowid), *_ = connection.execute("SELECT strict, wr FROM pragma_table_list(?)", (name,))
    if not strict or without_rowid or sql.upper().startswith("CREATE VIRTUAL"):
        raise SchemaMismatch(f"The table {name!r} must end in `) STRICT`, and have rowids, to be synced.")
    columns, has_id = [], False
    info = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (name,)
    )
    for column, type_, not_null, default, primary, hidden in list(info):
        if column == "id":
            has_id = bool(type_ == "TEXT" and not_null and primary == 1)
        elif primary:
            has_id = False
            break
        elif hidden:  # a generated column: every side computes its own
            continue
        else:
            found = _introspect_column(name, column, type_, types)
            columns.append(msgspec.structs.replace(found, required=bool(not_null) and default is None))
    if not has_id:
        raise SchemaMismatch(f"The table {name!r} needs the line `id TEXT PRIMARY KEY NOT NULL` as its only key.")
    collation = connection.execute(
        "SELECT coll FROM pragma_index_list(?) AS i, pragma_index_xinfo(i.name) WHERE origin = 'pk' AND key", (name,)
    ).get
    if collation != "BINARY":
        raise SchemaMismatch(f"The ids of {name!r} compare as {collation}, under which two may be one. Leave it out.")
    spec = TableSpec(name=name, columns=tuple(columns))
    try:
        check_table_name(name)
        check_columns(name, spec.columns)
    except MutationRejected as error:
        raise SchemaMismatch(str(error)) from None
    for unknown in types.keys() - {column.name for column in columns}:
        raise SchemaMismatch(f"The party declares a type for {name}.{unknown}, a column that its schema does not make.")
    return spec


def _introspect_column(table: str, name: str, storage: str, types: dict[str, Column]) -> Column:
    declared = types.get(name)
    if storage == "ANY":
        raise SchemaMismatch(f"{table}.{name} is of type ANY, which the sides cannot agree on. Name its type.")
    plain: ColumnType = _COLUMN_TYPES.get(storage, "bytes")
    if declared is None:
        return Column(name=name, type=plain)
    if STORAGE[declared.type] != STORAGE[plain]:
        raise SchemaMismatch(
            f"{table}.{name} is {storage} in SQL, but a {declared.type} is kept as {STORAGE[declared.type]}."
        )
    return Column(name=name, type=declared.type, choices=declared.choices)
