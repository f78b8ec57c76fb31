"""What SQLite says about an edit, as a sentence; and what is about the disk instead."""

import apsw
import pytest

from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.refusals import STORAGE_ERRORS, explain, explain_query


@pytest.fixture
def connection():
    connection = apsw.Connection(":memory:")
    connection.execute("""
        CREATE TABLE people (id TEXT PRIMARY KEY NOT NULL) STRICT;
        CREATE TABLE todos (
            id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, rank INTEGER, size REAL CHECK (size > 0), who TEXT,
            UNIQUE (text, rank), FOREIGN KEY (who) REFERENCES people (id)
        ) STRICT;
        CREATE UNIQUE INDEX by_length ON todos (length(text)) WHERE rank IS NULL;
        CREATE TRIGGER no_milk BEFORE INSERT ON todos WHEN NEW.text = 'milk'
            BEGIN SELECT RAISE(ABORT, 'no milk today'); END;
        PRAGMA foreign_keys = ON;
        INSERT INTO todos (id, text, rank) VALUES ('0', 'c', NULL), ('1', 'a', 1);
    """)
    return connection


@pytest.mark.parametrize(
    ("sql", "code", "sentence"),
    [
        (
            "INSERT INTO todos (id, text) VALUES ('1', 'bb')",
            "constraint",
            "There is a row with this id in todos already",
        ),
        ("INSERT INTO todos (id, text, rank) VALUES ('2', 'a', 1)", "constraint", "todos.text, todos.rank must differ"),
        ("INSERT INTO todos (id, text) VALUES ('2', 'b')", "constraint", "index 'by_length' must differ"),
        ("INSERT INTO todos (id) VALUES ('2')", "constraint", "todos.text must have a value"),
        ("INSERT INTO todos (id, text, size) VALUES ('2', 'bb', -1)", "constraint", "rule is not kept: size > 0"),
        ("INSERT INTO todos (id, text, who) VALUES ('2', 'bb', 'x')", "constraint", "that this refers to is missing"),
        ("INSERT INTO todos (id, text, rank) VALUES ('2', 'bb', 'x')", "constraint", "rank is kept as INTEGER"),
        ("INSERT INTO todos (id, text) VALUES ('2', 'milk')", "constraint", "no milk today"),
        ("INSERT INTO todo VALUES (1)", "bad-sql", "no such table: todo"),
        ("INSERT", "bad-sql", "incomplete input"),
    ],
)
def test_what_sqlite_refuses_is_explained(connection, sql, code, sentence):
    with pytest.raises(apsw.Error) as error:
        connection.execute(sql)

    refusal = explain("create", error.value)

    assert refusal.code == code
    assert sentence in refusal.message
    assert refusal.message.endswith(".")


def test_a_value_with_line_breaks_and_backslashes_is_explained_as_it_is():
    error = apsw.ConstraintError("CHECK constraint failed: length(text)\n  < 20 \\1 \\g<0>")

    assert explain("create", error).message.endswith(": length(text)\n  < 20 \\1 \\g<0>.")


def test_a_mutator_is_named_where_the_sentence_says_nothing_else_of_it():
    assert "The SQL of create failed" in explain("create", apsw.SQLError("near x")).message
    assert "create was refused" in explain("create", apsw.ConstraintError("no milk today")).message


def test_what_the_disk_did_is_no_rejection_and_the_rest_is():
    about_the_edit = {
        apsw.SQLError, apsw.ConstraintError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError, apsw.BindingsError,
        apsw.AuthError, apsw.AbortError, apsw.InterruptError,
    }  # fmt: skip

    assert not any(issubclass(error, STORAGE_ERRORS) for error in about_the_edit)
    assert {"FullError", "IOError", "CorruptError", "NotADBError", "BusyError"} <= {e.__name__ for e in STORAGE_ERRORS}


def test_a_query_that_does_not_work_is_one_sentence_with_the_query(connection):
    with (
        pytest.raises(MutationRejected, match="no such column: txt") as refused,
        explain_query("SELECT txt FROM todos"),
    ):
        connection.execute("SELECT txt FROM todos")

    assert refused.value.code == "bad-sql"
    assert "SELECT txt FROM todos" in refused.value.message


def test_a_long_query_is_shown_in_part(connection):
    query = f"SELECT {'x' * 5000}"

    with pytest.raises(MutationRejected) as refused, explain_query(query):
        connection.execute("SELECT y")

    assert len(refused.value.message) < 400


def test_a_query_that_works_is_left_alone(connection):
    with explain_query("SELECT 1"):
        assert connection.execute("SELECT 1").get == 1
