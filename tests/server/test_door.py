"""Hosts and pages: rows that must be refused before anybody is asked who they are, and rows that must not (R13)."""

import json

import pytest
from tornado.httputil import HTTPHeaders

from partysync_server.door import Door
from partysync_server.refusal import Refused
from partysync_widget.core.errors import PartySyncError
from tests.conftest import Server
from tests.server.stranger import Stranger, hello, sentence

PAGE = "https://jupyter.example.org"
NAMES = ["--host", "rooms.example.org", "--origin", PAGE]

WRONG_ORIGINS = {
    "another site": "https://evil.example",
    "null": "null",
    "empty": " ",
    "a name that begins well": "https://jupyter.example.org.evil.example",
    "a name that ends well": "https://evil-jupyter.example.org",
    "a subdomain": "https://x.jupyter.example.org",
    "another scheme": "http://jupyter.example.org",
    "another port": "https://jupyter.example.org:8443",
    "a path": "https://jupyter.example.org/",
    "a user": "https://jupyter.example.org@evil.example",
    "capitals": "https://JUPYTER.example.org",
    "two": "https://jupyter.example.org, https://evil.example",
    "a pattern": "https://*.example.org",
    "our own address": "http://127.0.0.1",
    "a file": "file://",
}
WRONG_HOSTS = {
    "rebinding": "evil.example",
    "rebinding with our port": "evil.example:{port}",
    "a name that begins well": "rooms.example.org.evil.example",
    "a name that ends well": "evil-rooms.example.org",
    "loopback as a prefix": "127.0.0.1.evil.example",
    "localhost as a prefix": "localhost.evil.example",
    "another address of loopback": "127.0.0.2",
    "loopback as a number": "2130706433",
    "any address": "0.0.0.0",  # noqa: S104  # nothing is bound to it
    "nothing but a port": ":80",
    "no port": "rooms.example.org:",
    "a port that is none": "rooms.example.org:http",
    "brackets that do not close": "[::1",
    "a trailing dot": "evil.example.",
}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("known"), *NAMES)
    yield server
    server.stop()


def refused(server, **headers):
    with Stranger(server, "/parties/main/never-made", **headers) as stranger:
        said = json.loads(stranger.body)
    assert not [path for path in server.files() if "never-made" in path.name]
    assert sentence(said["message"])
    return stranger.status, said["error"]


@pytest.mark.parametrize("origin", WRONG_ORIGINS.values(), ids=WRONG_ORIGINS)
def test_a_page_that_was_not_allowed_is_refused(known, origin):
    """R13, S3. Though it shows the right token, by a socket or without."""
    for upgrade in (True, False):
        assert refused(known, Origin=origin, upgrade=upgrade) == (403, "browser")


@pytest.mark.parametrize("host", WRONG_HOSTS.values(), ids=WRONG_HOSTS)
def test_a_name_that_is_not_ours_is_refused(known, host):
    """R13, S3. A page that gives itself our address by its own DNS still names itself."""
    assert refused(known, Host=host.format(port=known.port)) == (403, "host")


@pytest.mark.parametrize(
    "host", ["rooms.example.org@evil.example", "rooms.example.org/evil", "rooms.example.org, evil"]
)
def test_what_is_no_host_at_all_is_no_request(known, host):
    with Stranger(known, "/parties/main/never-made", Host=host) as stranger:
        assert stranger.status == 400


@pytest.mark.parametrize("origin", ["https://jupyter.example.org", "null", "http://127.0.0.1", "http://localhost"])
def test_without_a_word_no_page_is_allowed(server, origin):
    assert refused(server, Origin=origin) == (403, "browser")


@pytest.mark.parametrize("header", ["Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-WebSocket-Origin"])
def test_what_only_browsers_send_is_as_good_as_an_origin(known, header):
    """S3."""
    assert refused(known, **{header: "websocket"}) == (403, "browser")


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "Forwarded", "X-Real-Host"])
def test_what_a_proxy_may_add_changes_nothing(known, header):
    assert refused(known, Host="evil.example", **{header: "rooms.example.org"}) == (403, "host")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]:5", "rooms.example.org", "Rooms.Example.ORG:1"]
)
def test_who_names_us_comes_in_and_so_does_the_page_that_was_allowed(known, host):
    """S3."""
    with Stranger(known, "/parties/main/x", Host=host, Origin=PAGE, Sec_Fetch_Mode="websocket") as page:
        page.frame(hello("a-page"))
        assert (page.status, page.hear()["type"]) == (101, "welcome")


def test_a_request_without_a_host_is_judged_by_the_rest():
    Door().check(HTTPHeaders())
    Door(hosts=["::0001"]).check(HTTPHeaders({"Host": "[0:0::1]:80"}))
    Door().check(HTTPHeaders({"Host": "192.0.2.7:80"}), "192.0.2.7")
    with pytest.raises(Refused):
        Door().check(HTTPHeaders({"Host": "192.0.2.8:80"}), "192.0.2.7")


@pytest.mark.parametrize(
    "origin",
    ["", "*", "null", "https://*.example.org", "https://a.example/", "https://a.example/b", "ftp://a.example",
     "a.example", "https://", "https://a b", "https://u@a.example", "https://a.example?x", "https://a:port"],
)  # fmt: skip
def test_an_origin_that_no_page_has_is_refused_at_the_start(origin):
    with pytest.raises(PartySyncError, match="is not the origin of a page"):
        Door(origins=[origin])


@pytest.mark.parametrize("host", ["", "*", "a.example:80", "https://a.example", "a/b", "u@a", "a b"])
def test_a_host_that_is_none_is_refused_at_the_start(host):
    with pytest.raises(PartySyncError, match="is not the name of a host"):
        Door(hosts=[host])


def test_an_origin_is_compared_as_browsers_write_it():
    Door(origins=["HTTPS://A.Example:443"]).check(HTTPHeaders({"Origin": "https://a.example"}))
    Door(origins=["http://[::1]:8888"]).check(HTTPHeaders({"Origin": "http://[::1]:8888"}))
