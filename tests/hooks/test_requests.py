"""
Requests: plain HTTP at a room's address is the party's to answer, for whoever may be in the room.

Who may not is refused before the party hears of it (R13); that each route refuses strangers is in ``test_routes``.
"""

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import partysync_widget as ps
from tests.hooks.conftest import PAGE
from tests.server.stranger import sentence

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READING = ("GET", "HEAD", "OPTIONS")


class Answer:
    """What a request was answered."""

    def __init__(self, server, path, method="GET", *, token=None, body=None, headers=None):
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=8)
        shown = {"Authorization": f"Bearer {server.token if token is None else token}"} if token != "" else {}
        line.request(method, path, body, {**shown, **(headers or {})})
        answer = line.getresponse()
        self.status, self.body = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        line.close()

    @property
    def json(self):
        return json.loads(self.body)


@pytest.fixture
def room(tab):
    """The address of the test's own room, which is there."""
    tab("api", "first")
    return f"/parties/api/{tab.room}"


@pytest.fixture
def shares(server, room):
    name = room.rpartition("/")[2]
    with ps.connect(name, url=server.url, token=server.token, party="api") as entered:
        return {role: entered.share(role).token for role in ("viewer", "editor", "owner")}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_the_partys_to_answer(server, room, method):
    answer = Answer(server, f"{room}?a=1&token=x&_pk=y", method, body="hello" if method == "POST" else None)
    assert answer.status == 200
    if method != "HEAD":
        said = answer.json
        assert (said["method"], said["role"], said["query"]) == (method, "owner", {"a": "1"})
        assert said["body"] == ("hello" if method == "POST" else "")
        assert not {"authorization", "cookie"} & said["headers"].keys()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
def test_a_viewer_may_use_what_only_reads(server, room, shares, role, method):
    """R13."""
    answer = Answer(server, room, method, token=shares[role])
    allowed = role != "viewer" or method in READING
    assert answer.status == (200 if allowed else 403)
    if method != "HEAD":
        assert answer.json["role"] == role if allowed else sentence(answer.json["message"])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("token", ["", "wrong", "another room's"])
def test_a_stranger_is_refused_before_the_party_hears_of_it(server, tab, room, shares, token, method):
    """R13. A link is for its room."""
    path, shown = (room, token) if token != "another room's" else (f"/parties/lobby/{tab.room}", shares["owner"])
    answer = Answer(server, path, method, token=shown)
    assert answer.status == 403


def test_a_token_in_the_address_counts_for_no_request(server, room, shares):
    assert Answer(server, f"{room}?token={shares['owner']}", token="").status == 403
    assert Answer(server, f"{room}?token={server.token}", token="").status == 403


def test_what_a_request_writes_is_one_decision_and_everybody_hears_of_it(server, tab, room):
    """R1, R2, R9."""
    page = tab("api", "p")
    body = json.dumps({"id": "r1", "text": "by a request"})
    answer = Answer(server, f"{room}?do=add", "POST", body=body)
    assert (answer.status, answer.json) == (201, {"rows": 1})
    assert page.hear()["payload"][0][:2] == ["r1", "by a request"]
    assert page.hear() == "added r1"
    twice = Answer(server, f"{room}?do=twice", "POST")
    assert twice.status == 500
    assert page.rows("log").keys() == {"r1"}  # and nothing of it was kept


def test_answers_are_text_json_bytes_or_nothing_with_a_status_of_their_own(server, room):
    nothing = Answer(server, f"{room}?do=nothing")
    assert (nothing.status, nothing.body) == (204, b"")
    image = Answer(server, f"{room}?do=bytes")
    assert (image.body, image.headers["content-type"]) == (b"\0\1", "image/png")
    assert image.headers["cache-control"] == "max-age=5"
    missing = Answer(server, f"{room}?do=missing")
    assert (missing.status, missing.body) == (404, b"There is no such thing.")
    refused = Answer(server, f"{room}?do=refuse")
    assert (refused.status, refused.json["error"]) == (400, "too-late")


def test_an_answer_is_no_page_with_rights_of_the_server_s_own(server, room):
    headers = Answer(server, room).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("answer", ["value", "status", "split"])
def test_what_cannot_be_an_answer_is_a_mistake_of_the_party(server, tab, answer):
    tab("broken", "p")
    said = Answer(server, f"/parties/broken/{tab.room}?answer={answer}")
    assert said.status == 500
    assert sentence(said.json["message"])


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "KeyboardInterrupt", "StopIteration", "CancelledError"])
def test_a_party_that_fails_keeps_its_secrets_and_its_room(server, tab, kind):
    page = tab("broken", "p")
    said = Answer(server, f"/parties/broken/{tab.room}?fail=request&with={kind}")
    assert said.status in (400, 500)
    assert "secret" not in said.body.decode()
    page.say("x")
    assert page.hear() == "fine x"


def test_a_request_makes_no_room(server):
    files = server.files()
    for method in METHODS:
        answer = Answer(server, "/parties/api/never-was", method)
        assert answer.status == 404
    assert server.files() == files


def test_a_party_without_on_request_answers_as_ever(server):
    assert Answer(server, "/parties/lobby/x").status == 426
    assert Answer(server, "/parties/main/x", "POST").status == 405
    assert Answer(server, "/parties/nope/x", "POST").status == 404


def test_a_slow_answer_keeps_nobody_and_has_its_time(server, tab):
    page = tab("slow-api", "p")
    path = f"/parties/slow-api/{tab.room}"
    slow = []
    waiting = threading.Thread(target=lambda: slow.append(Answer(server, f"{path}?seconds=0.5")))
    waiting.start()
    assert page.result("insert", {"id": "x", "values": {"text": "meanwhile"}}, channel="log")[0][0] == "x"
    assert Answer(server, path).body == b"there it is"
    assert not slow
    waiting.join()
    assert slow[0].body == b"there it is"
    late = Answer(server, f"{path}?seconds=30")
    assert late.status == 400
    assert late.json["error"] == "too-slow"


def test_of_too_many_requests_at_once_some_are_told_to_wait(server, tab):
    """R12."""
    tab("slow-api", "p")
    path = f"/parties/slow-api/{tab.room}?seconds=0.3"
    with ThreadPoolExecutor(150) as people:
        answers = list(people.map(lambda path: Answer(server, path), [path] * 150))
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) >= 64
    assert statuses.count(503) > 0
    assert {200, 503} == set(statuses)


def test_a_body_has_a_measure(server, room):
    try:
        status = Answer(server, room, "POST", body=b"x" * 100_000).status
    except OSError:
        status = 400  # it hung up while it was sent
    assert status in (400, 413)
    assert Answer(server, room, "POST", body=b"x" * 60_000).status == 200


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_page_that_was_allowed_may_ask_and_read_the_answer(server, room, shares):
    """S3. As browsers ask: first whether, then with the token in a header."""
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    before = Answer(server, room, "OPTIONS", token="", headers=asked)
    assert (before.status, before.body) == (204, b"")
    assert before.headers["access-control-allow-origin"] == PAGE
    assert "Authorization" in before.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in before.headers
    answer = Answer(server, room, token=shares["viewer"], headers={"Origin": PAGE})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    refused = Answer(server, room, token="wrong", headers={"Origin": PAGE})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (403, PAGE)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example"])
def test_any_other_page_may_not(server, room, shares, origin):
    """S3, whatever it shows."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for answer in (
        Answer(server, room, "OPTIONS", token="", headers=asked),
        Answer(server, room, token=shares["owner"], headers={"Origin": origin}),
    ):
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
