"""Showing: presence, drafts and undecided edits, from one kernel to another over a real server (R11)."""

import os

import pytest

from partysync_widget import connection
from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode
from partysync_widget.core.party import Main
from partysync_widget.core.replica import Replica
from partysync_widget.io_thread import spawn
from partysync_widget.palette import COLORS
from partysync_widget.showing import UNDECIDED_EDITS, UNDECIDED_ROWS, Showing

SLOW = 60.0  # seconds; longer than any test


def drafts(room, table="todos"):
    """What others are about to change, as their keys and drafts."""
    with room.connection.lock:
        return {draft.key: draft for _, draft in room.connection.replica.drafts_of(table)}


def client(room):
    return room.connection.replica.client


@pytest.fixture
def pair(enter):
    """Ann and Bob in one room with a table."""
    ann, bob = enter(user="ann"), enter(user="bob")
    ann.table("todos", text=str, n=int)
    bob.sync(8)
    return ann, bob


@pytest.fixture
def gate(tmp_path):
    """A pipe that a mutator waits for, and ``gate.open()`` to let it go on."""

    class Gate:
        path = str(tmp_path / "gate")

        def open(self):
            with os.fdopen(os.open(self.path, os.O_WRONLY), "wb"):
                pass

    os.mkfifo(Gate.path)
    return Gate()


# --- people ---------------------------------------------------------------------------------------------------------


def test_everybody_has_a_colour(pair, wait_until):
    ann, bob = pair

    assert wait_until(lambda: ann.peers)[0]["color"] == bob.connection.replica.color
    assert bob.connection.replica.color in COLORS


def test_where_somebody_looks_is_shown_beside_what_they_present(pair, wait_until):
    """R11."""
    ann, bob = pair
    place = {"table": "todos", "id": "r1", "column": "text"}
    ann.connection.look(place)
    ann.present(mood="curious")
    wait_until(lambda: bob.peers[0].get("at") == place and bob.peers[0].get("mood") == "curious", what="both")

    ann.connection.look(None)
    wait_until(lambda: "at" not in bob.peers[0] and bob.peers[0]["mood"] == "curious", what="only the mood")


def test_what_is_shown_is_told_again_on_another_line(pair, wait_until, go_offline):
    """R11. The server forgets it with the line."""
    ann, bob = pair
    ann.present(mood="curious")
    ann.connection.draft("c1", "todos", {"r1": {"text": "y"}})
    wait_until(lambda: drafts(bob) and bob.peers[0].get("mood"), what="both")

    go_offline(ann)
    wait_until(lambda: bob.peers == [] and drafts(bob) == {}, what="nothing")
    ann.connection.draft("c2", "todos", {"r2": {"text": "z"}})
    ann.online()

    wait_until(lambda: drafts(bob).keys() == {"c1", "c2"} and bob.peers[0].get("mood"), what="all of it again")


# --- drafts ---------------------------------------------------------------------------------------------------------


def test_what_somebody_types_is_seen_until_it_is_over(pair, wait_until):
    """R11."""
    ann, bob = pair
    seen = []
    bob.connection.audience.follow("todos", lambda changes: seen.append(changes.ids))
    for text in ("y", "ye", "yea"):
        ann.connection.draft("c1", "todos", {"r1": {"text": text}})
    wait_until(lambda: drafts(bob) == {"c1": m.Draft("c1", "todos", {"r1": {"text": "yea"}})}, what="what is typed")
    assert seen
    assert not any(seen)

    ann.connection.draft("c1", "todos", {})
    wait_until(lambda: drafts(bob) == {}, what="its end")
    assert bob.version == ann.version


