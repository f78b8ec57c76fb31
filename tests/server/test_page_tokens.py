"""Tokens of pages: among the sub-protocols of a socket, for a browser lets its pages set no header (S2)."""

import base64
import json

import pytest

from tests.conftest import Server
from tests.server.stranger import JSON, Stranger, hello, sentence

PAGE = "http://dash.example"


def offer(token, padding=""):
    return "partysync.token." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=") + padding


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("known"), "--origin", PAGE)
    yield server
    server.stop()


@pytest.mark.parametrize("order", ["{json}, {token}", "{token},{json}", "other, {token} , {json}"])
def test_a_page_shows_its_token_beside_the_protocol_that_it_talks(known, order):
    """S2, S5. What is taken is the protocol, and never says the token again."""
    offered = order.format(json=JSON, token=offer(known.token))
    with Stranger(known, "/parties/main/offered", token="", subprotocol=offered, Authorization="", Origin=PAGE) as page:
        page.frame(hello("a-page"))

        assert (page.status, page.headers["sec-websocket-protocol"]) == (101, JSON)
        assert page.hear()["type"] == "welcome"
    assert known.token not in known.log
    assert offer(known.token) not in known.log


@pytest.mark.parametrize(
    "said",
    ["partysync.token.", "partysync.token.!!!", "partysync.token._w", offer("wrong"), offer("wrong", "="), "other"],
)
def test_what_is_no_token_opens_nothing(known, said):
    with Stranger(
        known, "/parties/main/never-made", token="", subprotocol=f"{JSON}, {said}", Authorization="", Origin=PAGE
    ) as page:
        assert page.status == 403
    assert not [path for path in known.files() if "never-made" in path.name]


def test_a_token_may_hold_what_no_sub_protocol_may(known):
    odd = "bröt/chen=+ , 🥨"
    with Stranger(
        known, "/parties/main/x", token="", subprotocol=f"{JSON}, {offer(odd)}", Authorization="", Origin=PAGE
    ) as page:
        assert page.status == 403  # read, and not the server's
        assert sentence(json.loads(page.body)["message"])
