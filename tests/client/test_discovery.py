"""Discovery: which server a kernel talks to, and why; what it does with a file that is old, broken or a lie."""

import dataclasses
import http.server
import json
import threading

import pytest

import partysync_widget as ps
from partysync_widget import autostart
from partysync_widget.autostart import data_folder, runtime_file
from partysync_widget.core.claim import Claim
from partysync_widget.discovery import finder, local_server, survey
from partysync_widget.servers import Server, check_url

STARTED = Server("http://127.0.0.1:1", "started")


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """An empty runtime folder, and no server that could be started from it: it would be ``STARTED``."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setattr(autostart, "start", lambda deadline: STARTED)
    (tmp_path / "runtime").mkdir()
    return runtime_file()


def test_an_argument_wins_and_the_environment_comes_next(runtime, server, monkeypatch):
    assert finder(None, None) is local_server
    monkeypatch.setenv("PARTYSYNC_URL", "http://there:1/")
    monkeypatch.setenv("PARTYSYNC_TOKEN", "theirs")
    assert finder(None, None)() == Server("http://there:1", "theirs")
    assert finder("ws://here:2/base/", "mine")() == Server("ws://here:2/base", "mine")
    assert finder("http://here:2", "")() == Server("http://here:2", "")


def test_a_server_that_runs_is_found(runtime, server):
    runtime.write_text(json.dumps({"url": server.url, "token": server.token, "pid": 1}))

    assert local_server() == Server(server.url, server.token)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", "5", '"text"', "{}", "\udcff"),
        '{"url": 5, "token": 5}',
        '{"url": [], "token": null}',
        '{"url": "http://127.0.0.1:1"}',
        '{"url": "http://127.0.0.1:1", "token": "x"}',
        '{"url": "nonsense", "token": "x"}',
    ],
)
def test_a_file_that_is_old_or_broken_is_no_server(runtime, content):
    runtime.write_bytes(content.encode(errors="surrogateescape"))

    assert local_server() == STARTED


class Stranger(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_error(403)

    def log_message(self, *_):
        pass


def test_somebody_elses_server_on_the_old_port_is_not_ours(runtime):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        runtime.write_text(json.dumps({"url": f"http://127.0.0.1:{stranger.server_port}", "token": "old"}))

        assert local_server() == STARTED
        stranger.shutdown()
    assert Stranger.asked


def test_who_starts_a_server_is_waited_for_but_not_for_ever(runtime, server, monkeypatch, wait_until):
    claim = Claim(runtime.with_suffix(".lock"), "another kernel", what="The start of a server")
    found = []
    waiting = threading.Thread(target=lambda: found.append(local_server()))
    waiting.start()
    runtime.write_text(json.dumps({"url": server.url, "token": server.token}))
    waiting.join(8)
    assert found == [Server(server.url, server.token)]

    runtime.unlink()
    monkeypatch.setattr(autostart, "START_SECONDS", 0.2)
    with pytest.raises(ps.NotConnected, match=r"No room server started within 0 s. Its log is .*partysync-local.log"):
        local_server()
    claim.release()


def test_a_server_that_cannot_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PARTYSYNC_DATA", str(tmp_path / "file"))
    (tmp_path / "file").touch()

    with pytest.raises(ps.NotConnected, match=r"did not start: .*Cannot keep rooms in .*file.*File exists"):
        ps.connect("x")


def test_a_runtime_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    (tmp_path / "file").touch()

    with pytest.raises(ps.NotConnected, match="file/runtime"):
        ps.connect("x")


def test_the_folder_of_the_rooms(monkeypatch, tmp_path):
    monkeypatch.setenv("PARTYSYNC_DATA", "/there")
    assert str(data_folder()) == "/there"
    monkeypatch.delenv("PARTYSYNC_DATA")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert data_folder() == tmp_path / "partysync"


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://h:1", "ws://h:1/parties/main/a%2Fb%20%25"),
        ("ws://h:1/", "ws://h:1/parties/main/a%2Fb%20%25"),
        ("https://h/user/ann", "wss://h/user/ann/parties/main/a%2Fb%20%25"),
        ("wss://[::1]:5", "wss://[::1]:5/parties/main/a%2Fb%20%25"),
    ],
)
def test_the_socket_of_a_room(url, socket):
    """R13."""
    assert Server(check_url(url), "").websocket("main", "a/b %") == socket


def test_a_token_is_in_no_repr(server):
    assert server.token not in repr(Server("http://h", server.token))
    assert "token" in {field.name for field in dataclasses.fields(Server)}


def taken():
    return [finding.place for finding in survey() if finding.taken]


def test_where_says_which_server_would_be_found_and_starts_none(runtime, server, monkeypatch):
    assert taken() == ["a new one"]
    runtime.write_text(json.dumps({"url": server.url, "token": server.token}))
    assert taken() == [f"your one server that runs ({runtime.parent}/partysync-*.json)"]
    monkeypatch.setenv("PARTYSYNC_URL", "http://there:1")
    assert taken() == ["PARTYSYNC_URL"]
    assert server.token not in str(survey())


def test_partysync_where(run_python, isolated):
    command = "import sys; from partysync_server.cli import main; sys.argv = ['partysync', 'where']; main()"

    assert "→ a new one: would be started, with its rooms in" in run_python(command, environment=isolated)
    said = run_python(command, environment={**isolated, "PARTYSYNC_URL": "there"}, code=1)
    assert said == "partysync: 'there' is not the address of a server. Write it as http://host:port.\n"
