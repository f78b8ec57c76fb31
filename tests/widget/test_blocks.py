"""Blocks: rows on their way to a browser and back, without loss."""

import msgspec
import pytest

from partysync_widget.blocks import PART, block, digits, from_browser, parts, to_browser
from partysync_widget.core.columns import coerce
from partysync_widget.core.messages import Column

COLUMNS = (Column("n", "integer"), Column("t", "text"), Column("j", "json"), Column("b", "bytes"))


def test_a_snapshot_is_cut_into_parts_of_about_a_megabyte():
    rows = [(n, f"r{n}", n, "x" * 100, '{"a":1}', b"bytes") for n in range(40_000)]

    made = list(parts(COLUMNS, rows, {"columns": []}))
    assert len(made) > 5
    assert max(len(buffer) for _, buffer in made) < 1.5 * PART
    assert [place["part"] for place, _ in made] == list(range(len(made)))
    assert {place["of"] for place, _ in made} == {len(made)}
    assert [id_ for _, buffer in made for id_ in msgspec.json.decode(buffer)["ids"]] == [row[1] for row in rows]


def test_no_rows_are_one_part():
    ((place, buffer),) = parts(COLUMNS, [], {"pending": []})

    assert place == {"part": 0, "of": 1}
    assert msgspec.json.decode(buffer) == {"pending": [], "ids": [], "at": [], "cols": [[], [], [], []]}


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("integer", 2**53), ("integer", -(2**63)), ("integer", 7), ("real", 0.5), ("boolean", 1), ("text", "2"),
        ("json", '{"a":[1,null]}'), ("bytes", b"\0\xff"), ("date", "2026-11-23"), ("text", None),
        ("datetime", "2026-11-23T04:05:06.000000Z"),
    ],
)  # fmt: skip
def test_a_value_survives_the_way_to_the_browser_and_back(kind, stored):
    column = Column("c", kind)
    (sent,) = msgspec.json.decode(msgspec.json.encode(to_browser(column, [stored])))

    assert coerce(column, from_browser([column], {"c": sent})["c"]) == stored
    if isinstance(stored, int) and abs(stored) >= 2**53:
        assert isinstance(sent, str)


@pytest.mark.parametrize("value", ["", "-", "1.5", "١٢", "9" * 5000, "0x10", None, 5, True])
def test_only_plain_digits_are_read_as_an_integer(value):
    assert digits(value) is value


def test_rows_stand_column_by_column():
    columns = (Column("a", "text"), Column("done", "boolean"))

    assert block(columns, [(1, "x", "A", 1), (2, "y", "B", None)]) == {
        "ids": ("x", "y"), "at": (1, 2), "cols": [("A", "B"), [True, None]],
    }  # fmt: skip
