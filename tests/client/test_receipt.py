"""Receipts: where the room's word is heard, by waiting, by awaiting, and by interrupting either."""

import asyncio
import time

import pytest

import partysync_widget as ps

INTERRUPTED = """
import os, signal, sys, threading, time
import partysync_widget as ps

room = ps.connect("interrupted", url=sys.argv[1], token=sys.argv[2])
table = room.table("t", x=int)
table.insert(x=1).result(8)
room.offline()
while room.status != "offline":
    time.sleep(0.01)
receipt = table.insert(id="kept", x=2)
waits = {
    "result": lambda: receipt.result(),
    "result with a limit": lambda: receipt.result(30),
    "sync": lambda: room.sync(),
    "connect": lambda: ps.connect("x", url=sys.argv[3], token="", timeout=30),
}
for name, wait in waits.items():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    try:
        wait()
    except KeyboardInterrupt:
        assert time.monotonic() - begun < 2, name
        print(name)
room.online()
receipt.result(8)
print(table["kept"])
"""


@pytest.fixture
def rejected(room, todos, enter, go_offline, go_online):
    """A receipt that the room has refused."""
    go_offline(room)
    receipt = todos.insert(id="1", text="mine")
    other = enter()
    other.table("todos").insert(id="1", text="theirs").result(8)
    go_online(room)
    return receipt


def test_a_receipt_is_pending_and_then_accepted(room, todos, go_offline, go_online):
    go_offline(room)
    receipt = todos.insert(id="1", text="milk")

    assert not receipt.done()
    assert (receipt.id, receipt.mid, receipt.name) == ("1", 2, "insert")
    assert repr(receipt) == "<Receipt insert of '1': pending>"
    go_online(room)
    assert receipt.done()
    assert receipt.result() is None
    assert repr(receipt) == "<Receipt insert of '1': accepted>"


def test_a_receipt_that_is_rejected_says_why_each_time(rejected):
    """R6."""
    for _ in range(2):
        with pytest.raises(ps.MutationRejected, match="There is a row with this id in todos already") as error:
            rejected.result(8)
        assert error.value.code == "constraint"
    assert "rejected: There is a row with this id" in repr(rejected)


def test_a_receipt_that_takes_too_long_says_that_the_edit_is_kept(room, todos, go_offline, go_online):
    go_offline(room)
    receipt = todos.insert(text="milk")

    with pytest.raises(ps.NotConnected, match=r"not decided insert within 0.05 s. The edit is kept and sent again"):
        receipt.result(0.05)
    go_online(room)
    assert receipt.result(8) is None


def test_what_one_wrote_is_never_gone_for_a_moment(room, todos):
    """R2, R7. While earlier edits are decided, one by one, the later ones stay in view."""
    receipts = []
    for n in range(300):
        receipts.append(todos.insert(id=str(n), done=True))
        assert len(todos) == n + 1
    while not receipts[-1].done():
        assert len(todos) == 300
        assert todos["299"]["done"] is True
    assert len(todos) == 300


def test_a_receipt_can_be_awaited(room, todos, rejected):
    async def edit():
        assert await todos.insert(text="milk") is None
        assert await asyncio.gather(*(todos.insert(text="bread") for _ in range(20))) == [None] * 20
        with pytest.raises(ps.MutationRejected, match="There is a row with this id"):
            await rejected
        return await asyncio.wait_for(todos.insert_many([{"text": "a"}, {"text": "b"}]), 8)

    assert asyncio.run(edit()) == 2


def test_an_await_that_is_given_up_leaves_the_edit(room, todos, go_offline, go_online):
    go_offline(room)
    receipt = todos.insert(text="milk")

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receipt, 0.05)

    asyncio.run(give_up())
    go_online(room)
    assert receipt.result(8) is None


def test_an_await_wakes_the_loop_so_that_an_interrupt_gets_in(room, todos, go_offline):
    """ipykernel delivers an interrupt when its loop wakes, and not before."""
    go_offline(room)
    receipt = todos.insert(text="milk")
    woken = []

    async def wait():
        loop = asyncio.get_running_loop()
        inner, select = loop._selector, loop._selector.select

        def note(timeout):
            woken.append(timeout)
            return select(timeout)

        inner.select = note
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receipt, 1)

    asyncio.run(wait())
    assert len(woken) >= 4
    assert max(timeout for timeout in woken if timeout is not None) <= 0.25


def test_a_wait_can_be_interrupted_and_the_edit_is_kept(server, run_python):
    """The I/O thread lives, and what was waited for arrives."""
    with asyncio.Runner() as runner:
        silent = runner.run(asyncio.start_server(lambda *_: None, "127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        begun = time.monotonic()

        said = run_python(INTERRUPTED, server.url, server.token, nowhere)
        silent.close()
    assert said.splitlines() == ["result", "result with a limit", "sync", "connect", "{'id': 'kept', 'x': 2}"]
    assert time.monotonic() - begun < 10


def test_a_load_is_decided_when_its_last_part_is(room, todos, go_offline, go_online):
    go_offline(room)
    receipt = todos.insert_many([{"text": str(n)} for n in range(2500)])
    assert (len(todos), receipt.done()) == (2500, False)
    go_online(room)

    assert receipt.result(8) == 2500
    assert len(receipt.receipts) == 3


def test_a_load_of_which_a_part_is_refused_says_so(room, todos, enter, go_offline, go_online):
    go_offline(room)
    receipt = todos.insert_many([{"id": str(n)} for n in range(2500)])
    enter().table("todos").insert(id="1500").result(8)
    go_online(room)

    with pytest.raises(ps.MutationRejected, match="There is a row with this id"):
        receipt.result(8)
    assert len(todos) == 1501


def test_an_empty_load_is_decided_at_once(todos):
    assert todos.insert_many([]).result(1) == 0


def test_a_receipt_keeps_its_room_until_it_is_decided(server):
    """The shortest way to say it works: nothing here is given a name."""
    for n in range(10):
        room = f"of a line {n}"
        assert ps.connect(room, url=server.url, token=server.token).table("t", x=int).insert(x=1).result(8) is None
