"""Tables too large to be told whole: what is in sight follows the rows, as if everything were sorted anew each time."""

import datetime as dt
import random
import time

import pytest

import partysync_widget as ps
from partysync_widget import feed as feeds
from partysync_widget import windows as module
from partysync_widget.channel import TableChannel
from partysync_widget.windows import MOST_ROWS, MOST_VIEWS, Windows

ROWS = 150  # more than are told whole here


@pytest.fixture
def small(monkeypatch):
    """What counts as large is small."""
    monkeypatch.setattr(feeds, "WHOLE", 100)
    monkeypatch.setattr(feeds, "SLACK", 20)


@pytest.fixture
def large(room, small):
    """A table that is told in windows."""
    table = room.table("large", text=str, n=int)
    table.insert_many([{"id": f"r{n:03}", "text": f"row {n}", "n": n} for n in range(ROWS)]).result(10)
    room.sync(10)
    return table


@pytest.fixture
def browser(large, browse):
    return browse(TableChannel.of(large))


def ids(*numbers):
    return [f"r{n:03}" for n in numbers]


# --- a page ---------------------------------------------------------------------------------------------------------


def test_the_snapshot_of_a_large_table_has_its_columns_and_no_row(browser):
    page = browser.now

    assert page.whole is False
    assert [column["name"] for column in page.columns] == ["text", "n"]
    assert page.rows == {}
    assert page.status["room"] == "live"


def test_a_question_is_answered_with_the_rows_in_sight_in_one_frame(browser):
    """R8."""
    ask = browser.ask(first=20, count=3)
    page = browser.until(lambda page: page.asked.get("v") == ask)

    assert page.seen() == [{"id": f"r{n:03}", "text": f"row {n}", "n": n} for n in (20, 21, 22)]
    assert (page.first["v"], page.size["v"]) == (20, ROWS)
    assert [frame["ids"] for frame in page.frames if frame["windows"]] == [ids(20, 21, 22)]


@pytest.mark.parametrize(("first", "count", "shown"), [(148, 50, 2), (150, 50, 0), (900, 5, 0), (-7, 2, 2), (0, -1, 0)])
def test_a_window_may_reach_beyond_the_rows(browser, first, count, shown):
    assert len(browser.window(first=first, count=count)) == shown
    assert browser.now.size["v"] == ROWS


def test_two_views_have_two_windows(browser):
    browser.window("up", first=0, count=2, sort=[["n", False]])
    browser.window("down", first=0, count=2, sort=[["n", True]])

    assert (browser.now.sight["up"], browser.now.sight["down"]) == (ids(0, 1), ids(149, 148))


def test_an_earlier_question_that_comes_late_counts_for_nothing(browser):
    late, ask = browser.ask(first=10, count=1), None
    browser.until(lambda page: page.asked.get("v") == late)
    ask = browser.window(first=20, count=1)
    said = {"k": "window", "view": "v", "ask": late, "query": {}, "first": 10, "count": 1}
    browser.wire.say(said)
    browser.window("other", first=0, count=1)

    assert browser.now.sight["v"] == ask == ids(20)


def test_a_change_in_sight_is_told_at_once_and_alone(room, large, browser, monkeypatch):
    """Nobody has changed anything for a while, so it may be looked at."""
    monkeypatch.setattr(module, "PAUSE", 1_000)
    browser.window(count=10)
    told = len(browser.now.frames)
    large.update("r005", text="changed")

    page = browser.until(lambda page: page.rows["r005"]["text"] == "changed")
    assert {id_ for frame in page.frames[told:] for id_ in frame["ids"]} == {"r005"}
    assert [frame["windows"] for frame in page.frames[told:] if frame["windows"]] == []


def test_a_row_in_sight_that_is_deleted_is_gone_at_once(large, browser, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 1_000)
    browser.window(count=10)
    large.delete("r003")

    browser.until(lambda page: "r003" not in page.rows)
    told = next(page for page in browser.history() if "v" in page.sight and "r003" not in page.rows)
    assert told.sight["v"] == ids(0, 1, 2, 4, 5, 6, 7, 8, 9, 10)  # and the row below comes in the same frame


