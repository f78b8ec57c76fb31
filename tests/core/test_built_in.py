"""The built-in mutators, as rooms and kernels run them."""

import pytest

from partysync_widget.core.built_in import BUILT_IN
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.messages import Column
from partysync_widget.core.party import ROW_MUTATORS, TABLE_MUTATORS, Main, Party, mutator
from partysync_widget.core.store import Store
from tests.stage import decide, rows_of


class Todos(Party):
    """With one mutator of its own."""

    schema = """CREATE TABLE todos (
        id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, done INTEGER, rank INTEGER NOT NULL DEFAULT 7
    ) STRICT"""
    types = {"todos": {"done": bool}}

    @mutator
    def finish(tx, id: str):
        tx.update("todos", id, done=True)
        return "well done"


@pytest.fixture
def store():
    store = Store.memory(Todos)
    decide(store, "insert", table="todos", id="1", values={"text": "a"})
    return store


def row(store, id="1"):
    return rows_of(store, "todos").get(id)


def test_what_is_built_in_is_what_a_party_may_name():
    assert BUILT_IN.keys() == {*ROW_MUTATORS, *TABLE_MUTATORS}
    assert all(each.__doc__ for each in BUILT_IN.values())


# --- insert ---------------------------------------------------------------------------------------------------------


def test_an_inserted_row_has_its_values_and_the_defaults_of_sql(store):
    assert row(store) == {"text": "a", "done": None, "rank": 7}


def test_the_id_is_the_argument_whatever_the_values_say(store):
    decide(store, "insert", table="todos", id="2", values={"id": "3", "text": "b"})

    assert row(store, "2")["text"] == "b"
    assert row(store, "3") is None


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        ({"id": "1", "values": {"text": "b"}}, "constraint", "row with this id"),
        ({"id": "", "values": {"text": "b"}}, "missing-value", "needs an id"),
        ({"id": "2", "values": {}}, "missing-value", "text must have a value"),
        ({"id": "2", "values": {"text": None}}, "missing-value", "text must have a value"),
        ({"id": "2", "values": {"text": float("nan")}}, "constraint", "text must have a value"),
        ({"id": "2", "values": {"text": "b", "done": "yes"}}, "bad-value", "done takes True or False"),
        ({"id": "2", "values": {"text": "b", "txt": "b"}}, "unknown-column", "txt"),
        ({"id": "2", "values": {"text": "b", "rank": None}}, "constraint", "rank must have a value"),
        ({"id": "a\0b", "values": {"text": "b"}}, "bad-value", "NUL"),
        ({"id": 2, "values": {}}, "bad-arguments", "id"),
        ({"id": "2"}, "bad-arguments", "values"),
        ({"id": "2", "values": {"text": "b"}, "table": "nothing"}, "unknown-table", "nothing"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_a_sentence(store, args, code, why):
    with pytest.raises(MutationRejected, match=why) as refused:
        decide(store, "insert", **{"table": "todos", **args})

    assert refused.value.code == code
    assert store.count("todos") == 1


# --- insert_rows ----------------------------------------------------------------------------------------------------


def test_many_rows_are_inserted_in_order(store):
    decide(
        store, "insert_rows", table="todos", columns=["done", "id", "text"], rows=[[True, "3", "c"], [None, "2", "b"]]
    )

    assert [(row[1], *row[2:]) for row in store.rows("todos")] == [
        ("1", "a", None, 7), ("3", "c", 1, 7), ("2", "b", None, 7),
    ]  # fmt: skip


def test_no_rows_are_no_change(store):
    decide(store, "insert_rows", table="todos", columns=["id", "text"], rows=[])

    assert store.touched(1) == {}


@pytest.mark.parametrize(
    ("columns", "rows", "code"),
    [
        (["id", "text"], [["2", "b"], ["3"]], "bad-arguments"),
        (["id", "text"], [["2", "b", "c"]], "bad-arguments"),
        (["text"], [["b"]], "bad-arguments"),
        (["id", "txt"], [["2", "b"]], "unknown-column"),
        (["id", "text"], [["2", "b"], ["", "c"]], "missing-value"),
        (["id", "text"], [["2", "b"], [None, "c"]], "missing-value"),
        (["id"], [["2"]], "missing-value"),
        (["id", "text"], [["2", 3]], "bad-value"),
        (["id", "text"], [["2", "b"], ["1", "c"]], "constraint"),
        (["id", "text"], [["2", "b"], ["2", "c"]], "constraint"),
        (["id", "text"], [["2", None]], "constraint"),
    ],
)
def test_all_of_the_rows_are_inserted_or_none(store, columns, rows, code):
    """R8."""
    with pytest.raises(MutationRejected) as refused:
        decide(store, "insert_rows", table="todos", columns=columns, rows=rows)

    assert refused.value.code == code
    assert store.count("todos") == 1


# --- update, upsert, delete -----------------------------------------------------------------------------------------


def test_an_update_changes_only_the_columns_it_names(store):
    decide(store, "update", table="todos", id="1", values={"done": True})

    assert row(store) == {"text": "a", "done": True, "rank": 7}


def test_an_update_may_say_the_id_again_and_empty_a_column(store):
    decide(store, "update", table="todos", id="1", values={"id": "1", "done": True})
    decide(store, "update", table="todos", id="1", values={"id": "1", "done": None})

    assert row(store)["done"] is None


def test_an_update_of_nothing_changes_nothing(store):
    decide(store, "update", table="todos", id="1", values={})

    assert store.touched(1) == {}


@pytest.mark.parametrize(
    ("id", "values", "code", "why"),
    [
        ("2", {"text": "b"}, "unknown-row", "no row '2' in todos"),
        ("2", {}, "unknown-row", "no row '2' in todos"),
        ("1", {"id": "2"}, "bad-arguments", "'1' cannot become '2'"),
        ("1", {"text": 5}, "bad-value", "text takes text"),
        ("1", {"text": None}, "constraint", "text must have a value"),
        ("1", {"txt": "b"}, "unknown-column", "txt"),
        ("", {"text": "b"}, "missing-value", "needs an id"),
    ],
)
def test_an_update_that_cannot_be_is_refused_with_a_sentence(store, id, values, code, why):
    with pytest.raises(MutationRejected, match=why) as refused:
        decide(store, "update", table="todos", id=id, values=values)

    assert refused.value.code == code
    assert row(store) == {"text": "a", "done": None, "rank": 7}


def test_an_upsert_inserts_what_is_not_there_and_changes_what_is(store):
    decide(store, "upsert", table="todos", id="1", values={"done": True})
    decide(store, "upsert", table="todos", id="2", values={"text": "b"})

    assert rows_of(store, "todos") == {
        "1": {"text": "a", "done": True, "rank": 7},
        "2": {"text": "b", "done": None, "rank": 7},
    }


def test_an_upsert_of_a_new_row_needs_what_an_insert_needs(store):
    with pytest.raises(MutationRejected, match="text must have a value"):
        decide(store, "upsert", table="todos", id="2", values={"done": True})


def test_deleting_twice_is_no_error(store):
    """Two people may delete it at once."""
    decide(store, "delete", table="todos", id="1")
    decide(store, "delete", table="todos", id="1")

    assert store.count("todos") == 0
    assert store.touched(2) == {}


# --- batch ----------------------------------------------------------------------------------------------------------


def test_a_batch_gives_the_result_of_each_step(store):
    steps = [
        ["insert", {"table": "todos", "id": "2", "values": {"text": "b"}}],
        ["finish", {"id": "2"}],
    ]

    assert decide(store, "batch", steps=steps) == [None, "well done"]
    assert row(store, "2")["done"] is True


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (["finish", {"id": "9"}], "unknown-row"),
        (["finish", {}], "bad-arguments"),
        (["nothing", {}], "unknown-mutator"),
        (["create_table", {"name": "t", "columns": []}], "unknown-mutator"),
        (["batch", {"steps": []}], "bad-arguments"),
    ],
)
def test_all_of_a_batch_is_kept_or_none(store, bad, code):
    """R8."""
    with pytest.raises(MutationRejected) as refused:
        decide(store, "batch", steps=[["delete", {"table": "todos", "id": "1"}], bad])

    assert refused.value.code == code
    assert row(store) == {"text": "a", "done": None, "rank": 7}


