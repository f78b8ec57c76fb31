"""How a server listens: with TLS, behind a proxy, with the token from a file; and what it says of itself."""

import contextlib
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

import partysync_widget as ps
from partysync_server.cli import ServeApp
from partysync_server.logs import Json, Text
from tests.conftest import TOKEN, free_port
from tests.server.stranger import Stranger, hello

SERVE = [sys.executable, "-m", "partysync_server", "serve"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Files of a certificate authority: its own certificate, that of localhost, and the key that goes with it."""
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    issued = ca.issue_cert("localhost", "127.0.0.1")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(folder / "other.pem")
    return folder


@pytest.fixture
def serve(tmp_path):
    """Start `partysync serve` with exactly these options; the process and the first line it said."""
    started = []

    def start(*options, **environment):
        process = subprocess.Popen(
            [*SERVE, "--data", str(tmp_path / "rooms"), *options],
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "log").open("ab"),
            text=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.terminate()
        process.wait(8)


@pytest.fixture
def fails(run_python):
    command = "import sys; from partysync_server.cli import main; main(sys.argv[1:])"
    return lambda *options: run_python(command, "serve", *options, code=1)


def test_with_a_certificate_it_speaks_tls_and_nothing_else(serve, authority, monkeypatch):
    _, said = serve(f"--certfile={authority / 'cert.pem'}", f"--keyfile={authority / 'key.pem'}", PARTYSYNC_TOKEN=TOKEN)
    url = said.removeprefix("Rooms at ")
    assert url.startswith("https://127.0.0.1:")

    with pytest.raises(ps.NotConnected, match="does not trust the certificate of https.* SSL_CERT_FILE"):
        ps.connect("x", url=url, token=TOKEN)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    with ps.connect("x", url=url, token=TOKEN) as room:
        assert room.table("t", x=int).insert(x=1).result(8) is None
    with pytest.raises(ps.NotConnected):
        ps.connect("x", url=url.replace("https", "http"), token=TOKEN)
    port = int(url.rpartition(":")[2])
    for version, fine in {ssl.TLSVersion.TLSv1_1: False, ssl.TLSVersion.TLSv1_2: True}.items():
        assert shakes_hands(port, version, authority / "ca.pem") is fine


def shakes_hands(port, version, authority):
    """Whether the server speaks this version of TLS with somebody who speaks no other."""
    context = ssl.create_default_context(cafile=authority)
    context.set_ciphers("ALL:@SECLEVEL=0")  # a client that would speak the old ones
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=8) as line,
            context.wrap_socket(line, server_hostname="localhost"),
        ):
            return True
    except ssl.SSLError:
        return False


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--certfile=none.pem"], "Cannot serve with --certfile none.pem: No such file"),
        (["--keyfile=key.pem"], "needs the certificate that goes with it"),
        (["--certfile={cert}", "--keyfile={other}"], "belong together"),
        (["--certfile={key}"], "Both are PEM files"),
        (["--public-url=rooms.example.org"], "Write it as https://rooms.example.org"),
        (["--origin=*"], "is not the origin of a page"),
        (["--pages", "--page-frames=wiki"], "--page-frames 'wiki' is not the origin of a page"),
        (["--page-frames=https://wiki.example"], "is for a server that shows pages: add --pages"),
        (["--host=a/b"], "is not the name of a host"),
        (["--token-file=none"], "Cannot read --token-file none"),
        (["--token-file={short}"], "holds no token"),
        (["--token-file={open}"], "chmod 600"),
    ],
)
def test_what_it_cannot_serve_with_is_said_before_it_begins(fails, authority, tmp_path, options, sentence):
    (tmp_path / "short").write_text("short")
    (tmp_path / "short").chmod(0o600)
    (tmp_path / "open").write_text("a-token-that-is-long-enough")
    (tmp_path / "open").chmod(0o644)
    names = {"cert": authority / "cert.pem", "key": authority / "key.pem", "other": authority / "other.pem"}
    names |= {"short": tmp_path / "short", "open": tmp_path / "open"}

    said = fails(f"--data={tmp_path / 'rooms'}", *(each.format(**names) for each in options))

    assert said.startswith("partysync: ")
    assert sentence in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("rooms/**/*.db"))


def test_a_token_from_a_file_is_in_no_list_of_processes_and_in_no_output(serve, tmp_path):
    secret = "from-a-file-0123456789"
    (tmp_path / "token").write_text(f"{secret}\n")
    (tmp_path / "token").chmod(0o600)
    process, said = serve(f"--token-file={tmp_path / 'token'}", "--log-level=DEBUG")

    with ps.connect("x", url=said.removeprefix("Rooms at "), token=secret) as room:
        room.table("t", x=int).insert(x=1).result(8)
    with pytest.raises(ps.PermissionDenied):
        ps.connect("x", url=said.removeprefix("Rooms at "), token="another")
    assert secret not in Path(f"/proc/{process.pid}/cmdline").read_text()
    process.terminate()
    assert secret not in process.stdout.read() + (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({}, False),
        ({"ip": "::1"}, False),
        ({"ip": "192.0.2.1"}, True),
        ({"ip": "192.0.2.1", "public_url": "http://rooms.example.org"}, True),
        ({"ip": "192.0.2.1", "public_url": "https://rooms.example.org"}, False),
        ({"ip": "192.0.2.1", "certfile": "chain.pem"}, False),
    ],
)
def test_who_serves_in_the_clear_for_others_is_told(caplog, monkeypatch, options, warned):
    monkeypatch.setattr(logging.getLogger("partysync"), "propagate", True)
    ServeApp(**options)._check_exposure()
    assert ("can read its token" in caplog.text) is warned


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "192.0.2.1"])
def test_an_old_tornado_serves_this_machine_only(monkeypatch, ip):
    monkeypatch.setattr("tornado.version_info", (6, 4, 2, 0))
    local = ip != "192.0.2.1"
    with contextlib.nullcontext() if local else pytest.raises(ps.PartySyncError, match=r"Tornado .*pip install"):
        ServeApp(ip=ip)._check_exposure()


def test_behind_a_proxy_it_gives_away_the_address_that_people_use(serve):
    port = free_port()
    _, said = serve(f"--port={port}", "--public-url=https://rooms.example.org/team/", PARTYSYNC_TOKEN=TOKEN)
    assert said == "Rooms at https://rooms.example.org/team"

    request = urllib.request.Request(f"http://127.0.0.1:{port}/health")
    for name, value in {"Host": "rooms.example.org", "Authorization": f"Bearer {TOKEN}"}.items():
        request.add_header(name, value)
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["partysync"] == ps.__version__
    with ps.connect("linked", url=f"http://127.0.0.1:{port}", token=TOKEN) as room:
        assert room.share("viewer").link.startswith("https://rooms.example.org/team/parties/main/linked#")


def test_metrics_say_what_happened_and_name_no_room(start_server, enter, wait_until):
    server = start_server()
    room = enter("a-secret-project", at=server)
    todos = room.table("todos", n=int)
    todos.insert(id="t", n=1).result(8)
    with Stranger(server, "/parties/main/a-secret-project") as stranger:
        stranger.frame(hello("another"))
        again = {"mid": 1, "name": "insert", "args": {"table": "todos", "id": "t", "values": {"n": 2}}}
        stranger.frame({"type": "push", "epoch": stranger.hear()["epoch"], "mutations": [again]})
        wait_until(lambda: "message" in str(stranger.hear()), what="the rejection")
    wait_until(lambda: server.sessions() == 1, what="the end of that session")
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    assert "a-secret-project" not in text
    assert found["partysync_sessions",] == found["partysync_rooms_open",] == 1
    assert found["partysync_mutations_total", "accepted"] >= 1
    assert found["partysync_mutations_total", "rejected"] == 1
    assert found["partysync_turn_seconds_bucket", "+Inf"] == found["partysync_turn_seconds_count",] >= 2
    assert found["partysync_frames_received_total",] >= 3


def test_the_log_tells_who_was_refused_as_json_and_no_secret(start_server):
    server = start_server("--log-style=json")
    request = urllib.request.Request(f"{server.url}/health?token={TOKEN}", headers={"Authorization": "Bearer guess"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
    server.stop()

    lines = [json.loads(line) for line in server.log.splitlines()]
    [refused] = [line for line in lines if line.get("event") == "refused"]
    assert (refused["reason"], refused["status"], refused["address"]) == ("token", 403, "127.0.0.1")
    assert TOKEN not in server.log
    assert "guess" not in server.log


@pytest.mark.parametrize("style", [Text, Json])
@pytest.mark.parametrize("message", ["it is hunter2hunter2", "Authorization: Bearer abcdef", "GET /?token=abcdef"])
def test_a_secret_that_somebody_else_logs_is_blotted_out(style, message):
    try:
        int(message)  # whose error quotes it
    except ValueError:
        record = logging.LogRecord("tornado.general", logging.ERROR, "", 1, message, (), sys.exc_info())
    text = style(["hunter2hunter2"]).format(record)

    assert "hunter2hunter2" not in text
    assert "abcdef" not in text
    assert "Traceback" in text
    if style is Json:
        assert len(text.splitlines()) == 1
        assert json.loads(text)["level"] == "error"
