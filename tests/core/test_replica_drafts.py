"""What a replica knows of the others beside rows: what they are about to change, and which of them wrote what (R11)."""

import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, decode_up, encode
from partysync_widget.core.errors import ProtocolError
from partysync_widget.core.replica import Link, Replica
from tests.stage import Todos

COLUMNS = ["text", "done"]
both_formats = pytest.mark.parametrize("format", ["json", "msgpack"])


def welcome(**differences):
    fields = {
        "protocol": m.PROTOCOL, "epoch": "e", "version": 5, "last_mid": 0, "limits": m.Limits(1 << 20, 256),
        "party": Todos.fingerprint(), "mutators": [*Todos.mutators, *Todos.built_in],
    }  # fmt: skip
    return m.Welcome(**{**fields, **differences})


def typing(key="c1", text="y", *, mid=0):
    return m.Draft(key, "todos", {"r1": {"text": text}}, mid)


def put(version, *ids, by=(), gone=()):
    rows = [[place, id, "x", 0] for place, id in enumerate(ids, 10 * version)]
    return m.TableChange("todos", COLUMNS, rows, list(gone), list(by))


def delta(version, *changes, **acks):
    return m.Delta("e", version - 1, version, list(changes), acks=acks)


def hear(replica, *frames, format="json"):
    return replica.receive([decode_down(encode(frame, format), format) for frame in frames])


@pytest.fixture
def replica():
    """At version 5, and live."""
    replica = Replica(Todos, "me")
    replica.opened("spare")
    hear(replica, welcome(), m.Begin("e"), m.End(5))
    assert replica.link is Link.LIVE
    return replica


@pytest.fixture
def drafted(replica):
    """It was told that you are typing, and of your mutation 3."""
    hear(replica, m.Drafts({"you": [typing(), typing("c2", mid=3)]}))
    return replica


# --- drafts ---------------------------------------------------------------------------------------------------------


@both_formats
def test_what_others_type_is_told_with_whose_it_is_and_touches_no_row(replica, format):
    """R11."""
    step = hear(replica, m.Drafts({"you": [typing(text="naïve 🧬")]}), format=format)

    assert replica.drafts_of("todos") == [("you", typing(text="naïve 🧬"))]
    assert replica.drafts_of("notes") == []
    assert (step.drafts, step.changed, step.peers, step.send) == (True, {}, False, [])
    assert (replica.cursor, replica.view.rows("todos")) == (5, [])


def test_of_a_key_the_last_draft_counts(drafted):
    """R11, D1."""
    hear(drafted, m.Drafts({"you": [typing(text="yea")], "she": [typing(text="no")]}))

    assert drafted.drafts["you", "c1"].rows == {"r1": {"text": "yea"}}
    assert drafted.drafts["she", "c1"].rows == {"r1": {"text": "no"}}


def test_a_draft_without_rows_is_over(drafted):
    """R11, D1."""
    assert hear(drafted, m.Drafts({"you": [m.Draft("c1")]})).drafts
    assert list(drafted.drafts) == [("you", "c2")]
    assert not hear(drafted, m.Drafts({"you": [m.Draft("c1")]})).drafts


def test_own_drafts_are_not_those_of_others(replica):
    """R11."""
    step = hear(replica, m.Drafts({"me": [typing()]}))

    assert (step.drafts, replica.drafts) == (False, {})


def test_a_draft_ends_with_the_delta_that_has_its_row(drafted):
    """R11, D2. Not before, not after, and in the same step."""
    assert not hear(drafted, delta(6, you=2)).drafts
    assert ("you", "c2") in drafted.drafts

    step = hear(drafted, delta(7, put(7, "r1"), you=3))

    assert (step.drafts, step.changed) == (True, {"todos": {"r1"}})
    assert list(drafted.drafts) == [("you", "c1")]


def test_an_ack_of_somebody_else_ends_nothing(drafted):
    """R11."""
    assert not hear(drafted, delta(6, me=9, she=9)).drafts
    assert len(drafted.drafts) == 2


@pytest.mark.parametrize("base", [5, None], ids=["a delta", "a snapshot"])
def test_a_draft_ends_when_what_came_in_parts_is_whole(drafted, base):
    """R8, R11, D2."""
    assert not hear(drafted, m.Begin("e", base), m.Part([put(6, "r1")])).drafts
    assert ("you", "c2") in drafted.drafts

    step = hear(drafted, m.End(6, {"you": 3}))

    assert (step.drafts, step.changed) == (True, {"todos": {"r1"}})
    assert list(drafted.drafts) == [("you", "c1")]