def test_a_row_that_is_deleted_as_it_leaves_sight_is_gone(large, browser, monkeypatch):
    """Pages keep rows a while after they were in sight."""
    monkeypatch.setattr(module, "PAUSE", 0)
    monkeypatch.setattr(module, "SHARE", 0)
    browser.window(count=10)
    large.delete("r003")

    page = browser.until(lambda page: page.size["v"] == ROWS - 1)
    assert "r003" not in page.sight["v"]
    assert "r003" not in page.rows


def test_a_mutation_that_brings_rows_into_sight_is_seen_whole(enter, large, browser, monkeypatch):
    """R8: its changes of rows that are in sight wait for the look that finds the others."""
    monkeypatch.setattr(module, "PAUSE", 0.05)
    room = enter()
    elsewhere = room.table("large")
    elsewhere.update("r149", n=10**6)
    elsewhere.update("r148", n=10**6 - 1).result(10)
    browser.until(lambda page: True)
    browser.window(count=4, sort=[["n", True]])
    for k in range(60):
        with room.batch() as batch:
            elsewhere.update("r149", text=f"{k}")
            elsewhere.insert(id=f"x{k}", n=1_000 + k, text=f"{k}")
            elsewhere.update("r148", text=f"{k}")
        batch.receipt.result(10)

    browser.until(lambda page: page.rows["r149"]["text"] == "59")
    for page in browser.history():
        shown = [page.rows[id_]["text"] for id_ in page.sight.get("v", [])[:3]]
        assert shown in ([], ["row 149", "row 148", "row 147"]) or len(set(shown)) == 1


def test_a_change_out_of_sight_is_not_told(enter, room, large, browser):
    browser.window(count=10)
    elsewhere = enter().table("large")
    for n in range(50, 60):
        elsewhere.update(f"r{n:03}", text="changed").result(10)
    elsewhere.update("r001", text="the last")

    page = browser.until(lambda page: page.rows["r001"]["text"] == "the last")
    assert {id_ for frame in page.frames for id_ in frame["ids"]} == set(ids(*range(10)))
    assert page.by == {"r001": elsewhere.room.connection.replica.client}


def test_a_row_that_comes_into_sight_is_told_with_its_place(enter, large, browser):
    browser.window(count=3, sort=[["n", True]])
    enter().table("large").insert(id="new", n=1_000)

    page = browser.until(lambda page: "new" in page.rows)
    assert page.sight["v"] == ["new", *ids(149, 148)]
    assert page.size["v"] == ROWS + 1


def test_a_page_that_hides_nothing_of_a_row_is_told_that_it_is_pending(room, large, browser):
    browser.window(count=10)
    room.offline()
    browser.until(lambda page: page.status["room"] == "offline")
    large.update("r003", text="mine")
    large.update("r100", text="mine, out of sight")

    assert browser.until(lambda page: page.pending == {"r003", "r100"}).rows["r003"]["text"] == "mine"
    room.online()
    browser.until(lambda page: page.pending == set())


def test_a_new_row_of_the_page_leaves_its_overlay_in_the_frame_that_shows_its_place(large, browser, monkeypatch):
    """R2: and not a look later, or it would vanish for as long."""
    monkeypatch.setattr(module, "PAUSE", 0.5)
    browser.window(first=ROWS - 5, count=50)
    large.insert(id="before", n=0)
    browser.until(lambda page: "before" in page.sight["v"])  # the next look is half a second from now
    n = browser.edit("insert", "new", n=1)

    browser.until(lambda page: n in page.took)
    told = next(page for page in browser.history() if n in page.took)
    assert told.sight["v"][-2:] == ["before", "new"]
    assert told.rows["new"] == {"text": None, "n": 1}


def test_edits_are_answered_however_busy_the_table_is(enter, large, browser, monkeypatch):
    """Views are never all up to date at once: each edit waits for a look of its own at each, and no longer."""
    monkeypatch.setattr(module, "PAUSE", 0.03)
    busy = enter().table("large")
    for view in "abc":
        browser.window(view, count=5)
    edits = []
    for n in range(60):
        busy.update("r001", n=n).result(10)
        edits.append(browser.edit("update", "r002", n=n))

    page = browser.until(lambda page: edits[-1] in page.took)
    assert page.took == edits


