"""The connection: lines that are cut, held or spoken on by something else; forks, interrupts and threads."""

import json
import random
import re
import threading
import time

import msgspec
import pytest

import partysync_widget as ps
from partysync_widget import connection
from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode
from partysync_widget.core.party import Main
from partysync_widget.dial import offers

SEED = 20261123


def welcome(**changes):
    frame = m.Welcome(
        protocol=m.PROTOCOL,
        epoch="e",
        version=0,
        last_mid=0,
        limits=m.Limits(1 << 20, 256),
        party=Main.fingerprint(),
        mutators=["insert"],
    )
    return encode(msgspec.structs.replace(frame, **changes), "json").decode()


def said(frame, /, **fields):
    return json.dumps({"type": frame, **fields})


def test_a_wait_is_for_every_edit_before_it_also_for_one_made_while_earlier_ones_are_sent(enter, monkeypatch):
    """``room.sync``: another thread edits and then waits, just when what had gathered before is on its way."""
    room = enter(name="ann")
    table = room.table("t", n=int)
    room.sync(8)
    line, sent, waits = room.connection, [], []
    send = line._send

    def edit_and_wait():
        table.insert(id="second", n=2)
        waits.append(line.barrier())

    def sends(frames):
        frames = [*frames]
        if not waits and any(isinstance(frame, m.Push) for frame in frames):
            other = threading.Thread(target=edit_and_wait)
            other.start()
            other.join()
        sent.extend(frames)
        send(frames)

    monkeypatch.setattr(line, "_send", sends)
    table.insert(id="first", n=1).result(8)
    waits[0].result(8)

    said = [["push", *(each.args["id"] for each in frame.mutations)] if isinstance(frame, m.Push) else "wait"
            for frame in sent if isinstance(frame, m.Push | m.Barrier)]  # fmt: skip
    assert said == [["push", "first"], ["push", "second"], "wait"]


def test_edits_over_a_line_that_is_cut_again_and_again_are_each_made_once(line, enter, impatient, wait_until):
    """R4, R5, R6."""
    chance = random.Random(SEED)
    ann, bob = enter(url=line.url), enter(url=line.url)
    log = ann.table("log", n=int)
    bob.sync(8)
    receipts = []
    for n in range(300):
        receipts += [log.insert(id=f"ann-{n}", n=n), bob.table("log").insert(id=f"bob-{n}", n=n)]
        if chance.random() < 0.05:
            line.cut()
        elif chance.random() < 0.2:
            receipts[-1].done() or time.sleep(chance.random() / 100)  # time for a frame to be half way

    assert [receipt.result(8) for receipt in receipts] == [None] * 600
    for room in (ann, bob):
        room.sync(8)
    assert log.records == bob.table("log").records == enter().table("log").records
    for who in ("ann", "bob"):
        assert [row["n"] for row in log.records if row["id"].startswith(who)] == list(range(300))
    assert line.connections > 10


@pytest.mark.parametrize(
    ("url", "first"),
    [
        ("ws://127.0.0.1:1/parties/main/r", "json"),
        ("ws://localhost/parties/main/r", "json"),
        ("ws://[::1]:1/r", "json"),
        ("wss://rooms.example.org/localhost/r", "deflate"),
        ("ws://10.0.0.1:80/r", "deflate"),
        ("ws://127.example.org/r", "deflate"),
    ],
)
def test_whoever_is_far_asks_for_compressed_frames(url, first):
    offered = offers(url)

    assert offered[0].endswith(first)
    assert {"partysync.v1+json", "partysync.v1+msgpack"} <= set(offered)  # a server may be older


def test_over_a_long_way_a_table_comes_compressed_and_is_the_same(line, enter, monkeypatch):
    """R4, S6."""
    table = enter(url=line.url).table("t", text=str)
    table.insert_many([{"id": str(n), "text": f"a row like any other, number {n}"} for n in range(20_000)]).result(8)
    took = []
    for pattern in ("never", ".*"):
        monkeypatch.setattr("partysync_widget.dial.NEAR", re.compile(pattern))
        before = line.passed
        room = enter(url=line.url)
        room.sync(8)
        assert room.table("t").records == table.records
        assert room.table("t").insert(id=pattern, text="é" * 10_000).result(8) is None
        table.delete(pattern).result(8)
        took.append(line.passed - before)

    assert took[0] < took[1] / 3


