"""Migrations: what a party declares, what their steps may do, and a kernel that is older than the room."""

import apsw
import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.errors import FrameTooLarge, MutationRejected, SchemaMismatch
from partysync_widget.core.migration import Migration
from partysync_widget.core.party import Main, Party
from partysync_widget.core.replica import Link, Replica
from partysync_widget.core.store import Store
from tests.core.test_replica import in_state, rows, welcome
from tests.stage import Sql, Todos, decide, rows_of

LATER = type("Todos", (Todos,), {"schema": Todos.schema.replace(") STRICT", ", due TEXT) STRICT")})
NEWER = {"party": LATER, "schema": 2}
TODOS = m.TableSpec("todos", (m.Column("text", "text"), m.Column("done", "boolean"), m.Column("due", "text")))


# --- declaring ------------------------------------------------------------------------------------------------------


def party(*migrations):
    return type("Todos", (Todos,), {"migrations": migrations})


def test_a_schema_has_one_version_more_than_migrations():
    assert [party(*[Migration()] * n).schema_version() for n in range(3)] == [1, 2, 3]


def test_a_kernel_can_cope_if_it_can_with_every_migration_since():
    kept, broke = Migration(keeps_clients=True), Migration()

    assert [party(broke, kept, kept).keeps_clients(since) for since in (1, 2, 3, 4)] == [False, True, True, True]
    assert [party(kept, broke).keeps_clients(since) for since in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize("word", ["ROLLBACK", "deferred", "_partysync_rows"])
def test_what_a_schema_may_not_say_a_migration_may_not(word):
    with pytest.raises(SchemaMismatch, match=f"cannot say {word.removesuffix('rows')}"):
        Migration("SELECT 1", f"SELECT {word}")


@pytest.mark.parametrize("step", [True, 5, b"SELECT 1", ["SELECT 1"]])
def test_a_step_is_sql_or_a_function(step):
    with pytest.raises(SchemaMismatch, match="A step of a migration is SQL or a function of tx"):
        Migration(step)


@pytest.mark.parametrize("migrations", [Migration(), [Migration()], ("DROP TABLE todos",), None])
def test_migrations_are_a_tuple_of_them(migrations):
    with pytest.raises(SchemaMismatch, match=r"Todos.migrations is a tuple of Migration\(…\), the oldest first."):
        type("Todos", (Todos,), {"migrations": migrations})


def test_migrations_are_no_part_of_the_fingerprint():
    """The schema they lead to is. Two sides with the same tables and mutators understand each other."""
    assert party(Migration()).fingerprint() == Todos.fingerprint()


def test_a_bare_party_has_the_mutators_and_no_tables():
    bare = Todos.bare()

    assert (bare.name, bare.mutators, bare.built_in) == (Todos.name, Todos.mutators, Todos.built_in)
    assert Store.memory(bare).tables == {}
    assert bare is Todos.bare()
    assert bare is not Todos
    assert Main.bare() is not Main
    assert bare.bare() is not Todos


# --- running --------------------------------------------------------------------------------------------------------


def test_steps_run_in_order_on_what_those_before_have_made(sql):
    seen = []
    Migration(
        "ALTER TABLE log ADD COLUMN m INTEGER",
        lambda tx: tx.sql("INSERT INTO log (id, n, m) VALUES (?, 1, ?)", "a", 2),
        "UPDATE log SET m = m * 2; CREATE TABLE more (id TEXT PRIMARY KEY NOT NULL) STRICT",
        lambda tx: seen.extend(tx.sql("SELECT * FROM log")),
        lambda tx: tx.sql("INSERT INTO more VALUES ('a')"),
    ).run(sql)

    assert seen == [{"id": "a", "n": 1, "m": 4}]
    assert sql.execute("SELECT count(*) FROM more").get == 1


def test_a_query_in_the_middle_of_a_step_ends_nothing(sql):
    sql.build("SELECT * FROM todos; CREATE TABLE more (id TEXT PRIMARY KEY NOT NULL) STRICT; SELECT * FROM todos")

    assert sql.execute("SELECT count(*) FROM more").get == 0


def test_what_a_mutator_has_beside_sql_a_migration_has_not(sql):
    with pytest.raises(AttributeError, match="the tx of a migration has sql, and no update: write it in SQL"):
        Migration(lambda tx: tx.update("todos", "1", text="x")).run(sql)


@pytest.mark.parametrize(
    "script",
    [
        "BEGIN", "COMMIT", "END", "SAVEPOINT s", "RELEASE mutation", "PRAGMA foreign_keys=OFF",
        "ATTACH ':memory:' AS o",
        "DETACH main", "CREATE TEMP TABLE t (x)", "CREATE VIRTUAL TABLE t USING fts5 (x)", "ANALYZE",
        "CREATE TABLE x (id); COMMIT",
    ],
)  # fmt: skip
def test_a_step_stays_in_its_transaction_and_its_database(sql, script):
    """Also when the same text has been run by us, and waits in the statement cache."""
    for ours in ("BEGIN", "COMMIT", "BEGIN", "END"):
        sql.execute(ours)
    sql.execute("BEGIN")

    with pytest.raises(MutationRejected, match="it has no BEGIN, COMMIT, PRAGMA, ATTACH, TEMP or VIRTUAL"):
        sql.build(script)
    assert sql.connection.in_transaction
    sql.rollback()


@pytest.mark.parametrize("table", ["meta", "rows", "tables"])
def test_a_step_keeps_off_our_tables(sql, table):
    with pytest.raises(MutationRejected):
        sql.build(f"DROP TABLE _partysync_{table}")


def test_every_change_that_sqlite_has_can_be_a_step(sql):
    sql.unstamp()
    for script in (
        "ALTER TABLE log ADD COLUMN m INTEGER NOT NULL DEFAULT 1 CHECK (m > 0)",
        "ALTER TABLE log RENAME COLUMN m TO k",
        "ALTER TABLE log DROP COLUMN k",
        "ALTER TABLE log RENAME TO logs",
        "CREATE UNIQUE INDEX i ON logs (n); DROP INDEX i",
        "CREATE VIEW v AS SELECT 1; DROP VIEW v",
        "DROP TRIGGER counted; CREATE TRIGGER t AFTER INSERT ON logs BEGIN DELETE FROM todos; END",
        "DROP TABLE logs",
    ):
        sql.build(script)


def test_tables_that_are_registered_anew_are_stamped_and_their_past_is_forgotten(sql):
    sql.unstamp()
    sql.execute("UPDATE todos SET text = 'unseen'")
    assert sql.touched(0) == {"people": {"ada"}, "todos": {"1", "2"}}
    assert sql.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall() == [("counted",)]
    specs = [sql.table(name).spec for name in ("todos", "people")]

    sql.register_anew(specs)

    assert [entry.spec for entry in sql.tables.values()] == specs
    assert sql.touched(-1) == {}
    decide(sql, "run_sql", query="DELETE FROM people")
    assert sql.touched(1) == {"people": {"ada"}, "todos": {"1", "2"}}


# --- a kernel that is older than the room ---------------------------------------------------------------------------


def reshaped(state="greeting"):
    """A replica with rows and an edit of its own that has been told that the room has a newer schema."""
    replica = in_state(state)
    step = replica.receive([welcome(**NEWER)])
    return replica, step


def whole(replica, *, version=7):
    """The snapshot that it then gets, with the column that is new."""
    change = m.TableChange("todos", ["text", "done", "due"], [[1, "r1", "x", 0, "soon"]])
    return replica.receive([welcome(**NEWER), m.Begin("e", None, [TODOS]), m.Part([change]), m.End(version)])


def test_hello_says_which_schema():
    assert Replica(party(Migration()), "me").opened("spare").send[0].schema == 2
    assert Replica(Todos, "me", typed=False).opened("spare").send[0].schema == 0


def test_the_old_rows_stay_until_those_of_the_newer_room_are_whole():
    """R4."""
    replica, step = reshaped()
    assert [(hello.epoch, hello.version) for hello in step.send] == [("", 0)]
    assert (step.reset, list(rows_of(replica.view, "todos"))) == (False, ["r1", "mine"])

    step = whole(replica)

    assert (step.reset, step.rebased, replica.link) == (True, True, Link.LIVE)
    assert rows_of(replica.view, "todos") == {
        "r1": {"text": "x", "done": False, "due": "soon"},
        "mine": {"text": "mine", "done": False, "due": None},  # replayed
    }
    assert replica.shape is Todos.bare()
    assert [each.spec for each in replica.store.tables.values()] == [TODOS]


def test_who_holds_nothing_need_not_ask_twice():
    replica = Replica(Todos, "me")
    replica.opened("spare")

    step = replica.receive([welcome(**NEWER)])

    assert (step.send, replica.link, replica.shape) == ([], Link.WELCOMED, Todos.bare())


def test_a_copy_that_has_the_rooms_tables_is_asked_for_no_more():
    replica, _ = reshaped()
    whole(replica)
    replica.closed()
    assert replica.opened("spare").send[0].epoch == "e"

    step = replica.receive([welcome(**NEWER), m.Delta("e", 7, 8)])

    assert (step.send, replica.cursor) == ([], 8)


def test_a_copy_goes_back_to_the_class_when_the_room_does():
    replica, _ = reshaped()
    whole(replica)
    replica.closed()
    replica.opened("spare")

    step = replica.receive([welcome()])
    assert [hello.epoch for hello in step.send] == [""]
    replica.receive([welcome(), m.Begin("e"), m.Part(rows(9)), m.End(9)])

    assert (replica.shape, replica.store.party) == (Todos, Todos)
    assert list(rows_of(replica.view, "todos")) == ["r9", "mine"]


def test_a_history_that_is_not_ours_is_announced_whatever_its_schema():
    """R10."""
    replica = in_state("greeting")

    step = replica.receive([welcome(**NEWER, known=False, reason="Replaced.")])

    assert (step.rewound, step.renumbered, replica.client) == ("Replaced.", True, "spare")
    assert [hello.epoch for hello in step.send] == [""]
    whole(replica)
    assert replica.store.party is Todos.bare()


@pytest.mark.parametrize("schema", [0, 1])
def test_an_older_room_with_another_class_is_refused(schema):
    replica = in_state("greeting")

    step = replica.receive([welcome(party=LATER, schema=schema)])

    assert isinstance(step.failed, SchemaMismatch)
    assert (replica.shape, replica.link) == (Todos, Link.GREETING)


def test_an_edit_whose_guess_fails_in_a_copy_of_another_shape_is_the_rooms_to_decide():
    """R7. Its table has another name there; here nothing shows."""
    replica, _ = reshaped()
    renamed = m.TableSpec("tasks", TODOS.columns)
    replica.receive([welcome(**NEWER), m.Begin("e", None, [renamed]), m.End(7)])

    made, step = replica.mutate("create", {"id": "new", "text": "new"})

    assert (made.shown, step.changed, step.reset) == (False, {}, False)
    assert replica.pending[-1] is made
    assert [each.name for push in replica.outgoing() for each in push.mutations] == ["create", "create"]


def test_what_is_wrong_in_any_shape_is_refused_here():
    replica, _ = reshaped()
    whole(replica)
    queued = len(replica.pending)

    with pytest.raises(MutationRejected, match="was called wrongly"):
        replica.mutate("create", {"id": "new"})
    with pytest.raises(MutationRejected, match="no mutator 'nothing'"):
        replica.mutate("nothing", {})
    with pytest.raises(FrameTooLarge):
        replica.mutate("create", {"id": "new", "text": "x" * 2**20})
    assert len(replica.pending) == queued


def test_in_the_shape_of_the_class_a_guess_that_fails_raises():
    """R7."""
    with pytest.raises(MutationRejected, match="The table's rule is not kept"):
        in_state("live").mutate("create", {"id": "new", "text": "x" * 20})


def test_a_mutator_that_only_the_newer_room_has_can_be_called():
    replica, _ = reshaped()
    snapshot = [m.Begin("e", None, [TODOS]), m.End(7)]
    replica.receive([welcome(**NEWER, mutators=["create", "batch", "put_off"]), *snapshot])

    alone, _ = replica.mutate("put_off", {"id": "r1"})
    together, _ = replica.mutate("batch", {"steps": [["create", {"id": "a", "text": "a"}], ["put_off", {"id": "a"}]]})

    assert [each.mutation.name for each in replica.pending] == ["create", "put_off", "batch"]
    assert "a" not in rows_of(replica.view, "todos")
    assert alone.ticket != together.ticket


# --- copies on disk -------------------------------------------------------------------------------------------------


def copied(replica):
    copy = apsw.Connection(":memory:")
    replica.copy_base(copy)
    return copy


def test_a_copy_of_the_rooms_tables_is_adopted_as_one():
    replica, _ = reshaped()
    whole(replica)
    again = Replica(Todos, "me")
    again.adopt_base(copied(replica))

    assert again.shape is again.store.party is Todos.bare()
    assert rows_of(again.view, "todos")["r1"]["due"] == "soon"
    again.opened("spare")
    assert again.receive([welcome(**NEWER), m.Delta("e", 7, 8)]).send == []


@pytest.mark.parametrize("kept", [True, False], ids=["by an older class", "by an older library"])
def test_a_copy_that_another_class_has_made_shows_until_the_room_sends_anew(kept):
    copy = copied(in_state("live"))
    if not kept:
        copy.execute("DELETE FROM _partysync_meta WHERE key = 'shape'")
    other = type("Todos", (Todos,), {"schema": Todos.schema.replace("< 20", "< 30")}) if kept else Todos
    again = Replica(other, "me")
    again.adopt_base(copy)
    assert list(rows_of(again.view, "todos")) == ["r1"]
    assert again.shape is other.bare()

    again.opened("spare")
    step = again.receive([welcome(other)])

    assert ([hello.epoch for hello in step.send], again.shape) == ([""], other)


def test_a_copy_of_this_class_is_adopted_and_gone_on_with():
    again = Replica(Todos, "me")
    again.adopt_base(copied(in_state("live")))
    again.opened("spare")

    assert again.shape is Todos
    assert again.receive([welcome(), m.Delta("e", 5, 6)]).send == []


def test_the_party_of_the_other_tests_is_what_they_take_it_for():
    assert (Todos.schema_version(), Sql.schema_version(), Party.migrations) == (1, 1, ())
