# ruff: noqa: E501, PT017  # a corpus, several cases a line; what is said of each of them
"""
Values that nobody meant, in columns of every type: kernel and room make the same of each, or refuse it at the call.

R6, R7. Afterwards the author's view, another's and the file hold the very same.
"""

import datetime as dt
import decimal
import itertools
import math

import pytest

from partysync_widget.core.codec import decode_up, encode, plain
from partysync_widget.core.columns import STORAGE, coerce, wire
from partysync_widget.core.errors import FrameTooLarge, MutationRejected
from partysync_widget.core.messages import Column, Mutation, Push
from tests.proof import note


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


UTC, EAST = dt.UTC, dt.timezone(dt.timedelta(hours=23, minutes=59))
VALUES = {
    "nothing": None, "yes": True, "no": False, "zero": 0, "minus zero": -0.0, "one": 1, "minus one": -1, "half": 0.5,
    "NaN": math.nan, "infinity": math.inf, "minus infinity": -math.inf, "tiny": 5e-324, "huge": 1e308, "1e16": 1e16,
    "2**53-1": 2**53 - 1, "2**53": 2**53, "2**53+1": 2**53 + 1, "2**63-1": 2**63 - 1, "2**63": 2**63, "-2**63": -(2**63),
    "-2**63-1": -(2**63) - 1, "float 2**63": float(2**63), "float -2**63": -float(2**63), "10**400": 10**400, "10**5000": 10**5000,
    "text 12": "12", "text 1e5": "1e5", "text true": "true", "text None": "None", "empty": "", "space": " ", "text nan": "nan",
    "NUL": "a\0b", "a long text": "x" * 200_000, "too long a text": "x" * 1_100_000, "NFC": "\u00e9", "NFD": "e\u0301",
    "bidi": "\u202eabc\u2066", "half a pair": "\ud800", "the other half": "a\udfff", "a pair": "\U0001f9ec", "BOM": "\ufeffa",
    "line ends": "a\r\nb\u2028c\x0b", "controls": "\x07\x1b[31m\x7f", "noncharacter": "\uffff\U0010ffff", "SQL": "'; DROP TABLE t; --",
    "markup": "<img src=x onerror=alert(1)>", "formula": "=1+1", "S": "S", "s": "s", "XL": "XL",
    "bytes": b"\0\xff", "no bytes": b"", "array of bytes": bytearray(b"x"), "view of bytes": memoryview(b"xy"),
    "base64": {"base64": "AAH/"}, "bad base64": {"base64": "?"}, "base64 that is none": {"base64": 5}, "base64 and more": {"base64": "", "x": 1},
    "list": [1, "a", None], "dict": {"a": {"b": [1.5]}}, "empty list": [], "empty dict": {}, "tuple": (1, 2), "set": {1},
    "64 deep": nested(63), "66 deep": nested(66), "10,000 deep": nested(10_000), "keys that are numbers": {1: "a"}, "keys that are odd": {"\ud800": 1},
    "a key of all": {"__proto__": {"x": 1}, "": 0}, "NaN inside": [math.nan], "2**63 inside": [2**63], "bytes inside": [b""],
    "date": dt.date(2026, 11, 27), "first date": dt.date.min, "last date": dt.date.max, "text date": "2026-11-27", "29 February": "2025-02-29",
    "month 13": "2026-13-01", "year 0": "0000-01-01", "year 10000": "10000-01-01", "a date in words": "tomorrow", "basic date": "20261127", "week date": "2026-W48-5",
    "datetime": dt.datetime(2026, 11, 27, 4, 5, 6), "with a zone": dt.datetime(2026, 11, 27, 4, 5, 6, 7, tzinfo=EAST), "midnight": dt.datetime(2026, 11, 27),
    "first moment": dt.datetime.min, "last moment": dt.datetime.max, "before all": dt.datetime.min.replace(tzinfo=EAST), "after all": dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=5))),
    "text datetime": "2026-11-27T04:05:06Z", "leap second": "2026-06-30T23:59:60Z", "hour 24": "2026-11-27T24:00:00", "with a place": "2026-11-27T04:05:06+23:59", "time": dt.time(1, 2), "timedelta": dt.timedelta(1),
    "decimal": decimal.Decimal("1.10"), "decimal NaN": decimal.Decimal("NaN"), "signalling NaN": decimal.Decimal("sNaN"), "decimal infinity": decimal.Decimal("Infinity"), "huge decimal": decimal.Decimal("1e400"),
    "complex": 1j, "object": object(), "type": int, "function": len, "ellipsis": ..., "range": range(3), "generator": (n for n in ()),
}  # fmt: skip

