"""Parts: frames that are not too large, with everything in them once and in an order that can be applied."""

import pytest

from partysync_server.parts import PART_BYTES, in_parts
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down

FORMATS = ["json", "msgpack"]
SPEC = m.TableSpec("todos", (m.Column("text", "text"),))


def rows(count, width=10, start=1):
    return [[n, f"r{n}", "x" * width] for n in range(start, start + count)]


def decoded(frames, format):
    return [decode_down(frame, format) for frame in frames]


def test_nothing_needs_no_part():
    assert in_parts([], [], "json") == []


@pytest.mark.parametrize("format", FORMATS)
def test_little_is_one_part(format):
    changes = [m.TableChange("todos", ["text"], rows(3), ["gone"]), m.TableChange("more", [], [], ["x"])]

    assert decoded(in_parts(changes, [SPEC], format), format) == [m.Part(changes, [SPEC])]


def test_a_new_table_alone_is_a_part():
    assert decoded(in_parts([], [SPEC], "json"), "json") == [m.Part([], [SPEC])]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("schema", [[], [SPEC]], ids=["", "with a new table"])
def test_much_is_several_parts_of_a_size(format, schema):
    """R12."""
    changes = [
        m.TableChange("todos", ["text"], rows(20_000), [f"gone{n}" for n in range(20_000)]),
        m.TableChange("more", ["text"], rows(7)),
    ]

    frames = in_parts(changes, schema, format)

    assert len(frames) > 3
    assert max(map(len, frames)) < 2 * PART_BYTES
    parts = decoded(frames, format)
    assert [spec for part in parts for spec in part.schema] == schema
    assert all(part.schema == [] for part in parts[1:])
    pieces = [change for part in parts for change in part.tables]
    assert [row for piece in pieces if piece.table == "todos" for row in piece.put] == changes[0].put
    assert [id for piece in pieces for id in piece.gone] == changes[0].gone
    assert [row for piece in pieces if piece.table == "more" for row in piece.put] == changes[1].put


def test_what_is_gone_goes_before_what_takes_its_place():
    """F12. A new row may have the position of one that is gone."""
    changes = [m.TableChange("todos", ["text"], rows(10_000, width=50), ["gone"] * 10_000)]

    parts = decoded(in_parts(changes, [], "json"), "json")

    kinds = ["gone" if part.tables[0].gone else "put" for part in parts]
    assert kinds == sorted(kinds)
    assert all(bool(part.tables[0].gone) != bool(part.tables[0].put) for part in parts)


def test_one_row_that_is_larger_than_a_part_is_a_part():
    changes = [m.TableChange("todos", ["text"], rows(3, width=2 * PART_BYTES))]

    assert len(in_parts(changes, [], "json")) == 3
