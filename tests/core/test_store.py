"""Stores: every change is noted whatever SQL made it, and a frame is put as it is."""

import base64
import weakref

import apsw
import pytest

from partysync_widget.core.errors import MutationRejected, ProtocolError, StorageFailed
from partysync_widget.core.messages import Column, TableChange, TableSpec
from partysync_widget.core.party import Main, Party
from partysync_widget.core.store import Store
from tests.stage import Sql, decide

ID = "id TEXT PRIMARY KEY NOT NULL"
TODOS = TableSpec("todos", (Column("text", "text"), Column("done", "boolean")))


def stamps(store):
    """(table, id): version, negative for a tombstone."""
    names = {entry.key: name for name, entry in store.tables.items()}
    return {
        (names[key], id): -version if dead else version
        for key, id, version, dead in store.execute("SELECT tbl, id, version, dead FROM _partysync_rows")
    }


@pytest.fixture
def store():
    """A room's tables made in a notebook: ``todos``, with rows 1, 2, 3."""
    store = Store.memory(Main)
    store.create_table(TODOS)
    store.version = 1
    decide(store, "insert_rows", table="todos", columns=["id", "text"], rows=[["1", "a"], ["2", "b"], ["3", "c"]])
    return store


def everything(store):
    """All that is in the file."""
    tables = [name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]
    content = {name: store.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}
    return content, store.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()


# --- every change is noted ------------------------------------------------------------------------------------------

BEFORE = {("people", "ada"): 1, ("todos", "1"): 1, ("todos", "2"): 1}


@pytest.mark.parametrize(
    ("query", "noted"),
    [
        ("INSERT INTO todos (id) VALUES ('3')", {("todos", "3"): 2}),
        ("INSERT INTO todos (id) SELECT 'x' || id FROM todos", {("todos", "x1"): 2, ("todos", "x2"): 2}),
        ("INSERT OR IGNORE INTO todos (id) VALUES ('1'), ('3')", {("todos", "3"): 2}),
        ("INSERT OR REPLACE INTO todos (id) VALUES ('1')", {("todos", "1"): 2}),
        ("REPLACE INTO people (id, name) VALUES ('eve', 'Ada')",
         {("people", "eve"): 2, ("people", "ada"): -2, ("todos", "1"): -2, ("todos", "2"): -2}),
        ("INSERT INTO todos (id, who) VALUES ('1', 'ada') ON CONFLICT (id) DO UPDATE SET who = NULL",
         {("todos", "1"): 2}),
        ("INSERT INTO todos (id) VALUES ('1') ON CONFLICT DO NOTHING", {}),
        ("UPDATE todos SET who = NULL WHERE id = '1'", {("todos", "1"): 2}),
        ("UPDATE todos SET who = who", {("todos", "1"): 2, ("todos", "2"): 2}),
        ("UPDATE todos SET text = 'z' WHERE id = '1'", {("todos", "1"): 2, ("log", "1"): 2}),
        ("UPDATE todos SET id = '9' WHERE id = '1'", {("todos", "1"): -2, ("todos", "9"): 2}),
        ("UPDATE OR REPLACE todos SET id = '2' WHERE id = '1'", {("todos", "1"): -2, ("todos", "2"): 2}),
        ("UPDATE OR IGNORE todos SET id = '2' WHERE id = '1'", {}),
        ("UPDATE todos SET id = 'x' || id",
         {("todos", "1"): -2, ("todos", "2"): -2, ("todos", "x1"): 2, ("todos", "x2"): 2}),
        ("UPDATE todos SET rowid = 77 WHERE id = '1'", {("todos", "1"): 2}),
        ("UPDATE todos SET text = 'z' WHERE id = 'nobody'", {}),
        ("DELETE FROM todos WHERE id = '1'", {("todos", "1"): -2}),
        ("DELETE FROM todos", {("todos", "1"): -2, ("todos", "2"): -2}),
        ("DELETE FROM people", {("people", "ada"): -2, ("todos", "1"): -2, ("todos", "2"): -2}),
        ("UPDATE people SET id = 'eve'",
         {("people", "ada"): -2, ("people", "eve"): 2, ("todos", "1"): 2, ("todos", "2"): 2}),
        (["DELETE FROM todos WHERE id = '1'", "INSERT INTO todos (id) VALUES ('1')"], {("todos", "1"): 2}),
        (["INSERT INTO todos (id) VALUES ('3')", "DELETE FROM todos WHERE id = '3'"], {("todos", "3"): -2}),
        ("WITH n (x) AS (SELECT '7') INSERT INTO todos (id) SELECT x FROM n RETURNING id", {("todos", "7"): 2}),
        ("UPDATE todos SET who = NULL FROM people WHERE people.id = todos.who", {("todos", "1"): 2, ("todos", "2"): 2}),
        ("SELECT * FROM todos", {}),
    ],
)  # fmt: skip
def test_whatever_sql_changes_a_row_the_change_is_noted(sql, query, noted):
    decide(sql, "run_sql", query=query)

    assert stamps(sql) == BEFORE | noted
    assert {table: {id for name, id in noted if name == table} for table, _ in noted} == sql.touched(1)


