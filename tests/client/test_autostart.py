"""No configuration: ``connect("x")`` finds this person's server or starts it, and kernels agree on which."""

import json
import os
import signal
import stat
import subprocess
import sys

import pytest

import partysync_widget as ps
from tests.client.conftest import PARTIES
from tests.processes import processes, told_of

RULES = (PARTIES / "rules.py").read_text()

ENTER = """
import json, sys
import partysync_widget as ps
room = ps.connect(sys.argv[1])
room.table("t", x=int).insert(x=1).result(8)
room.sync(8)
print(room.connection.url, len(room.table("t")))
"""

RACE = """
import os, sys, time
import partysync_widget as ps
from partysync_widget import entrance
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
room = ps.connect("race", user=sys.argv[2], timeout=30)
room.table("t", who=str).insert(who=sys.argv[2]).result(20)
print(room.connection.url, flush=True)
sys.stdin.read()  # stay until the others are there
"""


@pytest.fixture
def own(tmp_path, monkeypatch, isolated):
    """This process, too, is somebody who has nothing yet; the description of the server that is started."""
    for name, value in isolated.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "runtime" / "partysync-local.json"
    return lambda: json.loads(file.read_text())


@pytest.fixture
def connect(own):
    """``ps.connect``, closed at the end."""
    entered = []

    def enter(name="x", **how):
        entered.append(ps.connect(name, **how))
        return entered[-1]

    yield enter
    for room in entered:
        room.close()


