"""``on_action``: what no mutator is called, given to the party itself, and decided among the others (R1, R5, R6)."""

import pytest

from partysync_widget.core.errors import MutationRejected
from tests.actions.parties import Todos


def test_an_action_is_one_mutation_and_its_receipt_has_what_it_returned(come):
    """R1, R2."""
    ann, bob = come(Todos, user="ann"), come(Todos, user="bob")
    before = ann.version

    made = ann.table("todos").act("create", {"id": "a1", "text": "milk", "completed": False}).result(8)

    assert made == [{"id": "a1", "text": "milk", "completed": 0}]
    bob.sync(8)
    assert bob.table("todos")["a1"]["text"] == "milk"
    assert (ann.version, bob.version) == (before + 1, before + 1)


def test_an_action_that_raises_keeps_nothing_and_says_why(come):
    """R6: and the next is decided."""
    ann = come(Todos)

    with pytest.raises(MutationRejected, match="fails after its SQL raised ValueError: too late") as refused:
        ann.act("todos", "fails after its SQL", "too late").result(8)

    assert refused.value.code == "mutator-raised"
    assert ann.act("todos", "says", {"a": [1]}).result(8) == {"a": [1]}
    assert ann.table("todos").records == []


def test_an_action_knows_whose_it_is_and_where(come):
    ann = come(Todos, user="ann")

    ann.act("todos", "who", "w").result(8)

    assert ann.table("todos")["w"]["text"] == f"ann owner {ann.name}"


def test_a_mutator_of_that_name_comes_first_and_is_guessed(come):
    """R7: an action that has a mutator is a mutation like any other."""
    ann = come(Todos)
    ann.act("todos", "create", {"id": "a1", "text": "milk", "completed": False}).result(8)

    ann.offline()
    ann.act("todos", "shout", {"id": "a1"})

    assert ann.table("todos")["a1"]["text"] == "MILK"
    assert ann.pending == 1


def test_an_action_shows_nothing_until_it_is_decided(come):
    """R7, B5, C1: nobody has its code but the room."""
    ann = come(Todos)
    ann.offline()

    receipt = ann.act("todos", "create", {"id": "a1", "text": "milk", "completed": False})

    assert (ann.pending, ann.table("todos").records) == (1, [])
    ann.online()
    receipt.result(8)
    assert ann.table("todos").records == [{"id": "a1", "text": "milk", "completed": False}]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("COMMIT", "can only read and write rows"),
        ("PRAGMA user_version = 7", "can only read and write rows"),
        ("ATTACH '/tmp/x' AS x", "can only read and write rows"),
        ("ROLLBACK", "cannot say ROLLBACK"),
        ("DELETE FROM _partysync_rows", "cannot say _partysync_"),
        ("DROP TABLE todos", "can only read and write rows"),
        ("DELETE FROM todos; DELETE FROM todos", "One statement at a time"),
        ("SELECT * FROM nowhere", "no such table"),
    ],
)
def test_sql_that_goes_too_far_is_refused_with_a_sentence(come, query, says):
    """R13."""
    ann = come(Todos)

    with pytest.raises(MutationRejected, match=says):
        ann.act("todos", "sql", query).result(8)

    assert ann.act("todos", "says", 1).result(8) == 1


def test_an_action_about_no_table_is_refused(come):
    """R13."""
    ann = come(Todos)

    with pytest.raises(MutationRejected, match="There is no channel 'nowhere'"):
        ann.act("nowhere", "says", 1).result(8)


def test_an_action_goes_by_itself(come):
    """B5: no batch takes it along."""
    ann = come(Todos)

    with pytest.raises(MutationRejected, match="goes by itself"), ann.batch():
        ann.act("todos", "says", 1)

    assert ann.pending == 0


def test_a_party_without_on_action_takes_none(enter):
    """As before."""
    room = enter()
    room.table("todos", text=str)

    with pytest.raises(MutationRejected, match="has no mutator"):
        room.act("todos", "says", {"a": 1})


def test_the_ancestors_page_is_answered_with_the_records_that_were_returned(tab):
    """As the ancestor does. Its own ``update`` and ``delete`` come before the built-in ones."""
    ann, bob = tab("todos", "r", "a"), tab("todos", "r", "b")
    for each in (ann, bob):
        each.rows()

    [made] = ann.result("create", {"id": "t1", "text": "milk", "completed": 0})
    [changed] = ann.result("update", {"id": "t1", "text": "tea", "completed": 1})

    assert (made[:3], changed[:3]) == (["t1", "milk", 0], ["t1", "tea", 1])
    assert [(each["type"], each["payload"][0][:3]) for each in bob.rest()][-1] == ("update", ["t1", "tea", 1])
    [gone] = ann.result("delete", {"id": "t1"})
    assert gone[0] == "t1"
    assert gone[-1] is not None


def test_what_an_action_did_beside_its_records_is_told_to_everybody(tab):
    """R2: the author hears of all of it."""
    ann, bob = tab("todos", "r", "a"), tab("todos", "r", "b")
    for each in (ann, bob):
        each.rows()

    result = ann.result("two", None)

    assert [record[0] for record in result] == ["b"]
    assert [record[0] for frame in ann.rest() for record in frame["payload"]] == ["a"]
    assert sorted(record[0] for frame in bob.rest() for record in frame["payload"]) == ["a", "b"]


def test_an_action_that_raises_is_an_error_to_its_page_and_nothing_to_the_others(tab):
    ann, bob = tab("todos", "r", "a"), tab("todos", "r", "b")
    for each in (ann, bob):
        each.rows()

    assert ann.result("fails after its SQL", "no") == ["fails after its SQL raised ValueError: no"]
    assert ann.result("frobnicate", {"id": "t2"}) == ["frobnicate raised ValueError: There is no action frobnicate."]
    assert bob.rest() == []


def test_an_action_of_a_page_that_is_sent_again_runs_once(tab):
    """R5."""
    ann = tab("todos", "r", "a")
    ann.rows()

    first = ann.result("create", {"id": "t1", "text": "milk", "completed": 0}, id="one")
    again = ann.result("create", {"id": "t1", "text": "milk", "completed": 0}, id="one")

    assert first == again