def test_the_places_of_rows_are_looked_at_once_a_frame_at_most(enter, large, browser):
    """However fast they change."""
    elsewhere = enter().table("large")
    browser.window(count=3, sort=[["n", True]])
    begun, n = time.monotonic(), 1_000
    before = sum(bool(frame["windows"]) for frame in browser.now.frames)
    while time.monotonic() < begun + 1:
        elsewhere.insert(id=f"new{n}", n=n).result(10)
        n += 1
    last = f"new{n - 1}"

    page = browser.until(lambda page: page.sight["v"][0] == last)
    took = time.monotonic() - begun
    assert n > 1_030
    assert 3 < sum(bool(frame["windows"]) for frame in page.frames) - before <= took / module.PAUSE + 2


def test_messages_are_at_most_sixty_a_second(large, browser):
    browser.window(count=50)
    begun, before = time.monotonic(), len(browser.wire.custom)
    n = 0
    while time.monotonic() < begun + 1:
        n += 1
        large.update(f"r{n % 50:03}", n=n)
        browser.ask(first=n % 20, count=50)
    large.update("r030", text="the last")
    browser.until(lambda page: page.rows["r030"]["text"] == "the last")
    took = time.monotonic() - begun

    assert len(browser.wire.custom) - before <= took / feeds.FRAME + 3


def test_a_forgotten_view_is_told_nothing_more(large, browser):
    browser.window("gone", count=10)
    browser.window("here", first=20, count=10)
    browser.wire.say({"k": "forget", "view": "gone"})
    browser.wire.say({"k": "forget", "view": "never there"})
    large.update("r003", text="out of sight now")
    large.update("r023", text="in sight")

    page = browser.until(lambda page: page.rows["r023"]["text"] == "in sight")
    assert page.rows["r003"]["text"] == "row 3"


def test_a_table_that_grows_is_told_in_windows_from_then_on(enter, small, browse):
    room = enter()
    table = room.table("grows", n=int)
    table.insert_many([{"id": f"r{n:03}", "n": n} for n in range(100)]).result(10)
    browser = browse(TableChannel.of(table))
    assert browser.now.whole
    assert len(browser.now.rows) == 100

    table.insert_many([{"id": f"r{n:03}", "n": n} for n in range(100, 120)])
    page = browser.until(lambda page: len(page.rows) == 120)
    assert page.whole  # some rows more are no reason to begin anew
    n = browser.edit("insert", "r120", n=120)
    page = browser.until(lambda page: not page.whole)
    assert page.rows == {}
    browser.until(lambda page: n in page.took)

    assert browser.window(first=118, count=5, sort=[["n", False]]) == ids(118, 119, 120)
    late = browse(TableChannel.of(table), "late")
    assert not late.now.whole
    assert late.window("late") == ids(*range(50))


def test_a_table_that_shrinks_goes_on_in_windows_until_everybody_begins_anew(room, large, browser):
    browser.window(count=10)
    with room.batch():
        for n in range(60, ROWS):
            large.delete(f"r{n:03}")
    assert browser.until(lambda page: page.size["v"] == 60).whole is False

    room.table("large", text=str, n=int, more=str)
    page = browser.until(lambda page: page.whole)
    assert len(page.rows) == 60


def test_a_page_that_asks_for_a_window_of_a_whole_table_is_answered_too(todos, browse):
    """It asked before it heard that the table is whole now."""
    todos.insert_many([{"id": f"r{n}", "text": f"{n}"} for n in range(10)]).result(10)
    browser = browse(TableChannel.of(todos))

    assert browser.window(first=3, count=2) == ["r3", "r4"]
    todos.insert(id="told", text="whole")
    browser.until(lambda page: "told" in page.rows)


def test_a_new_column_of_a_large_table_begins_anew(room, large, browser):
    browser.window(count=10)
    room.table("large", text=str, n=int, price=float)
    browser.until(lambda page: len(page.columns) == 3)

    assert browser.window(count=2) == ids(0, 1)
    assert browser.now.rows["r001"] == {"text": "row 1", "n": 1, "price": None}


def test_a_second_page_leaves_the_first_its_windows(large, browse):
    first = browse(TableChannel.of(large), "first")
    first.window("first", count=2)
    second = browse(TableChannel.of(large), "second")
    second.window("second", first=5, count=2)
    large.update("r001", text="of the first")
    large.update("r005", text="of the second")

    assert first.until(lambda page: page.rows["r001"]["text"] == "of the first").sight["first"] == ids(0, 1)
    assert second.until(lambda page: page.rows["r005"]["text"] == "of the second").sight["second"] == ids(5, 6)


