# ruff: noqa: E501  # a corpus, one case a line
"""
Parties and tables that nobody would think of: each is refused with a sentence, or works in full.

R1, R8, R13. In full: a row is written, changed and deleted, and a second replica ends like the file.
"""

import contextlib

import pytest

from partysync_widget.core.errors import MutationRejected, SchemaMismatch
from partysync_widget.core.party import Party, mutator
from partysync_widget.core.store import Store
from tests.proof import note
from tests.server.stranger import sentence

ID = "id TEXT PRIMARY KEY NOT NULL"
GOOD = f"CREATE TABLE t ({ID}, x TEXT) STRICT;"

SCHEMAS = {
    "plain": GOOD,
    "nothing": "",
    "a comment": "-- nothing to see\n/* here */" + GOOD,
    "quotes in names": f'CREATE TABLE "t" ({ID}, "x" TEXT, "a b" TEXT, "select" TEXT, [group] TEXT, `order` TEXT) STRICT;',
    "a quote in a column": f'CREATE TABLE t ({ID}, x TEXT, "a""b" TEXT) STRICT;',
    "SQL as a column": f"CREATE TABLE t ({ID}, x TEXT, \"x'); DROP TABLE t; --\" TEXT) STRICT;",
    "SQL as a table": f'CREATE TABLE "t; DROP TABLE t" ({ID}, x TEXT) STRICT;',
    "a keyword as a table": f'CREATE TABLE "select" ({ID}, x TEXT) STRICT;' + GOOD,
    "a table of ours": f"CREATE TABLE _partysync_meta ({ID}, x TEXT) STRICT;",
    "a trigger of ours": GOOD + "CREATE TRIGGER _partysync_1_insert AFTER INSERT ON t BEGIN SELECT 1; END;",
    "a table of SQLite's": f"CREATE TABLE sqlite_stat1 ({ID}, x TEXT) STRICT;",
    "no key": "CREATE TABLE t (id TEXT, x TEXT) STRICT;",
    "a key that may be null": "CREATE TABLE t (id TEXT PRIMARY KEY, x TEXT) STRICT;",
    "a numeric key": "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, x TEXT) STRICT;",
    "two keys": "CREATE TABLE t (id TEXT NOT NULL, x TEXT, PRIMARY KEY (id, x)) STRICT;",
    "a key without case": "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE, x TEXT) STRICT;",
    "a trimmed key": "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL COLLATE RTRIM, x TEXT) STRICT;",
    "another key": "CREATE TABLE t (key TEXT PRIMARY KEY NOT NULL, x TEXT) STRICT;",
    "not strict": f"CREATE TABLE t ({ID}, x TEXT);",
    "no rowid": f"CREATE TABLE t ({ID}, x TEXT) STRICT, WITHOUT ROWID;",
    "any type": f"CREATE TABLE t ({ID}, x ANY) STRICT;",
    "a column that hides the rowid": f"CREATE TABLE t ({ID}, x TEXT, rowid INTEGER) STRICT;",
    "columns that differ in case": f"CREATE TABLE t ({ID}, x TEXT, X TEXT) STRICT;",
    "a generated column": f"CREATE TABLE t ({ID}, x TEXT, y TEXT AS (upper(x))) STRICT;",
    "a stored generated column": f"CREATE TABLE t ({ID}, x TEXT, y TEXT AS (upper(x)) STORED UNIQUE) STRICT;",
    "a view": GOOD + "CREATE VIEW v AS SELECT * FROM t;",
    "a view that is written to": GOOD + "CREATE VIEW v AS SELECT * FROM t;"
    "CREATE TRIGGER into_v INSTEAD OF INSERT ON v BEGIN INSERT INTO t (id, x) VALUES (NEW.id, NEW.x); END;",
    "a virtual table": GOOD + "CREATE VIRTUAL TABLE f USING fts5(x);",
    "a temporary table": f"CREATE TEMP TABLE t ({ID}, x TEXT) STRICT;",
    "a table from a query": "CREATE TABLE t AS SELECT 1 AS id;",
    "a trigger that calls itself": GOOD + "CREATE TRIGGER again AFTER UPDATE ON t WHEN length(NEW.x) < 9 BEGIN "
    "UPDATE t SET x = NEW.x || '.' WHERE id = NEW.id; END;",
    "a trigger that recurses without end": GOOD + "CREATE TRIGGER again AFTER UPDATE ON t BEGIN "
    "UPDATE t SET x = NEW.x || '.' WHERE id = NEW.id; END;",
    "a trigger that refuses": GOOD + "CREATE TRIGGER no AFTER DELETE ON t BEGIN SELECT RAISE(ABORT, 'never'); END;",
    "a trigger that takes all back": GOOD + "CREATE TRIGGER no AFTER INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'x'); END;",
    "a conflict clause that takes all back": f"CREATE TABLE t ({ID}, x TEXT UNIQUE ON CONFLICT ROLLBACK) STRICT;",
    "a conflict clause that replaces": f"CREATE TABLE t ({ID}, x TEXT UNIQUE ON CONFLICT REPLACE) STRICT;",
    "a trigger that deletes what is written": GOOD + "CREATE TRIGGER gone AFTER INSERT ON t WHEN NEW.x = 'b' BEGIN "
    "DELETE FROM t WHERE id = NEW.id; END;",
    "a cascade": GOOD + f"CREATE TABLE u ({ID}, t TEXT REFERENCES t ON DELETE CASCADE) STRICT;",
    "a deferred reference": GOOD + f"CREATE TABLE u ({ID}, t TEXT REFERENCES t DEFERRABLE INITIALLY DEFERRED) STRICT;",
    "a reference to nothing": f"CREATE TABLE t ({ID}, x TEXT REFERENCES nowhere) STRICT;",
    "a check with a function": f"CREATE TABLE t ({ID}, x TEXT CHECK (x NOT GLOB '*[^a-z.]*')) STRICT;",
    "a default by a function": f"CREATE TABLE t ({ID}, x TEXT, at TEXT DEFAULT (hex(randomblob(4)))) STRICT;",
    "two hundred columns": f"CREATE TABLE t ({ID}, x TEXT, {', '.join(f'c{n} TEXT' for n in range(200))}) STRICT;",
    "a thousand columns": f"CREATE TABLE t ({ID}, x TEXT, {', '.join(f'c{n} TEXT' for n in range(1000))}) STRICT;",
    "an odd letter": f"CREATE TABLE größe ({ID}, x TEXT) STRICT;" + GOOD,
    "a long name": f"CREATE TABLE {'t' * 300} ({ID}, x TEXT) STRICT;",
    "nothing in it": "CREATE TABLE t () STRICT;",
    "wrong": "CREATE A TABLE;",
    "half": f"CREATE TABLE t ({ID}, x TEXT",
    "a NUL": f"CREATE TABLE t ({ID}, x TEXT) STRICT;\0 DROP TABLE t;",
    "half a pair": f"CREATE TABLE t ({ID}, x TEXT DEFAULT '\ud800') STRICT;",
    "a transaction": "BEGIN;" + GOOD,
    "a commit": GOOD + "COMMIT;",
    "a pragma": "PRAGMA foreign_keys = OFF;" + GOOD,
    "another file": "ATTACH ':memory:' AS other;" + GOOD,
    "only an index": "CREATE INDEX i ON t (x);",
    "an index over an expression": GOOD + "CREATE UNIQUE INDEX i ON t (lower(x) || length(x));",
}  # fmt: skip


