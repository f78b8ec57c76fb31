"""A view: base with pending replayed over it, whatever happens in between."""

import sys
from pathlib import Path

import apsw
import pytest

from partysync_widget.core import messages as m
from partysync_widget.core import view as module
from partysync_widget.core.codec import decode_down, encode
from partysync_widget.core.errors import FrameTooLarge, MutationRejected, PartySyncError, StorageFailed
from partysync_widget.core.party import Main, Party, mutator
from partysync_widget.core.store import Store
from partysync_widget.core.view import COMPARED_ROWS, FRAME_OVERHEAD, Pending, Step, View
from tests.stage import Todos, rows_of

CORE = str(Path(module.__file__).parent)
COLUMNS = ["text", "done"]


@pytest.fixture
def view():
    """A kernel of the party ``Todos`` at version 1, which has the row ``base``."""
    view = View(Todos, "me", user="ada")
    told(view, put={"base": "old"})
    return view


def delta(view, *, put=(), gone=(), acks=None, results=(), schema=(), table="todos", version=None, first=1):
    """The next delta, as it comes off a wire: ``put`` is texts by id."""
    rows = [[position, id, text, 0] for position, (id, text) in enumerate(dict(put).items(), first)]
    change = [m.TableChange(table, COLUMNS, rows, list(gone))] if rows or gone else []
    frame = m.Delta("e", view.cursor, version or view.cursor + 1, change, list(schema), acks or {}, list(results))
    return decode_down(encode(frame, "json"), "json")


def told(view, step=None, **what):
    step = step or Step()
    assert view.advance([delta(view, **what)], step)
    return step


def texts(view, table="todos"):
    return {id: row["text"] for id, row in rows_of(view.view, table).items()}


def create(view, id, text="mine"):
    return view.mutate("create", {"id": id, "text": text})


class Acting(Todos):
    """Its actions are the room's business."""

    def on_action(self, channel, action):
        return []


def test_what_an_action_will_do_nobody_guesses():
    """It waits in the queue, and shows when the room has decided."""
    view = View(Acting, "me", user="ada")
    told(view, put={"base": "old"})
    made, _ = view.mutate("act", {"channel": "todos", "type": "sweep", "payload": None})

    assert view.pending == [made]
    assert texts(view) == {"base": "old"}
    create(view, "a")
    told(view, put={"other": "new"}, first=2)
    assert texts(view) == {"base": "old", "other": "new", "a": "mine"}


# --- an edit --------------------------------------------------------------------------------------------------------


def test_an_edit_shows_at_once_and_waits(view):
    """R7."""
    made, step = create(view, "a")

    assert texts(view) == {"base": "old", "a": "mine"}
    assert view.pending == [made]
    assert (made.mutation.mid, made.mutation.name, made.sent, made.tried, made.shown) == (
        1,
        "create",
        False,
        False,
        True,
    )
    assert (step.changed, step.reset, step.settled) == ({"todos": {"a"}}, False, [])
    assert view.pending_rows() == {"todos": {"a"}}


def test_edits_are_numbered_one_after_the_other(view):
    """R5."""
    assert [create(view, id)[0].mutation.mid for id in "abc"] == [1, 2, 3]
    assert view.next_mid == 4
    told(view, acks={"me": 3})
    assert view.next_mid == 4


def test_each_edit_tells_of_its_own_rows_only(view):
    create(view, "a")
    _, step = view.mutate("finish", {"id": "a"})

    assert step.changed == {"todos": {"a"}}
    assert view.mutate("update", {"table": "todos", "id": "base", "values": {}})[1].changed == {}


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("finish", {"id": "nobody"}, "mutator-raised"),
        ("create", {"id": "base", "text": "again"}, "constraint"),
        ("create", {"id": "a"}, "bad-arguments"),
        ("create", {"id": "a", "text": "x" * 20}, "constraint"),
        ("nothing", {}, "unknown-mutator"),
        ("batch", {"steps": [["create", {"id": "a", "text": "b"}], ["finish", {"id": "nobody"}]]}, "mutator-raised"),
    ],
)
def test_an_edit_that_is_refused_here_is_not_queued_and_shows_nothing(view, name, args, code):
    """R7."""
    with pytest.raises(MutationRejected) as refused:
        view.mutate(name, args)

    assert refused.value.code == code
    assert (view.pending, view.next_mid, texts(view)) == ([], 1, {"base": "old"})