def test_a_large_table_that_was_made_offline_is_sorted_too(enter, small, browse):
    """R7: what is pending is in no base yet, so there is nothing to index; nothing may be lost for it."""
    room = enter()
    room.offline()
    table = room.table("offline", n=int)
    table.insert_many([{"id": f"r{n:03}", "n": -n} for n in range(ROWS)])
    browser = browse(TableChannel.of(table))
    assert browser.window(count=2, sort=[["n", False]]) == ids(149, 148)

    room.online()
    browser.until(lambda page: page.pending == set() and page.status["room"] == "live")
    assert browser.window("w", count=2, sort=[["n", False]]) == ids(149, 148)
    replica = room.connection.replica
    assert replica.store.has_index(f"_partysync_order_{replica.view.table('offline').key}_0")


def test_sorting_a_large_table_by_a_column_has_an_index_after_the_first_time(room, large, browser):
    browser.window(sort=[["text", True]])
    replica, seen = room.connection.replica, []
    with room.connection.lock:
        key = replica.view.table("large").key
        assert replica.store.has_index(f"_partysync_order_{key}_0")
        assert not replica.store.has_index(f"_partysync_order_{key}_1")
        replica.store.connection.set_exec_trace(lambda _cursor, sql, _bindings: seen.append(sql) or True)
    large.update("r149", text="z")
    browser.until(lambda page: page.sight["v"][0] == "r149")

    with room.connection.lock:
        replica.store.connection.set_exec_trace(None)
        (query,) = {sql for sql in seen if 'ORDER BY t."text"' in sql}
        plan = [line[-1] for line in replica.store.execute(f"EXPLAIN QUERY PLAN {query}", (50, 0))]
    assert any("_partysync_order" in line for line in plan)


@pytest.mark.parametrize(
    "message",
    [
        {"query": {"sort": "n"}},
        {"query": {"sort": [["n"]]}},
        {"query": {"sort": [["n", "down"]]}},
        {"query": {"filters": [{"column": "n", "op": "like", "value": 1}]}},
        {"query": {"filters": [{"op": "is", "value": 1}]}},
        {"query": {"filters": [{"column": "n", "op": "is", "value": float("inf")}]}},
        {"query": {"search": 7}},
        {"query": {"search": "half a \ud800 pair"}},
        {"query": []},
        {"query": None},
        {"first": 2**64},
        {"first": 0.5},
        {"count": -(2**64)},
        {"count": None},
        {"ask": "1"},
        {"view": "half a \ud800 pair"},
        {"view": None},
    ],
)
def test_a_question_that_is_none_is_logged_and_harms_nobody(large, browser, caplog, message):
    """R13."""
    browser.window(count=5)
    browser.wire.say({"k": "window", "view": "w", "ask": 1, "query": {}, "first": 0, "count": 5, **message})
    large.update("r001", text="goes on")

    page = browser.until(lambda page: page.rows["r001"]["text"] == "goes on")
    assert page.sight.keys() == {"v"}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "none of ours" in caplog.text


@pytest.mark.parametrize(
    "query",
    [
        {"sort": [["n", False]] * 5_000},
        {"filters": [{"column": "n", "op": "is", "value": 1}] * 5_000},
        {"filters": [{"column": "n", "op": "is", "value": 1}] * 40_000},
    ],
)
def test_a_question_beyond_what_sqlite_can_answer_is_answered_with_nothing(large, browser, caplog, query):
    browser.window(count=5)
    assert browser.window("w", **query) == []
    large.update("r001", text="goes on")

    browser.until(lambda page: page.rows["r001"]["text"] == "goes on")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert browser.window("w", count=1) == ids(0)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"sort": [["nothing", False]]}, ids(0, 1, 2)),
        ({"filters": [{"column": 'n" OR 1=1 --', "op": "is", "value": 1}]}, ids(0, 1, 2)),
        ({"sort": [["id", True]]}, ids(149, 148, 147)),
        ({"filters": [{"column": "n", "op": "is", "value": {"$": 1}}]}, []),
        ({"filters": [{"column": "n", "op": "not", "value": "seven"}]}, ids(0, 1, 2)),
        ({"filters": [{"column": "n", "op": "is", "value": "seven"}]}, []),
        ({"filters": [{"column": "text", "op": "is", "value": None}]}, []),
        ({"search": "x" * 100_000}, []),
        ({"search": "' OR 1=1 --"}, []),
        ({"search": "%"}, []),
        ({"search": "row_1"}, []),
    ],
)
def test_odd_questions_have_plain_answers(browser, query, shown):
    """R13: names are looked up, values are parameters."""
    assert browser.window(count=3, **query) == shown


