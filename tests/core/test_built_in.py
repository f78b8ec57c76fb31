"""The built-in mutators, as rooms and kernels run them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partysync_widget.core.built_in import BUILT_IN
from partysync_widget.core.codec import plain
from partysync_widget.core.columns import wire
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
    """B2."""
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
    """B2. Two people may delete it at once."""
    decide(store, "delete", table="todos", id="1")
    decide(store, "delete", table="todos", id="1")

    assert store.count("todos") == 0
    assert store.touched(2) == {}


# --- put_back -------------------------------------------------------------------------------------------------------


def put_back(store, *rows):
    return decide(store, "put_back", table="todos", rows=[list(row) for row in rows])


@pytest.fixture
def three(store):
    """Rows 1, 2, 3."""
    decide(store, "insert_rows", table="todos", columns=["id", "text"], rows=[["2", "b"], ["3", "c"]])
    return store


def test_an_update_is_taken_back(store):
    decide(store, "update", table="todos", id="1", values={"text": "b", "done": True})

    assert put_back(store, ("1", {"text": "a", "done": None}, {"text": "b", "done": True}, 1)) == 1
    assert row(store) == {"text": "a", "done": None, "rank": 7}


def test_an_insert_is_taken_back(store):
    decide(store, "insert", table="todos", id="2", values={"text": "b"})

    assert put_back(store, ("2", None, {"text": "b", "done": None}, None)) == 1
    assert list(rows_of(store, "todos")) == ["1"]


@pytest.mark.parametrize("id", ["1", "2", "3"])
def test_a_deleted_row_is_put_back_in_its_place(three, id):
    before = {row[1]: row for row in three.rows("todos")}
    decide(three, "delete", table="todos", id=id)

    assert put_back(three, (id, row_values(before[id]), None, before[id][0])) == 1
    assert {row[1]: row for row in three.rows("todos")} == before
    assert [row[1] for row in three.rows("todos")] == ["1", "2", "3"]


def row_values(row):
    return {"text": row[2], "done": row[3], "rank": row[4]}


def test_several_rows_are_put_back_as_one(three):
    """R8."""
    before = three.rows("todos")
    for id in ("2", "3", "1"):
        decide(three, "delete", table="todos", id=id)

    assert put_back(three, *((each[1], row_values(each), None, each[0]) for each in reversed(before))) == 3
    assert three.rows("todos") == before
    assert three.touched(three.version - 1) == {"todos": {"1", "2", "3"}}


def test_a_row_whose_place_is_taken_comes_after_the_others(three):
    decide(three, "delete", table="todos", id="3")
    decide(three, "insert", table="todos", id="4", values={"text": "in the place of 3"})

    assert put_back(three, ("3", {"text": "c"}, None, 3)) == 1
    assert [each[:2] for each in three.rows("todos")] == [(1, "1"), (2, "2"), (3, "4"), (4, "3")]


@pytest.mark.parametrize("position", [None, 0, -5, 2**52, 2**63 - 1, 2**80])
def test_a_row_without_a_place_that_can_be_comes_after_the_others(three, position):
    """R13: nobody moves the end of the order to where no row can follow."""
    decide(three, "delete", table="todos", id="2")

    assert put_back(three, ("2", {"text": "b"}, None, position)) == 1
    assert [each[:2] for each in three.rows("todos")] == [(1, "1"), (3, "3"), (4, "2")]


def test_what_is_put_back_keeps_the_id_it_is_named_by(three):
    decide(three, "delete", table="todos", id="2")
    put_back(three, ("2", {"id": "9", "text": "b"}, None, 2))
    put_back(three, ("1", {"id": "3", "text": "A"}, {"id": "1", "text": "a"}, 1))

    assert {id: each["text"] for id, each in rows_of(three, "todos").items()} == {"1": "A", "2": "b", "3": "c"}


def test_cells_that_somebody_else_has_written_since_stay(store):
    decide(store, "update", table="todos", id="1", values={"text": "b", "done": True})
    decide(store, "update", table="todos", id="1", values={"text": "theirs", "rank": 1})

    assert put_back(store, ("1", {"text": "a", "done": None}, {"text": "b", "done": True}, 1)) == 1
    assert row(store) == {"text": "theirs", "done": None, "rank": 1}


def test_a_new_row_that_somebody_else_has_written_to_stays(store):
    decide(store, "insert", table="todos", id="2", values={"text": "b"})
    decide(store, "update", table="todos", id="2", values={"done": True})

    with pytest.raises(MutationRejected):
        put_back(store, ("2", None, {"text": "b", "done": None}, None))
    assert row(store, "2")["done"] is True


def test_of_several_rows_those_that_are_as_they_were_left_are_put_back(three):
    for id in ("1", "2"):
        decide(three, "update", table="todos", id=id, values={"text": "mine"})
    decide(three, "update", table="todos", id="2", values={"text": "theirs"})

    rows = [("2", {"text": "b"}, {"text": "mine"}, 2), ("1", {"text": "a"}, {"text": "mine"}, 1)]
    assert put_back(three, *rows) == 1
    assert {id: each["text"] for id, each in rows_of(three, "todos").items()} == {"1": "a", "2": "theirs", "3": "c"}


def test_of_several_new_rows_one_that_somebody_else_has_written_to_stays(store):
    for id in ("2", "3"):
        decide(store, "insert", table="todos", id=id, values={"text": "mine"})
    decide(store, "update", table="todos", id="2", values={"done": True})

    rows = [(id, None, {"text": "mine", "done": None}, None) for id in ("3", "2")]
    assert put_back(store, *rows) == 1
    assert list(rows_of(store, "todos")) == ["1", "2"]


@pytest.mark.parametrize(
    ("why", "back"),
    [
        ("somebody wrote the cell", ("1", {"text": "z"}, {"text": "mine"}, 1)),
        ("the row of an update is gone", ("9", {"text": "z"}, {"text": "mine"}, 1)),
        ("the row of an insert is gone", ("9", None, {"text": "mine"}, 1)),
        ("the deleted row is there again", ("1", {"text": "z"}, None, 1)),
        ("there was no row before or after", ("9", None, None, 1)),
        ("there is a row where none was before or after", ("1", None, None, 1)),
        ("nothing was written", ("1", {}, {}, 1)),
        ("what was before is not said", ("1", {}, {"text": "a"}, 1)),
        ("another id is meant", ("1", None, {"id": "2", "text": "a"}, 1)),
    ],
)
def test_where_there_is_nothing_to_put_back_it_is_refused(store, why, back):
    with pytest.raises(MutationRejected, match="Somebody has changed it in todos since") as refused:
        put_back(store, back)

    assert refused.value.code == "changed-since"
    assert rows_of(store, "todos") == {"1": {"text": "a", "done": None, "rank": 7}}


def test_no_rows_to_put_back_are_no_change(store):
    assert put_back(store) == 0
    assert store.touched(store.version - 1) == {}


@pytest.mark.parametrize(
    ("table", "rows", "code"),
    [
        ("nothing", [["1", {}, {}, 1]], "unknown-table"),
        ("todos", [["1", {"text": "b"}, {"txt": "a"}, 1]], "unknown-column"),
        ("todos", [["1", {"txt": "b"}, {"text": "a"}, 1], ["9", {"txt": "b"}, None, 1]], "unknown-column"),
        ("todos", [["1", {"text": "b"}, {"text": 5}, 1]], "bad-value"),
        ("todos", [["1", {"text": 5}, {"text": "a"}, 1]], "bad-value"),
        ("todos", [["1", {"text": None}, {"text": "a"}, 1]], "constraint"),
        ("todos", [["1", {"text": "b"}, {"text": "a"}, 1], ["9", {"done": True}, None, 1]], "missing-value"),
        ("todos", [["1", {"text": "b"}, {"text": "a"}, 1], ["", {"text": "b"}, None, 1]], "missing-value"),
        ("todos", [["1", {"text": "b"}, {"text": "a"}]], "bad-arguments"),
        ("todos", [["1", {"text": "b"}, {"text": "a"}, 1, 1]], "bad-arguments"),
        ("todos", [["1", {"text": "b"}, {"text": "a"}, "first"]], "bad-arguments"),
        ("todos", [["1", {"text": "b"}, {"text": "a"}, 1.5]], "bad-arguments"),
        ("todos", [["1", ["text"], {"text": "a"}, 1]], "bad-arguments"),
        ("todos", [[1, None, None, 1]], "bad-arguments"),
        ("todos", ["1"], "bad-arguments"),
        ("todos", None, "bad-arguments"),
    ],
)
def test_what_cannot_be_put_back_is_refused_and_nothing_is(store, table, rows, code):
    """R8, R13."""
    with pytest.raises(MutationRejected) as refused:
        decide(store, "put_back", table=table, rows=rows)

    assert refused.value.code == code
    assert rows_of(store, "todos") == {"1": {"text": "a", "done": None, "rank": 7}}


def test_a_row_is_put_back_by_another_mutation_too(three):
    """``tx.put_back`` in a batch, after a step that makes it possible."""
    steps = [
        ["delete", {"table": "todos", "id": "2"}],
        ["put_back", {"table": "todos", "rows": [["2", {"text": "again"}, None, 2]]}],
    ]

    assert decide(three, "batch", steps=steps) == [None, 1]
    assert [(each[0], each[2]) for each in three.rows("todos")] == [(1, "a"), (2, "again"), (3, "c")]


KINDS = {
    "text": ["", "a", "\U0001f9eb 'quoted\""],
    "integer": [0, -(2**63), 2**63 - 1],
    "real": [0.0, -0.5, 1, 1e300],
    "boolean": [True, False],
    "json": [[], {"b": [1, 2.0, None], "a": {}}, "text", 7],
    "datetime": ["2026-11-23T04:05:06Z", "2026-11-23T04:05:06.000007+02:00"],
    "date": ["2026-11-23", "0001-01-01"],
    "bytes": [{"base64": ""}, {"base64": "AP8="}],
}
COLUMNS = [Column(kind, kind) for kind in KINDS]

values = st.fixed_dictionaries({}, optional={kind: st.sampled_from([None, *some]) for kind, some in KINDS.items()})


@st.composite
def edits(draw):
    """Edits, each some changes of rows that are then there, every row at most once."""
    there, made = ["r0", "r1", "r2"], []
    for n in range(draw(st.integers(1, 6))):
        changes = []
        free = list(there)
        for m in range(draw(st.integers(1, 3))):
            op = draw(st.sampled_from(["insert", "update", "delete"])) if free else "insert"
            if op == "insert":
                id = draw(st.sampled_from([f"n{n}{m}", *(f"r{i}" for i in range(3) if f"r{i}" not in there)]))
                if any(id == other for _, other, _ in changes):
                    continue
            else:
                id = free.pop(draw(st.integers(0, len(free) - 1)))
            changes.append((op, id, {} if op == "delete" else draw(values)))
        for op, id, _ in changes:
            there = [*there, id] if op == "insert" else [each for each in there if op != "delete" or each != id]
        made.append(changes)
    return made


def what_takes_it_back(store, changes):
    """As js/src/history.ts notes it: what the page saw before, and what it wrote."""
    rows = store.fetch("all", [id for _, id, _ in changes])
    back = []
    for op, id, written in changes:
        at = rows[id][0] if id in rows else None
        seen = {c.name: wire(c, value) for c, value in zip(COLUMNS, rows[id][2:], strict=True)} if id in rows else {}
        match op:
            case "insert":
                back.append((id, None, {**dict.fromkeys(KINDS), **written}, None))
            case "update" if written:
                back.append((id, {name: seen[name] for name in written}, written, at))
            case "delete":
                back.append((id, seen, None, at))
    return [list(each) for each in reversed(back)]


@settings(deadline=None)
@given(edits())
def test_whatever_one_person_does_and_takes_back_is_as_if_it_had_not_been(edits):
    """By position, too; on the way there and on the way back again."""
    store = Store.memory(Main)
    decide(store, "create_table", name="all", columns=[plain(column) for column in COLUMNS])
    for n in range(3):
        decide(store, "insert", table="all", id=f"r{n}", values={"integer": n})
    seen, undo = [store.rows("all")], []
    for changes in edits:
        undo.append(what_takes_it_back(store, changes))
        steps = [
            [op, {"table": "all", "id": id, **({} if op == "delete" else {"values": written})}]
            for op, id, written in changes
        ]
        decide(store, "batch", steps=steps)
        seen.append(store.rows("all"))

    for back, was in zip(reversed(undo), reversed(seen[:-1]), strict=True):
        decide(store, "put_back", table="all", rows=back)
        assert store.rows("all") == was
    store.close()


def test_what_is_put_back_is_the_same_for_everybody(stage):
    """R7: guess and truth, the place of the row included; R2: in one frame."""
    ada, bob = stage.enter("ada"), stage.enter("bob")
    ada.mutate("create_table", name="todos", columns=[{"name": "text", "type": "text"}])
    ada.mutate("insert_rows", table="todos", columns=["id", "text"], rows=[[f"r{n}", f"{n}"] for n in range(4)])
    stage.rest()
    ada.delete("r1")
    stage.rest()
    bob.update("r2", text="theirs")
    undone = ada.mutate("put_back", table="todos", rows=[["r1", {"text": "1"}, None, 2]])
    assert list(ada.rows()) == ["r0", "r1", "r2", "r3"]

    stage.rest()
    assert ada.outcome(undone) == 1
    assert bob.rows() == {"r0": {"text": "0"}, "r1": {"text": "1"}, "r2": {"text": "theirs"}, "r3": {"text": "3"}}
    assert list(bob.rows()) == ["r0", "r1", "r2", "r3"]
    stage.assert_agreed()


def test_what_somebody_changed_meanwhile_is_not_put_back_and_its_author_hears_so(stage):
    """R6."""
    ada, bob = stage.enter("ada"), stage.enter("bob")
    ada.mutate("create_table", name="todos", columns=[{"name": "text", "type": "text"}])
    ada.insert("r1", text="old")
    stage.rest()
    ada.update("r1", text="mine")
    stage.rest()
    bob.update("r1", text="theirs")
    bob.push()
    bob.carry_up()
    undone = ada.mutate("put_back", table="todos", rows=[["r1", {"text": "old"}, {"text": "mine"}, 1]])
    assert ada.rows() == {"r1": {"text": "old"}}

    stage.rest()
    assert ada.outcome(undone).code == "changed-since"
    assert ada.rows() == bob.rows() == {"r1": {"text": "theirs"}}
    stage.assert_agreed()


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
    """R8, B2."""
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
    """B3."""
    with pytest.raises(MutationRejected) as refused:
        decide(store, "create_table", name="t", columns=[])

    assert refused.value.code == "unknown-mutator"
