"""The frames are pinned: another shape is another version of the protocol."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from partysync_widget.core import messages as m
from tests.protocol.shape import complaint, describe, digest, pinned


@pytest.fixture(scope="module")
def found():
    return describe(m.Up, m.Down)


def test_the_frames_are_those_of_their_version(found):
    """P1."""
    problem = complaint(digest(found), m.PROTOCOL, pinned())

    assert not problem, problem


def test_the_versions_are_counted_from_one_and_say_what_changed():
    history = pinned()

    assert list(history) == list(range(1, m.PROTOCOL + 1))
    assert len({digest for digest, _ in history.values()}) == len(history)
    assert all(changed.endswith(".") for _, changed in history.values())


# One struct as it is, and as somebody might change it. Each is another protocol.


EMPTY = msgspec.field(default_factory=list)


class Inside(Struct):
    n: int


class Ping(Struct, tag="ping", omit_defaults=True):
    version: Annotated[int, Meta(ge=0)]
    kind: Literal["one", "two"] = "one"
    rows: list[Inside] = []


class Bye(Struct, tag="bye"):
    reason: str


def changed(**fields):
    """Ping with these fields in place of its own; None is none."""
    kept = {
        "version": (Annotated[int, Meta(ge=0)],),
        "kind": (Literal["one", "two"], "one"),
        "rows": (list[Inside], EMPTY),
        **fields,
    }
    made = [(name, *field) for name, field in kept.items() if field is not None]
    return msgspec.defstruct("Ping", made, tag="ping", kw_only=True)


class Wider(Struct):
    n: int
    more: int = 0


CHANGES = {
    "a field with a default came": changed(more=(int, 0)),
    "a field came": changed(more=(int,)),
    "a field went": changed(kind=None),
    "a default changed": changed(kind=(Literal["one", "two"], "two")),
    "a field is required now": changed(kind=(Literal["one", "two"],)),
    "a type changed": changed(version=(Annotated[str, Meta(max_length=9)],)),
    "a range changed": changed(version=(Annotated[int, Meta(ge=1)],)),
    "a range went": changed(version=(int,)),
    "another limit came": changed(version=(Annotated[int, Meta(ge=0, multiple_of=2)],)),
    "a choice came": changed(kind=(Literal["one", "two", "three"], "one")),
    "null is allowed": changed(kind=(Literal["one", "two"] | None, "one")),
    "a list became anything": changed(rows=(Any, EMPTY)),
    "a list has a length": changed(rows=(Annotated[list[Inside], Meta(max_length=3)], EMPTY)),
    "what is in it changed": changed(rows=(list[Wider], EMPTY)),
    "another tag": type("Ping", (Ping,), {}, tag="pong"),
    "unknown fields are errors": type("Ping", (Ping,), {}, forbid_unknown_fields=True),
    "an array": type("Ping", (Ping,), {}, array_like=True),
    "another name on the wire": changed(version=(Annotated[int, Meta(ge=0)], msgspec.field(name="v"))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_struct_is_noticed_and_the_sentence_says_what_to_do(name):
    """P1."""
    history = {1: (digest(describe(Ping, Bye)), "The first.")}

    problem = complaint(digest(describe(CHANGES[name], Bye)), 1, history)

    assert "make it version 2: raise PROTOCOL in core/messages.py" in problem
    assert "python -m tests.protocol.record" in problem
    assert problem.endswith(".")


def test_a_frame_that_changes_sides_is_noticed():
    """P1."""
    assert digest(describe(Ping | Bye, Bye)) != digest(describe(Ping, Bye)) != digest(describe(Bye, Ping))


class InAnotherOrder(Struct, tag="ping"):
    """And with other words."""

    version: Annotated[int, Meta(ge=0, description="Anything")]
    rows: list[Inside] = []
    kind: Literal["two", "one"] = "one"


def test_what_no_other_side_sees_is_no_change():
    assert digest(describe(InAnotherOrder, Bye)) == digest(describe(Ping, Bye))
    assert digest(describe(Bye | Ping, Bye)) == digest(describe(Ping | Bye, Bye))


def test_a_version_without_a_line_is_noticed():
    assert "the last version listed above it" in complaint("abc", 2, {1: ("abc", "The first.")})
    assert complaint("abc", 2, {1: ("old", "The first."), 2: ("abc", "More.")}) == ""
