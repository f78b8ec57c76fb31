"""
Blocks: rows as a browser reads them fastest and without loss, column-wise JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from .core.columns import wire
from .core.messages import Column

PART = 1_000_000  # bytes of a snapshot in one message, so that a large table does not hold up the other messages
SAFE_INTEGER = 2**53 - 1  # beyond it JavaScript rounds: such integers travel as decimal digits


def describe(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "choices": column.choices,
        "required": column.required,
        "filled": column.default is not None,
    }


def block(columns: Sequence[Column], rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    """Rows ``(position, id, *stored)``, column-wise: JSON decodes fastest so, and keys are said once."""
    at, ids, *stored = zip(*rows, strict=True) if rows else ((), (), *(() for _ in columns))
    return {
        "ids": ids,
        "at": at,
        "cols": [to_browser(column, values) for column, values in zip(columns, stored, strict=True)],
    }


def parts(
    columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], first: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """A snapshot as messages of about PART bytes: each its place among them, and its buffer."""
    sample = rows[:: max(1, len(rows) // 100)]
    each = max(1, len(msgspec.json.encode(block(columns, sample))) // max(1, len(sample)))
    step = max(1, PART // each)
    of = max(1, -(-len(rows) // step))
    for part in range(of):
        chosen = block(columns, rows[part * step : (part + 1) * step])
        yield {"part": part, "of": of}, msgspec.json.encode({**first, **chosen} if part == 0 else chosen)


def to_browser(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """Stored values as JSON that a browser reads without loss."""
    match column.type:
        case "boolean" | "json" | "bytes":
            return [wire(column, value) for value in values]
        case "integer":
            return [_exact(value) for value in values]
        case _:
            return values


def drafted(columns: Sequence[Column], values: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a peer is about to write, by column; None: it is about to delete the row. Columns we lack are left out."""
    if values is None:
        return None
    known = {column.name for column in columns}
    return {name: _exact(value) for name, value in values.items() if name in known}


def _exact(value: Any) -> Any:
    return str(value) if isinstance(value, int) and abs(value) > SAFE_INTEGER else value


def from_browser(columns: Iterable[Column], values: dict[str, Any]) -> dict[str, Any]:
    """Values as ``core.columns.coerce`` takes them, which checks them all: only digits need a word of ours."""
    integers = {column.name for column in columns if column.type == "integer"}
    return {name: digits(value) if name in integers else value for name, value in values.items()}


def digits(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch("-?[0-9]{1,19}", value) else value  # 64 bits are 19