def test_a_draft_that_is_committed_ends_in_the_step_that_brings_its_row(pair, wait_until):
    """R2, R11. Nobody sees both, or neither."""
    ann, bob = pair
    views = []
    ann.connection.draft("c1", "todos", {"r1": {"text": "y"}})
    wait_until(lambda: drafts(bob), what="the draft")
    subscription = bob.connection.audience.follow(
        "todos", lambda _: views.append((list(drafts(bob)), list(bob.table("todos"))))
    )

    async def commit():
        """As a widget does: on the I/O thread, so the draft goes before the push."""
        receipt = ann.connection.mutate("insert", {"table": "todos", "id": "r1", "values": {"text": "y"}})
        ann.connection.draft("c1", "todos", {"r1": {"text": "y"}}, mid=receipt.mid)
        return receipt

    spawn(commit()).result(8).result(8)
    wait_until(lambda: views[-1:] == [([], ["r1"])], what="the row")
    subscription.close()

    assert all(view in ((["c1"], []), ([], ["r1"])) for view in views), views
    assert ann.connection._showing._drafts == {}


def test_a_draft_goes_before_the_push_of_its_mutation(pair, monkeypatch):
    """R11. Else it could come when its delta has gone."""
    ann, _ = pair
    sent, send = [], ann.connection._send
    monkeypatch.setattr(ann.connection, "_send", lambda frames: (sent.extend(frames), send(frames)))

    async def commit():
        receipt = ann.connection.mutate("insert", {"table": "todos", "id": "r1", "values": {"text": "y"}})
        ann.connection.draft("c1", "todos", {"r1": {"text": "y"}}, mid=receipt.mid)
        return receipt

    spawn(commit()).result(8).result(8)

    assert [type(frame) for frame in sent if isinstance(frame, m.Draft | m.Push)] == [m.Draft, m.Push]


def test_a_follower_hears_who_wrote_what(pair, wait_until):
    """R11."""
    ann, bob = pair
    heard = {}
    subscription = bob.connection.audience.follow("todos", lambda changes: heard.update(changes.authors))
    bob.table("todos").insert(id="own", text="x").result(8)
    ann.table("todos").insert(id="r1", text="y").result(8)
    wait_until(lambda: heard, what="an author")
    subscription.close()

    assert heard == {"r1": client(ann)}


def test_nothing_is_shown_by_a_room_that_is_closed(pair, wait_until):
    """A widget may outlive its room."""
    ann, _ = pair
    ann.close()
    ann.connection.draft("c1", "todos", {"r1": {"text": "y"}})
    ann.connection.look({"table": "todos"})


# --- undecided ------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(enter_todos, gate):
    """Ann, Bob, and an edit of Ann's that the room is deciding until the gate is opened."""
    ann, bob = enter_todos(user="ann"), enter_todos(user="bob")
    receipt = ann.mutate("wait", id="r1", pipe=gate.path)
    yield ann, bob, receipt
    if not receipt.done():
        gate.open()
        receipt.result(8)


def test_an_edit_that_takes_long_is_shown_to_others_meanwhile(slow, gate, wait_until):
    """R11, D5. Beside the very turn that takes so long, and until the delta that has its row."""
    _, bob, receipt = slow
    wait_until(lambda: drafts(bob), what="the undecided edit")
    assert drafts(bob) == {"m1-todos": m.Draft("m1-todos", "todos", {"r1": {"text": "waits", "done": False}}, 1)}
    assert "r1" not in bob.table("todos")
    views = []
    subscription = bob.connection.audience.follow(
        "todos", lambda _: views.append((len(drafts(bob)), len(bob.table("todos"))))
    )

    gate.open()
    receipt.result(8)
    wait_until(lambda: "r1" in bob.table("todos"), what="the row")
    subscription.close()

    assert drafts(bob) == {}
    assert set(views) <= {(1, 0), (0, 1)}


def test_presence_and_drafts_are_told_beside_a_slow_turn(slow, wait_until):
    """R11. And whoever leaves is seen to leave."""
    ann, bob, _ = slow
    bob.connection.draft("c1", "todos", {"r2": {"text": "y"}})
    bob.present(mood="patient")
    wait_until(lambda: "c1" in drafts(ann) and ann.peers[0].get("mood") == "patient", what="both")

    bob.close()
    wait_until(lambda: ann.peers == [] and drafts(ann) == {}, what="nobody")


