"""
The floors: what Tornado does with the same bytes, and SQLite with the same rows, when nothing else is done.

``python -m partysync_server.bench.bare PORT FILE`` is a room without mutators, triggers, roles or versions: rows that
arrive are committed in groups (``synchronous=FULL``), and the bytes they came in are told to everybody, framed once.
With ``-`` for a file nothing is stored. ``commit_rows`` is SQLite alone, with the triggers that a room has.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import msgspec
import tornado.httpserver
import tornado.web
import tornado.websocket

from partysync_widget.core.messages import Column, TableSpec
from partysync_widget.core.party import Main
from partysync_widget.core.store import Store

from .crowd import text
from .tongues import TABLE

ALL = b'"all"'


class Room:
    """One file, whoever is connected, and what waits to be committed."""

    def __init__(self, file: str) -> None:
        self.members: set[Socket] = set()
        self.arrived: list[bytes] = []
        self.came = asyncio.Event()
        self.file: apsw.Connection | None = None
        if file != "-":
            self.file = apsw.Connection(file)
            self.file.execute("PRAGMA journal_mode=WAL")
            self.file.execute("PRAGMA synchronous=FULL")
            self.file.execute("PRAGMA locking_mode=EXCLUSIVE")
            self.file.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT")

    async def drive(self) -> None:
        """Group commit: what arrives while a commit runs is the next group."""
        while True:
            await self.came.wait()
            self.came.clear()
            group, self.arrived = self.arrived, []
            if self.file is not None:
                self.file.execute("BEGIN IMMEDIATE")
                for message in group:
                    rows: list[Any] = msgspec.json.decode(message)
                    self.file.executemany("INSERT INTO notes (id, text) VALUES (?, ?)", rows)
                await asyncio.to_thread(self.file.execute, "COMMIT")
            self.tell(b"".join(framed(message) for message in group))

    def tell(self, frames: bytes) -> None:
        """The same bytes straight into every socket that is idle; behind the others where one is not."""
        for member in self.members:
            stream = member.stream
            if stream.writing():
                stream.write(frames)
                continue
            try:
                sent = stream.socket.send(frames)
            except BlockingIOError:
                sent = 0
            except OSError:
                continue  # it is going; on_close says so
            if sent < len(frames):
                stream.write(frames[sent:])

    def everything(self) -> bytes:
        rows: list[Any] = self.file.execute("SELECT rowid, id, text FROM notes").fetchall() if self.file else []
        return msgspec.json.encode(rows)


class Socket(tornado.websocket.WebSocketHandler):
    """One member."""

    room: Room
    stream: Any

    def initialize(self, room: Room) -> None:
        self.room = room

    def open(self, *_args: str, **_kwargs: str) -> None:
        self.set_nodelay(True)
        connection: Any = self.ws_connection
        self.stream = connection.stream
        self.room.members.add(self)
        _ = self.write_message('"welcome"')

    def on_message(self, message: str | bytes) -> None:
        raw = message.encode() if isinstance(message, str) else message
        if raw == ALL:
            _ = self.write_message(self.room.everything())
            return
        self.room.arrived.append(raw)
        self.room.came.set()

    def on_close(self) -> None:
        self.room.members.discard(self)


def framed(payload: bytes) -> bytes:
    """As one WebSocket text message from a server."""
    size = len(payload)
    if size < 126:
        return bytes([0x81, size]) + payload
    if size < 1 << 16:
        return bytes([0x81, 126]) + size.to_bytes(2, "big") + payload
    return bytes([0x81, 127]) + size.to_bytes(8, "big") + payload


async def serve(port: int, file: str) -> None:
    room = Room(file)
    app = tornado.web.Application([("/room", Socket, {"room": room})], websocket_max_message_size=64 << 20)
    server = tornado.httpserver.HTTPServer(app)
    server.listen(port, "127.0.0.1", backlog=socket.SOMAXCONN)
    await room.drive()


def commit_rows(file: Path, rows: int, group: int, *, filled: int = 0) -> float:
    """Rows a second that SQLite alone commits into a room's file, each with a room's triggers, in groups of ``group``.

    No frame, no savepoint, no mutator, no Python but the loop; the version moves on with each row, as in a room.
    """
    store = Store(apsw.Connection(str(file)), Main)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "locking_mode=EXCLUSIVE"):
        store.execute(f"PRAGMA {pragma}")
    store.create()
    store.create_table(TableSpec(name=TABLE, columns=(Column(name="text", type="text"),)))
    insert = f'INSERT INTO "{TABLE}" (id, text) VALUES (?, ?)'  # noqa: S608  # our own name
    move_on = "UPDATE _partysync_meta SET value = ? WHERE key = 'version'"
    store.execute("BEGIN")
    store.connection.executemany(insert, [(f"r{n:07}", text(n)) for n in range(filled)])
    store.execute("COMMIT")
    client, execute = secrets.token_hex(8), store.connection.execute
    began = time.perf_counter()
    for first in range(0, rows, group):
        execute("BEGIN IMMEDIATE")
        for number in range(first, min(first + group, rows)):
            execute(move_on, (number + 1,))
            execute(insert, (f"{client}{number}", text(number)))
        execute("COMMIT")
    took = time.perf_counter() - began
    store.close()
    return rows / took


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
