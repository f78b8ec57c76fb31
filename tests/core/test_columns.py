"""Columns: what goes in, how it is kept, what comes out, and that both sides of a wire agree about it."""

import base64
import datetime as dt
import decimal
import enum
import math
import re
import typing
import uuid

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partysync_widget.core import messages as m
from partysync_widget.core.codec import INT_MAX, INT_MIN, decode_up, encode
from partysync_widget.core.columns import EXPECTS, STORAGE, bind, coerce, column, literal, present, wire
from partysync_widget.core.errors import MutationRejected, SchemaMismatch

TYPES = list(typing.get_args(m.ColumnType))
UTC = dt.UTC
TOKYO = dt.timezone(dt.timedelta(hours=9))


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Size(enum.IntEnum):
    SMALL = 1


class Talkative:
    def __repr__(self):
        return "x" * 10_000


def of(type_):
    """A column ``c`` of a type."""
    return m.Column("c", type_, choices=("red", "green") if type_ == "choice" else ())


# --- what a column may be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (str, "text"), (int, "integer"), (float, "real"), (bool, "boolean"), (dict, "json"), (list, "json"),
        (object, "json"), (typing.Any, "json"), (dt.datetime, "datetime"), (dt.date, "date"), (bytes, "bytes"),
        (list[int], "json"), (dict[str, float], "json"), (str | None, "text"),
        (typing.Optional[int], "integer"),  # noqa: UP045  # older code writes it so
        (None | dt.date, "date"), *((name, name) for name in TYPES if name != "choice"),
    ],
)  # fmt: skip
def test_a_column_is_made_from_what_a_person_writes(kind, type_):
    assert column(kind, name="c") == m.Column("c", type_)


@pytest.mark.parametrize(
    "kind",
    [
        ["red", "green"], ("red", "green"), typing.Literal["red", "green"], Colour,
        typing.Literal["red", "green"] | None,
    ],
)  # fmt: skip
def test_a_list_of_choices_is_a_column_too(kind):
    assert column(kind, name="c") == m.Column("c", "choice", choices=("red", "green"))


@pytest.mark.parametrize("kind", [{"red", "green"}, frozenset({"red", "green"})])
def test_choices_without_an_order_get_one_that_every_kernel_finds(kind):
    assert column(kind, name="c").choices == ("green", "red")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (complex, "complex"),
        ("varchar", "varchar"),
        ("choice", "choice"),
        (None, "None"),
        ([], r"\[\]"),
        (int | str, "int | str"),
        (7, "7"),
        ([1, 2], "must all be text"),
        (typing.Literal["a", 1], "must all be text"),
        (Size, "must all be text"),
    ],
)
def test_anything_else_is_refused_with_the_column_and_what_to_write(kind, why):
    with pytest.raises(SchemaMismatch, match=why) as refused:
        column(kind, name="size")

    assert "'size'" in str(refused.value)


def test_choices_without_an_order_are_refused_when_they_cannot_have_one():
    with pytest.raises(SchemaMismatch, match="must all be text"):
        column({"red", 1}, name="c")


def test_a_column_is_taken_as_it_is_and_may_get_a_name():
    made = m.Column("", "integer", required=True)

    assert column(made, name="n") == m.Column("n", "integer", required=True)
    assert column(m.Column("n", "text")) == m.Column("n", "text")


@pytest.mark.parametrize(
    ("kind", "default", "kept"),
    [
        (int, 0, 0),
        (bool, False, False),
        (str, "", ""),
        (dict, {"a": [1]}, {"a": [1]}),
        (bytes, b"\x00\xff", {"base64": "AP8="}),
        (dt.date, dt.date(2026, 11, 23), "2026-11-23"),
        (Colour, Colour.RED, "red"),
        (int, None, None),
    ],
)
def test_a_default_is_kept_as_it_travels(kind, default, kept):
    made = column(kind, name="c", required=True, default=default)

    assert made.default == kept
    assert type(made.default) is type(kept)
    assert made.required
    assert coerce(made, made.default) == coerce(made, default)


