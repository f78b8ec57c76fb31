"""
Who has not shown a token yet: slow, many, long or wrong, they take little memory, and keep nobody out who has one.

R12, R13.
"""

import asyncio
import base64
import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from tests.hostile.test_decoder import resident
from tests.hostile.test_socket import TEXT, framed, request
from tests.proof import extent, note
from tests.server.stranger import Stranger

GROWTH = 20 << 20  # bytes of the server
SLOW = 200  # who never come to an end
AT_ONCE = 12

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")


class Guest:
    """Somebody with a token who comes and goes, and how long each took from the first byte to being let in."""

    def __init__(self, server):
        self.took, self.refused = [], []
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._come)

    def _come(self):
        while not self._over.wait(0.02):
            began = time.perf_counter()
            try:
                with Stranger(self._server, "/parties/main/guests") as guest:
                    if guest.status != 101:
                        self.refused.append(guest.status)
            except OSError as error:
                self.refused.append(error)
            self.took.append(time.perf_counter() - began)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def p99(self):
        return sorted(self.took)[int(len(self.took) * 0.99)]


async def slow(server, stop, begun):
    """Two hundred who dribble a head, stop in a body, or in the first frame; until ``stop``."""
    halves = [
        b"GET /parties/main/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ",
        b"POST /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65_000,
        request(server, "guests", server.token, "json") + framed(b"x" * 250_000, TEXT)[:60_000],
        request(server, "guests", server.token, "json") + framed(b"x", TEXT, first=0) * 50,
    ]

    async def one(n):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(halves[n % len(halves)])
            begun.release()
            while not stop.is_set():
                writer.write(b"x")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.25)
            writer.close()

    await asyncio.gather(*(one(n) for n in range(SLOW)))


async def knock(server, raw):
    """And go, when there is an answer, or none for a while."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            try:
                writer.write(raw)
                await reader.read(1 << 16)
            finally:
                writer.close()


def bad_handshakes(server, count):
    """Each wrong in its way."""
    good = request(server, "guests", "a wrong token", "json").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    right = request(server, "guests", server.token, "json")
    kinds = [
        good,
        good.replace(b"a wrong token", os.urandom(6).hex().encode() * 20),
        right.replace(b"Upgrade: websocket", b"Upgrade: nonsense").replace(
            b"Connection: Upgrade", b"Connection: close"
        ),
        right.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 99\r\nConnection: close"),
        good.replace(b"Host:", b"Host: evil.example\r\nX-Host:"),
        good.replace(b"\r\n\r\n", b"\r\nOrigin: http://evil.example\r\n\r\n"),
        good.replace(b"\r\n\r\n", b"\r\nX-Long: " + b"y" * 40_000 + b"\r\n\r\n"),
        good.replace(b"\r\n\r\n", b"".join(b"\r\nX-%d: y" % n for n in range(800)) + b"\r\n\r\n"),
        good.replace(b"GET /parties/main/guests", b"GET /parties/main/" + b"z" * 5_000),
        good.replace(b"GET ", b"POST ").replace(b"\r\n\r\n", b"\r\nContent-Length: 99999999999\r\n\r\n"),
        good.replace(b"GET ", b"POST ").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"),
        good.replace(b"HTTP/1.1", b"HTTP/9.9"),
        b"\x16\x03\x01\x02\x00" + os.urandom(200) + b"\r\n\r\n",
        b"\r\n" * 200 + b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n obs: fold\r\nConnection: close\r\n\r\n",
        good.replace(b"\r\n\r\n", b"\r\nCookie: " + b"a=b; " * 2_000 + b"\r\n\r\n"),
    ]
    return (kinds[n % len(kinds)] for n in range(count))


async def flood(server, lines):
    async def worker():
        for raw in lines:
            await knock(server, raw)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


@pytest.mark.timeout(900)
@pytest.mark.alone
def test_who_has_no_token_keeps_nobody_out_who_has_one(start_server, enter, wait_until):
    """Two hundred that never come to an end, and meanwhile thousands of wrong handshakes."""
    server = start_server()
    enter("guests", at=server).table("t", x=int).insert(x=1).result(8)
    count = extent("bad_handshakes", 1_600, 10_000)
    asyncio.run(flood(server, bad_handshakes(server, 200)))  # whatever it makes once is made now
    before, log = resident(server.process.pid), len(server.log)

    async def siege():
        stop, begun = asyncio.Event(), asyncio.Semaphore(0)
        slow_ones = asyncio.create_task(slow(server, stop, begun))
        for _ in range(SLOW):
            await begun.acquire()
        most = resident(server.process.pid)
        await flood(server, bad_handshakes(server, count))
        most = max(most, resident(server.process.pid))
        stop.set()
        await slow_ones
        return most

    with Guest(server) as guest:
        most = asyncio.run(siege())

    grown = most - before
    note(
        "before-login",
        slow=SLOW,
        bad_handshakes=count,
        guests=len(guest.took),
        their_p99_ms=round(guest.p99() * 1000, 1),
        server_grown_mb=round(grown / (1 << 20), 1),
    )
    assert guest.refused == []
    assert guest.p99() < 1.0
    assert grown < GROWTH
    assert server.token not in server.log[log:]
    said = [line for line in server.log[log:].splitlines() if " DEBUG " not in line]
    assert not [line for line in said if "ERROR" in line]
    wait_until(lambda: server.sessions() <= 2, what="the end of the slow ones")


@pytest.mark.parametrize(("size", "heard"), [(1 << 17, True), (1 << 19, False)])
def test_a_first_frame_has_a_measure_of_its_own(server, size, heard):
    """Before a session is greeted nobody's frame is larger than 256 KiB, whatever the room takes."""
    with Stranger(server, "/parties/main/measured") as stranger:
        stranger.frame({"type": "ping", "version": 0, "filler": "x" * size})
        assert bool(stranger.hear_all()) is heard


def test_the_key_of_a_handshake_is_a_key(server):
    """Or the requests of these tests would be refused for another reason."""
    assert len(base64.b64decode(base64.b64encode(bytes(16)))) == 16
    with Stranger(server, "/parties/main/x") as stranger:
        assert stranger.status == 101
