"""
Times: what ``from`` means, and what a page is told that cannot be told what it lacks (R4, R10).

The ancestor compares its cursor, text with steps of a second, with the times of rows, and leaves deleted rows out
(faults a, b). Here a time leads to a version, by the turns that had ended then; from there on it is as for everybody.
"""

import itertools
import random
import time

import pytest

from partysync_server.ledger import Ledger
from partysync_widget.core.party import Main, Party, mutator
from tests.dialect.parties import Todos
from tests.dialect.reader import Reader
from tests.stage import ID

NOON = 1_795_392_000.0  # 2026-11-23 00:00:00 UTC, in seconds
COLUMNS = [{"name": "text", "type": "text"}]


class Clock:
    """Seconds since 1970, as a test wants them."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def notes(make_stage, clock):
    """A stage with a table of ``main``, a kernel that writes and a page that has come before all of it."""
    stage = make_stage()
    first = Reader(stage, "first", clock=clock)
    ada = stage.enter("ada")
    ada.mutate("create_table", name="todos", columns=COLUMNS)
    stage.rest()
    first.hear()
    stage.ada, stage.first = ada, first
    return stage


def write(stage, clock, id, *, seconds=10.0, **values):
    """A row at a time of its own; the time that it is told with."""
    clock.now += seconds
    stage.ada.mutate("upsert", table="todos", id=id, values=values or {"text": id})
    stage.rest()
    return stage.first.hear()[-1]["payload"][-1][-2]


def ids(frames):
    """Of each frame its kind and its records: id, and whether it is there."""
    return [
        (frame.get("type", "sync"), {record[0]: record[-1] is None for record in frame.get("payload", [])})
        for frame in frames
    ]


def test_a_time_that_the_room_gave_out_brings_just_what_came_after(notes, clock):
    """R4."""
    one = write(notes, clock, "one")
    two = write(notes, clock, "two")
    reader = Reader(notes, "second")

    assert (one, two) == ((NOON + 10) * 1000, (NOON + 20) * 1000)
    assert ids(reader.sync(one)) == [("sync", {"two": True})]
    assert ids(reader.sync(two)) == [("sync", {})]
    assert ids(reader.sync(None)) == [("sync", {"one": True, "two": True})]


@pytest.mark.parametrize(
    "between",
    [(NOON + 15) * 1000, NOON + 15, "2026-11-23 00:00:15", "2026-11-23T00:00:15Z", "2026-11-23T01:00:15+01:00"],
)
def test_any_other_time_will_do_as_well(notes, clock, between):
    """R4. In milliseconds, in seconds, or as text; where no zone is said it is UTC."""
    write(notes, clock, "one")
    write(notes, clock, "two")

    assert ids(Reader(notes, "second").sync(between)) == [("sync", {"two": True})]


def test_deletes_come_as_tombstones_and_once_more_as_an_update_for_the_hook_keeps_what_a_sync_brings(notes, clock):
    """R4. It puts every record of a sync on the screen, deleted or not, and takes deleted ones of an update off it."""
    write(notes, clock, "one")
    two = write(notes, clock, "two")
    reader = Reader(notes, "second")
    reader.sync(None)
    notes.ada.mutate("delete", table="todos", id="one")
    clock.now += 10
    notes.rest()
    again = Reader(notes, "third")
    again.screen = reader.screen

    heard = again.sync(two)

    assert ids(heard) == [("sync", {"one": False}), ("update", {"one": False})]
    assert heard[0]["payload"] == [["one", None, None, (NOON + 30) * 1000, (NOON + 30) * 1000]]
    assert again.screen.shown.keys() == {"two"}


def test_times_only_grow_though_the_clock_goes_back(notes, clock):
    """R1. An hour back, as at the end of summer on a badly kept machine."""
    one = write(notes, clock, "one")
    two = write(notes, clock, "two", seconds=-3600)
    three = write(notes, clock, "three", seconds=1)

    assert one < two < three
    assert ids(Reader(notes, "second").sync(one)) == [("sync", {"two": True, "three": True})]


@pytest.mark.parametrize("since", [(NOON + 90_000) * 1000, "2031-01-01 00:00:00"])
def test_a_time_that_has_not_come_yet_is_of_another_history_and_all_is_told_anew(notes, clock, since):
    """R10. With `delete-all`, which the ancestor has and never sends."""
    write(notes, clock, "one")
    write(notes, clock, "two")
    notes.ada.mutate("delete", table="todos", id="two")
    notes.rest()

    heard = Reader(notes, "second").sync(since)

    assert heard[0] == {"broadcast": True, "type": "delete-all", "channel": "todos"}
    assert ids(heard[1:]) == [("sync", {"one": True}), ("update", {"two": False})]


def test_behind_the_horizon_everything_is_told_anew_and_nothing_that_was_deleted_stays(notes, clock):
    """R4. Deletions before it are forgotten."""
    one = write(notes, clock, "one")
    write(notes, clock, "two")
    reader = Reader(notes, "second")
    reader.sync(None)
    reader.leave()
    notes.ada.mutate("delete", table="todos", id="one")
    notes.rest()
    for n in range(20):
        write(notes, clock, "two", text=f"{n}")
    notes.ledger.begin()
    notes.ledger.compact(3)
    notes.ledger.commit()

    again = Reader(notes, "third")
    again.screen = reader.screen
    frames = again.sync(one)

    assert frames[0]["type"] == "delete-all"
    assert again.screen.shown == {"two": ("19",)}
    recent = write(notes, clock, "three")
    again.hear()
    assert ids(again.sync(recent)) == [("sync", {})]


def test_a_page_too_slow_for_the_horizon_is_told_everything_anew(notes, clock):
    """R4, R12. Its socket took nothing meanwhile; nothing was kept for it."""
    write(notes, clock, "one")
    reader = Reader(notes, "second")
    reader.sync(None)
    notes.ada.mutate("delete", table="todos", id="one")
    notes.rest()
    for n in range(20):
        write(notes, clock, "two", text=f"{n}")
    notes.ledger.begin()
    notes.ledger.compact(3)
    notes.ledger.commit()

    heard = reader.hear()

    assert heard[0]["type"] == "delete-all"
    assert reader.screen.shown == {"two": ("19",)}


def test_a_time_while_the_room_was_closed_is_of_a_history_that_was_replaced(notes, clock, make_stage):
    """R10. A backup was put back: rows that were told since it was taken are not there, and neither are their times."""
    write(notes, clock, "one")
    kept = notes.save("backup")
    lost = write(notes, clock, "lost")
    reader = Reader(notes, "second")
    reader.sync(None)
    assert reader.screen.shown.keys() == {"one", "lost"}
    notes.cut_all()
    notes.ledger.close()
    clock.now += 60
    restored = make_stage()
    restored.ledger.close()
    restored.restore(kept)
    restored.ledger.pages._clock = clock
    again = Reader(restored, "reloaded")
    again.screen = reader.screen

    heard = again.sync(lost)

    assert heard[0]["type"] == "delete-all"
    assert again.screen.shown.keys() == {"one"}


def test_after_a_restart_a_time_is_as_good_as_before(notes, clock):
    """R4, R10."""
    one = write(notes, clock, "one")
    write(notes, clock, "two")
    notes.first.leave()
    notes.restart()
    reader = Reader(notes, "second", clock=clock)

    assert ids(reader.sync(one)) == [("sync", {"two": True})]


def test_a_room_in_which_no_page_has_been_keeps_nothing_for_pages(stage):
    """Its file is as it was, and a turn costs what it cost."""
    ada = stage.enter("ada")
    ada.mutate("create_table", name="todos", columns=COLUMNS)
    stage.rest()

    assert not stage.ledger.pages.kept
    tables = stage.ledger.store.execute("SELECT name FROM sqlite_schema WHERE name GLOB '_partysync_*'").fetchall()
    assert {"_partysync_turns", "_partysync_actions", "_partysync_pages"}.isdisjoint(name for (name,) in tables)


def test_a_page_that_comes_to_rows_older_than_all_pages_can_ask_for_what_is_newer(stage, clock):
    """R4. When those were written nobody has noted; none is missed, and none is told for ever."""
    ada = stage.enter("ada")
    ada.mutate("create_table", name="todos", columns=COLUMNS)
    for id in ("one", "two"):
        ada.mutate("insert", table="todos", id=id, values={"text": id})
    stage.rest()
    reader = Reader(stage, "first", clock=clock)
    payload = reader.sync(None)[0]["payload"]
    newest = max(record[-2] for record in payload)

    assert newest == NOON * 1000
    assert ids(reader.sync(newest)) == [("sync", {})]
    clock.now += 1
    ada.mutate("delete", table="todos", id="one")
    stage.rest()
    reader.hear()
    assert ids(reader.sync(newest))[0] == ("sync", {"one": False})


# --- tables with times of their own ----------------------------------------------------------------------------------


class Timed(Party):
    """Each way in which a table may write its times."""

    schema = f"""
        CREATE TABLE text_ ({ID}, a TEXT, created_at TEXT, updated_at TEXT, deleted_at TEXT) STRICT;
        CREATE TABLE ms ({ID}, a TEXT, created_at INTEGER, updated_at INTEGER, deleted_at INTEGER) STRICT;
        CREATE TABLE s ({ID}, created_at INTEGER, updated_at INTEGER, deleted_at INTEGER, a TEXT) STRICT;
        CREATE TABLE some ({ID}, updated_at TEXT, a TEXT) STRICT;
    """

    @mutator
    def write(tx, table: str, id: str, at: str | int, a: str = "x"):
        tx.upsert(table, id=id, a=a, updated_at=at)

    @mutator
    def remove(tx, table: str, id: str):
        tx.sql(f"DELETE FROM {table} WHERE id = ?", id)


@pytest.mark.parametrize(
    ("table", "at", "told", "gone"),
    [
        ("text_", "2026-11-23 00:00:10", "2026-11-23 00:00:10", "2026-11-23 00:00:20"),
        ("ms", int((NOON + 10) * 1000), (NOON + 10) * 1000, (NOON + 20) * 1000),
        ("s", int(NOON + 10), NOON + 10, NOON + 20),
        ("some", "2026-11-23 00:00:10", "2026-11-23 00:00:10", "2026-11-23 00:00:20"),
    ],
)
def test_a_tables_own_times_are_told_as_they_are_and_tombstones_in_the_same_kind(
    make_stage, clock, table, at, told, gone
):
    """Whatever the order of the columns, a record ends with the three. What has the very time that is asked is told."""
    stage = make_stage(party=Timed)
    reader = Reader(stage, "first", clock=clock, channel=table)
    clock.now += 10
    for id in ("first", "a", "b"):
        reader.act("write", {"table": table, "id": id, "at": at}, id=id, channel=table)
        stage.turn()
    *_, success = reader.hear()
    assert (success["result"][0][:2], success["result"][0][-2:]) == (["b", "x"], [told, None])
    reader.act("write", {"table": table, "id": "b", "at": at, "a": "same second"}, id="c", channel=table)
    stage.turn()
    clock.now += 10
    reader.act("remove", {"table": table, "id": "a"}, id="d", channel=table)
    stage.turn()
    reader.hear()

    payload = Reader(stage, "second", channel=table).sync(at, table)[0]["payload"]

    assert [record[:2] for record in payload[:2]] == [["first", "x"], ["b", "same second"]]
    assert payload[2] == ["a", None, None, gone, gone]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_a_page_that_asks_with_its_newest_time_ends_with_what_there_is(make_stage, clock, seed):
    """R4. As the hook does it: each of its records has a time, and it asks with the newest of them."""
    dice = random.Random(seed)
    stage = make_stage(party=Todos)
    keeper = Reader(stage, "keeper", clock=clock)
    kept, serial = Reader(stage, "tab-0"), itertools.count(1)
    screen, newest = kept.screen, None

    def hear(reader):
        nonlocal newest
        for frame in reader.hear():
            for record in frame.get("payload", frame.get("result", [])):
                for told in filter(None, record[-2:]):
                    newest = max(newest or told, told)

    stage.ledger.pages._clock = time.time  # CURRENT_TIMESTAMP is the system's: all happens within a second or two of it
    for _ in range(60):
        id = f"t{dice.randrange(6)}"
        name = dice.choice(["create", "update", "delete", "forget"])
        payload = {"id": id} if name in ("delete", "forget") else {"id": id, "text": f"{next(serial)}", "completed": 0}
        keeper.act(name, payload, id=f"{next(serial)}")
        stage.turn()
        keeper.hear()
        if dice.random() < 0.3 and kept is not None:
            hear(kept)
        if dice.random() < 0.1 and kept is not None:
            kept.leave()
            kept = None
        elif kept is None and dice.random() < 0.3:
            kept = Reader(stage, f"tab-{next(serial)}")
            kept.screen = screen
            kept.say({"channel": "todos", "sync": True, "from": newest})
            hear(kept)
    if kept is None:
        kept = Reader(stage, "tab-last")
        kept.screen = screen
        kept.say({"channel": "todos", "sync": True, "from": newest})
    hear(kept)

    truth = {
        id: (text, done)
        for id, text, done, *_, deleted in stage.ledger.store.execute("SELECT * FROM todos").fetchall()
        if deleted is None
    }
    assert screen.shown == truth


def test_a_room_made_before_pages_came_can_be_opened(tmp_path):
    """Its file has none of their tables."""
    ledger = Ledger(tmp_path / "old.db", Main, "e1", room="old")
    ledger.close()

    again = Ledger(tmp_path / "old.db", Main, "e2", room="old")
    assert not again.pages.kept
    again.close()
