"""``partysync serve``: what it takes, what it says, how it ends, and the sentence it ends with when it cannot begin."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import partysync_widget as ps

COMMAND = "import sys; from partysync_server.cli import main; main(sys.argv[1:])"


@pytest.fixture
def partysync(run_python):
    """Run the command to its end; what it said."""
    return lambda *arguments, **how: run_python(COMMAND, *arguments, **how)


def test_help_names_what_there_is(partysync):
    said = " ".join(partysync("serve", "--help").split())
    assert "partysync serve --data DIR --port N --token T --party module:Class" in said
    for said in (partysync("--help"), partysync(code=1), partysync("bake", code=1)):
        assert {"serve", "where"} <= set(re.findall(r"^(\w+)$", said, re.MULTILINE))
    assert partysync("--version").strip() == ps.__version__


def test_it_says_where_it_is_and_the_token_it_made(tmp_path, enter):
    environment = {name: value for name, value in os.environ.items() if name != "PARTYSYNC_TOKEN"}
    with subprocess.Popen(
        [sys.executable, "-m", "partysync_server", "serve", "--data", tmp_path / "rooms"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        url = re.fullmatch(r"Rooms at (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())[1]
        token = re.fullmatch(r"Token: (\S{43})\n", process.stdout.readline())[1]

        assert enter("x", url=url, token=token).status == "live"
        with pytest.raises(ps.PermissionDenied):
            enter("x", url=url, token="another")
        process.terminate()


@pytest.mark.parametrize("option", ["--idle-room=0.2", "--ServeApp.idle_room=0.2"])
def test_every_option_is_a_trait(start_server, enter, wait_until, option):
    server = start_server(option)
    room = enter("x", at=server)
    room.table("t", x=int).insert(x=1).result(8)
    assert server.files("*-wal")
    room.close()

    wait_until(lambda: not server.files("*-wal"), what="the closing of the idle room")
    assert len(enter("x", at=server).table("t")) == 1


def test_the_limit_of_a_frame_is_the_servers(start_server, enter):
    table = enter("x", at=start_server("--frame-limit", "5000")).table("t", x=str)

    with pytest.raises(ps.ProtocolError, match="the room takes at most 5,000 in one. Split it into smaller edits"):
        table.insert(x="x" * 5000)
    assert table.insert(x="x" * 4000).result(8) is None


def test_several_parties(start_server, enter, on_path, tmp_path):
    (tmp_path / "two.py").write_text(
        "import partysync_widget as ps\n"
        "class One(ps.Party): schema = 'CREATE TABLE a (id TEXT PRIMARY KEY NOT NULL) STRICT'\n"
        "class SecondOne(ps.Party): schema = 'CREATE TABLE b (id TEXT PRIMARY KEY NOT NULL) STRICT'\n"
    )
    on_path(tmp_path)
    server = start_server("--party", "two:One", "--party", "two:SecondOne")

    assert enter("x", at=server, party="one").tables == ["a"]
    assert enter("x", at=server, party="second-one").tables == ["b"]
    assert enter("x", at=server).tables == []


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order(lone_server, enter, wait_until, number):
    """Everybody hears goodbye, the log is folded into the file, and the folder is free."""
    rooms = [enter(f"room {n}", at=lone_server) for n in range(5)]
    for room in rooms:
        room.table("t", x=int).insert(x=1).result(8)
    assert (lone_server.data / "server.owner").read_text() == (
        f"the partysync server with process id {lone_server.process.pid}"
    )
    begun = time.monotonic()
    lone_server.signal(number)

    assert lone_server.process.wait(8) == 0
    assert time.monotonic() - begun < 5
    for room in rooms:
        wait_until(lambda room=room: "The server is stopping" in room.trouble or "no room server" in room.trouble)
    assert lone_server.files("*-wal") == []
    assert not (lone_server.data / "server.owner").exists()
    assert "Traceback" not in lone_server.log


def test_goodbye_is_what_everybody_hears_first(lone_server, enter, wait_until):
    """F20."""
    room, heard = enter("x", at=lone_server), []
    room.observe(lambda room: heard.append(room.trouble))
    lone_server.stop()
    wait_until(lambda: [trouble for trouble in heard if trouble])

    assert next(filter(None, heard)) == "The server is stopping."


def test_it_ends_in_the_middle_of_a_burst(lone_server, enter):
    """What was accepted is in the file; what was not arrives when it is back. The end is not put off by new edits."""
    rooms = [enter("x", at=lone_server) for _ in range(3)]
    rooms[0].table("t", x=int)
    accepted, ended = [], threading.Event()

    def burst(room):
        room.sync(8)
        table = room.table("t")
        while not ended.is_set():
            receipts = [table.insert(x=1) for _ in range(50)]
            accepted.append(receipts)
            while not receipts[0].done() and not ended.wait(0.001):
                pass

    people = [threading.Thread(target=burst, args=(room,)) for room in rooms]
    for person in people:
        person.start()
    for _ in range(4):
        time.sleep(0.3)  # of burst
        begun = time.monotonic()
        assert lone_server.stop() == 0
        assert time.monotonic() - begun < 5
        assert lone_server.files("*-wal") == []
        lone_server.start()
    ended.set()
    for person in people:
        person.join(8)
    made = [receipt for receipts in accepted for receipt in receipts]
    assert [receipt.result(8) for receipt in made] == [None] * len(made)
    rooms[0].sync(8)

    assert sorted(rooms[0].table("t")) == sorted(receipt.id for receipt in made)
    assert "Traceback" not in lone_server.log


# --- no beginning -----------------------------------------------------------------------------------------------------


def test_a_second_server_on_the_same_folder_names_the_first(lone_server, partysync):
    """R9. One owner; the first is not disturbed, and a killed one leaves nothing that is in the way."""
    said = partysync("serve", "--data", lone_server.data, code=1)

    assert said == (
        f"partysync: The data folder {lone_server.data} is in use by the partysync server with process id "
        f"{lone_server.process.pid}. Stop that, or use another.\n"
    )
    assert lone_server.sessions() == 0
    lone_server.kill()
    lone_server.start()


def test_the_port_is_taken(lone_server, partysync, tmp_path):
    said = partysync("serve", "--data", tmp_path / "other", "--port", lone_server.port, code=1)

    assert said == (
        f"partysync: Cannot listen on 127.0.0.1:{lone_server.port}: Address already in use. Use another --port.\n"
    )


def test_a_port_that_was_just_let_go_can_be_used_again(lone_server, enter):
    room = enter("x", at=lone_server)
    for _ in range(3):
        lone_server.kill()
        lone_server.start()
    room.sync(8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--party", "nowhere:Todos"], "nowhere:Todos .*No module named 'nowhere'. Write it as module:Class"),
        (["--party", "json"], "json .* Write it as module:Class"),
        (["--party", "json:"], "json: .* Write it as module:Class"),
        (["--party", ":Todos"], ":Todos .* Write it as module:Class"),
        (["--party", "json:Nothing"], "json:Nothing .*no attribute 'Nothing'"),
        (["--party", "json:loads"], "json:loads is not a subclass of partysync_widget.Party."),
        (["--party", "partysync_widget:Party"], "partysync_widget:Party is .*Party"),
        (["--party", "explosive:Todos"], "explosive:Todos .*division by zero"),
        (["--party", "misspelt:Todos"], "misspelt:Todos .*misspelt.py, line 1"),
        (["--ip", "nowhere.invalid"], "Cannot listen on nowhere.invalid:0: .*Use another"),
        (["--ip", "192.0.2.1"], "Cannot listen on 192.0.2.1:0: Cannot assign requested address. Use another"),
        (["--port", "70000"], "70000"),
        (["--port", "-1"], "-1"),
        (["--port", "eighty"], "port.*expected an int, not the str 'eighty'"),
        (["--data", "file"], "Cannot keep rooms in .*file: File exists. Use another --data."),
        (["--data", "file/rooms"], "Cannot keep rooms in .*file/rooms: Not a directory. Use another --data."),
        (["--runtime-file", "file/runtime.json"], "file/runtime.json"),
        (["--data", "/proc"], "/proc"),  # which nobody may write to, not even root
    ],
    ids=str,
)
def test_what_it_cannot_begin_with_is_a_sentence(partysync, tmp_path, arguments, message):
    (tmp_path / "file").touch()
    (tmp_path / "explosive.py").write_text("1 / 0")
    (tmp_path / "misspelt.py").write_text("class Todos(")
    given = arguments if "--data" in arguments else ["--data", tmp_path / "rooms", *arguments]

    said = partysync("serve", *given, code=1, seconds=8)
    assert re.search(message, said), said
    assert "Traceback" not in said


def test_more_rooms_than_the_system_lets_it_open(start_server, enter):
    """Rooms that cannot be opened say so; those that are open go on."""
    server = start_server(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    first = enter("first", at=server)
    table = first.table("t", x=int)
    refused = []
    for n in range(40):
        try:
            enter(f"room {n}", at=server, timeout=2)
        except ps.PartySyncError as error:
            refused.append(str(error))

    assert refused
    assert all(message for message in refused)
    assert table.insert(x=1).result(8) is None


def test_the_token_is_in_no_log_and_no_list_of_processes(lone_server, enter):
    """R13. Whatever was refused, and whatever went wrong."""
    enter("x", at=lone_server).table("t", x=int)
    with pytest.raises(ps.PermissionDenied):
        enter("x", at=lone_server, token="another")
    with pytest.raises(ps.ProtocolError):
        enter("x", at=lone_server, party="nothing")
    for query in ("?token=", "?access_token=", "#"):
        with socket.create_connection(("127.0.0.1", lone_server.port)) as stranger:
            stranger.sendall(f"GET /health{query}{lone_server.token} HTTP/1.0\r\n\r\n".encode())
            assert b"403" in stranger.recv(1000)
    lone_server.stop()

    assert lone_server.token not in lone_server.log


def test_it_takes_as_many_files_as_it_may(start_server, enter):
    """A room takes three, and many systems begin with 1,024 of them."""
    server = start_server(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 1024)))
    rooms = [enter(f"room {n}", at=server) for n in range(30)]

    assert server.metric("partysync_rooms_open") == 30
    for room in rooms:
        assert room.table("t", n=int).insert(n=1).result(8) is None
