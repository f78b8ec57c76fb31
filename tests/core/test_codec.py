"""Frames to bytes and back: what is refused, and that what is not refused arrives unchanged."""

import contextlib
import json
import math
import types
import typing
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partysync_widget.core import codec
from partysync_widget.core import messages as m
from partysync_widget.core.codec import (
    INT_MAX,
    INT_MIN,
    MAX_DEPTH,
    SUBPROTOCOLS,
    check_value,
    decode_down,
    decode_up,
    encode,
)
from partysync_widget.core.errors import MutationRejected, ProtocolError

FORMATS = ["json", "msgpack"]
DEFLATED = 8_192  # bytes from which on a frame of the server is compressed
both_formats = pytest.mark.parametrize("format", FORMATS)

# --- what a value may be --------------------------------------------------------------------------------------------


def nested(depth, value=1):
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -1, INT_MIN, INT_MAX, 0.0, -0.0, 1e308, 5e-324, "", "text", "\0", "🧬", "\U0010ffff",
        [], {}, [1, [2, {"three": None}]], (1, 2), {"": ""}, nested(MAX_DEPTH),
    ],
)  # fmt: skip
def test_plain_data_may_travel(value):
    check_value(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (INT_MAX + 1, str(2**63)),
        (INT_MIN - 1, "64 bits"),
        ("\ud800", "surrogate"),
        ("ok\udfff", "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        ({1: "one"}, "The key 1 is not text"),
        ({None: 1}, "The key None is not text"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (object(), "object"),
        (1j, "complex"),
        ([[[math.nan]]], "nan"),
        ({"a": {"b": [b""]}}, "bytes"),
        (nested(MAX_DEPTH + 1), "deep"),
    ],
)
def test_anything_else_is_refused_with_what_it_is(value, why):
    with pytest.raises(MutationRejected, match=why) as refused:
        check_value(value)

    assert refused.value.code == "bad-value"


# --- frames that cannot be ------------------------------------------------------------------------------------------

BROKEN_VALUES = {
    "json": {
        "NaN": b"NaN",
        "Infinity": b"Infinity",
        "minus Infinity": b"-Infinity",
        "a float beyond the range": b"1e999",
        "a float below the range": b"-1e999",
        "an integer beyond 64 bits": b"9223372036854775808",
        "an integer below 64 bits": b"-9223372036854775809",
        "an integer of 5,000 digits": b"1" * 5000,
        "half a surrogate pair": b'"\\ud800"',
        "the other half": b'"\\udc00"',
        "half a surrogate pair as bytes": b'"\xed\xa0\x80"',
        "half a surrogate pair as a key": b'{"\\ud800": 1}',
        "broken UTF-8": b'"\xff"',
        "an overlong slash": b'"\xc0\xaf"',
        "nesting beyond the limit": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        "nesting beyond the stack": b"[" * 200_000,
        "a comment": b"1 /* one */",
        "a single quote": b"'a'",
        "a raw newline in text": b'"a\nb"',
        "a leading zero": b"01",
        "an open end": b"[1, 2",
    },
    "msgpack": {
        "NaN": b"\xcb\x7f\xf8\0\0\0\0\0\0",
        "Infinity": b"\xcb\x7f\xf0\0\0\0\0\0\0",
        "minus Infinity": b"\xcb\xff\xf0\0\0\0\0\0\0",
        "NaN in 32 bits": b"\xca\x7f\xc0\0\0",
        "an integer beyond 64 bits": b"\xcf\x80\0\0\0\0\0\0\0",
        "half a surrogate pair": b"\xa3\xed\xa0\x80",
        "half a surrogate pair as a key": b"\x81\xa3\xed\xa0\x80\x01",
        "broken UTF-8": b"\xa1\xff",
        "nesting beyond the limit": b"\x91" * (MAX_DEPTH + 1) + b"\x01",
        "nesting beyond the stack": b"\x91" * 200_000,
        "bytes": b"\xc4\x01a",
        "a timestamp": b"\xd6\xff\0\0\0\0",
        "an extension": b"\xd4\x05\0",
        "a key that is a number": b"\x81\x01\x01",
        "a key that is a list": b"\x81\x91\x01\x01",
        "a key that is a map": b"\x81\x80\x01",
        "a list that claims four billion items": b"\xdd\xff\xff\xff\xff",
        "a map that claims four billion items": b"\xdf\xff\xff\xff\xff",
        "text that claims four billion bytes": b"\xdb\xff\xff\xff\xff",
        "a byte that means nothing": b"\xc1",
    },
}
# The bytes of two frames with a hole for a value.
HOLES = {
    "json": {
        "presence": b'{"type":"presence","state":{"a":%b}}',
        "push": b'{"type":"push","epoch":"e","mutations":[{"mid":1,"name":"insert","args":{"a":%b}}]}',
    },
    "msgpack": {
        "presence": b"\x82\xa4type\xa8presence\xa5state\x81\xa1a%b",
        "push": b"\x83\xa4type\xa4push\xa5epoch\xa1e\xa9mutations\x91"
        b"\x83\xa3mid\x01\xa4name\xa6insert\xa4args\x81\xa1a%b",
    },
}


@pytest.mark.parametrize("frame", ["presence", "push"])
@both_formats
def test_the_holes_take_a_value_that_is_plain(format, frame):
    """Or the tests below would prove nothing."""
    decoded = decode_up(HOLES[format][frame] % (b"1" if format == "json" else b"\x01"), format)

    assert {"a": 1} in list(decoded.free_values())


@pytest.mark.parametrize("frame", ["presence", "push"])
@pytest.mark.parametrize(
    ("format", "what"), [(format, what) for format in FORMATS for what in BROKEN_VALUES[format]], ids=str
)
def test_a_value_that_another_side_could_not_read_is_refused(format, what, frame):
    """R13, S7. A browser's JSON.parse refuses NaN, SQLite has only 64-bit integers, UTF-8 no half characters."""
    raw = HOLES[format][frame] % BROKEN_VALUES[format][what]

    with pytest.raises(ProtocolError) as refused:
        decode_up(raw, format)

    assert refused.value.kind == "bad-frame"


BROKEN_FRAMES = {
    "an unknown type": {"type": "drop_table"},
    "a frame of the other direction": {"type": "welcome"},
    "no type": {"mid": 1},
    "a type that is no text": {"type": 1},
    "a missing field": {"type": "seen"},
    "text for a number": {"type": "seen", "mid": "1"},
    "a float for a number": {"type": "seen", "mid": 1.5},
    "a bool for a number": {"type": "seen", "mid": True},
    "null for a number": {"type": "seen", "mid": None},
    "a number below zero": {"type": "seen", "mid": -1},
    "a number beyond what a browser can count": {"type": "seen", "mid": 2**53 + 1},
    "a number for text": {"type": "hello", "protocol": 1, "client": 7},
    "a name of 257 characters": {"type": "hello", "protocol": 1, "client": "x" * 257},
    "a list for a map": {"type": "presence", "state": []},
    "a map for a list": {"type": "push", "epoch": "e", "mutations": {}},
    "mutation number zero": {"type": "push", "epoch": "e", "mutations": [{"mid": 0, "name": "a", "args": {}}]},
    "a mutation without arguments": {"type": "push", "epoch": "e", "mutations": [{"mid": 1, "name": "a"}]},
    "a list": [1, 2],
    "a number": 7,
    "null": None,
}


@pytest.mark.parametrize("what", BROKEN_FRAMES)
@both_formats
def test_a_frame_of_the_wrong_shape_is_refused(format, what):
    """R13, S8."""
    raw = getattr(msgspec, format).encode(BROKEN_FRAMES[what])

    with pytest.raises(ProtocolError, match="cannot be read"):
        decode_up(raw, format)


@pytest.mark.parametrize(
    ("format", "raw"),
    [
        ("json", b""),
        ("json", b"\xef\xbb\xbf" + b'{"type":"seen","mid":1}'),
        ("json", b'{"type":"seen","mid":1} '[:-2]),
        ("json", b'{"type":"seen","mid":1}{}'),
        ("json", b'{"type":"seen","mid":1}'.decode().encode("utf-16")),
        ("msgpack", b""),
        ("msgpack", b"\x82\xa4type"),
        ("msgpack", b"\x82\xa4type\xa4seen\xa3mid\x01\x00"),
    ],
)
def test_bytes_that_are_no_frame_are_refused(format, raw):
    """R13."""
    with pytest.raises(ProtocolError, match="cannot be read"):
        decode_up(raw, format)


@both_formats
def test_a_frame_from_the_room_is_held_to_the_same_rules(format):
    with pytest.raises(ProtocolError, match="cannot be read"):
        decode_down(getattr(msgspec, format).encode({"type": "push", "epoch": "e", "mutations": []}), format)
    with pytest.raises(ProtocolError, match="cannot be read"):
        decode_down(b"\xc1", format)


@both_formats
def test_a_field_that_is_not_known_is_skipped(format):
    """S8. So that a frame can grow."""
    raw = getattr(msgspec, format).encode({"type": "seen", "mid": 1, "mood": {"any": ["thing"]}})

    assert decode_up(raw, format) == m.Seen(1)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise_anything_else(raw):
    """Whatever comes over a wire, its reader has one error to catch."""
    for format in (*FORMATS, "deflate"):
        for decode in (decode_up, decode_down):
            with contextlib.suppress(ProtocolError):
                decode(raw, format)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_frame_makes_the_decoder_raise_anything_else(data):
    for format in FORMATS:
        raw = bytearray(encode(data.draw(frames(m.Push)), format))
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(ProtocolError):
            decode_up(bytes(raw), format)


# --- there and back -------------------------------------------------------------------------------------------------

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(INT_MIN, INT_MAX) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def values_of(type_):
    """Values of a field's type."""
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        meta = args[1]
        if args[0] is str:
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=meta.max_length)
        return st.integers(meta.ge, meta.le)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(arg) for arg in args])
    if origin is list:
        return st.lists(values_of(args[0]), max_size=3)
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(args[0]), values_of(args[1]), max_size=3)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return frames(type_)
    return {
        typing.Any: plain,
        type(None): st.none(),
        str: text,
        bool: st.booleans(),
        int: st.integers(INT_MIN, INT_MAX),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }[type_]


