"""``tx``, as the mutators of a party use it."""

import datetime as dt

import pytest

from partysync_widget.core.columns import column
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.messages import TableSpec
from partysync_widget.core.party import Party
from partysync_widget.core.store import Store
from partysync_widget.core.transaction import Transaction


class Plants(Party):
    schema = """
        CREATE TABLE plants (
            id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, watered TEXT, notes TEXT, alive INTEGER, self TEXT,
            "table" TEXT
        ) STRICT;
    """
    types = {"plants": {"watered": dt.date, "notes": dict, "alive": bool}}


@pytest.fixture
def store():
    store = Store.memory(Plants)
    store.version = 1
    return store


@pytest.fixture
def tx(store):
    return Transaction(store, user="ada", guess=True)


def test_a_row_is_given_as_a_person_works_with_it(tx):
    tx.insert("plants", id="1", name="fern", watered=dt.date(2026, 11, 23), notes={"light": 3}, alive=True)

    assert tx.get("plants", "1") == {
        "id": "1", "name": "fern", "watered": dt.date(2026, 11, 23), "notes": {"light": 3}, "alive": True,
        "self": None, "table": None,
    }  # fmt: skip
    assert tx.get("plants", "2") is None


def test_columns_may_be_called_as_the_arguments_are(tx):
    tx.insert("plants", id="1", name="fern", self="a", table="b")
    tx.update("plants", "1", self="c", table="d")

    assert (tx.get("plants", "1")["self"], tx.get("plants", "1")["table"]) == ("c", "d")


def test_a_mutator_knows_who_made_it_and_whether_it_is_a_guess(store, tx):
    assert (tx.user, tx.guess) == ("ada", True)
    assert (Transaction(store).user, Transaction(store).guess) == ("", False)


def test_values_are_coerced_on_every_way_in(tx):
    """What the guess keeps is what the truth keeps."""
    tx.insert("plants", id="1", name="fern", watered="2026-11-23")
    tx.upsert("plants", id="1", watered=dt.datetime(2026, 11, 24))
    tx.upsert("plants", id="2", name="moss", alive=1)
    tx.insert_rows("plants", ["id", "name", "alive"], [["3", "reed", False]])

    assert tx.get("plants", "1")["watered"] == dt.date(2026, 11, 24)
    assert tx.get("plants", "2")["alive"] is True
    assert tx.get("plants", "3")["alive"] is False
    for call in (
        lambda: tx.insert("plants", id="4", name=4),
        lambda: tx.update("plants", "1", name=4),
        lambda: tx.upsert("plants", id="1", name=4),
        lambda: tx.insert_rows("plants", ["id", "name"], [["4", 4]]),
    ):
        with pytest.raises(MutationRejected, match="name takes text"):
            call()


@pytest.mark.parametrize("id", [5, b"1", None, True])
@pytest.mark.parametrize("method", ["insert", "upsert", "update"])
def test_an_id_is_text(tx, method, id):
    calls = {
        "insert": lambda: tx.insert("plants", id=id, name="x"),
        "upsert": lambda: tx.upsert("plants", id=id, name="x"),
        "update": lambda: tx.update("plants", id, name="x"),
    }

    with pytest.raises(MutationRejected) as refused:
        calls[method]()

    assert refused.value.code in {"bad-value", "missing-value"}


@pytest.mark.parametrize("method", ["insert", "upsert"])
def test_a_row_needs_an_id(tx, method):
    with pytest.raises(MutationRejected, match="needs an id"):
        getattr(tx, method)("plants", name="fern")


def test_sql_takes_values_and_gives_dicts(tx):
    assert tx.sql("INSERT INTO plants (id, name, watered) VALUES (?, ?, ?)", "1", "fern", dt.date(2026, 11, 23)) == []
    assert tx.sql("SELECT name, watered FROM plants") == [{"name": "fern", "watered": "2026-11-23"}]


def test_sql_is_guarded(tx):
    """R13."""
    with pytest.raises(MutationRejected) as refused:
        tx.sql("DROP TABLE plants")

    assert refused.value.code == "forbidden"


def test_a_deleted_row_is_gone_and_may_be_deleted_again(tx):
    tx.insert("plants", id="1", name="fern")

    tx.delete("plants", "1")
    tx.delete("plants", "1")

    assert tx.get("plants", "1") is None


@pytest.mark.parametrize("call", ["get", "delete", "update", "insert", "upsert", "insert_rows", "add_column"])
def test_a_table_that_is_not_there_is_refused_wherever_it_is_named(tx, call):
    """R13."""
    arguments = {"insert": [], "upsert": [], "insert_rows": [["id"], [["1"]]], "add_column": [column(str, name="c")]}
    values = {"id": "1"} if call in {"insert", "upsert"} else {}

    with pytest.raises(MutationRejected, match="It has: plants") as refused:
        getattr(tx, call)("plants; --", *arguments.get(call, ["1"]), **values)

    assert refused.value.code == "unknown-table"


def test_a_party_may_make_tables_in_its_own_mutators(tx, store):
    tx.create_table(TableSpec("pots", (column(int, name="litres"),)))
    tx.add_column("pots", column(str, name="colour"))

    assert store.table("pots").names == ["litres", "colour"]


def test_one_mutator_may_run_another(tx):
    tx.run("insert", {"table": "plants", "id": "1", "values": {"name": "fern"}})

    assert tx.get("plants", "1")["name"] == "fern"
    with pytest.raises(MutationRejected, match="insert\\("):
        tx.run("insert", {"table": "plants"})
