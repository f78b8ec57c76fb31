"""Discovery: which server a kernel talks to, and why; what it does with a file that is old, broken or a lie."""

import dataclasses
import http.server
import json
import os
import socket
import threading

import pytest

import partysync_widget as ps
from partysync_widget import autostart
from partysync_widget.autostart import data_folder, runtime_file
from partysync_widget.core.claim import Claim
from partysync_widget.discovery import finder, local_server, survey
from partysync_widget.servers import Server, check_url

HERE = socket.gethostname()
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


AT_HUB = "http://hub:8000/base/services/partysync"


@pytest.fixture
def of_hub(runtime, monkeypatch):
    """The environment of a kernel whose server a Hub has started."""
    for name, value in {"BASE_URL": "/base/", "API_TOKEN": "hubs-own"}.items():
        monkeypatch.setenv(f"JUPYTERHUB_{name}", value)
    monkeypatch.setenv("PARTYSYNC_URL", AT_HUB)


def test_a_service_of_the_hub_is_shown_the_token_of_the_hub(of_hub, monkeypatch):
    assert finder(None, None)() == Server(AT_HUB, "hubs-own")
    taken = next(finding for finding in survey() if finding.taken)
    assert "a service of your Hub" in taken.found
    assert "hubs-own" not in str(survey())
    monkeypatch.setenv("PARTYSYNC_TOKEN", "theirs")
    assert finder(None, None)() == Server(AT_HUB, "theirs")


@pytest.mark.parametrize(
    "url",
    [
        "http://hub:8000/base/user/eve/services/partysync",
        "http://hub:8000/services/partysync",
        "http://hub:8000/base/services",
        "http://hub:8000/?/base/services/partysync",
        "http://hub:8000/base/services/../user/eve",
        "http://hub:8000/base/services/%2e%2e/user/eve",
        "http://hub:8000",
    ],
)
def test_nothing_else_is_shown_the_token_of_the_hub(of_hub, monkeypatch, url):
    """R13. It opens more than rooms."""
    monkeypatch.setenv("PARTYSYNC_URL", url)

    assert finder(None, None)().token == ""
    assert "Hub" not in next(finding for finding in survey() if finding.taken).found


def test_an_address_that_was_typed_is_not_shown_the_token_of_the_hub(of_hub, monkeypatch):
    """R13. Nor is one when the Hub has said no base, or an empty token was meant."""
    assert finder("http://elsewhere/base/services/partysync", None)().token == ""
    assert finder(None, "")().token == ""
    monkeypatch.delenv("JUPYTERHUB_BASE_URL")
    assert finder(None, None)().token == ""


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


# --- which of several -----------------------------------------------------------------------------------------------


@pytest.fixture
def servers(runtime, monkeypatch):
    """Say that servers run: ``servers("7", "local")``; those named in ``servers.alive`` answer."""
    from partysync_widget import servers as module

    asked, alive = [], set()

    def answers(server):
        asked.append(server.url)
        return server.url in alive

    def say(name, *, host=HERE, data="", answering=True, url=None):
        url = url or f"http://{name}:1"
        (runtime.parent / f"partysync-{name}.json").write_text(
            json.dumps({"url": url, "token": f"of-{name}", "pid": 1, "host": host, "data": data})
        )
        if answering:
            alive.add(url)

    say.asked = asked
    monkeypatch.setattr(module, "answers", answers)
    monkeypatch.setenv("JPY_PARENT_PID", "7")
    return say


def url():
    found = local_server()
    assert len(taken()) == 1
    return found.url


def test_the_jupyter_server_above_a_kernel_comes_before_all_others(servers):
    servers("7")
    servers("local")
    servers("8")

    assert url() == "http://7:1"
    assert taken() == ["the Jupyter Server that started this kernel (process 7)"]


def test_the_parent_process_counts_where_nobody_says_which_it_is(servers, monkeypatch):
    """As on Windows, where the variable is a handle and no process id."""
    for said in ("", "0x1f", "99999999999999999999", "²"):
        monkeypatch.setenv("JPY_PARENT_PID", said)
        servers(str(os.getppid()))
        servers("8")

        assert url() == f"http://{os.getppid()}:1"