COLUMNS = [Column(f"a_{each}", each, choices=("S", "M") if each == "choice" else ()) for each in STORAGE]


def same(one, other):
    """As SQLite tells values apart, minus zero included."""
    return one == other and type(one) is type(other) and repr(one) == repr(other)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.type)
@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_kernel_and_room_make_the_same_of_a_value(column, format):
    """What travels is made into the same as what was given, or neither is."""
    made = 0
    for name, value in VALUES.items():
        try:
            here = coerce(column, value)
        except MutationRejected as error:
            assert error.code == "bad-value", name
            assert error.message.endswith("."), (name, error.message)
            continue
        travelled = plain({"x": wire(column, here)})
        frame = decode_up(encode(Push("e", [Mutation(1, "insert", travelled)]), format), format)
        there = coerce(column, frame.mutations[0].args["x"])
        assert same(here, there), (name, here, there)
        made += 1
    assert made >= 2


REFUSED = {
    "integer": ["yes", "text 12", "half", "2**63", "-2**63-1", "infinity", "bytes", "list", "10**5000"],
    "text": ["yes", "one", "NUL", "half a pair", "bytes", "date", "list"],
    "real": ["yes", "text 12", "infinity", "10**400", "decimal infinity", "huge decimal"],
    "boolean": ["text true", "half", "2**53", "minus one", "empty"],
    "json": [
        "infinity",
        "10,000 deep",
        "66 deep",
        "2**63",
        "half a pair",
        "keys that are odd",
        "NaN inside",
    ],
    "date": ["29 February", "month 13", "year 0", "a date in words", "datetime", "one"],
    "datetime": ["date", "before all", "after all", "leap second", "time", "a date in words"],
    "choice": ["s", "XL", "empty", "one"],
    "bytes": ["text 12", "bad base64", "base64 that is none", "base64 and more", "list", "one"],
}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.type)
def test_a_value_of_another_kind_is_no_value_of_the_column(column):
    for name in REFUSED[column.type]:
        with pytest.raises(MutationRejected) as refused:
            pytest.fail(f"{name} became {coerce(column, VALUES[name])!r:.50}")
        assert refused.value.code == "bad-value", name


@pytest.fixture(params=["json", "msgpack"])
def two(make_stage, request):
    stage = make_stage(format=request.param)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    specs = [
        {"name": each.name, "type": each.type, **({"choices": each.choices} if each.choices else {})}
        for each in COLUMNS
    ]
    ada.mutate("create_table", name="t", columns=specs)
    stage.rest()
    return stage, ada, bob


@pytest.mark.timeout(300)
def test_every_value_in_every_column_ends_alike_or_is_refused_at_the_call(two):
    """R6, R7. Nothing is refused only later, and nothing differs: not after the edit, not after the room's word."""
    stage, ada, bob = two
    kept, refused = 0, 0
    for (name, value), column in itertools.product(VALUES.items(), COLUMNS):
        id = f"{name}/{column.type}"
        try:
            args = plain({"table": "t", "id": id, "values": {column.name: as_argument(column, value)}})
            made = ada.mutate("insert", **args)
        except (MutationRejected, FrameTooLarge) as error:
            assert error.message.endswith("."), (id, error.message)
            assert error.code == "bad-value" if isinstance(error, MutationRejected) else True, id
            refused += 1
            continue
        guessed = ada.replica.view.fetch("t", [id])[id]
        stage.rest()
        assert ada.outcome(made) is None, (id, ada.outcome(made))
        stores = (ada.replica.view, bob.replica.view, stage.ledger.store)
        rows = [store.fetch("t", [id])[id] for store in stores]
        assert all(same(row, guessed) for row in rows), (id, guessed, rows)
        kept += 1
    stage.assert_agreed()
    stage.restart()
    ada.connect()
    stage.rest()
    assert ada.rows("t") == stage.rows("t")
    note("values", kept=kept, refused=refused)
    assert kept > 100
    assert refused > 300


def as_argument(column, value):
    """As ``Table`` hands it over: coerced, so that it travels as it will be kept."""
    return wire(column, coerce(column, value))
