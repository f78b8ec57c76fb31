"""
A crowd: many sessions in one process that read all they are sent, and say how long it took to come.

Run as a program: ``crowd.py url token room count`` says "ready" when all are live, and at each line that it is sent
what it has heard since the last: seconds from the time that stands in a row until it came, bytes that came, how many
were cut, when they were back, and how many snapshots were sent.
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
KIND, EPOCH, VERSION = (re.compile(text) for text in (r'{"type":"(\w+)"', r'"epoch":"(\w+)"', r'"version":(\d+)'))


def stamp():
    """The time as it stands in a row. All processes here read one clock."""
    return f"at={time.monotonic():.6f};"


class Member:
    """One session. It sends its hello, and then nothing. When it is cut it comes again with what it holds."""

    def __init__(self, name, heard, where):
        self.live = asyncio.Event()
        self.name, self._heard, self._where = name, heard, where
        self._holds = {"epoch": "", "version": 0}
        self._line = 0

    async def come(self):
        """Raises OSError if nobody is there."""
        self.live.clear()
        self._line += 1
        url, token = self._where
        request = HTTPRequest(url, headers={"Authorization": f"Bearer {token}"})  # Tornado writes into it
        socket = await websocket_connect(
            request, on_message_callback=self._hear, subprotocols=["partysync.v1+json"], max_message_size=64 << 20
        )
        hello = {"type": "hello", "protocol": 1, "client": self.name, "line": self._line, **self._holds}
        await socket.write_message(json.dumps(hello))
        await self.live.wait()

    async def _come_again(self):
        while not self.live.is_set():
            try:
                await self.come()
            except OSError:
                await asyncio.sleep(0.02)
        self._heard["back"].append(time.monotonic())

    def _hear(self, message):
        now = time.monotonic()
        if message is None:
            self._heard["cut"] += 1
            self.live.clear()
            self.coming = asyncio.ensure_future(self._come_again())
            return
        self._heard["bytes"] += len(message)
        kind, start = KIND.match(message)[1], message[:200]
        if kind == "welcome":
            self._epoch = EPOCH.search(start)[1]
        elif kind == "begin" and '"base"' not in start:
            self._heard["snapshots"] += 1
        elif kind in ("end", "delta"):
            self._holds = {"epoch": self._epoch, "version": int(VERSION.search(start)[1])}
            self.live.set()
            if at := AT.search(message):
                self._heard["seconds"].append(now - float(at[1]))


async def main(url, token, room, count):
    heard = {"seconds": [], "back": [], "bytes": 0, "cut": 0, "snapshots": 0}
    where = f"{url.replace('http', 'ws', 1)}/parties/main/{room}"
    members = [Member(f"member-{n}", heard, (where, token)) for n in range(int(count))]
    await asyncio.gather(*(member.come() for member in members))
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(heard), flush=True)
        heard.update(seconds=[], back=[], bytes=0, cut=0, snapshots=0)


class Crowd:
    """A crowd in a process of its own."""

    def __init__(self, server, room, count):
        command = [sys.executable, str(Path(__file__)), server.url, server.token, room, str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"

    def heard(self):
        """What it has heard since it was last asked; see the module."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self):
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