def test_a_line_that_passes_few_bytes_at_a_time(line, enter):
    line.slice = 3
    room = enter(url=line.url)
    table = room.table("t", x=str)
    table.insert(x="a" * 5000).result(8)

    assert enter().table("t").records == table.records


def test_a_line_that_went_silent_is_noticed_and_replaced(line, enter, impatient, wait_until):
    """R3, C7. Neither side was told that the other is gone."""
    room, other = enter(url=line.url), enter()
    table = room.table("t", x=int)
    line.hold()
    receipt = table.insert(id="mine", x=1)
    other.sync(8)
    other.table("t").insert(id="theirs", x=2).result(8)
    wait_until(lambda: "stopped answering" in room.trouble, what="noticing the silence")

    assert "theirs" not in table
    line.release()
    assert receipt.result(8) is None
    room.sync(8)
    assert sorted(table) == ["mine", "theirs"]


def test_the_end_of_an_old_line_is_not_the_end_of_the_new(line, enter, impatient, wait_until):
    """A line that went silent is given up, and breaks when it is long replaced."""
    room = enter(url=line.url)
    line.silence()
    wait_until(lambda: line.connections == 2 and room.status == "live", what="another line")
    statuses = []
    room.observe(lambda room: statuses.append(room.status))
    line.cut_silent()
    for _ in range(30):
        room.sync(8)

    assert set(statuses) <= {"live"}
    assert line.connections == 2


def test_a_quiet_line_is_kept(line, enter, impatient):
    """A ping is answered: silence alone ends nothing."""
    room = enter(url=line.url)
    time.sleep(2.5)  # the silence is what is tested

    assert room.status == "live"
    assert line.connections == 1


def test_no_line_is_left_open_behind(lone_server, enter, wait_until):
    """Whatever was being dialled when it was not wanted any more."""
    room = enter("r", at=lone_server)
    for n in range(60):
        room.offline()
        time.sleep(n % 4 / 2000)  # long enough to be anywhere
        room.online()
        time.sleep(n % 7 / 2000)
    room.sync(8)

    wait_until(lambda: lone_server.sessions() == 1, what="one session for one person")
    room.close()
    wait_until(lambda: lone_server.sessions() == 0, what="no session for nobody")


def test_attempts_are_spread_and_grow_rarer(lone_server, enter, monkeypatch, wait_until):
    """E11. So that a server that comes back is not met by everybody at once."""
    waits = []
    monkeypatch.setattr(connection.random, "uniform", lambda least, most: waits.append((least, most)) or 0.0)
    room = enter("r", at=lone_server)
    lone_server.kill()
    wait_until(lambda: len(waits) >= 9, what="nine attempts")
    lone_server.start()
    room.sync(8)

    assert waits[:9] == [(0, most) for most in (0.5, 1, 2, 4, 8, 16, 30, 30, 30)]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (["this is no JSON"], "This frame cannot be read"),
        ([said("shout")], "This frame cannot be read: Invalid value 'shout'"),
        ([b"\xff\x00"], "This frame cannot be read"),
        ([said("welcome")], "This frame cannot be read: Object missing required field"),
        ([welcome(protocol=99)], r"The server speaks protocol 99, this kernel 1.*library in this kernel is the older"),
        ([welcome(protocol=0)], r"The server is the older one: type `pip install --upgrade"),
        ([welcome(party="other")], "The party 'main' here differs from the server's"),
        ([welcome(), said("delta", epoch="e", base=7, version=9)] * 5, r"did not fit this copy 3 times in a row"),
        (
            [welcome(), said("begin", epoch="e"), said("part", tables=[{"table": "x", "columns": []}])] * 5,
            "did not fit",
        ),
        ([said("error", kind="forbidden", message="Not you.", retry="never")], "Not you."),
        ([said("error", kind="storage", message="The disk is full.", retry="backoff")], "The disk is full."),
        (
            [said("bye", reason="The server is stopping.", after=0.1)],
            "did not open within 1 s: The server is stopping.",
        ),
        ([None], "did not open within 1 s"),
        ([], "did not open within 1 s"),
    ],
)
def test_a_server_that_talks_nonsense_gets_a_sentence(stub, enter, script, message):
    """No traceback from inside, no endless wait."""
    with pytest.raises(ps.PartySyncError, match=message):
        enter(url=stub(*script).url, timeout=1)


