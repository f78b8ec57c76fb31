"""
Whatever a stranger with the token says on a WebSocket, it gets an answer or is hung up on; everybody else works on.

R6, R13. No name becomes SQL; the checks in the kernel are a courtesy, these are the ones that count.
"""

import json
import random

import msgspec
import pytest

from tests.server.stranger import BINARY, CLOSE, JSON, MSGPACK, TEXT, Stranger, bystander, hello, sentence

__all__ = ["bystander"]

pytestmark = pytest.mark.usefixtures("bystander")

SEED = 20261123
ROOM = "/parties/main/strangers"


BEFORE_HELLO = [
    "",
    "hello",
    "{",
    "[]",
    "null",
    "5",
    '"text"',
    "{}",
    '{"type": 5}',
    '{"type": "shout"}',
    '{"type": "hello"}',
    '{"type": "hello", "protocol": "1", "client": "x"}',
    '{"type": "hello", "protocol": 1, "client": 5}',
    '{"type": "hello", "protocol": 1, "client": ""}',
    '{"type": "hello", "protocol": 1, "client": "' + "x" * 300 + '"}',
    '{"type": "hello", "protocol": 1, "client": "x", "version": -1}',
    '{"type": "hello", "protocol": 1, "client": "x", "settled": 1e999}',
    '{"type": "hello", "protocol": 99, "client": "x"}',
    '{"type": "hello", "protocol": 1, "client": "x", "party": "another"}',
    {"type": "push", "epoch": "e", "mutations": [{"mid": 1, "name": "insert", "args": {}}]},
    {"type": "seen", "mid": 5},
    {"type": "presence", "state": {}},
    {"type": "barrier", "n": 1},
    {"type": "ping", "version": 0},
    {"type": "welcome", "protocol": 1},
    "[" * 100_000,
    '{"type": "presence", "state": ' + '{"a": ' * 5000 + "1" + "}" * 5001,
    '{"type": "presence", "state": {"x": NaN}}',
    '{"type": "presence", "state": {"x": "\\ud800"}}',
    b"\xff\xfe\xfd",
    b"",
]


@pytest.mark.parametrize("said", BEFORE_HELLO, ids=lambda said: str(said)[:60] or "nothing")
def test_what_is_no_hello_ends_the_session_with_a_sentence(server, said):
    """H1, S8, S11, E1."""
    with Stranger(server, ROOM) as stranger:
        stranger.frame(said)
        heard = stranger.hear_all()

    assert [frame["type"] for frame in heard] == ["error"]
    assert (heard[0]["retry"], sentence(heard[0]["message"])) == ("never", True)


def mutation(mid, named="insert", /, **args):
    return {"mid": mid, "name": named, "args": args}


def push(*mutations, epoch=None):
    return {"type": "push", "mutations": list(mutations), "epoch": epoch}


AFTER_HELLO = [
    (push(epoch="another"), "stale-epoch"),
    (push(mutation(2)), "gap"),
    (push(mutation(1), mutation(3)), "gap"),
    (push(mutation(0)), "bad-frame"),
    (push(mutation(-1)), "bad-frame"),
    (push(mutation(2**60)), "bad-frame"),
    (push(mutation(1, "x" * 300)), "bad-frame"),
    (push(*(mutation(n + 1) for n in range(300))), "too-large"),
    ({"type": "presence", "state": {"x": "y" * 5000}}, "too-large"),
    ({"type": "barrier", "n": -1}, "bad-frame"),
    ({"type": "ping", "version": 2**70}, "bad-frame"),
    ("no JSON", "bad-frame"),
    (hello(""), "forbidden"),
    (hello(protocol=7), "protocol"),
]


