"""Snapshots: read in pieces while the room goes on, shared by all who join, and whole at the end."""

import contextlib

import pytest

from partysync_server.parts import PART_BYTES
from partysync_server.snapshot import FIRST_ROWS, STALE_VERSIONS, Reading, Snapshot
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.party import Main
from tests.stage import Todos

FORMATS = ["json", "msgpack"]


@pytest.fixture
def stage(make_stage):
    """A room with the table ``todos``, and ada in it."""
    stage = make_stage(party=Main)
    ada = stage.enter("ada")
    ada.mutate("create_table", name="todos", columns=[{"name": "text", "type": "text"}])
    stage.rest()
    return stage


def load(stage, rows, *, width=10, prefix="r", table="todos"):
    (ada, *_) = stage.kernels
    chunk = [[f"{prefix}{n:06}", "x" * width] for n in range(rows)]
    ada.mutate("insert_rows", table=table, columns=["id", "text"], rows=chunk)
    stage.rest()


def read(snapshot):
    """Every part there is, decoded."""
    parts = []
    while (part := snapshot.part(len(parts))) is not None:
        parts.append(part)
    return [decode_down(part, snapshot.format) for part in parts]


def put_in(parts):
    return [row[1] for part in parts for change in part.tables for row in change.put]


@pytest.mark.parametrize("format", FORMATS)
def test_every_row_is_in_one_part_in_the_order_of_insertion(stage, format):
    """V2, F12."""
    load(stage, 2 * FIRST_ROWS + 7)
    snapshot = Snapshot(stage.ledger, format)

    parts = read(snapshot)

    begin = decode_down(snapshot.begin, format)
    assert (begin.epoch, begin.base, [spec.name for spec in begin.schema]) == (stage.ledger.epoch, None, ["todos"])
    assert put_in(parts) == [f"r{n:06}" for n in range(2 * FIRST_ROWS + 7)]
    assert len(parts) > 1


@pytest.mark.parametrize("rows", [0, 1, FIRST_ROWS - 1, FIRST_ROWS, FIRST_ROWS + 1])
def test_the_last_part_of_a_table_is_the_last_whatever_its_size(stage, rows):
    load(stage, rows)

    assert len(put_in(read(Snapshot(stage.ledger, "json")))) == rows