def alive(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    return told_of(pid, "stat").rpartition(b")")[2].split()[:1] not in ([], [b"Z"])


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_connect_starts_a_server_that_outlives_the_kernel(own, run_python, isolated):
    first = run_python(ENTER, "x", environment=isolated).split()
    server = own()
    second = run_python(ENTER, "x", environment=isolated).split()

    assert first == [server["url"], "1"]
    assert second == [server["url"], "2"]
    assert server["url"].startswith("http://127.0.0.1:")


def test_nobody_else_can_read_the_token(own, connect, tmp_path):
    """R13. Not in a file, not in the list of processes, not in the environment that a child would inherit."""
    connect().table("t", x=int).insert(x=1).result(8)
    token, pid = own()["token"], own()["pid"]

    assert len(token) >= 32
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holders = [path for path in files if token.encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["partysync-local.json"]
    assert mode(holders[0]) == 0o600
    assert {mode(path) for path in files if path.name.endswith((".db", ".db-wal", ".log"))} == {0o600}
    assert mode(tmp_path / "rooms") == 0o700
    commands = [told_of(pid, "cmdline") for pid in processes()]
    assert any(b"partysync_server" in command for command in commands)
    assert not any(token.encode() in command for command in commands)
    assert (environment := told_of(pid, "environ"))
    assert token.encode() not in environment


def test_eight_kernels_that_race_start_one_server(own, isolated, tmp_path):
    command = [sys.executable, "-c", RACE, str(tmp_path / "go")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": isolated}
    kernels = [subprocess.Popen([*command, str(n)], **pipes) for n in range(8)]
    for kernel in kernels:
        assert kernel.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    urls = {kernel.stdout.readline() for kernel in kernels}
    room = ps.connect("race")
    here = {row["who"] for row in room.table("t").records}, {peer["name"] for peer in room.peers}
    room.close()
    for kernel in kernels:
        kernel.communicate()
        assert kernel.returncode == 0

    assert urls == {own()["url"] + "\n"}
    assert here == ({str(n) for n in range(8)},) * 2


RUNNER = """
import os, sys
import partysync_widget as ps
print("ready", flush=True)
for line in sys.stdin:
    for name, folder in zip(("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "PARTYSYNC_DATA"), line.split()):
        os.environ[name] = folder
    with ps.connect("race", timeout=30) as room:
        print(room.connection.url, flush=True)
"""


def servers_of(folder):
    """Processes of servers that keep their rooms there."""
    found = []
    for pid in processes():
        said = told_of(pid, "cmdline").split(b"\0")
        if b"partysync_server" in said and str(folder).encode() in said:
            found.append(pid)
    return found


def race(rounds, isolated, tmp_path):
    """Six kernels that have been running for long race in one empty home after another."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": isolated}
    kernels = [subprocess.Popen([sys.executable, "-c", RUNNER], **pipes) for _ in range(6)]
    try:
        for kernel in kernels:
            assert kernel.stdout.readline() == "ready\n"
        for number in range(rounds):
            folders = [tmp_path / f"{number}" / name for name in ("runtime", "data", "rooms")]
            for kernel in kernels:
                kernel.stdin.write(" ".join(map(str, folders)) + "\n")
                kernel.stdin.flush()
            urls = [kernel.stdout.readline() for kernel in kernels]
            running = servers_of(folders[2])
            for pid in running:
                os.kill(pid, signal.SIGTERM)
            assert len(set(urls)) == len(running) == 1, (number, urls, running)
            assert urls[0].startswith("http://127.0.0.1:"), number
    finally:
        for kernel in kernels:
            kernel.communicate()


def test_six_kernels_that_race_a_hundred_times_end_with_one_server_each_time(isolated, tmp_path):
    race(100, isolated, tmp_path)


def test_it_stops_when_nobody_has_been_there_for_a_while(own, connect, monkeypatch, wait_until, tmp_path):
    monkeypatch.setenv("PARTYSYNC_IDLE_EXIT", "1")
    room = connect()
    room.table("t", x=int).insert(id="kept", x=1).result(8)
    pid = own()["pid"]
    with pytest.raises(AssertionError):  # it does not stop while somebody is there
        wait_until(lambda: not alive(pid), 2.5)
    room.close()
    wait_until(lambda: not alive(pid), what="the end of the idle server")

    assert not (tmp_path / "runtime" / "partysync-local.json").exists()
    assert not list(tmp_path.rglob("*-wal"))
    assert list(connect().table("t")) == ["kept"]
    assert own()["pid"] != pid


def test_a_kernel_reconnects_by_itself_after_its_server_was_killed(own, connect):
    """R5, R9. A new one is started, on whatever port, by the connection itself."""
    room, other = connect(), connect()
    table = room.table("t", x=int)
    table.insert(id="before", x=1).result(8)
    killed = own()
    os.kill(killed["pid"], signal.SIGKILL)
    receipts = [table.insert(id="ours", x=2), other.table("t", x=int).insert(id="theirs", x=3)]

    assert [receipt.result(20) for receipt in receipts] == [None, None]
    for each in (room, other):
        each.sync(8)
    assert sorted(table) == sorted(other.table("t")) == ["before", "ours", "theirs"]
    assert own()["pid"] != killed["pid"]


def test_who_comes_while_it_stops_gets_in(own, connect, wait_until, tmp_path):
    """The old one still holds its folder for a moment after it has withdrawn its address."""
    for turn in range(5):
        room = connect()
        room.table("t", x=int).insert(x=turn).result(8)
        os.kill(own()["pid"], signal.SIGTERM)
        wait_until(lambda: not (tmp_path / "runtime" / "partysync-local.json").exists())
        again = connect()

        assert len(again.table("t")) == turn + 1
        room.close()
        again.close()


# --- parties ----------------------------------------------------------------------------------------------------------


def write(folder, name, source):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(source)


@pytest.mark.parametrize("folder", ["plain", "with space", "zażółć 漢", "a;b%20c"])
def test_a_party_of_a_file_beside_the_notebook_just_works(own, run_python, isolated, tmp_path, folder):
    write(tmp_path / folder, "our_rules.py", RULES)
    said = run_python(
        """
import sys
sys.path.insert(0, sys.argv[1])
import our_rules, partysync_widget as ps
room = ps.connect("x", party=our_rules.Todos, user="ann")
print(room.party, room.mutate("create", id="1", text="milk").result(8))
""",
        tmp_path / folder,
        environment=isolated,
    )

    assert said == "todos {'by': 'ann'}\n"


def test_a_party_of_a_package_and_inside_a_class(own, run_python, isolated, tmp_path):
    source = RULES.replace("class Todos", "class Course:\n  class Todos").replace("\n    ", "\n      ")
    write(tmp_path / "our_package" / "inner", "rules.py", source)
    for package in ("our_package", "our_package/inner"):
        write(tmp_path / package, "__init__.py", "")

    said = run_python(
        """
import sys
sys.path.insert(0, "")
from our_package.inner.rules import Course
import partysync_widget as ps
room = ps.connect("x", party=Course.Todos, user="ann")
print(room.mutate("create", id="1", text="milk").result(8))
""",
        environment=isolated,
    )

    assert said == "{'by': 'ann'}\n"


def test_a_party_that_was_written_in_a_notebook_gets_a_helpful_sentence(own, run_python, isolated):
    said = run_python(
        """
import partysync_widget as ps
class Todos(ps.Party):
    schema = "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL) STRICT"
try:
    ps.connect("x", party=Todos)
except ps.PartySyncError as error:
    print(error)
""",
        environment=isolated,
    )

    assert "no party 'todos'" in said
    assert "a class written in a notebook belongs into a file" in said


def test_a_party_whose_module_does_not_load_in_the_server(own, run_python, isolated, tmp_path):
    """What is wrong with it is said in the kernel; the server goes on."""
    write(
        tmp_path, "picky.py", RULES + "\nimport sys\nassert 'partysync_server' not in sys.modules, 'not on a server'\n"
    )
    said = run_python(
        """
import sys
sys.path.insert(0, "")
import picky, partysync_widget as ps
try:
    ps.connect("x", party=picky.Todos)
except ps.PartySyncError as error:
    print(error)
print(ps.connect("y").status)
""",
        environment=isolated,
    )

    assert "picky" in said
    assert "not on a server" in said
    assert said.endswith("live\n")


def test_a_party_whose_file_has_changed_since_the_server_read_it(own, run_python, isolated, tmp_path):
    """Both sides must run the same code; whoever has changed it is told what to do."""
    program = """
import sys
sys.path.insert(0, "")
import our_rules, partysync_widget as ps
try:
    print(ps.connect("x", party=our_rules.Todos).status)
except ps.PartySyncError as error:
    print(error)
"""
    write(tmp_path, "our_rules.py", RULES)
    assert run_python(program, environment=isolated) == "live\n"
    write(
        tmp_path,
        "our_rules.py",
        RULES.replace("def finish(tx, id: str)", "def finish(tx, id: str, late: bool = False)"),
    )
    said = run_python(program, environment=isolated)

    assert said == "live\n" or "differs from the server's" in said