@pytest.mark.parametrize(("said", "kind"), AFTER_HELLO, ids=lambda value: str(value)[:60])
def test_a_wrong_frame_ends_the_session_with_a_sentence(server, said, kind):
    """E1 to E4, S11."""
    client = f"client-{random.random()}"
    with Stranger(server, ROOM) as stranger:
        epoch = stranger.frame(hello(client)).hear()["epoch"]
        if isinstance(said, dict) and said.get("epoch", "") is None:
            said = {**said, "epoch": epoch}
        stranger.frame(said)
        *_, last = stranger.hear_all()

    assert (last["type"], last["kind"], sentence(last["message"])) == ("error", kind, True)


REJECTED = [
    (mutation(1, "insert", table="nowhere", id="1", values={}), "unknown-table"),
    (mutation(1, "insert", table="strangers", id="1", values={"nothing": 1}), "unknown-column"),
    (mutation(1, "insert", table="strangers", id="1", values={"x": "one"}), "bad-value"),
    (mutation(1, "insert", table="strangers", id="", values={}), "missing-value"),
    (mutation(1, "insert", table="strangers", values={}), "bad-arguments"),
    (mutation(1, "insert", table=5, id="1", values={}), "bad-arguments"),
    (mutation(1, "insert", table="strangers", id="1", values={}, more=1), "bad-arguments"),
    (mutation(1, "update", table="strangers", id="none", values={"x": 1}), "unknown-row"),
    (mutation(1, "update", table="strangers; DROP TABLE strangers", id="1", values={}), "unknown-table"),
    (mutation(1, "update", table="_partysync_meta", id="1", values={}), "unknown-table"),
    (mutation(1, "insert", table="sqlite_schema", id="1", values={}), "unknown-table"),
    (mutation(1, "destroy"), "unknown-mutator"),
    (mutation(1, "__init__"), "unknown-mutator"),
    (mutation(1, "batch", steps=[["batch", {"steps": []}]]), "bad-arguments"),
    (mutation(1, "batch", steps=[["insert"]]), "bad-arguments"),
    (mutation(1, "create_table", name='x" (id TEXT); --', columns=[]), "bad-name"),
    (mutation(1, "create_table", name="_partysync_meta", columns=[]), "bad-name"),
    (mutation(1, "create_table", name="t", columns=[{"name": 'a" TEXT); --', "type": "text"}]), "bad-name"),
    (mutation(1, "create_table", name="t", columns=[{"name": "a", "type": "blob"}]), "bad-arguments"),
    (
        mutation(1, "create_table", name="t", columns=[{"name": f"c{n}", "type": "text"} for n in range(600)]),
        "too-large",
    ),
    (mutation(1, "add_column", table="strangers", column={"name": "id", "type": "text"}), "bad-name"),
    (mutation(1, "insert_rows", table="strangers", columns=["id", "x"], rows=[["1"]]), "bad-arguments"),
]


@pytest.mark.parametrize(("made", "code"), REJECTED, ids=lambda value: str(value)[:90])
def test_a_mutation_that_breaks_a_rule_is_rejected_and_the_next_is_not(server, enter, made, code):
    """R6, R13, B1, B4, V5. The check in the kernel is a courtesy; this is the one that counts."""
    room = enter("strangers")
    table = room.table("strangers", x=int)
    rows, tables = table.records, room.tables
    client = f"client-{random.random()}"
    with Stranger(server, ROOM) as stranger:
        epoch = stranger.frame(hello(client)).hear()["epoch"]
        next_one = mutation(2, "upsert", table="strangers", id="kept", values={"x": 1})
        stranger.frame(push(made, next_one, epoch=epoch)).frame({"type": "barrier", "n": 1})
        results, acks = [], {}
        while (frame := stranger.hear())["type"] != "barrier":
            results += [result for result in frame.get("results", []) if result["client"] == client]
            acks |= frame.get("acks", {})

    room.sync(8)
    assert acks[client] == 2
    assert [(result["mid"], result["code"], sentence(result["message"])) for result in results] == [(1, code, True)]
    assert [row for row in table.records if row["id"] != "kept"] == [row for row in rows if row["id"] != "kept"]
    assert room.tables == tables