def test_a_default_must_be_a_value_of_its_column():
    with pytest.raises(MutationRejected, match="red"):
        column(Colour, name="c", default="blue")


# --- what goes in ---------------------------------------------------------------------------------------------------

FULL = dt.datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)

TAKEN = {
    "text": [
        ("", ""), ("text", "text"), ("🧬 \n\t", "🧬 \n\t"), (" kept ", " kept "),
    ],
    "integer": [
        (0, 0), (INT_MAX, INT_MAX), (INT_MIN, INT_MIN), (3.0, 3), (-0.0, 0), (decimal.Decimal("4.0"), 4),
        (Size.SMALL, 1), (2.0**62, 2**62),
    ],
    "real": [
        (1.5, 1.5), (1, 1.0), (-0.0, -0.0), (5e-324, 5e-324), (1.7e308, 1.7e308),
        (decimal.Decimal("0.25"), 0.25), (2**53, 2.0**53),
    ],
    "boolean": [(True, 1), (False, 0), (1, 1), (0, 0)],
    "json": [
        ({"a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true]}'), ([], "[]"), ("text", '"text"'), (1, "1"),
        (True, "true"), ((1, 2), "[1,2]"), ("\0", '"\\u0000"'), ("🧬", '"🧬"'), (-0.0, "-0.0"), (INT_MIN, str(INT_MIN)),
        ({"b": 1, "a": 2}, '{"b":1,"a":2}'), (dt.date(2026, 1, 2), '"2026-01-02"'), (Colour.RED, '"red"'),
        (uuid.UUID(int=0), '"00000000-0000-0000-0000-000000000000"'), ({1.5}, "[1.5]"),
    ],
    "datetime": [
        (FULL, "2026-11-23T04:05:06.000789Z"),
        (dt.datetime(2026, 11, 23), "2026-11-23T00:00:00.000000Z"),
        (dt.datetime(2026, 11, 23, 9, tzinfo=TOKYO), "2026-11-23T00:00:00.000000Z"),
        ("2026-11-23T14:30:00Z", "2026-11-23T14:30:00.000000Z"),
        ("2026-11-23T14:30:00+09:00", "2026-11-23T05:30:00.000000Z"),
        (" 2026-11-23 14:30 ", "2026-11-23T14:30:00.000000Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000000Z"),
        (dt.datetime.min, "0001-01-01T00:00:00.000000Z"),
        (dt.datetime.max, "9999-12-31T23:59:59.999999Z"),
        (dt.datetime(1, 1, 1, 0, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
    "date": [
        (dt.date(2026, 11, 23), "2026-11-23"),
        (dt.date.min, "0001-01-01"),
        (dt.date.max, "9999-12-31"),
        (dt.datetime(2026, 11, 23), "2026-11-23"),
        (dt.datetime(2026, 11, 23, tzinfo=TOKYO), "2026-11-23"),
        ("2026-11-23", "2026-11-23"),
        (" 2026-11-23\n", "2026-11-23"),
    ],
    "choice": [("red", "red"), (Colour.GREEN, "green")],
    "bytes": [
        (b"", b""), (b"\0\xff", b"\0\xff"), (bytearray(b"ab"), b"ab"), (memoryview(b"abcd")[::2], b"ac"),
        ({"base64": ""}, b""), ({"base64": "AP8="}, b"\0\xff"),
    ],
}  # fmt: skip
NO_VALUE = [None, math.nan, decimal.Decimal("NaN")]

REFUSED = {
    "text": [
        (1, "Write str"), (True, "True"), (b"a", "bytes"), (1.5, "float"), (["a"], "list"), (Colour.RED, "Colour"),
        ("a\0b", "NUL"), ("\ud800", "surrogate"), ("ok\udfff", "surrogate"), (dt.date(2026, 1, 1), "date"),
    ],
    "integer": [
        (INT_MAX + 1, "64 bits"), (INT_MIN - 1, "64 bits"), (1.5, "1.5"), (True, "True"), (False, "False"),
        ("1", "'1'"), (math.inf, "inf"), (-math.inf, "-inf"), (1e300, "64 bits"), (decimal.Decimal("1.5"), "Decimal"),
        ([1], "list"), (1j, "complex"),
    ],
    "real": [
        (True, "True"), ("1.5", "'1.5'"), (math.inf, "inf"), (-math.inf, "-inf"), (10**400, "finite"), (1j, "complex"),
        (decimal.Decimal("1e400"), "Decimal"), ({}, "dict"),
        (decimal.Decimal("-Infinity"), "Decimal"),
    ],
    "boolean": [(2, "2"), (-1, "-1"), (1.0, "1.0"), ("true", "'true'"), ("", "''"), ([], "list")],
    "json": [
        (math.inf, "inf"), ([math.nan], "nan"), ({"a": {"b": math.inf}}, "inf"), ("\ud800", "surrogate"),
        ({1: 2}, "The key 1 is not text"), (INT_MAX + 1, "64 bits"), (object(), "object"), (lambda: 0, "function"),
        (1j, "complex"), ({"\udfff": 1}, "surrogate"),
    ],
    "datetime": [
        (1_700_000_000, "int"), (dt.date(2026, 1, 1), "time of day"), ("yesterday", "'yesterday'"), ("", "''"),
        ("2026-13-01T00:00:00", "2026-13-01"), (True, "True"), (dt.time(1), "time"),
        (dt.datetime(1, 1, 1, tzinfo=TOKYO), "datetime"),
        (dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-2))), "datetime"),
        ("0001-01-01T00:00:00+14:00", "datetime"),
    ],
    "date": [
        (dt.datetime(2026, 11, 23, 1), "time of day"), ("23.11.2026", "23.11.2026"), (1, "int"), ("", "''"),
        ("2026-11-23T00:00:00", "2026-11-23T00"), (True, "True"),
    ],
    "choice": [("blue", "'red', 'green'"), ("Red", "'red', 'green'"), (1, "'red', 'green'"), (Size.SMALL, "'red'")],
    "bytes": [
        ("text", "encode"), (1, "int"), ([1], "list"), ({"base64": "A"}, "dict"), ({"base64": "*"}, "dict"),
        ({"base64": 1}, "dict"), ({"base64": "AA==", "more": 1}, "dict"), ({"base64": "é"}, "dict"), ({}, "dict"),
    ],
}  # fmt: skip


def rows(table):
    return [(type_, *row) for type_ in TYPES for row in table[type_]]


def show(value):
    """The same in every process, as pytest-xdist wants it."""
    return value if isinstance(value, str) and value in TYPES else re.sub(" at 0x[0-9a-f]+", "", repr(value))[:30]


@pytest.mark.parametrize(("type_", "value", "stored"), rows(TAKEN), ids=show)
def test_a_value_is_stored_as(type_, value, stored):
    """V3, V4."""
    made = coerce(of(type_), value)

    assert made == stored
    assert type(made) is type(stored)
    assert str(made) == str(stored)  # which tells -0.0 from 0.0


@pytest.mark.parametrize(("type_", "value", "stored"), rows(TAKEN), ids=show)
def test_what_is_stored_is_what_sqlite_keeps_in_a_strict_table(type_, value, stored):
    connection = apsw.Connection(":memory:")
    connection.execute(f"CREATE TABLE t (c {STORAGE[type_]}) STRICT")

    connection.execute("INSERT INTO t VALUES (?)", (coerce(of(type_), value),))

    kept = connection.execute("SELECT c FROM t").get
    assert kept == stored
    assert type(kept) is type(stored)


@pytest.mark.parametrize("value", NO_VALUE, ids=repr)
@pytest.mark.parametrize("type_", TYPES)
def test_nothing_not_a_number_and_not_a_time_are_all_no_value(type_, value):
    assert coerce(of(type_), value) is None


@pytest.mark.parametrize(("type_", "value", "why"), rows(REFUSED), ids=show)
def test_a_wrong_value_is_refused_with_the_column_the_value_and_what_to_write(type_, value, why):
    with pytest.raises(MutationRejected) as refused:
        coerce(of(type_), value)

    assert refused.value.code == "bad-value"
    assert refused.value.message.startswith("c takes ")
    assert (EXPECTS[type_] if type_ != "choice" else "one of 'red', 'green'") in refused.value.message
    assert why in refused.value.message


@pytest.mark.parametrize("type_", TYPES)
def test_a_refused_value_is_shown_no_longer_than_a_line(type_):
    with pytest.raises(MutationRejected) as refused:
        coerce(of(type_), Talkative())

    assert len(str(refused.value)) < 400


def recursive():
    value = []
    value.append(value)
    return value


def deep():
    value = 1
    for _ in range(10_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("integer", decimal.Decimal("Infinity")),
        ("integer", decimal.Decimal("1e30")),
        ("integer", decimal.Decimal("sNaN")),
        ("real", decimal.Decimal("sNaN")),
        ("integer", 10**5000),
        ("text", 10**5000),
        ("json", recursive()),
        ("json", deep()),
    ],
    ids=["infinity", "a large decimal", "a signal", "a signal too", "digits", "digits too", "a circle", "a tower"],
)
def test_a_strange_value_is_refused_like_any_other(type_, value):
    with pytest.raises(MutationRejected) as refused:
        coerce(of(type_), value)

    assert refused.value.code == "bad-value"


# --- over the wire --------------------------------------------------------------------------------------------------

both_formats = pytest.mark.parametrize("format", ["json", "msgpack"])


def travel(value, format):
    """A value of a row to the room and back out of the decoder, as in a push."""
    frame = m.Push("e", [m.Mutation(1, "insert", {"values": {"c": value}})])
    return decode_up(encode(frame, format), format).mutations[0].args["values"]["c"]


def assert_agreed(type_, value, format):
    stored = coerce(of(type_), value)
    again = coerce(of(type_), travel(wire(of(type_), stored), format))

    assert again == stored
    assert type(again) is type(stored)
    assert str(again) == str(stored)


@both_formats
@pytest.mark.parametrize(("type_", "value", "stored"), rows(TAKEN), ids=show)
def test_both_sides_of_a_wire_store_the_same(type_, value, stored, format):
    """V4. The guess and the truth come from one function; what it makes of a value and of its wire form is one."""
    assert_agreed(type_, value, format)


@both_formats
@pytest.mark.parametrize("type_", TYPES)
def test_no_value_travels_as_null(type_, format):
    assert travel(wire(of(type_), None), format) is None


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
json_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
zones = st.none() | st.timezones() | st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone)
VALUES = {
    "text": text,
    "integer": st.integers(INT_MIN, INT_MAX) | st.integers(-(2**53), 2**53).map(float),
    "real": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300),
    "boolean": st.booleans() | st.integers(0, 1),
    "json": st.recursive(
        st.none() | st.booleans() | st.integers(INT_MIN, INT_MAX) | st.floats(allow_nan=False, allow_infinity=False)
        | json_text | st.dates() | st.uuids(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_text, inner, max_size=3),
        max_leaves=8,
    ),
    "datetime": st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1), timezones=zones),
    "date": st.dates() | st.dates().map(str),
    "choice": st.sampled_from(["red", "green", Colour.RED]),
    "bytes": st.binary(max_size=40) | st.binary(max_size=40).map(bytearray),
}  # fmt: skip


