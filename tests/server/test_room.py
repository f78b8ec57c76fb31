"""A room: everybody's mutations in one order, and everybody told what they are owed and nothing else."""

from partysync_server import room as module
from partysync_server.room import MOST_BARRIERS, TURN_MUTATIONS, Room
from partysync_widget.core import messages as m
from partysync_widget.core.party import Main
from tests.server.callers import Client, create, ids, turn
from tests.stage import Todos

# --- a turn ---------------------------------------------------------------------------------------------------------


def test_what_gathers_is_decided_in_the_order_of_arrival(room, join):
    """R1."""
    ada, bob = join("ada"), join("bob")
    ada.push(create(1, "a"))
    bob.push(create(1, "b"), create(2, "a"))
    ada.push(create(2, "c"))
    assert room.waiting

    turn(room)

    assert not room.waiting
    assert ids(room) == ["a", "b", "c"]
    assert [result.code for result in room.ledger.results("client = ?", "bob")] == [None, "constraint"]


def test_everybody_is_told_of_a_decision_in_one_frame_the_author_too(room, join):
    """R2, F10."""
    ada, bob = join("ada"), join("bob")
    ada.hear()
    ada.push(create(1))
    turn(room)

    (told,) = ada.hear()
    assert bob.hear() == [told]
    assert (told.acks, told.tables[0].put, told.results[0].value) == ({"ada": 1}, [[1, "r1", "a", 0]], "created by ada")


def test_nothing_is_told_before_it_is_durable(room, join):
    """R9."""
    ada, bob = join("ada"), join("bob")
    bob.hear()
    ada.push(create(1))
    ada.say(m.Barrier(1))
    told = len(ada.told), len(bob.told)

    room.turn()
    room.receive(bob.session, m.Ping(0))
    room.commit()
    assert (len(ada.told), len(bob.told)) == told
    room.published()

    assert [type(frame) for frame in ada.hear()] == [m.Peers, m.Delta, m.Barrier]


def test_what_somebody_pushed_before_leaving_is_decided_all_the_same(room, join):
    """R6."""
    ada = join("ada")
    ada.push(create(1))
    room.leave(ada.session)

    turn(room)

    assert ids(room) == ["r1"]
    again = join("ada", epoch=room.ledger.epoch, version=0)
    assert again.told[1].acks == {"ada": 1}


def test_a_turn_takes_so_many_and_no_more(room, join):
    ada = join("ada")
    for start in range(1, 601, 100):
        ada.push(*(create(n) for n in range(start, start + 100)))

    turn(room)
    assert (room.ledger.version, room.waiting) == (TURN_MUTATIONS, True)
    turn(room)
    assert (room.ledger.version, room.waiting) == (600, False)


def test_a_turn_takes_so_long_and_no_longer(room, join):
    ada = join("ada")
    ada.push(create(1), create(2), create(3))

    room.turn(lambda: room.ledger.version == 2)
    room.commit()
    room.published()

    assert (room.ledger.version, room.waiting) == (2, True)


def test_a_turn_takes_at_least_one(room, join):
    join("ada").push(create(1), create(2))

    room.turn(lambda: True)

    assert room.ledger.version == 1


def test_who_made_a_mutation_is_who_the_session_says_they_are(room, join):
    ada = join("ada", name="Ada Lovelace")
    ada.push(create(1))
    turn(room)

    assert ada.hear()[0].results[0].value == "created by Ada Lovelace"


def test_a_gap_ends_the_session_which_comes_back_and_resends(room, join):
    """R5, E3."""
    ada = join("ada")
    ada.push(create(2), create(3))
    turn(room)

    (error,) = ada.hear()
    assert (error.kind, error.retry, ids(room)) == ("gap", "now", [])
    assert "Mutation 2" in error.message


def test_what_comes_after_the_end_of_a_session_is_not_taken(room, join):
    """S11."""
    ada = join("ada")
    ada.session.end(m.Bye("Maintenance."))

    ada.push(create(1))

    assert not room.waiting


# --- limits ---------------------------------------------------------------------------------------------------------


def test_a_push_for_another_incarnation_of_the_room_is_not_taken(room, join):
    """E4, H9."""
    ada = join("ada")
    ada.push(create(1), epoch="another")

    (error,) = ada.hear()
    assert (error.kind, error.retry, room.waiting) == ("stale-epoch", "now", False)


