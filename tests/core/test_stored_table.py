"""A table as a store knows it."""

import pytest

from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.messages import Column, TableSpec
from partysync_widget.core.stored_table import StoredTable


@pytest.fixture
def table():
    columns = Column("te xt", "text"), Column("raw", "bytes"), Column("a'b", "integer")
    return StoredTable(7, TableSpec("todos", columns), 3)


def test_columns_are_known_by_name_and_every_row_has_an_id(table):
    assert table.names == ["te xt", "raw", "a'b"]
    assert table.column("raw") is table.spec.columns[1]
    assert table.column("id") == Column("id", "text", required=True)
    assert table.blobs == {"raw"}


@pytest.mark.parametrize("name", ["nothing", "TE XT", "te xt ", 'raw" = 1; --', "rowid", "", "x" * 5000])
def test_an_unknown_column_is_refused_with_those_that_are_known(table, name):
    """R13."""
    with pytest.raises(MutationRejected, match="It has: id, te xt, raw, a'b") as refused:
        table.column(name)

    assert refused.value.code == "unknown-column"
    assert len(str(refused.value)) < 400


def test_statements_name_what_they_touch_and_hold_no_value(table):
    """R13."""
    assert table.select == 'SELECT t.rowid, t.id, t."te xt", t."raw", t."a\'b" FROM "todos" AS t'
    assert table.insert_sql(("id", "te xt")) == 'INSERT INTO "todos" ("id", "te xt") VALUES (?, ?)'
    assert table.put_sql(("raw",)) == 'INSERT OR REPLACE INTO "todos" (rowid, id, "raw") VALUES (?, ?, ?)'
    assert table.update_sql(("te xt", "a'b")) == 'UPDATE "todos" SET "te xt" = ?, "a\'b" = ? WHERE id = ?'
    assert table.delete_sql == 'DELETE FROM "todos" WHERE id = ?'


def test_statements_are_made_once_for_each_choice_of_columns(table):
    for make in (table.insert_sql, table.put_sql, table.update_sql):
        assert make(("raw",)) is make(("raw",))
        assert make(("raw",)) != make(("te xt",))
    assert len({make(("raw",)) for make in (table.insert_sql, table.put_sql, table.update_sql)}) == 3