def test_an_edit_that_is_refused_here_leaves_the_others_alone(view):
    """R6."""
    create(view, "a")
    with pytest.raises(MutationRejected):
        create(view, "a")
    create(view, "b")

    assert texts(view) == {"base": "old", "a": "mine", "b": "mine"}
    assert [each.mutation.mid for each in view.pending] == [1, 2]


def test_an_edit_that_no_frame_can_hold_is_refused_before_it_is_queued(view):
    view.limits = m.Limits(frame=FRAME_OVERHEAD + len("create") + len('{"id":"a","text":"mine"}'), mutations=256)

    create(view, "a")
    with pytest.raises(FrameTooLarge, match="Split it"):
        create(view, "aa")
    assert list(texts(view)) == ["base", "a"]


class Celsius(float):
    """What no encoder knows."""


@pytest.mark.parametrize(
    ("value", "error"), [("\ud800", MutationRejected), (1 << 70, MutationRejected), (Celsius(1), TypeError)]
)
def test_an_edit_that_cannot_travel_is_refused_before_it_is_queued(view, value, error):
    """R7."""
    with pytest.raises(error):
        view.mutate("create", {"id": "a", "text": value})

    assert view.pending == []


def test_an_edit_that_the_room_has_said_it_does_not_take_is_refused(view):
    create(view, "a")
    view.mutators = frozenset({"finish"})

    with pytest.raises(MutationRejected, match=r"no mutator 'create'. It has: finish") as refused:
        create(view, "b")
    assert refused.value.code == "unknown-mutator"


def test_the_verbs_are_the_rooms_once_it_has_said_them(view):
    """And before that, what this kernel's party has."""
    assert view.verbs == sorted([*Todos.mutators, *Todos.built_in])
    assert {"create", "insert", "put_back"} <= set(view.verbs)
    view.mutators = frozenset({"finish", "create"})

    assert view.verbs == ["create", "finish"]


def test_a_look_runs_nothing_again(view, monkeypatch):
    """Each edit is guessed once, however often somebody looks."""
    ran = []
    monkeypatch.setattr(Todos.mutators["create"], "function", lambda tx, id, text, done: ran.append(id))
    for id in "abc":
        create(view, id)
        view.view.count("todos")
    with pytest.raises(MutationRejected):
        view.mutate("finish", {"id": "nobody"})
    view.pending_rows()

    assert ran == ["a", "b", "c"]


def test_a_guess_knows_that_it_is_one_and_who_makes_it(view):
    view.mutate("guess_differently", {"id": "a"})

    assert texts(view)["a"] == "a guess"


def test_a_table_made_in_a_guess_is_a_reset():
    view = View(Main, "me")

    _, step = view.mutate("create_table", {"name": "todos", "columns": [{"name": "text", "type": "text"}]})

    assert step.reset
    assert list(view.view.tables) == ["todos"]


# --- a party whose code is not here ---------------------------------------------------------------------------------

Unknown = type("Unknown", (Party,), {"name": "todos"})


@pytest.fixture
def stranger():
    """A kernel that has only the name of the party, and its tables from the room."""
    view = View(Unknown, "me", typed=False)
    spec = m.TableSpec("todos", (m.Column("text", "text", required=True), m.Column("done", "boolean")))
    told(view, put={"base": "old"}, schema=[spec])
    return view


def test_what_cannot_be_guessed_is_sent_all_the_same(stranger):
    made, step = create(stranger, "a")

    assert made.shown
    assert stranger.pending == [made]
    assert (step.changed, texts(stranger)) == ({}, {"base": "old"})


def test_what_is_built_in_is_guessed_without_the_code(stranger):
    create(stranger, "a")
    stranger.mutate("update", {"table": "todos", "id": "base", "values": {"text": "new"}})

    assert texts(stranger) == {"base": "new"}
    told(stranger, put={"a": "theirs"}, first=2)
    assert texts(stranger) == {"base": "new", "a": "theirs"}
    assert [each.shown for each in stranger.pending] == [False, True]


def test_a_batch_of_what_cannot_be_guessed_is_sent_all_the_same(stranger):
    stranger.mutate("batch", {"steps": [["create", {"id": "a", "text": "b"}]]})

    assert len(stranger.pending) == 1


# --- the base moves under the edits ---------------------------------------------------------------------------------


