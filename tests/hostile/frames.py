"""
Frames as somebody who means harm would write them: valid ones of every kind, damaged in bytes and in structure.

All chance comes from one seed, so a frame that breaks something can be had again; it is then kept in ``crashers/``, as
``<direction>-<format>-<name>.bin``, and tried first from then on.
"""

import copy
import json
import random
from pathlib import Path

import msgspec

from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode

CRASHERS = Path(__file__).with_name("crashers")
FORMATS = ("json", "msgpack")

ROW = [1, "row-1", "text", 5, None, 1.5]
COLUMNS = (
    m.Column("text", "text"),
    m.Column("n", "integer", default=1),
    m.Column("size", "choice", choices=("S", "M")),
)
CHANGE = m.TableChange(
    "todos", ["text", "n", "size", "x"], [ROW, [2, "row-2", "ü🧬", -1, "M", 0.0]], ["row-3"], ["ada"]
)
DRAFT = m.Draft("key", "todos", {"row-1": {"text": "wor"}, "row-2": None}, 3)
SPEC = m.TableSpec("todos", COLUMNS)

UP = [
    m.Hello(1, "client", "party", "epoch", 7, 3, "ada", "#abc", 1700000000, "sight", 2),
    m.Hello(1, "client"),
    m.Push("epoch", [m.Mutation(1, "insert", {"table": "todos", "id": "1", "values": {"text": "a", "n": 1.5}})]),
    m.Push("epoch", [m.Mutation(n, "batch", {"steps": [["delete", {"table": "t", "id": "1"}]]}) for n in (1, 2, 3)]),
    m.Push("epoch", []),
    m.Seen(4),
    m.Presence({"at": {"table": "todos", "id": "row-1", "column": "text"}, "mood": ["curious", None, True]}),
    DRAFT,
    m.Draft("key"),
    m.Barrier(1),
    m.Ask(1, "share", {"role": "editor", "expires": 5.0}),
    m.Ping(9),
]
DOWN = [
    m.Welcome(1, "epoch", 7, 3, m.Limits(1 << 20, 256), "party", ["insert"], peers={"c": m.Peer("ada")},
    drafts={"c": [DRAFT]}),
    m.Delta("epoch", 6, 7, [CHANGE], [SPEC], {"client": 3}, [m.Result("client", 3, {"a": [1]}), m.Result("b", 1,
    None, "bad", "no")]),
    m.Begin("epoch", None, [SPEC]),
    m.Begin("epoch", 7),
    m.Part([CHANGE], [SPEC]),
    m.End(7, {"client": 3}, [], 1),
    m.Peers({"c": m.Peer("ada", "#abc", {"mood": 1}, "editor"), "d": None}),
    m.Drafts({"c": [DRAFT]}),
    m.Barrier(1, 7),
    m.Answer(1, {"share": "id"}),
    m.Answer(1, None, "forbidden", "no"),
    m.Pong(7),
    m.Error("bad-frame", "no", "never"),
    m.Bye("over", 1.5),
]  # fmt: skip

# What stands where something else belongs.
ODD = [
    None, True, 0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, -0.0, 1e308, "", "x", "\0", "é", "é",
    "\u202e", "🧬" * 50, "x" * 300, "x" * 70_000, [], {}, [[]], {"": ""}, {"type": "hello"}, "hello", "__proto__",
    ["x"] * 300,
    {"constructor": {"prototype": 1}}, "1; DROP TABLE todos", {"base64": "!"}, {"base64": "AAAA"}, "2026-99-99",
    [None] * 50,
]  # fmt: skip
ODD_JSON = [
    *ODD,
    float("nan"),
    float("inf"),
    -float("inf"),
    2**63,
    -(2**63) - 1,
    10**400,
    "\ud800",
    "\udfff",
    "a\ud83d",
]

# Pieces of bytes that mean something to a decoder, or nothing to anybody.
PIECES = {
    "json": [
        b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9223372036854775808", b"1" * 5000, b'"\\ud800"',
        b"\\u0000",
        b"\xed\xa0\x80", b"\xff", b"\xc0\xaf", b"\0", b"[" * 100, b'{"a":' * 100, b"]" * 70, b"}", b"//", b"/**/",
        b"01",
        b"-", b"+1", b".5", b"1.", b"0x1", b"'", b'"', b"\\", b"\\u12", b"true", b"nul", b",", b",,", b":", b"\n",
        b"\xef\xbb\xbf",
        b'"type":"ping",', b'"mid":1,', b'"args":{},', b'"":0,', b"1e-400", b"1E+1000000000",
    ],
    "msgpack": [
        b"\xc0", b"\xc1", b"\xc2", b"\xcb\x7f\xf8\0\0\0\0\0\0", b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xca\x7f\xc0\0\0",
        b"\xcf\x80\0\0\0\0\0\0\0", b"\xd3\x80\0\0\0\0\0\0\0", b"\xa3\xed\xa0\x80", b"\xa1\xff", b"\x91" * 100,
        b"\x81\xa1a" * 100,
        b"\xc4\x01a", b"\xc6\xff\xff\xff\xff", b"\xd6\xff\0\0\0\0", b"\xd4\x05\0", b"\xc7\xff\x01",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\x81\x01\x01", b"\x81\x91\x01\x01", b"\x81\x80\x01", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xdc\xff\xff", b"\xde\xff\xff", b"\xda\xff\xff", b"\x8f", b"\x9f", b"\xbf", b"\xff", b"\0",
        b"\xa4type\xa4ping", b"\xa3mid\x01",
    ],
}  # fmt: skip


