"""
DataFrames in and out: whatever narwhals knows comes in; pandas, polars or Arrow go out, whichever is installed.

None of them is imported before it is asked for.
"""

from __future__ import annotations

import datetime as dt
import decimal
import importlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .core import messages as m
from .core.columns import coerce, column, present, unwrapped, wire
from .core.errors import MutationRejected, PartySyncError
from .core.stored_table import StoredTable
from .ids import new_id

_KINDS: list[tuple[type | tuple[type, ...], str]] = [  # bool is an int, a datetime is a date: the narrower first
    (bool, "boolean"),
    (int, "integer"),
    ((float, decimal.Decimal), "real"),
    (dt.datetime, "datetime"),
    (dt.date, "date"),
    ((bytes, bytearray, memoryview), "bytes"),
    ((dict, list, tuple), "json"),
]

KINDS = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}


def rows_of_data(data: Any, entry: StoredTable) -> tuple[list[str], list[list[Any]]]:
    """Column names, ``id`` first, and rows of wire values, each checked.

    Raises MutationRejected with the number of the row.
    """
    dicts = _dicts(data)
    names = ["id", *dict.fromkeys(name for row in dicts for name in row if name != "id")]
    columns = [entry.column(name) for name in names]
    rows = []
    for number, row in enumerate(dicts):
        values = [row.get(name) for name in names]
        if values[0] is None:
            values[0] = new_id()
        try:
            rows.append([wire(column, coerce(column, value)) for column, value in zip(columns, values, strict=True)])
        except MutationRejected as error:
            raise MutationRejected(error.code, f"Row {number}: {error.message} Nothing was inserted.") from None
        missing = [
            c.name for c, v in zip(columns, rows[-1], strict=True) if c.required and c.default is None and v is None
        ]
        if missing:
            raise MutationRejected(
                "missing-value", f"Row {number}: {missing[0]} must have a value. Nothing was inserted."
            )
    return names, rows


def _dicts(data: Any) -> Sequence[Mapping[str, Any]]:
    frame = _narwhal(data)
    if frame is not None:
        return list(frame.iter_rows(named=True))
    if isinstance(data, Mapping) or not isinstance(data, Iterable):
        raise MutationRejected(
            "bad-arguments", f"insert_many takes a DataFrame or an iterable of dicts, not a {type(data).__name__}."
        )
    rows = list(data)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise MutationRejected("bad-arguments", f"Row {number} is a {type(row).__name__}, not a dict: {row!r:.80}.")
    return rows


