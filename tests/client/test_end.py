"""The end of a room: closed, let go, or left open by a process that ends. Nobody is left waiting."""

import contextlib
import gc
import threading
import weakref

import pytest

import partysync_widget as ps


def test_close_settles_what_is_undecided(room, todos, go_offline, wait_until):
    """R6."""
    go_offline(room)
    receipt = todos.insert(id="1", text="milk")
    room.close()

    with pytest.raises(ps.OutcomeUnknown, match="has not said what became of insert: it was closed first") as error:
        receipt.result(8)
    assert (error.value.name, error.value.args_of_mutation["id"]) == ("insert", "1")
    wait_until(lambda: room.status == "closed")


def test_close_ends_a_sync(room, go_offline):
    go_offline(room)
    waited = []

    def wait():
        with pytest.raises(ps.NotConnected, match="ended while it was being synced") as error:
            room.sync(8)
        waited.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not room.connection._barriers:
        pass
    room.close()
    waiting.join(8)
    assert waited


def test_a_closed_room_says_so_and_still_shows_its_rows(room, todos, wait_until):
    todos.insert(id="1", text="milk").result(8)
    room.close()
    room.close()
    wait_until(lambda: room.status == "closed")

    assert todos.records == [{"id": "1", "text": "milk", "done": None}]
    assert room.sql("SELECT count(*) AS n FROM todos") == [{"n": 1}]
    for edit in (lambda: todos.insert(text="bread"), lambda: room.table("new", x=int), room.sync):
        with pytest.raises(ps.NotConnected, match=r"The room .* is closed. Connect again."):
            edit()


def test_edits_made_just_before_the_end_of_a_with_block_arrive(enter, server):
    for attempt in range(10):
        with ps.connect(f"with-{attempt}", url=server.url, token=server.token) as room:
            table = room.table("t", x=int)
            for n in range(100):
                table.insert(x=n)
        again = enter(f"with-{attempt}")
        again.sync(8)
        assert [row["x"] for row in again.table("t").records] == list(range(100))


def test_every_receipt_settles_when_a_room_is_closed_under_its_editors(enter, wait_until):
    """R6."""
    for attempt in range(25):
        room = enter(f"hammered-{attempt}")
        table, receipts, started = room.table("t", x=int), [], threading.Barrier(4)

        def hammer(table=table, receipts=receipts, started=started):
            started.wait(8)
            with contextlib.suppress(ps.NotConnected):  # that it is closed
                while True:
                    receipts.append(table.insert(x=1))

        editors = [threading.Thread(target=hammer) for _ in range(3)]
        for editor in editors:
            editor.start()
        started.wait(8)
        wait_until(lambda receipts=receipts: len(receipts) > 50)
        room.close()
        for editor in editors:
            editor.join(8)
        wait_until(lambda receipts=receipts: all(receipt.done() for receipt in receipts), 3, "settling of each receipt")


def test_a_room_that_is_let_go_is_left(lone_server, wait_until):
    room = ps.connect("r", url=lone_server.url, token=lone_server.token)
    table = room.table("t", x=int)
    table.observe(lambda change: None).close()
    table.insert(x=1).result(8)
    assert len(table.records) == 1
    gone = weakref.ref(room)
    assert lone_server.sessions() == 1
    del room, table
    gc.collect()

    assert gone() is None
    wait_until(lambda: lone_server.sessions() == 0, what="the end of the session")


def test_a_process_that_ends_with_open_rooms_ends_at_once_and_its_edits_arrive(server, enter, run_python):
    run_python(
        """
import sys
import partysync_widget as ps
room = ps.connect("left open", url=sys.argv[1], token=sys.argv[2])
table = room.table("t", x=int)
for n in range(100):
    table.insert(x=n)
""",
        server.url,
        server.token,
        seconds=20,
    )
    room = enter("left open")

    assert [row["x"] for row in room.table("t").records] == list(range(100))