def test_what_is_rejected_leaves_no_note(sql):
    with pytest.raises(MutationRejected):
        decide(
            sql, "run_sql", query=["UPDATE todos SET text = 'z'", "INSERT INTO todos (id, who) VALUES ('9', 'nobody')"]
        )

    assert stamps(sql) == BEFORE
    assert sql.fetch("todos", ["1"])["1"][2] == "a"


def test_a_table_that_was_just_made_is_noted_like_any_other(store):
    decide(store, "create_table", name="more", columns=[])
    decide(store, "insert", table="more", id="1", values={})

    assert store.touched(3) == {"more": {"1"}}
    assert [spec.name for spec in store.schema_since(2)] == ["more"]
    assert store.schema_since(3) == []


# --- the net change -------------------------------------------------------------------------------------------------


def change_of(store, since):
    return [(each.table, [row[1] for row in each.put], each.gone) for each in store.changes_since(since)]


def test_the_net_change_is_each_row_once_as_it_is_now(store):
    """R4."""
    decide(store, "update", table="todos", id="2", values={"text": "B"})
    decide(store, "update", table="todos", id="2", values={"text": "BB"})
    decide(store, "delete", table="todos", id="1")
    decide(store, "insert", table="todos", id="4", values={"text": "d"})
    decide(store, "delete", table="todos", id="4")

    (change,) = store.changes_since(2)
    assert (change.table, change.columns) == ("todos", ["text", "done"])
    assert change.put == [(2, "2", "BB", None)]
    assert sorted(change.gone) == ["1", "4"]


def test_the_net_change_comes_in_the_order_of_the_changes(store):
    decide(store, "update", table="todos", id="3", values={"done": True})
    decide(store, "update", table="todos", id="1", values={"done": True})

    assert change_of(store, 2) == [("todos", ["3", "1"], [])]


def test_there_is_no_net_change_from_now(store):
    assert store.changes_since(store.version) == []
    assert store.touched(store.version) == {}


def test_a_row_deleted_and_made_again_is_here(store):
    """R4. A tombstone does not outlive the row's return."""
    decide(store, "delete", table="todos", id="1")
    decide(store, "insert", table="todos", id="1", values={"text": "again"})

    assert change_of(store, 2) == [("todos", ["1"], [])]


@pytest.mark.parametrize(
    "name",
    [
        "x FROM y",
        "FROM",
        "t.rowid",
        "? --",
        "{}",
    ],
)
def test_a_column_may_be_called_as_a_word_of_sql(name):
    """R13. Or one ``create_table`` from any notebook would end the room for everybody."""
    store = Store.memory(Main)
    decide(store, "create_table", name="todos", columns=[{"name": name, "type": "text"}])
    decide(store, "insert", table="todos", id="1", values={name: "a"})
    decide(store, "update", table="todos", id="1", values={name: "b"})

    assert [change.put for change in store.changes_since(0)] == [[(1, "1", "b")]]


