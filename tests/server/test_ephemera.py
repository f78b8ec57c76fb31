"""Ephemera: what people show and are about to change is told at once, never kept, and ends when it should (R11)."""

import itertools

import pytest

from partysync_server.ledger import Ledger
from partysync_widget.core import messages as m
from tests.server.callers import Client, create, turn
from tests.stage import Todos


def typing(key="c1", text="y", *, mid=0):
    return m.Draft(key, "todos", {"r1": {"text": text}}, mid)


OVER = m.Draft("c1")


@pytest.fixture
def ada(join):
    return join("ada")


@pytest.fixture
def bob(ada, join):
    return join("bob")


def drafts(client):
    """What it is told of drafts now."""
    return [frame.drafts for frame in client.hear() if isinstance(frame, m.Drafts)]


def kinds(client):
    return [type(frame) for frame in client.hear()]


# --- told -----------------------------------------------------------------------------------------------------------


def test_everybody_else_hears_what_somebody_types(room, ada, bob):
    """R11, F5, F15. It touches no version."""
    ada.say(typing())

    assert drafts(bob) == [{"ada": [typing()]}]
    assert drafts(ada) == drafts(bob) == []
    assert (room.waiting, room.ledger.version) == (False, 0)


def test_whoever_comes_in_is_told_of_all_drafts_there_are(ada, bob, join):
    """R11."""
    ada.say(typing("c1"), typing("c2"), OVER)

    assert join("eve").told[0].drafts == {"ada": [typing("c2")]}


def test_the_last_draft_of_a_key_counts(ada, bob):
    """R12, D1. Whoever takes nothing for a while is owed one."""
    ada.say(*(typing(text=str(n)) for n in range(100)), typing("c2"))

    assert drafts(bob) == [{"ada": [typing(text="99"), typing("c2")]}]


def test_what_was_over_before_it_was_told_is_never_told(ada, bob):
    """R12."""
    ada.say(typing(), OVER)
    assert drafts(bob) == []

    ada.say(typing())
    assert drafts(bob) == [{"ada": [typing()]}]
    ada.say(typing(text="z"), OVER)
    assert drafts(bob) == [{"ada": [OVER]}]
    ada.say(OVER)
    assert drafts(bob) == []


def test_a_session_that_reads_nothing_is_owed_what_there_is_and_no_more(ada, bob):
    """R12. However many drafts have come and gone meanwhile."""
    ada.say(typing("told"))
    drafts(bob)
    for n in range(1000):
        ada.say(typing(f"c{n}"), m.Draft(f"c{n}"))

    assert (len(bob.session.untold), len(bob.session.told)) == (0, 1)


# --- refused --------------------------------------------------------------------------------------------------------


def test_a_draft_has_a_size(ada, bob):
    """R13, L4."""
    ada.say(typing(text="x" * (m.DRAFT_BYTES - 100)))
    assert ada.session.ended is None
    ada.say(typing(text="x" * m.DRAFT_BYTES))

    assert [(error.kind, error.retry) for error in ada.hear()[-1:]] == [("too-large", "never")]


def test_a_session_has_so_many_drafts_and_no_more(ada, bob):
    """R12, L5. Those that are over do not count."""
    ada.say(typing("over"), m.Draft("over"), *(typing(f"c{n}") for n in range(m.MOST_DRAFTS)), typing("c0", "again"))
    assert ada.session.ended is None
    ada.say(typing("one more"))

    assert [(error.kind, error.retry) for error in ada.hear()[-1:]] == [("busy", "backoff")]


def test_whoever_was_not_introduced_types_for_nobody(room, join, bob):
    """R13."""
    stranger, early = join("eve", join=False), join("early", join=False)
    stranger.say(typing())
    early.say(m.Hello(m.PROTOCOL, "early"), typing())
    early.hear()

    assert [error.kind for error in stranger.hear()] == ["protocol"]
    assert (early.session.ended, drafts(bob)) == (None, [])


def test_a_key_is_its_clients(ada, bob, join):
    """R13, D1. Nobody ends what another types."""
    eve = join("eve")
    ada.say(typing())
    drafts(eve)
    bob.say(OVER)

    assert drafts(eve) == []


# --- over -----------------------------------------------------------------------------------------------------------


def test_drafts_end_with_their_session(room, ada, bob):
    """R11, D4."""
    ada.say(typing())
    drafts(bob)
    room.leave(ada.session)

    assert bob.hear() == [m.Peers({"ada": None}), m.Drafts({"ada": [OVER]})]


def test_drafts_end_though_their_client_is_back_before_that_is_told(room, ada, bob, join):
    """R11. A slow session hears of neither going nor coming."""
    ada.say(typing())
    drafts(bob)
    room.leave(ada.session)
    join("ada", epoch=room.ledger.epoch)

    assert drafts(bob) == [{"ada": [OVER]}]


