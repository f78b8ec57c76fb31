"""Hooks and sleep: an instance is made anew, what belongs to connections stays, and hooks and alarms wake a room."""

import json
import threading

import pytest

from tests.hooks.conftest import PARTIES
from tests.server.stranger import Stranger


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


def test_a_party_begins_again_before_anything_else_is_decided(drowsy, tab, wait_until):
    page = tab("careful", "1", at=drowsy)
    for n in range(2):
        assert isinstance(page.result("add", {"id": f"r{n}"}, channel="log")[0], list)
        wait_until(asleep(drowsy), what="sleep")
        page.say("ready")
        while page.hear() != "ready: True":
            pass
        wait_until(asleep(drowsy), what="sleep")
    assert page.rows("log").keys() == {"noted", "r0", "r1"}


def test_a_party_that_cannot_begin_again_ends_the_room_with_a_sentence(drowsy, tab, wait_until):
    """R6. Nothing is decided by a party that has not begun; whoever comes again is told at the door."""
    page = tab("careful", "1", at=drowsy)
    page.result("add", {"id": "never again"}, channel="log")
    wait_until(asleep(drowsy), what="sleep")
    page.act("add", {"id": "r1"}, channel="log")
    *_, last = page.hear_all()
    assert "could not begin" in last["exception"][0]
    assert "secret" not in last["exception"][0]
    with Stranger(drowsy, f"/parties/careful/{tab.room}", subprotocol=None) as again:
        assert again.status == 503


def test_a_room_stays_awake_while_a_hook_runs(drowsy, tab, wait_until):
    page = tab("slow-api", "1", at=drowsy)
    wait_until(asleep(drowsy), what="sleep")
    asked = []
    waiting = threading.Thread(target=lambda: asked.append(drowsy.get(f"/parties/slow-api/{tab.room}?seconds=0.9")))
    waiting.start()
    wait_until(lambda: not asleep(drowsy)() or asked)
    while not asked:
        assert not asleep(drowsy)() or asked
        waiting.join(0.05)
    assert asked == ["there it is"]
    assert page.rows("log") == {}


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
