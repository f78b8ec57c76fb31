"""
Columns: what a value may be, how it is stored, and how a person sees it again.

::

    Python value, or its wire form ──coerce──▶ stored (what SQLite holds) ──present──▶ Python value
                                                  └──────wire─────▶ plain data for a frame

``coerce`` is the only way in. It runs before the guess in the kernel and before the truth in the room, and it gives
the same answer for a value and for its wire form, so the two cannot differ (reliability research, rule 10).

========  ==============================================  ===========================================
type      takes                                           stored as
========  ==============================================  ===========================================
text      str                                             TEXT
integer   int, a float without a fraction                 INTEGER
real      int, float                                      REAL
boolean   bool, 0, 1                                      INTEGER 0 or 1
json      dict, list, str, number, bool                   TEXT, as written by one encoder
datetime  datetime (naive is read as UTC), ISO 8601 text  TEXT ``2026-11-23T04:05:06.000000Z``, sorts by time
date      date, midnight datetime, ISO 8601 text          TEXT ``2026-11-23``
choice    one of the column's choices                     TEXT
bytes     bytes-like, ``{"base64": text}``                BLOB
========  ==============================================  ===========================================

None, NaN and NaT all mean "no value".
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import decimal
import enum
import types
import typing
from typing import Any, NoReturn

import apsw
import msgspec

from .codec import INT_MAX, INT_MIN, check_value, plain, shown
from .errors import MutationRejected, SchemaMismatch
from .messages import Column, ColumnType

Stored = str | int | float | bytes | None

STORAGE: dict[ColumnType, str] = {
    "text": "TEXT",
    "integer": "INTEGER",
    "real": "REAL",
    "boolean": "INTEGER",
    "json": "TEXT",
    "datetime": "TEXT",
    "date": "TEXT",
    "choice": "TEXT",
    "bytes": "BLOB",
}

EXPECTS: dict[ColumnType, str] = {
    "text": "text",
    "integer": "a whole number within 64 bits",
    "real": "a finite number",
    "boolean": "True or False",
    "json": "plain data (dict, list, text, number, bool)",
    "datetime": "a datetime or ISO 8601 text such as '2026-11-23T14:30:00Z'",
    "date": "a date or ISO 8601 text such as '2026-11-23'",
    "choice": "one of its choices",
    "bytes": "bytes",
}

_PYTHON_TYPES: dict[Any, ColumnType] = {
    str: "text",
    int: "integer",
    float: "real",
    bool: "boolean",
    dict: "json",
    list: "json",
    object: "json",
    Any: "json",
    dt.datetime: "datetime",
    dt.date: "date",
    bytes: "bytes",
}


def column(kind: Any, *, required: bool = False, default: Any = None, name: str = "") -> Column:
    """A column from what a person writes: a Python type, one of the type names above, or its choices.

    ``column(str)``, ``column("datetime")``, ``column(Literal["low", "high"])``, ``column(["low", "high"])``,
    ``column(Colour)`` for an Enum, ``column(int, required=True, default=0)``.
    """
    if isinstance(kind, Column):
        return msgspec.structs.replace(kind, name=name or kind.name)
    type_, choices = _type_of(kind, name)
    made = Column(name=name, type=type_, required=required, choices=choices)
    if default is not None:
        made = msgspec.structs.replace(made, default=wire(made, coerce(made, default)))
    return made


def _type_of(kind: Any, name: str) -> tuple[ColumnType, tuple[str, ...]]:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):  # ``str | None``: every column may be empty unless it is required
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        if len(members) == 1:
            return _type_of(members[0], name)
    if origin is typing.Literal:
        return "choice", _choices(typing.get_args(kind), name)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "choice", _choices([member.value for member in kind], name)
    if isinstance(kind, list | tuple | set | frozenset) and kind:
        choices = _choices(kind, name)
        return "choice", tuple(sorted(choices)) if isinstance(kind, set | frozenset) else choices
    if isinstance(kind, str) and kind in STORAGE and kind != "choice":
        return typing.cast(ColumnType, kind), ()
    try:
        return _PYTHON_TYPES[origin or kind], ()
    except (KeyError, TypeError):
        known = ", ".join(getattr(known, "__name__", str(known)) for known in _PYTHON_TYPES)
        raise SchemaMismatch(
            f"The column {name!r} cannot be a {kind!r}. Use one of {known}, a name such as 'datetime', "
            f"or a list of choices."
        ) from None


def _choices(members: typing.Iterable[Any], name: str) -> tuple[str, ...]:
    choices = tuple(members)
    if any(not isinstance(choice, str) for choice in choices):
        raise SchemaMismatch(f"The choices of column {name!r} must all be text: {choices!r}.")
    return choices


def coerce(column: Column, value: Any) -> Stored:
    """``value`` as SQLite will hold it. The same for a Python value and for its wire form.

    Raises MutationRejected('bad-value') with the column, the value and what it should be.
    """
    try:
        if type(value) not in _BARE:
            value = unwrapped(value)
            if value is None:
                return None
        return _COERCE[column.type](column, value)
    except (TypeError, ValueError, ArithmeticError, RecursionError):  # of something inside; a person gets a sentence
        _refuse(column, value)


_BARE = frozenset((str, int, bool, bytes, list, dict))  # what nothing wraps, and what most values are


def unwrapped(value: Any) -> Any:
    """``value`` without what pandas and NumPy wrap around it, None for what they call missing. Imports neither."""
    if type(value) in _BARE:
        return value
    if value is None or type(value).__name__ == "NAType":
        return None
    if hasattr(value, "dtype") and hasattr(value, "item"):
        if str(value.dtype).endswith(("[ns]", "[ps]", "[fs]", "[as]")):  # finer than item() knows: it gives a number
            value = value.astype("datetime64[us]")
        value = value.item()
    if isinstance(value, float | dt.datetime | decimal.Decimal) and value != value:  # noqa: PLR0124  # NaN and NaT
        return None
    return value


def _refuse(column: Column, value: object, hint: str = "") -> NoReturn:
    expects = f"one of {', '.join(map(repr, column.choices))}" if column.type == "choice" else EXPECTS[column.type]
    raise MutationRejected(
        "bad-value", f"{column.name} takes {expects}, not {shown(value)} ({type(value).__name__}).{hint}"
    )


def _text(column: Column, value: Any) -> str:
    if not isinstance(value, str):
        _refuse(column, value, " Write str(…) around it if that is meant.")
    if "\0" in value:
        _refuse(column, value, " Text cannot hold a NUL character; use a bytes column.")
    try:
        if not value.isascii():
            value.encode()
    except UnicodeEncodeError:
        _refuse(column, value, " Half a surrogate pair is not text.")
    return value if type(value) is str else str(value)


def _integer(column: Column, value: Any) -> int:
    if isinstance(value, float | decimal.Decimal) and value == value // 1:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not INT_MIN <= value <= INT_MAX:
        _refuse(column, value)
    return int(value)


def _real(column: Column, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | decimal.Decimal):
        _refuse(column, value)
    try:
        number = float(value)
    except OverflowError:
        _refuse(column, value)
    if number in (float("inf"), float("-inf")):
        _refuse(column, value)
    return number


def _boolean(column: Column, value: Any) -> int:
    if value is True or value is False or (isinstance(value, int) and value in (0, 1)):
        return int(value)
    _refuse(column, value)


def _json(column: Column, value: Any) -> str:
    try:
        return msgspec.json.encode(plain(value)).decode()
    except MutationRejected as error:
        _refuse(column, value, f" {error}")


def _datetime(column: Column, value: Any) -> str:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            _refuse(column, value)
    if not isinstance(value, dt.datetime):
        _refuse(column, value, " A date has no time of day; give one.")
    try:
        moment = value.astimezone(dt.UTC) if value.tzinfo else value
    except OverflowError:  # year 1 or 9999, moved over the edge by its zone
        _refuse(column, value)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _date(column: Column, value: Any) -> str:
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            _refuse(column, value)
    if isinstance(value, dt.datetime):
        if value.time() != dt.time(0):
            _refuse(column, value, " Its time of day would be lost; use .date().")
        value = value.date()
    if not isinstance(value, dt.date):
        _refuse(column, value)
    return value.isoformat()


def _choice(column: Column, value: Any) -> str:
    chosen = value.value if isinstance(value, enum.Enum) else value
    if not isinstance(chosen, str) or chosen not in column.choices:
        _refuse(column, value)
    return str(chosen)


def _bytes(column: Column, value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, dict) and value.keys() == {"base64"} and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, ValueError):
            pass
    _refuse(column, value, " Write value.encode() for text.")


_COERCE: dict[ColumnType, typing.Callable[[Column, Any], Stored]] = {
    "text": _text,
    "integer": _integer,
    "real": _real,
    "boolean": _boolean,
    "json": _json,
    "datetime": _datetime,
    "date": _date,
    "choice": _choice,
    "bytes": _bytes,
}


def present(column: Column, stored: Any) -> Any:
    """``stored`` as a person works with it: bool, datetime (aware, UTC), date, decoded JSON; the rest as it is.

    A party's own SQL may have stored text that is none of these; it is shown as it is rather than hidden.
    """
    if stored is None:
        return None
    try:
        match column.type:
            case "boolean":
                return bool(stored)
            case "json":
                return msgspec.json.decode(stored)
            case "datetime":
                moment = dt.datetime.fromisoformat(stored)
                return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
            case "date":
                return dt.date.fromisoformat(stored)
            case _:
                return stored
    except (ValueError, RecursionError):  # msgspec's DecodeError is a ValueError
        return stored


def wire(column: Column, stored: Stored) -> Any:
    """``stored`` as plain data for a frame; ``coerce`` takes it back."""
    if stored is None:
        return None
    match column.type:
        case "boolean":
            return bool(stored)
        case "json":
            return present(column, stored)
        case "bytes":
            return {"base64": base64.b64encode(typing.cast(bytes, stored)).decode()}
        case _:
            return stored


def bind(value: Any) -> Stored:
    """A Python value for a ``?`` in somebody's own SQL, where no column says what it is."""
    if type(value) is str and value.isascii():  # what most are
        return value
    value = unwrapped(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dt.datetime):
        return _datetime(_ANY_DATETIME, value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return _json(_ANY_JSON, value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str | int | float):
        check_value(value)
        return value
    raise MutationRejected("bad-value", f"A {type(value).__name__} ({shown(value)}) cannot be a value in SQL.")


_ANY_DATETIME, _ANY_JSON = Column(name="value", type="datetime"), Column(name="value", type="json")


def literal(value: Stored) -> str:
    """``value`` as an SQL literal, for the DEFAULT and CHECK of a column made by ``create_table``."""
    return apsw.format_sql_value(value)
