"""
Connections: what a party hears of the web pages in its room, and what it can tell them.

Real pages on a real server. A message is whatever is no frame of the dialect; frames go their way as ever.
"""

import asyncio
import time

import pytest

import partysync_widget as ps
from partysync_server.access import Access
from partysync_server.connections import MOST_HEARD, Connection, Visitor
from partysync_server.dialect import Page
from partysync_server.parties import Parties
from partysync_server.principal import OPERATOR
from partysync_server.rooms import Rooms
from partysync_server.session import Session
from partysync_widget.core import messages as m
from tests.hooks.conftest import PARTIES
from tests.hooks.parties import Patient
from tests.hostile.test_decoder import resident
from tests.server.stranger import sentence


def lobby(tab, pk, name, **query):
    """A page that has been let in."""
    guest = tab("lobby", pk, name=name, **query)
    while not (isinstance(heard := guest.hear(), dict) and "you" in heard):
        pass
    return guest


def test_who_comes_says_something_and_goes_is_told_to_the_others(tab):
    ann = lobby(tab, "a", "Ann")
    bob = lobby(tab, "b", "Bob")
    assert ann.hear() == "Bob came"
    bob.say("hello there")
    assert ann.hear()["payload"][0][:2] == ["b-0", "hello there"]  # the row is told before
    assert ann.hear() == "Bob: hello there"
    bob.say("who")
    assert [bob.hear()["payload"][0][0], bob.hear()] == ["b-0", ["Ann", "Bob"]]  # and not said to itself
    bob.close()
    assert ann.hear()["payload"][0][:2] == ["b-left", "left"]
    assert ann.hear() == "Bob left"


def test_binary_goes_both_ways(tab):
    ann = lobby(tab, "a", "Ann")
    ann.say(b"\x00\x01\xff")
    assert ann.hear() == b"\xff\x01\x00"
    ann.say(b"")
    assert ann.hear() == b""


def test_messages_of_one_page_are_heard_in_order_and_pages_do_not_wait_for_each_other(tab):
    slow, quick = tab("patient", "s"), tab("patient", "q")
    for each in ("1", "wait", "2", "3"):
        slow.say(each)
    quick.say("at once")
    assert quick.hear() == "heard at once"
    assert [slow.hear() for _ in range(4)] == ["heard 1", "heard wait", "heard 2", "heard 3"]


def test_frames_of_the_dialect_are_no_messages_and_messages_are_no_frames(tab):
    """The ancestor's protocol is the same in a room whose party hears messages."""
    ann = lobby(tab, "a", "Ann")
    assert ann.rows("log") == {}
    ann.say({"rpc": True, "id": "x", "channel": "log"})
    assert ann.hear()["type"] == "error"
    assert ann.result("insert", {"id": "by-action", "values": {"text": "x"}}, channel="log")[0][0] == "by-action"
    for message in ('{"sync": false}', "[]", "null", "42", '{"a": "rpc"}'):
        ann.say(f"state {message}")
        assert ann.hear()["name"] == "Ann"
    other = tab("api", "p")  # a party that hears none
    other.say("what is this")
    assert other.hear()["type"] == "exception"


def test_tags_choose_who_is_told_and_who_is_listed(tab):
    ann, bob = lobby(tab, "a", "Ann", tags="red"), lobby(tab, "b", "Bob", tags="red blue")
    cid = lobby(tab, "c", "Cid")
    ann.until("Cid came")
    bob.until("Cid came")
    for tag, names in [("red", ["Ann", "Bob"]), ("blue", ["Bob"]), ("none", []), ("", ["Ann", "Bob", "Cid"])]:
        ann.say(f"who {tag}")
        assert ann.hear() == names
    cid.say("tell red for the red ones")
    assert [ann.hear(), bob.hear()] == ["for the red ones"] * 2
    cid.say("tell owner for the owners")
    assert [each.hear() for each in (ann, bob, cid)] == ["for the owners"] * 3


def test_whoever_is_here_has_its_tags_however_long_the_party_takes_over_them(tab):
    """As at the ancestor's, whose socket opens when they are known: what is told from then on reaches it."""
    ann, bob = lobby(tab, "a", "Ann"), tab("lobby", "b", name="Bob", tags="red", tagging="0.3")
    ann.say("tell red to the red ones")
    bob.until("to the red ones")


def test_state_is_each_connections_own_and_bounded(tab):
    ann, bob = (
        lobby(tab, "a", "Ann"),
        lobby(tab, "a", "Bob"),
    )  # by one id, which is left out of what Bob's coming is told
    for guest, name in ((ann, "Ann"), (bob, "Bob")):
        guest.say("state")
        assert guest.hear() == {"name": name, "said": 0}
    ann.say("fill 5000")
    said = ann.hear()
    assert "failed in on_message" in said["exception"][0]
    ann.say("state")
    assert ann.hear() == {"name": "Ann", "said": 0}
    ann.say("fill 4000")
    ann.say("state")
    assert len(ann.hear()) == 4000


def test_what_is_undone_is_not_told_and_the_one_who_asked_hears_why(tab):
    """R9."""
    ann, bob = lobby(tab, "a", "Ann"), lobby(tab, "b", "Bob")
    bob.say("undone")
    assert bob.hear() == {"type": "exception", "rpc": True, "exception": ["It was undone."]}
    bob.say("tell owner after it")
    assert ann.until("after it") == ["Bob came"]
    assert ann.rows("log") == {}


def test_a_party_may_hang_up(tab):
    ann, bob = lobby(tab, "a", "Ann"), lobby(tab, "b", "Bob")
    ann.say("kick Bob")
    assert bob.hear_all()[-1]["exception"] == ["You were asked to leave."]
    ann.until("Bob left")


