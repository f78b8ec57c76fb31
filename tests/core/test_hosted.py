"""What a party's hooks find in ``self``: in a room its host, anywhere else a sentence."""

import pytest

from partysync_widget.core.errors import MutationRejected, PartySyncError, SchemaMismatch
from partysync_widget.core.party import Party, mutator
from partysync_widget.core.store import Store


class Acting(Party):
    schema = "CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT;"

    def on_action(self, channel, action):
        return []


class Noted:
    """A host that notes what it is asked."""

    name, user, role = "groceries", "ada", "editor"

    def __getattr__(self, asked):
        return lambda *args: (asked, args)


USES = [
    (lambda party: party.room, "groceries"),
    (lambda party: party.user, "ada"),
    (lambda party: party.role, "editor"),
    (lambda party: party.sql("SELECT ?", 1), ("sql", ("SELECT ?", (1,)))),
    (lambda party: party.get_alarm(), ("get_alarm", ())),
    (lambda party: party.connections("red"), ("connections", ("red",))),
    (lambda party: party.connect("other", party="main"), ("connect", ("other", {"party": "main"}))),
]


@pytest.mark.parametrize(("use", "answer"), USES)
def test_a_hook_asks_the_host_of_its_room(use, answer):
    party = Acting()
    party._host = Noted()

    assert use(party) == answer


@pytest.mark.parametrize(
    ("use", "asked"),
    [
        (lambda party: party.set_alarm(5.0), ("set_alarm", (5.0,))),
        (lambda party: party.delete_alarm(), ("delete_alarm", ())),
        (lambda party: party.broadcast("hi", exclude=["a"], tag="red"), ("broadcast", ("hi", ["a"], "red"))),
        (lambda party: party.soon(print, 1), ("soon", (print, (1,)))),
    ],
)
def test_what_a_hook_has_done_is_the_hosts_to_do(use, asked):
    done = []

    class Doing:
        def __getattr__(self, name):
            return lambda *args: done.append((name, args))

    party = Acting()
    party._host = Doing()
    use(party)

    assert done == [asked]


@pytest.mark.parametrize("use", [use for use, _ in USES])
def test_where_no_room_is_there_is_a_sentence(use):
    with pytest.raises(PartySyncError, match=r"In a notebook, use connect\(…, party=Acting\)\."):
        use(Acting())


def test_an_action_goes_by_itself():
    """No mutator and no batch takes it along: they are one turn, and it may wait."""
    store = Store.memory(Acting)
    with pytest.raises(MutationRejected, match="An action goes by itself"):
        store.run("batch", {"steps": [["act", {"channel": "notes", "type": "x", "payload": None}]]})


def test_a_mutator_may_not_be_called_as_actions_travel():
    with pytest.raises(SchemaMismatch, match="a mutator 'act', as which actions travel"):

        class Both(Party):
            @mutator
            def act(tx): ...
