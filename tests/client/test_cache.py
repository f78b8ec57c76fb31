"""A cache: what outlives the kernel. Each kernel here is a process of its own."""

import json

import pytest

import partysync_widget as ps

KERNEL = """
import json, os, sys
import partysync_widget as ps

url, token, path, code = sys.argv[1:]
room = ps.connect("cached", url=url, token=token, cache=path, timeout=2)
exec(code)
sys.stdout.flush()
os._exit(0)  # as a kernel that is killed: nothing is closed, nothing is flushed
"""


@pytest.fixture
def kernel(lone_server, run_python, tmp_path):
    """Run code in a kernel that has the room in a cache, and is killed after it; what it printed."""

    def run(code, **how):
        return run_python(KERNEL, lone_server.url, lone_server.token, tmp_path / "cache" / "room.db", code, **how)

    return run


def test_the_room_opens_without_a_server_with_the_rows_it_had(kernel, lone_server):
    kernel("t = room.table('t', x=int)\nfor n in range(3): t.insert(id=str(n), x=n)\nroom.sync(8)")
    lone_server.stop()

    said = kernel("print(json.dumps(room.table('t').records)); print(room.status != 'live', room.trouble)")
    rows, trouble = said.splitlines()
    assert json.loads(rows) == [{"id": str(n), "x": n} for n in range(3)]
    assert trouble.startswith("True There is no room server at")


def test_edits_of_a_kernel_that_died_offline_arrive_once(kernel, lone_server, enter):
    """R5, R6."""
    kernel("room.table('t', x=int).insert(id='decided', x=0).result(8)")
    lone_server.stop()
    kernel("for n in range(5): room.table('t').insert(id=str(n), x=n)")
    kernel("room.table('t').update('decided', x=9); print(room.pending)")
    lone_server.start()
    kernel("room.sync(8); assert room.pending == 0")
    kernel("room.sync(8); assert room.pending == 0")

    room = enter("cached", at=lone_server)
    assert [(row["id"], row["x"]) for row in room.table("t").records] == [
        ("decided", 9),
        *((str(n), n) for n in range(5)),
    ]
    assert room.version == 8  # one table, seven edits


def test_a_kernel_killed_in_the_middle_of_edits_loses_none_of_them(kernel, lone_server, enter):
    """R5. What is in the outbox twice, or was decided and not noted, is made once."""
    kernel("room.table('t', x=int)")
    for turn in range(4):
        kernel(f"t = room.table('t')\nfor n in range(50): t.insert(id=f'{turn}-{{n}}', x=n)")
    kernel("room.sync(8)")

    rows = enter("cached", at=lone_server).table("t").records
    assert sorted(row["id"] for row in rows) == sorted(f"{turn}-{n}" for turn in range(4) for n in range(50))


def test_a_cache_is_one_kernels_at_a_time(server, enter, tmp_path):
    enter(cache=tmp_path / "c.db")

    with pytest.raises(ps.StorageFailed, match=r"The cache .*c.db is in use by the kernel with process id \d+"):
        enter(cache=tmp_path / "c.db")


def test_a_room_that_was_closed_can_be_entered_again_at_once(enter, tmp_path):
    """As when a cell is run twice."""
    for n in range(5):
        room = enter(cache=tmp_path / "c.db")
        room.table("t", x=int).insert(x=n).result(8)
        assert len(room.table("t")) == n + 1
        room.close()


def test_a_cache_is_one_rooms(enter, tmp_path):
    enter("one", cache=tmp_path / "c.db").close()

    for _ in range(2):  # and who is refused lets go of it
        with pytest.raises(ps.SchemaMismatch, match="This cache holds the room 'one' of party 'main', not 'two'"):
            enter("two", cache=tmp_path / "c.db")


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_cache_that_is_none_is_named(enter, tmp_path, content):
    (tmp_path / "c.db").write_bytes(content)

    with pytest.raises(ps.StorageFailed, match=r"The cache .*c.db cannot be opened: .* Use another path"):
        enter(cache=tmp_path / "c.db")


def test_a_cache_where_none_can_be_is_named(enter, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ps.StorageFailed, match=r"The cache .* cannot be opened"):
        enter(cache=tmp_path / "file" / "c.db")


def test_rows_that_cannot_be_read_are_sent_again(enter, tmp_path):
    room = enter(cache=tmp_path / "c.db")
    room.table("t", x=int).insert(id="1", x=1).result(8)
    room.close()
    (tmp_path / "c.db-rows").write_bytes(b"\xff" * 5000)
    again = enter(cache=tmp_path / "c.db")
    again.sync(8)

    assert again.table("t").records == [{"id": "1", "x": 1}]


def test_a_cache_that_is_new_and_no_server(enter, tmp_path, lone_server):
    """It opens, takes edits, and delivers them when there is a server."""
    lone_server.stop()
    room = enter("fresh", at=lone_server, cache=tmp_path / "c.db", timeout=1)
    receipt = room.table("t", x=int).insert(x=1)
    assert not receipt.done()
    lone_server.start()

    assert receipt.result(8) is None
