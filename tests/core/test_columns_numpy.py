"""Columns, for the values that data comes in: NumPy's scalars and pandas' times. The core imports neither."""

import datetime as dt

import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_up, encode
from partysync_widget.core.columns import bind, coerce, column, wire
from partysync_widget.core.errors import MutationRejected, SchemaMismatch

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def of(type_):
    return m.Column("c", type_, choices=("red", "green") if type_ == "choice" else ())


TAKEN = [
    ("text", np.str_("numpy"), "numpy"),
    ("integer", np.int64(3), 3),
    ("integer", np.uint8(255), 255),
    ("integer", np.float32(2), 2),
    ("real", np.float32(0.5), 0.5),
    ("real", np.float64(0.1), 0.1),
    ("real", np.int8(-1), -1.0),
    ("boolean", np.bool_(True), 1),
    ("boolean", np.int64(0), 0),
    ("json", np.float64(0.5), "0.5"),
    ("json", np.bool_(False), "false"),
    ("datetime", np.datetime64("2026-11-23T04:05:06", "us"), "2026-11-23T04:05:06.000000Z"),
    ("datetime", np.datetime64("2026-11-23T04:05:06", "s"), "2026-11-23T04:05:06.000000Z"),
    ("datetime", pd.Timestamp("2026-11-23 04:05:06.000789"), "2026-11-23T04:05:06.000789Z"),
    ("datetime", pd.Timestamp("2026-11-23 09:00", tz="Asia/Tokyo"), "2026-11-23T00:00:00.000000Z"),
    ("datetime", pd.Timestamp(1_000_000_001, unit="ns"), "1970-01-01T00:00:01.000000Z"),
    ("date", np.datetime64("2026-11-23"), "2026-11-23"),
    ("date", pd.Timestamp("2026-11-23"), "2026-11-23"),
    ("choice", np.str_("red"), "red"),
]
REFUSED = [
    ("text", np.int64(3), "3"),
    ("integer", np.bool_(True), "True"),
    ("integer", np.uint64(2**63), "64 bits"),
    ("integer", np.float64(1.5), "1.5"),
    ("real", np.bool_(False), "False"),
    ("real", np.float64("inf"), "inf"),
    ("boolean", np.int64(2), "2"),
    ("date", pd.Timestamp("2026-11-23 12:00"), "time of day"),
    ("choice", np.str_("blue"), "'red', 'green'"),
]


@pytest.mark.parametrize("format", ["json", "msgpack"])
@pytest.mark.parametrize(("type_", "value", "stored"), TAKEN)
def test_a_value_is_stored_as_and_the_other_side_stores_the_same(type_, value, stored, format):
    made = coerce(of(type_), value)
    frame = m.Push("e", [m.Mutation(1, "insert", {"c": wire(of(type_), made)})])
    arrived = decode_up(encode(frame, format), format).mutations[0].args["c"]

    assert made == stored == coerce(of(type_), arrived)
    assert type(made) is type(stored)


@pytest.mark.parametrize(("type_", "value", "why"), REFUSED)
def test_a_wrong_value_is_refused_with_a_sentence(type_, value, why):
    with pytest.raises(MutationRejected) as refused:
        coerce(of(type_), value)

    assert refused.value.code == "bad-value"
    assert refused.value.message.startswith("c takes ")
    assert why in refused.value.message


@pytest.mark.parametrize(
    "value",
    [
        np.float64("nan"),
        np.float32("nan"),
        pd.NaT,
        np.datetime64("NaT"),
        np.datetime64("NaT", "ns"),
        pd.NA,
    ],
    ids=repr,
)
@pytest.mark.parametrize("type_", ["text", "integer", "real", "boolean", "json", "datetime", "date", "choice", "bytes"])
def test_not_a_number_and_not_a_time_are_no_value(type_, value):
    assert coerce(of(type_), value) is None


def test_a_time_in_nanoseconds_is_a_time():
    """What ``frame["when"].to_numpy()`` holds."""
    value = np.datetime64("2026-11-23T04:05:06", "ns")

    assert coerce(of("datetime"), value) == "2026-11-23T04:05:06.000000Z"
    with pytest.raises(MutationRejected):
        coerce(of("integer"), value)


@pytest.mark.parametrize("type_", ["integer", "json", "text"])
def test_an_array_is_refused_like_any_other_wrong_value(type_):
    with pytest.raises(MutationRejected, match="takes"):
        coerce(of(type_), np.array([1, 2]))


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.bool_(True), 1),
        (np.str_("a"), "a"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00.000000Z"),
        (pd.NaT, None),
        (pd.NA, None),
        (np.float64("nan"), None),
        (np.datetime64("2026-01-02T00:00", "ns"), "2026-01-02T00:00:00.000000Z"),
    ],
)
def test_a_value_is_bound_in_sql_as(value, bound):
    made = bind(value)

    assert made == bound
    assert type(made) is type(bound)


@pytest.mark.parametrize("kind", [np.float64, np.dtype("int64"), pd.Timestamp])
def test_a_numpy_type_is_no_column_type(kind):
    with pytest.raises(SchemaMismatch, match="cannot be a"):
        column(kind, name="c")


def test_a_time_of_pandas_is_shown_as_the_standard_librarys():
    stored = coerce(of("datetime"), pd.Timestamp("2026-01-02", tz="UTC"))

    assert dt.datetime.fromisoformat(stored) == dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
