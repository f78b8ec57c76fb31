"""``room.inspect``: base, pending and view of a table, and that looking changes nothing."""

import pytest

import partysync_widget as ps


def ids(rows):
    return [row["id"] for row in rows]


def test_base_is_what_the_room_has_decided_and_view_has_the_edits_over_it(room, todos, go_offline, go_online):
    """R7."""
    todos.insert(id="milk", text="buy milk", done=False).result(8)
    go_offline(room)
    todos.update("milk", done=True)
    todos.insert(id="tea", text="more tea")

    layers = room.inspect("todos")

    assert layers.version == room.version
    assert layers.base == [{"id": "milk", "text": "buy milk", "done": False}]
    assert [(edit.name, edit.args["id"], edit.shown) for edit in layers.pending] == [
        ("update", "milk", True),
        ("insert", "tea", True),
    ]
    assert layers.view == todos.records
    assert ids(layers.view) == ["milk", "tea"]

    go_online(room)
    layers = room.inspect("todos")
    assert layers.base == layers.view == todos.records
    assert layers.pending == []


def test_a_table_that_is_itself_pending_has_no_base(room, go_offline):
    go_offline(room)
    room.table("new", text=str).insert(id="a", text="written before the table was")

    layers = room.inspect("new")

    assert layers.base == []
    assert [edit.name for edit in layers.pending] == ["create_table", "insert"]
    assert ids(layers.view) == ["a"]


def test_an_edit_that_does_not_fit_the_base_shows_nothing(room, todos, go_offline):
    """R7. As after a rebase that has taken its row away, before the room has said so."""
    todos.insert(id="milk", text="buy milk").result(8)
    go_offline(room)
    todos.update("milk", done=True)
    with room.connection.lock:
        replica = room.connection.replica
        replica._to_base()
        replica.store.execute("DELETE FROM todos")
        replica._replay()

    layers = room.inspect("todos")

    assert [edit.shown for edit in layers.pending] == [False]
    assert layers.view == []
    assert "does not fit the base" in repr(layers)


def test_looking_changes_nothing_and_the_edits_still_arrive(room, todos, enter, go_offline, go_online):
    go_offline(room)
    todos.insert(id="tea", text="more tea")
    before = todos.records, room.version, room.pending

    for _ in range(3):
        room.inspect("todos")

    assert (todos.records, room.version, room.pending) == before
    go_online(room)
    assert enter().table("todos")["tea"]["text"] == "more tea"


def test_it_reads_as_text(room, todos, go_offline):
    todos.insert(id="milk", text="buy milk", done=False).result(8)
    go_offline(room)
    todos.update("milk", text="buy oat milk")

    assert repr(room.inspect("todos")).splitlines() == [
        "todos, base at version 2",
        "    id    text      done",
        "    milk  buy milk  False",
        "pending",
        "    3: update(table='todos', id='milk', values={'text': 'buy oat milk'})",
        "view",
        "    id    text          done",
        "    milk  buy oat milk  False",
    ]


def test_an_unknown_table_is_refused(room):
    with pytest.raises(ps.MutationRejected, match="There is no table 'nothing'"):
        room.inspect("nothing")
