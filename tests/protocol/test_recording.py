"""Frames of every version there has been can be read, and mean what they meant (P2)."""

import base64
import json

import msgspec
import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, decode_up, encode
from tests.protocol.record import FRAMES, record
from tests.protocol.shape import describe

RECORDED = [
    pytest.param(path, each, id=f"{path.parent.name}-{path.stem}-{number}")
    for path in sorted(FRAMES.glob("v*/*.json"))
    for number, each in enumerate(json.loads(path.read_text()))
]
NOW = FRAMES / f"v{m.PROTOCOL}"


def decoder(path):
    return decode_up if path.stem.startswith("up-") else decode_down


def says(decoded, recorded):
    """Whether a frame has all that was recorded of it. Fields that have come since are not asked for."""
    match decoded:
        case msgspec.Struct():
            fields = {name: value for name, value in recorded.items() if name != "type"}
            return all(says(getattr(decoded, name), value) for name, value in fields.items())
        case dict():
            return decoded.keys() == recorded.keys() and all(says(decoded[name], recorded[name]) for name in decoded)
        case list() | tuple():
            return len(decoded) == len(recorded) and all(map(says, decoded, recorded))
        case bytes():
            return base64.b64encode(decoded).decode() == recorded
        case _:
            return decoded == recorded and isinstance(decoded, bool) == isinstance(recorded, bool)


@pytest.mark.parametrize(("path", "recorded"), RECORDED)
def test_a_recorded_frame_is_read_for_ever(path, recorded):
    decode, tag = decoder(path), path.stem.partition("-")[2]

    for format, raw in (("json", recorded["json"].encode()), ("msgpack", base64.b64decode(recorded["msgpack"]))):
        frame = decode(raw, format)

        assert frame.__struct_config__.tag == tag
        assert says(frame, recorded["value"])
        assert decode(encode(frame, format), format) == frame


@pytest.mark.parametrize(("path", "recorded"), RECORDED)
def test_what_was_left_out_is_the_default(path, recorded):
    """S8."""
    frame = decoder(path)(recorded["json"].encode(), "json")

    left_out = [name for name in frame.__struct_fields__ if name not in recorded["value"]]
    defaults = {field.name: field for field in msgspec.structs.fields(frame)}

    for name in left_out:
        default = defaults[name].default
        wanted = default if default is not msgspec.NODEFAULT else defaults[name].default_factory()
        assert getattr(frame, name) == wanted


@pytest.mark.parametrize(("path", "recorded"), RECORDED)
def test_unknown_fields_are_skipped_wherever_they_are(path, recorded):
    """S8. In the frame, and in what is inside it."""
    decode, known = decoder(path), decoder(path)(recorded["json"].encode(), "json")
    grown = _grown(json.loads(recorded["json"]), known)

    assert decode(json.dumps(grown).encode(), "json") == known
    assert grown != json.loads(recorded["json"])


def _grown(raw, decoded):
    match decoded:
        case msgspec.Struct():
            grown = {name: _grown(value, getattr(decoded, name, None)) for name, value in raw.items()}
            return {**grown, "unheard-of": {"any": ["thing", 1]}}
        case dict():
            return {name: _grown(value, decoded[name]) for name, value in raw.items()}
        case list() | tuple():
            return list(map(_grown, raw, decoded))
        case _:
            return raw


def test_every_frame_and_every_field_and_every_choice_is_recorded():
    """And each once with only what is required."""
    shape = describe(m.Up, m.Down)
    files = {f"{direction}-{tag}" for direction in ("up", "down") for tag in shape.pop(direction)}
    assert {path.stem for path in NOW.glob("*.json")} == files

    seen, least = set(), set()
    for path in NOW.glob("*.json"):
        for each in json.loads(path.read_text()):
            _note(decoder(path)(each["json"].encode(), "json"), json.loads(each["json"]), seen, least)
    wanted = {
        (struct, field) for struct, found in shape.items() for field in found if field != "type" or struct == "Column"
    }
    assert {(struct, field) for struct, field, _ in seen} == wanted
    assert least == shape.keys()
    for struct, field in wanted:
        for choice in shape[struct][field].partition(" = ")[0].split() if '"' in shape[struct][field][:1] else ():
            assert (struct, field, choice) in seen


def _note(frame, raw, seen, least):
    """Which fields of which structs are in ``raw``, and which structs are there with only what is required."""
    match frame:
        case msgspec.Struct():
            name = frame.__struct_config__.tag or type(frame).__name__
            required = {field.name for field in msgspec.structs.fields(frame) if field.required}
            fields = raw.keys() - ({"type"} if frame.__struct_config__.tag else set())
            if fields == required:
                least.add(name)
            for field in fields:
                seen.add((name, field, json.dumps(raw[field])))
                _note(getattr(frame, field), raw[field], seen, least)
        case dict():
            for key, value in frame.items():
                _note(value, raw[key], seen, least)
        case list() | tuple():
            for value, each in zip(frame, raw, strict=True):
                _note(value, each, seen, least)


def test_what_was_recorded_is_not_recorded_again(tmp_path):
    record(tmp_path / "v1")
    written = {path.name: path.read_text() for path in (tmp_path / "v1").iterdir()}
    with pytest.raises(SystemExit, match="are recorded, and are read for ever as they are"):
        record(tmp_path / "v1")

    assert written.keys() == {path.name for path in NOW.iterdir()}
    assert written == {path.name: path.read_text() for path in (tmp_path / "v1").iterdir()}


def test_another_value_would_be_noticed():
    assert says(m.Ping(3), {"version": 3})
    assert not says(m.Ping(3), {"version": 4})
    assert not says(m.Presence({"a": [1, {"b": True}]}), {"state": {"a": [1, {"b": 1}]}})
    assert not says(m.Presence({"a": 1}), {"state": {}})
