"""Roles, and what they are shown: who may call which mutator, and what leaves a room for whom (R13)."""

import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected, SchemaMismatch
from partysync_widget.core.party import Main, Party, mutator
from partysync_widget.core.replica import Replica
from partysync_widget.core.roles import ROLES, article, reaches
from partysync_widget.core.sight import EVERYTHING, Sight
from partysync_widget.core.store import Store
from tests.stage import decide, rows_of


class School(Party):
    """Grades are the teacher's; where a student lives is for whoever edits."""

    schema = """
        CREATE TABLE students (
            id TEXT PRIMARY KEY NOT NULL, name TEXT, address TEXT UNIQUE, grade INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE exams (id TEXT PRIMARY KEY NOT NULL, answers TEXT NOT NULL) STRICT;
    """
    seen_by = {"exams": "owner", "students.grade": "owner", "students.address": "editor"}  # read only

    @mutator
    def rename(tx, id: str, name: str):
        tx.update("students", id, name=name)

    @mutator
    def hand_in(tx, id: str, answers: str):
        tx.run("upsert", {"table": "exams", "id": id, "values": {"answers": answers}})
        return tx.role

    @mutator(role="owner")
    def look_up(tx, id: str):
        return tx.get("exams", id)

    @mutator(role="owner")
    def mark(tx, id: str, grade: int):
        tx.update("students", id, grade=grade)


def test_each_role_may_do_what_those_before_it_may():
    """A1."""
    assert [[reaches(one, other) for other in ROLES] for one in ("", *ROLES)] == [
        [False, False, False],
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert [article(role) for role in ROLES] == ["a viewer", "an editor", "an owner"]


def test_a_mutator_asks_for_no_role_that_changes_nothing():
    with pytest.raises(SchemaMismatch, match="asks for the role editor or owner, not 'viewer'"):
        mutator(role="viewer")


def test_a_role_that_is_none_hides_nothing():
    with pytest.raises(SchemaMismatch, match="has the role 'admin' for 'todos'. Write one of viewer, editor, owner."):
        type("Wrong", (Party,), {"seen_by": {"todos": "admin"}})


@pytest.mark.parametrize("name", ["exam", "students.grades", "students.id", "nothing.x"])
def test_what_is_hidden_must_be_there(name):
    party = type("Wrong", (School,), {"seen_by": {name: "owner"}})

    with pytest.raises(SchemaMismatch, match=f"seen_by names '{name}', which this party's schema does not make"):
        Store.memory(party)


def test_what_each_role_is_shown():
    assert School.sight("owner") == EVERYTHING
    assert School.sight("owner").whole
    assert School.sight("editor") == Sight(frozenset({"exams"}), {"students": frozenset({"grade"})})
    assert School.sight("viewer").columns == {"students": frozenset({"grade", "address"})}
    assert len({School.sight(role).name for role in ROLES}) == 3
    assert School.sight("owner").name == ""


def test_what_each_role_may_call():
    everything = [*School.mutators, *School.built_in]

    assert School.takes("owner") == everything
    assert School.takes("editor") == [name for name in everything if name not in ("look_up", "mark")]
    assert School.takes("viewer") == School.takes("") == []
    assert Main.takes("editor") == list(Main.built_in)


# --- what leaves the room --------------------------------------------------------------------------------------------

SIGHT = Sight(frozenset({"exams"}), {"students": frozenset({"grade"})})


def test_a_table_is_told_without_its_hidden_columns():
    students = m.TableSpec("students", (m.Column("name", "text"), m.Column("grade", "integer")))
    exams = m.TableSpec("exams", (m.Column("answers", "text"),))

    assert SIGHT.specs([students, exams]) == [m.TableSpec("students", (m.Column("name", "text"),))]


def test_rows_are_told_without_their_hidden_values():
    students = m.TableChange("students", ["name", "grade"], [[1, "s1", "Ada", 5]], ["s2"], ["ada"])
    exams = m.TableChange("exams", ["answers"], [[1, "e1", "42"]], ["e2"])
    other = m.TableChange("other", ["x"], [[1, "o1", 1]])

    assert SIGHT.changes([students, exams, other]) == [
        m.TableChange("students", ["name"], [[1, "s1", "Ada"]], ["s2"], ["ada"]),
        other,
    ]


@pytest.mark.parametrize(
    ("draft", "seen"),
    [
        (m.Draft("c", "exams", {"e1": {"answers": "42"}}), None),
        (m.Draft("c", "students", {"s1": {"grade": 1}}), None),
        (m.Draft("c", "students", {"s1": {"grade": 1, "name": "A"}}), m.Draft("c", "students", {"s1": {"name": "A"}})),
        (m.Draft("c", "students", {"s1": None}), m.Draft("c", "students", {"s1": None})),
        (m.Draft("c", "other", {"o1": {"x": 1}}), m.Draft("c", "other", {"o1": {"x": 1}})),
        (m.Draft("c"), m.Draft("c")),
        (m.Draft("c", "students"), m.Draft("c", "students")),
    ],
)
def test_a_draft_is_told_without_what_is_hidden(draft, seen):
    assert SIGHT.draft(draft) == seen


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ({"table": "exams", "id": "e1", "column": "answers"}, False),
        ({"table": "students", "id": "s1", "column": "grade"}, False),
        ({"table": "students", "id": "s1", "column": "name"}, True),
        ("nowhere", True),
    ],
)
def test_nobody_is_told_that_somebody_is_where_they_cannot_look(at, told):
    assert SIGHT.state({"mood": "calm", "at": at}) == ({"mood": "calm", "at": at} if told else {"mood": "calm"})