def test_a_delta_that_does_not_fit_ends_nothing(drafted):
    """R11. Its rows are not here."""
    hear(drafted, m.Delta("e", 5, 6, [m.TableChange("nowhere", [], [[1, "r1"]])], acks={"you": 3}))

    assert ("you", "c2") in drafted.drafts


def test_whoever_leaves_takes_their_drafts_along(drafted):
    """R11, C8."""
    hear(drafted, m.Drafts({"she": [typing()]}))

    assert hear(drafted, m.Peers({"you": None})).drafts
    assert list(drafted.drafts) == [("she", "c1")]
    assert not hear(drafted, m.Peers({"you": m.Peer("you")})).drafts


def test_a_welcome_says_all_drafts_there_are(drafted):
    """R11, C8."""
    drafted.opened("spare")
    step = hear(drafted, welcome(drafts={"she": [typing()], "me": [typing()]}))

    assert step.drafts
    assert list(drafted.drafts) == [("she", "c1")]


def test_nobody_s_drafts_outlive_the_line(drafted):
    """R11, C8."""
    assert drafted.closed().drafts
    assert drafted.drafts == {}
    assert not drafted.closed().drafts


@both_formats
def test_a_draft_holds_what_can_travel(format):
    """R13. A value that others cannot read would end them all."""
    raw = encode(m.Draft("c1", "todos", {"r1": {"n": 2**64 - 1}}), format)

    with pytest.raises(ProtocolError):
        decode_up(raw, format)


# --- authors --------------------------------------------------------------------------------------------------------


def test_rows_that_others_wrote_are_signed(replica):
    """R11."""
    step = hear(replica, delta(6, put(6, "a", "b", "c", by=["you", "me", ""])), delta(7, put(7, "d", by=["she"])))

    assert step.authors == {"todos": {"a": "you", "d": "she"}}


def test_one_author_stands_for_all_rows(replica):
    """R11."""
    assert hear(replica, delta(6, put(6, "a", "b", by=["you"]))).authors == {"todos": {"a": "you", "b": "you"}}


@pytest.mark.parametrize("by", [[], ["me"]])
def test_rows_of_one_s_own_or_of_nobody_known_are_not(replica, by):
    """R11."""
    assert hear(replica, delta(6, put(6, "a", by=by))).authors == {}


@pytest.mark.parametrize("later", [put(7, "a", by=["me"]), put(7, "a"), put(7, gone=["a"])])
def test_of_deltas_taken_as_one_the_last_author_counts(replica, later):
    """R11."""
    first = delta(6, put(6, "a", "b", by=["you"]))

    assert hear(replica, first, delta(7, later)).authors == {"todos": {"b": "you"}}


def test_a_list_of_authors_that_is_too_short_signs_what_it_can(replica):
    """A frame from somewhere else must not end the line."""
    assert hear(replica, delta(6, put(6, "a", "b", "c", by=["you", "she"]))).authors["todos"] == {
        "a": "you",
        "b": "she",
    }


def test_a_delta_in_parts_is_signed_too(replica):
    """R11."""
    step = hear(replica, m.Begin("e", 5), m.Part([put(6, "a", by=["you"])]), m.End(6, {"you": 1}))

    assert step.authors == {"todos": {"a": "you"}}


# --- what a pending edit touches ------------------------------------------------------------------------------------


def test_the_rows_of_a_pending_edit_are_those_it_was_the_last_to_touch(replica):
    """R11. As they would be, in the form in which values travel."""
    hear(replica, delta(6, put(6, "old")))
    made, _ = replica.mutate("create", {"id": "a", "text": "yeast", "done": True})
    gone, _ = replica.mutate("delete", {"table": "todos", "id": "old"})

    assert replica.rows_of(made, 50) == {"todos": {"a": {"text": "yeast", "done": True}}}
    assert replica.rows_of(gone, 50) == {"todos": {"old": None}}

    later, _ = replica.mutate("update", {"table": "todos", "id": "a", "values": {"text": "bread"}})

    assert replica.rows_of(made, 50) == {}
    assert replica.rows_of(later, 50) == {"todos": {"a": {"text": "bread", "done": True}}}


def test_of_many_rows_there_are_so_many(replica):
    """R11."""
    args = {"table": "todos", "columns": ["id", "text"], "rows": [[f"r{n}", "x"] for n in range(9)]}
    made, _ = replica.mutate("insert_rows", args)

    assert len(replica.rows_of(made, 4)["todos"]) == 4
