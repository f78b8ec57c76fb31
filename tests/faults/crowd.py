"""
A crowd: many sessions in one process that read all they are sent, and say how long it took to come.

Run as a program: ``crowd.py url token room count`` says "ready" when all are live, and at each line that it is sent
what it has heard since the last: seconds from the time that stands in a row until it came, and how many bytes came.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

AT = re.compile(r"at=([0-9.]+);")


def stamp():
    """The time as it stands in a row. All processes here read one clock."""
    return f"at={time.monotonic():.6f};"


class Member:
    """One session. It sends its hello, and then nothing."""

    def __init__(self, name, heard):
        self.name = name
        self.live = asyncio.Event()
        self._heard = heard

    async def come(self, url, token, room):
        where = HTTPRequest(
            f"{url.replace('http', 'ws', 1)}/parties/main/{room}", headers={"Authorization": f"Bearer {token}"}
        )
        self._socket = await websocket_connect(
            where, on_message_callback=self._hear, subprotocols=["partysync.v1+json"], max_message_size=64 << 20
        )
        await self._socket.write_message(json.dumps({"type": "hello", "protocol": 1, "client": self.name}))
        await self.live.wait()

    def _hear(self, message):
        now = time.monotonic()
        if message is None:
            self._heard["cut"] += 1
            return
        self._heard["bytes"] += len(message)
        if message.startswith('{"type":"end"'):
            self.live.set()
        elif message.startswith('{"type":"delta"') and (at := AT.search(message)):
            self._heard["seconds"].append(now - float(at[1]))


async def main(url, token, room, count):
    heard = {"seconds": [], "bytes": 0, "cut": 0}
    members = [Member(f"member-{n}", heard) for n in range(int(count))]
    await asyncio.gather(*(member.come(url, token, room) for member in members))
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(heard), flush=True)
        heard["seconds"].clear()
        heard["bytes"] = 0


class Crowd:
    """A crowd in a process of its own."""

    def __init__(self, server, room, count):
        command = [sys.executable, str(Path(__file__)), server.url, server.token, room, str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"

    def heard(self):
        """What it has heard since it was last asked: ``seconds`` of each row, ``bytes``, and how many were ``cut``."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self):
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
