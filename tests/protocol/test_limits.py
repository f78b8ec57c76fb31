"""
What docs/protocol.md says of sizes, silence and errors, against a real server and by hand: each kind of error with
whether to come back, each refusal with its status.
"""

import asyncio
import base64
import json
import os
import random

import msgspec
import pytest
import tornado.httpserver
import tornado.netutil

from partysync_server import open_room, sending, visit
from partysync_server import room as room_module
from partysync_server.access import Access
from partysync_server.app import make_app
from partysync_server.asks import MOST_ASKED
from partysync_server.door import Door
from partysync_server.gate import House
from partysync_server.parties import Parties
from partysync_server.principal import OPERATOR
from partysync_server.quotas import Usage
from partysync_server.rooms import Rooms
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.party import Main
from tests.server.stranger import DEFLATE, JSON, MSGPACK, Stranger, hello, sentence

ROOM = "/parties/main/limits"


def mutations(*mids, name="delete"):
    return [{"mid": mid, "name": name, "args": {"table": "t", "id": "1"}} for mid in mids]


def push(*mids, epoch=None, **how):
    return {"type": "push", "epoch": epoch, "mutations": mutations(*mids, **how)}


def nested(depth):
    return json.loads('{"x": ' * depth + "1" + "}" * depth)


ERRORS = {
    "no frame at all": (["{"], "bad-frame", "never"),  # E1
    "an unknown type": ([{"type": "shout"}], "bad-frame", "never"),  # E1, S8
    "a field that is missing": ([{"type": "ping"}], "bad-frame", "never"),  # E1, S8
    "a count below its range": ([{"type": "ping", "version": -1}], "bad-frame", "never"),  # L1
    "a count beyond its range": ([{"type": "ping", "version": 2**53 + 1}], "bad-frame", "never"),  # L1
    "a mid below its range": ([push(0)], "bad-frame", "never"),  # L1
    "a mid beyond its range": ([push(2**53 + 1)], "bad-frame", "never"),  # L1
    "a name too long": ([push(1, name="x" * 257)], "bad-frame", "never"),  # L2
    "an integer beyond 64 bits": ([{"type": "presence", "state": {"x": 2**64}}], "bad-frame", "never"),  # S7
    "a value too deep": ([{"type": "presence", "state": nested(65)}], "bad-frame", "never"),  # S7
    "a push of too many": ([push(*range(1, 258))], "too-large", "never"),  # E2, L3
    "a presence too large": ([{"type": "presence", "state": {"x": "y" * 4096}}], "too-large", "never"),  # E2, L4
    "a draft too large": (
        [{"type": "draft", "key": "k", "table": "t", "rows": {"1": {"x": "y" * 8192}}}],
        "too-large",
        "never",
    ),  # E2, L4
    "a mutation is missing": ([push(2)], "gap", "now"),  # E3
    "another epoch": ([push(1, epoch="another")], "stale-epoch", "now"),  # E4, H9
    "between hello and welcome": ([hello("again"), push(1)], "stale-epoch", "now"),  # E4, H9
    "another protocol": ([hello(protocol=2)], "protocol", "never"),  # E7, H2
    "another class": ([hello(party="another")], "schema", "never"),  # E8, H5
    "no client": ([hello("")], "forbidden", "never"),  # E9, H3
    "too many drafts": (
        [{"type": "draft", "key": str(n), "table": "t", "rows": {"1": None}} for n in range(33)],
        "busy",
        "backoff",
    ),  # E10, L5
}


@pytest.mark.parametrize("what", ERRORS)
def test_each_error_says_its_kind_and_whether_to_come_back(server, what):
    """E1 to E4, E7 to E10, L1 to L5, S7, S8, S11, H2, H3, H5, H9, F19. The socket is closed after it."""
    said, kind, retry = ERRORS[what]
    with Stranger(server, ROOM) as stranger:
        epoch = stranger.frame(hello(f"limits-{random.random()}")).hear()["epoch"]
        while stranger.hear()["type"] != "end":
            pass
        raw = b""
        for frame in said:
            told = {**frame, "epoch": epoch} if isinstance(frame, dict) and frame.get("epoch", "") is None else frame
            raw += as_message(told)
        stranger.send(raw)  # in one piece, so that nothing is answered between
        *_, last = stranger.hear_all()

    assert (last["type"], last["kind"], last["retry"]) == ("error", kind, retry)
    assert sentence(last["message"])


