"""
Neighbours: a room that is a client of another, on its own server or on one far away, by the library's own client.

The client has a thread of its own for its lines, and hooks have one for each room, so nobody's loop waits for anybody.
"""

import json
import socket
import time

import pytest

import partysync_widget as ps
from tests.hooks.conftest import PARTIES

QUICK = 5.0  # seconds for a room to have the first copy of another; a connect that waits for itself takes ten


@pytest.fixture
def source(enter):
    """A room with two rows, and what changes it."""

    def begin(name, at):
        table = enter(name, at=at).table("todos", text=str)
        table.insert(id="t1", text="one").result(8)
        table.insert(id="t2", text="two").result(8)
        return table

    return begin


def mirrored(page, **how):
    """Have the page's room mirror another; what the first copy was told as."""
    page.say(json.dumps(how))
    while not (isinstance(heard := page.hear(), dict) and "mirrors" in heard):
        assert "exception" not in heard, heard
    return heard


def follows(page, table):
    """Whether the page's room shows the same rows as that table."""

    def there():
        rows = {id: record[1] for id, record in page.rows().items()}
        return rows == {row["id"]: row["text"] for row in table.records}

    return there


@pytest.mark.parametrize("where", ["the same server", "another server"])
def test_one_room_mirrors_a_table_of_another(server, start_server, tab, source, wait_until, where):
    other = server if where == "the same server" else start_server()
    table = source(f"source-{tab.room}", other)
    page = tab("mirror", "m")
    how = {} if other is server else {"how": {"url": other.url, "token": other.token}}
    said = mirrored(page, room=f"source-{tab.room}", **how)
    assert said["took"] < QUICK
    wait_until(follows(page, table), what="the first copy")
    table.update("t1", text="changed").result(8)
    while page.hear() != "seen":  # told from the client's own thread
        pass
    table.delete("t2").result(8)
    table.insert(id="t3", text="three").result(8)
    wait_until(follows(page, table), what="the changes")
    page.say(json.dumps({"verb": "edit", "id": "t3", "text": "from the mirror"}))  # and back
    wait_until(lambda: table["t3"]["text"] == "from the mirror", what="the way back")
    wait_until(follows(page, table))


def test_the_servers_loop_and_other_rooms_go_on_while_a_hook_connects(server, tab, enter):
    """To a server that does not answer: nobody but this room's hooks waits."""
    page, silent = tab("mirror", "m"), socket.create_server(("127.0.0.1", 0))
    with_somebody = enter("bystander-of-neighbours").table("t", x=int)
    nowhere = f"http://127.0.0.1:{silent.getsockname()[1]}"
    page.say(json.dumps({"room": "x", "how": {"url": nowhere, "token": "x", "timeout": 3}}))
    began = time.monotonic()
    for n in range(20):
        with_somebody.insert(x=n).result(8)
        assert page.result("insert", {"id": f"r{n}", "values": {}})[0][0] == f"r{n}"  # its own rows as well
    assert time.monotonic() - began < 3
    while "exception" not in (heard := page.hear()):
        pass
    assert "did not open within 3 s" in heard["exception"][0]
    silent.close()


def test_the_librarys_own_connect_works_in_a_hook_too(server, tab, source, wait_until):
    table = source(f"source-{tab.room}", server)
    page = tab("mirror", "m")
    said = mirrored(page, room=f"source-{tab.room}", plain=True, url=server.url, token=server.token)
    assert said["took"] < QUICK
    wait_until(follows(page, table))


def test_two_rooms_that_mirror_each_other_come_to_rest(server, tab, wait_until):
    one, other = tab("mirror", "1", room=f"{tab.room}-1"), tab("mirror", "2", room=f"{tab.room}-2")
    one.result("insert", {"id": "t1", "values": {"text": "of one"}}, channel="todos")
    mirrored(other, room=f"{tab.room}-1", how={"party": "mirror"})
    mirrored(one, room=f"{tab.room}-2", how={"party": "mirror"})
    one.result("update", {"id": "t1", "values": {"text": "changed in one"}}, channel="todos")
    wait_until(lambda: other.rows()["t1"][1] == "changed in one")
    other.result("update", {"id": "t1", "values": {"text": "changed in the other"}}, channel="todos")
    wait_until(lambda: one.rows()["t1"][1] == "changed in the other")
    with ps.connect(f"{tab.room}-1", url=server.url, token=server.token, party="mirror") as room:
        room.sync(8)
        version = room.version
        room.sync(8)
        assert room.version == version  # nothing goes round


def test_a_room_lets_go_of_others_when_it_closes(start_server, tab, source, wait_until):
    server = start_server(*PARTIES, "--idle-room=0.2")
    table = source("source", server)
    page = tab("mirror", "m", at=server)
    mirrored(page, room="source")
    wait_until(lambda: len(table.room.peers) == 1, what="the mirror's coming")
    page.close()
    wait_until(lambda: not table.room.peers, what="the mirror's leaving")
    assert "Traceback" not in server.log


def test_a_room_that_is_in_another_does_not_sleep(start_server, tab, source, wait_until):
    """It has to hear what happens there."""
    server = start_server(*PARTIES, "--idle-room=0.2")
    table = source("source", server)
    page = tab("mirror", "m", at=server)
    mirrored(page, room="source")
    wait_until(lambda: server.metric("partysync_rooms_asleep") == 1, what="the sleep of the source alone")
    table.insert(id="t9", text="nine").result(8)
    wait_until(follows(page, table))
    wait_until(lambda: server.metric("partysync_rooms_asleep") == 1)
    assert server.metric("partysync_rooms_open") == 2


def test_a_server_with_rooms_in_rooms_stops_in_order(start_server, tab, source):
    server = start_server(*PARTIES)
    source("source", server)
    for n in range(3):
        mirrored(tab("mirror", "m", at=server, room=f"m{n}"), room="source")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 6
    assert "Traceback" not in server.log
