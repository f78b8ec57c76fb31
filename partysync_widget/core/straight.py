"""
Straight edits: ``insert``, ``update`` and ``delete`` of a row as the one statement that they come to.

In a table that was made from a notebook no trigger acts but ours, so what these mutators do follows from their
arguments alone. A caller who has a savepoint around it may run the statement as it is. Whatever is not just so has no
statement here: the mutator itself finds out what is wrong with it, and says so.
"""

from __future__ import annotations

from typing import Any

from .columns import coerce
from .errors import MutationRejected
from .messages import Column
from .stored_table import StoredTable
from .transaction import Statement

ID = Column(name="id", type="text", required=True)
TAKES = {"insert": 3, "update": 3, "delete": 2}  # arguments


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
