"""
What a query means, over SQLite. ``tests/shared/queries.json`` says it once for both sides; the browser's half of this
page is js/test/query.test.ts.
"""

import json
from pathlib import Path

import msgspec
import pytest

from partysync_widget import query
from partysync_widget.blocks import from_browser
from partysync_widget.core.columns import coerce
from partysync_widget.core.messages import Column, TableSpec
from partysync_widget.core.party import Party
from partysync_widget.core.store import Store
from partysync_widget.query import Filter, Query, matches, rows_at, window

SHARED = json.loads((Path(__file__).parents[1] / "shared" / "queries.json").read_text())


class Main(Party):
    """Tables made by name."""


def filled(table):
    """A store with this table of ``SHARED`` in it, and the table as it knows it."""
    columns = msgspec.convert(table["columns"], tuple[Column, ...])
    store = Store.memory(Main)
    store.create_table(TableSpec(table["table"], columns))
    entry = store.table(table["table"])
    for id_, *values in table["rows"]:
        wire = from_browser(columns, {column.name: value for column, value in zip(columns, values, strict=True)})
        stored = [coerce(column, wire[column.name]) for column in columns]
        store.execute(entry.insert_sql(("id", *entry.names)), (id_, *stored))
    return store, entry


CASES = [
    pytest.param(table, each, id=f"{table['table']}: {each['why']}") for table in SHARED for each in table["cases"]
]


@pytest.mark.parametrize(("table", "case"), CASES)
def test_sqlite_lists_what_the_browser_lists(table, case):
    store, entry = filled(table)
    asked = msgspec.convert({name: case[name] for name in case.keys() - {"why", "ids"}}, Query)

    found = rows_at(store, entry, matches(store, entry, asked))
    assert [row[1] for row in found] == case["ids"]
    assert window(store, entry, asked, 0, 100) == found
    assert window(store, entry, asked, 1, 2) == found[1:3]


def test_every_condition_and_every_type_has_a_case():
    """A case that is missing proves nothing."""
    tried = {
        (column["type"], each["op"])
        for table in SHARED
        for case in table["cases"]
        for each in case.get("filters", [])
        for column in table["columns"]
        if column["name"] == each["column"]
    }
    types = {kind for kind, _ in tried}

    assert {op for kind, op in tried if kind == "text"} == set(query.Op.__args__)
    assert {op for kind, op in tried if kind == "integer"} == set(query.Op.__args__)
    assert types == {"text", "integer", "real", "boolean", "choice", "date", "datetime", "json", "bytes"}


@pytest.mark.parametrize("text", ["é" * 30_000, "%" * 20_000, "a\0b"], ids=["long", "wild", "NUL"])
def test_text_that_no_pattern_can_hold_is_found_nowhere(text):
    """SQLite refuses a pattern beyond 50,000 bytes: a person who pastes a book into the search box finds nothing."""
    store, entry = filled(SHARED[0])

    assert list(matches(store, entry, Query(search=text))) == []
    assert list(matches(store, entry, Query(filters=(Filter("t", "has", text),)))) == []
    assert list(matches(store, entry, Query(filters=(Filter("t", "is", text),)))) == []


@pytest.mark.parametrize("asked", [{"search": "\ud83d"}, {"filters": [{"column": "t", "op": "is", "value": "\ud83d"}]}])
def test_half_a_surrogate_pair_is_refused_before_any_row_is_looked_at(asked):
    """It would stop the deltas of every page."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(asked, Query)
