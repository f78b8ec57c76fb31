# ruff: noqa: E501, SIM105  # a corpus, one case a line
"""
A room's file that somebody else has made: it is refused with a sentence, or can do nothing that a room cannot.

R13. What a schema does by itself (triggers, views, checks, indexes) runs without functions that reach out.
"""

import sqlite3

import apsw
import pytest

from partysync_server.keeping import BadBackup, check
from partysync_server.ledger import Ledger
from partysync_widget.core import messages as m
from partysync_widget.core.errors import SchemaMismatch, StorageFailed
from partysync_widget.core.party import Main
from partysync_widget.core.store import Store
from tests.hostile.runaway import Runaway
from tests.server.stranger import sentence

SPEC = m.TableSpec("todos", (m.Column("text", "text"),))


@pytest.fixture
def file(tmp_path):
    """Of a room of the party main, with a row."""
    path = tmp_path / "room.db"
    ledger = Ledger(path, Main, "epoch", room="mine")
    ledger.begin()
    columns = [{"name": "text", "type": "text"}]
    ledger.decide("c", "o", m.Mutation(1, "create_table", {"name": "todos", "columns": columns}))
    ledger.decide("c", "o", m.Mutation(2, "insert", {"table": "todos", "id": "1", "values": {"text": "a"}}))
    ledger.seal()
    ledger.commit()
    ledger.close()
    return path


def crafted(path, *statements):
    """By another program, to which our rules mean nothing."""
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    connection.create_scalar_function("reach_out", lambda *_: None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return path


def test_a_good_file_is_taken(file):
    """Or what follows proves nothing."""
    assert check(file, "main", "another", rules=Main).version == 2


def no_file(path):
    path.unlink()
    path.mkdir()


BROKEN = {
    "nothing": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(b"\xff" * 10_000),
    "only a head": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "half of it": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "pages of zeros": lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)),
    "pages of noise": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096)),
    "its last page of noise": lambda path: path.write_bytes(path.read_bytes()[:-4096] + b"\xa5" * 4096),
    "a page of 3 bytes": lambda path: path.write_bytes(path.read_bytes()[:16] + b"\0\3" + path.read_bytes()[18:]),
    "a folder": no_file,
    "another program's": lambda path: (path.unlink(), sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close()),
    "no meta": lambda path: crafted(path, "DROP TABLE _partysync_meta"),
    "no party": lambda path: crafted(path, "DELETE FROM _partysync_meta WHERE key = 'party'"),
    "another party": lambda path: crafted(path, "UPDATE _partysync_meta SET value = 'zoo' WHERE key = 'party'"),
    "a later schema": lambda path: crafted(path, "UPDATE _partysync_meta SET value = 99 WHERE key = 'schema_version'"),
    "another schema": lambda path: crafted(path, "UPDATE _partysync_meta SET value = 'x' WHERE key = 'schema'"),
    "meta that is a view": lambda path: crafted(
        path,
        "ALTER TABLE _partysync_meta RENAME TO was",
        "CREATE VIEW _partysync_meta AS SELECT key, reach_out(value) AS value FROM was",
    ),
    "meta that never ends": lambda path: crafted(
        path,
        "ALTER TABLE _partysync_meta RENAME TO was",
        "CREATE VIEW _partysync_meta AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000) "
        "SELECT x AS key, x AS value FROM n",
    ),
    "no results": lambda path: crafted(path, "DROP TABLE _partysync_results"),
    "a virtual table": lambda path: crafted(path, "DROP TABLE _partysync_rows", "CREATE VIRTUAL TABLE _partysync_rows USING fts5(x)"),
}  # fmt: skip


@pytest.mark.parametrize("breaks", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_room_is_refused_with_a_sentence(file, breaks):
    breaks(file)

    with pytest.raises((BadBackup, SchemaMismatch, StorageFailed)) as refused:
        check(file, "main", "mine", rules=Main)

    assert sentence(str(refused.value).replace("Error", "")), refused.value


REACHING = {
    "a trigger": "CREATE TRIGGER evil AFTER INSERT ON todos BEGIN SELECT reach_out(NEW.text); END",
    "a trigger on ours": "CREATE TRIGGER evil AFTER INSERT ON _partysync_rows BEGIN SELECT reach_out(NEW.id); END",
    "a trigger that loads": "CREATE TRIGGER evil AFTER INSERT ON todos BEGIN SELECT load_extension('/tmp/evil'); END",
}


@pytest.mark.parametrize("statement", REACHING.values(), ids=REACHING)
def test_a_schema_calls_no_function_that_reaches_out(file, statement):
    """``trusted_schema`` is off on every connection of ours; a function that the process has registered is not called."""
    called = []
    connection = apsw.Connection(str(file))
    connection.create_scalar_function("reach_out", lambda *_: called.append(1), deterministic=True)
    connection.execute(statement)
    connection.close()
    file.with_name(f"{file.name}-witness").unlink()  # it would say that somebody else has written into the file
    called.clear()

    ledger = Ledger(file, Main, "later", room="mine")
    ledger.store.connection.create_scalar_function("reach_out", lambda *_: called.append(1), deterministic=True)
    ledger.begin()
    try:
        ledger.decide("c", "o", m.Mutation(3, "insert", {"table": "todos", "id": "2", "values": {"text": "b"}}))
    except (StorageFailed, apsw.Error):
        pass
    ledger.close()

    assert called == []


def test_every_connection_of_a_store_is_on_its_guard(file):
    store = Store.memory(Runaway)
    ledger = Ledger(file, Main, "later", room="mine")
    for connection in (store.connection, ledger.store.connection):
        assert connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1) == 1
        assert connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1) == 0
        assert connection.pragma("cell_size_check") == 1
        assert not connection.pragma("mmap_size")  # in memory there is none
        assert connection.limit(apsw.SQLITE_LIMIT_ATTACHED) == 0
    ledger.close()
