"""``on_start`` and ``on_alarm``: a room that begins, and wakes, by itself."""

import asyncio
import os
import subprocess
import sys
import time

import apsw
import pytest

from partysync_server.access import Access
from partysync_server.alarms import FIRST_DELAY, LAST_DELAY, Alarms
from partysync_server.parties import Parties
from partysync_server.rooms import Rooms
from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected, PartySyncError
from tests.actions.parties import Diary, Silent


def days(room):
    """How often each of them was."""
    room.sync(8)
    return {row["id"]: row["n"] for row in room.table("days").records}


def open_rooms(server):
    pytest.importorskip("prometheus_client")  # the server's metrics say it
    return server.metric("partysync_rooms_open")


def alarms_of(server):
    """What the file of all alarms has, once the server is asked to stop."""
    server.stop()
    connection = apsw.Connection(str(server.data / "alarms.sqlite"))
    found = connection.execute("SELECT room FROM alarms").fetchall()
    connection.close()
    server.start()
    return found


@pytest.fixture
def type_rooms(house):
    """Type ``partysync rooms …`` beside the server."""

    def type_it(verb, *words):
        line = [sys.executable, "-m", "partysync_server", "rooms", verb, "--data", house.data, "--url", house.url]
        how = {"env": {**os.environ, "PARTYSYNC_TOKEN": house.token}, "capture_output": True, "text": True}
        done = subprocess.run([*map(str, [*line, *words])], timeout=60, check=False, **how)
        assert done.returncode == 0, (done.stdout, done.stderr)

    return type_it


# --- on_start -------------------------------------------------------------------------------------------------------


def test_a_room_begins_before_anybody_is_in_it(come):
    """H6: whoever comes first is told what it has made of itself."""
    ann = come(Diary)
    ann.sync(8)

    assert ann.table("days")["start"]["text"] == ann.name
    assert ann.version == 1


def test_a_room_begins_once_in_each_opening(serve, enter, wait_until):
    server = serve("--idle-room", "0.2")
    for times in range(3):
        ann = enter("r", at=server, party=Diary)
        assert days(ann) == {"start": times}
        ann.close()
        wait_until(lambda: open_rooms(server) == 0, 10)


def test_a_room_that_cannot_begin_says_why_and_begins_later(come, world, house):
    """R6: nobody comes in, and nothing of it was kept."""
    world.open("no start")
    with pytest.raises(PartySyncError, match="could not begin in this room: ValueError: not today"):
        come(Diary, timeout=2)
    assert open_rooms(house) == 0

    world.shut("no start")

    assert days(come(Diary)) == {"start": 0}


# --- on_alarm -------------------------------------------------------------------------------------------------------


def test_an_alarm_rings_and_what_it_does_is_told_to_everybody(come, world, wait_until):
    """R1, R2, B6: one version, of the room's own."""
    ann, bob = come(Diary, user="ann"), come(Diary, user="bob")

    due = ann.act("days", "wake", 0.1).result(8)

    assert 0 <= due - time.time() + 0.1 < 1
    wait_until(lambda: "alarm" in bob.table("days"))
    assert world.noted("rang") == [ann.name]
    assert ann.act("days", "when").result(8) is None


def test_an_alarm_of_an_action_that_was_refused_is_not_set(come):
    """R8: it is part of what the action did."""
    ann = come(Diary)

    with pytest.raises(MutationRejected):
        ann.act("days", "wake and fail", 60).result(8)

    assert ann.act("days", "when").result(8) is None


def test_a_room_has_one_alarm_which_can_be_moved_and_deleted(come, world):
    ann = come(Diary)

    first = ann.act("days", "wake", 0.3).result(8)
    later = ann.act("days", "wake", 60).result(8)

    assert later > first + 50
    assert ann.act("days", "when").result(8) == later
    assert ann.act("days", "sleep on").result(8) is None
    assert world.noted("rang") == []


@pytest.mark.parametrize("when", ["tomorrow", True, -1, 1e12, None])
def test_an_alarm_for_no_moment_is_refused(come, when):
    ann = come(Diary)

    with pytest.raises(MutationRejected, match="An alarm is set for seconds since 1970"):
        ann.act("days", "badly", when).result(8)


def test_an_alarm_can_set_the_next(come, world, wait_until):
    world.open("again")
    ann = come(Diary)

    ann.act("days", "wake", 0).result(8)

    wait_until(lambda: days(ann).get("alarm", 0) >= 3)


def test_an_alarm_that_raises_is_tried_again_and_keeps_nothing(come, world, wait_until):
    """At least once; nothing of what failed was kept."""
    world.open("fail")
    ann = come(Diary)
    ann.act("days", "wake", 0).result(8)
    wait_until(lambda: world.noted("rang"))
    assert "alarm" not in days(ann)
    assert ann.act("days", "when").result(8) is not None

    world.shut("fail")

    wait_until(lambda: "alarm" in days(ann))
    assert days(ann)["alarm"] == 0
    assert len(world.noted("rang")) < 10, "Each time it waits longer."


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_an_alarm_outlives_its_server_and_rings_in_a_room_that_nobody_has_open(serve, enter, world, wait_until, how):
    """The server opens the room when it is time, and closes it again."""
    server = serve("--idle-room", "0.2")
    ann = enter("r", at=server, party=Diary)
    ann.act("days", "wake", 1.5).result(8)
    other = enter("another", at=server, party=Diary)
    other.sync(8)
    ann.close()
    other.close()

    getattr(server, how)()
    server.start()

    assert open_rooms(server) == 0, "No file is opened to find out."
    wait_until(lambda: world.noted("rang") == ["r"], 10)
    wait_until(lambda: open_rooms(server) == 0, 10)
    assert days(enter("r", at=server, party=Diary))["alarm"] == 0
    assert world.noted("rang") == ["r"]


