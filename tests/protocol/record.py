"""
Records the frames of a new version of the protocol: ``python -m tests.protocol.record``.

What was recorded is never changed: those frames may be in somebody's cache or on somebody's wire, and must be read for
ever (P2). So this writes the folder of a version that has none yet, and nothing else.
"""

import base64
import json
import sys
from pathlib import Path

import msgspec

from partysync_widget.core import messages as m

FRAMES = Path(__file__).with_name("frames")

COLUMNS = [
    {"name": type_, "type": type_, "required": False, "default": None, "choices": []}
    for type_ in ("text", "integer", "real", "boolean", "json", "datetime", "date", "bytes")
] + [{"name": "choice", "type": "choice", "required": True, "default": "low", "choices": ["low", "high"]}]
SPEC = {"name": "todos", "columns": COLUMNS}
MOMENT, DAY = "2026-11-23T04:05:06.000000Z", "2026-11-23"
ROW = [1, "a1", "Zoë 🐟", 2**63 - 1, -0.5, 1, '{"a":[1,null]}', MOMENT, DAY, b"\x00\xff", "low"]
CHANGE = {
    "table": "todos",
    "columns": [column["name"] for column in COLUMNS],
    "put": [ROW, [-(2**63), "b1", *[None] * 8, "high"]],
    "gone": ["c1", ""],
    "by": ["ada", ""],
}
RESULTS = [
    {"client": "ada", "mid": 1, "value": {"a": [1, 2.5, True, None, "x"]}},
    {"client": "ben", "mid": 2**53, "value": None, "code": "unknown-row", "message": "There is no such row."},
]
ROWS = {"a1": {"text": "feed", "bytes": {"base64": "AP8="}}, "b1": None}
DRAFT = {"key": "k", "table": "todos", "rows": ROWS, "mid": 7}
AT = {"table": "todos", "id": "a1", "column": "text"}
PEER = {"name": "Ada", "color": "#1b9e77", "state": {"at": AT}, "role": "editor"}
ACKS = {"ada": 1, "ben": 2**53}

UP = {
    "hello": [
        {
            "protocol": m.PROTOCOL, "client": "ada", "party": "dd824572ce193f6c", "epoch": "5302aafc155d94c9",
            "version": 2**53, "settled": 4, "name": "Ada", "color": "#1b9e77", "line": 1700000000000,
            "sight": "0a1b2c3d", "schema": 2,
        }
    ],
    "push": [
        {
            "epoch": "5302aafc155d94c9",
            "mutations": [
                {"mid": 1, "name": "upsert", "args": {"table": "todos", "id": "a1", "values": {"done": True}}},
                {"mid": 2, "name": "batch", "args": {"steps": [["delete", {"table": "todos", "id": "a1"}]]}},
                {"mid": 3, "name": "none", "args": {}},
            ],
        },
        {"epoch": "", "mutations": []},
    ],
    "seen": [{"mid": 3}],
    "presence": [{"state": PEER["state"]}, {"state": {}}],
    "draft": [DRAFT],
    "barrier": [{"n": 1, "version": 0}],
    "ask": [
        {"n": 1, "what": "share", "args": {"role": "viewer", "expires": 3600.5}},
        {"n": 2, "what": "revoke", "args": {"who": "0a1b2c3d"}},
        {"n": 3, "what": "people", "args": {}},
    ],
    "ping": [{"version": 3}],
}  # fmt: skip
DOWN = {
    "welcome": [
        {
            "protocol": m.PROTOCOL, "epoch": "5302aafc155d94c9", "version": 3, "last_mid": 2,
            "limits": {"frame": 1 << 20, "mutations": 256}, "party": "dd824572ce193f6c",
            "mutators": ["insert", "delete"], "known": False, "reason": "The room does not remember this client.",
            "peers": {"ada": PEER},
            "drafts": {"ben": [{"type": "draft", **DRAFT}]}, "user": "Ada", "role": "editor", "sight": "0a1b2c3d",
            "schema": 2,
        }
    ],
    "delta": [
        {
            "epoch": "5302aafc155d94c9", "base": 2, "version": 3, "tables": [CHANGE], "schema": [SPEC], "acks": ACKS,
            "results": RESULTS,
        }
    ],
    "begin": [{"epoch": "5302aafc155d94c9", "base": 2, "schema": [SPEC]}],
    "part": [{"tables": [CHANGE], "schema": [SPEC]}],
    "end": [{"version": 3, "acks": ACKS, "results": RESULTS, "parts": 2}],
    "peers": [{"peers": {"ada": PEER, "ben": None}}],
    "drafts": [{"drafts": {"ben": [{"type": "draft", **DRAFT}, {"type": "draft", "key": "over"}]}}],
    "barrier": [{"n": 1, "version": 3}],
    "answer": [
        {"n": 1, "value": {"share": {"id": "0a1b2c3d", "expires": None}, "token": "t"}},
        {"n": 2, "value": None, "code": "forbidden", "message": "Only an owner may share."},
    ],
    "pong": [{"version": 3}],
    "error": [
        {"kind": kind, "message": "What is wrong, and what to do.", "retry": retry}
        for kind, retry in (
            ("bad-frame", "never"), ("too-large", "never"), ("gap", "now"), ("stale-epoch", "now"),
            ("replaced", "never"), ("storage", "backoff"), ("protocol", "never"), ("schema", "never"),
            ("forbidden", "never"), ("busy", "backoff"),
        )
    ],
    "bye": [{"reason": "The server is stopping.", "after": 0.5}],
}  # fmt: skip