def test_rows_come_in_the_order_of_insertion(store):
    """V2. Also after an update; a row that was replaced is a new one."""
    decide(store, "insert", table="todos", id="0", values={})
    decide(store, "update", table="todos", id="1", values={"text": "z"})
    decide(store, "delete", table="todos", id="2")
    decide(store, "insert", table="todos", id="2", values={})

    assert [row[1] for row in store.rows("todos")] == ["1", "3", "0", "2"]


def test_rows_are_read_in_pieces(store):
    first = store.rows("todos", most=2)
    rest = store.rows("todos", after=first[-1][0], most=2)

    assert [row[1] for row in first] == ["1", "2"]
    assert [row[1] for row in rest] == ["3"]
    assert store.rows("todos", after=rest[-1][0]) == []
    assert store.count("todos") == 3


def test_fetching_gives_the_rows_that_are_there(store):
    assert store.fetch("todos", ["3", "nobody", "1"]) == {"3": (3, "3", "c", None), "1": (1, "1", "a", None)}


def test_an_index_of_ours_makes_sorting_quick_and_is_found_again(store):
    query = "SELECT id FROM todos AS t ORDER BY t.text COLLATE NOCASE, t.rowid"
    before = (everything(store)[0], store.touched(0))

    assert not store.has_index('by "text"')
    store.make_index('by "text"', "todos", '"text" COLLATE NOCASE')
    assert store.has_index('by "text"')
    assert not store.has_index("todos")
    (plan,) = store.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert 'INDEX by "text"' in plan[-1]
    assert (everything(store)[0], store.touched(0)) == before


# --- looking things up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nothing", "todos; DROP TABLE todos", "_partysync_meta", "sqlite_schema", "TODOS", "", None, []]
)
def test_a_table_that_is_not_there_is_refused_with_those_that_are(store, name):
    """R13."""
    for look in (store.table, store.count, store.rows, lambda name: store.fetch(name, ["1"])):
        with pytest.raises(MutationRejected, match="It has: todos") as refused:
            look(name)
        assert refused.value.code == "unknown-table"


def test_a_room_without_tables_says_so():
    with pytest.raises(MutationRejected, match="It has: none yet"):
        Store.memory(Main).table("todos")


@pytest.mark.parametrize("name", ["nothing", "text = 'x' --", "TEXT", "rowid", ""])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(store, name):
    """R13."""
    with pytest.raises(MutationRejected, match="It has: id, text, done") as refused:
        decide(store, "update", table="todos", id="1", values={name: "x"})

    assert refused.value.code == "unknown-column"


@pytest.mark.parametrize("name", ["nothing", "create_table", "__init__", ""])
def test_a_mutator_that_the_party_does_not_have_is_refused_with_those_that_it_has(sql, name):
    with pytest.raises(MutationRejected, match="It has: run_sql, returns, raises, insert") as refused:
        decide(sql, name)

    assert refused.value.code == "unknown-mutator"


# --- running a mutator ----------------------------------------------------------------------------------------------


def test_what_a_mutator_returns_is_plain_data(sql):
    assert decide(sql, "returns", what="a value") == {"a": [1]}
    assert decide(sql, "returns", what="a set") == [1]


@pytest.mark.parametrize(("what", "code"), [("nan", "bad-value"), ("an object", "mutator-raised")])
def test_what_a_mutator_returns_must_be_able_to_travel(sql, what, code):
    with pytest.raises(MutationRejected) as refused:
        decide(sql, "returns", what=what)

    assert refused.value.code == code


@pytest.mark.parametrize("what", ["ValueError", "KeyError", "MemoryError"])
def test_a_mutator_that_raises_is_rejected_with_what_it_said_and_nothing_is_kept(sql, what):
    """R6."""
    with pytest.raises(MutationRejected, match=f"raises raised {what}: .*of its own") as refused:
        decide(sql, "raises", what=what)

    assert refused.value.code == "mutator-raised"
    assert sql.count("log") == 0


