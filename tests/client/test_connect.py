"""``connect``: what it takes, what it finds, and the sentence it ends with when it cannot."""

import http.server
import re
import socket
import threading
import time

import pytest

import partysync_widget as ps

ODD_NAMES = ["genetics 101", "a/b", "a%2Fb", "a%41", "aA", "aa", ".", "..", "../../etc/passwd", "a?b#c", "a\\b", "CON"]
ODD_NAMES += [" x ", "é ł 漢 🦋", "'; DROP TABLE rooms; --", "x" * 200, "漢" * 200, "null", "*"]


def test_connect_makes_the_room_and_gives_it_back(server):
    with ps.connect("a first room", url=server.url, token=server.token) as room:
        assert (room.name, room.party, room.status, room.tables, room.pending) == (
            "a first room",
            "main",
            "live",
            [],
            0,
        )
        assert repr(room) == "<Room 'a first room' of party 'main': live, version 0>"


@pytest.mark.parametrize("form", ["http://{}", "http://{}/", "ws://{}", "ws://{}//", "http://{}/?a=b#c"])
def test_an_address_may_be_written_in_several_ways(server, enter, form):
    assert enter(url=form.format(server.url.partition("://")[2])).status == "live"


def test_the_environment_names_the_server(server, enter, monkeypatch):
    monkeypatch.setenv("PARTYSYNC_URL", server.url)
    monkeypatch.setenv("PARTYSYNC_TOKEN", server.token)

    assert enter(url=None, token=None).status == "live"


def test_an_argument_wins_over_the_environment(server, enter, monkeypatch):
    monkeypatch.setenv("PARTYSYNC_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PARTYSYNC_TOKEN", "another")

    assert enter().status == "live"


def test_every_name_is_a_room_of_its_own(enter, lone_server):
    """R13. No name reaches a path, none is decoded twice, none is another's."""
    rooms = {name: enter(name, at=lone_server) for name in ODD_NAMES}
    for name, room in rooms.items():
        room.table("t", own=str).insert(id="1", own=name).result(8)

    assert {name: room.table("t").records for name, room in rooms.items()} == {
        name: [{"id": "1", "own": name}] for name in ODD_NAMES
    }
    assert len(lone_server.files()) == len(ODD_NAMES)
    assert all(re.fullmatch(r"[a-z0-9-]+\.db", file.name) for file in lone_server.files())


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines", "\0", "half \ud800"])
def test_a_name_that_cannot_be_is_refused_at_once(server, enter, name):
    with pytest.raises(ps.ProtocolError, match="name is 1 to 200 printable characters") as refused:
        enter(name)

    assert refused.value.kind == "bad-room-name"


@pytest.mark.parametrize(
    "url",
    ["here", "localhost:8888", "ftp://localhost", "http://", "http://[::1", "http://localhost:port", "http://h:99999"],
)
def test_an_address_that_is_none_says_how_to_write_one(enter, url):
    with pytest.raises(ps.NotConnected, match=r"is not the address of a server. Write it as http://host:port"):
        enter(url=url)


def test_no_server_at_the_address(enter):
    """The first failure is told at once: no time-out has to pass."""
    begun = time.monotonic()

    with pytest.raises(ps.NotConnected, match="There is no room server at http://127.0.0.1:1 .*partysync serve"):
        enter(url="http://127.0.0.1:1")
    assert time.monotonic() - begun < 5


class Other(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404, "Not here")

    def log_message(self, *_):
        pass


def test_something_else_at_the_address(enter):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()

        with pytest.raises(ps.NotConnected, match="answers 404 and is no room server"):
            enter(url=f"http://127.0.0.1:{other.server_port}")
        other.shutdown()


def test_an_address_that_never_answers(enter):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(ps.NotConnected, match=r"did not open within 0.3 s.* longer timeout"):
            enter(url=url, timeout=0.3)


@pytest.mark.parametrize("token", ["not-this-one", "", "ключ", "two\nlines"])
def test_a_wrong_token_is_refused_with_what_to_pass(enter, token):
    """R13, S2."""
    with pytest.raises(ps.PermissionDenied, match=r"token.*PARTYSYNC_TOKEN") as refused:
        enter(token=token)

    assert not token or token not in str(refused.value)


def test_a_party_the_server_does_not_have(enter):
    with pytest.raises(ps.ProtocolError, match=r"no party 'zoo'. It has: main.*--party module:Class") as refused:
        enter(party="zoo")

    assert refused.value.kind == "unknown-party"


def test_a_party_by_its_name_is_used_without_its_code(enter_todos):
    """Nothing is guessed here, and all of it arrives."""
    room = enter_todos(party="todos", user="ann")
    receipt = room.mutate("create", id="1", text="milk")

    assert receipt.result(8) == {"by": "ann"}
    assert room.table("todos").records == [{"id": "1", "text": "milk", "done": False}]
    with pytest.raises(ps.MutationRejected, match="no mutator 'destroy'. It has: .*create.*finish"):
        room.mutate("destroy")


def test_a_party_that_differs_from_the_servers(enter_todos):
    class Todos(ps.Party):
        schema = "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, other TEXT) STRICT"

    with pytest.raises(
        ps.PartySyncError, match=r"differs from the server's.*Restart the side that runs the older code"
    ):
        enter_todos(party=Todos)


@pytest.mark.parametrize("party", [5, ps.Party, dict, ["main"]])
def test_what_is_no_party(enter, party):
    with pytest.raises(ps.SchemaMismatch, match="party takes a subclass of Party or the name of one"):
        enter(party=party)


def test_a_schema_that_is_no_sql(enter):
    class Broken(ps.Party):
        schema = "CREATE A TABLE"

    with pytest.raises(ps.SchemaMismatch, match="The schema of party 'broken' is not valid SQL"):
        enter(party=Broken)


@pytest.mark.parametrize(
    ("variables", "name"),
    [({"JUPYTERHUB_USER": "hub"}, "hub"), ({"JUPYTERHUB_USER": "hub", "PARTYSYNC_USER": "ann"}, "ann")],
)
def test_the_environment_names_the_person(enter, room, monkeypatch, wait_until, variables, name):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    enter()

    wait_until(lambda: [peer["name"] for peer in room.peers] == [name])


def test_the_person_is_the_systems_user_unless_named(enter, room, wait_until, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "who-is-logged-in")
    enter()
    enter(user="ann")

    wait_until(lambda: sorted(peer["name"] for peer in room.peers) == ["ann", "who-is-logged-in"])


def test_an_import_is_light(run_python):
    """What a person did not ask for is not loaded, not even by using a table."""
    said = run_python("""
import sys
import partysync_widget as ps
heavy = ["pandas", "polars", "pyarrow", "narwhals", "numpy", "anywidget", "ipywidgets", "IPython", "tqdm"]
print([name for name in heavy if name in sys.modules])
assert not [name for name in sys.modules if name.startswith("partysync_widget.") and not name.endswith("._version")]
ps.connect, ps.Party, ps.Table, ps.Receipt
print([name for name in heavy if name in sys.modules])
assert "partysync_server" not in sys.modules
""")

    assert said == "[]\n[]\n"


def test_every_public_name_is_there():
    assert [name for name in ps.__all__ if getattr(ps, name, None) is None] == []
    assert dir(ps) == sorted(ps.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'conect'"):
        _ = ps.conect
