"""
Replays: an edit that looked at nothing does again what it did; any other runs anew (R7).
"""

import contextlib
from random import Random

import apsw
import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.party import Main, Party, mutator
from partysync_widget.core.store import Store
from partysync_widget.core.view import Step, View


class Shelf(Party):
    """Mutators that look at rows, and one that does not."""

    schema = "CREATE TABLE books (id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL UNIQUE) STRICT"

    @mutator
    def put(tx, id: str, n: int):
        tx.insert("books", id=id, n=n)

    @mutator
    def put_or_raise(tx, id: str, n: int):
        try:
            tx.insert("books", id=id, n=n)
        except apsw.ConstraintError:
            tx.update("books", id, n=n + 100)

    @mutator
    def follow(tx, id: str):
        last = tx.get("books", "last")
        tx.insert("books", id=id, n=1 if last is None else last["n"] + 1)


@pytest.fixture
def shelf():
    view = View(Shelf, "me")
    view.epoch = "e"
    return view


def told(view, change):
    """The room's word on some rows."""
    assert view.advance([m.Delta("e", view.cursor, view.cursor + 1, [change])], Step())


def book(position, id, n):
    return m.TableChange("books", ["n"], [[position, id, n]])


def books(view):
    return {row[1]: row[2] for row in view.view.rows("books")}


def test_an_edit_that_looked_at_nothing_is_replayed_as_it_was(shelf):
    """R7."""
    pending, _ = shelf.mutate("put", {"id": "a", "n": 1})
    did = pending.statements

    told(shelf, book(10, "b", 2))

    assert books(shelf) == {"a": 1, "b": 2}
    assert [each.values for each in did] == [("a", 1)]


@pytest.mark.parametrize(
    ("name", "args", "before", "after"),
    [
        ("follow", {"id": "a"}, {"a": 1}, {"a": 8, "last": 7}),
        ("put_or_raise", {"id": "last", "n": 1}, {"last": 1}, {"last": 101}),
    ],
)
def test_an_edit_that_looked_at_rows_or_caught_an_error_looks_again(shelf, name, args, before, after):
    """R7: what it did once says nothing of what it does over another base."""
    shelf.mutate(name, args)
    assert books(shelf) == before

    told(shelf, book(10, "last", 7))

    assert books(shelf) == after


def test_a_replayed_edit_that_breaks_a_rule_now_shows_nothing_and_those_around_it_do(shelf):
    """R7: the run is undone, and each is replayed by itself."""
    for n, id in enumerate("abc"):
        shelf.mutate("put", {"id": id, "n": n})

    told(shelf, book(10, "x", 1))

    assert books(shelf) == {"a": 0, "c": 2, "x": 1}
    assert [each.shown for each in shelf.pending] == [True, False, True]
    told(shelf, m.TableChange("books", ["n"], [], ["x"]))
    assert books(shelf) == {"a": 0, "b": 1, "c": 2}


def test_a_replayed_update_of_a_row_that_is_gone_shows_nothing(shelf):
    """R7."""
    told(shelf, book(1, "a", 1))
    shelf.mutate("update", {"table": "books", "id": "a", "values": {"n": 5}})

    told(shelf, m.TableChange("books", ["n"], [], ["a"]))

    assert books(shelf) == {}
    assert not shelf.pending[0].shown


def test_what_somebody_did_in_another_role_runs_anew():
    """R7: a mutator may ask who it is."""
    view = View(Signed, "me", user="ann")
    view.mutate("sign", {"id": "a"})
    view.role = "editor"

    told(view, m.TableChange("names", ["name"], [[10, "b", "somebody"]]))

    assert {row[1]: row[2] for row in view.view.rows("names")} == {"a": "ann the editor", "b": "somebody"}


class Linked(Party):
    """A mutator that writes into another table as soon as there is a reason to."""

    schema = """
        CREATE TABLE causes (id TEXT PRIMARY KEY NOT NULL) STRICT;
        CREATE TABLE effects (id TEXT PRIMARY KEY NOT NULL) STRICT;
    """

    @mutator
    def follow(tx, id: str):
        if tx.get("causes", id) is not None:
            tx.insert("effects", id=id)