def test_what_the_room_decided_and_what_it_has_not_show_together(view):
    """R7."""
    create(view, "a")

    told(view, put={"base": "new", "b": "theirs"})

    assert texts(view) == {"base": "new", "b": "theirs", "a": "mine"}
    assert (view.cursor, [each.mutation.mid for each in view.pending]) == (2, [1])


def test_deltas_that_chain_move_the_base_together(view):
    first = delta(view, put={"base": "one"})
    second = m.Delta("e", first.version, first.version + 4, [m.TableChange("todos", COLUMNS, [[1, "base", "two", 1]])])
    step = Step()

    assert view.advance([first, second], step)

    assert (texts(view), view.cursor) == ({"base": "two"}, 6)
    assert step.changed == {"todos": {"base"}}
    assert step.based == [first, second]


def test_an_accepted_edit_is_settled_with_its_value_in_the_step_that_brings_its_row(view):
    """R2."""
    made, _ = create(view, "a")

    step = told(view, put={"a": "mine"}, first=2, acks={"me": 1}, results=[m.Result("me", 1, "well done")])

    (settled,) = step.settled
    assert (settled.ticket, settled.mid, settled.value, settled.error) == (made.ticket, 1, "well done", None)
    assert (view.pending, view.settled_mid, texts(view)) == ([], 1, {"base": "old", "a": "mine"})
    assert step.send == [m.Seen(1)]


def test_an_accepted_edit_without_a_value_needs_no_result(view):
    create(view, "a")

    step = told(view, put={"a": "mine"}, first=2, acks={"me": 1})

    assert (step.settled[0].value, step.settled[0].error, step.send) == (None, None, [])


@pytest.mark.parametrize("message", ["Because.", None])
def test_a_rejected_edit_is_settled_with_its_reason_and_its_row_is_gone(view, message):
    """R6."""
    create(view, "a")

    step = told(view, acks={"me": 1}, results=[m.Result("me", 1, code="constraint", message=message)])

    error = step.settled[0].error
    assert (error.code, error.message) == ("constraint", message or "")
    assert texts(view) == {"base": "old"}
    assert step.changed == {"todos": {"a"}}


def test_several_edits_are_settled_in_order_and_the_later_ones_wait(view):
    for id in "abc":
        create(view, id)

    step = told(
        view, put={"a": "mine"}, first=2, acks={"me": 2}, results=[m.Result("me", 2, code="forbidden", message="")]
    )

    assert [(each.mid, type(each.error)) for each in step.settled] == [(1, type(None)), (2, MutationRejected)]
    assert texts(view) == {"base": "old", "a": "mine", "c": "mine"}
    assert view.next_mid == 4


def test_what_became_of_other_peoples_edits_settles_none_of_ours(view):
    create(view, "a")

    step = told(view, acks={"you": 7}, results=[m.Result("you", 1, code="forbidden", message="")])

    assert (step.settled, step.send, len(view.pending)) == ([], [], 1)


def test_a_result_that_is_told_again_is_seen_again(view):
    """R6. The room did not hear that we have it."""
    step = told(view, acks={"me": 4}, results=[m.Result("me", 4, code="forbidden", message="")])

    assert (step.settled, step.send, view.settled_mid, view.next_mid) == ([], [m.Seen(4)], 4, 5)


def test_an_edit_that_raises_in_replay_shows_nothing_and_stays(view):
    """R7. The room decides; and when the obstacle goes, it shows again."""
    made, _ = view.mutate("finish", {"id": "base"})

    step = told(view, gone=["base"])
    assert (texts(view), made.shown, view.pending) == ({}, False, [made])
    assert step.settled == []

    told(view, put={"base": "back"})
    assert rows_of(view.view, "todos") == {"base": {"text": "back", "done": True}}
    assert made.shown


def test_an_edit_that_raises_in_replay_does_not_stop_those_after_it(view):
    """R6."""
    create(view, "a")
    create(view, "b")

    told(view, put={"a": "theirs"}, first=2)

    assert texts(view) == {"base": "old", "a": "theirs", "b": "mine"}
    assert [each.shown for each in view.pending] == [False, True]


