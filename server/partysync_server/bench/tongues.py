"""
Tongues: how a client of each system opens its line, knows that it is in step, and writes rows.

Ours and the floor's are written out here; Yjs's is that of the protocol y-websocket and pycrdt-websocket share, with
pycrdt making the updates for both.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, encode

from .crowd import text
from .line import Line
from .process import Failed

TABLE = "notes"
PER_PUSH = 256  # mutations; what a room takes
PER_LOAD = 1_000  # rows of one mutation, when a room is filled

_lines = itertools.count(1)


class Ours:
    """A kernel, as ``partysync_widget.connection`` talks: JSON, mutations of one burst in one push."""

    binary = False

    def __init__(self, room: str, token: str, *, hello: m.Hello | None = None) -> None:
        self.path = f"/parties/main/{room}"
        self.client = secrets.token_hex(8)
        self.epoch = ""
        self.limits = m.Limits(1 << 20, PER_PUSH)
        self.mid = 0
        self._hello = hello or m.Hello(protocol=m.PROTOCOL, client=self.client, line=next(_lines))
        self._token = token
        self._live = False

    def open(self, port: int) -> Line:
        line = Line(
            port, self.path, headers={"Authorization": f"Bearer {self._token}"}, subprotocol="partysync.v1+json"
        )
        line.send(encode(self._hello, "json"))
        return line

    @property
    def ready(self) -> bool:
        return self._live

    def hear(self, message: bytes) -> list[bytes]:
        match decode_down(message, "json"):
            case m.Welcome(epoch=epoch, limits=limits):
                self.epoch, self.limits = epoch, limits
            case m.Delta() | m.End():
                self._live = True
            case m.Error(message=said):
                raise Failed(said)
            case _:
                pass
        return []

    def mutations(self, calls: list[tuple[str, dict[str, Any]]]) -> list[bytes]:
        made = []
        for name, args in calls:
            self.mid += 1
            made.append(m.Mutation(self.mid, name, args))
        return [encode(m.Push(self.epoch, made[at : at + PER_PUSH]), "json") for at in range(0, len(made), PER_PUSH)]

    def write(self, count: int) -> list[bytes]:
        return self.mutations(
            [
                ("insert", {"table": TABLE, "id": f"{self.client}{number}", "values": {"text": text(number)}})
                for number in range(self.mid, self.mid + count)
            ]
        )

    def make(self) -> list[bytes]:
        """The table."""
        column = {"name": "text", "type": "text"}
        return self.mutations([("create_table", {"name": TABLE, "columns": [column]})])

    def fill(self, first: int, rows: int) -> list[bytes]:
        """So many rows at once, as ``Table.insert_many`` sends them."""
        made = [
            (
                "insert_rows",
                {
                    "table": TABLE,
                    "columns": ["id", "text"],
                    "rows": [[f"r{n:07}", text(n)] for n in range(at, min(at + PER_LOAD, first + rows))],
                },
            )
            for at in range(first, first + rows, PER_LOAD)
        ]
        return [push for call in made for push in self.mutations([call])]


class Bare:
    """The floor's: a list of rows up, the same bytes down to everybody."""

    binary = False
    path = "/room"

    def __init__(self) -> None:
        self._client = secrets.token_hex(8)
        self._rows = 0
        self._ready = False

    def open(self, port: int) -> Line:
        return Line(port, self.path)

    @property
    def ready(self) -> bool:
        return self._ready

    def hear(self, message: bytes) -> list[bytes]:
        self._ready = message == b'"welcome"'
        return []

    def write(self, count: int) -> list[bytes]:
        rows = [(f"{self._client}{n}", text(n)) for n in range(self._rows, self._rows + count)]
        self._rows += count
        return [msgspec.json.encode(rows[at : at + PER_PUSH]) for at in range(0, count, PER_PUSH)]


class Yjs:
    """A document with one map, a row in it a plain map; one update for each row, as a provider sends them."""

    binary = True

    def __init__(self, path: str, headers: Mapping[str, str] | None = None) -> None:
        import pycrdt  # noqa: PLC0415  # a peer: in the extra `bench`

        self.path = path
        self._headers = headers
        self._y = pycrdt
        self.doc: Any = pycrdt.Doc()
        self.rows: Any = self.doc.get(TABLE, type=pycrdt.Map)
        self._made: list[bytes] = []
        self._asked = False
        self._ready = False
        self._number = 0
        self._client = secrets.token_hex(8)
        self._watch: Any = None

    def open(self, port: int) -> Line:
        line = Line(port, self.path, headers=self._headers)
        line.send(self._y.create_sync_message(self.doc), binary=True)
        return line

    @property
    def ready(self) -> bool:
        return self._ready

    def hear(self, message: bytes) -> list[bytes]:
        if message[0] != 0:  # awareness
            return []
        self._ready = message[1] == 1  # sync step 2: what we lack
        answer = self._y.handle_sync_message(message[1:], self.doc)
        return [answer] if answer else []

    def write(self, count: int) -> list[bytes]:
        if self._watch is None:
            self._watch = self.doc.observe(lambda event: self._made.append(event.update))
        for _ in range(count):
            self.rows[f"{self._client}{self._number}"] = {"text": text(self._number)}
            self._number += 1
        made, self._made = self._made, []
        return [bytes(self._y.create_update_message(update)) for update in made]

    def fill(self, first: int, rows: int) -> list[bytes]:
        """So many rows in one transaction."""
        before = self.doc.get_state()
        with self.doc.transaction():
            for n in range(first, first + rows):
                self.rows[f"r{n:07}"] = {"text": text(n)}
        return [bytes(self._y.create_update_message(self.doc.get_update(before)))]


class TinyBase:
    """Hears what TinyBase's server tells the clients of a path. It writes nothing: TinyBase itself does that."""

    binary = False

    def __init__(self, path: str) -> None:
        self.path = path

    def open(self, port: int) -> Line:
        return Line(port, self.path)

    ready = True  # whoever is connected is told all there is from then on

    def hear(self, message: bytes) -> list[bytes]:  # noqa: ARG002  # the tongues' common signature
        return []

    def write(self, count: int) -> list[bytes]:
        raise Failed(f"An observer was asked to write {count} rows.")
