"""Edits that people make in a browser: each made once, whole, and answered."""

import threading

import pytest

from partysync_widget import edits
from partysync_widget.channel import TableChannel


@pytest.fixture
def channel(todos):
    return TableChannel.of(todos)


def test_edits_of_the_page_reach_the_table_and_are_answered_in_the_frame_of_their_row(todos, channel, browse):
    """R2."""
    browser = browse(channel)
    new = browser.edit("insert", "n1", text="milk", done=False)
    page = browser.until(lambda page: new in page.took)
    assert page.rows["n1"] == {"text": "milk", "done": False}
    (frame,) = [frame for frame in page.frames if new in frame["took"]]
    assert "n1" in frame["ids"]

    done = browser.edit("update", "n1", done=True)
    assert browser.until(lambda page: done in page.took).rows["n1"]["done"] is True
    gone = browser.edit("delete", "n1")
    assert browser.until(lambda page: gone in page.took).rows == {}
    assert list(todos) == []


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (("update", "there", {"text": 5}), "text"),
        (("update", "nowhere", {"text": "x"}), "nowhere"),
        (("insert", "new", {"colour": "red"}), "colour"),
        (("insert", "there", {"text": "twice"}), "already"),
        (("delete", "nowhere", {}), "nowhere"),
    ],
)
def test_an_edit_that_breaks_a_rule_is_refused_with_the_sentence(todos, channel, browse, edit, why):
    op, id_, values = edit
    todos.insert(id="there", text="milk")
    browser = browse(channel)
    n = browser.edit(op, id_, **values)

    page = browser.until(lambda page: page.reason(n))
    assert why in page.reason(n)
    (refusal,) = page.refused
    (change,) = refusal["changes"]
    assert (change["op"], change["id"], change["values"]) == edit
    assert todos["there"]["text"] == "milk"


def test_an_edit_the_room_rejects_later_is_told_to_its_page_with_the_row_as_it_is(enter, room, todos, channel, browse):
    """R6, R2."""
    todos.insert(id="r1", text="milk").result(10)
    elsewhere = enter().table("todos")
    browser = browse(channel)
    room.offline()
    browser.until(lambda page: page.status["room"] == "offline")
    n = browser.edit("update", "r1", text="oat milk")
    assert browser.until(lambda page: n in page.took).rows["r1"]["text"] == "oat milk"
    elsewhere.delete("r1").result(10)

    room.online()
    browser.until(lambda page: page.reason(n))
    told = next(page for page in browser.history() if page.reason(n))
    assert told.rows == {}
    assert told.pending == set()


def test_an_edit_sent_twice_is_made_once_and_answered_twice(todos, channel, browse):
    """R5."""
    browser = browse(channel)
    n = browser.edit("insert", "r1", text="milk")
    browser.until(lambda page: page.took == [n])
    todos.update("r1", text="oat milk")
    browser.edit("insert", "r1", number=n, text="milk")

    page = browser.until(lambda page: page.took == [n, n])
    assert page.refused == []
    assert page.rows["r1"]["text"] == "oat milk"


def test_a_refusal_asked_for_again_is_the_same(channel, browse):
    browser = browse(channel)
    n = browser.edit("update", "nowhere", text="x")
    why = browser.until(lambda page: page.reason(n)).reason(n)
    browser.edit("update", "nowhere", number=n, text="x")

    assert [refusal["why"] for refusal in browser.until(lambda page: len(page.refused) == 2).refused] == [why, why]


# --- several changes as one -----------------------------------------------------------------------------------------


def test_several_changes_are_one_mutation(enter, room, todos, channel, browse):
    """R8: in the kernel, in the room, with the others and on the page."""
    todos.insert_many([{"id": id_, "text": "old"} for id_ in "abc"]).result(10)
    room.sync(10)
    elsewhere, seen = enter().table("todos"), []
    elsewhere.follow(lambda changes: seen.append({row["id"]: row["text"] for row in elsewhere.records}))
    browser = browse(channel)
    version = room.version
    n = browser.edits([("update", "a", {"text": "new"}), ("delete", "b", {}), ("insert", "d", {"text": "new"})])
    browser.until(lambda page: n in page.took and not page.pending)
    elsewhere.room.sync(10)

    was, now = {"a": "old", "b": "old", "c": "old"}, {"a": "new", "c": "old", "d": "new"}
    assert room.version == version + 1
    assert {str({id_: row["text"] for id_, row in page.rows.items()}) for page in browser.history() if page.ready} == {
        str(was), str(now),
    }  # fmt: skip
    assert [each for each in seen if each != now] == []
    assert seen