@pytest.mark.parametrize(
    "what",
    [
        {"put": {"a": "x"}, "table": "nothing"},
        {"put": {"a": {"no": "text"}}},
        {"schema": [m.TableSpec("todos", (m.Column("text", "integer"),))]},
    ],
)
def test_a_delta_that_does_not_fit_moves_nothing(view, what):
    """R8."""
    create(view, "a")
    good = delta(view, put={"base": "new"})
    bad = delta(view, **what)
    bad.base, bad.version = good.version, good.version + 1
    step = Step()

    assert not view.advance([good, bad], step)

    assert (texts(view), view.cursor, len(view.pending)) == ({"base": "old", "a": "mine"}, 1, 1)
    assert step == Step()
    told(view, put={"base": "new"})
    assert texts(view) == {"base": "new", "a": "mine"}


def test_a_table_that_the_room_made_is_a_reset(view):
    step = told(view, schema=[m.TableSpec("more", (m.Column("text", "text"), m.Column("done", "boolean")))])

    assert step.reset
    assert list(view.view.tables) == ["todos", "more"]
    assert not told(view, put={"x": "y"}, table="more").reset


def test_a_table_whose_making_the_room_refused_is_gone():
    """R7. And with it whatever was put into it."""
    view = View(Main, "me")
    view.mutate("create_table", {"name": "todos", "columns": [{"name": "text", "type": "text"}]})
    view.mutate("insert", {"table": "todos", "id": "a", "values": {}})

    step = told(view, acks={"me": 1}, results=[m.Result("me", 1, code="forbidden", message="")])

    assert (step.reset, view.view.tables) == (True, {})
    assert [each.shown for each in view.pending] == [False]


# --- what is told of it ---------------------------------------------------------------------------------------------


def test_only_rows_that_look_different_are_told(view):
    told(view, put={"a": "x", "b": "y"}, first=2)

    assert told(view, put={"a": "x", "b": "z"}, first=2).changed == {"todos": {"b"}}
    assert told(view, put={"b": "z"}, first=3, gone=["nobody"]).changed == {}
    assert told(view, gone=["a"]).changed == {"todos": {"a"}}


def test_our_own_row_is_told_once_more_when_it_is_decided_for_it_is_pending_no_longer(view):
    create(view, "a")

    assert told(view, put={"base": "theirs"}).changed == {"todos": {"base"}}
    assert told(view, put={"a": "mine"}, first=2, acks={"me": 1}).changed == {"todos": {"a"}}
    assert view.pending_rows() == {}


def test_a_row_that_changes_its_place_is_told(view):
    """Rows are shown in the order of insertion; ours comes after what the room has."""
    create(view, "a")

    assert told(view, put={"b": "theirs"}, first=2).changed == {"todos": {"a", "b"}}
    assert list(texts(view)) == ["base", "b", "a"]


def test_a_row_under_our_edit_is_told_when_what_shows_is_different(view):
    view.mutate("update", {"table": "todos", "id": "base", "values": {"text": "ours"}})

    step = told(view, put={"base": "theirs"})

    assert (texts(view), step.changed) == ({"base": "ours"}, {})
    assert told(view, acks={"me": 1}, results=[m.Result("me", 1, code="forbidden", message="")]).changed == {
        "todos": {"base"}
    }


def test_of_a_large_change_every_row_is_told(view):
    create(view, "mine")
    many = {f"r{n}": "x" for n in range(COMPARED_ROWS)}

    step = told(view, put=many, first=2, gone=["nobody"])

    assert step.changed == {"todos": {*many, "mine", "nobody"}}
    assert len(texts(view)) == COMPARED_ROWS + 2


# --- a whole new base -----------------------------------------------------------------------------------------------


def building(party=Todos, **rows):
    store = Store.memory(party)
    store.savepoint("building")
    store.apply([m.TableChange("todos", COLUMNS, [[n, id, text, 0] for n, (id, text) in enumerate(rows.items(), 1)])])
    return store


def test_a_new_base_takes_the_place_of_the_old_with_what_is_pending_over_it(view):
    """R4, R7."""
    told(view, put={"same": "same"}, first=2)
    create(view, "a")
    create(view, "b")
    step = Step()

    view.replace(
        building(base="new", same="same", b="mine"), "f", m.End(9, {"me": 2}, [m.Result("me", 1, "done")]), step
    )

    assert (texts(view), view.cursor, view.pending) == ({"base": "new", "same": "same", "b": "mine"}, 9, [])
    assert (view.epoch, view.store.version) == ("f", 9)
    assert [(each.mid, each.value) for each in step.settled] == [(1, "done"), (2, None)]
    assert (step.reset, step.rebased, step.based) == (True, True, [])
    assert step.changed == {"todos": {"base", "a", "b"}}


