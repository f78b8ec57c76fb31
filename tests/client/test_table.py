"""A table: a mapping that everybody in the room shares, its edits, its observers."""

import contextvars
import threading

import pytest

import partysync_widget as ps


def test_a_table_is_a_mapping_from_id_to_row(todos):
    todos.insert(id="b", text="second letter, first row")
    todos.insert(id="a", text="x", done=True)

    assert todos["a"] == todos.get("a") == {"id": "a", "text": "x", "done": True}
    assert (len(todos), list(todos), "a" in todos, "c" in todos, 5 in todos) == (2, ["b", "a"], True, False, False)
    assert [row["id"] for row in todos.values()] == ["b", "a"]
    assert dict(todos)["b"]["done"] is None
    assert todos.get("c") is None
    with pytest.raises(KeyError, match="There is no row 'c' in todos"):
        _ = todos["c"]
    assert repr(todos).startswith("<Table 'todos' of room 'room-")


def test_an_id_is_made_up_unless_it_is_given(todos):
    receipts = [todos.insert(text="x") for _ in range(200)]

    assert list(todos) == [receipt.id for receipt in receipts]
    assert len(set(todos)) == 200
    assert todos.insert(id="mine").id == "mine"
    for id, message in (("", "needs an id"), (5, "id takes text, not 5"), ("nul\0", "NUL")):
        with pytest.raises(ps.MutationRejected, match=message):
            todos.insert(id=id)


def test_records_are_in_the_order_of_insertion_on_every_side(room, todos, enter):
    """The room's order, also for who inserted first and was decided last."""
    other = enter()
    there = other.table("todos")
    for n in range(50):
        (todos, there)[n % 2].insert(text=str(n))
    for each in (room, other, room):
        each.sync(8)
    todos.update(next(iter(todos)), text="still first").result(8)

    assert todos.records[0]["text"] == "still first"
    other.sync(8)
    assert todos.records == there.records == enter().table("todos").records


def test_records_follow_every_change(todos):
    """They are kept between changes, and never stale."""
    receipt = todos.insert(text="a")
    assert [row["text"] for row in todos.records] == ["a"]
    todos.update(receipt.id, text="b")
    assert [row["text"] for row in todos.records] == ["b"]
    receipt.result(8)
    todos.delete(receipt.id)
    assert todos.records == []


def test_rows_are_copies_to_the_last_list(room):
    table = room.table("t", tags=list)
    table.insert(id="1", tags=[1, {"a": []}])
    for row in (table.records[0], table["1"], next(iter(table.values()))):
        row["tags"][1]["a"].append("mine")
        row["tags"].append(2)
        row["new"] = True

    assert table.records == [{"id": "1", "tags": [1, {"a": []}]}] == [table["1"]]


def test_an_update_changes_the_columns_it_names(room, todos, enter, go_offline, go_online):
    """Two people who write to two columns of a row both keep what they wrote."""
    other = enter()
    todos.insert(id="1", text="old", done=False).result(8)
    other.sync(8)
    for each in (room, other):
        go_offline(each)
    todos.update("1", text="new")
    other.table("todos").update("1", done=True)
    for each in (room, other, room):
        go_online(each)

    assert todos["1"] == other.table("todos")["1"] == {"id": "1", "text": "new", "done": True}


def test_upsert_inserts_or_changes(todos):
    todos.upsert("1", text="a", done=True).result(8)
    todos.upsert("1", text="b").result(8)

    assert todos.records == [{"id": "1", "text": "b", "done": True}]


def test_what_is_not_there(todos):
    for edit in (lambda: todos.update("x", text="a"), lambda: todos.update("x"), lambda: todos.delete("x")):
        with pytest.raises(ps.MutationRejected, match="There is no row 'x' in todos") as refused:
            edit()
        assert refused.value.code == "unknown-row"
    for edit in (lambda: todos.insert(txet="a"), lambda: todos.update("x", txet="a")):
        with pytest.raises(ps.MutationRejected, match="todos has no column 'txet'. It has: id, text, done"):
            edit()
    with pytest.raises(ps.MutationRejected, match="There is no table 'nowhere' in this room. It has: todos"):
        todos.room.table("nowhere")


def test_a_row_deleted_by_two_is_gone_and_neither_is_wrong(room, todos, enter, go_offline, go_online):
    other = enter()
    todos.insert(id="1").result(8)
    other.sync(8)
    go_offline(room)
    mine = todos.delete("1")
    other.table("todos").delete("1").result(8)
    go_online(room)

    assert mine.result(8) is None
    assert "1" not in todos


