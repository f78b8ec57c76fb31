"""
Inspection: what a kernel holds of one table, layer by layer, to look at and to teach with.

::

    base      the rows as the room has decided them, at some version
    pending   your edits that the room has not decided, in order
    view      base with pending replayed over it: what everything else shows you
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw

from .core.columns import present
from .core.store import Store

if TYPE_CHECKING:
    from .connection import Connection

Row = dict[str, Any]


@dataclass(frozen=True)
class PendingEdit:
    """An edit that waits for the room. ``shown`` is false while it does not fit the base, and shows nothing."""

    mid: int
    name: str
    args: dict[str, Any]
    shown: bool

    def __str__(self) -> str:
        args = ", ".join(f"{name}={value!r}" for name, value in self.args.items())
        return f"{self.mid}: {self.name}({args})" + ("" if self.shown else "  (does not fit the base)")


@dataclass(frozen=True, repr=False)
class Layers:
    """Three lists: rows of ``base`` and ``view`` are dicts; ``pending`` has the edits of the whole room."""

    table: str
    version: int
    base: list[Row]
    pending: list[PendingEdit]
    view: list[Row]

    def __repr__(self) -> str:
        parts = [f"{self.table}, base at version {self.version}", *_lines(self.base)]
        parts += ["pending", *_indented(map(str, self.pending))]
        parts += ["view", *_lines(self.view)]
        return "\n".join(parts)


def inspect(connection: Connection, table: str) -> Layers:
    """The layers of ``table`` as they are at this moment. It copies the base, so it is for looking, not for loops."""
    with connection.lock:
        replica = connection.replica
        view = replica.view
        view.table(table)  # or MutationRejected
        copy = apsw.Connection(":memory:")
        replica.copy_base(copy)
        base = Store(copy, replica.shape)
        try:
            return Layers(
                table,
                replica.cursor,
                _rows(base, table),
                [PendingEdit(p.mutation.mid, p.mutation.name, p.mutation.args, p.shown) for p in replica.pending],
                _rows(view, table),
            )
        finally:
            base.close()


def _rows(store: Store, table: str) -> list[Row]:
    if table not in store.tables:  # made by an edit that is itself pending
        return []
    columns = store.tables[table].spec.columns
    return [
        {"id": row[1], **{column.name: present(column, value) for column, value in zip(columns, row[2:], strict=True)}}
        for row in store.rows(table)
    ]


def _lines(rows: list[Row]) -> list[str]:
    if not rows:
        return _indented([])
    cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return _indented("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


def _indented(lines: Any) -> list[str]:
    return [f"    {line}" for line in lines] or ["    (none)"]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
