"""A room: everybody's mutations in one order, and everybody told what they are owed and nothing else."""

import tracemalloc

import pytest

from partysync_server import room as module
from partysync_server.ledger import Ledger
from partysync_server.parts import PART_BYTES
from partysync_server.principal import Principal
from partysync_server.room import MOST_BARRIERS, TURN_MUTATIONS, Room
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, decode_up, encode
from partysync_widget.core.errors import StorageFailed
from partysync_widget.core.party import Main
from tests.stage import Todos


class Client:
    """A session and what it was told. It says what the test wants, also what no replica would."""

    def __init__(self, room, name, /, *, owner="token", format="json", join=True, **hello):
        self.room = room
        self.client = name
        self.session = Session(Principal(owner), role="owner", format=format)
        self.told = []
        self.sizes = []
        room.join(self.session)
        if join:
            self.hello(**hello)

    def say(self, *frames):
        for frame in frames:
            format = self.session.format
            raw = encode(frame, format)
            self.room.receive(self.session, decode_up(raw, format), len(raw))

    def hello(self, **fields):
        self.say(m.Hello(**{"protocol": m.PROTOCOL, "client": self.client, "name": self.client, **fields}))
        while self.hear() and self.session.ended is None:
            pass
        return self.told

    def push(self, *mutations, epoch=None):
        self.say(m.Push(epoch or self.room.ledger.epoch, list(mutations)))

    def hear(self):
        """What the room owes it now."""
        raw = self.room.frames(self.session)
        self.sizes += [len(each) for each in raw]
        frames = [decode_down(each, self.session.format) for each in raw]
        self.told += frames
        return frames


@pytest.fixture
def room(make_stage):
    return make_stage(party=Todos).room


@pytest.fixture
def join(room):
    return lambda name, /, **how: Client(room, name, **how)


def create(mid, id=None, text="a"):
    return m.Mutation(mid, "create", {"id": id or f"r{mid}", "text": text})


def turn(room):
    room.turn()
    room.commit()
    room.published()


def ids(room):
    return [row[1] for row in room.ledger.store.rows("todos")]


# --- coming in ------------------------------------------------------------------------------------------------------


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


# --- large and slow -------------------------------------------------------------------------------------------------


def load(room, client, mid, rows, width=19, prefix="r"):
    args = {
        "table": "todos", "columns": ["id", "text"], "rows": [[f"{prefix}{n:06}", "x" * width] for n in range(rows)],
    }  # fmt: skip
    client.push(m.Mutation(mid, "insert_rows", args))
    turn(room)


def test_a_delta_is_computed_and_encoded_once_for_all_who_hold_the_same(room, join):
    """R12."""
    clients = [join(f"c{n}") for n in range(3)]
    clients[0].push(create(1))
    turn(room)
    for each in clients:
        each.session.peers.clear()

    frames = [room.frames(each.session) for each in clients]

    assert frames[0][0] is frames[1][0] is frames[2][0]


def test_a_large_delta_comes_in_parts_that_are_one(room, join):
    """R8, F11, F12, F13, S9."""
    ada, bob = join("ada"), join("bob")
    bob.hear()
    load(room, ada, 1, 30_000)
    ada.push(m.Mutation(2, "delete", {"table": "todos", "id": "r000001"}), create(3, "last"))
    turn(room)

    frames = bob.hear()

    assert [type(frame) for frame in frames] == [m.Begin, *[m.Part] * (len(frames) - 2), m.End]
    assert (frames[0].base, frames[-1].version, frames[-1].acks) == (0, 3, {"ada": 3})
    put = [row[1] for part in frames[1:-1] for change in part.tables for row in change.put]
    assert (len(put), len(set(put)), put[-1]) == (30_000, 30_000, "last")
    assert frames[1].tables[0].gone == ["r000001"]
    assert max(bob.sizes) <= 1.1 * PART_BYTES
    bob.session.peers.clear()
    assert bob.hear() == []


