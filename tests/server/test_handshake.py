"""
The server's door: who may open which address with what, and what a stranger learns there.

R13. No name becomes a path, what is there and what is not are refused alike, and the token is in no log.
"""

import json

import pytest

from tests.server.stranger import DEFLATE, JSON, MSGPACK, Stranger, bystander, hello, sentence

__all__ = ["bystander"]

pytestmark = pytest.mark.usefixtures("bystander")

ROOM = "/parties/main/strangers"


def test_the_stranger_of_these_tests_can_be_a_good_one(server):
    """Or what follows proves nothing."""
    with Stranger(server, ROOM) as stranger:
        assert (stranger.status, stranger.headers["sec-websocket-protocol"]) == (101, JSON)
        stranger.frame(hello())
        welcome = stranger.hear()
        assert welcome["type"] == "welcome"
        push = {"type": "push", "epoch": welcome["epoch"], "mutations": []}
        stranger.frame(push).frame({"type": "barrier", "n": 1})
        while (message := stranger.hear())["type"] != "barrier":
            assert message["type"] in {"begin", "part", "end", "delta"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:8888"},
        {"Origin": "null"},
        {"Origin": "http://evil.example", "Host": "evil.example"},
        {"Sec_Fetch_Mode": "websocket"},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer é\xff"},
        {"Authorization": "Bearer x" * 500},
    ],
)
@pytest.mark.parametrize("path", [ROOM, "/health", "/parties/zoo/x", "/nowhere", "/"])
def test_browsers_and_people_without_the_token_learn_nothing(server, headers, path):
    """R13, S2, S3, S4. What is there and what is not there are refused alike; no room is made."""
    files = server.files()
    with Stranger(server, path, **headers) as stranger:
        said = json.loads(stranger.body)

    assert stranger.status == 403
    assert said["error"] in {"browser", "token"}
    assert sentence(said["message"])
    assert server.token not in stranger.body.decode()
    assert server.files() == files


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/parties", 404),
        ("/parties/main", 404),
        ("/parties/main/", 404),
        ("/parties/main/a/b", 404),
        ("/parties//x", 404),
        ("/parties/main/../../../../etc/passwd", 404),
        ("/parties/../rooms", 404),
        ("/parties/%2e%2e/x", 404),
        ("/parties/zoo/x", 404),
        ("/parties/Main/x", 404),
        ("/parties/main/" + "x" * 201, 404),
        ("/parties/main/%00", 404),
        ("/parties/main/a%0Ab", 404),
        ("/parties/main/%ff", 400),
        ("/static/../../etc/passwd", 404),
        ("//evil.example/parties/main/x", 404),
    ],
)
def test_addresses_that_are_no_room(server, path, status):
    """S1, S4."""
    files = sorted(server.data.rglob("*.db"))
    with Stranger(server, path) as stranger:
        assert stranger.status == status

    said = json.loads(stranger.body)
    assert sentence(said["message"])
    assert sorted(server.data.rglob("*.db")) == files


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "a%2Fb", "%252e%252e", "%5c..%5c", "a;b", "~", "-rf"]
)
def test_names_that_look_like_paths_are_rooms_like_any_other(server, name):
    """S1."""
    with Stranger(server, f"/parties/main/{name}") as stranger:
        stranger.frame(hello())
        assert stranger.hear()["type"] == "welcome"

    folder = server.data / "rooms" / "main"
    assert {path.parent for path in server.data.parent.rglob("*.db")} == {folder}


@pytest.mark.parametrize("how", [{"upgrade": False}, {"method": "POST"}, {"method": "PUT"}, {"Upgrade": "h2c"}])
def test_a_room_is_for_web_sockets(server, how):
    """S4. And a plain request makes no room."""
    files = server.files()
    with Stranger(server, "/parties/main/never-made", **how) as stranger:
        assert 400 <= stranger.status < 500

    assert server.files() == files


@pytest.mark.parametrize("subprotocol", ["soap", "partysync.v9+json", "partysync"])
def test_without_our_sub_protocol_one_is_told_which(server, subprotocol):
    """S5, E7."""
    with Stranger(server, ROOM, subprotocol=subprotocol) as stranger:
        heard = stranger.hear_all()

    assert heard == [
        {
            "type": "error",
            "kind": "protocol",
            "message": f"Offer one of the sub-protocols {JSON}, {MSGPACK}, {DEFLATE}.",
            "retry": "never",
        }
    ]


def test_who_offers_no_sub_protocol_at_all_speaks_the_dialect(server):
    """S5. Nothing is said until something is asked, and then in other words."""
    with Stranger(server, ROOM, subprotocol=None) as stranger:
        assert "sec-websocket-protocol" not in stranger.headers
        assert stranger.frame(hello()).hear() == {
            "type": "error",
            "rpc": True,
            "error": ["An action names its channel; that and its id have 256 characters at most."],
        }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 1000,
        b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /parties/main/x HTTP/1.1\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET " + b"/x" * 50_000,
        b"POST /health HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n",
        b"POST /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        bytes(range(256)) * 100,
        b"\x16\x03\x01\x02\x00\x01\x00",  # the beginning of TLS
    ],
)
def test_what_is_no_http(server, raw):
    with Stranger(server) as stranger:
        stranger.send(raw)
        stranger.until_hung_up()
