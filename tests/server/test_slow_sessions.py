"""A room and what is large, and who is slow: parts, what a session costs that does not read (R12)."""

import tracemalloc

import pytest

from partysync_server.ledger import Ledger
from partysync_server.parts import PART_BYTES
from partysync_widget.core import messages as m
from tests.server.callers import create, turn


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


def test_who_hears_later_is_told_of_all_that_has_been_decided_since(room, join):
    """R1, R4: somebody else was told of the first part of it, from the same version on."""
    prompt, slow = join("prompt"), join("slow")
    for mid in (1, 2):
        prompt.push(create(mid))
        turn(room)
        prompt.hear()

    (delta,) = [each for each in slow.hear() if isinstance(each, m.Delta)]
    assert (delta.version, [row[1] for change in delta.tables for row in change.put]) == (2, ["r1", "r2"])


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
