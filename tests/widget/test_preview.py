"""The preview: the first rows, for wherever no widget runs; and of a large table no more than those."""

import datetime as dt
import html.parser

import apsw
import pytest

import partysync_widget as ps
from partysync_widget.preview import ROWS, WIDEST, WIDTH, Preview, shown
from partysync_widget.table import Table

EVIL = "<script>alert('&')</script>\"><img src=x onerror=alert(1)>"


@pytest.fixture
def plants(room):
    table = room.table("plants", name=str, n=int, done=bool, day=dt.date, more=dict, raw=bytes)
    table.insert(id="a", name="fern", n=2**60, done=True, day=dt.date(2026, 11, 23), more={"k": [1]}, raw=b"\0")
    table.insert(id="b")
    return table


def test_it_holds_the_first_rows_as_a_person_sees_them(plants):
    preview = Preview.of(plants)

    assert preview.columns == ["id", "name", "n", "done", "day", "more", "raw"]
    assert preview.rows == [
        ["a", "fern", 2**60, True, dt.date(2026, 11, 23), {"k": [1]}, b"\0"],
        ["b", None, None, None, None, None, None],
    ]
    assert preview.more == 0


def test_it_stays_as_it_was(plants):
    preview = Preview.of(plants)
    plants.update("a", name="moss")

    assert preview.rows[0][1] == "fern"


def test_of_many_rows_it_holds_the_first_and_says_how_many_more_there_are(room):
    table = room.table("many", n=int)
    table.insert_many([{"id": f"r{n:04}", "n": n} for n in range(ROWS + 1_234)])
    preview = Preview.of(table)

    assert [row[1] for row in preview.rows] == list(range(ROWS))
    assert preview.more == 1_234
    assert "… and 1,234 more" in preview.as_text()
    assert "… and 1,234 more rows" in preview.as_html()
    assert preview.for_browser()["more"] == 1_234


@pytest.mark.parametrize("rows", [0, ROWS - 1, ROWS])
def test_of_few_rows_nothing_more_is_said(room, rows):
    table = room.table("few", n=int)
    table.insert_many([{"id": f"r{n}", "n": n} for n in range(rows)])
    preview = Preview.of(table)

    assert (len(preview.rows), preview.more) == (rows, 0)
    assert "more" not in preview.as_text() + preview.as_html()


def test_a_table_that_is_not_there_has_a_preview_without_rows(room):
    """Its making may have been refused."""
    preview = Preview.of(Table(room, "nothing"))

    assert (preview.columns, preview.rows, preview.more) == (["id"], [], 0)
    assert preview.as_text() == "id"


def test_text_stands_in_columns(plants):
    lines = Preview.of(plants).as_text().split("\n")

    assert lines == [
        "id  name  n                    done  day         more        raw",
        "a   fern  1152921504606846976  True  2026-11-23  {'k': [1]}  b'\\x00'",
        "b",
    ]


class Seen(html.parser.HTMLParser):
    """The tags and the text that a browser would find."""

    def __init__(self, marked):
        super().__init__()
        self.tags, self.texts, self.styled = [], [], False
        self.feed(marked)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_html_of_hostile_rows_and_columns_is_text(room):
    table = room.table("evil", text=str)
    table.insert(id=EVIL, text=EVIL)
    preview = Preview([*Preview.of(table).columns, EVIL], [[EVIL, EVIL, EVIL]], 0)
    seen = Seen(preview.as_html())

    assert set(seen.tags) == {"div", "style", "table", "thead", "tbody", "tr", "th", "td"}
    assert seen.texts.count(EVIL) == 4


def test_html_has_a_row_for_each_row_and_a_cell_for_each_value(plants):
    seen = Seen(Preview.of(plants).as_html())

    assert (seen.tags.count("tr"), seen.tags.count("th"), seen.tags.count("td")) == (3, 7, 14)
    assert {"fern", "1152921504606846976", "2026-11-23"} <= set(seen.texts)


def test_its_key_is_in_the_html_and_with_the_browser_and_no_other_preview_has_it(plants):
    """By it the grid finds its own preview, and hides it."""
    one, other = Preview.of(plants), Preview.of(plants)

    assert f'data-key="{one.key}"' in one.as_html()
    assert one.for_browser()["key"] == one.key
    assert one.key != other.key


def test_the_browser_gets_every_value_as_text(plants):
    made = Preview.of(plants).for_browser()

    assert made["columns"] == ["id", "name", "n", "done", "day", "more", "raw"]
    assert made["rows"][0] == ["a", "fern", str(2**60), "True", "2026-11-23", "{'k': [1]}", "b'\\x00'"]
    assert made["rows"][1] == ["b", "", "", "", "", "", ""]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        ("", ""),
        ("two\n lines\tand\u2028more ", "two lines and more"),
        ("x" * WIDTH, "x" * WIDTH),
        ("x" * (WIDTH + 1), "x" * (WIDTH - 1) + "…"),
    ],
)
def test_a_value_is_shown_on_one_line_of_some_width(value, text):
    assert shown(value) == text


def test_html_shows_more_of_a_value_than_text_does(room):
    table = room.table("long", text=str)
    table.insert(text="x" * 5_000)
    preview = Preview.of(table)

    assert "x" * (WIDEST - 1) + "…" in preview.as_html()
    assert "x" * WIDTH not in preview.as_text()


@pytest.fixture
def million(room):
    """A million rows in this kernel's copy, as a snapshot would have brought them."""
    table = room.table("million", n=int, text=str)
    room.sync(10)
    store = room.connection.replica.store
    with room.connection.lock:
        store.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        store.execute(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000000) "
            "INSERT INTO million (id, n, text) SELECT 'r' || n, n, 'row ' || n FROM s"
        )
        store.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)
    return table


def test_a_million_rows_are_shown_without_reading_them(room, million):
    """Counted in steps of SQLite's machine, of which every row read takes some."""
    steps = []
    connection = room.connection.replica.store.connection
    connection.set_progress_handler(lambda: bool(steps.append(1)), 100)
    widget = ps.TableWidget(million)
    representations, _ = widget._repr_mimebundle_()
    said = len(steps) * 100
    assert sum(1 for _ in million) == 1_000_000  # which this counts
    counted = len(steps) * 100
    connection.set_progress_handler(None)

    assert "… and 999,980 more" in representations["text/plain"]
    assert said < 10_000
    assert counted > 1_000_000
    assert len(widget.comm.state()["preview"]["rows"]) == ROWS