def good(direction):
    """Every kind of frame of that direction, as ``(format, bytes)``."""
    return [(format, encode(frame, format)) for frame in (UP if direction == "up" else DOWN) for format in FORMATS]


def crashers(direction):
    """What has broken something once."""
    for path in sorted(CRASHERS.glob(f"{direction}-*.bin")):
        yield path.name.split("-")[1], path.read_bytes()


def keep(direction, format, raw, name):
    """So that it is tried first from now on."""
    path = CRASHERS / f"{direction}-{format}-{name}.bin"
    path.write_bytes(raw)
    return path


class Vandal:
    """Damages frames."""

    def __init__(self, seed, direction):
        self.chance = random.Random(seed)
        self._good = good(direction)
        self._plain = [(format, msgspec.json.decode(raw)) for format, raw in self._good if format == "json"]

    def frame(self, format=None):
        """``(format, bytes)`` of one more."""
        chance = self.chance
        if chance.random() < 0.4:
            format = format or chance.choice(FORMATS)
            raw = self._written(self._bent(json.loads(json.dumps(chance.choice(self._plain)[1])), format), format)
            if chance.random() < 0.7:
                return format, raw
        else:
            format, raw = chance.choice([each for each in self._good if format in (None, each[0])])
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            raw = self._damaged(raw, format)
        return format, raw

    def _damaged(self, raw, format):
        """Its bytes."""
        chance = self.chance
        place, other = chance.randrange(len(raw) + 1), chance.randrange(len(raw) + 1)
        match chance.randrange(9):
            case 0 if raw:
                place = chance.randrange(len(raw))
                return raw[:place] + bytes([raw[place] ^ 1 << chance.randrange(8)]) + raw[place + 1 :]
            case 1:
                return raw[:place] + bytes([chance.randrange(256)]) + raw[place:]
            case 2:
                return raw[:place] + raw[place + chance.choice((1, 1, 2, 5)) :]
            case 3:
                return raw[:place] + chance.choice(PIECES[format]) + raw[place:]
            case 4:
                return raw[:place] + chance.choice(PIECES[format]) + raw[max(place, other) :]
            case 5:
                return raw[:place]
            case 6:
                return raw[: max(place, other)] + raw[min(place, other) :]
            case 7:
                _, another = chance.choice(self._good)
                return raw[:place] + another[chance.randrange(len(another)) :]
            case _:
                return raw + chance.choice((raw, b" ", b"\0", b"{}", b"\x80"))

    def _bent(self, frame, format):
        """Its structure: at one or two places a value that is none, a field too many or too few."""
        chance = self.chance
        for _ in range(chance.choice((1, 1, 2))):
            node = frame
            while True:
                if isinstance(node, dict) and node:
                    key = chance.choice(list(node))
                elif isinstance(node, list) and node:
                    key = chance.randrange(len(node))
                else:
                    break
                if isinstance(node[key], dict | list) and node[key] and chance.random() < 0.7:
                    node = node[key]
                    continue
                self._bend(node, key, format)
                break
        return frame

    def _bend(self, node, key, format):
        chance = self.chance
        odd = copy.deepcopy(chance.choice(ODD_JSON if format == "json" else ODD))
        match chance.randrange(6):
            case 0:
                del node[key]
            case 1 if isinstance(node, dict):
                node[chance.choice(("extra", "", "type", "__proto__", "mid", "x" * 300, "é"))] = odd
            case 1:
                node.insert(key, odd)
            case 2:
                node[key] = [node[key]]
            case 3:
                depth = chance.choice((10, 63, 64, 65, 300))
                for _ in range(depth):
                    odd = [odd] if chance.random() < 0.5 else {"a": odd}
                node[key] = odd
            case _:
                node[key] = odd

    @staticmethod
    def _written(frame, format):
        if format == "msgpack":
            return msgspec.msgpack.encode(frame)
        return json.dumps(frame).encode()  # NaN, half pairs and all