def test_a_push_of_too_many_is_not_taken(make_stage):
    """L3, E2."""
    room = make_stage(party=Todos, limits=m.Limits(frame=1 << 20, mutations=3)).room
    ada = Client(room, "ada")
    ada.push(create(1), create(2), create(3))
    assert ada.session.ended is None
    ada.push(create(4), create(5), create(6), create(7))

    (error,) = ada.hear()
    assert (error.kind, error.retry) == ("too-large", "never")
    assert "3 mutations, not 4" in error.message


def test_a_room_that_has_too_much_to_decide_says_so(room, join, monkeypatch):
    """L7, E10."""
    monkeypatch.setattr(module, "QUEUED_MUTATIONS", 3)
    ada, bob = join("ada"), join("bob")
    ada.push(create(1), create(2))
    bob.push(create(1, "b"), create(2, "c"))
    assert ada.session.ended is None

    assert [(error.kind, error.retry) for error in bob.hear() if isinstance(error, m.Error)] == [("busy", "backoff")]
    turn(room)
    assert ids(room) == ["r1", "r2"]


def test_a_room_is_crowded_by_bytes_and_by_mutations_until_they_are_decided(room, join, monkeypatch):
    """R12. Nobody's next frame is read meanwhile."""
    monkeypatch.setattr(module, "QUEUED_BYTES", 1_000)
    ada = join("ada")
    ada.push(create(1), create(2))
    assert not room.crowded
    ada.push(create(3, text="x" * 1_000))
    assert room.crowded
    turn(room)
    assert not room.crowded

    monkeypatch.setattr(module, "QUEUED_MUTATIONS", 4)
    ada.push(create(4), create(5), create(6))
    assert room.crowded
    assert ada.session.ended is None
    turn(room)
    assert not room.crowded


def test_a_turn_that_failed_counts_what_waits_again(room, join, stage, monkeypatch):
    """R12. Else a room would take more with every disk error."""
    monkeypatch.setattr(module, "QUEUED_BYTES", 1_000)
    ada = join("ada")
    ada.push(create(1, text="x" * 2_000))
    room.turn()
    room.recover(room.ledger)

    assert room.crowded


def test_a_session_waits_for_so_many_barriers_and_no_more(room, join):
    """R12, L6, E10."""
    ada = join("ada")
    ada.push(create(1))
    ada.say(*(m.Barrier(n) for n in range(1, MOST_BARRIERS + 1)))
    assert ada.session.ended is None
    ada.say(m.Barrier(0))

    assert [(error.kind, error.retry) for error in ada.hear()] == [("busy", "backoff")]


def test_what_somebody_shows_has_a_size(room, join):
    """L4, E2."""
    ada = join("ada")
    ada.say(m.Presence({"a": "x" * (m.PRESENCE_BYTES - 50)}))
    assert ada.session.ended is None
    ada.say(m.Presence({"a": "x" * m.PRESENCE_BYTES}))

    (error,) = ada.hear()
    assert (error.kind, error.retry) == ("too-large", "never")


# --- who is here ----------------------------------------------------------------------------------------------------


def test_everybody_hears_of_the_others_who_come_change_and_leave(room, join):
    """R11, F14."""
    ada = join("ada", color="red")
    bob = join("bob")
    assert bob.told[0].peers == {"ada": m.Peer("ada", "red", role="owner"), "bob": m.Peer("bob", role="owner")}
    assert ada.hear() == [m.Peers({"bob": m.Peer("bob", role="owner")})]

    bob.say(m.Presence({"row": "a1"}))
    assert ada.hear() == [m.Peers({"bob": m.Peer("bob", "", {"row": "a1"}, "owner")})]
    assert bob.hear() == []

    room.leave(bob.session)
    assert ada.hear() == [m.Peers({"bob": None})]
    assert ada.hear() == []


def test_what_somebody_shows_touches_no_version(room, join):
    """R11."""
    join("ada").say(m.Presence({"row": "a1"}))

    assert not room.waiting
    assert room.ledger.version == 0


