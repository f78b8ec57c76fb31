"""The guard: nobody's SQL gets further than rows, whatever ran before it."""

import apsw
import pytest

from partysync_widget.core.errors import MutationRejected

FORBIDDEN = [
    "COMMIT", "ROLLBACK", "BEGIN", "END", "SAVEPOINT x", "RELEASE mutation", "ROLLBACK TO mutation",
    "PRAGMA foreign_keys = OFF", "PRAGMA user_version", "PRAGMA writable_schema = ON",
    "SELECT * FROM pragma_table_list",
    "ATTACH '/tmp/other.db' AS other", "ATTACH ':memory:' AS m", "DETACH main", "VACUUM INTO '/tmp/copy.db'",
    "CREATE TABLE more (id TEXT)", "CREATE TEMP TABLE more (id TEXT)", "CREATE TABLE more AS SELECT 1",
    "CREATE VIEW v AS SELECT 1", "CREATE INDEX i ON todos (text)", "CREATE VIRTUAL TABLE f USING fts5(a)",
    "CREATE TRIGGER g AFTER INSERT ON todos BEGIN SELECT 1; END",
    "CREATE TEMP TRIGGER g AFTER INSERT ON todos BEGIN SELECT 1; END",
    "DROP TABLE todos", "DROP TRIGGER _partysync_1_insert", "DROP INDEX _partysync_rows_by_version",
    "ALTER TABLE todos ADD COLUMN more TEXT", "ALTER TABLE todos RENAME TO todo", "REINDEX", "ANALYZE",
    "SELECT * FROM _partysync_meta", "SELECT * FROM _PARTYSYNC_META", 'SELECT * FROM "_partysync_rows"',
    "SELECT * FROM main._partysync_tables", "SELECT (SELECT value FROM _partysync_meta)",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM _partysync_rows)", "SELECT 1 UNION SELECT value FROM _partysync_meta",
    "WITH m AS (SELECT * FROM _partysync_meta) SELECT * FROM m",
    "SELECT * FROM todos JOIN _partysync_rows USING (id)",
    "EXPLAIN COMMIT", "EXPLAIN SELECT * FROM _partysync_meta", "/* a comment */ COMMIT", "-- a comment\nCOMMIT",
    "SELECT 1; COMMIT", "SELECT 1; DROP TABLE todos", ";;; COMMIT", "commit", "CoMmIt",
    "SELECT load_extension('/tmp/evil')",
]  # fmt: skip
WRITING = [
    "INSERT INTO _partysync_meta (key, value) VALUES ('version', 0)", "UPDATE _partysync_meta SET value = 0",
    "DELETE FROM _partysync_rows", "INSERT INTO todos (id) SELECT key FROM _partysync_meta",
    "UPDATE todos SET text = (SELECT value FROM _partysync_meta)", "DELETE FROM sqlite_schema",
    "UPDATE sqlite_schema SET sql = ''", "REPLACE INTO _partysync_meta (key, value) VALUES ('version', 0)",
    "INSERT INTO todos (id) VALUES ('9') RETURNING (SELECT value FROM _partysync_meta)",
]  # fmt: skip
OF_ROWS = ["INSERT INTO todos (id) VALUES ('9')", "UPDATE todos SET text = 'z'", "DELETE FROM todos",
           "SELECT 1; DELETE FROM todos"]  # fmt: skip


def everything(store):
    """All that is in the file."""
    tables = [name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]
    content = {name: store.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}
    return content, store.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()


@pytest.mark.parametrize(
    ("query", "write"), [(query, write) for write in (True, False) for query in FORBIDDEN + WRITING]
)
def test_somebodys_sql_gets_no_further_than_rows(sql, query, write):
    """R13."""
    before = everything(sql)
    sql.savepoint("mutation")

    with pytest.raises((MutationRejected, apsw.SQLError)):
        sql.guarded(query, (), write=write)

    assert sql.connection.in_transaction
    sql.release("mutation")
    assert everything(sql) == before


@pytest.mark.parametrize("query", OF_ROWS)
def test_a_question_changes_no_row(sql, query):
    """R13."""
    before = everything(sql)

    with pytest.raises(MutationRejected, match="can only read:") as refused:
        sql.guarded(query, (), write=False)

    assert refused.value.code == "forbidden"
    assert everything(sql) == before