def as_message(frame):
    """A text message as a client sends it, masked with zeros (RFC 6455, section 5.2)."""
    payload = (frame if isinstance(frame, str) else json.dumps(frame)).encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


def test_what_is_just_within_the_limits_is_taken(server):
    """L1 to L6, S7."""
    frames = [
        {"type": "presence", "state": {"x": "y" * 4000}},
        {"type": "presence", "state": nested(64)},
        {"type": "presence", "state": {"x": [2**63 - 1, -(2**63)]}},
        {"type": "draft", "key": "k", "table": "t", "rows": {"1": {"x": "y" * 8000}}},
        *({"type": "draft", "key": str(n), "table": "t", "rows": {"1": None}} for n in range(31)),
        push(*range(1, 257), name="x" * 256),
        *({"type": "barrier", "n": n} for n in range(256)),
    ]
    with Stranger(server, ROOM) as stranger:
        epoch = stranger.frame(hello(f"within-{random.random()}")).hear()["epoch"]
        for frame in frames:
            stranger.frame({**frame, "epoch": epoch} if "epoch" in frame else frame)
        answered = 0
        while answered < 256:
            answered += stranger.hear()["type"] == "barrier"


def test_a_client_that_comes_again_replaces_the_earlier_line_and_no_later_one(server):
    """E5, E10, H4."""
    client = f"limits-{random.random()}"
    with Stranger(server, ROOM) as first, Stranger(server, ROOM) as second, Stranger(server, ROOM) as third:
        assert first.frame(hello(client, line=1)).hear()["type"] == "welcome"
        assert second.frame(hello(client, line=2)).hear()["type"] == "welcome"
        *_, last = first.hear_all()
        assert (last["kind"], last["retry"]) == ("replaced", "never")
        (last,) = third.frame(hello(client, line=1)).hear_all()
        assert (last["kind"], last["retry"]) == ("busy", "backoff")


@pytest.mark.parametrize("frame", ["push", "seen", "presence", "draft", "barrier", "ask", "ping"])
def test_the_first_frame_is_hello(server, frame):
    """H1, E7."""
    fields = {"epoch": "e", "mutations": [], "mid": 1, "state": {}, "key": "k", "n": 1, "what": "people", "version": 0}
    with Stranger(server, ROOM) as stranger:
        (error,) = stranger.frame({"type": frame, **fields}).hear_all()

    assert (error["kind"], error["retry"]) == ("protocol", "never")


# --- the door -------------------------------------------------------------------------------------------------------

REFUSALS = [
    (ROOM, {"token": "wrong"}, 403, "token"),
    (ROOM, {"Origin": "https://example.org"}, 403, "browser"),
    (ROOM, {"Host": "example.org"}, 403, "host"),
    ("/parties/nobody/limits", {}, 404, "unknown-party"),
    ("/parties/main/%0A", {}, 404, "bad-room-name"),
    ("/nowhere", {}, 404, "error"),
    (ROOM, {"upgrade": False}, 426, "websocket"),
]


@pytest.mark.parametrize(("path", "how", "status", "kind"), REFUSALS, ids=[kind for *_, kind in REFUSALS])
def test_each_refusal_has_its_status_and_a_sentence(server, path, how, status, kind):
    """S4."""
    with Stranger(server, path, **how) as stranger:
        said = json.loads(stranger.body)

    assert (stranger.status, said["error"], said.keys()) == (status, kind, {"error", "message"})
    assert sentence(said["message"])


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (JSON, JSON),
        (MSGPACK, MSGPACK),
        (f"{JSON}, {MSGPACK}", JSON),
        (f"{MSGPACK}, {JSON}", MSGPACK),
        (f"partysync.v9+json, {MSGPACK}", MSGPACK),
        (f"{DEFLATE}, {JSON}", DEFLATE),
    ],
)
def test_the_first_sub_protocol_that_the_server_speaks_is_taken(server, offered, taken):
    """S5, S6. And its frames are of that kind."""
    with Stranger(server, ROOM, subprotocol=offered) as stranger:
        assert stranger.headers["sec-websocket-protocol"] == taken
        greeting = msgspec.msgpack.encode(hello()) if taken == MSGPACK else hello()
        heard = stranger.frame(greeting).hear()
        if taken != JSON:  # binary messages
            assert isinstance(heard, bytes)
            heard = msgspec.msgpack.decode(heard) if taken == MSGPACK else json.loads(heard)
        assert heard["type"] == "welcome"