def test_a_server_without_our_sub_protocol(stub, enter):
    with pytest.raises(ps.PartySyncError):
        enter(url=stub(welcome(), subprotocol="soap").url, timeout=1)


def test_one_followers_mistake_is_not_the_others(room, todos, caplog):
    heard = []
    todos.follow(lambda changes: 1 / 0)
    todos.follow(lambda changes: heard.append(changes.ids))
    receipt = todos.insert(id="1")

    assert receipt.result(8) is None
    assert {"1"} in heard
    assert "A follower of todos failed" in caplog.text


FORKED = """
import os, sys, threading
import partysync_widget as ps

url, token = sys.argv[1:]
room, other = (ps.connect("forked", url=url, token=token) for _ in range(2))
table = room.table("t", x=int)
other.sync(8)
ended = threading.Event()

def traffic():
    there = other.table("t")
    while not ended.is_set():
        there.insert_many([{"id": "busy", "x": 1}, *[{"x": 1}] * 20]).result(8)
        there.delete("busy").result(8)

def child():
    import signal
    signal.alarm(5)  # whoever hangs here dies, and the parent sees it
    assert len(table) >= 0 and table.records is not None  # reads go on
    for use in (lambda: table.insert(x=1), room.sync, lambda: room.present(a=1), room.offline):
        try:
            use()
        except ps.NotConnected as error:
            assert "belongs to the process that connected it. Connect again here." in str(error)
        else:
            raise AssertionError(use)
    room.close()
    if again:
        with ps.connect("forked", url=url, token=token) as mine:
            mine.table("t").insert(id=f"child-{os.getpid()}", x=2).result(4)

busy = threading.Thread(target=traffic)
busy.start()
failed = 0
for n in range(60):
    again = n % 20 == 0
    if (pid := os.fork()) == 0:
        try:
            child()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    failed += os.waitpid(pid, 0)[1] != 0
    table.insert(id=f"parent-{n}", x=3).result(8)
ended.set()
busy.join()
room.sync(8)
ids = list(table)
print(failed, sum(id.startswith("parent") for id in ids), sum(id.startswith("child") for id in ids), room.status)
"""


def test_a_fork_takes_no_room_with_it(server, run_python):
    """The child is told so, whatever the I/O thread was doing; it may connect by itself, and the parent goes on."""
    assert run_python(FORKED, server.url, server.token, seconds=120) == "0 60 3 live\n"


INTERRUPTED = """
import random, signal, sys
import partysync_widget as ps

url, token, seed = sys.argv[1:]
chance = random.Random(seed)
room, other = (ps.connect("interrupted edits", url=url, token=token) for _ in range(2))
table = room.table("t", x=int)
signal.signal(signal.SIGALRM, signal.default_int_handler)
receipts, interrupted = [], 0
for n in range(600):
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 3e-4))
        while True:
            receipts.append(table.insert(x=n))
            if chance.random() < 0.3:
                receipts.append(table.update(receipts[-1].id, x=-n))
            len(table.records[-5:])
    except KeyboardInterrupt:
        interrupted += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    receipts.append(table.insert(x=n))
    if n % 3 == 0:
        receipts[-1].result(8)  # nothing that arrives by chance may be what sends it
for receipt in receipts:
    receipt.result(8)
room.sync(8)
other.sync(8)
assert table.records == other.table("t").records
assert {receipt.id for receipt in receipts} <= set(table)
print(interrupted, room.pending, room.status)
"""


def test_an_interrupt_anywhere_in_an_edit_leaves_everything_whole(server, run_python):
    """R6, R8. After each of 600 the next edit is sent at once."""
    assert run_python(INTERRUPTED, server.url, server.token, SEED, seconds=60) == "600 0 live\n"