def test_one_change_that_breaks_a_rule_takes_the_others_with_it(room, todos, channel, browse):
    """R8."""
    todos.insert(id="a", text="old").result(10)
    browser = browse(channel)
    version = room.version
    changes = [("update", "a", {"text": "new"}), ("insert", "a", {"text": "twice"}), ("delete", "a", {})]
    n = browser.edits(changes)

    page = browser.until(lambda page: page.reason(n))
    assert "already" in page.reason(n)
    (refusal,) = page.refused
    assert [(change["op"], change["id"], change["values"]) for change in refusal["changes"]] == changes
    room.sync(10)
    assert (todos["a"]["text"], room.version, room.pending) == ("old", version, 0)


def test_several_changes_sent_twice_are_made_once(room, channel, browse):
    """R5."""
    browser = browse(channel)
    changes = [("insert", "a", {"text": "one"}), ("insert", "b", {"text": "two"})]
    n = browser.edits(changes)
    browser.edits(changes, n)

    page = browser.until(lambda page: page.took == [n, n])
    assert page.refused == []
    assert len(page.rows) == 2


def test_no_changes_are_answered(channel, browse):
    browser = browse(channel)
    n = browser.edits([])

    assert browser.until(lambda page: n in page.took).rows == {}


def test_a_refusal_by_the_room_carries_the_changes(enter, room, todos, channel, browse):
    """R6: whoever made them gets them back, to make them once more."""
    todos.insert_many([{"id": "a", "text": "old"}, {"id": "b", "text": "old"}]).result(10)
    elsewhere = enter().table("todos")
    browser = browse(channel)
    room.offline()
    browser.until(lambda page: page.status["room"] == "offline")
    changes = [("update", "a", {"text": "mine"}), ("insert", "c", {"text": "mine"})]
    n = browser.edits(changes)
    browser.until(lambda page: n in page.took)
    elsewhere.delete("a").result(10)

    room.online()
    page = browser.until(lambda page: page.reason(n))
    (refusal,) = page.refused
    assert [(change["op"], change["id"], change["values"]) for change in refusal["changes"]] == changes
    assert page.rows == {"b": {"text": "old", "done": None}}

    browser.edits(changes, n)
    assert len(browser.until(lambda page: len(page.refused) == 2).refused) == 2  # the answer is remembered as it is now


def test_a_batch_too_large_for_a_frame_is_refused_with_a_sentence(room, todos, channel, browse):
    browser = browse(channel)
    n = browser.edits([("insert", f"r{n}", {"text": "x" * 1_000}) for n in range(2_000)])

    page = browser.until(lambda page: page.reason(n))
    assert "the room takes at most" in page.reason(n)
    assert "Split it" in page.reason(n)
    assert len(page.refused[0]["changes"]) == 2_000
    assert (len(todos), room.pending) == (0, 0)
    after = browser.edit("insert", "a", text="goes on")
    browser.until(lambda page: after in page.took)


# --- values ---------------------------------------------------------------------------------------------------------


def test_big_integers_come_as_digits_and_go_as_digits(room, browse):
    """A browser would round them."""
    table = room.table("big", n=int)
    browser = browse(TableChannel.of(table))
    numbers = [2**53 - 1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1]
    edits = [browser.edits([("insert", f"r{i}", {"n": str(n)})]) for i, n in enumerate(numbers)]
    page = browser.until(lambda page: page.took == edits)

    assert [row["n"] for row in table.records] == numbers
    assert [page.rows[f"r{i}"]["n"] for i in range(5)] == [2**53 - 1, *(str(n) for n in numbers[1:])]
    too_big = browser.edits([("insert", "more", {"n": str(2**63)})])
    assert "64 bits" in browser.until(lambda page: page.reason(too_big)).reason(too_big)


