"""Rows that are deleted and kept, as a room's store has them, and a kernel's (V9)."""

import pytest

from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.messages import TableChange
from partysync_widget.core.party import Party, mutator
from partysync_widget.core.store import Store
from partysync_widget.core.transaction import Transaction

DAY = 86_400.0


class Notes(Party):
    """One table for each way to write the time, and one whose rows are not kept."""

    schema = """
        CREATE TABLE texts (id TEXT PRIMARY KEY NOT NULL, text TEXT UNIQUE, deleted_at TEXT) STRICT;
        CREATE TABLE numbers (
            id TEXT PRIMARY KEY NOT NULL, text TEXT, updated_at INTEGER, deleted_at INTEGER
        ) STRICT;
        CREATE TABLE plain (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT;
    """


KEPT = ["texts", "numbers"]


@pytest.fixture
def store():
    store = Store.memory(Notes)
    store.version = 1
    tx = Transaction(store)
    for table in (*KEPT, "plain"):
        tx.insert(table, id="a", text="a")
        tx.insert(table, id="b", text="b")
    store.version = 2
    return store


@pytest.fixture
def tx(store):
    return Transaction(store)


def told(store, since, table):
    """What a copy is told of a table."""
    return [(change.put, change.gone) for change in store.changes_since(since) if change.table == table]


@pytest.mark.parametrize("table", KEPT)
def test_a_row_that_is_deleted_is_kept_and_told_as_gone(store, tx, table):
    tx.delete(table, "a")

    assert tx.get(table, "a") is None
    assert store.execute(f"SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL").get == 1
    assert told(store, 1, table) == [([], ["a"])]
    tx.delete(table, "a")  # two people may delete it at once
    with pytest.raises(MutationRejected, match="a"):
        tx.update(table, "a", text="changed")


@pytest.mark.parametrize("table", KEPT)
def test_an_id_of_a_row_that_is_kept_may_be_used_again(store, tx, table):
    """By one row, by many, and by an upsert."""
    for id in ("a", "b"):
        tx.delete(table, id)
    tx.insert(table, id="a", text="new")
    tx.insert_rows(table, ["id", "text"], [["b", "newer"], ["c", "newest"]])

    assert [tx.get(table, id)["text"] for id in "abc"] == ["new", "newer", "newest"]
    assert store.execute(f"SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL").get == 0
    tx.delete(table, "c")
    tx.upsert(table, id="c", text="again")
    assert tx.get(table, "c")["text"] == "again"


@pytest.mark.parametrize("table", KEPT)
def test_an_id_of_a_row_that_is_there_may_not(tx, table):
    with pytest.raises(Exception, match="UNIQUE"):
        tx.insert(table, id="a", text="new")


def test_what_somebody_inserted_and_somebody_has_deleted_is_looked_up_for_an_undo(tx):
    """``put_back`` takes a row that is kept for one that is gone."""
    tx.delete("texts", "a")

    assert tx.put_back("texts", "a", {"text": "a"}, None, None)
    assert tx.get("texts", "a")["text"] == "a"


@pytest.mark.parametrize("table", KEPT)
def test_a_guess_deletes_the_row(store, table):
    """A copy keeps nothing: what it is told of is gone."""
    Transaction(store, guess=True).delete(table, "a")

    assert store.execute(f"SELECT count(*) FROM {table}").get == 1


class Marked(Notes):
    """Its mutator marks a row with SQL of its own."""

    @mutator
    def mark(tx, id: str):
        tx.sql("UPDATE texts SET deleted_at = CURRENT_TIMESTAMP WHERE id = ?", id)


@pytest.mark.parametrize(("guess", "kept"), [(True, 1), (False, 2)])
def test_what_a_guess_has_marked_is_not_seen_either(guess, kept):
    store = Store.memory(Marked)
    store.version = 1
    for id in "ab":
        store.run("insert", {"table": "texts", "id": id, "values": {"text": id}})
    store.version = 2
    store.run("mark", {"id": "a"}, guess=guess)

    assert store.execute("SELECT count(*) FROM texts").get == kept
    assert store.changes_since(1) == [TableChange("texts", ["text", "deleted_at"], [], ["a"])]


@pytest.mark.parametrize("table", KEPT)
def test_a_row_is_let_go_of_when_its_time_is_over(store, tx, table):
    assert not store.purge(DAY)
    tx.delete(table, "a")
    assert not store.purge(DAY)
    past = {"texts": "'2020-01-01 00:00:00'", "numbers": "1577836800"}[table]
    store.execute(f"UPDATE {table} SET deleted_at = {past} WHERE id = 'a'")

    assert store.purge(DAY)
    assert store.execute(f"SELECT count(*) FROM {table}").get == 1
    assert store.execute("SELECT count(*) FROM plain").get == 2