@pytest.mark.parametrize("width", [1, 100, 3000])
def test_parts_are_of_a_size_however_wide_the_rows(stage, width):
    for chunk in range(4):
        load(stage, 2_000_000 // (width + 60) // 10, width=width, prefix=f"{chunk}-")
    snapshot = Snapshot(stage.ledger, "json")

    sizes = [len(snapshot.part(n)) for n in range(len(read(snapshot)))]

    assert all(size < 1.3 * PART_BYTES for size in sizes[1:])


def test_a_part_is_read_when_it_is_first_asked_for_and_kept(stage):
    load(stage, 3 * FIRST_ROWS)
    snapshot = Snapshot(stage.ledger, "json")

    first = snapshot.part(0)
    load(stage, 10, prefix="later")

    assert snapshot.part(0) is first
    assert [row for row in put_in(read(snapshot)) if row.startswith("later")] == [f"later{n:06}" for n in range(10)]


def test_all_who_join_share_the_parts(stage):
    """R12."""
    load(stage, 2 * FIRST_ROWS)
    stage.restart()
    bob, eve = (stage.enter(name, connected=False) for name in ("bob", "eve"))
    for kernel in (bob, eve):
        kernel.connect()
        kernel.carry_up()

    frames = [[kernel.owed() for _ in range(3)] for kernel in (bob, eve)]

    assert frames[0][0][1] is frames[1][0][1]
    assert frames[0][1][0] is frames[1][1][0]
    assert frames[0][2][0] is frames[1][2][0]


# --- the room goes on -----------------------------------------------------------------------------------------------


def joining(stage):
    """Somebody who has the beginning of a snapshot and its first part."""
    stage.restart()  # or it would be the snapshot that ada was sent, of an empty room
    stage.kernels[0].connect()
    stage.rest()
    bob = stage.enter("bob", connected=False).connect()
    bob.carry_up()
    assert [len(bob.owed()), len(bob.owed())] == [2, 1]
    bob.carry_down()
    return bob


CHANGES = {
    "a row that was read changes": ("update", {"table": "todos", "id": "r000001", "values": {"text": "new"}}),
    "a row that was not read changes": ("update", {"table": "todos", "id": "r001400", "values": {"text": "new"}}),
    "a row that was read goes": ("delete", {"table": "todos", "id": "r000001"}),
    "a row that was not read goes": ("delete", {"table": "todos", "id": "r001400"}),
    "the last row goes and another takes its place": (
        "batch",
        {"steps": [
            ["delete", {"table": "todos", "id": "r001499"}],
            ["insert", {"table": "todos", "id": "new", "values": {"text": "new"}}],
        ]},
    ),
    "a row that was read moves to the end": (
        "batch",
        {"steps": [
            ["delete", {"table": "todos", "id": "r000001"}],
            ["insert", {"table": "todos", "id": "r000001", "values": {"text": "new"}}],
        ]},
    ),
    "a row comes": ("insert", {"table": "todos", "id": "new", "values": {"text": "new"}}),
    "a table comes": ("create_table", {"name": "more", "columns": [{"name": "x", "type": "text"}]}),
    "a column comes": ("add_column", {"table": "todos", "column": {"name": "n", "type": "integer"}}),
    "a column with a default comes": (
        "add_column", {"table": "todos", "column": {"name": "n", "type": "integer", "default": 7}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("format", FORMATS)
def test_whatever_happens_while_it_is_read_the_end_is_what_the_room_has(stage, what, format):
    """R4, R8, F12."""
    load(stage, 3 * FIRST_ROWS)
    stage.format = format
    bob = joining(stage)
    assert bob.format == format
    (ada, *_) = stage.kernels
    name, args = CHANGES[what]

    made = ada.mutate(name, **args)
    stage.rest()

    assert not isinstance(ada.outcome(made), Exception)
    stage.assert_agreed(ada, bob)


def test_everything_at_once_happens_while_it_is_read(stage):
    """R4, R8."""
    load(stage, 6 * FIRST_ROWS)
    bob = joining(stage)
    (ada, *_) = stage.kernels
    for name, args in CHANGES.values():
        with contextlib.suppress(MutationRejected):  # what another has done before it
            ada.mutate(name, **args)
        ada.push()
        ada.carry_up()
        stage.turn()
        bob.owed()
    ada.mutate("insert", table="more", id="1", values={"x": "y"})
    stage.rest()

    stage.assert_agreed(ada, bob)
    assert bob.rows("more") == {"1": {"x": "y"}}


def test_the_end_tells_what_became_of_the_readers_own_mutations(stage):
    """R6, F13."""
    bob = stage.enter("bob")
    (ada, *_) = stage.kernels
    taken = bob.mutate("insert", table="todos", id="1", values={"text": "a"})
    refused = bob.mutate("insert", table="todos", id="2", values={"text": "bob's"})
    ada.mutate("insert", table="todos", id="2", values={"text": "ada's"})
    for kernel in (ada, bob):
        kernel.push()
        kernel.carry_up()
    stage.turn()
    bob.cut()
    bob.replica.epoch = ""  # as after frames that did not fit: it asks for everything

    bob.connect()
    stage.rest()

    assert bob.outcome(taken) is None
    assert bob.outcome(refused).code == "constraint"
    assert bob.rows()["2"] == {"text": "ada's"}
    stage.assert_agreed(ada, bob)


# --- how long it is good --------------------------------------------------------------------------------------------


def test_a_snapshot_is_shared_until_it_is_stale(stage):
    snapshot = Snapshot(stage.ledger, "json")
    assert snapshot.fresh(stage.ledger)

    stage.ledger.version += STALE_VERSIONS
    assert snapshot.fresh(stage.ledger)
    stage.ledger.version += 1
    assert not snapshot.fresh(stage.ledger)


def test_a_snapshot_behind_the_horizon_cannot_be_mended(stage):
    """R4."""
    snapshot = Snapshot(stage.ledger, "json")
    stage.ledger.horizon = snapshot.version
    assert snapshot.fresh(stage.ledger)

    stage.ledger.horizon = snapshot.version + 1
    assert not snapshot.fresh(stage.ledger)


def test_a_snapshot_of_a_file_that_was_opened_again_is_not_good(stage, make_stage):
    other = make_stage(party=Todos)

    assert not Snapshot(stage.ledger, "json").fresh(other.ledger)


def test_whoever_joins_after_a_load_gets_it_in_parts_too(stage):
    """R12. The snapshot was made for the first who came, when there was nothing in the room yet."""
    for chunk in range(2):
        load(stage, 10_000, width=30, prefix=f"{chunk}-")
    bob = stage.enter("bob", connected=False).connect()
    bob.carry_up()

    frames = []
    while more := bob.owed():
        frames += more

    assert max(map(len, frames)) < 2 * PART_BYTES


def test_reading_gives_a_frame_at_a_time_and_says_when_it_is_done(stage):
    """R12. The next is computed when the last has left."""
    load(stage, 3 * FIRST_ROWS)
    reading = Reading(Snapshot(stage.ledger, "json"), "bob", stage.ledger.version)

    steps = []
    while not steps or not steps[-1][1]:
        steps.append(reading.step(stage.ledger))

    assert [len(frames) for frames, _ in steps] == [1] * len(steps)
    assert [done for _, done in steps] == [False] * (len(steps) - 1) + [True]
    assert decode_down(steps[-1][0][0], "json") == m.End(stage.ledger.version, {"bob": 0}, parts=len(steps) - 2)
