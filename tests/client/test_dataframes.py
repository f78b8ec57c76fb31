"""DataFrames in and out: pandas, polars and Arrow, each as its own users write it."""

import datetime as dt
import importlib
import math

import narwhals as nw
import pytest

import partysync_widget as ps
from partysync_widget.table import PROGRESS_ROWS

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.date(2026, 11, 23)
KINDS = ["pandas", "polars", "arrow"]

COLUMNS = {
    "text": str,
    "count": int,
    "share": float,
    "done": bool,
    "at": dt.datetime,
    "day": dt.date,
    "raw": bytes,
    "size": ["S", "L"],
    "tags": list,
}
FULL = {
    "text": "é",
    "count": 2**40,
    "share": 0.5,
    "done": True,
    "at": NOON,
    "day": DAY,
    "raw": b"\0\xff",
    "size": "S",
    "tags": [1, {"a": None}],
}
EMPTY = dict.fromkeys(FULL)

MAKE = {
    "dicts": lambda rows: rows,
    "a generator": lambda rows: (row for row in rows),
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "polars, lazy": pl.LazyFrame,
    "arrow": pa.Table.from_pylist,
    "narwhals": lambda rows: nw.from_native(pl.DataFrame(rows)),
    "anything with __arrow_c_stream__": lambda rows: ArrowStream(pa.Table.from_pylist(rows)),
}


