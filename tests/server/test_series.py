"""
Series: a burst of one client's plain edits is decided in a few steps, as if each were decided by itself (R1, R5, R6).

The slow model is the same room, which decides one after the other.
"""

import random

import pytest

from partysync_server import room as module
from partysync_server.ledger import Ledger
from partysync_server.principal import Principal
from partysync_server.room import Room
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from partysync_widget.core.party import Main
from partysync_widget.core.sight import EVERYTHING

COLUMNS = [{"name": "text", "type": "text", "required": True}, {"name": "n", "type": "integer"}]
IDS = [f"row-{n}" for n in range(40)]
TABLE = m.Mutation(1, "create_table", {"name": "notes", "columns": COLUMNS})
PEOPLE = {"ann": "owner", "bob": "editor", "eve": "viewer"}


def edits(chance, last):
    """A burst of one client: mostly alike, some of it refused; now and then it was sent before, or one is missing."""
    mid = last + 1
    if chance.random() < 0.05:
        mid = max(1, mid - 3)
    name = chance.choice(["insert", "insert", "update", "update", "update", "delete"])
    names = chance.choice([["text"], ["text", "n"], ["n", "text"]])
    burst, wrong = [], chance.choice([0.0, 0.0, 0.02])
    for _ in range(chance.choice([1, 2, 5, 20, 100]) if name != "delete" else 2):
        values = {"text": f"t{chance.random()}", "n": chance.randrange(9)}
        args = {"table": "notes", "id": chance.choice(IDS)}
        if name == "insert":
            args["id"] = chance.choice(IDS) if chance.random() < wrong else f"new-{chance.randrange(10**9)}"
        if name != "delete":
            args["values"] = {each: values[each] for each in names}
        if chance.random() < wrong:
            args["id"] = chance.choice(["", "NUL \0", 7])
        if chance.random() < wrong / 2:
            mid += 1
        burst.append(m.Mutation(mid, name, args))
        mid += 1
    return burst


def all_that_is_seen(folder, seed):
    """Frames that everybody is sent, and what the file holds, after so many bursts."""
    chance, ledger = random.Random(seed), Ledger(folder / "rooms" / "room.db", Main, "e")
    room, sessions, told = Room(Main, ledger), {}, []
    for name, role in PEOPLE.items():
        sessions[name] = Session(Principal(name), "json", role)
        room.join(sessions[name])

    def hear():
        for name, session in sessions.items():
            while frames := room.frames(session):
                told.extend((name, decode_down(frame, "json")) for frame in frames)
                if session.ended is not None:
                    break

    def greet(name):
        if sessions[name].ended is not None:
            room.leave(sessions[name])
            sessions[name] = Session(Principal(name), "json", PEOPLE[name])
            room.join(sessions[name])
        room.receive(sessions[name], m.Hello(m.PROTOCOL, name, epoch="e", version=sessions[name].cursor))

    def turn():
        room.turn()
        room.commit()
        room.published()
        hear()

    for name in PEOPLE:
        greet(name)
    hear()
    first = [TABLE] + [
        m.Mutation(n, "insert", {"table": "notes", "id": id, "values": {"text": id}}) for n, id in enumerate(IDS, 2)
    ]
    room.receive(sessions["ann"], m.Push("e", first))
    turn()
    for _ in range(60):
        for name in chance.choices(list(PEOPLE), k=chance.choice([1, 1, 3])):
            if sessions[name].ended is not None:
                greet(name)
                hear()
            waiting = [queued.mutation.mid for queued in room._queue if queued.client == name]
            last = max([ledger.last_mid(name), *waiting])
            room.receive(sessions[name], m.Push("e", edits(chance, last)))
        if chance.random() < 0.7:
            turn()
    while room.waiting:
        turn()
    stamps = ledger.store.execute("SELECT tbl, id, version, dead FROM _partysync_rows ORDER BY tbl, id").fetchall()
    rows, results = ledger.store.rows("notes"), ledger.results("true")
    seen = (told, ledger.version, ledger.rejected, rows, stamps, ledger.acks(0), results)
    ledger.close()
    return seen


@pytest.mark.parametrize("seed", range(12))
def test_a_series_ends_as_if_each_mutation_were_decided_by_itself(tmp_path, monkeypatch, seed):
    """R1, R5, R6, R8: the same frames to everybody, and the same file."""
    decide_series, lengths = Ledger.decide_series, []

    def counted(*args, **how):
        lengths.append(decide_series(*args, **how))
        return lengths[-1]

    def never(*_args, **_how):
        return 0

    monkeypatch.setattr(Ledger, "decide_series", counted)
    together = all_that_is_seen(tmp_path / "together", seed)
    monkeypatch.setattr(Ledger, "decide_series", never)
    alone = all_that_is_seen(tmp_path / "alone", seed)

    assert together == alone
    assert max(lengths) > 30
    assert 0 in lengths


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "rooms" / "room.db", Main, "e")
    ledger.begin()
    ledger.decide("ann", "ann", TABLE)
    yield ledger
    ledger.close()