def test_drafts_end_when_another_session_takes_over(room, ada, bob, join):
    """R11."""
    ada.say(typing())
    drafts(bob)
    again = join("ada", epoch=room.ledger.epoch, line=7)
    again.say(typing("c2"))
    room.leave(ada.session)

    assert drafts(bob) == [{"ada": [OVER, typing("c2")]}]


def test_drafts_end_when_their_client_greets_again(room, ada, bob, join):
    """R11, D4. It tells them again; what it does not tell again is over."""
    ada.say(typing("c1"), typing("c2"))
    drafts(bob)
    ada.say(m.Hello(m.PROTOCOL, "ada", epoch=room.ledger.epoch))
    assert drafts(bob) == [{"ada": [OVER, m.Draft("c2")]}]

    ada.hear()
    ada.say(typing("c2"))
    assert drafts(bob) == [{"ada": [typing("c2")]}]


def test_a_draft_that_comes_between_hello_and_welcome_is_not_told(room, ada, bob):
    """D6. It is of the conversation before."""
    bob.hear()
    ada.say(m.Hello(m.PROTOCOL, "ada", epoch=room.ledger.epoch), typing())
    ada.hear()

    assert drafts(bob) == []
    ada.say(typing())
    assert drafts(bob) == [{"ada": [typing()]}]


def test_whoever_greets_again_is_told_once_what_there_is(room, ada, bob):
    """R11."""
    ada.say(typing("c1"), typing("c2"))
    drafts(bob)
    ada.say(OVER, typing("c3"))
    bob.told.clear()
    bob.hello(epoch=room.ledger.epoch)

    assert [type(frame) for frame in bob.told] == [m.Welcome, m.Delta]
    assert bob.told[0].drafts == {"ada": [typing("c2"), typing("c3")]}


# --- decided --------------------------------------------------------------------------------------------------------


def test_a_draft_is_told_before_the_delta_that_ends_it(room, ada, bob):
    """R11, D3. Also to whoever has been told an earlier state of it."""
    ada.say(typing())
    drafts(bob)
    ada.say(typing(mid=1))
    ada.push(create(1))
    turn(room)

    told, delta = bob.hear()
    assert told == m.Drafts({"ada": [typing(mid=1)]})
    assert delta.acks == {"ada": 1}
    assert (bob.session.told, bob.session.untold, ada.session.drafts) == ({}, {}, {})


def test_a_draft_that_nobody_was_told_of_is_not_told_when_it_is_decided(room, ada, bob):
    """R11, D3."""
    bob.hear()
    ada.say(typing(mid=1))
    ada.push(create(1))
    turn(room)

    assert kinds(bob) == [m.Delta]


@pytest.mark.parametrize("outcome", ["accepted", "rejected"])
def test_a_draft_that_comes_after_its_delta_is_not_told(room, ada, bob, outcome):
    """R11, D3. Nothing would end it."""
    ada.push(create(1) if outcome == "accepted" else m.Mutation(1, "finish", {"id": "nobody's"}))
    turn(room)
    bob.hear()
    ada.say(typing(mid=1))

    assert bob.hear() == []


def test_a_draft_that_comes_after_its_delta_ends_what_was_told_under_its_key(room, ada, bob):
    """R11."""
    ada.say(typing())
    ada.push(create(1))
    turn(room)
    bob.hear()
    ada.say(typing(mid=1))

    assert drafts(bob) == [{"ada": [OVER]}]


def test_a_draft_of_an_edit_decided_before_this_line_is_not_told(room, ada, bob, join):
    """R11. The client does not know yet that it is decided."""
    ada.push(create(1))
    turn(room)
    bob.hear()
    again = join("ada", epoch=room.ledger.epoch, line=1)
    again.say(typing(mid=1))

    assert drafts(bob) == []


def test_a_key_that_is_used_again_is_never_left_open(room, ada, bob):
    """R11. Bob holds what was typed; he hears neither of the commit nor of what was typed next."""
    ada.say(typing())
    drafts(bob)
    ada.say(typing(mid=1))
    ada.push(create(1))
    turn(room)
    ada.say(typing(text="again"), OVER)

    assert drafts(bob) == [{"ada": [OVER]}]


def test_whoever_is_in_the_middle_of_a_snapshot_hears_its_end(room, ada, join):
    """R11, D3, F13. The end of a snapshot acks whatever was decided while it was read."""
    ada.push(create(1))
    turn(room)
    room.forget_snapshots()  # ada's was of no rows
    bob = join("bob", join=False)
    bob.say(m.Hello(m.PROTOCOL, "bob"))
    ada.say(typing("early", mid=2))
    assert bob.hear()[0].drafts == {"ada": [typing("early", mid=2)]}
    ada.say(typing("late", mid=3))
    assert kinds(bob) == [m.Drafts, m.Part]
    ada.push(create(2), create(3))
    turn(room)

    *_, end = bob.hear()
    assert end.acks == {"ada": 3, "bob": 0}