class ArrowStream:
    """A DataFrame of a library that nobody here has heard of."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.fixture
def table(room):
    return room.table("t", **COLUMNS)


def as_dicts(frame):
    match frame:
        case pd.DataFrame():
            return [
                {name: None if nothing(value) else value for name, value in row.items()}
                for row in frame.to_dict("records")
            ]
        case pl.DataFrame():
            return frame.to_dicts()
        case pa.Table():
            return frame.to_pylist()


def nothing(value):
    return value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def types_of(frame):
    match frame:
        case pd.DataFrame():
            return {name: str(dtype) for name, dtype in frame.dtypes.items()}
        case pl.DataFrame():
            return {name: str(dtype) for name, dtype in frame.schema.items()}
        case pa.Table():
            return {field.name: str(field.type) for field in frame.schema}


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_goes_out_as_the_library_has_it(table, kind):
    table.insert(id="full", **FULL)
    table.insert(id="empty")

    tags = '[1,{"a":null}]' if kind == "arrow" else FULL["tags"]  # Arrow has no type for what is of any form
    assert as_dicts(table.df(kind)) == [{"id": "full", **FULL, "tags": tags}, {"id": "empty", **EMPTY}]


@pytest.mark.parametrize("kind", KINDS)
def test_columns_have_their_types_empty_or_not(table, kind):
    """So that code which worked on an empty table goes on to work."""
    types = types_of(table.df(kind))
    table.insert(id="full", **FULL)

    assert list(types) == ["id", *COLUMNS]
    assert types == types_of(table.df(kind))
    assert {"Int64", "int64"} & set(types.values())


def test_integers_beside_nothing_stay_integers(table):
    table.insert(id="1", count=2**62 + 1)
    table.insert(id="2")

    assert table.df("pandas")["count"].tolist() == [2**62 + 1, pd.NA]


def test_without_a_kind_the_first_that_is_installed(table, monkeypatch):
    find, missing = importlib.util.find_spec, []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find(name))

    for name, expected in (("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("pyarrow", pa.Table)):
        assert isinstance(table.df(), expected)
        missing.append(name)
    with pytest.raises(ps.PartySyncError, match=r"No DataFrame library is installed. Type `pip install pandas`"):
        table.df()


def test_a_kind_that_is_none_and_one_that_is_missing(table, monkeypatch):
    with pytest.raises(ps.MutationRejected, match="no kind of DataFrame 'excel'. Use one of pandas, polars, arrow"):
        table.df("excel")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(ps.PartySyncError, match="polars is not installed. Type `pip install polars`"):
        table.df("polars")


@pytest.mark.parametrize("make", MAKE)
def test_rows_come_in_from_whatever_holds_them(table, enter, make):
    rows = [{**FULL, "id": "full"}, {**EMPTY, "id": "empty"}]
    if make not in {"dicts", "a generator"}:  # a list of this and that is no column of a DataFrame
        rows = [{**row, "tags": row["tags"] and [1, 2]} for row in rows]
    receipt = table.insert_many(MAKE[make](rows))

    assert receipt.result(8) == 2
    assert (
        table.records
        == enter().table("t").records
        == [{"id": row["id"], **{n: row[n] for n in COLUMNS}} for row in rows]
    )


def test_rows_without_an_id_get_one_each(table):
    table.insert_many([{"text": "a"}, {"text": "b", "id": "mine"}, {"text": "c", "id": None}])

    assert [row["text"] for row in table.records] == ["a", "b", "c"]
    assert len(set(table)) == 3
    assert "mine" in table


def test_what_pandas_has_for_nothing_is_nothing(table):
    table.insert_many(
        pd.DataFrame(
            {
                "text": pd.array(["a", pd.NA], dtype="string"),
                "count": [1.0, float("nan")],
                "share": [np.float32(0.5), np.nan],
                "done": pd.array([True, pd.NA], dtype="boolean"),
                "at": pd.to_datetime(["2026-11-23T13:00:00+01:00", None], utc=True),
            },
            index=[7, 9],
        )
    )

    assert [{name: row[name] for name in ("text", "count", "share", "done", "at")} for row in table.records] == [
        {"text": "a", "count": 1, "share": 0.5, "done": True, "at": NOON},
        dict.fromkeys(("text", "count", "share", "done", "at")),
    ]


def test_pandas_categories_and_numpy_scalars(table):
    table.insert_many(pd.DataFrame({"size": pd.Categorical(["S", "L", None]), "count": np.arange(3, dtype="uint8")}))
    table.insert(text=np.str_("a"), count=np.int64(5), done=np.bool_(True), share=np.float64(1)).result(8)

    assert [(row["size"], row["count"]) for row in table.records] == [("S", 0), ("L", 1), (None, 2), (None, 5)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"count": 1}, {"count": "two"}], r"Row 1: count takes a whole number .*'two'.*Nothing was inserted"),
        ([{"text": "a"}, {"txet": "b"}], r"t has no column 'txet'. It has: id, text"),
        ([{"text": "a"}, "b"], r"Row 1 is a str, not a dict: 'b'"),
        ([{"id": ""}], "id"),
        ({"text": ["a", "b"]}, r"insert_many takes a DataFrame or an iterable of dicts, not a dict"),
        (5, "not a int"),
        ([{"id": "1"}, {"id": "1"}], "There is a row with this id in t already"),
    ],
)
def test_rows_that_are_wrong_are_named_and_nothing_is_inserted(table, rows, message):
    with pytest.raises(ps.MutationRejected, match=message):
        table.insert_many(rows).result(8)

    assert len(table) == 0
    assert table.room.pending == 0


@pytest.mark.parametrize("make", ["pandas", "polars", "arrow", "narwhals", "anything with __arrow_c_stream__"])
def test_a_table_is_made_from_the_columns_of_a_dataframe(room, make):
    """And then takes that very DataFrame, also where pandas keeps dates, bytes and lists as objects."""
    rows = [{**EMPTY, "id": "empty"}, {**FULL, "id": "full", "tags": [1]}]
    columns = ps.columns_of(MAKE[make](rows))
    table = room.table("new", **columns)
    table.insert_many(MAKE[make](rows)).result(8)

    assert {name: column.type for name, column in columns.items()} == {
        "text": "text",
        "count": "real" if make == "pandas" else "integer",  # beside nothing, pandas has no integers
        "share": "real",
        "done": "boolean",
        "at": "datetime",
        "day": "date",
        "raw": "bytes",
        "size": "text",
        "tags": "json",
    }
    assert table.records[1] == {"id": "full", **{name: FULL[name] for name in COLUMNS}, "tags": [1]}


def test_columns_of_something_else(room):
    with pytest.raises(ps.MutationRejected, match="columns_of takes a DataFrame, not a list"):
        ps.columns_of([{"a": 1}])


@pytest.mark.parametrize("kind", KINDS)
def test_what_went_out_comes_in_again(room, table, kind):
    table.insert(id="1", **{**FULL, "tags": None})
    table.insert(id="2")
    other = room.table("other", **COLUMNS)
    other.insert_many(table.df(kind)).result(8)

    assert other.records == table.records


class Bar:
    made = []

    def __init__(self, total, desc, unit):
        self.total, self.desc, self.unit, self.done = total, desc, unit.strip(), 0
        self.made.append(self)

    def update(self, n):
        self.done += n

    def close(self):
        self.done = (self.done, "closed")


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    monkeypatch.setattr(Bar, "made", [])
    return Bar.made


@pytest.mark.parametrize(
    ("rows", "wanted", "shown"),
    [(PROGRESS_ROWS, None, True), (PROGRESS_ROWS, False, False), (10, None, False), (10, True, True), (0, True, False)],
)
def test_a_long_load_shows_its_progress(room, bars, rows, wanted, shown):
    table = room.table("long", x=int)
    table.insert_many(({"x": n} for n in range(rows)), progress=wanted).result(30)

    assert [vars(bar) for bar in bars] == [
        {"total": rows, "desc": "long", "unit": "rows", "done": (rows, "closed")} for _ in range(shown)
    ]
    assert len(table) == rows


def test_a_load_in_a_batch_is_whole(room, table):
    """R8."""
    before = room.version
    with room.batch():
        table.insert_many([{"text": str(n)} for n in range(3000)])
    room.sync(8)

    assert len(table) == 3000
    assert room.version == before + 1


def test_a_load_in_a_batch_that_is_too_large_says_so(room, table):
    with (
        pytest.raises(ps.ProtocolError, match=r"This edit is .* bytes, and the room takes at most 1,048,576"),
        room.batch(),
    ):
        table.insert_many([{"text": "x" * 1000} for _ in range(2000)])

    assert (len(table), room.pending) == (0, 0)


def test_rows_of_very_different_size_still_fit_into_frames(table):
    """Chunks are cut by a sample; what the sample misses must not make a chunk that the room refuses."""
    rows = [{"text": "x"} for _ in range(4000)]
    for n in range(1001, 1040):
        rows[n] = {"text": "x" * 100_000}

    assert table.insert_many(rows).result(30) == 4000
    assert len(table) == 4000