def test_a_large_delta_of_deletions_comes_in_parts_too(room, join):
    ada, bob = join("ada"), join("bob")
    load(room, ada, 1, 30_000)
    bob.hear()
    ada.push(m.Mutation(2, "clear", {}))
    turn(room)

    frames = bob.hear()

    assert sum(len(change.gone) for part in frames[1:-1] for change in part.tables) == 30_000
    assert frames[-1] == m.End(2, {"ada": 2}, parts=len(frames) - 2)
    assert max(bob.sizes) <= 1.1 * PART_BYTES


def test_a_session_that_reads_nothing_costs_no_more_with_time(room, join):
    """R12."""
    slow, ada = join("slow"), join("ada")

    def work(rounds, mid):
        for n in range(rounds):
            ada.push(m.Mutation(mid + n, "upsert", {"table": "todos", "id": "r", "values": {"text": str(n)}}))
            ada.say(m.Presence({"n": n}))
            turn(room)
            ada.hear()
            ada.told.clear()
        return mid + rounds

    tracemalloc.start()
    try:
        mid = work(50, 1)
        before = tracemalloc.take_snapshot()
        work(200, mid)
        grown = sum(each.size_diff for each in tracemalloc.take_snapshot().compare_to(before, "filename"))
    finally:
        tracemalloc.stop()

    assert grown < 200_000
    assert [(type(frame), frame.base) for frame in slow.hear() if isinstance(frame, m.Delta)] == [(m.Delta, 0)]


def test_a_session_that_is_not_sent_to_costs_no_more_with_everybody_who_comes_and_goes(room, join):
    """R12. It is told that somebody left only if it was told that they were there."""
    bob = join("bob")
    slow = join("slow")
    room.leave(bob.session)
    for n in range(50):
        guest = join(f"guest-{n}")
        guest.say(m.Presence({"n": n}))
        room.leave(guest.session)
    stays = join("stays")
    stays.hello()  # once more: they were there before
    again = join("bob")

    assert slow.session.peers.keys() == {"bob", "stays"}
    room.leave(stays.session)
    room.leave(again.session)
    assert [frame.peers for frame in slow.hear() if isinstance(frame, m.Peers)] == [{"bob": None}]


def test_a_session_that_was_told_of_somebody_is_told_that_they_left(room, join):
    slow = join("slow")
    guest = join("guest")
    slow.hear()
    guest.hello()  # greets again, which is no coming
    room.leave(guest.session)

    assert [frame.peers for frame in slow.hear() if isinstance(frame, m.Peers)] == [{"guest": None}]