def required(fields, type_, *, inside_only=False):
    """``fields`` without what has a default, in the structs inside as well, or in those alone."""
    info = {field.encode_name: field for field in msgspec.inspect.type_info(type_).fields}
    kept = [name for name in fields if name in info and (inside_only or info[name].required)]
    return {name: _inside(fields[name], info[name].type) for name in kept}


def _inside(value, type_):
    match type_:
        case msgspec.inspect.StructType():
            tag = {type_.tag_field: type_.tag} if type_.tag else {}
            return {**tag, **required(value, type_.cls)}
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return [_inside(each, type_.item_type) for each in value]
        case msgspec.inspect.DictType():
            return {key: _inside(each, type_.value_type) for key, each in value.items()}
        case msgspec.inspect.UnionType() if value is not None:
            struct = [each for each in type_.types if isinstance(each, msgspec.inspect.StructType)]
            return _inside(value, struct[0]) if struct else value
        case _:
            return value


def recording(tag, type_, samples):
    """What one file holds: each frame with every field, and with only those that are required."""
    frames = []
    for sample in samples:
        for fields in (sample, required(sample, type_, inside_only=True), required(sample, type_)):
            frame = {"type": tag, **fields}
            if frame not in frames:
                frames.append(frame)
    return [
        {
            "json": msgspec.json.encode(frame).decode(),
            "msgpack": base64.b64encode(msgspec.msgpack.encode(frame)).decode(),
            "value": msgspec.to_builtins({name: value for name, value in frame.items() if name != "type"}),
        }
        for frame in frames
    ]


def record(folder):
    """Write the frames of this version. Raises SystemExit if it has been recorded."""
    if folder.exists():
        raise SystemExit(
            f"{folder} is there: frames of version {m.PROTOCOL} are recorded, and are read for ever as they are. "
            f"Raise PROTOCOL in core/messages.py for frames of another shape."
        )
    folder.mkdir(parents=True)
    for direction, union, samples in (("up", m.Up, UP), ("down", m.Down, DOWN)):
        types = {each.tag: each.cls for each in msgspec.inspect.type_info(union).types}
        for tag, type_ in types.items():
            made = recording(tag, type_, samples[tag])
            text = json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True)
            (folder / f"{direction}-{tag}.json").write_text(text + "\n")


if __name__ == "__main__":
    record(FRAMES / f"v{m.PROTOCOL}")
    sys.stdout.write(f"Recorded. Look at them, and commit {FRAMES / f'v{m.PROTOCOL}'}.\n")
