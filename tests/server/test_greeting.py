"""A room and whoever says hello: what they are told of the past, and who is sent away."""

import pytest

from partysync_widget.core import messages as m
from tests.server.callers import create, turn
from tests.stage import Todos


def test_whoever_comes_in_with_nothing_gets_a_welcome_and_every_row(room, join):
    """F9, F11, F12, F13, H6, V1."""
    ada = join("ada")
    ada.push(create(1))
    turn(room)

    welcome, begin, part, end = join("bob").told

    assert (welcome.protocol, welcome.epoch, welcome.version, welcome.known) == (m.PROTOCOL, room.ledger.epoch, 1, True)
    assert (welcome.party, welcome.last_mid, welcome.limits) == (Todos.fingerprint(), 0, room.limits)
    assert welcome.mutators == ["create", "finish", "clear", "guess_differently", *Todos.built_in]
    assert (begin.base, [spec.name for spec in begin.schema]) == (None, ["todos"])
    assert part.tables[0].put == [[1, "r1", "a", 0]]
    assert end == m.End(1, {"bob": 0}, parts=1)


def test_whoever_comes_back_gets_what_changed_deletions_included(room, join):
    """R4, H6."""
    ada = join("ada")
    ada.push(create(1), create(2))
    turn(room)
    ada.push(m.Mutation(3, "delete", {"table": "todos", "id": "r1"}), create(4))
    turn(room)

    welcome, delta = join("bob", epoch=room.ledger.epoch, version=2).told

    assert welcome.known
    assert (delta.base, delta.version) == (2, 4)
    assert [(change.put, change.gone) for change in delta.tables] == [([[3, "r4", "a", 0]], ["r1"])]


def test_whoever_missed_nothing_is_told_so_by_an_empty_delta(room, join):
    """R3, H6. A replica is live when it has heard from where it is."""
    _, delta = join("ada", epoch=room.ledger.epoch, version=0).told

    assert delta == m.Delta(room.ledger.epoch, 0, 0)


def test_whoever_was_away_for_too_long_gets_every_row(room, join):
    """R4, H6. The deletions it needs are forgotten."""
    ada = join("ada")
    ada.push(*(create(n) for n in range(1, 11)))
    turn(room)
    room.ledger.begin()
    room.ledger.compact(4)
    room.ledger.commit()

    assert [type(frame) for frame in join("bob", epoch=room.ledger.epoch, version=5).told] == [
        m.Welcome, m.Begin, m.Part, m.End,
    ]  # fmt: skip
    assert [type(frame) for frame in join("eve", epoch=room.ledger.epoch, version=6).told] == [m.Welcome, m.Delta]


@pytest.mark.parametrize(
    "hello", [{"epoch": "another", "version": 0}, {"epoch": "epoch-1", "version": 1}, {"epoch": "", "settled": 1}]
)
def test_whoever_knows_another_history_is_told_so_and_nothing_else(room, join, hello):
    """R10, H7."""
    (welcome,) = join("ada", **hello).told

    assert not welcome.known
    assert welcome.reason.endswith(".")


def test_whoever_was_told_so_comes_in_under_a_new_id(room, join):
    """R10, H7."""
    ada, bob = join("ada", epoch="another", version=7), join("bob")
    assert [list(frame.peers) for frame in bob.told if isinstance(frame, m.Welcome)] == [["ada", "bob"]]
    ada.client = "fresh"

    ada.hello()

    assert [type(frame) for frame in ada.told] == [m.Welcome, m.Welcome, m.Begin, m.End]
    (peers,) = bob.hear()
    assert (peers.peers["ada"], peers.peers["fresh"].name) == (None, "fresh")


def test_whoever_says_hello_again_is_answered_again(room, join):
    """H8."""
    ada = join("ada")
    ada.push(create(1))
    turn(room)

    ada.told.clear()
    ada.hello(epoch=room.ledger.epoch, version=0)

    assert [type(frame) for frame in ada.told] == [m.Welcome, m.Delta]


