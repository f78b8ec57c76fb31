"""What a hook may hold: its room for a time that has an end, and nobody else at all."""

import json
import socket
import time

import pytest


@pytest.fixture
def silent():
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as line:
        yield f"http://127.0.0.1:{line.getsockname()[1]}"


def test_a_hook_that_holds_its_room_is_given_up_and_nothing_of_it_is_kept(tab):
    """R8. Its Python goes on without the room, and hears so at its next SQL."""
    page, other = tab("holder", "p"), tab("holder", "o")
    page.say(json.dumps({"do": "hold"}))
    began = time.monotonic()
    while not other.result("insert", {"id": f"r{time.monotonic()}", "values": {}}, channel="log"):
        pass
    assert time.monotonic() - began < 1.9
    assert "held the room for 0.5 s" in page.hear_complaint()
    assert not other.rows("log").keys() & {"held", "later"}
    page.say(json.dumps({"do": "count"}))  # which waits for the end of its Python
    while isinstance(heard := page.hear(), dict):
        pass
    assert heard == "counted"  # and nothing that it said was told


def test_an_action_does_not_wait_for_ever_for_another_hook(tab):
    """It is one after the other in a party; the room does not stand still for it."""
    page, other = tab("holder", "p"), tab("holder", "o")
    page.say(json.dumps({"do": "hold"}))
    began, said = time.monotonic(), ""
    while "runs still" not in said:
        assert time.monotonic() - began < 1.9
        (said,) = other.result("add", {"id": f"r{time.monotonic()}"}, channel="log")
        said = said if isinstance(said, str) else ""
    page.hear_complaint()


@pytest.mark.parametrize("what", ["connect after sql", "connect to itself"])
def test_what_would_wait_for_itself_is_refused_at_once(tab, what):
    page = tab("holder", "p")
    began = time.monotonic()
    page.say(json.dumps({"do": what}))
    said = page.hear_complaint()
    assert time.monotonic() - began < 2
    assert "Connect first" in said or "no client of itself" in said
    assert page.rows("log") == {}


def test_an_action_does_not_connect_in_its_turn(tab):
    (said,) = tab("holder", "p").result("connect", {"id": "x"}, channel="log")
    assert "Connect first" in said


def test_actions_go_on_while_a_hook_waits_for_another_room(tab, silent):
    page, other = tab("holder", "p"), tab("holder", "o")
    page.say(json.dumps({"do": "connect to nobody", "url": silent}))
    began = time.monotonic()
    for n in range(10):
        assert other.result("add", {"id": f"r{n}"}, channel="log")[0][0] == f"r{n}"
    assert time.monotonic() - began < 1.5
    assert "did not open within 2 s" in page.hear_complaint()


@pytest.mark.parametrize("what", ["soon", "alarm"])
def test_a_hook_that_exits_ends_no_server(server, tab, what, wait_until):
    page, log = tab("quits", "p"), len(server.log)
    page.say(what)
    wait_until(lambda: "raised SystemExit" in server.log[log:], what="a word of it in the log")
    page.say("still here")
    assert page.hear() == "still here"