def test_whoever_is_too_slow_for_a_delta_hears_it_in_the_snapshot(room, ada, bob, monkeypatch):
    """R11. Deletions it would need are forgotten, and with them the deltas that ended what it was told."""
    monkeypatch.setattr(room.ledger, "needs_compaction", lambda: Ledger.needs_compaction(room.ledger, 5))
    monkeypatch.setattr(room.ledger, "compact", lambda: Ledger.compact(room.ledger, 5))
    ada.say(typing(mid=1))
    drafts(bob)
    ada.push(create(1))
    turn(room)
    eve = Client(room, "eve")
    for n in range(1, 31):
        eve.push(create(n, f"e{n}"))
        turn(room)

    end = next(frame for _ in range(5) for frame in bob.hear() if isinstance(frame, m.End))
    assert end.acks == {"ada": 1, "bob": 0, "eve": 30}


@pytest.mark.parametrize("happened", [True, False])
def test_after_a_failed_commit_the_file_says_which_drafts_are_decided(room, ada, bob, happened):
    """R9, R11."""
    ada.say(typing(mid=1))
    drafts(bob)
    ada.push(create(1))
    room.turn()
    if happened:
        room.commit()
    room.ledger.close()
    room.recover(Ledger(room.ledger.path, Todos, room.ledger.epoch))

    eve = Client(room, "eve")
    assert eve.told[0].drafts == ({} if happened else {"ada": [typing(mid=1)]})
    turn(room)
    assert bob.hear()[-1].acks == {"ada": 1}
    assert ada.session.drafts == {}


def test_a_snapshot_that_begins_anew_after_a_failed_commit_ends_what_was_decided_before(room, ada, join):
    """R9, R11."""
    ada.push(create(1))
    turn(room)
    bob = join("bob", join=False)
    bob.say(m.Hello(m.PROTOCOL, "bob"))
    ada.say(typing(mid=2))
    assert bob.hear()[0].drafts == {"ada": [typing(mid=2)]}
    ada.push(create(2))
    turn(room)
    room.ledger.close()
    room.recover(Ledger(room.ledger.path, Todos, room.ledger.epoch))

    end = next(frame for _ in range(5) for frame in bob.hear() if isinstance(frame, m.End))
    assert end.acks == {"ada": 2, "bob": 0}


# --- beside a turn --------------------------------------------------------------------------------------------------


@pytest.fixture
def untouchable(room):
    """The room has given its ledger away."""
    ledger, room.ledger = room.ledger, None
    yield
    room.ledger = ledger


def test_ephemera_need_no_ledger(room, ada, bob, request):
    """R11. They are told while a turn is being decided."""
    bob.hear()
    request.getfixturevalue("untouchable")
    ada.say(m.Presence({"at": "r1"}), typing(mid=1))

    assert len(room.ephemera(bob.session)) == 2
    assert room.ephemera(bob.session) == []


def test_nobody_is_told_before_their_welcome(room, ada, join):
    """R11. It says all of it."""
    bob = join("bob", join=False)
    bob.say(m.Hello(m.PROTOCOL, "bob"))
    ada.say(typing())

    assert room.ephemera(bob.session) == []
    assert bob.hear()[0].drafts == {"ada": [typing()]}


def test_nobody_is_told_after_their_end(room, ada, bob):
    bob.session.end(m.Bye("Maintenance."))
    ada.say(typing())

    assert room.ephemera(bob.session) == []


def test_in_whatever_order_a_slow_session_is_told_no_draft_is_left_open(make_stage):
    """R11, D3. Every order of typing, committing, deciding and being told, against what the receiver then holds."""
    moves = {
        "type": lambda room, ada: ada.say(typing(text="t")),
        "commit": lambda room, ada: ada.say(typing(text="m", mid=1)),
        "turn": lambda room, ada: (ada.push(create(1)), turn(room)),
        "over": lambda room, ada: ada.say(OVER),
        "again": lambda room, ada: ada.say(typing(text="a")),
    }
    stage, numbers = make_stage(party=Todos), itertools.count()
    for order in itertools.permutations(moves):
        for heard in itertools.product([False, True], repeat=len(order)):
            room = stage.room
            ada, bob = Client(room, f"ada-{next(numbers)}"), Client(room, f"bob-{next(numbers)}")
            held = {}
            for move, hears in zip(order, heard, strict=True):
                moves[move](room, ada)
                if hears:
                    follow(held, bob)
            follow(held, bob)
            assert held == {(ada.client, key): draft for key, draft in ada.session.drafts.items()}, (order, heard)
            room.leave(ada.session)
            room.leave(bob.session)


def follow(held, client):
    """Keep the drafts that a replica would."""
    for frame in client.hear():
        if isinstance(frame, m.Drafts):
            for author, some in frame.drafts.items():
                for draft in some:
                    held[author, draft.key] = draft
                    if not draft.rows:
                        held.pop((author, draft.key))
        if isinstance(frame, m.Delta):
            for (author, key), draft in list(held.items()):
                if 0 < draft.mid <= frame.acks.get(author, 0):
                    del held[author, key]
