"""What one person may ask of a server that others use as well: slowed, or refused with a sentence; nothing lost."""

import json
import time

import pytest

import partysync_widget as ps
from partysync_server.quotas import Quotas, Usage
from partysync_server.refusal import Refused
from tests.server.stranger import Stranger, hello, sentence


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_rate_is_kept_over_any_stretch_of_time():
    """The pauses that are told, when they are kept, let no more through than the rate and one burst."""
    clock = Clock()
    usage = Usage(Quotas(frames=10, frames_burst=20, bytes=0), clock)

    let_by = []
    while clock.now < 30:
        let_by.append(clock.now)
        clock.now += usage.pause("ann", 100)

    for n, start in enumerate(let_by):
        assert sum(1 for each in let_by[n:] if each < start + 5) <= 20 + 10 * 5 + 1
    assert len(let_by) >= 10 * 30
    assert usage.pause("bob", 100) == 0


def test_bytes_count_as_well_and_a_long_frame_is_paid_for_afterwards():
    usage = Usage(Quotas(frames=0, bytes=1000, bytes_burst=1000), Clock())
    assert usage.pause("ann", 3000) == pytest.approx(2.0)


def test_zero_is_no_limit():
    usage = Usage(Quotas(frames=0, bytes=0, sessions=0, rooms_made=0, rooms_open=0, handshakes=0), Clock())
    for _ in range(5000):
        assert usage.pause("ann", 1 << 30) == 0
        usage.come("ann")
        usage.open("ann", new=True, rooms=10**6)
        usage.knock("192.0.2.1")


def test_an_address_that_guesses_is_refused_for_a_while_and_its_neighbours_are_not():
    clock = Clock()
    usage = Usage(Quotas(handshakes=1, handshakes_burst=3), clock)
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3"):
        usage.knock(address)  # one household
    with pytest.raises(Refused, match="429") as refused:
        usage.knock("2001:db8::4")
    usage.knock("2001:db8:1::1")
    clock.now += refused.value.after
    usage.knock("2001:db8::1")


def test_who_is_away_is_forgotten_but_not_what_they_owe():
    from partysync_server import quotas

    usage = Usage(Quotas(sessions=1), Clock())
    for n in range(quotas.MOST_PEOPLE + 5):
        usage.come(f"p{n}")
        usage.go(f"p{n}")
    usage.come("ann")
    for n in range(quotas.MOST_STRANGERS + 5):
        usage.knock(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    with pytest.raises(Refused):
        usage.come("ann")
    assert len(usage._people) <= quotas.MOST_PEOPLE + 1
    assert len(usage._strangers) <= quotas.MOST_STRANGERS


@pytest.fixture
def shared(start_server, enter):
    """A server with small quotas, a room on it, and the token of a link to it."""
    server = start_server("--sessions-per-person=2", "--frames-per-second=200")
    room = enter("shared", at=server)
    room.table("todos", n=int).insert(id="t", n=0).result(8)
    return server, room, room.share("editor").token


def test_one_session_too_many_is_refused_until_one_ends(shared, wait_until):
    """S4, L8."""
    server, _room, token = shared
    path = "/parties/main/shared"
    with Stranger(server, path, token=token) as one, Stranger(server, path, token=token) as two:
        assert (one.status, two.status) == (101, 101)
        with Stranger(server, path, token=token) as three:
            said = json.loads(three.body)
            assert (three.status, said["error"], sentence(said["message"])) == (429, "busy", True)
            assert int(three.headers["retry-after"]) >= 1
        with Stranger(server, path, token=server.token) as operator:
            assert operator.status == 101
    wait_until(lambda: ask(server, "shared", token)["status"] == 101, what="a place that is free again")


def test_a_request_that_opens_no_socket_takes_no_place(shared):
    server, _room, token = shared
    for _ in range(5):
        with Stranger(server, "/parties/main/another", token=token) as stranger:
            assert stranger.status == 403
        with Stranger(server, "/parties/main/shared", token=token, Sec_WebSocket_Version="5") as stranger:
            assert stranger.status in (400, 426)
    with Stranger(server, "/parties/main/shared", token=token) as guest:
        assert guest.status == 101


def test_who_is_too_fast_is_slowed_loses_nothing_and_holds_up_nobody(shared, wait_until):
    """R4, R12, L8. 1,000 frames at 200 a second after a burst of 400: three seconds, each one accepted in its turn."""
    server, room, token = shared
    with Stranger(server, "/parties/main/shared", token=token) as guest:
        guest.frame(hello("fast"))
        epoch = guest.hear()["epoch"]
        began = time.monotonic()
        for mid in range(1, 1001):
            mutation = {"mid": mid, "name": "update", "args": {"table": "todos", "id": "t", "values": {"n": mid}}}
            guest.frame({"type": "push", "epoch": epoch, "mutations": [mutation]})
        mine = []
        table = room.table("todos", n=int)
        while table["t"]["n"] < 1000:
            start = time.monotonic()
            table.insert(n=-1).result(8)
            mine.append(time.monotonic() - start)
            assert time.monotonic() - began < 30
        took = time.monotonic() - began

    assert took > 2.0
    assert sorted(mine)[len(mine) // 2] < 0.5  # each went past the queue of the fast one


def test_a_long_frame_before_the_hello_ends_it_and_after_it_does_not(server):
    """S9."""
    long = {"type": "presence", "state": {"x": "x" * 300_000}}
    with Stranger(server, "/parties/main/long") as stranger:
        stranger.frame(long)
        assert stranger.hear_all() == []
    with Stranger(server, "/parties/main/long") as stranger:
        stranger.frame(hello("long"))
        assert stranger.hear()["type"] == "welcome"
        stranger.frame({"type": "barrier", "n": 7, "filler": "x" * 300_000})
        heard = stranger.hear()
        while heard["type"] != "barrier":  # after what the room had to tell
            heard = stranger.hear()


def metrics(server):
    with Stranger(server, "/metrics", upgrade=False) as operator:
        return operator.body.decode()


def ask(server, room, token):
    with Stranger(server, f"/parties/main/{room}", token=token) as guest:
        return {"status": guest.status, **json.loads(guest.body or b"{}")}


def test_a_server_opens_no_more_rooms_for_guests_than_it_was_told(start_server, wait_until):
    """L8."""
    server = start_server("--rooms-open=1", "--idle-room=0.1")
    with ps.connect("one", url=server.url, token=server.token) as one:
        one.table("t", x=int).insert(x=1).result(8)
        token = one.share("editor").token
    with (
        Stranger(server, "/parties/main/two", token=server.token) as operator,
        Stranger(server, "/parties/main/three", token=server.token) as another,
    ):
        assert (operator.status, another.status) == (101, 101)
        wait_until(lambda: "\npartysync_rooms_open 2.0\n" in metrics(server), what="the end of room one")
        said = ask(server, "one", token)
        assert said["status"] == 429
        assert "opens no more" in said["message"]
        assert sentence(said["message"])
    wait_until(lambda: ask(server, "one", token)["status"] == 101, what="the end of the other rooms")
