"""
Migrating: brings the tables in a room's file from an older schema of its party to the present one.

All of it happens in the one transaction in which the file is opened. Whatever goes wrong is raised, the transaction is
rolled back, and the file is as it was.
"""

from __future__ import annotations

import msgspec

from partysync_widget.core.codec import check_value
from partysync_widget.core.errors import MutationRejected, SchemaMismatch
from partysync_widget.core.messages import Column, TableSpec
from partysync_widget.core.party import Party
from partysync_widget.core.refusals import STORAGE_ERRORS
from partysync_widget.core.schema import column_sql, create_table_sql
from partysync_widget.core.store import Store

from .shape import Piece, Shape, difference, piece, pieces, shape_of


def migrate(store: Store, party: type[Party], since: int, room: str) -> None:
    """Run the migrations from version ``since`` of the schema on, and note what the tables are now.

    Raises SchemaMismatch with the migration that failed, or with what the tables have come to and should not be.
    ``PRAGMA foreign_keys`` must be off: no table could be built anew under it (sqlite.org/lang_altertable.html, 7).
    """
    before = [entry.spec for entry in store.tables.values()]
    store.unstamp()
    for version, migration in enumerate(party.migrations[since - 1 :], since):
        try:
            migration.run(store)
        except KeyboardInterrupt:
            raise
        except STORAGE_ERRORS:  # not the migration's fault
            raise
        except BaseException as error:  # SystemExit too: a party's code does not end a server
            why = str(error) if isinstance(error, MutationRejected) else f"{type(error).__name__}: {error}"
            raise SchemaMismatch(
                f"The room {room!r} could not be brought from version {version} to {version + 1} of the schema of "
                f"{party.name!r}: {why.removesuffix('.')}. The room is as it was. Mend the migration."
            ) from error
    store.register_anew(_tables(store, party, before, room))
    _check_rows(store, party, room)


def _tables(store: Store, party: type[Party], before: list[TableSpec], room: str) -> list[TableSpec]:
    """The tables as they are to be known: those of the schema, and what people have added to them."""
    fresh = Store.memory(party)
    found, wanted = shape_of(store.connection), shape_of(fresh.connection)
    specs = [entry.spec for entry in fresh.tables.values()]
    fresh.close()
    if "add_column" in party.built_in:
        specs = [_with_own_columns(spec, before, found, wanted) for spec in specs]
    if "create_table" in party.built_in:
        specs += [spec for spec in before if _is_own_table(spec, found, wanted)]
    if differs := difference(found, wanted):
        raise SchemaMismatch(
            f"The migrations of {party.name!r} do not lead to its schema in the room {room!r}: {differs}. "
            f"The room is as it was. Mend the last migration, or the schema."
        )
    return specs


def _with_own_columns(spec: TableSpec, before: list[TableSpec], found: Shape, wanted: Shape) -> TableSpec:
    """``spec`` with the columns that ``add_column`` has given its table; they are taken out of ``found``."""
    table = ("table", spec.name)
    known = {piece(column_sql(column)).tokens: column for was in before for column in was.columns}
    in_schema = {each.tokens for each in wanted[table]}
    own: list[Column] = []
    rest: list[Piece] = []
    for each in found.get(table, []):
        if each.tokens in known and each.tokens not in in_schema:
            own.append(known[each.tokens])
        else:
            rest.append(each)
    if own:
        found[table] = rest
    return msgspec.structs.replace(spec, columns=(*spec.columns, *own))


def _is_own_table(spec: TableSpec, found: Shape, wanted: Shape) -> bool:
    """Whether it is one that ``create_table`` has made, and still as it was; then it is taken out of ``found``."""
    table = ("table", spec.name)
    as_made = [each.tokens for each in pieces(create_table_sql(spec))]
    if table in wanted or [each.tokens for each in found.get(table, [])] != as_made:
        return False
    del found[table]
    return True


def _check_rows(store: Store, party: type[Party], room: str) -> None:
    """Raise for a row that refers to none, and for a value that no frame can carry."""
    sorry = f"The migrations of {party.name!r} leave the room {room!r} with "
    for table, _, parent, _ in store.execute("PRAGMA foreign_key_check"):
        raise SchemaMismatch(
            f"{sorry}a row in {table} that refers to none in {parent}. The room is as it was. Foreign keys rest while "
            f"migrations run, so delete such rows in them."
        )
    for name, entry in store.tables.items():
        try:
            for row in store.execute(entry.select):
                for value in row:
                    if isinstance(value, float):
                        check_value(value)
        except (MutationRejected, UnicodeDecodeError) as error:
            raise SchemaMismatch(
                f"{sorry}a value in {name} that cannot be shared: {error} The room is as it was. Mend the migration."
            ) from None