def test_whom_on_connect_refuses_is_told_why_and_nothing_is_called_for_it(server, tab, wait_until):
    ann, sessions = lobby(tab, "a", "Ann"), server.sessions()
    refused = tab("lobby", "n", name="nobody")
    assert "Say who you are" in refused.hear_all()[-1]["exception"][0]
    refused.close()
    wait_until(lambda: server.sessions() <= sessions, what="its end")
    for _ in range(3):
        ann.say("who")
        assert ann.hear() == ["Ann"]  # and nobody has left
    assert ann.rows("log") == {}


def test_a_viewer_is_told_to_be_one_and_rows_of_a_hook_are_the_partys(server, tab):
    """R13: what a viewer may cause is what the party's own code does."""
    with ps.connect(tab.room, url=server.url, token=server.token, party="lobby") as room:
        share = room.share("viewer")
    guest = tab("lobby", "v", token=share.token, name="Vic")
    assert guest.hear() == {"you": "v", "role": "viewer", "tags": ["viewer"]}
    said = guest.result("insert", {"id": "x", "values": {}}, channel="log")
    assert "viewers change nothing" in said[0]


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "KeyboardInterrupt", "StopIteration", "CancelledError"])
@pytest.mark.parametrize("hook", ["tags", "connect", "message", "close"])
def test_a_hook_that_fails_ends_nobody_elses_line(tab, hook, kind):
    """R6. It is logged; its page is told a sentence without what was raised; the room goes on."""
    bystander = tab("broken", "by")
    page = tab("broken", "p", fail=hook, **{"with": kind})
    if hook in ("tags", "connect"):
        last = page.hear_all()[-1]
    elif hook == "message":
        page.say("x")
        last = page.hear()
    else:
        page.close()
        last = None
    bystander.say("are you there")
    assert bystander.hear() == "fine are you there"
    if last is not None:
        assert sentence(last["exception"][0])
        assert "secret" not in last["exception"][0]
    if hook == "message":
        page.say({"channel": "log", "sync": True})
        assert page.hear()["payload"] == []


def test_a_hook_that_fails_is_in_the_log(server, tab, wait_until):
    page = tab("broken", "p", fail="message")
    log = len(server.log)
    page.say("x")
    page.hear()
    wait_until(lambda: "a secret of its own" in server.log[log:])


@pytest.mark.parametrize("tags", ["none", "many", "long"])
def test_tags_that_are_none_refuse_the_connection(tab, tags):
    assert "failed in get_connection_tags" in tab("broken", "p", tags=tags).hear_all()[-1]["exception"][0]


def test_a_message_that_is_neither_text_nor_bytes_is_a_mistake_of_the_party(tab):
    ann = lobby(tab, "a", "Ann")
    ann.say("wrong")
    assert "failed in on_message" in ann.hear()["exception"][0]


def test_who_does_not_read_what_the_party_tells_is_hung_up_on_and_costs_little(start_server, tab):
    """R12. Five thousand messages of 10 kB, to one that reads and one that does not."""
    server = start_server(*PARTIES)
    writer = lobby_at(tab, server, "w", "Wil")
    stalled = lobby_at(tab, server, "s", "Sid", buffer=4096)
    assert writer.hear() == "Sid came"
    before, most = resident(server.process.pid), 0
    for _ in range(10):
        writer.say("flood 500")
        assert writer.until("flooded") == []
        most = max(most, resident(server.process.pid))
    assert most - before < 40 << 20
    heard = 0
    while stalled.hear() is not None:
        heard += 1
    assert heard < 2_000
    writer.say("who")
    while writer.hear() != ["Wil"]:  # its leaving is told as well
        writer.say("who")


def lobby_at(tab, server, pk, name, **how):
    guest = tab("lobby", pk, at=server, name=name, **how)
    while not (isinstance(heard := guest.hear(), dict) and "you" in heard):
        pass
    return guest


def test_while_much_waits_of_a_page_its_next_frame_is_not_read(tmp_path):
    """R12. In number, or in bytes."""

    async def story(size):
        access = Access(tmp_path / f"access-{size}.sqlite")
        rooms = Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 20, 256), idle=60)
        place = await rooms.open(Patient, f"r{size}")
        session = Session(OPERATOR, "json", "owner", client="p")
        page = Page(place, session)
        visitor = Visitor(place, Patient, session, Connection(place, session, page, "p", {}))
        visitor.come()
        heard = 0
        while not visitor.crowded and heard < 1_000:
            visitor.hear("wait" if not heard else "x" * size)
            heard += 1
        began = time.monotonic()
        while visitor.crowded:
            await visitor.eased(8)
        waited = time.monotonic() - began
        await rooms.close(m.Bye("The end."))
        access.close()
        return heard, waited

    many, waited = asyncio.run(story(1))
    large, _ = asyncio.run(story(300_000))

    assert many == MOST_HEARD
    assert 0.1 < waited < 5
    assert large == 5


def test_who_says_more_than_the_party_hears_is_read_more_slowly(tab):
    """R12. Nothing of it is lost."""
    page = tab("patient", "p")
    for n in range(300):
        page.say(f"{n} ".ljust(20_000, "x"))
    assert [page.hear().split()[1] for _ in range(300)] == [str(n) for n in range(300)]


def test_a_page_that_goes_while_it_is_heard_is_no_trouble(server, tab):
    log = len(server.log)
    for n in range(20):
        page = tab("lobby", f"p{n}", name=f"N{n}")
        page.say("hello")
        page.close()
    last = lobby(tab, "last", "Last")
    last.say("who")
    while last.hear() != ["Last"]:
        last.say("who")
    assert "Traceback" not in server.log[log:]