@pytest.mark.parametrize("steps", [[["insert"]], ["insert"], [["insert", {}, 1]], [[1, {}]]])
def test_a_batch_of_something_else_is_refused(store, steps):
    with pytest.raises(MutationRejected, match="steps") as refused:
        decide(store, "batch", steps=steps)

    assert refused.value.code == "bad-arguments"


# --- tables ---------------------------------------------------------------------------------------------------------


def test_a_table_is_made_and_grows():
    store = Store.memory(Main)

    decide(store, "create_table", name="todos", columns=[{"name": "text", "type": "text", "required": True}])
    decide(store, "add_column", table="todos", column={"name": "size", "type": "choice", "choices": ["S", "M"]})

    assert store.table("todos").spec.columns == (
        Column("text", "text", required=True),
        Column("size", "choice", choices=("S", "M")),
    )


@pytest.mark.parametrize(
    ("name", "columns", "code"),
    [
        ("x; DROP TABLE todos", [], "bad-name"),
        ("t", [{"name": "a", "type": "varchar"}], "bad-arguments"),
        ("t", [{"name": "a"}], "bad-arguments"),
        ("t", [{"name": 'a" TEXT); --', "type": "text"}], "bad-name"),
        ("t", [{"name": "a", "type": "integer", "default": "x"}], "bad-value"),
    ],
)
def test_a_table_that_cannot_be_is_refused(name, columns, code):
    """R13."""
    store = Store.memory(Main)

    with pytest.raises(MutationRejected) as refused:
        decide(store, "create_table", name=name, columns=columns)

    assert refused.value.code == code
    assert store.tables == {}


def test_a_party_of_its_own_takes_no_tables_unless_it_says_so(store):
    with pytest.raises(MutationRejected) as refused:
        decide(store, "create_table", name="t", columns=[])

    assert refused.value.code == "unknown-mutator"
