"""The line of a room: in step, cut on purpose, cut by the server's end; and what comes of edits meanwhile."""

import logging
import shutil

import pytest

import partysync_widget as ps
from partysync_widget.io_thread import spawn


def test_sync_means_all_mine_is_decided_and_all_decided_is_here(enter):
    rooms = [enter() for _ in range(3)]
    rooms[0].table("t", x=int)
    for each in rooms:
        each.sync(8)
    for turn in range(20):
        for place, each in enumerate(rooms):
            each.table("t").insert(id=f"{turn}-{place}", x=turn)
            each.sync(8)
            assert each.pending == 0
        for each in rooms:
            each.sync(8)
            assert len(each.table("t")) == 3 * (turn + 1)


def test_sync_that_takes_too_long_says_why(room, go_offline):
    go_offline(room)

    with pytest.raises(ps.NotConnected, match=r"was not in step within 0.1 s"):
        room.sync(0.1)


def test_who_would_wait_for_themselves_is_told(room, todos, go_offline):
    go_offline(room)
    receipt = todos.insert(text="milk")

    async def wait(function):
        function()

    for function in (room.sync, receipt.result):
        with pytest.raises(RuntimeError, match="on PartySync's I/O thread, which would wait for itself"):
            spawn(wait(function)).result(8)


def test_when_offline_returns_the_line_is_cut(room, todos, enter):
    """What is edited after it stays here; it used to slip out every other time."""
    there = enter().table("todos")
    for n in range(20):
        room.offline()
        assert room.status == "offline"
        todos.insert(id=str(n), text="stays here")
        there.insert(id=f"there-{n}", text="decided after it, if it had got out").result(8)
        assert str(n) not in there
        room.online()
        room.sync(8)


def test_offline_edits_queue_and_replay(room, todos, enter, go_offline, go_online):
    """R4, R5, R6."""
    other = enter()
    there = other.table("todos")
    for n in range(4):
        todos.insert(id=str(n), text="old")
    room.sync(8)
    other.sync(8)
    go_offline(room)
    receipts = [todos.update("0", text="mine"), todos.delete("1"), todos.insert(id="new", text="mine")]
    for each in (there.update("0", done=True), there.delete("2"), there.insert(id="theirs", text="theirs")):
        each.result(8)

    assert room.pending == 3
    assert not any(receipt.done() for receipt in receipts)
    assert list(todos) == ["0", "2", "3", "new"]
    go_online(room)
    assert all(receipt.done() for receipt in receipts)
    other.sync(8)
    assert todos.records == there.records
    assert {row["id"]: (row["text"], row["done"]) for row in todos.records} == {
        "0": ("mine", True),
        "3": ("old", None),
        "theirs": ("theirs", None),
        "new": ("mine", None),
    }


def test_offline_and_online_may_be_said_in_any_order(room, todos):
    for n in range(30):
        room.offline()
        todos.insert(id=str(n), text="x")
        room.online()
    room.offline()
    room.offline()
    room.online()
    room.sync(8)

    assert room.status == "live"
    assert len(todos) == 30


def test_the_status_and_its_trouble(lone_server, enter, wait_until):
    room = enter("r", at=lone_server)
    lone_server.kill()
    wait_until(lambda: "There is no room server at" in room.trouble, what="the trouble being said")

    assert room.status in ("waiting", "connecting")
    lone_server.start()
    wait_until(lambda: room.status == "live", what="coming back")
    assert room.trouble == ""


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_server_that_comes_back_finds_everybody(lone_server, enter, end):
    """R5, R6, R9."""
    ann, bob = enter("r", at=lone_server), enter("r", at=lone_server)
    todos = ann.table("todos", text=str)
    todos.insert(id="before", text="x").result(8)
    bob.sync(8)
    getattr(lone_server, end)()
    receipts = [todos.insert(id="ann", text="x"), bob.table("todos").insert(id="bob", text="x")]
    lone_server.start()
    for receipt in receipts:
        assert receipt.result(8) is None
    for room in (ann, bob):
        room.sync(8)

    assert todos.records == bob.table("todos").records
    assert sorted(todos) == ["ann", "before", "bob"]


def test_a_history_that_was_replaced_is_announced(lone_server, enter, caplog):
    """R10. The room's files are gone; what was decided is not taken for the new room's, and edits go on."""
    room = enter("r", at=lone_server)
    todos = room.table("todos", text=str)
    todos.insert(id="old", text="x").result(8)
    with caplog.at_level(logging.WARNING, logger="partysync"):
        lone_server.stop()
        shutil.rmtree(lone_server.data / "rooms")
        lone_server.start()
        room.sync(8)

    assert "The room's history was replaced" in caplog.text
    assert room.tables == []
    room.table("todos", text=str).insert(id="new", text="x").result(8)
    assert list(room.table("todos")) == ["new"]