def test_a_table_that_no_edit_had_touched_before_is_told_too():
    """R7."""
    view, step = View(Linked, "me"), Step()
    view.mutate("follow", {"id": "a"})

    assert view.advance([m.Delta("e", 0, 1, [m.TableChange("causes", [], [[1, "a"]])])], step)

    assert step.changed == {"causes": {"a"}, "effects": {"a"}}


class Signed(Party):
    """A mutator that asks who it is."""

    schema = "CREATE TABLE names (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL) STRICT"

    @mutator
    def sign(tx, id: str):
        tx.insert("names", id=id, name=f"{tx.user} the {tx.role}")


# --- rows that stay as they are ---------------------------------------------------------------------------------------


@pytest.fixture
def notes():
    """A table from a notebook, with rows a to d, and edits of ours on a, b, c and on a new row."""
    view = View(Main, "me")
    spec = m.TableSpec("notes", (m.Column("text", "text"), m.Column("n", "integer")))
    rows = [[place, id, "theirs", 0] for place, id in enumerate("abcd", 1)]
    assert view.advance([m.Delta("e", 0, 1, [m.TableChange("notes", ["text", "n"], rows)], [spec])], Step())
    for id in "abc":
        view.mutate("update", {"table": "notes", "id": id, "values": {"text": "mine"}})
    view.mutate("update", {"table": "notes", "id": "a", "values": {"n": 1}})
    view.mutate("insert", {"table": "notes", "id": "new", "values": {"text": "mine"}})
    return view


def moved(view, *, put=(), gone=(), acked=0, results=()):
    """The names of the rows that changed, and the rows themselves."""
    step, before = Step(), {row[1]: row for row in view.view.rows("notes")}
    change = m.TableChange("notes", ["text", "n"], list(put), list(gone))
    delta = m.Delta("e", view.cursor, view.cursor + 1, [change], [], {"me": acked} if acked else {}, list(results))
    assert view.advance([delta], step)
    now = {row[1]: row for row in view.view.rows("notes")}
    differ = {id for id in before.keys() | now.keys() if before.get(id) != now.get(id)}
    assert differ <= step.changed.get("notes", set())
    return step.changed.get("notes", set()), now


def test_rows_that_only_undecided_edits_touch_are_not_told_again(notes):
    """R7."""
    changed, now = moved(notes, put=[[4, "d", "changed", 0]])

    assert changed == {"d"}
    assert [row[2] for row in now.values()] == ["mine", "mine", "mine", "changed", "mine"]


def test_an_inserted_row_that_gets_another_place_is_told(notes):
    """R7."""
    changed, now = moved(notes, put=[[5, "e", "theirs", 0]])

    assert changed == {"e", "new"}
    assert now["new"][0] > 5


def test_what_a_rejected_edit_showed_goes_and_what_a_later_one_shows_stays(notes):
    """R6, R7: the row is in no delta, for in the room nothing of it changed."""
    changed, now = moved(notes, acked=1, results=[m.Result("me", 1, None, "constraint", "no")])

    assert changed == {"a"}
    assert now["a"][2:] == ("theirs", 1)


def test_rows_that_are_deleted_under_an_edit_are_told(notes):
    """R7."""
    changed, now = moved(notes, gone=["b"])

    assert changed == {"b"}
    assert "b" not in now


