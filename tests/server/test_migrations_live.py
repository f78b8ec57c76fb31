"""
Migrations with real servers, real files, and kernels that are processes of their own.

The party is a module; each of its versions lies in a folder of its own, and whoever is started with that folder on the
path has that version.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest

import partysync_widget as ps
from tests.server.test_migrations import dump

FIRST = '''
import partysync_widget as ps

class Todos(ps.Party):
    schema = """CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT"""

    @ps.mutator
    def create(tx, id: str, text: str):
        tx.insert("todos", id=id, text=text)
'''
SECOND = '''
import partysync_widget as ps

DUE = ps.Migration("ALTER TABLE todos ADD COLUMN due TEXT; UPDATE todos SET due = 'soon'", keeps_clients=True)

class Todos(ps.Party):
    schema = """CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, due TEXT) STRICT"""
    migrations = (DUE,)

    @ps.mutator
    def create(tx, id: str, text: str, due: str = "some day"):
        tx.insert("todos", id=id, text=text, due=due)
'''
THIRD = '''
import os
from pathlib import Path
import partysync_widget as ps

def shout(tx):
    """Half of it, then a wait for whoever holds the pipe, then the other half."""
    tx.sql("UPDATE todos SET title = upper(title)")
    if pipe := os.environ.get("PIPE"):
        Path(pipe).read_bytes()
    tx.sql("UPDATE todos SET title = title || '!'")

class Todos(ps.Party):
    schema = """CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL, due TEXT) STRICT"""
    migrations = (
        ps.Migration("ALTER TABLE todos ADD COLUMN due TEXT; UPDATE todos SET due = 'soon'", keeps_clients=True),
        ps.Migration("ALTER TABLE todos RENAME COLUMN text TO title", shout),
    )

    @ps.mutator
    def create(tx, id: str, title: str):
        tx.insert("todos", id=id, title=title)
'''
KERNEL = """
import json, sys
import partysync_widget as ps
from evolving import Todos

url, token, cache = sys.argv[1:]
room = None
for line in sys.stdin:
    try:
        if room is None:
            room = ps.connect("evolving", url=url, token=token, party=Todos, cache=cache or None, timeout=8)
        print(json.dumps(eval(line)), flush=True)
    except Exception as error:
        print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
"""
ROWS = "[tuple(row.values()) for row in room.table('todos').records]"


class Kernel:
    """A process that has one version of the party."""

    def __init__(self, server, folder, cache=""):
        command = [sys.executable, "-c", KERNEL, server.url, server.token, str(cache)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=knowing(folder)
        )

    def say(self, code):
        self._process.stdin.write(f"{code}\n")
        self._process.stdin.flush()

    def hear(self):
        return json.loads(self._process.stdout.readline())

    def ask(self, code):
        """What a piece of code gives in it."""
        self.say(code)
        return self.hear()

    def end(self):
        self._process.kill()
        self._process.communicate()


def knowing(folder, **more):
    """The environment of a process that finds the party in ``folder``."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


@pytest.fixture
def versions(tmp_path):
    """The folders of the three versions."""
    folders = []
    for name, code in (("first", FIRST), ("second", SECOND), ("third", THIRD)):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        (folders[-1] / "evolving.py").write_text(code)
    return folders


@pytest.fixture
def server(versions, start_server):
    """One that has the first version of the party."""
    return start_server("--party", "evolving:Todos", environment=knowing(versions[0]))


@pytest.fixture
def start_kernel(server):
    started = []

    def start(folder, **how):
        started.append(Kernel(server, folder, **how))
        return started[-1]

    yield start
    for each in started:
        each.end()


def upgrade(server, folder, **environment):
    """The server ends in good order, and comes back with the party in ``folder``."""
    server._environment = knowing(folder, **environment)
    server.restart()


def fill(kernel):
    for n in range(3):
        assert kernel.ask(f"room.mutate('create', id='{n}', text='t{n}').result(8)") is None


@pytest.fixture
def pipe(tmp_path):
    """A migration waits at it in the middle."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def hold(pipe):
    """The pipe's other end, as soon as somebody reads from it: who has it keeps them waiting until it is closed."""
    with suppress(OSError):  # nobody reads yet
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)


def test_kernels_of_the_version_before_go_on_while_the_server_is_upgraded(server, versions, start_kernel, wait_until):
    old = start_kernel(versions[0])
    fill(old)

    upgrade(server, versions[1])
    wait_until(lambda: old.ask("room.status") == "live", 20)
    new = start_kernel(versions[1])

    assert old.ask("room.mutate('create', id='3', text='by the old').result(8)") is None
    assert new.ask("room.mutate('create', id='4', text='by the new', due='now').result(8)") is None
    rows = [["0", "t0", "soon"], ["1", "t1", "soon"], ["2", "t2", "soon"]]
    rows += [["3", "by the old", "some day"], ["4", "by the new", "now"]]
    for kernel in (old, new):
        assert kernel.ask("room.sync(8)") is None
        assert kernel.ask(ROWS) == rows
    assert old.ask("room.table('todos').update('0', due='later').result(8)") is None  # a column that it has no class of