@pytest.mark.parametrize("type_", TYPES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_both_sides_of_a_wire_store_the_same_whatever_it_is(type_, data):
    value = data.draw(VALUES[type_])

    for format in ("json", "msgpack"):
        assert_agreed(type_, value, format)


@settings(max_examples=40, deadline=None)
@given(st.datetimes(dt.datetime(2, 1, 1), timezones=zones), st.datetimes(dt.datetime(2, 1, 1), timezones=zones))
def test_stored_datetimes_sort_by_time(one, other):
    stored = coerce(of("datetime"), one), coerce(of("datetime"), other)
    shown = present(of("datetime"), stored[0]), present(of("datetime"), stored[1])

    assert (stored[0] < stored[1]) == (shown[0] < shown[1])
    assert (stored[0] == stored[1]) == (shown[0] == shown[1])


# --- what comes out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "stored", "shown"),
    [
        ("text", "a", "a"),
        ("integer", 3, 3),
        ("real", 1.5, 1.5),
        ("boolean", 1, True),
        ("boolean", 0, False),
        ("json", '{"a":[1,null]}', {"a": [1, None]}),
        ("json", "null", None),
        ("datetime", "2026-11-23T04:05:06.000789Z", FULL),
        ("datetime", "2026-11-23 04:05", dt.datetime(2026, 11, 23, 4, 5, tzinfo=UTC)),
        ("date", "2026-11-23", dt.date(2026, 11, 23)),
        ("choice", "red", "red"),
        ("choice", "of a party that has more", "of a party that has more"),
        ("bytes", b"\0", b"\0"),
    ],
)
def test_a_stored_value_is_shown_as_a_person_works_with_it(type_, stored, shown):
    found = present(of(type_), stored)

    assert found == shown
    assert type(found) is type(shown)