def until_barrier(stranger, n):
    """What is told until everything said before is decided: the results, and the version by then."""
    stranger.frame({"type": "barrier", "n": n})
    results = []
    while (frame := stranger.hear())["type"] != "barrier":
        results += frame.get("results", [])
    return results, frame["version"]


def test_a_mutation_that_is_said_again_is_made_once(server, enter):
    """R5. On the same line, on another, in another push, and after the room has told what became of it."""
    table = enter("strangers").table("strangers", x=int)
    client, versions = f"client-{random.random()}", []
    made = [mutation(n, "insert", table="strangers", id=f"{client}-{n}", values={"x": n}) for n in (1, 2, 3)]
    for _ in range(3):
        with Stranger(server, ROOM) as stranger:
            epoch = stranger.frame(hello(client)).hear()["epoch"]
            for said in (made[:1], made[:1], made[:2], made, made[1:], made):
                stranger.frame(push(*said, epoch=epoch))
            results, version = until_barrier(stranger, 1)
            versions.append(version)
            assert results == []  # nothing was refused: a second run would find the id taken

    table.room.sync(8)
    assert versions == [table.room.version] * 3
    assert sorted(id for id in table if id.startswith(client)) == [f"{client}-{n}" for n in (1, 2, 3)]


def test_a_frame_over_the_limit_ends_its_session_only(server):
    with Stranger(server, ROOM) as stranger:
        stranger.frame(hello()).hear()
        stranger.frame("x" * (1 << 22))
        assert stranger.hear_all()[-1:] is not None


@pytest.mark.parametrize(
    "raw",
    [
        {"mask": False},
        {"opcode": 0},
        {"opcode": 3},
        {"opcode": 11},
        {"first": 0xF0},
        {"first": 0x00, "opcode": CLOSE},
        {"length": 2**63},
        {"length": 2**40},
        {"opcode": 9, "payload": b"x" * 200},
        {"opcode": CLOSE, "payload": b"\x03"},
        {"opcode": TEXT, "payload": b"\xff\xff"},
    ],
    ids=str,
)
def test_frames_that_are_no_web_sockets(server, raw):
    with Stranger(server, ROOM) as stranger:
        stranger.frame(hello()).hear()
        stranger.frame(**{"payload": b"{}", **raw})
        stranger.until_hung_up()


def test_three_hundred_damaged_frames(server):
    """With a seed: bits and bytes of good frames flipped, dropped, doubled, in either format."""
    chance = random.Random(SEED)
    good = [
        hello("damaged"),
        push(mutation(1, table="t", id="1", values={"x": 1}), epoch="e"),
        {"type": "ping", "version": 0},
    ]
    for _ in range(300):
        packed = chance.random() < 0.5
        with Stranger(server, ROOM, subprotocol=MSGPACK if packed else JSON) as stranger:
            assert stranger.status == 101
            if chance.random() < 0.7:
                first = hello("damaged")
                stranger.frame(msgspec.msgpack.encode(first) if packed else first)
            frame = chance.choice(good)
            raw = bytearray(msgspec.msgpack.encode(frame) if packed else json.dumps(frame).encode())
            for _ in range(chance.randrange(1, 5)):
                place = chance.randrange(len(raw))
                match chance.randrange(4):
                    case 0:
                        raw[place] ^= 1 << chance.randrange(8)
                    case 1:
                        raw[place] = chance.randrange(256)
                    case 2 if len(raw) > 1:
                        del raw[place]
                    case _:
                        raw[place:place] = raw[max(0, place - 20) : place]
            stranger.frame(bytes(raw), BINARY if packed else TEXT)
            stranger.until_hung_up()


def test_many_who_connect_and_say_nothing(server, enter):
    strangers = [Stranger(server, ROOM) for _ in range(100)] + [Stranger(server) for _ in range(100)]
    assert server.sessions() >= 100
    assert enter("busy").table("t", x=int).insert(x=1).result(8) is None
    for stranger in strangers:
        stranger.close()