def frames(struct):
    hints = typing.get_type_hints(struct, include_extras=True)
    return st.builds(struct, **{field: values_of(hints[field]) for field in struct.__struct_fields__})


ALL_FRAMES = [
    (decode, frame) for decode, union in ((decode_up, m.Up), (decode_down, m.Down)) for frame in typing.get_args(union)
]


@pytest.mark.parametrize(("decode", "frame"), ALL_FRAMES, ids=lambda each: each.__name__)
@both_formats
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_frame_arrives_as_it_left(decode, frame, format, data):
    """S6."""
    left = data.draw(frames(frame))

    arrived = decode(encode(left, format), format)

    assert arrived == left
    assert type(arrived) is frame


@settings(max_examples=40, deadline=None)
@given(value=plain)
def test_json_is_what_every_other_reader_of_json_takes_it_for(value):
    """S7."""
    raw = encode(m.Presence({"a": value}), "json")

    assert json.loads(raw, parse_constant=pytest.fail)["state"] == {"a": value}


@both_formats
def test_minus_zero_keeps_its_sign(format):
    arrived = decode_up(encode(m.Presence({"a": -0.0}), format), format)

    assert math.copysign(1, arrived.state["a"]) == -1


def test_the_sub_protocols_name_the_formats():
    """S5."""
    formats = ["json", "msgpack", "deflate"]
    assert {f"partysync.v1+{format}": format for format in formats} == SUBPROTOCOLS