@pytest.mark.parametrize(
    ("greeted", "size", "taken"),
    [(False, (256 << 10) + 1, False), (True, 1 << 20, True), (True, (1 << 20) + (64 << 10) + 1, False)],
)
def test_a_frame_that_is_too_long_closes_the_socket_with_its_code(server, greeted, size, taken):
    """S9."""
    with Stranger(server, f"{ROOM}-{random.random()}") as stranger:
        if greeted:
            assert stranger.frame(hello()).hear()["limits"]["frame"] == 1 << 20
            while stranger.hear()["type"] != "end":
                pass
        frame = '{"type": "barrier", "n": 7, "filler": "'
        stranger.frame(frame + "x" * (size - len(frame) - 2) + '"}')
        if taken:
            assert stranger.hear() == {"type": "barrier", "n": 7}
        else:
            end = stranger._read(4)
            assert (end[0], int.from_bytes(end[2:])) == (0x88, 1009)


# --- silence --------------------------------------------------------------------------------------------------------


def test_the_times_of_the_document_are_those_of_the_server(rooms):
    """S10."""
    app = make_app(House(rooms(), "token", Door(), Usage()))
    pings = app.settings["websocket_ping_interval"], app.settings["websocket_ping_timeout"]
    assert (*pings, visit.PING_SECONDS, sending.WRITE_SECONDS) == (20, 20, 20, 30)


@pytest.fixture
def rooms(tmp_path):
    access = Access(tmp_path / "access.sqlite")
    yield lambda: Rooms(tmp_path / "rooms", Parties(), access, limits=room_module.LIMITS, idle=60)
    access.close()


def test_who_answers_no_ping_is_cut(rooms):
    """S10. By a server that is less patient, or it would take forty seconds."""

    async def story():
        house = House(rooms(), "token", Door(), Usage())
        http = tornado.httpserver.HTTPServer(make_app(house, ping=0.1))
        (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
        http.add_socket(socket)
        port = socket.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {ROOM} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {JSON}\r\n"
            f"Authorization: Bearer token\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(8):
            heard = b""
            while b"\x88" not in heard:  # the frame that closes
                heard += await reader.read(1 << 10)
        writer.close()
        http.stop()
        await house.rooms.close(m.Bye("The end."))
        return heard

    heard = asyncio.run(story())

    assert heard.startswith(b"\x89\0")  # a ping first


class Stuck:
    """A wire that takes nothing."""

    def __init__(self):
        self.closed = asyncio.Event()

    def send(self, frame):
        return asyncio.Event().wait()

    def close(self):
        self.closed.set()


def test_who_takes_nothing_is_cut(rooms, monkeypatch):
    """S10, R12. By a room that is less patient."""
    monkeypatch.setattr(sending, "WRITE_SECONDS", 0.1)

    async def story():
        here = rooms()
        place = await here.open(Main, "r")
        session, wire = Session(OPERATOR, "json", "owner"), Stuck()
        place.join(session, wire)
        place.receive(session, m.Hello(m.PROTOCOL, "stuck"))
        async with asyncio.timeout(8):
            await wire.closed.wait()
        there = session in place.wires
        await here.close(m.Bye("The end."))
        return there

    assert asyncio.run(story()) is False


def test_a_session_asks_so_many_questions_at_a_time_and_no_more(rooms, monkeypatch):
    """L6, E10."""
    monkeypatch.setattr(open_room, "GOODBYE_SECONDS", 0.1)

    async def story():
        here = rooms()
        place = await here.open(Main, "r")
        session = Session(OPERATOR, "json", "owner")
        place.join(session, Stuck())
        place.receive(session, m.Hello(m.PROTOCOL, "curious"))
        await place.between(lambda _ledger: None)  # the room has answered the hello
        for n in range(MOST_ASKED):
            place.receive(session, m.Ask(n, "people"))
        before = session.ended
        place.receive(session, m.Ask(99, "people"))
        after = session.ended
        await here.close(m.Bye("The end."))
        return before, after

    before, after = asyncio.run(story())

    assert (before, MOST_ASKED) == (None, 8)
    assert (after.kind, after.retry) == ("busy", "backoff")
