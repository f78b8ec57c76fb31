"""The same hooks where rooms live in a Jupyter Server: whoever Jupyter lets in, and whoever has a link."""

import os

import pytest

import partysync_widget as ps
from tests.conftest import free_port, home, stop_own_server
from tests.hooks.conftest import Guest
from tests.hooks.test_requests import Answer
from tests.jupyters import JUPYTER_TOKEN, Jupyter
from tests.server.stranger import sentence

pytest.importorskip("jupyter_server")

ROOMS = "/base/partysync/parties"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    parties = [f"tests.hooks.parties:{name}" for name in ("Lobby", "Api")]
    environment = {**os.environ, **home(folder)}
    server = Jupyter(folder, environment, free_port(), PartySyncExtension={"party": parties}).wait()
    yield server
    server.stop()
    stop_own_server(folder)


@pytest.fixture(scope="module")
def shares(jupyter):
    said = jupyter.said()
    with ps.connect("x", url=said["url"], token=said["token"], party="api") as room:
        return {role: room.share(role).token for role in ("viewer", "editor")}


def test_pages_are_heard_and_told(jupyter):
    as_jupyter = {"Authorization": f"token {JUPYTER_TOKEN}"}
    with Guest(jupyter, f"{ROOMS}/lobby/x", "a", query={"name": "Ann"}, **as_jupyter) as ann:
        assert ann.status == 101, ann.body
        assert ann.hear()["you"] == "a"
        with Guest(jupyter, f"{ROOMS}/lobby/x", "b", query={"name": "Bob"}, **as_jupyter) as bob:
            assert bob.hear()["you"] == "b"
            bob.say(b"\1\2\3")
            assert bob.hear() == b"\3\2\1"
            assert ann.hear() == "Bob came"
            for n in range(200):
                bob.say(f"{n} ".ljust(10_000, "x"))
            heard = [ann.hear() for _ in range(200)]
        said = [each for each in heard if isinstance(each, str)]
        assert [each.split()[1] for each in said] == [str(n) for n in range(len(said))]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_requests_are_answered_for_whom_jupyter_or_a_link_lets_in(jupyter, shares, method):
    """R13."""
    path = f"{ROOMS}/api/x"
    mine = Answer(jupyter, path, method, token="", headers={"Authorization": f"token {JUPYTER_TOKEN}"})
    assert (mine.status, mine.json["role"]) == (200, "owner"), mine.body
    editor = Answer(jupyter, path, method, token=shares["editor"])
    assert (editor.status, editor.json["role"]) == (200, "editor"), editor.body
    viewer = Answer(jupyter, path, method, token=shares["viewer"])
    assert viewer.status == (200 if method == "GET" else 403)
    for stranger in (Answer(jupyter, path, method, token=""), Answer(jupyter, path, method, token="wrong")):
        assert stranger.status == 403
    elsewhere = Answer(jupyter, f"{ROOMS}/api/other", method, token=shares["editor"])
    assert elsewhere.status == 403
    assert sentence(elsewhere.json["message"])


def test_an_answer_is_no_page_of_jupyters(jupyter, shares):
    """Its origin has cookies: what a room says there must be no script."""
    answer = Answer(jupyter, f"{ROOMS}/api/x", token=shares["editor"])
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["content-type"].startswith("application/json")