# --- compressed -----------------------------------------------------------------------------------------------------


def part(size):
    rows = [[n, str(n), "x" * 90] for n in range(size // 100)]
    return m.Part([m.TableChange("t", ["text"], rows)])


@pytest.mark.parametrize("size", [0, DEFLATED - 500, DEFLATED + 500, 1 << 20])
def test_a_large_frame_travels_compressed_and_a_small_one_as_it_is(size):
    """S6."""
    plain, raw = encode(part(size), "json"), encode(part(size), "deflate")

    assert decode_down(raw, "deflate") == part(size) == decode_down(plain, "deflate")
    assert (raw == plain) is (len(plain) < DEFLATED)
    assert raw == plain or len(raw) < len(plain) / 4


def test_a_client_compresses_nothing():
    """S6, R13. A server inflates nothing for whoever comes."""
    push = encode(m.Push("e", [m.Mutation(1, "insert", {"text": "x" * DEFLATED})]), "json")

    assert decode_up(push, "deflate").mutations[0].mid == 1
    with pytest.raises(ProtocolError, match="cannot be read"):
        decode_up(zlib.compress(push), "deflate")


@pytest.mark.parametrize(
    "damaged",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"x",
        lambda raw: raw[:-4] + b"\0\0\0\0",
        lambda raw: b"",
        lambda raw: zlib.compress(b"{" * 10),
        zlib.compress,
        lambda raw: zlib.compress(b" " * (codec.MOST_INFLATED + 1)),
    ],
    ids=["cut", "longer", "checksum", "nothing", "no frame", "twice", "a bomb"],
)
def test_compressed_bytes_that_are_no_frame_are_refused(damaged):
    """R13."""
    with pytest.raises(ProtocolError, match="cannot be read"):
        decode_down(damaged(encode(part(1 << 16), "deflate")), "deflate")