@pytest.mark.parametrize("type_", TYPES)
def test_no_value_is_shown_as_none(type_):
    assert present(of(type_), None) is None


@pytest.mark.parametrize(
    ("type_", "stored"),
    [
        ("json", "{broken"), ("json", ""), ("json", "1e999"), ("json", '"\\ud800"'),
        ("datetime", "noon"), ("datetime", ""), ("date", "2026-02-30"), ("date", "today"),
        ("json", "[" * 100_000),
    ],
)  # fmt: skip
def test_text_that_a_partys_own_sql_broke_is_shown_as_it_is(type_, stored):
    assert present(of(type_), stored) == stored


@pytest.mark.parametrize(("type_", "value", "stored"), rows(TAKEN), ids=show)
def test_what_is_shown_can_be_written_again(type_, value, stored):
    again = coerce(of(type_), present(of(type_), stored))

    assert again == stored


# --- values in somebody's own SQL -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (None, None), (math.nan, None), (True, 1), (False, 0), (3, 3), (1.5, 1.5), ("a", "a"),
        (b"\0", b"\0"), (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"), (FULL, "2026-11-23T04:05:06.000789Z"), (dt.date(2026, 1, 2), "2026-01-02"),
        ({"a": 1}, '{"a":1}'), ([1], "[1]"), ((1, "b"), '[1,"b"]'),
    ],
    ids=show,
)  # fmt: skip
def test_a_value_is_bound_as(value, bound):
    made = bind(value)

    assert made == bound
    assert type(made) is type(bound)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.inf, "inf"), (INT_MAX + 1, "64 bits"), ("\ud800", "surrogate"), (1j, "complex"),
        (decimal.Decimal(1), "Decimal"), (object(), "object"), ([math.nan], "nan"), ({1: 2}, "key 1"),
    ],
    ids=show,
)  # fmt: skip
def test_a_value_that_sql_cannot_hold_is_refused(value, why):
    with pytest.raises(MutationRejected, match=why) as refused:
        bind(value)

    assert refused.value.code == "bad-value"


@pytest.mark.parametrize("value", [None, 0, -7, 1.5, "it's", 'a "b"', "🧬", "; DROP TABLE todos; --", b"\0'\xff"])
def test_a_literal_is_the_value_again(value):
    assert apsw.Connection(":memory:").execute(f"SELECT {literal(value)}").get == value


def test_json_text_is_what_any_reader_of_json_reads():
    stored = coerce(of("json"), {"k": [1, 2.5, "é", None]})

    assert msgspec.json.decode(stored) == {"k": [1, 2.5, "é", None]}


def test_bytes_travel_as_base64():
    """V4."""
    assert wire(of("bytes"), b"\0\xff") == {"base64": base64.b64encode(b"\0\xff").decode()}