def test_who_is_nowhere_stays_so():
    assert SIGHT.state({"mood": "calm"}) == {"mood": "calm"}


# --- what comes in ---------------------------------------------------------------------------------------------------


@pytest.fixture
def school():
    store = Store.memory(School)
    decide(store, "insert", table="students", id="s1", values={"name": "Ada", "address": "1 Main St", "grade": 1})
    decide(store, "insert", table="students", id="s2", values={"name": "Bob", "address": "2 Main St"})
    return store


def attempt(store, role, name, /, **args):
    """What comes of a mutation by somebody of a role, as a room decides it."""
    store.version += 1
    store.savepoint("mutation")
    try:
        return store.run(name, args, role=role, sight=store.party.sight(role))
    except MutationRejected as error:
        store.undo("mutation")
        return error
    finally:
        store.release("mutation")


HIDDEN = {
    "insert": {"table": "exams", "id": "e", "values": {"answers": "42"}},
    "insert_rows": {"table": "students", "columns": ["id", "grade"], "rows": [["s3", 5]]},
    "update": {"table": "students", "id": "s1", "values": {"grade": 5}},
    "upsert": {"table": "students", "id": "s1", "values": {"grade": 5}},
    "delete": {"table": "exams", "id": "e"},
    "put_back": {"table": "students", "rows": [["s1", {"grade": 5}, {"grade": 1}, None]]},
}


@pytest.mark.parametrize(("name", "args"), HIDDEN.items(), ids=HIDDEN)
@pytest.mark.parametrize("batched", [False, True])
def test_nobody_changes_what_they_are_not_shown(school, name, args, batched):
    """R13."""
    before = {table: rows_of(school, table) for table in school.tables}

    asked = ("batch", {"steps": [[name, args]]}) if batched else (name, args)
    refused = attempt(school, "editor", asked[0], **asked[1])

    assert isinstance(refused, MutationRejected)
    assert refused.code == "forbidden"
    assert {table: rows_of(school, table) for table in school.tables} == before
    assert not isinstance(attempt(school, "owner", asked[0], **asked[1]), MutationRejected)


def test_a_hidden_table_is_neither_made_nor_grown():
    class Open(School):
        built_in = Main.built_in

    store = Store.memory(Open)
    for name, args in {
        "create_table": {"name": "exams", "columns": [{"name": "answers", "type": "text"}]},
        "add_column": {"table": "exams", "column": {"name": "x", "type": "text"}},
    }.items():
        assert attempt(store, "editor", name, **args).code == "forbidden"