@pytest.mark.parametrize(
    ("value", "why"), [("half a \ud800 pair", "surrogate"), (2**70, "64 bits"), (float("nan"), "not a number")]
)
def test_what_no_frame_can_carry_is_refused_and_harms_nobody(todos, channel, browse, value, why):
    """The refusal travels without it."""
    browser = browse(channel)
    n = browser.edit("insert", "a", text=value)

    page = browser.until(lambda page: page.reason(n))
    assert why in page.reason(n)
    assert page.refused[0]["changes"] == []
    after = browser.edit("insert", "b", text="goes on")
    browser.until(lambda page: after in page.took)


@pytest.mark.parametrize(
    "edit",
    [
        {"n": 1, "changes": []},
        {"changes": []},
        {"n": "x"},
        {"n": "half a \ud800 pair", "changes": []},
        {"n": "x", "changes": [], "draft": "half a \ud800 pair"},
        {"n": "x", "changes": [{"op": "drop", "id": "a"}]},
        {"n": "x", "changes": [{"op": "insert", "id": 1}]},
        {"n": "x", "changes": [{"op": "insert", "id": "a", "values": []}]},
        {"n": "x", "changes": [{"op": "insert", "id": "a", "sql": "DROP TABLE todos"}]},
        {"n": "x", "changes": {"op": "insert", "id": "a"}},
        {"n": "x", "changes": None},
        {"n": "x", "changes": [], "draft": 7},
    ],
)
def test_an_edit_that_is_none_is_logged_and_harms_nobody(todos, channel, browse, caplog, edit):
    """R13."""
    browser = browse(channel)
    browser.wire.say({"k": "edit", **edit})
    n = browser.edit("insert", "a", text="milk")

    page = browser.until(lambda page: n in page.took)
    assert (page.took, page.refused) == ([n], [])
    assert [record.levelname for record in caplog.records] == ["WARNING"]


# --- undo -----------------------------------------------------------------------------------------------------------


def test_what_was_done_is_taken_back_where_it_stood(todos, channel, browse):
    todos.insert_many([{"id": id_, "text": id_} for id_ in "abc"]).result(10)
    browser = browse(channel)
    before, at = dict(browser.now.rows), dict(browser.now.at)
    done = browser.edits([("delete", "b", {}), ("update", "c", {"text": "C"}), ("insert", "d", {"text": "d"})])
    browser.until(lambda page: done in page.took)
    undone = browser.undo(
        ("d", None, {"text": "d", "done": None}, None),
        ("c", {"text": "c"}, {"text": "C"}, at["c"]),
        ("b", before["b"], None, at["b"]),
    )

    page = browser.until(lambda page: undone in page.took and not page.pending)
    assert (page.rows, page.at, page.order) == (before, at, ["a", "b", "c"])


def test_what_others_have_written_since_is_not_taken_back(todos, channel, browse):
    todos.insert(id="a", text="old").result(10)
    browser = browse(channel)
    n = browser.edit("update", "a", text="mine")
    browser.until(lambda page: n in page.took)
    todos.update("a", text="theirs").result(10)
    undone = browser.undo(("a", {"text": "old"}, {"text": "mine"}, 1))

    assert "since" in browser.until(lambda page: page.reason(undone)).reason(undone)
    assert todos["a"]["text"] == "theirs"


def test_an_undo_of_big_integers_takes_digits(room, browse):
    table = room.table("big", n=int)
    table.insert(id="a", n=2**60).result(10)
    browser = browse(TableChannel.of(table))
    n = browser.edits([("update", "a", {"n": str(2**60 + 1)})])
    browser.until(lambda page: n in page.took)
    undone = browser.undo(("a", {"n": str(2**60)}, {"n": str(2**60 + 1)}, 1))

    browser.until(lambda page: undone in page.took)
    assert table["a"]["n"] == 2**60


def test_making_and_taking_back_do_not_mix(todos, channel, browse):
    """One of them would be left out, and the edit not whole (R8)."""
    todos.insert(id="a", text="new").result(10)
    browser = browse(channel)
    changes = [
        {"op": "back", "id": "a", "before": {"text": "old"}, "after": {"text": "new"}},
        {"op": "insert", "id": "b", "values": {}},
    ]
    browser.wire.say({"k": "edit", "n": "x", "changes": changes})

    assert "not both" in browser.until(lambda page: page.reason("x")).reason("x")
    assert [row["text"] for row in todos.records] == ["new"]