def test_an_interrupt_is_no_rejection(sql, monkeypatch):
    monkeypatch.setattr(Sql.mutators["returns"], "function", interrupted)

    with pytest.raises(KeyboardInterrupt):
        sql.run("returns", {"what": "a value"})


def interrupted(tx, what):
    raise KeyboardInterrupt


def test_memory_that_is_not_there_rejects_whoever_asked_for_it(sql, monkeypatch):
    """R6. A second try would end the same, and take the room from everybody."""

    def wants_too_much(tx, what):
        raise apsw.NoMemError

    monkeypatch.setattr(Sql.mutators["returns"], "function", wants_too_much)

    with pytest.raises(MutationRejected, match="returns was stopped, because its SQL needs more memory") as refused:
        sql.run("returns", {"what": "a value"})
    assert refused.value.code == "too-large"


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.BusyError])
def test_what_the_disk_did_is_never_a_rejection(sql, monkeypatch, error):
    """R9. Some of them roll the whole transaction back: nothing is known of it then."""

    def fails(tx, what):
        raise error("the disk")

    monkeypatch.setattr(Sql.mutators["returns"], "function", fails)

    with pytest.raises(StorageFailed, match="while returns ran: the disk"):
        sql.run("returns", {"what": "a value"})


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("INSERT INTO todos (id) VALUES ('1')", "There is a row with this id"),
        ("INSERT INTO todos (id, who) VALUES ('9', 'nobody')", "is missing"),
        ("INSERT INTO nobody VALUES (1)", "no such table"),
        ("SELEC", "syntax error"),
        ("SELECT ?", "bindings"),
    ],
)
def test_what_sqlite_refuses_of_a_mutator_is_explained(sql, query, why):
    with pytest.raises(MutationRejected, match=why):
        decide(sql, "run_sql", query=query)


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO log (id, n) VALUES ('1', 9223372036854775807 + 1)",
        "CREATE TABLE x (id TEXT)",
    ],
)
def test_sql_that_overflows_or_declares_is_refused(sql, query):
    with pytest.raises(MutationRejected):
        decide(sql, "run_sql", query=query)


@pytest.mark.parametrize("query", ["UPDATE sizes SET size = 9e999", "UPDATE sizes SET size = -9e999"])
def test_what_no_frame_can_carry_is_refused_of_a_partys_own_sql(query):
    party = type("Sizes", (Sql,), {"schema": f"CREATE TABLE sizes ({ID}, size REAL) STRICT"})
    store = Store.memory(party)
    decide(store, "insert", table="sizes", id="1", values={"size": 1.5})

    with pytest.raises(MutationRejected, match="inf") as refused:
        decide(store, "run_sql", query=query)

    assert refused.value.code == "bad-value"
    assert store.fetch("sizes", ["1"])["1"][2] == 1.5


def test_text_that_is_no_utf8_is_refused_of_a_partys_own_sql(sql):
    with pytest.raises(MutationRejected, match="utf-8"):
        decide(sql, "run_sql", query="UPDATE todos SET text = CAST(X'FF' AS TEXT)")

    assert sql.fetch("todos", ["1"])["1"][2] == "a"


@pytest.mark.parametrize(
    "schema",
    [
        f"CREATE TABLE sizes ({ID}, size REAL, twice REAL DEFAULT 9e999) STRICT",
        f"""CREATE TABLE sizes ({ID}, size REAL, twice REAL) STRICT;
            CREATE TRIGGER grow AFTER INSERT ON sizes BEGIN UPDATE sizes SET twice = 1e308 * 10; END""",
    ],
    ids=["a default", "a trigger"],
)
def test_what_no_frame_can_carry_is_refused_of_a_schemas_defaults_and_triggers(schema):
    """JSON would carry it as null, and the replicas would differ from the room."""
    store = Store.memory(type("Sizes", (Party,), {"schema": schema}))

    with pytest.raises(MutationRejected, match="inf"):
        decide(store, "insert", table="sizes", id="1", values={"size": 1.0})


