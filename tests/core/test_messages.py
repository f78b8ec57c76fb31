"""The frames: what they are called, what they hold, and that nobody changes them by accident."""

import re
import typing

import msgspec
import pytest

from partysync_widget.core import messages as m

# The protocol, field by field. A change here is a new version of it: tests/protocol/test_shape.py says what that takes.
# A field may never change its meaning.
PROTOCOL = 1
FRAMES = {
    "hello": "protocol client party epoch version settled name color line sight schema",
    "push": "epoch mutations",
    "seen": "mid",
    "presence": "state",
    "draft": "key table rows mid",
    "barrier": "n version",
    "ask": "n what args",
    "ping": "version",
    "welcome": "protocol epoch version last_mid limits party mutators known reason peers drafts user role sight schema",
    "delta": "epoch base version tables schema acks results",
    "begin": "epoch base schema",
    "part": "tables schema",
    "end": "version acks results parts",
    "peers": "peers",
    "drafts": "drafts",
    "answer": "n value code message",
    "pong": "version",
    "error": "kind message retry",
    "bye": "reason after",
}
INSIDE = {
    m.Column: "name type required default choices",
    m.TableSpec: "name columns",
    m.TableChange: "table columns put gone by",
    m.Result: "client mid value code message",
    m.Mutation: "mid name args",
    m.Peer: "name color state role",
    m.Limits: "frame mutations",
}


def tags(union):
    return {frame.__struct_config__.tag: frame for frame in typing.get_args(union)}


def drawn(direction):
    """The frames that the picture at the head of the module shows on one line."""
    return set(re.search(rf"(?m)^ +{direction} +(.+)$", m.__doc__)[1].split())


def test_the_picture_at_the_head_of_the_module_shows_every_frame():
    assert drawn("up") == tags(m.Up).keys()
    assert drawn("down") == tags(m.Down).keys()


def test_the_protocol_is_the_one_written_down_here():
    assert m.PROTOCOL == PROTOCOL
    frames = tags(m.Up) | tags(m.Down)
    assert {tag: " ".join(frame.__struct_fields__) for tag, frame in frames.items()} == FRAMES
    assert {struct: " ".join(struct.__struct_fields__) for struct in INSIDE} == INSIDE


def test_a_frame_says_its_type_and_leaves_out_what_is_as_usual():
    """S6, S8."""
    assert msgspec.to_builtins(m.Delta("e", 1, 2)) == {"type": "delta", "epoch": "e", "base": 1, "version": 2}
    assert msgspec.to_builtins(m.Hello(1, "c")) == {"type": "hello", "protocol": 1, "client": "c"}


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_of_up_to_256_characters_is_taken(name):
    """L2."""
    assert msgspec.convert({"name": name}, m.Peer).name == name


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (m.Peer, {"name": "x" * 257}),
        (m.Seen, {"type": "seen", "mid": -1}),
        (m.Seen, {"type": "seen", "mid": 2**53 + 1}),
        (m.Mutation, {"mid": 0, "name": "x", "args": {}}),
        (m.Mutation, {"mid": 1, "name": "x", "args": []}),
        (m.Column, {"name": "x", "type": "varchar"}),
        (m.Error, {"type": "error", "kind": "whatever", "message": "", "retry": "now"}),
        (m.Error, {"type": "error", "kind": "gap", "message": "", "retry": "later"}),
    ],
)
def test_a_field_out_of_its_range_is_refused(type_, value):
    """L1, L2."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, type_)


def test_a_column_cannot_be_changed_after_it_was_made():
    with pytest.raises(AttributeError):
        m.Column("text", "text").name = "other"


def test_two_frames_share_no_list():
    one, other = m.Delta("e", 0, 1), m.Delta("e", 0, 1)

    one.acks["c"] = 1
    one.tables.append(m.TableChange("todos", []))

    assert other == m.Delta("e", 0, 1)


def test_frames_name_the_values_in_them_that_no_type_describes():
    """What the decoder has to look at one by one."""
    push = m.Push("e", [m.Mutation(1, "insert", {"a": 1}), m.Mutation(2, "insert", {"b": 2})])

    assert list(push.free_values()) == [{"a": 1}, {"b": 2}]
    assert list(m.Presence({"row": "a1"}).free_values()) == [{"row": "a1"}]
    assert list(m.Ask(1, "share", {"role": "viewer"}).free_values()) == [{"role": "viewer"}]