def test_an_edit_that_is_shown_as_a_draft_is_not_shown_twice(slow, gate, wait_until, monkeypatch):
    """R11."""
    ann, bob, _ = slow
    receipt = ann.mutate("create", id="r2", text="y")
    ann.connection.draft("c1", "todos", {"r2": {"text": "y"}}, mid=receipt.mid)
    wait_until(lambda: drafts(bob).keys() >= {"m1-todos", "c1"}, what="both")
    late = ann.mutate("create", id="r3", text="z")

    wait_until(lambda: f"m{late.mid}-todos" in drafts(bob), what="the one after it")
    assert drafts(bob).keys() == {"m1-todos", "c1", f"m{late.mid}-todos"}


def test_an_edit_that_is_decided_soon_is_never_shown(pair, monkeypatch):
    """R11."""
    monkeypatch.setattr(connection, "UNDECIDED", SLOW)
    ann, bob = pair
    ann.table("todos").insert(id="r1", text="y").result(8)
    bob.sync(8)

    assert ann.connection._showing._undecided == set()


# --- what the room is told ------------------------------------------------------------------------------------------


@pytest.fixture
def live():
    """A replica that is live in a room with the table ``todos``, and what it shows."""
    replica = Replica(Main, "me")
    replica.opened("spare")
    spec = m.TableSpec("todos", (m.Column("text", "text"),))
    fields = {"party": Main.fingerprint(), "mutators": list(Main.built_in), "limits": m.Limits(1 << 20, 256)}
    replica.receive([m.Welcome(m.PROTOCOL, "e", 1, 0, **fields), m.Begin("e", schema=[spec]), m.End(1)])
    return replica, Showing(replica)


def insert(replica, id, **values):
    return replica.mutate("insert", {"table": "todos", "id": id, "values": values})[0].mutation.mid


def settle(replica, mid):
    replica.receive([m.Delta("e", replica.cursor, replica.cursor + 1, acks={"me": mid})])


def test_what_is_as_it_was_is_not_told_again(live):
    """R12."""
    _, shown = live
    assert shown.due() == []
    shown.present({"mood": "curious"})
    shown.look({"id": "r1"})
    assert shown.due() == [m.Presence({"mood": "curious", "at": {"id": "r1"}})]

    shown.look({"id": "r1"})
    shown.present({"mood": "curious"})
    assert shown.due() == []
    shown.greeted()
    assert shown.due() == []
    shown.dialled()
    assert len(shown.due()) == 1


def test_a_place_that_does_not_fit_beside_the_presence_is_left_out(live):
    """R13. Else the room would end the line."""
    _, shown = live
    shown.look({"id": "x" * m.PRESENCE_BYTES})
    shown.present({"mood": "curious"})

    assert shown.due() == [m.Presence({"mood": "curious"})]


def test_a_draft_that_is_over_before_it_was_told_is_not_told(live):
    _, shown = live
    shown.draft("c1", "todos", {"r1": {"text": "y"}}, 0)
    shown.draft("c1", "todos", {}, 0)
    assert shown.due() == []

    shown.draft("c1", "todos", {"r1": {"text": "y"}}, 0)
    assert shown.due() == [m.Draft("c1", "todos", {"r1": {"text": "y"}})]
    shown.draft("c1", "todos", {}, 0)
    assert shown.due() == [m.Draft("c1")]


@pytest.mark.parametrize(
    ("key", "table", "rows"),
    [
        ("c1", "todos", {"r1": {"text": "\ud800"}}),
        ("c1", "todos", {"r1": {"n": float("nan")}}),
        ("c1", "todos", {"r1": {"text": object()}}),
        ("\ud800", "todos", {"r1": {"text": "y"}}),
        ("c1", "x" * 257, {"r1": {"text": "y"}}),
        ("x" * 257, "todos", {"r1": {"text": "y"}}),
        ("c1", "todos", {"r1": {"text": "x" * m.DRAFT_BYTES}}),
    ],
)
def test_what_cannot_travel_is_not_shown(live, key, table, rows):
    """R13. A half-typed emoji ends no line."""
    _, shown = live
    shown.draft(key, table, rows, 0)

    assert shown.due() == []


