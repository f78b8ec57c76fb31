"""
Frames to bytes and back, strictly: what one side can encode, every other side can decode.

JSON here is RFC 8259 with no NaN, no Infinity, no lone surrogate (a browser's ``JSON.parse`` refuses the first two)
and no integer beyond 64 bits (SQLite has no more). MessagePack is held to the same rules. "deflate" is JSON whose large
frames from the server are compressed (RFC 1950), once for all who are sent them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from .errors import MutationRejected, ProtocolError
from .messages import Down, Up

Format = Literal["json", "msgpack", "deflate"]

SUBPROTOCOLS: dict[str, Format] = {
    "partysync.v1+json": "json",
    "partysync.v1+msgpack": "msgpack",
    "partysync.v1+deflate": "deflate",
}
BINARY = frozenset({"msgpack", "deflate"})  # formats whose messages are no text

DEFLATED_BYTES = 8_192  # of a frame from which on it is compressed: snapshots, catch-ups, loads
MOST_INFLATED = 64 << 20  # bytes of a frame, as for one that was not compressed

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
F = TypeVar("F")

MAX_DEPTH = 64  # of nested lists and maps in one value

_json = msgspec.json.Encoder().encode
_json_up, _json_down = msgspec.json.Decoder(Up).decode, msgspec.json.Decoder(Down).decode


def _deflated(frame: Any) -> bytes:
    raw: bytes = _json(frame)
    return raw if len(raw) < DEFLATED_BYTES else zlib.compress(raw, 1)  # 3 takes twice as long for 2 % less


def _inflated_down(raw: bytes) -> Down:
    if raw[:1] != b"{":
        stream = zlib.decompressobj()
        raw = stream.decompress(raw, MOST_INFLATED)
        if not stream.eof or stream.unused_data:
            raise ValueError(
                f"what is compressed has no end, or goes on after it, or is more than {MOST_INFLATED:,} bytes"
            )
    frame: Down = _json_down(raw)
    return frame


_encode: dict[Format, Callable[[Any], bytes]] = {
    "json": _json,
    "msgpack": msgspec.msgpack.Encoder().encode,
    "deflate": _deflated,
}
_decode_up: dict[Format, Callable[[bytes], Up]] = {
    "json": _json_up,
    "msgpack": msgspec.msgpack.Decoder(Up).decode,
    "deflate": _json_up,  # a server inflates nothing for whoever comes
}
_decode_down: dict[Format, Callable[[bytes], Down]] = {
    "json": _json_down,
    "msgpack": msgspec.msgpack.Decoder(Down).decode,
    "deflate": _inflated_down,
}


def encode(frame: Up | Down, format: Format) -> bytes:
    """The bytes of ``frame``. Free values inside it have passed ``check_value`` before it was built.

    "deflate" is for frames of the server; a client that speaks it says "json".
    """
    return _encode[format](frame)


def decode_up(raw: bytes, format: Format) -> Up:
    """A client's frame, or ProtocolError with what is wrong in it. Never any other exception."""
    return _decode(_decode_up[format], raw)


def decode_down(raw: bytes, format: Format) -> Down:
    """A server's frame, or ProtocolError."""
    return _decode(_decode_down[format], raw)


def _decode(decoder: Callable[[bytes], F], raw: bytes) -> F:
    try:
        frame = decoder(raw)
        for value in getattr(frame, "free_values", tuple)():
            check_value(value)
    except MutationRejected as error:
        raise ProtocolError("bad-frame", f"This frame holds a value that cannot travel: {error}") from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, OverflowError, zlib.error) as error:
        raise ProtocolError("bad-frame", f"This frame cannot be read: {error}.") from None
    return frame


def plain(value: Any) -> Any:
    """``value`` as plain data that may travel: dates and the like as text, tuples as lists.

    Raises MutationRejected('bad-value').
    """
    try:
        made = msgspec.to_builtins(value)
        check_value(made)
    except (TypeError, ValueError, RecursionError) as error:
        raise MutationRejected("bad-value", f"{shown(value)} is not plain data: {error}.") from None
    return made


def shown(value: object) -> str:
    """``value`` in a sentence: its repr, short, whatever it is."""
    try:
        return f"{value!r:.80}"
    except Exception:  # noqa: BLE001  # a number of 5,000 digits, or a class of somebody's own
        return f"a {type(value).__name__}"


def check_value(value: object, depth: int = 0) -> None:
    """Raise MutationRejected('bad-value') unless ``value`` is plain data every codec here carries unchanged."""
    if isinstance(value, dict):
        _check_items(value, depth)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, str):
        try:
            _ = value.isascii() or value.encode()
        except UnicodeEncodeError:
            raise MutationRejected("bad-value", f"{value!r} holds half a surrogate pair, which is not text.") from None
    elif isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise MutationRejected("bad-value", f"{shown(value)} does not fit in 64 bits. Keep such a number as text.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise MutationRejected("bad-value", f"{value} is not a number that can be shared. Use None for 'no value'.")
    elif isinstance(value, list | tuple):
        _check_depth(depth)
        for item in value:
            check_value(item, depth + 1)
    else:
        raise MutationRejected("bad-value", f"A {type(value).__name__} ({shown(value)}) is not plain data.")


def _check_depth(depth: int) -> None:
    if depth == MAX_DEPTH:
        raise MutationRejected("bad-value", f"A value is nested more than {MAX_DEPTH} deep.")


def _check_items(values: dict[Any, Any], depth: int) -> None:
    """Most values of most edits are short plain text, small numbers and booleans, and are let through at a glance."""
    _check_depth(depth)
    for key, item in values.items():
        if not isinstance(key, str):
            raise MutationRejected("bad-value", f"The key {key!r} is not text.")
        if not key.isascii():
            check_value(key)
        kind = type(item)
        if (kind is str and item.isascii()) or item is None or kind is bool:
            continue
        check_value(item, depth + 1)