def test_a_partys_own_code_may_touch_what_its_caller_is_not_shown(school):
    assert attempt(school, "editor", "hand_in", id="e1", answers="42") == "editor"
    assert rows_of(school, "exams") == {"e1": {"answers": "42"}}
    steps = [["hand_in", {"id": "e2", "answers": "43"}], ["delete", {"table": "exams", "id": "e1"}]]
    assert attempt(school, "editor", "batch", steps=steps).code == "forbidden"
    assert list(rows_of(school, "exams")) == ["e1"]


def test_a_mutator_is_called_by_those_it_is_for(school):
    refused = attempt(school, "editor", "mark", id="s1", grade=5)

    assert refused.code == "forbidden"
    assert str(refused) == (
        "mark is for an owner of this room, and you are an editor of it. An owner can change that with room.share."
    )
    assert attempt(school, "editor", "batch", steps=[["mark", {"id": "s1", "grade": 5}]]).code == "forbidden"
    assert "You are a viewer" in str(attempt(school, "viewer", "rename", id="s1", name="x"))
    assert attempt(school, "owner", "mark", id="s1", grade=5) is None


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("update", {"table": "lessons", "id": "s1", "values": {"name": "x"}}),  # it would list the tables there are
        ("update", {"table": "students", "id": "s1", "values": {"nome": "x"}}),  # likewise the columns
    ],
)
def test_a_refusal_names_nothing_hidden(school, name, args):
    """R13."""
    for role, told in {"editor": False, "owner": True}.items():
        refused = attempt(school, role, name, **args)
        assert ("grade" in str(refused) or "exams" in str(refused)) is told
    assert str(attempt(school, "editor", name, **args)).startswith("This edit breaks a rule about something")


def test_a_rule_that_sql_keeps_names_nothing_hidden_either(school):
    refused = attempt(school, "viewer", "rename", id="s1", name="x")
    assert refused.code == "forbidden"

    class Loose(School):
        seen_by = {"students.address": "owner"}  # read only

        @mutator
        def move(tx, id: str):
            tx.sql("UPDATE students SET address = '1 Main St' WHERE id = ?", id)

    school.party = Loose
    assert "address" not in str(attempt(school, "editor", "move", id="s2"))
    assert "address" in str(attempt(school, "owner", "move", id="s2"))


# --- in the kernel ---------------------------------------------------------------------------------------------------


def test_a_kernel_knows_what_it_may_not_do_before_it_asks():
    replica = Replica(School, "me", user="ada")
    replica.opened("spare")
    welcome = m.Welcome(
        1, "e", 0, 0, m.Limits(1 << 20, 256), School.fingerprint(), School.takes("editor"), user="Ada L.", role="editor"
    )
    replica.receive([welcome, m.Begin("e"), m.End(0)])

    with pytest.raises(MutationRejected, match="mark is for an owner of this room") as caught:
        replica.mutate("mark", {"id": "s1", "grade": 1})
    with pytest.raises(MutationRejected, match="no mutator 'nothing'"):
        replica.mutate("nothing", {})

    assert caught.value.code == "forbidden"
    assert (replica.user, replica.role, replica.pending) == ("Ada L.", "editor", [])


def test_a_kernel_says_by_its_hello_what_its_rows_were_told_for():
    """So that one whose role has changed is told everything anew, and not only what comes (R4)."""
    replica = Replica(School, "me")
    replica.opened("spare")
    bare = {"limits": m.Limits(1 << 20, 256), "party": School.fingerprint(), "mutators": []}
    replica.receive([m.Welcome(1, "e", 0, 0, **bare, role="viewer", sight="abc"), m.Begin("e")])
    assert replica.opened("spare").send[0].sight == ""

    replica.receive([m.Welcome(1, "e", 0, 0, **bare, role="viewer", sight="abc"), m.Begin("e"), m.End(0)])
    assert replica.opened("spare").send[0].sight == "abc"
