"""Batches: kept together or not at all, and every receipt in one is decided with it."""

import contextlib
import threading

import pytest

import partysync_widget as ps


def test_a_batch_is_one_mutation(room, todos, enter, wait_until):
    """R8. It shows when the block ends, in one version; nobody ever sees a part of it."""
    other = enter()
    seen = []
    other.table("todos").observe(lambda change: seen.append(set(change.rows)))
    before = room.version
    with room.batch() as batch:
        receipts = [todos.insert(id=str(n), text="row") for n in range(5)]
        assert len(todos) == 0
    assert len(todos) == 5

    assert batch.receipt.result(8) == [None] * 5
    assert [receipt.result(8) for receipt in receipts] == [[None] * 5] * 5
    assert room.version == before + 1
    wait_until(lambda: seen)
    assert seen == [{"0", "1", "2", "3", "4"}]


def test_a_batch_that_the_room_refuses_leaves_nothing(enter, go_offline, go_online):
    """R8. The id is taken meanwhile, which the author cannot know."""
    ann, bob = enter(), enter()
    todos = ann.table("todos", text=str)
    go_offline(ann)
    with ann.batch() as batch:
        todos.insert(id="new", text="ann's")
        last = todos.insert(id="taken", text="ann's")
    bob.sync(8)
    bob.table("todos").insert(id="taken", text="bob's").result(8)
    go_online(ann)

    for receipt in (batch.receipt, last):
        with pytest.raises(ps.MutationRejected, match="There is a row with this id in todos already"):
            receipt.result(8)
    assert todos.records == [{"id": "taken", "text": "bob's"}]


def test_an_exception_in_a_batch_drops_it_and_settles_its_receipts(room, todos):
    """R6."""
    with contextlib.suppress(ZeroDivisionError), room.batch() as batch:
        receipt = todos.insert(text="milk")
        _ = 1 / 0

    assert len(todos) == 0
    assert room.pending == 0
    for each in (receipt, batch.receipt):
        assert each.done()
        with pytest.raises(ps.MutationRejected):
            each.result(8)
    assert todos.insert(text="bread").result(8) is None


def test_a_batch_that_is_refused_here_settles_its_receipts(room, todos):
    """R6, R7."""
    receipts = []
    with pytest.raises(ps.MutationRejected, match="There is a row with this id"), room.batch():
        receipts += [todos.insert(id="1", text="a"), todos.insert(id="1", text="b")]

    assert len(todos) == 0
    assert room.pending == 0
    for receipt in receipts:
        assert receipt.done()
        with pytest.raises(ps.MutationRejected):
            receipt.result(8)


def test_an_inner_batch_is_part_of_the_outer(room, todos):
    """R8. Whole or not at all is also said of the outer one."""
    with contextlib.suppress(ZeroDivisionError), room.batch():
        todos.insert(id="outer", text="a")
        with room.batch():
            todos.insert(id="inner", text="b")
        _ = 1 / 0

    room.sync(8)
    assert list(todos) == []


def test_an_empty_batch_is_accepted(room):
    with room.batch() as batch:
        pass

    assert batch.receipt.result(1) == []


def test_a_table_may_be_made_in_a_batch(room):
    with room.batch():
        table = room.table("new", x=int)
        table.insert(x=1)

    room.sync(8)
    assert [row["x"] for row in table.records] == [1]


def test_a_batch_is_of_its_own_thread(room, todos):
    with room.batch():
        elsewhere = threading.Thread(target=lambda: todos.insert(id="other", text="x").result(8))
        elsewhere.start()
        elsewhere.join(8)
        assert list(todos) == ["other"]
        todos.insert(id="mine", text="x")

    assert list(todos) == ["other", "mine"]
