"""Values: what a person writes is what everybody reads; what cannot be is refused with what to write instead."""

import datetime as dt
import enum

import pytest

import partysync_widget as ps

NOON = dt.datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=dt.UTC)
CET = dt.timezone(dt.timedelta(hours=1))


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "L"


COLUMNS = {
    "text": str,
    "count": int,
    "share": float,
    "done": bool,
    "tags": list,
    "at": dt.datetime,
    "day": dt.date,
    "size": Size,
    "raw": bytes,
}

# What a person writes, and what everybody reads.
VALUES = [
    ("text", "", ""),
    ("text", "é 漢 🦋 \n\t\x01", "é 漢 🦋 \n\t\x01"),
    ("text", "x" * 100_000, "x" * 100_000),
    ("count", 2**63 - 1, 2**63 - 1),
    ("count", -(2**63), -(2**63)),
    ("count", 3.0, 3),
    ("share", 0.1 + 0.2, 0.1 + 0.2),
    ("share", 1, 1.0),
    ("share", 5e-324, 5e-324),
    ("share", float("nan"), None),
    ("done", True, True),
    ("done", 0, False),
    ("tags", [1, "two", None, {"three": [3.5, True]}], [1, "two", None, {"three": [3.5, True]}]),
    ("tags", {}, {}),
    ("tags", "text", "text"),
    ("at", NOON, NOON),
    ("at", NOON.astimezone(CET), NOON),
    ("at", NOON.replace(tzinfo=None), NOON),
    ("at", "2026-11-23T13:00:00.123456+01:00", NOON),
    ("day", dt.date(2026, 11, 23), dt.date(2026, 11, 23)),
    ("day", "2026-11-23", dt.date(2026, 11, 23)),
    ("size", Size.SMALL, "S"),
    ("size", "L", "L"),
    ("raw", bytes(range(256)), bytes(range(256))),
    ("raw", bytearray(b"x"), b"x"),
    *((name, None, None) for name in COLUMNS),
]

WRONG = [
    ("text", 5, r"text takes text, not 5 \(int\). Write str\(…\) around it"),
    ("text", "nul\0", "cannot hold a NUL"),
    ("text", "half \ud800", "Half a surrogate pair"),
    ("count", "5", "count takes a whole number within 64 bits, not '5'"),
    ("count", 2**63, "whole number within 64 bits"),
    ("count", 0.5, "whole number"),
    ("count", True, "whole number"),
    ("share", "0.5", "share takes a finite number"),
    ("share", float("inf"), "finite number"),
    ("done", "yes", "done takes True or False, not 'yes'"),
    ("done", 2, "True or False"),
    ("tags", 1j, "tags takes plain data"),
    ("tags", [object()], "plain data"),
    ("tags", [float("nan")], "not a number that can be shared"),
    ("at", "noon", "at takes a datetime or ISO 8601 text"),
    ("at", dt.date(2026, 11, 23), "no time of day"),
    ("day", NOON, "time of day would be lost"),
    ("day", "23.11.2026", "day takes a date or ISO 8601 text"),
    ("size", "M", "size takes one of 'S', 'L', not 'M'"),
    ("raw", "text", r"raw takes bytes.*Write value.encode\(\) for text"),
]


def test_every_type_comes_back_as_it_was_meant(enter):
    """At the author's before and after the room's word, at a peer's, and from the room's file."""
    room, peer = enter(), enter()
    table = room.table("t", **COLUMNS)
    for n, (name, value, _) in enumerate(VALUES):
        table.insert(id=str(n), **{name: value})
    expected = [{"id": str(n), **dict.fromkeys(COLUMNS), name: read} for n, (name, _, read) in enumerate(VALUES)]

    assert table.records == expected
    room.sync(8)
    peer.sync(8)
    assert table.records == peer.table("t").records == enter().table("t").records == expected
    assert all(type(row[name]) is type(read) for row, (name, _, read) in zip(table.records, VALUES, strict=True))


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_value_is_refused_with_what_to_write(enter, name, value, message):
    room = enter()
    table = room.table("t", **COLUMNS)

    for edit in (table.insert, lambda **values: table.upsert("1", **values)):
        with pytest.raises(ps.MutationRejected, match=message) as refused:
            edit(**{name: value})
        assert refused.value.code == "bad-value"
    assert (len(table), room.pending) == (0, 0)