# --- against a slow and obvious model -------------------------------------------------------------------------------

WORDS = ["", "a", "B", "b", "ab", "Ab%", "a_b", "a\\b", "é", "É", "100%", "🧫 dish", "z'z\"z"]
VALUES = {
    "text": [None, *WORDS],
    "n": [None, 0, 1, -1, 7, 70, 2**53 + 1, -(2**63)],
    "x": [None, 0.0, -0.5, 2.0, 2.25, 1e300],
    "done": [None, True, False],
    "day": [None, dt.date(2026, 11, 23), dt.date(2026, 11, 3), dt.date(1999, 1, 1)],
    "size": [None, "S", "M", "L"],
}
OPS = ["is", "not", "lt", "le", "gt", "ge"]


def folded(text):
    return "".join(letter.lower() if "A" <= letter <= "Z" else letter for letter in text)


def key(value):
    return folded(value) if isinstance(value, str) else value.isoformat() if isinstance(value, dt.date) else value


def text_of(value):
    match value:
        case bool():
            return str(int(value))
        case float() if value == int(value):
            return str(int(value)) if abs(value) < 1e15 else str(value)
        case dt.date():
            return value.isoformat()
        case _:
            return str(value)


def passes(row, name, op, value):
    has = row[name]
    match op:
        case "empty":
            return has in (None, "")
        case "filled":
            return has not in (None, "")
        case "has":
            return has is not None and folded(value) in folded(text_of(has))
        case "not":
            return has is None or key(has) != key(value)
    if has is None:
        return False
    a, b = key(has), key(value)
    return {"is": a == b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[op]


def listed(records, query):
    """What a query lists: ``sorted`` over all rows."""
    rows = [row for row in records if all(passes(row, *each.values()) for each in query["filters"])]
    if query["search"]:
        wanted = folded(query["search"])
        texts = [[text_of(v) for v in row.values() if v is not None and not isinstance(v, bool)] for row in rows]
        rows = [row for row, found in zip(rows, texts, strict=True) if any(wanted in folded(each) for each in found)]
    if query["sort"] and query["sort"][0][1]:
        rows.reverse()
    for name, down in reversed(query["sort"]):
        there = sorted((row for row in rows if row[name] is not None), key=lambda row: key(row[name]), reverse=down)
        if down:  # ``reverse`` keeps equal ones in their order
            assert there == sorted(there, key=lambda row: key(row[name]), reverse=True)
        rows = [*there, *(row for row in rows if row[name] is None)]
    return rows


def shown(row):
    """A row as a page has it."""
    row = {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in row.items()}
    return {**row, "n": str(row["n"]) if row["n"] is not None and abs(row["n"]) >= 2**53 else row["n"]}


def some_query(chance):
    filters = []
    for _ in range(chance.choice([0, 0, 1, 2])):
        name = chance.choice(list(VALUES))
        value = chance.choice(VALUES[name][1:])
        op = chance.choice([*OPS, "empty", "filled", *(["has"] if name in ("text", "size") else [])])
        if name in ("done", "size"):
            op = chance.choice(["is", "not"])
        filters.append({"column": name, "op": op, "value": value})
    sort = [[name, chance.random() < 0.5] for name in chance.sample(["id", *VALUES], chance.choice([0, 1, 1, 2]))]
    search = chance.choice(["", "", "", "", "a", "B", "1", "2", "_", "%", "\\", "23", "É", "-", "r1"])
    return {"sort": sort, "filters": filters, "search": search}


def on_the_wire(query):
    filters = [
        {**each, "value": shown({"n": None, "v": each["value"]})["v"]}
        if each["column"] != "n"
        else {**each, "value": str(each["value"])}
        for each in query["filters"]
    ]
    return {**query, "filters": filters}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_every_edit_the_windows_are_as_if_all_rows_were_sorted_anew(enter, small, browse, monkeypatch, seed):
    """R8, R2: by two rooms and the page, in every order, under every kind of question."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    chance = random.Random(seed)
    room, other = enter(), enter()
    table = room.table("t", text=str, n=int, x=float, done=bool, day=dt.date, size=["S", "M", "L"])
    some = lambda: {name: chance.choice(found) for name, found in VALUES.items() if chance.random() < 0.8}  # noqa: E731
    table.insert_many([{"id": f"r{n}", **dict.fromkeys(VALUES), **some()} for n in range(ROWS)]).result(10)
    other.sync(10)
    elsewhere = other.table("t")
    browser = browse(TableChannel.of(table))
    views = {}
    for step in range(120):
        view = f"v{step % 4}"
        if view not in views or chance.random() < 0.3:
            views[view] = (some_query(chance), chance.randrange(30), chance.choice([1, 10, 60]))
            query, first, count = views[view]
            browser.window(view, first, count, **on_the_wire(query))
        match chance.randrange(3):
            case 0:
                a_random_edit(chance, table, step, some)
            case 1:
                other.sync(10)
                a_random_edit(chance, elsewhere, step, some)
                other.sync(10)
            case _:
                id_ = chance.choice(list(table))
                n = browser.edit("update", id_, **shown({"n": None, **some()}))
                browser.until(lambda page, n=n: n in page.took)
        room.sync(10)

        records = table.records
        for view, (query, first, count) in views.items():
            rows = listed(records, query)
            expected = [shown(row) for row in rows[first : first + count]]
            try:
                browser.until(
                    lambda page, view=view, expected=expected, rows=rows: (
                        page.seen(view) == expected and page.size[view] == len(rows)
                    )
                )
            except AssertionError:
                page = browser.now
                print(f"step {step}, {view}: {query} from {first}, {count} rows")
                assert page.seen(view) == expected
                assert page.size[view] == len(rows)
        browser.until(lambda page: page.pending == set())


def a_random_edit(chance, table, step, some):
    ids = list(table)
    match chance.choice(["insert", "update", "update", "delete", "batch"]):
        case "insert":
            table.insert(id=f"new{step}", **some()).result(10)
        case "update":
            table.update(chance.choice(ids), **some()).result(10)
        case "delete":
            table.delete(chance.choice(ids)).result(10)
        case "batch":
            with table.room.batch() as batch:
                for id_ in chance.sample(ids, 3):
                    table.update(id_, **some())
                table.insert(id=f"new{step}", **some())
            batch.receipt.result(10)


def test_thirty_thousand_rows(room, browse):
    """With nothing made small."""
    table = room.table("plants", name=str, n=int)
    table.insert_many([{"id": f"p{n:05}", "name": f"plant {n * 7919 % 30_000}", "n": n} for n in range(30_000)]).result(
        60
    )
    room.sync(30)
    browser = browse(TableChannel.of(table))
    assert (browser.now.whole, browser.now.rows) == (False, {})

    assert browser.window(first=29_990, count=20) == [f"p{n:05}" for n in range(29_990, 30_000)]
    assert browser.now.size["v"] == 30_000
    by_name = sorted(table.records, key=lambda row: row["name"])
    assert browser.window(first=15_000, count=100, sort=[["name", False]]) == [
        row["id"] for row in by_name[15_000:15_100]
    ]
    assert browser.window(search="PLANT 2999") == [row["id"] for row in table.records if "plant 2999" in row["name"]]
    table.update("p00000", name="plant 29990 again")
    browser.until(lambda page: page.sight["v"][0] == "p00000")
    assert len(browser.now.rows) < 200


# --- views themselves, at moments of our choosing ---------------------------------------------------------------------


class Look:
    """Windows over a real replica, looked at when the test says so."""

    def __init__(self, table):
        self.table = table
        self.windows = Windows()
        self.asks = 0

    def ask(self, view="v", first=0, count=5, **query):
        self.asks += 1
        self.windows.ask(view, self.asks, query, first, count)

    def at(self, now):
        """What is told at a moment, by view: (size, ids)."""
        with self.table.room.connection.lock:
            told, rows = self.windows.read(self.table.room.connection.replica, self.table.name, now)
        assert set(rows) == {id_ for each in told for id_ in each["ids"]}
        return {each["view"]: (each["size"], each["ids"]) for each in told}


@pytest.fixture
def look(large):
    return Look(large)


def test_nothing_is_told_twice(large, look):
    look.ask()
    assert look.at(0) == {"v": (ROWS, ids(0, 1, 2, 3, 4))}
    assert look.windows.wanting(0) is None
    assert look.at(1) == {}

    look.windows.touch()
    assert look.windows.wanting(1) == 0
    assert look.at(1) == {}  # looked at, and found as it was
    look.ask()
    assert look.at(1) == {"v": (ROWS, ids(0, 1, 2, 3, 4))}  # who asks is answered


def test_the_next_look_is_a_frame_from_the_last(large, look):
    look.ask()
    look.at(10)
    look.windows.touch()
    assert look.windows.wanting(10) == 0
    look.at(10)
    large.delete("r000")
    look.windows.touch()

    assert look.windows.wanting(10) == pytest.approx(module.PAUSE)
    assert look.at(10 + 0.9 * module.PAUSE) == {}
    assert look.at(10 + 1.1 * module.PAUSE) == {"v": (ROWS - 1, ids(1, 2, 3, 4, 5))}


def test_looking_takes_a_fifth_of_the_time_at_most(look, monkeypatch):
    clock = iter([100.0, 102.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    look.ask(search="row")
    look.at(10)
    look.windows.touch()

    assert look.windows.wanting(10) == pytest.approx(10)


def test_a_scroll_through_what_was_found_looks_at_no_other_row(large, look):
    """Stale matches are good enough to scroll; and a scroll does not put off the next look."""
    look.ask(search="row 1", count=3)
    assert look.at(0) == {"v": (61, ids(1, 10, 11))}
    large.update("r010", text="no match any more")
    large.delete("r011")
    look.windows.touch()
    look.ask(search="row 1", first=1, count=3)

    assert look.at(0.001) == {"v": (61, ids(10, 12))}
    assert look.windows.wanting(0.001) > 0
    look.ask(search="row 1", first=2, count=3)
    assert look.at(1) == {"v": (59, ids(13, 14, 15))}


def test_another_question_finds_anew(large, look):
    look.ask(search="row 1", count=3)
    look.at(0)
    look.ask(search="row 2", count=3)

    assert look.at(0) == {"v": (11, ids(2, 20, 21))}
    assert look.windows.ids == set(ids(2, 20, 21))


def test_the_views_of_pages_that_left_without_a_word_are_forgotten(look):
    look.ask("kept")
    for n in range(1, MOST_VIEWS):
        look.ask(f"v{n}")
    look.ask("kept", first=1)
    look.ask("new")
    look.ask("newer")

    assert look.at(0).keys() == {"kept", "new", "newer", *(f"v{n}" for n in range(3, MOST_VIEWS))}


def test_a_window_has_a_largest_size(room, look, small):
    look.table = room.table("wide", n=int)
    look.table.insert_many([{"id": f"r{n}", "n": n} for n in range(MOST_ROWS + 10)]).result(30)
    look.ask(count=10**9)

    assert [len(shown) for _, shown in look.at(0).values()] == [MOST_ROWS]


def test_a_table_that_is_not_there_has_no_rows(room, look):
    look.table = ps.table.Table(room, "nothing")
    look.ask()

    assert look.at(0) == {"v": (0, [])}
    assert look.windows.wanting(0) is None


def test_a_view_that_cannot_be_read_costs_the_others_nothing(look, caplog):
    look.ask("bad", sort=[["n", False]] * 5_000)
    look.ask("good")

    assert look.at(0) == {"bad": (0, []), "good": (ROWS, ids(0, 1, 2, 3, 4))}
    assert "cannot be listed" in caplog.text
    look.windows.touch()
    assert look.at(1) == {}


def test_views_have_seen_what_changed_before_they_were_looked_at(look):
    assert look.windows.saw(look.windows.touch())
    look.ask("a")
    look.ask("b", search="row")
    touched = look.windows.touch()
    assert not look.windows.saw(touched)
    look.at(0)
    assert look.windows.saw(touched)

    touched = look.windows.touch()
    look.ask("a")
    look.at(0.005)  # a is asked, b not due
    assert not look.windows.saw(touched)
    look.ask("b", search="row", first=3)
    look.at(0.01)  # b scrolls through what was found before
    assert not look.windows.saw(touched)
    look.at(0.2)
    assert look.windows.saw(touched)