@pytest.mark.parametrize("before", ["", "SELECT 1;"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["BEGIN", "COMMIT"], "COMMIT"),
        (["BEGIN", "ROLLBACK"], "ROLLBACK"),
        (["SELECT * FROM _partysync_meta"], "SELECT * FROM _partysync_meta"),
        (["UPDATE _partysync_meta SET value = 0 WHERE false"], "UPDATE _partysync_meta SET value = 0 WHERE false"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
@pytest.mark.parametrize("write", [True, False])
def test_what_we_ran_before_is_still_refused_of_others(sql, ours, theirs, before, write):
    """R13. SQLite asks its authorizer when a statement is prepared, and prepared ones are kept by their text."""
    for each in ours:
        sql.execute(each)
    sql.savepoint("mutation")

    with pytest.raises(MutationRejected):
        sql.guarded(before + theirs, (), write=write)

    assert sql.connection.in_transaction


@pytest.mark.parametrize("query", OF_ROWS[:-1])
def test_what_a_mutator_wrote_before_is_still_refused_of_a_question(sql, query):
    """R13."""
    before = everything(sql)
    sql.savepoint("mutation")
    sql.guarded(query, (), write=True)
    sql.undo("mutation")

    for again in (query, f"SELECT 1;{query}", f";{query}", f"-- a question\n{query}"):
        with pytest.raises(MutationRejected):
            sql.guarded(again, (), write=False)
    assert everything(sql) == before


@pytest.mark.parametrize("first", ["SELECT 1 AS a", "SELECT 1 AS a WHERE false", "UPDATE todos SET text = 'z'"])
@pytest.mark.parametrize("second", ["SELECT 1 AS a, 2 AS b", "DELETE FROM todos"])
def test_a_second_statement_is_refused(sql, first, second):
    """R13. Its text could be one that we have prepared ourselves."""
    with pytest.raises(MutationRejected, match="One statement at a time") as refused:
        sql.guarded(f"{first}; {second}", (), write=True)

    assert refused.value.code == "bad-sql"
    assert sql.count("todos") == 2


@pytest.mark.parametrize("end", [";", "; ", ";;", ";\n-- a comment", "; /* a comment */", ";\n/* a\n-- */ ;-- b"])
def test_an_end_is_no_second_statement(sql, end):
    assert sql.guarded(f"SELECT 1 AS a{end}", (), write=False) == [{"a": 1}]
    assert sql.guarded(f"DELETE FROM todos{end}", (), write=True) == []


@pytest.mark.parametrize(
    "query",
    [
        "WITH _partysync_x AS (SELECT * FROM _partysync_meta) SELECT * FROM _partysync_x",
        "WITH _partysync_x AS (SELECT id, tbl FROM _partysync_rows) SELECT * FROM _partysync_x",
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_a_name_like_ours_opens_no_door(sql, query, write):
    """R13."""
    with pytest.raises(MutationRejected) as refused:
        sql.guarded(query, (), write=write)

    assert refused.value.code == "forbidden"


@pytest.mark.parametrize(
    "query", ["INSERT OR ROLLBACK INTO todos (id) VALUES ('1')", "UPDATE OR ROLLBACK todos SET id = '1'"]
)
def test_no_sql_of_a_mutator_ends_the_transaction(sql, query):
    """R6. In a room the transaction is a turn, which is everybody's."""
    sql.savepoint("turn")

    with pytest.raises((MutationRejected, apsw.Error)):
        sql.guarded(query, (), write=True)

    assert sql.connection.in_transaction


@pytest.mark.parametrize(
    ("query", "args", "found"),
    [
        ("SELECT id, text FROM todos ORDER BY id", (), [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]),
        ("SELECT count(*) AS n FROM todos WHERE text = ?", ("a",), [{"n": 1}]),
        ("SELECT ? AS yes, ? AS day", (True, None), [{"yes": 1, "day": None}]),
        ("SELECT * FROM todos WHERE false", (), []),
        ("WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3) SELECT sum(x) AS s FROM n",
         (), [{"s": 6}]),
        ("SELECT json_extract('{\"a\": 1}', '$.a') AS a, upper('x') AS b", (), [{"a": 1, "b": "X"}]),
        ("", (), []),
        ("-- nothing", (), []),
        ("SELECT name FROM sqlite_schema WHERE name = 'todos'", (), [{"name": "todos"}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("write", [True, False])
def test_a_question_is_answered_in_dicts(sql, query, args, found, write):
    assert sql.guarded(query, args, write=write) == found


def test_a_write_may_give_rows_too(sql):
    assert sql.guarded("UPDATE todos SET text = 'z' WHERE id = '1' RETURNING id, text", (), write=True) == [
        {"id": "1", "text": "z"}
    ]


def test_our_own_sql_is_free_again_after_somebodys(sql):
    with pytest.raises(MutationRejected):
        sql.guarded("PRAGMA foreign_keys", (), write=False)
    with pytest.raises(MutationRejected):
        sql.guarded("SELECT ?", (object(),), write=False)

    assert sql.execute("PRAGMA foreign_keys").get == 1
    assert sql.meta("horizon") == 0


@pytest.mark.parametrize("write", [True, False])
def test_no_extension_is_loaded_even_where_the_connection_may(sql, write):
    """R13."""
    sql.connection.enable_load_extension(True)

    with pytest.raises(apsw.SQLError, match="not authorized to use function: load_extension"):
        sql.guarded("SELECT load_extension('/nowhere')", (), write=write)


@pytest.mark.parametrize("write", [True, False])
def test_a_view_is_no_door_to_tables_of_ours(sql, write):
    """R13. Where the text names none of them, SQLite still asks about each table that is read."""
    sql.execute("CREATE TEMP VIEW peek AS SELECT * FROM _partysync_meta")

    with pytest.raises(MutationRejected) as refused:
        sql.guarded("SELECT * FROM peek", (), write=write)

    assert refused.value.code == "forbidden"


def test_a_column_may_be_called_as_a_function_that_is_forbidden(sql):
    sql.execute("CREATE TABLE words (load_extension TEXT)")

    assert sql.guarded("SELECT load_extension FROM words", (), write=False) == []


def test_the_doors_that_sqlite_itself_has_are_closed(sql):
    """Defence in depth: the schema cannot be written to, and functions with side effects are not called by a schema."""
    with pytest.raises(apsw.Error):
        sql.execute("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = ''")
    assert sql.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1) == 1
    assert sql.connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1) == 0
