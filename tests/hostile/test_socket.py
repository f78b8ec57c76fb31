"""
A live server under damaged frames: it lives, serves everybody else, and no row changes that no valid edit has changed.

R6, R12, R13. A bad frame ends its own session at most, with one line in the log and no traceback.
"""

import asyncio
import base64
import contextlib
import itertools
import random
import re
import struct
import threading
import time
from pathlib import Path

import msgspec
import pytest

import partysync_widget as ps
from partysync_widget.core.codec import encode
from partysync_widget.core.messages import Hello
from tests.hostile.frames import FORMATS, Vandal, crashers
from tests.hostile.test_decoder import resident
from tests.proof import extent, note

SEED = 20261127
GROWTH = 24 << 20  # bytes of the server
AT_ONCE = 24  # sockets
BINARY, TEXT, CLOSE = 2, 1, 8

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")


def framed(payload, opcode, *, first=0x80, mask=True, length=None):
    size = len(payload) if length is None else length
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes([first | opcode, bit | size])
    elif size < 1 << 16:
        head = bytes([first | opcode, bit | 126]) + struct.pack("!H", size)
    else:
        head = bytes([first | opcode, bit | 127]) + struct.pack("!Q", size)
    return head + (b"\0\0\0\0" if mask else b"") + payload


def request(server, room, token, format):
    key = base64.b64encode(bytes(16)).decode()
    return (
        f"GET /parties/main/{room} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: partysync.v1+{format}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


END = framed(b"", TEXT) + framed(b"", BINARY)  # no frame in either format: whatever came before, it ends here


def packed(text):
    return msgspec.msgpack.encode(text.decode())


async def say(server, head, greets, raw):
    """On a line of its own: a request and a hello, and when that is answered the rest, until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    heard = b""
    try:
        async with asyncio.timeout(30):  # that it is hung up on is part of what is tested
            with contextlib.suppress(OSError):
                writer.write(head)
                while (b"welcome" if greets else b"\r\n\r\n") not in heard and (more := await reader.read(1 << 16)):
                    heard += more
                writer.write(raw + END)
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2):  # for its reason; who has closed is told none
                        while b"error" not in heard and (more := await reader.read(1 << 16)):
                            heard += more
                writer.write(framed(b"\x03\xe8", CLOSE))
                while more := await reader.read(1 << 16):
                    heard += more
    finally:
        writer.close()
    return heard


async def say_all(server, lines):
    """Some at a time; how many lines there were."""
    count = 0

    async def worker():
        nonlocal count
        for line in lines:
            count += 1
            await say(server, *line)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return count


class Healthy:
    """Somebody who works on all the while, and how long each edit took until its receipt."""

    def __init__(self, room, table):
        self.took = []
        self._room, self._table = room, table
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.trouble = None

    def _work(self):
        for n in itertools.count():
            if self._over.wait(0.01):
                return
            began = time.perf_counter()
            try:
                self._table.update("mine", n=n).result(10)
            except ps.PartySyncError as error:
                self.trouble = error
                return
            self.took.append(time.perf_counter() - began)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def p99(self):
        took = sorted(self.took)
        return took[int(len(took) * 0.99)]


@pytest.fixture
def besieged(start_server, enter):
    """A server with a room where strangers may edit, one where they may only look, and one for the healthy."""
    server = start_server("--sessions-per-person=0", "--frames-per-second=0")
    rooms = {}
    for name in ("open", "shown", "own"):
        rooms[name] = enter(name, at=server)
        for table in ("todos", "safe"):
            rows = rooms[name].table(table, text=str, n=int, size=["S", "M"])
            for n in range(20):
                rows.insert(id=f"row-{n}", text="text", n=n)
    rooms["own"].table("todos").insert(id="mine", n=0).result(8)
    for room in rooms.values():
        room.sync(8)
    return server, rooms


def lines_of(server, rooms, count, viewer):
    """What is said on each line: a hello, mostly, and a few damaged frames."""
    vandal, made = Vandal(SEED, "up"), 0
    chance = vandal.chance
    known = list(crashers("up"))
    while made < count:
        format = chance.choice(FORMATS)
        name, token = ("open", server.token) if chance.random() < 0.5 else ("shown", viewer)
        epoch = rooms[name].connection.replica.epoch.encode()
        head, raw, greets = request(server, name, token, format), b"", chance.random() < 0.8
        opcode = TEXT if format == "json" else BINARY
        if greets:
            head += framed(encode(Hello(1, f"stranger-{made}"), format), opcode)
        for _ in range(chance.choice((1, 1, 2, 4))):
            made += 1
            damaged = known.pop() if known else vandal.frame(format)
            frame = damaged[1]
            if format == "json":
                frame = re.sub(rb'"epoch": ?"epoch"', b'"epoch":"%b"' % epoch, frame)
            else:
                frame = frame.replace(b"\xa5epoch\xa5epoch", b"\xa5epoch" + packed(epoch))
            raw += framed(frame, opcode if chance.random() < 0.95 else 3 - opcode)
        yield head, greets, raw


@pytest.mark.timeout(1800)
def test_a_server_lives_through_damaged_frames(besieged):
    """R6, R13."""
    server, rooms = besieged
    viewer = rooms["shown"].share("viewer").token
    before = {name: {table: rooms[name].table(table).records for table in ("todos", "safe")} for name in rooms}
    count = extent("socket_frames", 5_000, 100_000)
    asyncio.run(say_all(server, lines_of(server, rooms, 500, viewer)))  # whatever it makes once is made now
    log, memory = len(server.log), resident(server.process.pid)
    version = rooms["open"].version
    with Healthy(rooms["own"], rooms["own"].table("todos")) as healthy:
        began = time.perf_counter()
        lines = asyncio.run(say_all(server, lines_of(server, rooms, count, viewer)))
        seconds = time.perf_counter() - began
    grown, said = resident(server.process.pid) - memory, lines_in(server.log[log:])

    note(
        "socket",
        frames=count,
        sessions=lines,
        edits_of_a_healthy_client=len(healthy.took),
        their_p99_ms=round(healthy.p99() * 1000, 1),
        server_grown_mb=round(grown / (1 << 20), 1),
        seconds=round(seconds, 1),
    )
    assert healthy.trouble is None
    assert len(healthy.took) > 20
    assert [line for line in said if "a session was ended" not in line] == []
    assert 0 < len(said) <= lines
    assert grown < GROWTH
    for room in rooms.values():
        room.sync(8)
        assert room.status == "live"
        assert room.table("safe").records == before[room.name]["safe"]
    assert rooms["shown"].table("todos").records == before["shown"]["todos"]  # who may only look has changed nothing
    assert rooms["open"].version >= version
    told = {row["id"]: row for row in rooms["open"].table("todos").records}
    with ps.connect("open", url=server.url, token=server.token) as fresh:
        fresh.sync(8)
        assert {row["id"]: row for row in fresh.table("todos").records} == told
    assert all(row["size"] in (None, "S", "M") for row in told.values())


def lines_in(said):
    """Of the log, as an operator has it: without what is for who looks for a mistake."""
    records = re.split(r"(?m)^(?=\d{4}-\d\d-\d\dT)", said)
    return "".join(each for each in records if " DEBUG " not in each).splitlines()


CODES = (0, 1, 999, 1000, 1004, 1005, 1006, 1012, 1015, 1016, 2999, 4999, 5000, 65535)


def garbage(chance):
    """What is no WebSocket, by name."""
    hello = framed(encode(Hello(1, f"garbage-{chance.random()}"), "json"), TEXT)
    yield from ((f"opcode {n}", framed(b"{}", n)) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15))
    yield from ((f"reserved bits {bits}", framed(b"{}", TEXT, first=0x80 | bits << 4)) for bits in range(1, 8))
    yield "unmasked", framed(b"{}", TEXT, mask=False)
    yield "a continuation of nothing", framed(b"{}", 0)
    yield "a message in a message", framed(b"{", TEXT, first=0) + framed(b"{}", TEXT)
    yield "a message without end", framed(b'{"type":', TEXT, first=0) + framed(b"x", 0, first=0) * 50
    yield "twenty thousand pieces", framed(b"[", TEXT, first=0) + framed(b"1", 0, first=0) * 20_000 + framed(b"]", 0)
    yield "pieces of nothing", framed(b"", TEXT, first=0) + framed(b"", 0, first=0) * 20_000
    yield "pieces up to the limit", framed(b"[", TEXT, first=0) + framed(b"1" * 60_000, 0, first=0) * 40
    yield "pings between pieces", framed(b"{", TEXT, first=0) + framed(b"?", 9) * 100 + framed(b"}", 0)
    yield "many pings", framed(b"x" * 100, 9) * 5_000
    yield "many pongs", framed(b"x" * 100, 10) * 5_000
    yield "a long ping", framed(b"x" * 126, 9)
    yield "a ping in pieces", framed(b"x", 9, first=0)
    yield from (
        (f"a length of {n}", framed(b"{}", TEXT, length=n)) for n in (2**20 * 3, 2**31, 2**32, 2**63, 2**64 - 1)
    )
    yield from ((f"closed with {code}", framed(struct.pack("!H", code) + b"so", 8)) for code in CODES)
    yield "closed with half a code", framed(b"\x03", 8)
    yield "closed with no text", framed(b"\x03\xe8\xff\xfe", 8)
    yield "closed twice", framed(b"", 8) * 2
    yield "closed in pieces", framed(b"\x03\xe8", 8, first=0)
    yield "text that is none", framed(b"\xff\xfe{}", TEXT)
    yield "another request", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield from ((f"noise {n}", chance.randbytes(200)) for n in range(40))
    yield from ((f"noise after a hello {n}", hello + chance.randbytes(200)) for n in range(40))


def test_what_is_no_websocket_is_hung_up_on(besieged, wait_until):
    """R12."""
    server, rooms = besieged
    chance = random.Random(SEED)
    told = list(garbage(chance))
    times = extent("garbage_rounds", 1, 10)
    lines = [
        (request(server, chance.choice(("open", "shown")), server.token, "json") + hello, bool(hello), raw)
        for _ in range(times)
        for _, raw in told
        for hello in (b"", framed(encode(Hello(1, f"g-{chance.random()}"), "json"), TEXT))
    ]
    log, memory = len(server.log), resident(server.process.pid)
    with Healthy(rooms["own"], rooms["own"].table("todos")) as healthy:
        count = asyncio.run(say_all(server, iter(lines)))
    said = lines_in(server.log[log:])

    note("garbage", lines=count, p99_ms_of_a_healthy_client=round(healthy.p99() * 1000, 1))
    assert healthy.trouble is None
    assert [line for line in said if "a session was ended" not in line] == []
    assert len(said) <= count
    assert resident(server.process.pid) - memory < GROWTH
    wait_until(lambda: server.sessions() <= 3, what="the end of the strangers' sessions")
