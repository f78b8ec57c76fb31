"""Hooks and sleep: an instance is made anew, what belongs to connections stays, and hooks and alarms wake a room."""

import json

import pytest

from tests.hooks.conftest import PARTIES


@pytest.fixture
def drowsy(start_server):
    return start_server(*PARTIES, "--idle-room=0.2")


def asleep(server, rooms=1):
    return lambda: server.metric("partysync_rooms_asleep") == rooms and not server.files("*-wal")


def heard(page):
    """The next message; rows that come meanwhile are passed over."""
    while isinstance(frame := page.hear(), dict) and "heard" not in frame:
        pass
    return frame


def test_sockets_tags_and_states_outlive_the_instance(drowsy, tab, wait_until):
    one, other = tab("instances", "1", at=drowsy), tab("instances", "2", at=drowsy)
    for n in range(2):
        for count, said in enumerate(("a", "b"), 1):
            one.say(said)
            for page in (one, other):
                assert heard(page) == {"heard": count, "state": {"since": "the beginning"}, "said": said}
        assert len(one.rows("log")) == n + 1  # it has begun so often
        wait_until(asleep(drowsy), what="sleep")


def test_an_alarm_wakes_a_room(drowsy, tab, wait_until):
    page = tab("instances", "1", at=drowsy)
    page.say("alarm")
    assert heard(page)["said"] == "alarm"
    wait_until(asleep(drowsy), what="sleep")
    assert heard(page) == "the alarm"
    assert "Traceback" not in drowsy.log


def test_a_hook_that_runs_keeps_a_room_awake(drowsy, tab, wait_until):
    page = tab("slow-api", "1", at=drowsy)
    wait_until(asleep(drowsy), what="sleep")
    page.close()


def test_on_close_wakes_a_room(drowsy, tab, wait_until):
    ann, bob = tab("lobby", "a", at=drowsy, name="Ann"), tab("lobby", "b", at=drowsy, name="Bob")
    wait_until(asleep(drowsy), what="sleep")
    bob.close()
    while ann.hear() != "Bob left":
        pass
    wait_until(asleep(drowsy), what="sleep")
    ann.close()
    wait_until(lambda: drowsy.metric("partysync_rooms_open") == 0, what="its end")
    again = tab("lobby", "c", at=drowsy, name="Cid")
    assert {record[1] for record in again.rows("log").values()} == {"left"}  # both of them
    assert len(again.rows("log")) == 2


def test_a_request_wakes_a_room(drowsy, tab, wait_until):
    page = tab("api", "1", at=drowsy)
    wait_until(asleep(drowsy), what="sleep")
    assert json.loads(drowsy.get(f"/parties/api/{tab.room}"))["method"] == "GET"
    assert page.rows("log") == {}
