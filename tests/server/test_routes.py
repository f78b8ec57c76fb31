"""A crawler: every route, by HTTP and as a WebSocket, with every credential that is none for it (R13)."""

import json
import time
from types import SimpleNamespace

import pytest

from partysync_server.app import make_app
from partysync_server.door import Door
from partysync_server.gate import House
from partysync_server.quotas import Usage
from partysync_widget.core import messages as m
from tests.server.stranger import Stranger, hello, sentence

# Every address, as it is asked for. A new route gets a line here.
ADDRESSES = {
    r"/parties/([^/]+)/([^/]+)": "/parties/main/{room}",
    r"/health": "/health",
    r"/metrics": "/metrics",
    r"/rooms": "/rooms",
    r"/rooms/([^/]+)/([^/]+)/(backup|restore|delete)": "/rooms/main/{room}/delete",
    r"/pages/([^/]+)/([^/]+)": "/pages/main/{room}",
    r"/pages/([^/]+)/([^/]+)/([^/]+)": "/pages/main/{room}/todos",
    r"/examples/(todo)": "/examples/todo",
    r"/examples/(todo)/([^/]+)": "/examples/todo/{room}",
    r"/assets/([0-9a-f]+)/([a-z.-]+)": "/assets/0123456789abcdef/page.js",
    "anything else": "/nothing",
}
CREDENTIALS = ("none", "empty", "wrong", "revoked", "expired", "another room's")


@pytest.fixture(scope="module")
def links(server, wait_until):
    """Tokens of a room that somebody owns: good ones by role, and those that are good no more."""
    import partysync_widget as ps

    with ps.connect("crawled", url=server.url, token=server.token) as room:
        room.table("todos", text=str).insert(id="t1", text="x").result(8)
        good = {role: room.share(role).token for role in ("viewer", "editor", "owner")}
        revoked, expired = room.share("owner"), room.share("owner", expires=0.01)
        room.revoke(revoked)
    with ps.connect("another", url=server.url, token=server.token) as room:
        other = room.share("owner").token
    wait_until(lambda: time.time() > expired.expires.timestamp())
    return {
        **good, "none": "", "empty": "Bearer ", "wrong": "wrong", "revoked": revoked.token, "expired": expired.token,
        "another room's": other,
    }  # fmt: skip


def ask(server, address, token, **how):
    path = address.format(room="crawled")
    header = {"Authorization": token} if token in ("", "Bearer ") else {"Authorization": f"Bearer {token}"}
    return Stranger(server, path, **header, **how)


def test_every_route_has_a_row():
    rules = make_app(House(SimpleNamespace(limits=m.Limits(1, 1)), "token", Door(), Usage())).wildcard_router.rules

    assert {rule.matcher.regex.pattern.rstrip("$") for rule in rules} == set(ADDRESSES) - {"anything else"}


@pytest.mark.parametrize("upgrade", [True, False], ids=["socket", "http"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("address", ADDRESSES.values())
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_who_has_no_business_there_is_refused(server, links, credential, address, method, upgrade):
    with ask(server, address, links[credential], method=method, upgrade=upgrade) as stranger:
        assert stranger.status == 403
        if method != "HEAD":
            assert sentence(json.loads(stranger.body)["message"])


@pytest.mark.parametrize("upgrade", [True, False], ids=["socket", "http"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("address", list(ADDRESSES.values())[1:])
@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_a_link_is_good_for_no_other_route(server, links, role, address, method, upgrade):
    """R13. An owner's neither: the room is theirs, and the server is not."""
    with ask(server, address, links[role], method=method, upgrade=upgrade) as guest:
        assert guest.status == 403
        if method != "HEAD":
            assert sentence(json.loads(guest.body)["message"])


@pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
def test_a_link_opens_its_room_and_nothing_else(server, links, role):
    """S2."""
    with ask(server, "/parties/main/{room}", links[role]) as guest:
        guest.frame(hello(f"guest-{role}"))
        assert (guest.status, guest.hear()["role"]) == (101, role)
    with ask(server, "/health", links[role], upgrade=False) as guest:
        assert (guest.status, json.loads(guest.body)["error"]) == (403, "role")
    with ask(server, "/parties/main/{room}", links["another room's"]) as guest:
        assert (guest.status, json.loads(guest.body)["error"]) == (403, "role")
    for path in ("/parties/main/another", "/parties/main/never-was", "/parties/main/Crawled"):
        with ask(server, path, links[role]) as guest:
            assert (guest.status, json.loads(guest.body)["error"]) == (403, "role")
            assert "is not for the room" in json.loads(guest.body)["message"]
    assert not [path for path in server.files() if "never-was" in path.name]


def test_nobody_speaks_for_somebody_elses_client(server, links):
    """R13, H3. A guest greets with the id of the owner's client."""
    with (
        ask(server, "/parties/main/{room}", server.token) as owner,
        ask(server, "/parties/main/{room}", links["owner"]) as guest,
    ):
        owner.frame(hello("the-owners-own"))
        assert owner.hear()["type"] == "welcome"
        guest.frame(hello("the-owners-own"))
        said = guest.hear()

        assert (said["kind"], said["retry"]) == ("forbidden", "never")
