"""Pages, as a server gives them to anybody who asks, and to whose sockets it opens its rooms then (R13)."""

import gzip
import json
import re

import pytest

import partysync_widget as ps
from partysync_server.door import Door, Pages
from partysync_server.page_handlers import asset
from partysync_server.refusal import Refused
from tests.conftest import Server
from tests.server.stranger import JSON, Stranger, hello, sentence
from tests.server.test_page_tokens import offer
from tests.web.conftest import built

__all__ = ["built"]

FRAMER = "https://wall.example.org"
ADDRESSES = ["/pages/main/{room}", "/pages/main/{room}/todos"]
METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


@pytest.fixture(scope="module")
def shows(built, tmp_path_factory):
    """A server that shows pages."""
    server = Server(tmp_path_factory.mktemp("shows"), "--pages", "--page-frames", FRAMER, "--host", "rooms.example.org")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def links(shows):
    with ps.connect("shown", url=shows.url, token=shows.token) as room:
        room.table("todos", text=str).insert(id="t1", text="a secret of the room").result(8)
        return {role: room.share(role) for role in ("viewer", "editor", "owner")}


def get(server, path, method="GET", **headers):
    with Stranger(server, path, token="", method=method, upgrade=False, Authorization="", **headers) as browser:
        return browser


def assets(page):
    return re.findall(r'(?:src|href)="(?:\.\./)+(assets/[^"]+)"', page.body.decode())


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_is_the_same_whatever_room_it_is_of(shows, links, address):
    """R13. Also where there is no such room, which is not made by asking, nor named in what comes."""
    there, not_there = (get(shows, address.format(room=room)) for room in ("shown", "never-made"))

    assert (there.status, not_there.status) == (200, 200)
    assert there.body == not_there.body
    assert b"secret" not in there.body
    assert not [path for path in shows.files() if "never-made" in path.name]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_protects_itself(shows, address):
    """No script of others, no frame but the one that was named, no referrer, nothing kept."""
    page = get(shows, address.format(room="shown"))
    policy = dict(line.strip().split(" ", 1) for line in page.headers["content-security-policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert {policy[each] for each in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert policy["frame-ancestors"] == FRAMER
    assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"style=" not in page.body
    assert not re.search(rb"<script[^>]*>[^<]", page.body)


def test_without_a_word_no_frame_shows_a_page(start_server, built):
    server = start_server("--pages")

    assert "frame-ancestors 'none'" in get(server, "/pages/main/x").headers["content-security-policy"]


def test_what_a_page_loads_is_there_and_may_be_kept_for_ever(shows):
    """For its address changes with it."""
    found = assets(get(shows, "/pages/main/shown/todos"))

    assert {each.rpartition("/")[2] for each in found} == {"page.js", "page.css"}
    for each in found:
        answer = get(shows, f"/{each}")
        assert answer.status == 200
        assert answer.body == asset(each.rpartition("/")[2]).content
        small = get(shows, f"/{each}", Accept_Encoding="gzip, br")
        assert (gzip.decompress(small.body), small.headers["content-encoding"]) == (answer.body, "gzip")
        assert len(small.body) < len(answer.body) / 2
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith(("text/javascript", "text/css"))


@pytest.mark.parametrize(
    "path",
    [
        "/assets/0123456789abcdef/page.js",
        "/assets/0123456789abcdef/grid.js",
        "/assets/0/..",
        "/assets/0/py.typed",
        "/assets/page.js",
    ],
)
def test_nothing_else_is_given_away(shows, path):
    assert get(shows, path).status in (403, 404)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("address", [*ADDRESSES, "/assets/0123456789abcdef/page.js"])
def test_a_page_can_be_got_and_nothing_else(shows, address, method):
    answer = get(shows, address.format(room="shown"), method=method)

    assert answer.status == 405
    assert sentence(json.loads(answer.body)["message"])


@pytest.mark.parametrize("address", [*ADDRESSES, "/assets/0123456789abcdef/page.js"])
def test_a_name_that_is_not_ours_is_shown_no_page(shows, address):
    """S3."""
    answer = get(shows, address.format(room="shown"), Host="evil.example")

    assert (answer.status, json.loads(answer.body)["error"]) == (403, "host")


def test_a_server_that_shows_none_says_what_to_type(server):
    """Off by default, also for a browser that has been sent a link."""
    answer = get(server, "/pages/main/x/todos", Sec_Fetch_Mode="navigate", Sec_Fetch_Site="none")

    assert (answer.status, json.loads(answer.body)["error"]) == (403, "pages")
    assert "`partysync serve --pages`" in json.loads(answer.body)["message"]
    with ps.connect("off", url=server.url, token=server.token) as room, pytest.raises(ps.PartySyncError) as caught:
        room.share("viewer").page_url("todos")
    assert "`partysync serve --pages`" in str(caught.value)


def test_a_link_says_the_address_of_its_page(shows, links):
    token = links["viewer"].token

    assert links["viewer"].page_url("todos") == f"{shows.url}/pages/main/shown/todos#{token}"
    assert links["viewer"].page_url() == f"{shows.url}/pages/main/shown#{token}"
    assert links["viewer"].page_url("a/b ü") == f"{shows.url}/pages/main/shown/a%2Fb%20%C3%BC#{token}"
    assert token not in repr(links["viewer"])
    with ps.connect("shown", url=shows.url, token=shows.token) as room:
        share = room.share("viewer", user="ben")
    with pytest.raises(ps.PartySyncError, match="this is access for ben"):
        share.page_url("todos")


# --- whose sockets are opened -----------------------------------------------------------------------------------------


def knock(server, token, origin, **headers):
    offered = f"{JSON}, {offer(token)}"
    if origin:
        headers["Origin"] = origin
    return Stranger(server, "/parties/main/shown", token="", subprotocol=offered, Authorization="", **headers)


@pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
def test_a_page_of_ours_comes_in_by_its_link(shows, links, role):
    with knock(shows, links[role].token, shows.url) as page:
        page.frame(hello(f"page-{role}"))

        assert (page.status, page.hear()["role"]) == (101, role)


def test_a_page_of_ours_comes_in_by_no_other_token(shows, links):
    """R13. The server's own has no business in a browser, though it opens everything elsewhere."""
    with knock(shows, shows.token, shows.url) as page:
        assert (page.status, json.loads(page.body)["error"]) == (403, "token")
    with knock(shows, shows.token, None) as kernel:
        assert kernel.status == 101


@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1", "http://evil.example", "null", FRAMER, "http://localhost:{port}", "http://127.0.0.1:{port}/"],
)
def test_no_other_page_comes_in(shows, links, origin):
    """S3. Who may frame a page may not talk to the rooms."""
    with knock(shows, links["viewer"].token, origin.format(port=shows.port)) as page:
        assert (page.status, json.loads(page.body)["error"]) == (403, "browser")


def test_a_page_may_ask_why_it_was_refused_and_another_sites_may_not(shows, links):
    """S4."""
    for site, kind in (("same-origin", "token"), ("cross-site", "browser"), ("same-site", "browser")):
        with Stranger(shows, "/parties/main/shown", token="wrong", upgrade=False, Sec_Fetch_Site=site) as page:
            assert (page.status, json.loads(page.body)["error"]) == (403, kind)


def test_a_server_without_pages_lets_in_no_page_of_its_own_address(server):
    with ps.connect("shown", url=server.url, token=server.token) as room:
        token = room.share("viewer").token
    with knock(server, token, server.url) as page:
        assert (page.status, json.loads(page.body)["error"]) == (403, "browser")


def test_behind_a_proxy_the_public_address_is_ours():
    headers = {"Host": "10.0.0.7:8765", "Origin": "https://rooms.example.org"}
    door = Door(["10.0.0.7"], pages=Pages(public="https://rooms.example.org"))

    assert door.check(headers) is True
    assert Door(["10.0.0.7"], [headers["Origin"]]).check(headers) is False  # allowed, and none of ours
    assert Door(["rooms.example.org"], pages=Pages()).check({**headers, "Host": "rooms.example.org"}) is True


def test_where_any_host_is_taken_a_host_makes_no_page_ours():
    """On a Hub: its proxy has looked at the host, and the page has to come from the address that people use."""
    door = Door(any_host=True, pages=Pages(public="https://hub.example.org"))

    assert door.check({"Host": "hub.example.org", "Origin": "https://hub.example.org"}) is True
    with pytest.raises(Refused):
        door.check({"Host": "evil.example", "Origin": "http://evil.example"})