# --- tables ---------------------------------------------------------------------------------------------------------


def test_making_a_table_that_is_there_the_same_does_nothing(store):
    before = everything(store)

    store.create_table(TODOS)

    assert everything(store) == before


@pytest.mark.parametrize(
    ("name", "columns"), [("todos", ()), ("TODOS", TODOS.columns), ("todos", (*TODOS.columns, Column("n", "integer")))]
)
def test_a_table_that_is_there_and_different_is_refused_with_what_it_has(store, name, columns):
    with pytest.raises(MutationRejected, match="text text, done boolean") as refused:
        store.create_table(TableSpec(name, columns))

    assert refused.value.code == "table-exists"


def test_a_table_whose_name_is_sql_is_not_made(store):
    """R13."""
    before = everything(store)

    with pytest.raises(MutationRejected):
        store.create_table(TableSpec("x (id TEXT); DROP TABLE todos; --", ()))

    assert everything(store) == before


def test_a_column_is_added_with_its_default_and_every_row_is_noted(store):
    """No trigger fires for ALTER TABLE; R4 asks for the rows all the same."""
    decide(store, "delete", table="todos", id="3")
    decide(store, "add_column", table="todos", column={"name": "n", "type": "integer", "default": 7, "required": True})

    assert [row[2:] for row in store.rows("todos")] == [("a", None, 7), ("b", None, 7)]
    assert change_of(store, store.version - 1) == [("todos", ["1", "2"], [])]
    assert [spec.name for spec in store.schema_since(store.version - 1)] == ["todos"]


def test_a_column_without_a_default_touches_no_row(store):
    decide(store, "add_column", table="todos", column={"name": "n", "type": "integer"})

    assert [row[2:] for row in store.rows("todos")] == [("a", None, None), ("b", None, None), ("c", None, None)]
    assert change_of(store, store.version - 1) == []
    assert store.table("todos").names == ["text", "done", "n"]


def test_a_column_that_is_there_the_same_is_not_added_again(store):
    before = everything(store)

    store.add_column("todos", Column("done", "boolean"))

    assert everything(store) == before


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (Column("done", "text"), "bad-name"),
        (Column("DONE", "boolean"), "bad-name"),
        (Column('a" TEXT); DROP TABLE todos; --', "text"), "bad-name"),
        (Column("n", "integer", required=True), "missing-value"),
        (Column("c", "choice"), "bad-value"),
    ],
)
def test_a_column_that_cannot_be_is_not_added(store, column, code):
    before = everything(store)

    with pytest.raises(MutationRejected) as refused:
        store.add_column("todos", column)

    assert refused.value.code == code
    assert everything(store) == before


def test_a_required_column_may_be_added_while_there_are_no_rows(store):
    store.execute("DELETE FROM todos")

    store.add_column("todos", Column("n", "integer", required=True))

    assert store.table("todos").names == ["text", "done", "n"]


def test_a_rejected_table_is_forgotten_with_its_savepoint(store):
    store.savepoint("mutation")
    store.create_table(TableSpec("more", ()))
    assert list(store.tables) == ["todos", "more"]

    store.undo("mutation")

    assert list(store.tables) == ["todos"]
    store.release("mutation")


def test_a_rejected_column_is_forgotten_with_its_savepoint(store):
    assert store.table("todos").names == ["text", "done"]
    store.version += 1
    store.savepoint("mutation")
    store.add_column("todos", Column("n", "integer"))
    assert store.table("todos").names == ["text", "done", "n"]

    store.undo("mutation")

    assert store.table("todos").names == ["text", "done"]
    store.release("mutation")


def test_a_rollback_before_anybody_looked_is_fine():
    store = Store.memory(Main)
    store.savepoint("whole")
    store.create_table(TODOS)

    store.rollback()

    assert store.tables == {}
    assert not store.connection.in_transaction


