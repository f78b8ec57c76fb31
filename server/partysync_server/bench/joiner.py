"""
Somebody who joins a room: ``python -m partysync_server.bench.joiner SYSTEM PORT ROOM TOKEN ROWS``.

From the first byte to a replica that answers: SQL for ours and for the floor, the rows by their ids for a document.
Says ``<seconds> <bytes> <bytes of memory that it took>`` and ends. What is imported does not count.
"""

from __future__ import annotations

import gc
import select
import sys
import time
from collections.abc import Callable
from typing import Any

import apsw
import msgspec
import psutil

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, encode
from partysync_widget.core.party import Main
from partysync_widget.core.replica import Link, Replica

from .line import Line
from .tongues import TABLE, Bare, Ours, Yjs

SECONDS = 120.0


class Joining:
    """A line, and what is made of its messages until ``there``."""

    def __init__(self, line: Line, take: Callable[[list[bytes]], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            select.select([line], [], [], 1.0)
            messages = line.receive()
            if messages and take(messages):
                return
            line.flush()
        raise SystemExit("It did not get what it asked for.")


def ours(port: int, room: str, token: str, rows: int, replica: Replica | None = None) -> tuple[Line, Replica]:
    """As the kernel's connection does: all messages that are there at once, one step. ``replica``: what it held."""
    held = replica or Replica(Main, "joiner-of-the-benchmark", typed=False)
    (hello,) = held.opened("spare").send
    line = Ours(room, token, hello=hello if isinstance(hello, m.Hello) else None).open(port)

    def take(messages: list[bytes]) -> bool:
        step = held.receive([decode_down(message, "json") for message in messages])
        if step.failed or step.ended:
            raise SystemExit(str(step.failed or step.ended))
        for frame in step.send:
            line.send(encode(frame, "json"))
        return held.link is Link.LIVE and held.view.count(TABLE) >= rows

    Joining(line, take)
    return line, held


def bare(port: int, rows: int) -> tuple[Line, apsw.Connection]:
    """All rows in one message, into SQLite."""
    line = Bare().open(port)
    file = apsw.Connection(":memory:")
    file.execute("CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT")

    def take(messages: list[bytes]) -> bool:
        for message in messages:
            if message == b'"welcome"':
                line.send(b'"all"')
                continue
            got: list[Any] = msgspec.json.decode(message)
            with file:
                file.executemany("INSERT INTO notes (rowid, id, text) VALUES (?, ?, ?)", got)
        return bool(file.execute("SELECT count(*) FROM notes").get >= rows)

    Joining(line, take)
    return line, file


def yjs(port: int, room: str, rows: int, held: Yjs | None = None) -> tuple[Line, Yjs]:
    """A document, and the number of rows in its map."""
    tongue = held or Yjs(f"/{room}")
    line = tongue.open(port)

    def take(messages: list[bytes]) -> bool:
        for message in messages:
            for answer in tongue.hear(message):
                line.send(answer, binary=True)
        return tongue.ready and len(tongue.rows) >= rows

    Joining(line, take)
    return line, tongue


def main(system: str, port: str, room: str, token: str, rows: str) -> None:
    if system in ("pycrdt", "y-websocket"):
        import pycrdt  # noqa: F401, PLC0415  # a peer: in the extra `bench`
    gc.collect()
    memory, began = psutil.Process().memory_full_info().uss, time.perf_counter()
    held: object
    match system:
        case "ours":
            line, held = ours(int(port), room, token, int(rows))
        case "bare":
            line, held = bare(int(port), int(rows))
        case _:
            line, held = yjs(int(port), room, int(rows))
    took = time.perf_counter() - began
    used = psutil.Process().memory_full_info().uss - memory
    sys.stdout.write(f"{took} {line.received} {used}\n")
    del held


if __name__ == "__main__":
    main(*sys.argv[1:6])