def test_an_update_of_a_row_that_is_gone_by_then_is_rejected(room, todos, enter, go_offline, go_online):
    """R6, R7."""
    other = enter()
    todos.insert(id="1", text="old").result(8)
    other.sync(8)
    go_offline(room)
    mine, after = todos.update("1", text="new"), todos.insert(id="2")
    other.table("todos").delete("1").result(8)
    go_online(room)

    with pytest.raises(ps.MutationRejected, match="There is no row '1' in todos. It may have been deleted"):
        mine.result(8)
    assert after.result(8) is None
    assert list(todos) == ["2"]


def test_an_observer_hears_every_change_once_and_in_order(todos, enter, wait_until):
    """R8."""
    heard = []
    todos.observe(lambda change: heard.append((change.table, change.rows)))
    there = enter().table("todos")
    there.insert(id="1", text="a").result(8)
    there.update("1", text="b").result(8)
    there.delete("1").result(8)
    wait_until(lambda: len(heard) == 3)

    assert heard == [
        ("todos", {"1": {"id": "1", "text": "a", "done": None}}),
        ("todos", {"1": {"id": "1", "text": "b", "done": None}}),
        ("todos", {"1": None}),
    ]


def test_the_last_that_an_observer_hears_of_a_row_is_how_it_is(room, todos, enter, wait_until):
    shown = {}

    def follow(change):
        shown.update(change.rows)

    todos.observe(follow)
    other = enter()
    for n in range(100):
        todos.upsert(str(n % 7), text=f"mine {n}")
        if n % 3 == 0:
            other.sync(8)
            other.table("todos").upsert(str(n % 5), text=f"theirs {n}")
    for each in (room, other, room):
        each.sync(8)

    wait_until(lambda: shown == dict(todos))


def test_an_observer_of_ones_own_edit_hears_at_once_offline_too(room, todos, go_offline, wait_until):
    """R7."""
    go_offline(room)
    heard = []
    todos.observe(lambda change: heard.append(change.rows))
    todos.insert(id="1", text="a")

    wait_until(lambda: heard == [{"1": {"id": "1", "text": "a", "done": None}}])


def test_an_observer_is_called_in_the_context_it_was_registered_in(todos, wait_until):
    """What it prints lands in the cell that registered it."""
    cell = contextvars.ContextVar("cell", default="none")
    heard = []

    def register(name):
        cell.set(name)
        todos.observe(lambda change: heard.append((name, cell.get(), threading.current_thread().name)))

    for name in ("first", "second"):
        contextvars.copy_context().run(register, name)
    todos.insert(text="a")

    wait_until(lambda: len(heard) >= 2)
    assert {(name, seen) for name, seen, _ in heard} == {("first", "first"), ("second", "second")}
    assert "partysync-io" not in {thread for *_, thread in heard}


def test_an_observer_may_edit_and_wait(todos, wait_until):
    done = []

    def finish(change):
        for id, row in change.rows.items():
            if row is not None and not row["done"]:
                done.append(todos.update(id, done=True).result(8))

    todos.observe(finish)
    todos.insert(id="1", done=False)

    wait_until(lambda: done and todos["1"]["done"])
    assert set(done) == {None}  # twice, where the insert was decided before the update was made


def test_one_observers_mistake_is_not_the_others(todos, wait_until, monkeypatch):
    told, heard = [], []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    todos.observe(lambda change: 1 / 0)
    todos.observe(lambda change: heard.append(list(change.rows)))
    for id in ("1", "2"):
        todos.insert(id=id).result(8)

    wait_until(lambda: [ids for ids in heard if ids] and {id for ids in heard for id in ids} == {"1", "2"})
    wait_until(lambda: told and set(told) == {ZeroDivisionError})


def test_a_subscription_can_be_ended(room, todos):
    heard = []
    subscription = todos.observe(heard.append)
    subscription.close()
    subscription.close()
    todos.insert(text="a")
    room.sync(8)

    assert heard == []


def test_edits_from_many_threads_all_arrive(room, todos, enter):
    """Everything here may be called from any thread."""

    def edit(who):
        for n in range(50):
            receipt = todos.insert(id=f"{who}-{n}", text="a")
            todos.update(receipt.id, done=True)
            assert len(todos.records) > 0

    people = [threading.Thread(target=edit, args=(who,)) for who in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)
    room.sync(8)

    assert len(todos) == 200
    assert all(row["done"] for row in todos.records)
    assert enter().table("todos").records == todos.records
