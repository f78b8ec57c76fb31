"""Authors: who wrote the rows of a live delta, as long as the room remembers (R11)."""

import pytest

from partysync_server import authors as module
from partysync_server.authors import Authors
from partysync_server.ledger import SIGNED_ROWS, Ledger
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from tests.server.callers import Client, create, turn
from tests.stage import Todos


@pytest.fixture
def ada(room):
    return Client(room, "ada")


@pytest.fixture
def bob(room):
    return Client(room, "bob")


def load(mid, rows, prefix="r"):
    args = {"table": "todos", "columns": ["id", "text"], "rows": [[f"{prefix}{n}", "x"] for n in range(rows)]}
    return m.Mutation(mid, "insert_rows", args)


def by(room, base):
    return [change.by for change in room.ledger.delta(base).tables]


# --- versions -------------------------------------------------------------------------------------------------------


def test_a_version_is_by_whoever_made_it():
    authors = Authors()
    for version, client in enumerate(["ada", "ada", "bob", "ada"], 7):
        authors.add(version, client)

    assert [authors.of(version) for version in range(5, 11)] == ["", "", "ada", "ada", "bob", "ada"]
    assert [authors.of_all_after(base) for base in (6, 8, 9, 10)] == ["", "", "ada", "ada"]


def test_nobody_has_made_anything_yet():
    assert (Authors().of(1), Authors().of_all_after(0)) == ("", "")


def test_who_made_what_long_ago_is_forgotten(monkeypatch):
    """R12."""
    monkeypatch.setattr(module, "KEPT_RUNS", 10)
    authors = Authors()
    for version in range(1, 1001):
        authors.add(version, f"client-{version}")

    assert len(authors._starts) <= 20
    assert [authors.of(version) for version in (1, 980, 991, 1000)] == ["", "", "client-991", "client-1000"]


# --- rows -----------------------------------------------------------------------------------------------------------


def test_rows_by_one_client_are_signed_once(room, ada):
    """R11, V8."""
    ada.push(create(1), create(2))
    turn(room)

    assert by(room, 0) == [["ada"]]


def test_rows_by_several_are_signed_each(room, ada, bob):
    """R11, V8. The last to touch a row has written it, whatever became of other edits."""
    ada.push(create(1, "a"), create(2, "b"), create(3, "c"), create(4, "a"))
    bob.push(create(1, "d"), m.Mutation(2, "finish", {"id": "b"}))
    ada.push(m.Mutation(5, "delete", {"table": "todos", "id": "c"}))
    turn(room)

    (change,) = room.ledger.delta(0).tables
    signed = dict(zip([row[1] for row in change.put], change.by, strict=True))
    assert (signed, change.gone) == ({"a": "ada", "d": "bob", "b": "bob"}, ["c"])


def test_a_table_that_only_one_wrote_to_has_one_name(make_stage, room, ada, bob):
    """R11. Though others have written elsewhere."""
    ada.push(create(1))
    bob.push(m.Mutation(1, "finish", {"id": "nobody's"}))
    turn(room)

    assert by(room, 0) == [["ada"]]


def test_where_nothing_was_put_nobody_signs(room, ada):
    ada.push(create(1), m.Mutation(2, "clear", {}))
    turn(room)

    assert by(room, 1) == [[]]


def test_many_rows_by_several_are_not_signed(room, ada, bob):
    """R12, V8. Nobody waits for it; so many are."""
    ada.push(load(1, SIGNED_ROWS - 1))
    bob.push(create(1, "b"))
    turn(room)
    assert len(by(room, 0)[0]) == SIGNED_ROWS

    ada.push(create(2, "a"))
    turn(room)
    assert by(room, 0) == [[]]
    assert by(room, 2) == [["ada"]]


def test_after_a_restart_nobody_knows(room, ada, bob):
    """R11, V8. What was made since is signed."""
    ada.push(create(1, "a"))
    turn(room)
    room.ledger.close()
    room.recover(Ledger(room.ledger.path, Todos, room.ledger.epoch))
    assert by(room, 0) == [[]]

    bob.push(create(1, "b"))
    turn(room)
    assert by(room, 0) == [["", "bob"]]
    assert by(room, 1) == [["bob"]]


def test_only_unknown_rows_and_a_rejection_since_are_not_signed(room, ada, bob):
    ada.push(create(1, "a"))
    turn(room)
    room.ledger.close()
    room.recover(Ledger(room.ledger.path, Todos, room.ledger.epoch))
    bob.push(create(1, "a"))
    turn(room)

    assert by(room, 0) == [[]]


@pytest.mark.parametrize("several", [False, True])
def test_a_delta_in_parts_is_signed_as_a_whole_one(room, ada, bob, monkeypatch, several):
    """R8, R11."""
    for each in ("partysync_server.deltas", "partysync_server.parts"):
        monkeypatch.setattr(f"{each}.PART_BYTES", 500)
    ada.push(load(1, 100))
    if several:
        bob.push(create(1, "b"))
    turn(room)

    parts = [decode_down(raw, "json") for raw in room.frames(bob.session) if b'"part"' in raw]
    signed = {
        row[1]: each.by[0] if len(each.by) == 1 else each.by[place]
        for part in parts
        for each in part.tables
        for place, row in enumerate(each.put)
    }
    assert len(parts) > 3
    assert signed == {**{f"r{n}": "ada" for n in range(100)}, **({"b": "bob"} if several else {})}