def test_what_the_room_does_not_know_of_is_pending_over_the_new_base(view):
    create(view, "a")

    view.replace(building(), "f", m.End(9), Step())

    assert texts(view) == {"a": "mine"}
    assert view.pending_rows() == {"todos": {"a"}}


def test_the_old_base_is_let_go(view):
    old = view.store

    view.replace(building(), "f", m.End(9), Step())

    with pytest.raises(apsw.ConnectionClosedError):
        old.execute("SELECT 1")


# --- an index -------------------------------------------------------------------------------------------------------


def by_text(view, name="by_text"):
    view.index(name, "todos", '"text" COLLATE NOCASE')


def quick(view, table="todos"):
    """Whether sorting by text takes an index, and no sorter."""
    query = f"SELECT t.id FROM {table} AS t ORDER BY t.text COLLATE NOCASE, t.rowid"
    return all("USING INDEX" in plan[-1] for plan in view.view.execute(f"EXPLAIN QUERY PLAN {query}"))


def test_an_index_makes_sorting_quick_and_changes_nothing_that_shows(view):
    """R7."""
    create(view, "a")
    view.mutate("update", {"table": "todos", "id": "base", "values": {"done": True}})
    before = (rows_of(view.view, "todos"), view.pending_rows(), list(view.pending), view.cursor)
    assert not quick(view)

    by_text(view)
    assert quick(view)
    assert (rows_of(view.view, "todos"), view.pending_rows(), list(view.pending), view.cursor) == before
    assert all(each.shown for each in view.pending)


def test_an_index_is_kept_by_edits_deltas_and_rejections(view):
    by_text(view)
    create(view, "a")
    assert quick(view)
    told(view, put={"b": "theirs"}, first=2)
    assert quick(view)
    told(view, acks={"me": 1}, results=[m.Result("me", 1, code="constraint", message="no")])
    assert quick(view)
    with pytest.raises(MutationRejected):
        create(view, "base")

    assert quick(view)
    assert texts(view) == {"base": "old", "b": "theirs"}


def test_an_index_is_made_once(view, monkeypatch):
    """A second call runs no edit again."""
    create(view, "a")
    by_text(view)
    ran = []
    monkeypatch.setattr(Todos.mutators["create"], "function", lambda tx, id, text, done: ran.append(id))

    by_text(view)
    assert ran == []


def test_a_new_base_has_no_index_until_somebody_asks(view):
    by_text(view)
    create(view, "a")
    view.replace(building(base="new"), "f", m.End(9), Step())
    assert not quick(view)

    by_text(view)
    assert quick(view)
    assert texts(view) == {"base": "new", "a": "mine"}


def test_an_index_goes_into_the_copy_and_comes_back_with_it(view):
    by_text(view)
    create(view, "a")
    target = apsw.Connection(":memory:")
    view.copy_base(target)
    again = View(Todos, "me")
    again.adopt_base(target)

    assert quick(again)
    by_text(again)
    assert texts(again) == {"base": "old"}


def test_a_table_or_column_that_is_still_a_guess_gets_its_index_when_it_is_decided():
    """The base has nothing to index; what is pending must not be lost for it (R7)."""
    view = View(Main, "me")
    column = {"name": "text", "type": "text"}
    view.mutate("create_table", {"name": "todos", "columns": []})
    view.mutate("add_column", {"table": "todos", "column": column})
    view.mutate("insert", {"table": "todos", "id": "a", "values": {"text": "mine"}})

    by_text(view)
    assert (quick(view), texts(view)) == (False, {"a": "mine"})
    told(view, schema=[m.TableSpec("todos", ())], acks={"me": 1})
    by_text(view)
    assert (quick(view), texts(view)) == (False, {"a": "mine"})
    told(view, schema=[m.TableSpec("todos", (m.Column("text", "text"),))], acks={"me": 2})
    by_text(view)
    assert (quick(view), texts(view)) == (True, {"a": "mine"})
    assert view.pending_rows() == {"todos": {"a"}}