@pytest.mark.parametrize(
    "frame",
    [
        m.Ping(0),
        m.Presence({"n": 1}),
        m.Draft("c1", "todos", {"r1": {"text": "x"}}),
        m.Draft("c1"),
        m.Hello(m.PROTOCOL, "ada"),
        m.Seen(1),
        m.Barrier(1),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_session_that_only_talks_costs_no_more_with_time(room, join, frame):
    """R12. It sends and sends, and reads nothing."""
    ada, _ = join("ada"), join("bob")

    tracemalloc.start()
    try:
        for _ in range(100):
            room.receive(ada.session, frame)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5_000):
            room.receive(ada.session, frame)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 20_000


def test_a_session_that_is_too_slow_gets_every_row(room, join, monkeypatch):
    """R4, R12. What it would need is forgotten while it reads nothing."""
    slow, ada = join("slow"), join("ada")
    monkeypatch.setattr("partysync_server.ledger.KEPT_VERSIONS", 5)
    monkeypatch.setattr(room.ledger, "needs_compaction", lambda: Ledger.needs_compaction(room.ledger, 5))
    monkeypatch.setattr(room.ledger, "compact", lambda: Ledger.compact(room.ledger, 5))
    for n in range(1, 21):
        ada.push(create(n))
        turn(room)
    assert room.ledger.horizon > 0
    slow.session.peers.clear()

    told = [slow.hear(), slow.hear(), slow.hear()]

    assert [[type(frame) for frame in frames] for frames in told] == [[m.Begin], [m.Part], [m.End]]
    assert (told[0][0].base, len(told[1][0].tables[0].put), told[2][0].version) == (None, 20, 20)
    assert room.frames(slow.session) == []


def test_a_session_whose_snapshot_is_overtaken_begins_anew(room, join, monkeypatch):
    """R4. The last part could not say which rows have gone meanwhile."""
    ada = join("ada", epoch=room.ledger.epoch)  # without a snapshot, which bob would share
    load(room, ada, 1, 2000)
    bob = join("bob", join=False)
    bob.say(m.Hello(m.PROTOCOL, "bob"))
    assert [type(frame) for frame in bob.hear()] == [m.Welcome, m.Begin]
    assert [type(frame) for frame in bob.hear()] == [m.Part]
    ada.push(m.Mutation(2, "clear", {}), *(create(n) for n in range(3, 11)))
    turn(room)
    room.ledger.begin()
    room.ledger.compact(3)
    room.ledger.commit()

    bob.told.clear()
    while bob.hear():
        pass

    assert [type(frame) for frame in bob.told] == [m.Begin, m.Part, m.End]
    assert len(bob.told[1].tables[0].put) == 8


# --- storage that fails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("committed", [True, False])
def test_after_a_commit_of_unknown_outcome_every_mutation_has_its_effect_once(make_stage, committed):
    """R5, R9. The commit raised; the file says whether it happened."""
    stage = make_stage(party=Todos)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    made = [ada.mutate("create", id="1", text="a"), ada.mutate("create", id="2", text="x"), bob.mutate("clear")]
    for kernel in (ada, bob):
        kernel.push()
        kernel.carry_up()
    room, ledger = stage.room, stage.ledger

    room.turn()
    if committed:
        room.commit()
    ledger.close()
    stage.ledger = Ledger(stage.path, Todos, ledger.epoch)
    room.recover(stage.ledger)
    assert room.waiting
    stage.rest()

    assert stage.ledger.version == len(made)
    assert [ada.outcome(made[0]), ada.outcome(made[1])] == ["created by ada"] * 2
    assert bob.outcome(made[2]) is None
    stage.assert_agreed(ada, bob)


def test_a_barrier_outlives_a_failed_turn(make_stage):
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    ada.mutate("create", id="1", text="a")
    ada.push()
    ada.up.append(encode(m.Barrier(1), "json"))
    ada.carry_up()

    stage.room.turn()
    stage.ledger.close()
    stage.ledger = Ledger(stage.path, Todos, stage.ledger.epoch)
    stage.room.recover(stage.ledger)
    assert ada.owed() == []
    stage.rest()

    assert ada.barriers == [1]


def test_a_snapshot_begun_before_a_failed_turn_begins_anew(make_stage):
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    bob = stage.enter("bob", connected=False).connect()
    bob.carry_up()
    assert len(bob.owed()) == 2
    bob.carry_down()

    stage.ledger.close()
    stage.ledger = Ledger(stage.path, Todos, stage.ledger.epoch)
    stage.room.recover(stage.ledger)
    ada.mutate("create", id="1", text="a")
    stage.rest()

    stage.assert_agreed(ada, bob)


def test_a_turn_that_the_disk_refuses_is_no_decision(make_stage):
    """R6, R9."""
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    ada.mutate("create", id="1", text="a")
    ada.push()
    ada.carry_up()
    store = stage.ledger.store
    store.execute("CREATE TABLE _partysync_filler (x)")
    store.execute(f"PRAGMA max_page_count = {store.execute('PRAGMA page_count').get}")
    fill = [[f"f{n:04}", "x" * 19] for n in range(500)]
    ada.mutate("insert_rows", table="todos", columns=["id", "text"], rows=fill)
    ada.push()
    ada.carry_up()

    with pytest.raises(StorageFailed):
        stage.room.turn()
    stage.ledger.close()
    stage.ledger = Ledger(stage.path, Todos, stage.ledger.epoch)
    stage.room.recover(stage.ledger)
    stage.rest()

    assert len(stage.rows()) == 501
    stage.assert_agreed(ada)


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