def insert(mid, id, **values):
    return m.Mutation(mid, "insert", {"table": "notes", "id": id, "values": {"text": "a", **values}})


def decide_series(ledger, first, *others):
    return ledger.decide_series("ann", "ann", first, others, role="owner", sight=EVERYTHING)


MIDS = {(1, 2, 3): 0, (3, 4, 5): 0, (2, 4, 5): 0, (2, 2, 3): 0, (2, 3, 3): 2, (2, 3, 5): 2, (2, 3, 4): 3}


@pytest.mark.parametrize(("mids", "count"), MIDS.items(), ids=map(str, MIDS))
def test_what_came_before_or_too_early_is_of_no_series(ledger, mids, count):
    """R5: mids count 1, 2, 3 … within their client."""
    assert decide_series(ledger, *[insert(mid, f"row-{number}") for number, mid in enumerate(mids)]) == count
    assert ledger.version == 1 + count
    assert ledger.last_mid("ann") == 1 + count


def test_after_a_refusal_each_is_decided_by_itself_for_a_while(ledger):
    """R6: somebody's mistakes slow nobody down for long."""
    wrong = [insert(2, "a"), insert(3, "a")]
    assert decide_series(ledger, *wrong) == 0
    for mutation in wrong:
        ledger.decide("ann", "ann", mutation)
    assert (ledger.version, ledger.rejected) == (3, 1)
    for mid in range(4, 4 + 62):
        right = [insert(mid, f"row-{mid}"), insert(mid + 1, f"row-{mid + 1}")]
        assert decide_series(ledger, *right) == 0
        ledger.decide("ann", "ann", right[0])

    right = [insert(66, "b"), insert(67, "c")]
    assert decide_series(ledger, *right) == 2
    assert ledger.last_mid("ann") == 67


@pytest.fixture
def room(tmp_path):
    room = Room(Main, Ledger(tmp_path / "rooms" / "room.db", Main, "e"))
    yield room
    room.ledger.close()


def enter(room, name):
    session = Session(Principal(name), "json", "owner")
    room.join(session)
    room.receive(session, m.Hello(m.PROTOCOL, name))
    while room.frames(session):
        pass
    return session


def push(room, session, *mutations):
    room.receive(session, m.Push("e", list(mutations)), 100 * len(mutations))


def turn(room):
    room.turn()
    room.commit()
    room.published()


def test_a_burst_is_as_long_as_its_turn(room, monkeypatch):
    """R12: a turn takes so many and no more, whatever they are, and what is decided weighs nothing any more."""
    monkeypatch.setattr(module, "QUEUED_BYTES", 100 * 256)
    ann = enter(room, "ann")
    push(room, ann, TABLE)
    for first in (2, 258, 514):
        push(room, ann, *[insert(mid, f"row-{mid}") for mid in range(first, first + 256)])
    assert room.crowded
    turn(room)

    assert room.ledger.version == module.TURN_MUTATIONS
    assert room.queued == 1 + 3 * 256 - module.TURN_MUTATIONS
    turn(room)
    push(room, ann, *[insert(mid, f"row-{mid}") for mid in range(770, 770 + 256)])
    assert not room.crowded


def test_a_series_is_of_one_client(room):
    """R5: though the next of another would be its next as well."""
    ann, bob = enter(room, "ann"), enter(room, "bob")
    push(room, ann, TABLE)
    push(room, bob, insert(1, "b1"), insert(2, "b2"))
    turn(room)
    push(room, ann, insert(2, "a2"))
    push(room, bob, insert(3, "b3"))
    turn(room)
    push(room, ann, insert(3, "a3"))
    turn(room)

    assert [room.ledger.last_mid(name) for name in ("ann", "bob")] == [3, 3]
    assert [row[1] for row in room.ledger.store.rows("notes")] == ["b1", "b2", "a2", "b3", "a3"]
    assert [bob.ended, ann.ended] == [None, None]


def test_a_series_is_told_in_one_delta_as_its_authors(ledger):
    """R2, R11."""
    decide_series(ledger, *[insert(n, f"row-{n}") for n in range(2, 9)])
    ledger.seal()
    ledger.commit()
    delta = ledger.delta(0)

    assert delta.acks == {"ann": 8}
    assert delta.tables[0].by == ["ann"]
    assert [row[1] for row in delta.tables[0].put] == [f"row-{n}" for n in range(2, 9)]
