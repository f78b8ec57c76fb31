"""Rooms are backed up, restored and deleted while people are in them, by the command and a real server."""

import os
import subprocess
import sys
import threading

import apsw
import pytest

from partysync_server.rooms import room_path
from partysync_widget.core.errors import OutcomeUnknown
from tests.client.line import Line
from tests.server.stranger import sentence

ROWS = 400  # that are there before a backup: more pages than one step copies


@pytest.fixture
def command(lone_server):
    """Type ``partysync rooms …`` beside the server; what it printed, or the sentence with which it failed."""

    def type_it(*words, code=0, at=lone_server, asks=True):
        there = ["--url", at.url] if asks else []
        line = [sys.executable, "-m", "partysync_server", "rooms", words[0], "--data", str(at.data), *there, *words[1:]]
        secret = {**os.environ, "PARTYSYNC_TOKEN": at.token}  # and not where everybody sees it
        done = subprocess.run(list(map(str, line)), env=secret, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    return type_it


@pytest.fixture
def enter_here(enter, lone_server):
    """Enter the room ``kept`` of the server that is backed up; its table comes with it."""

    def come(name="kept", **how):
        room = enter(name, at=lone_server, **how)
        return room, room.table("todos", text=str, n=int)

    return come


@pytest.fixture
def file(lone_server):
    return room_path(lone_server.data / "rooms", "main", "kept")


def rows(path):
    """What a file holds, read by SQLite and nothing of ours."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        (table,) = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if "todos" in name
        ]
        return dict(connection.execute(f'SELECT id, n FROM "{table}"'))
    finally:
        connection.close()


def nothing_on_the_way(server):
    return not list(server.data.glob("rooms/.*")) and not list(server.data.glob("rooms/*/.*"))


def test_a_backup_is_a_prefix_of_history_though_four_write(lone_server, enter_here, command, tmp_path):
    """R1, R9. Each writes 0, 1, 2, …; so in any one version nobody has a hole."""
    _, todos = enter_here()
    todos.insert_many([{"id": f"old-{n}", "text": "x" * 4000, "n": n} for n in range(ROWS)])
    todos.insert(id="last", text="", n=0).result(8)
    stop, wrote = threading.Event(), [0, 0, 0, 0]
    tables = [enter_here(user=f"u{who}")[1] for who in range(4)]

    def write(who):
        while not stop.is_set():
            tables[who].insert(id=f"{who}:{wrote[who]}", text="y", n=wrote[who]).result(8)
            wrote[who] += 1

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for each in threads:
        each.start()
    try:
        before = list(wrote)
        said = command("backup", "main/kept", tmp_path / "copy.db")
        after = list(wrote)
    finally:
        stop.set()
        for each in threads:
            each.join()
    found = rows(tmp_path / "copy.db")

    assert "main/kept, version " in said
    assert sum(after) > sum(before), "nobody was held up for the whole of it"
    assert len([id for id in found if id.startswith("old-")]) == ROWS
    for who in range(4):
        mine = sorted(n for id, n in found.items() if id.startswith(f"{who}:"))
        assert mine == list(range(len(mine)))
        assert before[who] <= len(mine) <= after[who] + 1
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir() if "copy" in each.name) == ["copy.db"]
    assert nothing_on_the_way(lone_server)


def test_a_backup_replaces_no_file_unless_told(enter_here, command, tmp_path):
    enter_here()[1].insert(id="a", text="", n=1).result(8)
    target = tmp_path / "copy.db"
    target.write_text("mine")

    assert sentence(command("backup", "main/kept", target, code=1).removeprefix("partysync: ").strip())
    assert target.read_text() == "mine"
    command("backup", "main/kept", target, "--force")
    assert rows(target) == {"a": 1}


def test_who_is_in_a_room_that_is_restored_gets_what_was_restored(
    lone_server, enter_here, command, tmp_path, wait_until, file, request
):
    """R10, F20. Of an edit that was on its way nobody knows, and that is told; one never sent is made again."""
    ann, hers = enter_here(user="ann")
    bob, his = enter_here(user="bob")
    cut = Line(lone_server.port)
    request.addfinalizer(cut.close)
    cat, cats = enter_here(user="cat", url=cut.url)
    hers.insert(id="a", text="", n=1).result(8)
    command("backup", "main/kept", tmp_path / "copy.db")
    his.insert(id="late", text="", n=2).result(8)
    hers.update("a", n=3).result(8)
    ann.sync(8)
    bob.offline()
    wait_until(lambda: bob.status == "offline")
    waiting = his.insert(id="waiting", text="", n=4)

    cut.silence()
    sent = cats.insert(id="sent", text="", n=6)
    wait_until(lambda: any(each.tried for each in cat.connection.replica.pending), what="it is on its way")

    assert sentence(command("restore", "main/kept", tmp_path / "copy.db", code=1).removeprefix("partysync: ").strip())
    said = command("restore", "main/kept", tmp_path / "copy.db", "--force")
    cut.cut()
    with pytest.raises(OutcomeUnknown):
        sent.result(8)
    wait_until(lambda: dict_of(hers) == {"a": 1}, what="ann sees what was restored")
    bob.online()
    waiting.result(8)  # it was never sent, so it is made again
    hers.insert(id="new", text="", n=5).result(8)
    for room, table in ((ann, hers), (bob, his), (cat, cats)):
        wait_until(lambda table=table: dict_of(table) == {"a": 1, "waiting": 4, "new": 5}, what="both converge")
        assert room.pending == 0
    (kept,) = file.parent.glob("*.before-restore-*")
    assert str(kept) in said
    assert rows(kept) == {"a": 3, "late": 2}
    assert nothing_on_the_way(lone_server)


def dict_of(table):
    return {row["id"]: row["n"] for row in table.records}


def test_a_deleted_room_is_gone_and_whoever_was_in_it_is_told(lone_server, enter_here, command, file, wait_until):
    """E6."""
    ann, hers = enter_here()
    hers.insert(id="a", text="", n=1).result(8)
    link = ann.share("editor")

    assert "--yes" in command("delete", "main/kept", code=1)
    assert file.exists()
    command("delete", "main/kept", "--yes")
    wait_until(lambda: lone_server.sessions() == 0)
    assert "was deleted" in str(ann.trouble)
    wait_until(lambda: ann.status == "failed", what="not to come back")
    assert ann.connection.trouble.kind == "storage"
    assert not list(file.parent.glob(file.name + "*"))
    assert "no room" in command("delete", "main/kept", "--yes", code=1)
    _, again = enter_here()
    assert dict_of(again) == {}
    assert link.id not in {each.id for each in enter_here()[0].people()}


def test_the_list_says_what_there_is(lone_server, enter_here, command):
    room, todos = enter_here()
    todos.insert(id="a", text="", n=1).result(8)
    enter_here("other/room")[1].insert(id="a", text="", n=1).result(8)

    _, kept, other = command("list").splitlines()
    assert kept.split()[:2] == ["main/kept", str(room.version)]
    assert other.startswith("main/other/room ")
    lone_server.stop()
    before = {path: path.stat().st_mtime_ns for path in lone_server.files("*")}
    assert [line.split()[:2] for line in command("list", asks=False).splitlines()[1:]] == [
        line.split()[:2] for line in (kept, other)
    ]
    assert {path: path.stat().st_mtime_ns for path in lone_server.files("*")} == before


def bad(path, what, command, enter):
    """A file that is no backup of a room of the party ``main``."""
    match what:
        case "text":
            path.write_text("no database " * 1000)
        case "empty":
            path.touch()
        case "another program's":
            connection = apsw.Connection(str(path))
            connection.execute("CREATE TABLE birds (id)")
            connection.close()
        case "a link":
            command("backup", "main/kept", path.with_suffix(".real"))
            path.symlink_to(path.with_suffix(".real"))
        case "flipped":
            command("backup", "main/kept", path)
            content = bytearray(path.read_bytes())
            for place in range(4096, len(content), 4096):
                content[place : place + 8] = bytes(255 - byte for byte in content[place : place + 8])
            path.write_bytes(content)
        case "an index of fewer rows":  # each page is well-formed, so only the look at the whole finds it
            command("backup", "main/kept", path)
            connection = apsw.Connection(str(path))
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("CREATE INDEX by_n ON _partysync_clients (last_mid) WHERE last_mid < 0")
            connection.execute(
                "UPDATE sqlite_schema SET sql = replace(sql, 'last_mid < 0', 'last_mid > 0') WHERE name = 'by_n'"
            )
            connection.close()
        case "cut":
            command("backup", "main/kept", path)
            path.write_bytes(path.read_bytes()[:-8192])
        case "another party's" | "newer":
            command("backup", "main/kept", path)
            key, value = ("party", "todos") if what == "another party's" else ("schema_version", 99)
            connection = apsw.Connection(str(path))
            connection.execute("DELETE FROM _partysync_meta WHERE key = ?", (key,))
            connection.execute("INSERT INTO _partysync_meta (key, value) VALUES (?, ?)", (key, value))
            connection.close()
        case "not there":
            pass


@pytest.mark.parametrize("asks", [True, False], ids=["served", "alone"])
@pytest.mark.parametrize(
    "what",
    [
        "text",
        "empty",
        "another program's",
        "a link",
        "flipped",
        "an index of fewer rows",
        "cut",
        "another party's",
        "newer",
        "not there",
    ],
)
def test_a_file_that_is_no_room_leaves_the_room_as_it_is(lone_server, enter_here, command, tmp_path, file, what, asks):
    """R13."""
    room, todos = enter_here()
    todos.insert_many([{"id": str(n), "text": "x" * 500, "n": n} for n in range(50)])
    todos.insert(id="a", text="", n=1).result(8)
    bad(tmp_path / "bad.db", what, command, enter_here)
    if not asks:
        room.close()
        lone_server.stop()
        before = file.read_bytes()

    said = command("restore", "main/kept", tmp_path / "bad.db", "--force", code=1, asks=asks)

    assert sentence(said.removeprefix("partysync: ").strip()), said
    assert not list(file.parent.glob("*before*"))
    assert nothing_on_the_way(lone_server)
    if asks:
        todos.insert(id="b", text="", n=2).result(8)
        assert len(todos) == 52
    else:
        assert file.read_bytes() == before


def test_without_a_server_the_command_does_it_itself(lone_server, enter_here, command, tmp_path, file):
    room, todos = enter_here()
    todos.insert(id="a", text="", n=1).result(8)
    lone_server.kill()  # its last edit is in the log alone
    room.close()

    command("backup", "main/kept", tmp_path / "copy.db", asks=False)
    assert rows(tmp_path / "copy.db") == {"a": 1}
    command("restore", "main/other", tmp_path / "copy.db", asks=False)
    command("delete", "main/kept", "--yes", asks=False)
    assert not file.exists()
    lone_server.start()
    assert dict_of(enter_here("other")[1]) == {"a": 1}


def test_a_folder_that_a_server_has_is_left_to_it(enter_here, command, tmp_path):
    enter_here()[1].insert(id="a", text="", n=1).result(8)

    said = command("backup", "main/kept", tmp_path / "copy.db", asks=False, code=1)

    assert "--url and --token-file" in said


@pytest.mark.parametrize("point", ["link", "_forget_logs", "replace", "after"])
def test_a_crash_while_a_room_is_replaced_leaves_the_old_or_the_new(
    lone_server, enter_here, command, run_python, tmp_path, file, point
):
    """R9. The process dies at each step of the swap."""
    room, todos = enter_here()
    todos.insert(id="a", text="", n=1).result(8)
    command("backup", "main/kept", tmp_path / "copy.db")
    todos.insert(id="b", text="", n=2).result(8)
    lone_server.kill()  # what came last is in the log alone
    room.close()

    run_python(
        "import os, pathlib, sys\n"
        "from partysync_server import keeping\n"
        "die = lambda *args, **how: os._exit(9)\n"
        "point = sys.argv[3]\n"
        "if point == 'link': os.link = die\n"
        "elif point == '_forget_logs': keeping._forget_logs = die\n"
        "elif point == 'replace': pathlib.Path.replace = die\n"
        "keeping.put_in_place(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
        "os._exit(9)",
        tmp_path / "copy.db",
        file,
        point,
        code=9,
    )
    lone_server.start()

    assert dict_of(enter_here()[1]) == ({"a": 1} if point == "after" else {"a": 1, "b": 2})
