"""
Queries: which rows of a table a view lists, and in which order, as SQL over the replica.

A window of a million rows is then ``ORDER BY … LIMIT … OFFSET`` (measured: 10 ms at the far end, over an index), so
nothing here keeps a list of all rows that each change would have to mend. js/src/query.ts has the same meanings.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from .core.codec import INT_MAX, INT_MIN
from .core.columns import coerce
from .core.errors import MutationRejected
from .core.messages import Column
from .core.schema import quote
from .core.store import Store
from .core.stored_table import StoredTable

Op = Literal["has", "is", "not", "lt", "le", "gt", "ge", "empty", "filled"]

_COMPARE: dict[Op, str] = {"is": "IS", "not": "IS NOT", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_FOLDED = ("text", "choice", "json")  # compared without regard to the case of A to Z
_REAL = Column("value", "real")
LONGEST = 20_000  # bytes of a text to look for: SQLite takes patterns of 50,000, and each may need a backslash


class Filter(Struct, frozen=True):
    """A condition on one column. ``has``: its text contains ``value``; ``empty``: no value, or no text."""

    column: str
    op: Op
    value: Any = None


class Query(Struct, frozen=True):
    """``sort`` names columns, each with whether it descends; without it rows stand in the order of insertion."""

    sort: tuple[tuple[str, bool], ...] = ()
    filters: tuple[Filter, ...] = ()
    search: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for half a surrogate pair: SQLite takes none, and would say so in the middle of a delta."""
        "".join([self.search, *(str(each.value) for each in self.filters)]).encode()

    @property
    def filtered(self) -> bool:
        """Whether it leaves rows out."""
        return bool(self.filters or self.search)


def window(store: Store, entry: StoredTable, query: Query, first: int, count: int) -> list[tuple[Any, ...]]:
    """``(position, id, *stored values)`` of rows ``first`` to ``first + count`` of what ``query`` lists."""
    if not query.sort and not query.filtered:
        return store.execute(f"{entry.select} ORDER BY t.rowid LIMIT ? OFFSET ?", (count, first)).fetchall()
    keys = store.execute(f"{_keys(entry, query)} LIMIT ? OFFSET ?", (*_bindings(entry, query), count, first))
    return rows_at(store, entry, (key for (key,) in keys))


def matches(store: Store, entry: StoredTable, query: Query) -> array[int]:
    """The positions of all rows that ``query`` lists, in its order: 8 bytes a row."""
    return array("q", (key for (key,) in store.execute(_keys(entry, query), _bindings(entry, query))))


def rows_at(store: Store, entry: StoredTable, positions: Iterable[int]) -> list[tuple[Any, ...]]:
    """The rows at these positions; one that is gone is left out."""
    select = f"{entry.select} WHERE t.rowid = ?"
    found = (store.execute(select, (position,)).fetchone() for position in list(positions))
    return [row for row in found if row is not None]


def sort_terms(entry: StoredTable, query: Query) -> list[str]:
    """The terms of ``ORDER BY``: rows without a value last, equal ones in the order of insertion."""
    known = [(column, down) for name, down in query.sort if (column := _known(entry, name)) is not None]
    terms = [f"{expression(column)}{' DESC' if down else ''} NULLS LAST" for column, down in known]
    return [*terms, "t.rowid DESC" if known and known[0][1] else "t.rowid"]


def expression(column: Column) -> str:
    """What a column is sorted by, and what an index over it holds."""
    return f"t.{quote(column.name)}{' COLLATE NOCASE' if column.type in _FOLDED else ''}"


def _keys(entry: StoredTable, query: Query) -> str:
    conditions = [condition for condition, _ in _conditions(entry, query)]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT t.rowid FROM {quote(entry.spec.name)} AS t{where} ORDER BY {', '.join(sort_terms(entry, query))}"


def _bindings(entry: StoredTable, query: Query) -> list[Any]:
    return [value for _, values in _conditions(entry, query) for value in values]


def _conditions(entry: StoredTable, query: Query) -> list[tuple[str, list[Any]]]:
    """Each with its bindings. A column that is not there any more asks for nothing."""
    made = [_condition(column, each) for each in query.filters if (column := _known(entry, each.column)) is not None]
    if query.search:
        columns = [
            entry.column("id"),
            *(column for column in entry.spec.columns if column.type not in ("bytes", "boolean")),
        ]
        anywhere = " OR ".join(f"{_text(column)} LIKE ? ESCAPE '\\'" for column in columns)
        made.append((f"({anywhere})", [_like(query.search)] * len(columns)))
    return made


def _condition(column: Column, asked: Filter) -> tuple[str, list[Any]]:
    name = f"t.{quote(column.name)}"
    match asked.op:
        case "empty":
            return f"ifnull({name}, '') = ''", []
        case "filled":
            return f"ifnull({name}, '') != ''", []
        case "has":
            pattern = None if asked.value is None or column.type == "bytes" else _like(str(asked.value))
            return f"{_text(column)} LIKE ? ESCAPE '\\'", [pattern]
    try:
        return f"{expression(column)} {_COMPARE[asked.op]} ?", [_value(column, asked.value)]
    except (MutationRejected, ValueError):  # nothing is like it
        return str(int(asked.op == "not")), []


def _text(column: Column) -> str:
    """What is searched: what people see, so a whole number has no point."""
    name = f"t.{quote(column.name)}"
    if column.type != "real":
        return name
    whole = f"CAST({name} AS INTEGER)"
    return f"iif({name} = {whole}, CAST({whole} AS TEXT), {name})"


def _value(column: Column, value: Any) -> Any:
    """What to compare with. Dates are text that sorts by time, so half a date ("2026-11") compares as it is.

    Raises MutationRejected or ValueError if no value of the column is like it.
    """
    if value is None:
        return None
    if column.type in ("date", "datetime", *_FOLDED):
        return str(value)
    if column.type != "integer":
        return coerce(column, value)
    number = int(value) if isinstance(value, str) else value
    fits = isinstance(number, int) and INT_MIN <= number <= INT_MAX
    return number if fits else coerce(_REAL, number)  # SQLite compares the two exactly


def _like(text: str) -> str | None:
    """None, which nothing is like, for what no text holds, or no pattern (sqlite.org/limits.html)."""
    if "\0" in text or len(text.encode()) > LONGEST:
        return None
    return "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _known(entry: StoredTable, name: str) -> Column | None:
    try:
        return entry.column(name)
    except MutationRejected:
        return None