def test_an_alarm_rings_in_a_room_that_was_closed_meanwhile(serve, enter, world, wait_until):
    server = serve("--idle-room", "0.1")
    ann = enter("r", at=server, party=Diary)
    ann.act("days", "wake", 3).result(8)
    ann.close()

    wait_until(lambda: open_rooms(server) == 0)
    assert world.noted("rang") == []

    wait_until(lambda: world.noted("rang") == ["r"])


def test_an_alarm_is_found_though_the_file_of_all_alarms_is_gone(serve, enter, world, wait_until):
    """A folder that was put back from a backup: the rooms' own files say it."""
    server = serve()
    ann = enter("r", at=server, party=Diary)
    ann.act("days", "wake", 0.5).result(8)
    ann.close()
    server.stop()
    for each in server.data.glob("alarms.sqlite*"):
        each.unlink()

    server.start()

    wait_until(lambda: world.noted("rang") == ["r"])


def test_an_alarm_of_a_room_that_is_gone_makes_no_room(serve, enter, world, wait_until):
    server = serve()
    ann = enter("r", at=server, party=Diary)
    ann.act("days", "wake", 0.3).result(8)
    ann.close()
    bob = enter("later", at=server, party=Diary)
    bob.act("days", "wake", 0.4).result(8)
    bob.close()
    server.stop()
    for each in server.files("r-*.db*"):
        each.unlink()

    server.start()

    wait_until(lambda: world.noted("rang") == ["later"])
    wait_until(lambda: alarms_of(server) == [])
    assert [each.name.split("-")[0] for each in server.files()] == ["later"]
    assert world.noted("rang") == ["later"]


def test_an_alarm_that_does_nothing_rings_once(come, world, wait_until):
    """It is taken out of the file though it asks for no turn."""
    ann = come(Silent)
    wait_until(lambda: world.noted("rang"))

    ann.table("todos").insert(text="x").result(8)
    ann.sync(8)

    assert world.noted("rang") == [ann.name]


def test_a_restored_room_has_the_alarm_of_its_backup_and_a_deleted_one_has_none(house, come, type_rooms, tmp_path):
    """The file of all alarms hears of what is done to a room's file as a whole."""
    for name in ("kept", "gone"):
        room = come(Diary, name)
        room.act("days", "wake", 3600).result(8)
        type_rooms("backup", f"diary/{name}", tmp_path / f"{name}.db")
        if name == "kept":
            room.act("days", "sleep on").result(8)
        room.close()

    type_rooms("delete", "diary/gone", "--yes")
    type_rooms("restore", "diary/kept", tmp_path / "kept.db", "--force")

    assert alarms_of(house) == [("kept",)]


# --- the file of all alarms -----------------------------------------------------------------------------------------


@pytest.fixture
def alarms(tmp_path):
    made = []

    def make(*found):
        made.append(Alarms(tmp_path / "alarms.sqlite", found))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_alarms_are_due_in_their_order_and_outlive_the_process(alarms):
    first = alarms()
    first.settle(("p", "late"), 20.0)
    first.settle(("p", "soon"), 10.0)
    first.settle(("p", "never"), 5.0)
    first.settle(("p", "never"), None)
    first.close()

    again = alarms()

    assert again.due(9) == []
    assert again.due(30) == [("p", "soon"), ("p", "late")]


def test_what_is_expected_is_never_later_than_what_was_settled(alarms):
    """A turn that is lost may leave it too early, and never too late."""
    found = alarms()
    found.settle(("p", "r"), 10.0)

    found.expect(("p", "r"), 20.0)
    assert found.due(10) == [("p", "r")]
    found.expect(("p", "r"), 5.0)

    assert found.due(5) == [("p", "r")]


def test_one_that_fails_is_tried_ever_later_until_it_is_settled(alarms):
    found = alarms()
    found.settle(("p", "r"), 10.0)

    delays = [found.failed(("p", "r"), 100.0) - 100.0 for _ in range(15)]

    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays[-1] == LAST_DELAY
    assert found.due(101) == []
    assert found.due(100 + LAST_DELAY) == [("p", "r")]
    found.settle(("p", "r"), 11.0)
    assert found.due(12) == [("p", "r")]


def test_an_alarm_is_known_before_the_turn_that_sets_it_is_durable(alarms, world, tmp_path):
    """A crash between the two opens a room for nothing; the other way round, an alarm would be missed."""

    class Crash(Exception):
        """In the middle of a COMMIT."""

    async def story():
        access = Access(tmp_path / "access.sqlite")
        found, limits = alarms(), m.Limits(1 << 20, 256)
        folder = tmp_path / "rooms"
        rooms = Rooms(folder, Parties(), access, limits=limits, idle=60, alarms=found)
        place = await rooms.open(Diary, "r")
        ledger = place.room.ledger
        ledger.begin()
        ledger.set_alarm(10_000)
        kept = place.bell.kept()
        kept.__enter__()
        assert found.due(11) == [("diary", "r")]
        assert not kept.__exit__(Crash, Crash(), None)
        ledger.store.rollback()
        assert found.due(11) == [("diary", "r")]
        await rooms.close(m.Bye("The end."))
        rooms = Rooms(folder, Parties(), access, limits=limits, idle=60, alarms=found)
        await rooms.open(Diary, "r")  # which is opened for nothing, and puts it right
        assert found.due(11) == []
        await rooms.close(m.Bye("The end."))
        access.close()

    asyncio.run(story())


def test_rooms_are_asked_only_where_there_is_no_file(alarms):
    first = alarms(("p", "r", 1.0))
    assert first.due(2) == [("p", "r")]
    first.close()

    assert alarms(("p", "another", 1.0)).due(2) == [("p", "r")]
