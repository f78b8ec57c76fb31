"""
The built-in mutators: what a table in a notebook is edited with, and how tables come to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import MutationRejected
from .messages import Column, TableSpec
from .party import Mutator

if TYPE_CHECKING:
    from .transaction import Transaction


def insert(tx: Transaction, table: str, id: str, values: dict[str, Any]) -> None:
    """A new row."""
    tx.insert(table, **{**values, "id": id})


def insert_rows(tx: Transaction, table: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Many new rows: ``columns`` names the values of each, ``id`` among them."""
    tx.insert_rows(table, columns, rows)


def update(tx: Transaction, table: str, id: str, values: dict[str, Any]) -> None:
    """Change the columns in ``values`` of one row."""
    if values.get("id", id) != id:
        raise MutationRejected("bad-arguments", f"The id of a row stays: {id!r} cannot become {values['id']!r}.")
    tx.update(table, id, **{name: value for name, value in values.items() if name != "id"})


def upsert(tx: Transaction, table: str, id: str, values: dict[str, Any]) -> None:
    """Insert the row, or change these columns of it."""
    tx.upsert(table, **{**values, "id": id})


def delete(tx: Transaction, table: str, id: str) -> None:
    """Delete one row."""
    tx.delete(table, id)


def put_back(
    tx: Transaction, table: str, rows: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None, int | None]]
) -> int:
    """Undo: of each ``(id, before, after, position)``, make what is still as ``after`` says as ``before`` says.

    None stands for no row. What somebody else has written since stays. Returns how many rows were put back.
    """
    done = sum([tx.put_back(table, *row) for row in rows])
    if rows and not done:
        raise MutationRejected("changed-since", f"Somebody has changed it in {table} since, so it stays as it is.")
    return done


def batch(tx: Transaction, steps: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Several mutations as one: all of them, or none (R8)."""
    results = []
    for name, args in steps:
        if name == "batch":
            raise MutationRejected("bad-arguments", "A batch cannot hold another batch.")
        results.append(tx.call(name, args))
    return results


def create_table(tx: Transaction, name: str, columns: list[Column]) -> None:
    """Make a table with these columns, beside its ``id``."""
    tx.create_table(TableSpec(name=name, columns=tuple(columns)))


def add_column(tx: Transaction, table: str, column: Column) -> None:
    """Add one column to a table."""
    tx.add_column(table, column)


BUILT_IN: dict[str, Mutator] = {
    function.__name__: Mutator(function)
    for function in (insert, insert_rows, update, upsert, delete, put_back, batch, create_table, add_column)
}