def party_of(text):
    class Odd(Party):
        schema = text
        mutation_seconds = 0.5

        @mutator
        def touch(tx):
            tx.sql("UPDATE t SET x = x")

    return Odd


@pytest.mark.parametrize("text", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_is_refused_with_a_sentence_or_works_in_full(make_stage, text):
    """R1, R8."""
    try:
        stage = make_stage(party=party_of(text))
    except SchemaMismatch as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert said.endswith(".")
        assert len(said) > 30
        return
    ada, bob = stage.enter("ada"), stage.enter("bob")
    if "t" in stage.ledger.store.tables:
        for edit in (
            lambda: ada.insert("1", table="t", x="a"),
            lambda: bob.insert("2", table="t", x="b"),
            lambda: ada.update("1", table="t", x="c"),
            lambda: ada.mutate("touch"),
            lambda: bob.delete("2", table="t"),
        ):
            with contextlib.suppress(MutationRejected):  # said where it was made
                edit()
            stage.rest()
            stage.assert_agreed()
        file = dict(stage.ledger.store.execute("SELECT id, x FROM t").fetchall())
        assert {id: row["x"] for id, row in bob.rows("t").items()} == file
    for table in stage.ledger.store.tables:
        assert bob.rows(table) == stage.rows(table)
    carol = stage.enter("carol")  # from a snapshot
    for table in stage.ledger.store.tables:
        assert carol.rows(table) == stage.rows(table)


def test_which_of_them_are_refused():
    """So that none of them is let in, or kept out, without anybody noticing."""
    refused = set()
    for name, text in SCHEMAS.items():
        try:
            Store.memory(party_of(text)).close()
        except SchemaMismatch:
            refused.add(name)
    note("schemas", tried=len(SCHEMAS), refused=len(refused))
    assert {"a commit", "a transaction", "a key without case", "no rowid", "not strict", "any type", "half"} <= refused
    assert not {"plain", "nothing", "a generated column", "a view", "a cascade", "two hundred columns"} & refused


NAMES = [
    "", " ", "t t", "select", "Select", "t;", "t--", "t'", 't"', "t]", "t`", "t\0", "t\n", "t\ud800", "t" * 65, "t" * 64, "1t", "_",
    "_partysync_meta", "_PARTYSYNC_ROWS", "_partysync", "sqlite_schema", "SQLITE_x", "sqlite", "main", "temp", "rowid", "id",
    "größe", "表", "t\u0301", "é", "é", "\u202et", "🧬", "__proto__", "constructor", "t.x", "main.t", "t/../x", "%s", "{t}", "?",
    ":t", "$t", "(SELECT 1)", "NULL", "true",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("of", ["table", "column", "id"])
def test_a_name_is_refused_with_a_sentence_or_works_in_full(stage, name, of):
    """R13."""
    ada, bob = stage.enter("ada"), stage.enter("bob")
    table, column, id = {"table": (name, "x", "1"), "column": ("t", name, "1"), "id": ("t", "x", name)}[of]
    said = None
    try:
        ada.mutate("create_table", name=table, columns=[{"name": column, "type": "text"}])
        ada.insert(id, table=table, **{column: "a"})
        ada.update(id, table=table, **{column: "b"})
    except MutationRejected as error:
        said = error.message
    assert said is None or sentence(said)
    stage.rest()
    stage.assert_agreed()
    assert bob.replica.view.execute("SELECT count(*) FROM _partysync_meta").get > 0
    if table in stage.ledger.store.tables and stage.rows(table):
        assert stage.rows(table) == bob.rows(table) == {id: {column: "b"}}
        bob.delete(id, table=table)
        stage.rest()
        assert stage.rows(table) == ada.rows(table) == {}