def test_of_many_rows_as_many_are_shown_as_fit(live):
    """R13."""
    _, shown = live
    shown.draft("c1", "todos", {f"r{n}": {"text": "x" * 300} for n in range(100)}, 0)

    (draft,) = shown.due()
    assert len(draft.rows) > 10
    assert len(encode(draft, "json")) <= m.DRAFT_BYTES


def test_no_more_drafts_are_shown_than_the_room_takes(live):
    """R12. Those that are over make room."""
    _, shown = live
    for n in range(m.MOST_DRAFTS + 5):
        shown.draft(f"c{n}", "todos", {"r": {"text": "y"}}, 0)
    assert len(shown.due()) == m.MOST_DRAFTS

    shown.draft("c0", "todos", {}, 0)
    shown.draft("c99", "todos", {"r": {"text": "y"}}, 0)
    assert [draft.key for draft in shown.due()] == ["c0", "c99"]


def test_drafts_are_told_again_after_hello(live):
    """R11, C8. The room has dropped them."""
    _, shown = live
    shown.draft("c1", "todos", {"r1": {"text": "y"}}, 0)
    shown.draft("c2", "todos", {"r1": {"text": "y"}}, 0)
    shown.due()
    shown.draft("c2", "todos", {}, 0)
    shown.greeted()

    assert [draft.key for draft in shown.due()] == ["c1"]


def test_a_draft_whose_mutation_is_decided_is_forgotten(live):
    """R11. Its delta has ended it, here and there."""
    replica, shown = live
    mid = insert(replica, "r1")
    shown.draft("c1", "todos", {"r1": {"text": "y"}}, mid)
    assert shown.due() == [m.Draft("c1", "todos", {"r1": {"text": "y"}}, mid)]
    settle(replica, mid)
    assert shown.due() == []
    shown.greeted()
    assert shown.due() == []

    shown.draft("c1", "todos", {"r1": {"text": "y"}}, mid)
    assert shown.due() == []


def test_undecided_edits_are_shown_a_few_at_a_time(live):
    """R11, R12. In their order, as others are decided."""
    replica, shown = live
    mids = [insert(replica, f"r{n}", text=str(n)) for n in range(12)]
    assert shown.due() == []
    shown.late(mids[9])
    assert [draft.mid for draft in shown.due()] == mids[:UNDECIDED_EDITS]
    assert shown.due() == []

    settle(replica, mids[0])
    assert [(draft.key, draft.rows) for draft in shown.due()] == [("m9-todos", {"r8": {"text": "8"}})]
    settle(replica, mids[8])
    assert [draft.mid for draft in shown.due()] == [mids[9]]


def test_after_hello_edits_have_their_time_again(live):
    """R11. They are sent again; what was shown of them before still is."""
    replica, shown = live
    mids = [insert(replica, f"r{n}") for n in range(UNDECIDED_EDITS + 1)]
    shown.late(mids[-1])
    assert len(shown.due()) == UNDECIDED_EDITS
    shown.greeted()

    settle(replica, mids[0])
    assert [draft.mid for draft in shown.due()] == mids[1:-1]
    shown.late(mids[-1])
    assert [draft.mid for draft in shown.due()] == mids[-1:]


def test_of_an_undecided_edit_some_rows_are_shown(live):
    """R12."""
    replica, shown = live
    rows = [[f"r{n}", "x"] for n in range(100)]
    made, _ = replica.mutate("insert_rows", {"table": "todos", "columns": ["id", "text"], "rows": rows})
    shown.late(made.mutation.mid)

    (draft,) = shown.due()
    assert len(draft.rows) == UNDECIDED_ROWS


def test_what_was_shown_of_edits_with_other_numbers_is_forgotten(live):
    """R11. They have got new ones."""
    replica, shown = live
    shown.draft("c1", "todos", {"r1": {"text": "y"}}, insert(replica, "r1"))
    shown.draft("c2", "todos", {"r1": {"text": "y"}}, 0)
    insert(replica, "r2")
    shown.late(2)
    assert len(shown.due()) == 3
    shown.renumbered()
    shown.greeted()

    assert [draft.key for draft in shown.due()] == ["c2"]
    shown.late(2)
    assert [draft.key for draft in shown.due()] == ["m1-todos", "m2-todos"]