# --- drafts ---------------------------------------------------------------------------------------------------------


def drafts(room, table="todos"):
    """What the others are shown in this room: (typing, rows)."""
    with room.connection.lock:
        return [(draft.mid == 0, draft.rows) for _, draft in room.connection.replica.drafts_of(table)]


def test_what_is_typed_is_a_draft_until_the_delta_with_its_row(enter, room, todos, channel, browse):
    """R11: not gone before, not there after."""
    todos.insert(id="a", text="old").result(10)
    other = enter()
    elsewhere, seen = other.table("todos"), []
    shown = threading.Condition()

    def look(_):
        with shown:
            seen.append((drafts(other), elsewhere["a"]["text"]))
            shown.notify_all()

    elsewhere.follow(look)
    browser = browse(channel)
    for text in ("n", "ne", "new"):
        browser.wire.say({"k": "draft", "key": "d1", "id": "a", "column": "text", "text": text})
    with shown:
        assert shown.wait_for(lambda: seen and seen[-1] == ([(True, {"a": {"text": "new"}})], "old"), 10)
    n = browser.edits([("update", "a", {"text": "new!"})], draft="d1")
    browser.until(lambda page: n in page.took and not page.pending)
    other.sync(10)

    last = seen.index(([(True, {"a": {"text": "new"}})], "old"))
    between = [each for each in seen[last:] if each != seen[last]]
    assert between[-1] == ([], "new!")
    assert all(each in [([(False, {"a": {"text": "new!"}})], "old"), ([], "new!")] for each in between)


def test_the_draft_of_an_edit_is_tied_to_its_mutation(room, todos, channel, browse):
    """R11: it ends by itself, whenever that is decided. A new row is shown whole, one that is deleted as none."""
    todos.insert(id="old", text="old").result(10)
    browser = browse(channel)
    browser.wire.say({"k": "draft", "key": "d1", "id": "a", "column": "text", "text": "n"})
    room.offline()
    browser.until(lambda page: page.status["room"] == "offline")
    n = browser.edits([("insert", "a", {"text": "new", "done": True}), ("delete", "old", {})], draft="d1")
    browser.until(lambda page: n in page.took)

    draft = room.connection._showing._drafts["d1"]
    (pending,) = room.connection.replica.pending
    assert (draft.mid, draft.rows) == (pending.mutation.mid, {"a": {"text": "new", "done": True}, "old": None})
    room.online()
    browser.until(lambda page: not page.pending and page.status["room"] == "live")
    room.sync(10)
    assert "d1" not in room.connection._showing._drafts


def test_the_draft_of_an_edit_that_is_refused_is_over(enter, room, todos, channel, browse):
    other = enter()
    told = threading.Condition()

    def look(_):
        with told:
            told.notify_all()

    other.table("todos").follow(look)
    browser = browse(channel)
    browser.wire.say({"k": "draft", "key": "d1", "id": "a", "column": "text", "text": "n"})
    with told:
        assert told.wait_for(lambda: drafts(other), 10)
    n = browser.edits([("update", "nowhere", {"text": "new"})], draft="d1")
    browser.until(lambda page: page.reason(n))

    with told:
        assert told.wait_for(lambda: not drafts(other), 10)


def test_answers_are_remembered_for_a_while(channel, browse, monkeypatch):
    monkeypatch.setattr(edits, "ANSWERS", 3)
    browser = browse(channel)
    made = [browser.edit("insert", f"r{n}") for n in range(5)]
    browser.until(lambda page: page.took == made)
    browser.edit("insert", "r4", number=made[4])
    browser.until(lambda page: page.took == [*made, made[4]])
    browser.edit("insert", "r0", number=made[0])

    assert "already" in browser.until(lambda page: page.reason(made[0])).reason(made[0])


def test_a_room_that_ends_says_so_of_what_it_has_not_decided(room, channel, browse):
    """R6: the author hears that nobody knows."""
    browser = browse(channel)
    room.offline()
    browser.until(lambda page: page.status["room"] == "offline")
    n = browser.edit("insert", "a", text="milk")
    browser.until(lambda page: n in page.took)
    room.close()

    assert "has not said what became of insert" in browser.until(lambda page: page.reason(n)).reason(n)