@pytest.mark.parametrize("verbs", [("insert", "update"), ("insert", "update", "delete"), ("insert", "upsert")])
@pytest.mark.parametrize("seed", range(20))
def test_just_the_rows_that_changed_are_told_whatever_comes(verbs, seed):
    """R7: those that differ, in values or place, and those that are or were pending and are no more."""
    chance, view = Random(f"{seed}{verbs}"), View(Main, "me")
    columns = (m.Column("n", "integer"),)
    made = [m.TableSpec("t", columns), m.TableSpec("u", columns)]
    assert view.advance([m.Delta("e", 0, 1, [], made)], Step())
    ids, place = [f"r{n}" for n in range(8)], {"t": 0, "u": 0}

    def look():
        return {(name, row[1]): row for name in "tu" for row in view.view.rows(name)}, {
            (name, id) for name, found in view.pending_rows().items() for id in found
        }

    for _ in range(25):
        for _ in range(chance.randrange(4)):
            args = {"table": chance.choice("tu"), "id": chance.choice(ids)}
            verb = chance.choice(verbs)
            with contextlib.suppress(MutationRejected):  # there already, or not there
                view.mutate(verb, args if verb == "delete" else {**args, "values": {"n": chance.randrange(9)}})
        changes, base = [], {name: {row[1]: row[0] for row in bare(view).rows(name)} for name in "tu"}
        for name in chance.sample("tu", chance.randrange(3)):
            there = base[name]
            put = []
            for id in chance.sample(ids, chance.randrange(3)):
                if id not in there:
                    place[name] += 1
                put.append([there.get(id, place[name]), id, chance.randrange(9)])
            gone = [id for id in there if chance.random() < 0.1 and id not in [row[1] for row in put]]
            changes.append(m.TableChange(name, ["n"], put, gone))
        acked = chance.choice([0, 0, *[each.mutation.mid for each in view.pending]])
        (before, was), step = look(), Step()
        assert view.advance(
            [m.Delta("e", view.cursor, view.cursor + 1, changes, [], {"me": acked} if acked else {})], step
        )
        after, now = look()
        differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert {(name, id) for name, found in step.changed.items() for id in found} == differ | (was ^ now)


def bare(view):
    """The base alone, as a store."""
    view.copy_base(copy := apsw.Connection(":memory:"))
    return Store(copy, view.shape)


@pytest.mark.parametrize("seed", range(30))
def test_who_touched_a_row_last_is_known_however_often_edits_were_replayed(seed):
    """R11: others are shown what an edit would make of a row, and not what a later one makes of it."""
    chance = Random(seed)
    view = View(Main, "me")
    view.mutate("create_table", {"name": "t", "columns": [{"name": "n", "type": "integer"}]})
    columns = (m.Column("n", "integer"),)
    view.advance([m.Delta("e", 0, 1, [], [m.TableSpec("t", columns)], {"me": 1})], Step())
    base, ids = {}, [f"r{n}" for n in range(6)]
    for turn in range(12):
        for _ in range(chance.randrange(4)):
            here = {row[1] for row in view.view.rows("t")}
            id, n = chance.choice(ids), chance.randrange(100)
            known = [("update", {"values": {"n": n}}), ("delete", {}), ("upsert", {"values": {"n": n}})]
            name, more = chance.choice(known if id in here else [("insert", {"values": {"n": n}}), *known[1:]])
            view.mutate(name, {"table": "t", "id": id, **more})
        theirs = f"x{turn % 3}"
        base[theirs] = turn
        told(view, m.TableChange("t", ["n"], [[1000 + turn % 3, theirs, turn]]))

        rows, last = dict(base), {}
        for pending in view.pending:
            id, name = pending.mutation.args["id"], pending.mutation.name
            if not pending.shown:
                continue  # what it needs was not made after all
            if name == "delete":
                if rows.pop(id, None) is None:
                    continue  # nothing was there, so nothing was touched
            else:
                rows[id] = pending.mutation.args["values"]["n"]
            last[id] = pending.ticket
        assert {row[1]: row[2] for row in view.view.rows("t")} == rows
        for pending in view.pending:
            wanted = {id: {"n": rows[id]} if id in rows else None for id in last if last[id] == pending.ticket}
            assert view.rows_of(pending, 50) == ({"t": wanted} if wanted else {})
            assert len(view.rows_of(pending, 0)) == 0
        if turn == 6:  # the first half of them is decided
            half = view.pending[: len(view.pending) // 2]
            if half:
                view.advance(
                    [m.Delta("e", view.cursor, view.cursor + 1, [], [], {"me": half[-1].mutation.mid})], Step()
                )
                base = {row[1]: row[2] for row in view.view.rows("t") if row[1].startswith("x")}
