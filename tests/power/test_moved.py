"""
R9, R10: somebody removes, replaces or overwrites the file of a room that a real server has open, or damages it between.

From then on nothing is acknowledged, whoever is there is told in a sentence, no empty room takes its place, and the
other rooms go on.
"""

import os
import shutil
import subprocess
import sys
import time

import apsw
import pytest

import partysync_widget as ps
from tests.proof import note

pytestmark = pytest.mark.xdist_group("servers")  # one at a time: they look for free ports

SECONDS = 3.0  # to be told: a look once a second, on a machine with much to do


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("partysync_widget.connection.FIRST_DELAY", 0.05)
    monkeypatch.setattr("partysync_widget.connection.LAST_DELAY", 0.2)


@pytest.fixture
def room(lone_server, enter):
    """A room with a row, and another that must not suffer."""
    other = enter("other", at=lone_server).table("t", x=int)
    other.insert(id="1", x=1).result(8)
    room = enter("r", at=lone_server)
    room.table("t", x=int).insert(id="first", x=1).result(8)
    yield room
    if lone_server.process.poll() is None:
        other.insert(id="2", x=2).result(8)
    assert set(other) >= {"1"}


@pytest.fixture
def file(room, lone_server):
    (found,) = (each for each in lone_server.files() if each.name.startswith("r-"))
    return found


def rows_in(path):
    connection = apsw.Connection(str(path))
    try:
        return {id for (id,) in connection.execute("SELECT id FROM t").fetchall()}
    finally:
        connection.close()


def operate(server, *words, code=0):
    """Type ``partysync rooms …`` beside the server; what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "partysync_server", "rooms", *words, "--data", str(server.data), "--url", server.url],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PARTYSYNC_TOKEN": server.token},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def removed(file):
    file.unlink()


def moved_away(file):
    file.rename(file.with_name("elsewhere"))


def replaced(file):
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


def overwritten(file):
    file.write_bytes(b"\0" * file.stat().st_size)


def without_its_log(file):
    file.with_name(file.name + "-wal").unlink()


WAYS = [removed, moved_away, replaced, overwritten, without_its_log]


@pytest.mark.parametrize("how", WAYS)
def test_it_is_noticed_while_nobody_writes(room, file, how, lone_server, wait_until):
    began = time.monotonic()
    how(file)
    wait_until(lambda: "is stopped" in lone_server.log, SECONDS, "the stopping of the room")
    note(f"a file {how.__name__} under the server", seconds_until_noticed=round(time.monotonic() - began, 2))
    if how in (replaced, without_its_log):
        return  # it is opened again, and is what there is
    wait_until(lambda: file.name in room.trouble, what="the person being told")
    assert "partysync rooms restore" in room.trouble


@pytest.mark.parametrize("how", WAYS)
def test_nothing_is_acknowledged_that_is_not_there_afterwards(room, file, how, lone_server, wait_until):
    """R9: the very next turn looks before it is told."""
    receipts = [room.table("t").insert(id=f"before-{n}", x=n) for n in range(20)]
    how(file)
    receipts += [room.table("t").insert(id=f"after-{n}", x=n) for n in range(20)]
    wait_until(lambda: "is stopped" in lone_server.log, SECONDS, "the stopping of the room")
    if how in (replaced, without_its_log):  # it is opened again, and is what there is
        room.sync(8)
        rewound = "people have been told of version" in lone_server.log
        assert rewound is (how is replaced)
        assert rewound or {each.id for each in receipts} <= set(room.table("t"))
        return
    wait_until(lambda: file.name in room.trouble, what="the person being told")
    late = room.table("t").insert(id="late", x=1)
    accepted = {each.id for each in receipts if each.done()}
    if how is moved_away:  # what was acknowledged before is in the file that was moved, and no log waits for another
        wait_until(lambda: file.with_name(f"{file.name}-wal").stat().st_size == 0, what="the folding of the log")
    lone_server.kill()

    if how is moved_away:
        assert accepted | {"first"} <= rows_in(file.with_name("elsewhere"))
    assert not late.done()
    assert len(accepted) < 40
    assert file.exists() is (how is overwritten)


def test_a_file_that_comes_back_is_served_again(room, file, wait_until):
    moved_away(file)
    late = room.table("t").insert(id="late", x=2)
    wait_until(lambda: "is gone" in room.trouble, what="the person being told")
    assert not late.done()
    file.with_name("elsewhere").rename(file)

    assert late.result(8) is None
    assert set(room.table("t")) == {"first", "late"}


def test_who_comes_to_a_room_whose_file_is_gone_gets_no_empty_one(room, file, lone_server, enter, wait_until):
    """Also after the server was started again, and when nothing is left of it."""
    room.close()
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()
    wait_until(lambda: "is stopped" in lone_server.log, SECONDS, "the stopping of the room")
    with pytest.raises(ps.NotConnected, match="is gone: it was removed"):
        enter("r", at=lone_server, timeout=2)
    assert not file.exists()
    operate(lone_server, "delete", "main/r", "--yes")
    assert dict(enter("r", at=lone_server).table("t", x=int)) == {}


def test_a_room_whose_file_is_gone_is_restored(room, file, lone_server, enter, tmp_path):
    operate(lone_server, "backup", "main/r", str(tmp_path / "copy.db"))
    file.unlink()
    operate(lone_server, "restore", "main/r", str(tmp_path / "copy.db"), "--force")

    assert set(enter("r", at=lone_server).table("t")) == {"first"}


def test_a_damaged_room_is_not_served_and_is_said_once(room, file, lone_server, enter, tmp_path, wait_until):
    operate(lone_server, "backup", "main/r", str(tmp_path / "copy.db"))
    room.close()
    lone_server.stop()
    raw = bytearray(file.read_bytes())
    raw[-1000] ^= 1
    file.write_bytes(raw)
    lone_server.start()
    for _ in range(3):
        with pytest.raises(ps.NotConnected, match="is damaged"):
            enter("r", at=lone_server, timeout=1)
    assert lone_server.log.count("is not served") == 1
    assert file.read_bytes() == raw

    operate(lone_server, "restore", "main/r", str(tmp_path / "copy.db"), "--force")
    assert set(enter("r", at=lone_server).table("t")) == {"first"}


def test_no_backup_is_made_of_a_room_that_was_damaged_while_it_is_open(room, file, lone_server, tmp_path, wait_until):
    lone_server.restart()
    room.sync(8)
    status = file.stat()
    raw = bytearray(file.read_bytes())
    raw[-1000] ^= 1
    with file.open("r+b") as same:
        same.write(raw)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a disk does it, without a trace

    assert "is damaged" in operate(lone_server, "backup", "main/r", str(tmp_path / "copy.db"), code=1)
    assert not (tmp_path / "copy.db").exists()
    wait_until(lambda: "is damaged" in room.trouble, what="the person being told")


def test_a_rewound_room_is_announced(room, file, lone_server, wait_until):
    """R10: an old copy, put in its place while the server was stopped."""
    shutil.copy(file, file.with_name("old"))
    lone_server.stop()
    shutil.copy(file, file.with_name("old"))
    lone_server.start()
    room.table("t").insert(id="later", x=2).result(8)
    lone_server.stop()
    shutil.copy(file.with_name("old"), file)
    lone_server.start()

    wait_until(lambda: "later" not in room.table("t"), what="the reset")
    assert set(room.table("t")) == {"first"}
    assert "people have been told of version" in lone_server.log