def test_an_index_over_what_is_not_there_leaves_the_view_whole(view):
    create(view, "a")
    with pytest.raises(apsw.SQLError):
        view.index("bad", "todos", "nothing")
    with pytest.raises(MutationRejected, match="no table"):
        view.index("bad", "nothing", "text")

    assert texts(view) == {"base": "old", "a": "mine"}


# --- a copy on disk -------------------------------------------------------------------------------------------------


def test_a_copy_holds_the_base_and_nothing_that_is_pending(view):
    create(view, "a")
    view.epoch = "e7"
    target = apsw.Connection(":memory:")

    view.copy_base(target)

    assert texts(view) == {"base": "old", "a": "mine"}
    kept = View(Todos, "other")
    kept.adopt_base(target)
    assert (texts(kept), kept.epoch, kept.cursor) == ({"base": "old"}, "e7", 1)


def test_a_view_that_began_with_a_copy_goes_on_as_the_same_client(view):
    """R5."""
    target = apsw.Connection(":memory:")
    view.copy_base(target)
    made = [create(view, id)[0].mutation for id in "ab"]
    kept = View(Todos, "other")

    kept.adopt_base(target)
    kept.adopt_pending("me", 0, made)

    assert (kept.client, kept.next_mid, texts(kept)) == ("me", 3, texts(view))
    assert [(each.ticket, each.tried, each.size) for each in kept.pending] == [
        (each.ticket, True, each.size) for each in view.pending
    ]
    step = told(kept, put={"a": "mine"}, first=2, acks={"me": 1})
    assert [each.mid for each in step.settled] == [1]


def test_a_copy_without_an_epoch_has_none():
    target = apsw.Connection(":memory:")
    View(Todos, "me").copy_base(target)

    kept = View(Todos, "other")
    kept.adopt_base(target)

    assert kept.epoch == ""


@pytest.mark.parametrize("sql", ["", "CREATE TABLE todos (id TEXT)", "CREATE TABLE _partysync_meta (key, value)"])
def test_what_is_no_such_copy_is_refused_and_changes_nothing(view, sql):
    source = apsw.Connection(":memory:")
    source.execute(sql)
    view.epoch = "e7"

    with pytest.raises((PartySyncError, apsw.Error, TypeError)):
        view.adopt_base(source)

    assert (texts(view), view.epoch, view.cursor) == ({"base": "old"}, "e7", 1)


# --- an interrupt ---------------------------------------------------------------------------------------------------


class Alarm:
    """Raises KeyboardInterrupt at the core's ``at``-th call, into Python or C or back: where CPython looks for one."""

    def __init__(self, at):
        self.at = at
        self.where = ""

    def __call__(self, frame, event, arg):
        if frame.f_code.co_filename.startswith(CORE) and event in {"call", "c_call", "c_return"}:
            self.at -= 1
            if self.at == 0:
                sys.setprofile(None)
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} ({event})"
                raise KeyboardInterrupt

    def during(self, function):
        """Whether it went off."""
        before = sys.getprofile()
        sys.setprofile(self)
        try:
            function()
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(before)
        return False


def interrupted_everywhere(make, act):
    """A fresh thing for each place at which ``act`` can be interrupted, and the place."""
    for at in range(1, 10_000):
        thing, alarm = make(), Alarm(at)
        if not alarm.during(lambda thing=thing: act(thing)):
            assert at > 100, "it was hardly interrupted at all"
            return
        yield thing, alarm.where


def with_one_pending():
    view = View(Todos, "me", user="ada")
    told(view, put={"base": "old"})
    create(view, "p")
    return view


def assert_whole(view, where):
    """View is base with pending replayed, and everything still works."""
    model = {"base": "old", **{each.mutation.args["id"]: each.mutation.args["text"] for each in view.pending}}
    assert texts(view) == model, where
    assert [each.mutation.mid for each in view.pending] == list(range(1, len(view.pending) + 1)), where
    create(view, "z")
    assert texts(view) == model | {"z": "mine"}, where
    step = told(view, put={"base": "new"}, acks={"me": view.next_mid - 1})
    assert texts(view) == {"base": "new"}, where
    assert len(step.settled) == len(model), where


def test_an_edit_interrupted_anywhere_leaves_the_view_whole():
    """R7. A person presses stop while a cell runs: the edit is made, or it is not."""
    made = {True: 0, False: 0}
    for view, where in interrupted_everywhere(with_one_pending, lambda view: create(view, "n")):
        made[len(view.pending) == 2] += 1
        assert_whole(view, where)
    assert all(made.values())


