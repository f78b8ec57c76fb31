"""
A line between a kernel and a server that goes wrong in one of the ways in which lines do, at a byte of one's choice.

::

    kernel ──▶ proxy.url ──[ the fault, from a number of bytes on ]──▶ server
           ◀──                                                    ◀──

A fault of a connection strikes those that are open then; later ones are whole. One of the line stays until ``heal``.
"""

import asyncio
import contextlib
import random
import socket
import struct
import time

from tests.client.line import Loop

SLOW, BIT = 400_000, 4_000  # bytes a second; bytes at a time
LATE = 0.04  # seconds at most; half of that on the average
SINGLE = 10_000  # bytes that come one by one, after which a sliced line gives more at a time


class Link:
    """One connection through the proxy."""

    def __init__(self, kernel, server):
        self.writers = (kernel, server)
        self.fault = None
        self.sliced = 0

    def reset(self):
        """RST, to both sides."""
        for writer in self.writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """See the module."""

    of_connections = ("half-open", "loses what goes up", "loses what comes down", "reset", "cut in a frame")
    of_the_line = ("late", "sliced", "slow")

    def __init__(self, port, chance=random):
        self._port, self._chance = port, chance
        self._at = Loop()
        self._links = set()
        self._serving = set()
        self._fault, self._after = None, 0  # what will strike, and after how many bytes
        self.struck = None  # when it did
        self._server = self._at.do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def strike(self, fault, after):
        """``fault`` begins after so many more bytes, in both directions together."""
        self._at.do(self._set(fault, after))

    def heal(self):
        self._at.do(self._set(None, 0))

    async def _set(self, fault, after):
        self._fault, self._after, self.struck = fault, after, None
        if fault is None:
            for link in self._links:
                link.fault = None

    def close(self):
        self._at.do(self._close())
        self._at.end()

    async def _close(self):
        self._server.close()
        for link in list(self._links):
            link.reset()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
            link = Link(writer, to_server)
            for each in link.writers:
                each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.struck and self._fault in self.of_the_line:
                link.fault = self._fault
            self._links.add(link)
            await asyncio.gather(
                self._carry(link, reader, to_server, up=True), self._carry(link, from_server, writer, up=False)
            )
            self._links.discard(link)
        writer.close()
        self._serving.discard(asyncio.current_task())

    async def _carry(self, link, reader, writer, *, up):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 14):
                if self._fault and not self.struck:
                    self._after -= len(data)
                    if self._after <= 0:
                        self.struck = time.monotonic()
                        for each in self._links:
                            each.fault = self._fault
                await self._pass_on(link, data, writer, up=up)
        writer.close()

    async def _pass_on(self, link, data, writer, *, up):
        match link.fault:
            case "half-open":
                return
            case "loses what goes up" if up:
                return
            case "loses what comes down" if not up:
                return
            case "reset":
                link.reset()
                return
            case "cut in a frame":
                writer.write(data[: self._chance.randrange(1, max(2, len(data)))])
                link.reset()
                return
            case "late":
                await asyncio.sleep(self._chance.uniform(0, LATE))
                writer.write(data)
            case "sliced":
                for start in range(0, len(data), 1 if (few := link.sliced < SINGLE) else 1_000):
                    writer.write(data[start : start + (1 if few else 1_000)])
                    await asyncio.sleep(0)
                link.sliced += len(data)
            case "slow":
                for start in range(0, len(data), BIT):
                    writer.write(data[start : start + BIT])
                    await asyncio.sleep(BIT / SLOW)
            case _:
                writer.write(data)
        await writer.drain()
