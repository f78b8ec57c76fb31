"""The example pages: shown to anybody where a server shows pages, and the same for all; nowhere else."""

import json
import re

import pytest

from tests.conftest import Server
from tests.server.stranger import Stranger, sentence

PAGES = ["/examples/todo", "/examples/todo/groceries", "/examples/todo/never%20was"]
OPENED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}  # typed by a person


def ask(server, path, **headers):
    return Stranger(server, path, token="", Authorization="", upgrade=False, subprotocol=None, **headers)


@pytest.fixture(scope="module")
def showing(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("showing"), "--pages")
    yield server
    server.stop()


@pytest.mark.parametrize("path", PAGES)
def test_a_server_shows_none_unless_it_was_told_to(server, path):
    """S3, R13."""
    with ask(server, path, **OPENED) as browser:
        assert browser.status == 403
        assert sentence(json.loads(browser.body)["message"])


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_only_what_the_server_has_and_is_in_nobody_elses_frame(showing, path):
    with ask(showing, path, **OPENED) as browser:
        policy = dict(part.strip().split(" ", 1) for part in browser.headers["content-security-policy"].split(";"))

        assert browser.status == 200
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert browser.headers["x-content-type-options"] == "nosniff"
        assert browser.headers["referrer-policy"] == "no-referrer"
        assert browser.headers["cache-control"] == "no-store"
        assert re.findall(r"<script[^>]*>([^<]*)</script>", browser.body.decode()) == [""]


def test_a_page_says_nothing_of_any_room(showing):
    """R13: whether it is there, or what it is called. And none is made."""
    found = []
    for path in PAGES[1:]:
        with ask(showing, path, **OPENED) as browser:
            found.append(browser.body)

    assert found[0] == found[1]
    assert showing.files() == []


def test_what_a_page_loads_is_there(showing):
    for page in PAGES:
        with ask(showing, page, **OPENED) as browser:
            loaded = re.findall(r'(?:src|href)="([^"]*assets[^"]*)"', browser.body.decode())
        assert len(loaded) == 2
        for path in loaded:
            up, _, rest = path.rpartition("../")
            assert (up + "../").count("../") == page.count("/") - 1
            with ask(showing, f"/{rest}", **{**OPENED, "Sec-Fetch-Site": "same-origin"}) as asset:
                assert asset.status == 200
                assert asset.headers["content-type"].startswith(("text/javascript", "text/css"))
