"""
Straight edits: ``insert``, ``update`` and ``delete`` of a row as the one statement that they come to.

In a table that was made from a notebook no trigger acts but ours, so what these mutators do follows from their
arguments alone. A caller who has a savepoint around it may run the statement as it is. Whatever is not just so has no
statement here: the mutator itself finds out what is wrong with it, and says so.

A burst of somebody's edits is mostly one statement with other values, a *series*: what is asked of a statement is asked
once for it, and of each edit only what its own values are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .columns import coerce
from .errors import MutationRejected
from .messages import Column, Mutation
from .stored_table import StoredTable
from .transaction import Statement

ID = Column(name="id", type="text", required=True)
TAKES = {"insert": 3, "update": 3, "delete": 2}  # arguments


class Series(NamedTuple):
    """Mutations that are one statement, each with values of its own, in their order."""

    sql: str
    values: list[tuple[Any, ...]]
    must: bool  # the row of each has to be there


def statement(tables: dict[str, StoredTable], name: str, args: dict[str, Any]) -> Statement | None:
    """What ``name`` would run with ``args``; None if it may be refused, or is another mutator."""
    if len(args) != TAKES.get(name):
        return None
    try:
        entry, id = tables[args["table"]], args["id"]
        if type(id) is not str or not id or entry.keeps:
            return None
        if name == "delete":
            return Statement(entry, entry.delete_sql, (id,), id)
        values = args["values"]
        if not values or "id" in values:
            return None
        stored = (*[coerce(entry.column(each), value) for each, value in values.items()], coerce(ID, id))
        if name == "update":
            return Statement(entry, entry.update_sql((*values,)), stored, id, must=True)
        if any(values.get(each) is None for each in entry.required):
            return None
        return Statement(entry, entry.insert_sql((*values, "id")), stored, id)
    except (
        KeyError,
        TypeError,
        AttributeError,
        MutationRejected,
    ):  # arguments of another shape; a value that is not fit
        return None


def series(tables: dict[str, StoredTable], first: Mutation, others: Iterable[Mutation]) -> Series | None:
    """``first``, and those of its client that follow it and differ from it in nothing but an id and values.

    None if ``first`` has no statement. Of the others no more are asked for than one that differs.
    """
    made = statement(tables, first.name, first.args)
    if made is None:
        return None
    name, size, table, entry = first.name, len(first.args), first.args["table"], made.entry
    names = list(first.args.get("values", ()))
    columns = [entry.column(each) for each in names]
    filled = [name == "insert" and each in entry.required for each in names]
    rows = [made.values]
    try:
        for mutation in others:
            args, mid = mutation.args, first.mid + len(rows)
            id = args["id"]
            if mutation.mid != mid or mutation.name != name or len(args) != size or args["table"] != table:
                break
            if type(id) is not str or not id:
                break
            stored = [coerce(ID, id)]
            if columns:
                given = args["values"]
                if list(given) != names:
                    break
                values = [coerce(column, value) for column, value in zip(columns, given.values(), strict=True)]
                if True in filled and any(value is None for value, must in zip(values, filled, strict=True) if must):
                    break
                stored = values + stored
            rows.append(tuple(stored))
    except (KeyError, TypeError, AttributeError, MutationRejected):  # the mutator of that one says what is wrong
        pass
    return Series(made.sql, rows, made.must)