@pytest.mark.parametrize(
    ("hello", "kind", "why"),
    [
        ({"protocol": m.PROTOCOL - 1}, "protocol", "This kernel's library is the older one"),
        ({"protocol": m.PROTOCOL + 1}, "protocol", "The server is the older one"),
        ({"party": "another"}, "schema", "'todos' in this kernel differs"),
        ({"client": ""}, "forbidden", "somebody else"),
    ],
)
def test_whoever_does_not_fit_is_sent_away_with_a_sentence(join, hello, kind, why):
    """H2, H3, H5, E7, E8, E9."""
    ada = join("ada", **hello)

    (error,) = ada.told
    assert (error.kind, error.retry) == (kind, "never")
    assert why in error.message


def test_a_kernel_with_the_same_class_or_with_none_fits(join):
    """H5."""
    assert join("ada", party=Todos.fingerprint()).told[0].known
    assert join("bob", party="").told[0].known


@pytest.mark.parametrize(
    "frame",
    [m.Seen(1), m.Ping(0), m.Barrier(1), m.Presence({}), m.Push("epoch-1", [])],
    ids=lambda each: type(each).__name__,
)
def test_the_first_frame_is_hello(room, join, frame):
    """H1."""
    ada = join("ada", join=False)

    ada.say(frame)

    (error,) = ada.hear()
    assert (error.kind, error.message, error.retry) == ("protocol", "The first frame must be hello.", "never")


def test_what_comes_right_after_hello_is_taken(room, join):
    """It may arrive before the room has answered."""
    ada, bob = join("ada", join=False), join("bob")
    ada.say(m.Hello(m.PROTOCOL, "ada"), m.Presence({"row": "a1"}), m.Ping(0), m.Barrier(7))

    while ada.hear():
        pass
    assert [type(frame) for frame in ada.told] == [m.Welcome, m.Begin, m.End, m.Barrier, m.Pong]
    assert bob.hear()[-1].peers["ada"].state == {"row": "a1"}


def test_a_push_right_after_hello_is_not_decided_before_hello_is_answered(room, join):
    """R13, H9, E4. Whoever they are, and whether they fit, is looked at when hello is answered."""
    ada = join("ada", join=False)
    ada.say(m.Hello(m.PROTOCOL, "ada", party="another"), m.Push(room.ledger.epoch, [create(1)]))

    assert not room.waiting
    assert [error.kind for error in ada.hear()] == ["stale-epoch"]


def test_a_client_id_of_somebody_else_is_refused(room, join):
    """R13, H3, E9."""
    ada = join("ada", owner="ada")
    ada.push(create(1))
    turn(room)
    ada.hear()

    eve = join("ada", owner="eve")

    assert [(error.kind, error.retry) for error in eve.told] == [("forbidden", "never")]
    assert ada.session.ended is None
    assert room.by_client["ada"] is ada.session


def test_a_client_id_of_somebody_else_who_has_written_nothing_is_refused_too(join):
    """R13, H3."""
    ada = join("ada", owner="ada")

    eve = join("ada", owner="eve")

    assert [error.kind for error in eve.told] == ["forbidden"]
    assert ada.session.ended is None


def test_a_client_that_comes_twice_is_the_later_one(room, join):
    """H4, E5."""
    first = join("ada", line=1)
    second = join("ada", line=2)

    (error,) = first.hear()
    assert (error.kind, error.retry) == ("replaced", "never")
    assert room.by_client == {"ada": second.session}
    room.leave(first.session)
    assert room.by_client == {"ada": second.session}


@pytest.mark.parametrize("line", [1, 2])
def test_a_late_hello_out_of_a_dead_line_does_not_end_the_living_one(room, join, line):
    """H4, E10."""
    second = join("ada", line=2)
    first = join("ada", line=line)

    assert [(error.kind, error.retry) for error in first.told] == [("busy", "backoff")]
    assert second.session.ended is None
    assert room.by_client == {"ada": second.session}


def test_whoever_has_left_may_come_back_on_any_line(room, join):
    first = join("ada", line=2)
    room.leave(first.session)

    assert join("ada", line=1).told[0].known
