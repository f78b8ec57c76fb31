"""
Who may open a socket that speaks the dialect (fault d: anybody could): the same as any other, in the way a page can.

A browser lets a page set no header of a WebSocket, so the token may stand in the address, ``?token=``, for a socket
that offers no sub-protocol and for nothing else; and the page's origin must have been allowed, letter by letter (R13).
"""

import json
import time

import pytest

import partysync_widget as ps
from tests.conftest import Server
from tests.dialect.conftest import PARTIES
from tests.dialect.tab import Tab
from tests.server.stranger import Stranger, sentence

PAGE = "https://wall.example.org"
WRONG = ("none", "empty", "wrong", "revoked", "expired", "another room's")
ROOM = "/parties/main/crawled"


@pytest.fixture(scope="module")
def allowing(tmp_path_factory):
    """A server that lets one page in."""
    server = Server(tmp_path_factory.mktemp("allowing"), *PARTIES, "--origin", PAGE)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def links(allowing, wait_until):
    with ps.connect("crawled", url=allowing.url, token=allowing.token) as room:
        room.table("todos", text=str).insert(id="t1", text="x").result(8)
        good = {role: room.share(role).token for role in ("viewer", "editor", "owner")}
        revoked, expired = room.share("owner"), room.share("owner", expires=0.01)
        room.revoke(revoked)
    with ps.connect("another", url=allowing.url, token=allowing.token) as room:
        other = room.share("owner").token
    wait_until(lambda: time.time() > expired.expires.timestamp())
    return {
        **good, "none": None, "empty": "", "wrong": "wrong", "revoked": revoked.token, "expired": expired.token,
        "another room's": other, "the server's": allowing.token,
    }  # fmt: skip


def page(server, token, path=ROOM, **how):
    """A page's socket: an Origin, the token in its address, no Authorization."""
    query = {} if token is None else {"token": token}
    return Tab(server, path, "a-page", query=query, Authorization="", **{"Origin": PAGE, **how})


@pytest.mark.parametrize("credential", WRONG)
def test_fault_d_who_has_no_business_there_is_refused(allowing, links, credential):
    """R13, S2."""
    with page(allowing, links[credential]) as stranger:
        assert stranger.status == 403
        assert sentence(json.loads(stranger.body)["message"])


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://wall.example.org.evil.example", f"{PAGE}/"]
)
def test_fault_d_so_is_a_page_that_was_not_allowed_whatever_it_shows(allowing, links, origin):
    """R13, S3."""
    for token in ("owner", "the server's"):
        with page(allowing, links[token], Origin=origin) as stranger:
            assert (stranger.status, json.loads(stranger.body)["error"]) == (403, "browser")


def test_fault_d_and_a_plain_request_makes_no_room(allowing):
    """The ancestor made a database for each."""
    files = allowing.files()
    for upgrade in (True, False):
        with Stranger(
            allowing, "/parties/todos/invented", token="wrong", subprotocol=None, upgrade=upgrade
        ) as stranger:
            assert stranger.status == 403
    with Stranger(allowing, "/parties/todos/invented", subprotocol=None, upgrade=False) as operator:
        assert operator.status == 426
    assert allowing.files() == files


@pytest.mark.parametrize("credential", ["viewer", "editor", "owner", "the server's"])
def test_a_page_with_a_good_token_comes_in(allowing, links, credential):
    """S2, S3."""
    with page(allowing, links[credential]) as guest:
        assert guest.status == 101
        assert guest.rows().keys() == {"t1"}
    with Tab(allowing, ROOM, token=links[credential]) as program:  # that can set headers
        assert program.rows().keys() == {"t1"}


def test_a_link_opens_its_room_and_no_other(allowing, links):
    """S2."""
    for path in ("/parties/main/another", "/parties/main/never-was", "/parties/Main/Crawled"):
        with page(allowing, links["owner"], path) as guest:
            assert (guest.status, json.loads(guest.body)["error"]) == (403, "role")


def test_a_token_in_the_address_counts_for_pages_only(allowing, links):
    """S2. Neither for a kernel's socket, nor for what the operator asks."""
    for path, how in [
        (f"{ROOM}?token={links['owner']}", {"subprotocol": "partysync.v1+json"}),
        (f"{ROOM}?token={allowing.token}", {"subprotocol": "soap"}),
        (f"/health?token={allowing.token}", {"upgrade": False, "subprotocol": None}),
        (f"/rooms?token={allowing.token}", {"upgrade": False, "subprotocol": None}),
    ]:
        with Stranger(allowing, path, Authorization="", **how) as stranger:
            assert (stranger.status, json.loads(stranger.body)["error"]) == (403, "token")


def test_no_log_shows_a_token_from_an_address(allowing, links):
    for token in links.values():
        with page(allowing, token):
            pass
        with page(allowing, token, f"{ROOM}/nothing"):
            pass

    assert not [name for name, token in links.items() if token and token != "wrong" and token in allowing.log]


def test_a_viewer_reads_and_changes_nothing(allowing, links):
    """A2, R13."""
    with page(allowing, links["viewer"]) as viewer, Tab(allowing, ROOM, "editor") as editor:
        assert viewer.rows().keys() == {"t1"}
        (said,) = viewer.result("delete", {"id": "t1"})
        assert "viewers change nothing" in said
        editor.result("insert", {"id": "t2", "values": {"text": "by an editor"}})
        assert viewer.hear()["payload"][0][:2] == ["t2", "by an editor"]
        editor.result("delete", {"id": "t2"})


def test_fault_l_what_two_people_call_the_same_is_not_the_same(allowing, links):
    """R5, R13. Neither's action passes for one that the other has sent, though connection and id have one name."""
    with page(allowing, links["editor"]) as one, page(allowing, links["owner"]) as other:
        assert one.result("insert", {"id": "by-one", "values": {}}, id="the-same")[0][0] == "by-one"
        assert other.result("insert", {"id": "by-other", "values": {}}, id="the-same")[0][0] == "by-other"
        for id in ("by-one", "by-other"):
            one.result("delete", {"id": id})


def test_whose_access_ends_is_told_so_and_hung_up_on(allowing, links):
    """A5. In the only frame of the ancestor's that no id belongs to."""
    with ps.connect("crawled", url=allowing.url, token=allowing.token) as room:
        share = room.share("editor")
        with page(allowing, share.token) as guest:
            assert guest.rows()
            room.revoke(share)
            *_, last = guest.hear_all()

    assert last["type"] == "exception"
    assert sentence(last["exception"][0])


@pytest.mark.parametrize("name", ["todo-list", "TodoList", "todoList", "Todo_List"])
def test_a_party_is_found_by_the_name_of_its_class_too(allowing, name):
    """As the ancestor's clients may say it; it is one room."""
    with Tab(allowing, f"/parties/{name}/named") as tab, Tab(allowing, "/parties/todo-list/named") as other:
        tab.act("insert", {"id": f"by-{name}", "values": {"text": "x"}})
        assert other.hear()["payload"][0][0] == f"by-{name}"


def test_a_party_that_is_not_there_is_said_to_be_unknown(allowing):
    """S4."""
    with Tab(allowing, "/parties/nope/room") as stranger:
        assert (stranger.status, json.loads(stranger.body)["error"]) == (404, "unknown-party")