def test_of_what_somebody_shows_only_the_last_is_told(join):
    """R12, F4."""
    ada, bob = join("ada"), join("bob")
    ada.hear()
    for n in range(100):
        bob.say(m.Presence({"row": n}))

    assert ada.hear() == [m.Peers({"bob": m.Peer("bob", "", {"row": 99}, "owner")})]


def test_what_somebody_shows_stays_when_they_greet_again(room, join):
    ada, bob = join("ada"), join("bob")
    bob.say(m.Presence({"row": "a1"}))
    bob.hello(epoch=room.ledger.epoch, version=0)
    ada.told.clear()

    assert ada.hear()[-1].peers["bob"].state == {"row": "a1"}


def test_whoever_was_never_introduced_leaves_without_a_word(room, join):
    ada, stranger = join("ada"), join("bob", join=False)
    ada.hear()

    room.leave(stranger.session)

    assert ada.hear() == []
    assert stranger.session not in room.sessions


# --- barriers and pings ---------------------------------------------------------------------------------------------


def test_a_barrier_waits_for_everything_that_arrived_before_it(room, join):
    """F6, F16."""
    ada, bob = join("ada"), join("bob")
    bob.push(create(1))
    ada.say(m.Barrier(1))
    assert [each for each in ada.hear() if isinstance(each, m.Barrier)] == []
    ada.push(create(1, "a"))
    ada.say(m.Barrier(2), m.Barrier(3))

    room.turn(lambda: True)
    room.commit()
    room.published()
    assert [each for each in ada.hear() if isinstance(each, m.Barrier)] == [m.Barrier(1, 1)]
    turn(room)
    assert [each for each in ada.hear() if isinstance(each, m.Barrier)] == [m.Barrier(2, 2), m.Barrier(3, 2)]


def test_a_barrier_with_nothing_before_it_comes_back_at_once(join):
    ada = join("ada")
    ada.say(m.Barrier(7))

    assert ada.hear() == [m.Barrier(7)]


def test_a_ping_is_answered_with_the_version_that_was_last_sent(room, join):
    """R3, F8, F18."""
    ada = join("ada")
    ada.push(create(1))
    turn(room)
    ada.say(m.Ping(0))

    assert [type(frame) for frame in ada.hear()] == [m.Delta, m.Pong]
    assert ada.told[-1] == m.Pong(1)
    assert ada.hear() == []


# --- odds and ends --------------------------------------------------------------------------------------------------


def test_seen_results_are_forgotten_with_the_next_turn(room, join):
    """F3."""
    ada = join("ada")
    ada.push(create(1), create(2))
    turn(room)
    ada.say(m.Seen(1))
    ada.push(create(3))
    turn(room)

    assert [result.mid for result in room.ledger.results("true")] == [2, 3]


def test_what_is_seen_later_is_forgotten_later(room, join):
    ada = join("ada")
    ada.push(create(1), create(2), create(3))
    turn(room)
    for mid in (1, 3, 2):
        ada.say(m.Seen(mid))
        ada.push(create(mid + 3, f"{mid}-{mid}"))
        turn(room)

    assert [result.mid for result in room.ledger.results("mid <= 3")] == []


def test_what_a_hello_has_settled_is_forgotten_too(room, join):
    """F1, C6."""
    ada = join("ada")
    ada.push(create(1), create(2))
    turn(room)
    ada.hello(epoch=room.ledger.epoch, version=2, settled=2)
    ada.push(create(3))
    turn(room)

    assert [result.mid for result in room.ledger.results("true")] == [3]


def test_a_seen_that_arrives_while_a_turn_is_decided_counts(room, join):
    ada = join("ada")
    ada.push(create(1))
    turn(room)
    ada.push(create(2))
    room.turn()
    ada.say(m.Seen(1))
    room.commit()
    room.published()
    ada.push(create(3))
    turn(room)

    assert [result.mid for result in room.ledger.results("true")] == [2, 3]


def test_a_room_of_main_takes_tables(make_stage):
    """B3."""
    room = make_stage(party=Main).room
    ada = Client(room, "ada")
    ada.push(m.Mutation(1, "create_table", {"name": "todos", "columns": []}))
    turn(room)

    assert [spec.name for spec in ada.hear()[0].schema] == ["todos"]


def test_a_room_is_its_ledger_and_its_party(make_stage):
    stage = make_stage(party=Todos)

    assert Room(Todos, stage.ledger).limits == module.LIMITS