@pytest.mark.parametrize("next_use", ["an edit", "a delta", "a copy", "a look at what is pending"])
def test_whatever_comes_next_after_an_interrupt_finds_the_view_whole(view, monkeypatch, next_use):
    """R7."""
    create(view, "p")
    interrupted_store(monkeypatch, "apply", after=False)  # the pending rows are rolled back by then
    with pytest.raises(KeyboardInterrupt):
        told(view, put={"base": "new"})

    match next_use:
        case "an edit":
            create(view, "z")
            assert texts(view) == {"base": "old", "p": "mine", "z": "mine"}
        case "a delta":
            told(view, put={"base": "new"})
            assert texts(view) == {"base": "new", "p": "mine"}
        case "a copy":
            view.copy_base(apsw.Connection(":memory:"))
            assert texts(view) == {"base": "old", "p": "mine"}
        case "a look at what is pending":
            assert view.pending_rows() == {"todos": {"p"}}


def test_a_look_interrupted_anywhere_leaves_the_view_whole():
    """R7. The look rebuilds what an interrupted edit has left; that may be interrupted too."""

    def in_the_middle():
        view = with_one_pending()
        view._whole = False
        return view

    for view, where in interrupted_everywhere(in_the_middle, lambda view: view.view):
        assert_whole(view, where)


def test_a_question_interrupted_anywhere_leaves_the_view_whole():
    """R7."""
    query = "SELECT text, ? AS n FROM todos"
    for view, where in interrupted_everywhere(
        with_one_pending, lambda view: [view.view.guarded(query, (n,), write=False) for n in range(9)]
    ):
        assert_whole(view, where)


def test_a_mutator_interrupted_in_the_middle_shows_nothing_of_itself(view, monkeypatch):
    """R7."""

    def half(tx, id):
        tx.update("todos", id, text="half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Todos.mutators["finish"], "function", half)
    create(view, "a")

    with pytest.raises(KeyboardInterrupt):
        view.mutate("finish", {"id": "base"})

    assert texts(view) == {"base": "old", "a": "mine"}
    assert len(view.pending) == 1


def test_storage_that_fails_in_a_guess_is_raised_and_nothing_is_queued(view, monkeypatch):
    def full(tx, id):
        tx.update("todos", id, text="half")
        raise apsw.IOError("the disk")

    monkeypatch.setattr(Todos.mutators["finish"], "function", full)

    with pytest.raises(StorageFailed):
        view.mutate("finish", {"id": "base"})

    assert (texts(view), view.pending) == ({"base": "old"}, [])


def interrupted_store(monkeypatch, method, *, after):
    """``Store.method`` raises KeyboardInterrupt once, before or after it has done its work."""
    original = getattr(Store, method)

    def interrupted(self, *args, **kwargs):
        monkeypatch.setattr(Store, method, original)
        if after:
            original(self, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, method, interrupted)


@pytest.mark.parametrize("after", [False, True])
def test_a_delta_interrupted_while_its_rows_are_put_moves_nothing(view, monkeypatch, after):
    """R8. Whatever raises: half a delta is never in the base."""
    create(view, "a")
    interrupted_store(monkeypatch, "apply", after=after)

    with pytest.raises(KeyboardInterrupt):
        told(view, put={"base": "new"}, acks={"me": 1})

    assert (texts(view), view.cursor, len(view.pending)) == ({"base": "old", "a": "mine"}, 1, 1)
    told(view, put={"base": "new"}, acks={"me": 1})
    assert (texts(view), view.pending) == ({"base": "new"}, [])


class Restless(Todos):
    @mutator
    def leave(tx, id: str):
        if tx.get("todos", id) is not None:
            sys.exit("a mutator that ends the program")


def test_a_mutator_that_ends_the_program_in_replay_does_not_swallow_what_was_decided():
    """R6."""
    view = View(Restless, "me")
    create(view, "a")
    view.mutate("leave", {"id": "base"})

    step = told(view, put={"base": "now it is here"}, acks={"me": 1})

    assert [each.mid for each in step.settled] == [1]
    assert [each.mutation.name for each in view.pending] == ["leave"]


def test_a_pending_edit_is_a_plain_record():
    assert Pending(1, m.Mutation(1, "create", {}), 10) == Pending(1, m.Mutation(1, "create", {}), 10)