def test_one_that_answers_no_more_is_passed_over(servers):
    servers("7", answering=False)
    servers("8")

    assert url() == "http://8:1"


def test_among_several_the_one_with_the_usual_folder(servers):
    servers("8")
    servers("9")
    assert local_server() == STARTED
    assert any("several answer" in finding.found for finding in survey())

    servers("9", data=str(data_folder().resolve()))
    assert url() == "http://9:1"


def test_servers_that_point_to_one_owner_are_one(servers, runtime):
    servers("8")
    content = json.loads((runtime.parent / "partysync-8.json").read_text())
    (runtime.parent / "partysync-9.json").write_text(json.dumps({**content, "owner": 8}))

    assert url() == "http://8:1"


def test_a_secret_goes_to_no_port_of_another_machine(servers):
    """Home folders are shared; there, somebody else may listen on the port that this file names."""
    servers("7", host="login1")
    servers("8", host="login1")

    assert local_server() == STARTED
    assert servers.asked == []
    assert sum("http://7:1 is on another machine, login1" in finding.found for finding in survey()) == 2


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_none(servers, runtime):
    """Whoever can write to the folder cannot lure kernels to a server of theirs."""
    servers("7")
    os.chown(runtime.parent / "partysync-7.json", 12345, 12345)

    assert local_server() == STARTED


@pytest.mark.parametrize("name", ["KERNEL_LAUNCH_TIMEOUT", "KERNEL_WORKING_DIR", "KERNEL_USERNAME", "KERNEL_ID"])
def test_a_kernel_of_a_gateway_says_what_to_set_and_starts_nothing(servers, monkeypatch, name):
    """Nobody else would look for a server there. One that does run there is used all the same."""
    monkeypatch.setenv(name, "x")
    servers("7", answering=False)

    with pytest.raises(ps.NotConnected, match="gateway") as error:
        ps.connect("x")

    for named in ("PARTYSYNC_URL", "PARTYSYNC_TOKEN", "url=…", "/partysync", "process 7", "http://7:1 does not answer"):
        assert named in str(error.value)
    assert taken() == []
    servers("8")
    assert url() == "http://8:1"


def test_when_nothing_is_found_it_says_where_it_looked(servers, monkeypatch):
    def start(deadline):
        raise ps.NotConnected("The disk is full.")

    monkeypatch.setattr(autostart, "start", start)
    servers("9", answering=False)

    with pytest.raises(ps.NotConnected, match=r"The disk is full\. Looked for in this order: ") as error:
        ps.connect("x")
    said = str(error.value)
    order = [said.index(place) for place in ("PARTYSYNC_URL: not set", "process 7", "http://9:1 does not answer")]
    assert order == sorted(order)


def test_a_folder_that_was_just_let_go_is_tried_again(servers, monkeypatch):
    tried = []

    def start(deadline):
        tried.append(1)
        if len(tried) == 1:
            raise ps.NotConnected("The data folder is in use by the one that is stopping.")
        return STARTED

    monkeypatch.setattr(autostart, "start", start)

    assert local_server() == STARTED
    assert len(tried) == 2


def test_who_lost_the_race_for_the_folder_finds_who_won_it(servers, monkeypatch):
    def start(deadline):
        servers("8")
        raise ps.NotConnected("The data folder is in use by Jupyter.")

    monkeypatch.setattr(autostart, "start", start)

    assert url() == "http://8:1"


def test_partysync_where(run_python, isolated):
    command = "import sys; from partysync_server.cli import main; sys.argv = ['partysync', 'where']; main()"

    assert "→ a new one: would be started, with its rooms in" in run_python(command, environment=isolated)
    said = run_python(command, environment={**isolated, "PARTYSYNC_URL": "there"}, code=1)
    assert said == "partysync: 'there' is not the address of a server. Write it as http://host:port.\n"