def test_a_kernel_that_cannot_cope_is_told_and_its_rows_stay_to_be_read(server, versions, start_kernel, wait_until):
    old = start_kernel(versions[0])
    fill(old)

    upgrade(server, versions[2])
    wait_until(lambda: old.ask("room.status") == "failed", 20)

    assert "This kernel's file is the older one: update it, and restart the kernel." in old.ask("room.trouble")
    assert old.ask(ROWS) == [["0", "t0"], ["1", "t1"], ["2", "t2"]]
    assert (
        start_kernel(versions[0]).ask("1").startswith("ProtocolError: The party 'todos' in this kernel has version 1")
    )
    assert start_kernel(versions[2]).ask(ROWS) == [["0", "T0!", "soon"], ["1", "T1!", "soon"], ["2", "T2!", "soon"]]


def test_a_newer_kernel_is_told_what_to_type_for_the_server(server, versions, start_kernel):
    fill(start_kernel(versions[0]))

    said = start_kernel(versions[1]).ask("1")

    assert "has version 2 of its schema, the room 1. The server's file is the older one" in said
    assert "type its `partysync serve --party module:Class` again" in said


def test_a_server_with_the_older_file_is_refused_the_room_and_says_so(server, versions, start_kernel):
    fill(start_kernel(versions[0]))
    upgrade(server, versions[2])
    start_kernel(versions[2]).ask(ROWS)

    upgrade(server, versions[0])
    said = start_kernel(versions[0]).ask("1")

    assert said.startswith("SchemaMismatch: The room 'evolving' is of version 3 of the schema of 'todos'")
    assert "The server's file is the older one" in said
    assert "`partysync serve --party module:Class` again" in said


def test_a_cache_of_an_older_kernel_opens_in_the_newer_one(server, versions, start_kernel, tmp_path):
    """Without a server it shows the rows it had; with one it has the room's, and the edit made meanwhile."""
    cache = tmp_path / "cache"
    old = start_kernel(versions[0], cache=cache)
    fill(old)
    old.end()
    server.stop()
    offline = start_kernel(versions[1], cache=cache)
    offline.say("room.mutate('create', id='mine', text='offline').done()")
    assert offline.hear() is False
    assert offline.ask("[row['id'] for row in room.table('todos').records][:3]") == ["0", "1", "2"]
    offline.end()

    upgrade(server, versions[1])
    new = start_kernel(versions[1], cache=cache)

    assert new.ask("room.sync(8)") is None
    assert new.ask("room.pending") == 0
    assert new.ask(ROWS)[2:] == [["2", "t2", "soon"], ["mine", "offline", "some day"]]


def test_a_cache_of_a_kernel_that_copes_opens_in_another(server, versions, start_kernel, tmp_path):
    fill(start_kernel(versions[0]))
    upgrade(server, versions[1])
    for turn in range(2):
        old = start_kernel(versions[0], cache=tmp_path / "cache")
        assert old.ask(f"room.mutate('create', id='turn {turn}', text='x').result(8)") is None
        assert old.ask("room.sync(8)") is None
        old.end()
    server.stop()
    offline = start_kernel(versions[0], cache=tmp_path / "cache")
    rows = offline.ask(ROWS)

    assert rows[0] == ["0", "t0", "soon"]
    assert {"turn 0"} <= {row[0] for row in rows}


def test_a_server_killed_in_the_middle_of_a_migration_leaves_the_room_as_it_was(
    server, versions, start_kernel, pipe, wait_until
):
    """R9. Nothing of it is there; the old version opens the room, and so does the new one."""
    fill(start_kernel(versions[0]))
    server.stop()
    (file,) = server.files()
    before = dump(file)

    for _ in range(2):
        server._environment = knowing(versions[2], PIPE=str(pipe))
        server.start()
        waiting = start_kernel(versions[2])
        waiting.say("1")
        held = wait_until(lambda: hold(pipe), 20, "the middle of the migration")
        server.kill()
        os.close(held)
        waiting.end()
        assert dump(file) == before

    upgrade(server, versions[0])
    assert start_kernel(versions[0]).ask(ROWS) == [["0", "t0"], ["1", "t1"], ["2", "t2"]]
    upgrade(server, versions[2])
    assert start_kernel(versions[2]).ask(ROWS)[0] == ["0", "T0!", "soon"]


def test_a_slow_migration_holds_up_its_own_room_only(server, versions, start_kernel, pipe, wait_until):
    fill(start_kernel(versions[0]))
    upgrade(server, versions[2], PIPE=str(pipe))
    waiting = start_kernel(versions[2])
    waiting.say(ROWS)
    held = wait_until(lambda: hold(pipe), 20, "the middle of the migration")

    with ps.connect("another", url=server.url, token=server.token) as other:
        assert other.table("t", x=int).insert(x=1).result(8) is None
    os.close(held)

    assert waiting.hear()[0] == ["0", "T0!", "soon"]