# --- frames from the room -------------------------------------------------------------------------------------------


def test_rows_of_a_frame_are_put_as_they_are(store):
    """V1."""
    store.apply([TableChange("todos", ["done", "text"], [[2, "2", 1, "B"], [9, "9", 0, "z"]], ["1", "nobody"])])

    assert store.rows("todos") == [(2, "2", "B", 1), (3, "3", "c", None), (9, "9", "z", 0)]


def test_rows_of_a_frame_may_change_places(store):
    store.apply([TableChange("todos", ["text"], [[2, "1", "a"], [1, "2", "b"]])])

    assert [row[:2] for row in store.rows("todos")] == [(1, "2"), (2, "1"), (3, "3")]


def test_rows_of_a_frame_may_change_what_must_differ_between_them(sql):
    """Each put takes away whoever has its value now; they are in the same frame, or gone."""
    decide(sql, "run_sql", query="INSERT INTO people VALUES ('bob', 'Bob'), ('eve', 'Eve')")

    sql.apply([TableChange("people", ["name"], [[1, "ada", "Bob"], [3, "eve", "Ada"], [2, "bob", "Eve"]])])

    assert sql.rows("people") == [(1, "ada", "Bob"), (2, "bob", "Eve"), (3, "eve", "Ada")]


@pytest.mark.parametrize("building", [False, True])
def test_a_part_may_bring_again_what_an_earlier_part_has_brought(building):
    """R4. Parts are read at different versions: between two a row may have changed, moved, or taken another's place."""
    store = Store.memory(Main)
    store.create_table(TODOS)
    store.savepoint("building")
    first = [[1, "1", "a"], [2, "2", "b"], [3, "3", "c"]]
    store.apply([TableChange("todos", ["text"], first)], building=building)
    store.apply([TableChange("todos", ["text"], [[4, "4", "d"], [2, "2", "B"], [9, "3", "c"]])], building=building)
    store.apply([TableChange("todos", ["text"], [[5, "5", "e"]], ["4"])], building=building)
    store.release("building")

    assert [row[:3] for row in store.rows("todos")] == [(1, "1", "a"), (2, "2", "B"), (5, "5", "e"), (9, "3", "c")]
    assert stamps(store) == {}


def test_a_row_of_a_frame_without_a_column_gets_its_default(store):
    """An older side does not know the new column."""
    store.add_column("todos", Column("n", "integer", default=7))

    store.apply([TableChange("todos", ["text"], [[4, "4", "d"]])])

    assert store.fetch("todos", ["4"])["4"] == (4, "4", "d", None, 7)


def test_a_frame_sets_off_no_trigger_and_no_foreign_key(sql):
    """Their effects are in the frame too, or they did not happen in the room."""
    before = stamps(sql)

    sql.apply(
        [
            TableChange("todos", ["text", "who"], [[1, "1", "z", "nobody"]]),
            TableChange("people", ["name"], [], ["ada"]),
        ]
    )

    assert sql.rows("log") == []
    assert sql.rows("todos") == [(1, "1", "z", "nobody"), (2, "2", "b", "ada")]
    assert stamps(sql) == before


def test_triggers_and_foreign_keys_act_again_after_a_frame(sql):
    sql.apply([TableChange("todos", ["text"], [[3, "3", "c"]])])
    with pytest.raises(ProtocolError):
        sql.apply([TableChange("nothing", [], [[1, "1"]])])

    decide(sql, "run_sql", query="DELETE FROM people")

    assert sql.touched(1) == {"people": {"ada"}, "todos": {"1", "2"}}


def test_bytes_travel_in_a_row_as_base64_and_as_they_are():
    store = Store.memory(Main)
    store.create_table(TableSpec("files", (Column("raw", "bytes"), Column("name", "text"))))
    text = base64.b64encode(b"\0\xff").decode()

    store.apply(
        [TableChange("files", ["raw", "name"], [[1, "1", text, text], [2, "2", b"\0\xff", "b"], [3, "3", None, "c"]])]
    )

    assert [row[2:] for row in store.rows("files")] == [(b"\0\xff", text), (b"\0\xff", "b"), (None, "c")]