def _narwhal(data: Any) -> Any:
    """``data`` as narwhals sees it, or None if it is no DataFrame."""
    import narwhals as nw

    frame = nw.from_native(data, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        return frame.collect()
    if isinstance(frame, nw.DataFrame):
        return frame
    if hasattr(data, "__arrow_c_stream__"):
        return nw.from_arrow(data, backend=_first_installed(("polars", "pyarrow", "pandas")))
    return None


def _first_installed(modules: Iterable[str]) -> Any:
    for module in modules:
        if importlib.util.find_spec(module) is not None:
            return module
    raise PartySyncError("No DataFrame library is installed. Type `pip install pandas` (or polars, or pyarrow).")


def columns_of(data: Any) -> dict[str, m.Column]:
    """The columns of a DataFrame as ``room.table`` takes them: ``room.table("penguins", **columns_of(df))``."""
    import narwhals as nw

    frame = _narwhal(data)
    if frame is None:
        raise MutationRejected("bad-arguments", f"columns_of takes a DataFrame, not a {type(data).__name__}.")
    found = {}
    for name, dtype in frame.schema.items():
        if name == "id":
            continue
        kind: Any = "text"
        if dtype.is_integer():
            kind = "integer"
        elif dtype.is_numeric():
            kind = "real"
        elif dtype == nw.Boolean:
            kind = "boolean"
        elif dtype == nw.Datetime:
            kind = "datetime"
        elif dtype == nw.Date:
            kind = "date"
        elif dtype == nw.Binary:
            kind = "bytes"
        elif dtype in (nw.List, nw.Struct, nw.Array):
            kind = "json"
        elif dtype == nw.Object:  # pandas keeps whatever has no type of its own so
            kind = _type_of_values(frame[name].to_list())
        found[name] = column(kind, name=name)
    return found


def _type_of_values(values: Iterable[Any]) -> Any:
    """The column type that all of these are of, text where they differ."""
    kinds = {type(value) for value in values if unwrapped(value) is not None}
    if len(kinds) == 1:
        for python, kind in _KINDS:
            if issubclass(next(iter(kinds)), python):
                return kind
    return "text"


def make_frame(columns: Sequence[m.Column], rows: Sequence[tuple[Any, ...]], kind: str | None) -> Any:
    """Rows as a DataFrame of ``kind``, ``id`` first. Columns have the types that their names promise, empty or not."""
    if kind is None:
        module = _first_installed(KINDS.values())
        kind = next(name for name, each in KINDS.items() if each == module)
    if kind not in KINDS:
        raise MutationRejected(
            "bad-arguments", f"There is no kind of DataFrame {kind!r}. Use one of {', '.join(KINDS)}."
        )
    try:
        library = importlib.import_module(KINDS[kind])
    except ImportError:
        raise PartySyncError(f"{kind} is not installed. Type `pip install {KINDS[kind]}`.") from None
    _, ids, *stored = zip(*rows, strict=True) if rows else ((), (), *(() for _ in columns))
    data: dict[str, list[Any]] = {"id": list(ids)}
    for each, values in zip(columns, stored, strict=True):
        data[each.name] = [present(each, value) for value in values]
    types: dict[str, str] = {"id": "text", **{each.name: each.type for each in columns}}
    return {"pandas": _pandas, "polars": _polars, "arrow": _arrow}[kind](library, data, types)


def _pandas(pd: Any, data: dict[str, list[Any]], types: dict[str, str]) -> Any:
    series = {}
    for name, values in data.items():
        empty = None in values
        match types[name]:
            case "integer":
                series[name] = pd.Series(values, dtype="Int64" if empty else "int64")
            case "real":
                series[name] = pd.Series(values, dtype="float64")
            case "boolean":
                series[name] = pd.Series(values, dtype="boolean" if empty else "bool")
            case "datetime":
                series[name] = pd.Series(pd.to_datetime(values, utc=True, format="ISO8601").as_unit("us"))
            case "text" | "choice":
                series[name] = pd.Series(values, dtype="str")
            case _:
                series[name] = pd.Series(values, dtype="object")
    return pd.DataFrame(series)


def _polars(pl: Any, data: dict[str, list[Any]], types: dict[str, str]) -> Any:
    dtypes = {
        "text": pl.String,
        "choice": pl.String,
        "integer": pl.Int64,
        "real": pl.Float64,
        "boolean": pl.Boolean,
        "datetime": pl.Datetime("us", "UTC"),
        "date": pl.Date,
        "bytes": pl.Binary,
        "json": pl.Object,
    }
    return pl.DataFrame([pl.Series(name, values, dtype=dtypes[types[name]]) for name, values in data.items()])


def _arrow(pa: Any, data: dict[str, list[Any]], types: dict[str, str]) -> Any:
    import msgspec

    dtypes = {
        "text": pa.string(),
        "choice": pa.string(),
        "integer": pa.int64(),
        "real": pa.float64(),
        "boolean": pa.bool_(),
        "datetime": pa.timestamp("us", "UTC"),
        "date": pa.date32(),
        "bytes": pa.binary(),
        "json": pa.string(),
    }
    for name, type_ in types.items():
        if type_ == "json":
            data[name] = [None if value is None else msgspec.json.encode(value).decode() for value in data[name]]
    return pa.table({name: pa.array(values, type=dtypes[types[name]]) for name, values in data.items()})