@pytest.mark.parametrize(
    "change",
    [
        TableChange("nothing", ["text"], [[1, "1", "a"]]),
        TableChange("todos", ["nothing"], [[1, "1", "a"]]),
        TableChange("todos", ["text"], [[1, "1"]]),
        TableChange("todos", ["text"], [[1, "1", "a", "more"]]),
        TableChange("todos", ["text"], [["x", "1", "a"]]),
        TableChange("todos", ["text"], [[1, None, "a"]]),
        TableChange("todos", ["done"], [[1, "1", "x"]]),
        TableChange("todos", ["text"], [[1, "1", {"a": 1}]]),
        TableChange("todos", ["text"], [[2**70, "1", "a"]]),
        TableChange("todos", ["done"], [[1, "1", 7]]),
        TableChange("todos", ["text"], [], [{}]),
    ],
    ids=[
        "table",
        "column",
        "too few",
        "too many",
        "position",
        "id",
        "type",
        "a map",
        "a large position",
        "check",
        "gone",
    ],
)
@pytest.mark.parametrize("building", [False, True])
def test_a_frame_that_does_not_fit_is_an_error_of_the_protocol(store, change, building):
    with pytest.raises(ProtocolError, match="does not fit") as refused:
        store.apply([change], building=building)

    assert refused.value.kind == "bad-frame"


def test_broken_base64_in_a_frame_is_an_error_of_the_protocol():
    store = Store.memory(Main)
    store.create_table(TableSpec("files", (Column("raw", "bytes"),)))

    with pytest.raises(ProtocolError, match="does not fit"):
        store.apply([TableChange("files", ["raw"], [[1, "1", "A"]])])


def test_tables_of_a_frame_are_made_and_grow():
    """V6."""
    store = Store.memory(Main)

    store.apply([TableChange("todos", ["text"], [[1, "1", "a"]])], [TODOS])
    store.apply([], [TableSpec("todos", (*TODOS.columns, Column("n", "integer", default=7)))])
    store.apply([], [store.table("todos").spec])

    assert store.rows("todos") == [(1, "1", "a", None, 7)]
    assert store.table("todos").names == ["text", "done", "n"]


def test_a_column_that_must_have_a_value_comes_to_rows_that_are_gone_by_then(store):
    """R3, R4: the room's table was empty when it was added, and one delta tells all that has happened since."""
    store.apply([TableChange("todos", ["text"], [[1, "1", "a"], [2, "2", "b"]])], [TODOS])
    wider = TableSpec("todos", (*TODOS.columns, Column("n", "integer", required=True)))
    again = [3, "2", "b", None, 7]
    store.apply([TableChange("todos", [column.name for column in wider.columns], [again], ["1"])], [wider])

    assert store.rows("todos") == [tuple(again)]
    assert store.table("todos").spec == wider


def test_a_table_of_a_frame_that_cannot_be_made_is_an_error_of_the_protocol(store):
    with pytest.raises(ProtocolError):
        store.apply([], [TableSpec("todos", (Column("done", "text"),))])


def test_a_table_that_a_frame_made_notes_its_changes_from_then_on():
    store = Store.memory(Main)
    store.apply([], [TODOS])

    decide(store, "insert", table="todos", id="1", values={})

    assert store.touched(0) == {"todos": {"1"}}


# --- keeping --------------------------------------------------------------------------------------------------------


def test_a_store_remembers_words_and_numbers(store):
    store.set_meta("epoch", "e1")
    store.set_meta("epoch", "e2")

    assert store.meta("epoch") == "e2"
    assert store.meta("nothing") is None
    assert store.version == 2


def test_a_closed_store_goes_away():
    """The connection holds the guard, and the guard the connection."""
    store = Store.memory(Main)
    gone = weakref.ref(store.connection)

    store.close()
    del store

    assert gone() is None
