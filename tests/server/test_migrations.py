"""Migrations: a room that an older schema has made opens with the newer one, whole or not at all."""

import re
import sys
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partysync_server.ledger import Ledger
from partysync_server.shape import difference, shape_of
from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected, SchemaMismatch, StorageFailed
from partysync_widget.core.migration import Migration
from partysync_widget.core.party import ROW_MUTATORS, TABLE_MUTATORS, Main, Party, mutator
from partysync_widget.core.store import Store
from tests.stage import Stage

GUIDE = Path(__file__).parents[2] / "docs" / "migrations.md"
ID = "id TEXT PRIMARY KEY NOT NULL"
DUE = Migration("ALTER TABLE todos ADD COLUMN due TEXT", keeps_clients=True)
RENAMED = Migration("ALTER TABLE todos RENAME COLUMN text TO title")


class First(Party):
    """The party ``todos`` as it was first written."""

    name = "todos"
    schema = f"CREATE TABLE todos ({ID}, text TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0) STRICT"
    types = {"todos": {"done": bool}}

    @mutator
    def create(tx, id: str, text: str):
        tx.insert("todos", id=id, text=text)


class Second(First):
    """A column more, with which kernels of the first can live."""

    name = "todos"
    schema = f"CREATE TABLE todos ({ID}, text TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0, due TEXT) STRICT"
    migrations = (DUE,)

    @mutator
    def create(tx, id: str, text: str, due: str = "soon"):
        tx.insert("todos", id=id, text=text, due=due)

    @mutator
    def put_off(tx, id: str):
        tx.update("todos", id, due="later")


class Third(First):
    """A column with another name, with which they cannot."""

    name = "todos"
    schema = f"CREATE TABLE todos ({ID}, title TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0, due TEXT) STRICT"
    migrations = (DUE, RENAMED)

    @mutator
    def create(tx, id: str, title: str):
        tx.insert("todos", id=id, title=title)


def reworked(*migrations, schema=First.schema, **more):
    """The party ``todos`` with this schema, to which these migrations should lead."""
    return type("Todos", (First,), {"name": "todos", "schema": schema, "migrations": migrations, **more})


def dump(path):
    """All that SQLite says of a file that nobody has open."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    assert connection.pragma("integrity_check") == "ok"
    listing = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()
    tables = [name for kind, name, *_ in listing if kind == "table"]
    rows = {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2').fetchall() for name in tables}
    connection.close()
    return listing, rows


@pytest.fixture
def old(make_stage):
    """A room that the first schema has made: five versions, four rows, one tombstone; nobody is in it."""
    stage = make_stage(party=First)
    ada = stage.enter("ada")
    for id in "abcd":
        ada.mutate("create", id=id, text=f"text {id}")
    ada.delete("b")
    stage.rest()
    stage.cut_all()
    return stage


def reopen(stage, party):
    """The server ends, and comes back with this party."""
    stage.cut_all()
    stage.ledger.close()
    stage.party = party
    stage.open()
    return stage


# --- what a migrated room is ----------------------------------------------------------------------------------------


def test_a_room_has_its_rows_in_the_new_schema_and_in_their_order(old):
    positions = [row[:2] for row in old.ledger.store.rows("todos")]

    reopen(old, Third)

    assert old.rows() == {id: {"title": f"text {id}", "done": False, "due": None} for id in "acd"}
    assert [row[:2] for row in old.ledger.store.rows("todos")] == positions
    assert [entry.spec for entry in old.ledger.store.tables.values()] == [
        entry.spec for entry in Store.memory(Third).tables.values()
    ]


def test_a_migration_takes_one_version_and_everything_older_is_fetched_anew(old):
    """R1, R4, M1."""
    before = old.ledger.version

    reopen(old, Third)

    assert (old.ledger.version, old.ledger.horizon) == (before + 1, before + 1)
    assert old.ledger.store.touched(-1) == {}


def test_an_opening_without_a_migration_takes_none(old):
    reopen(old, Third)
    version = old.ledger.version
    reopen(old, Third)

    assert old.ledger.version == version


def test_a_migrated_room_goes_on_as_any_other(old):
    """Rows are stamped, deletions too, and foreign keys act again."""
    reopen(old, Third)
    ada, bob = old.enter("new ada"), old.enter("bob")

    ada.mutate("create", id="e", title="new")
    ada.delete("a")
    old.rest()

    assert list(bob.rows()) == ["c", "d", "e"]
    assert old.ledger.store.touched(old.ledger.horizon) == {"todos": {"a", "e"}}
    assert old.ledger.store.execute("PRAGMA foreign_keys").get == 1
    old.assert_agreed(ada, bob)


def test_the_version_of_a_migration_is_of_the_new_epoch(old):
    """R10. In a backup that is migrated, the version that the original went on to is no version of ours."""
    held = old.ledger.version
    epoch = old.ledger.epoch

    reopen(old, Third)

    assert old.ledger.holds(epoch, held)
    assert not old.ledger.holds(epoch, held + 1)
    assert old.ledger.holds(old.ledger.epoch, held + 1)


def test_who_went_on_without_the_migration_is_told_that_history_was_replaced(old):
    """R10."""
    copy = old.save("backup")
    ada = old.kernels[0].connect()
    old.rest()
    ada.mutate("create", id="lost", text="after the backup")
    old.rest()
    old.cut_all()
    old.ledger.close()
    old.party = Second
    old.restore(copy)

    ada.connect()
    old.rest()

    assert any(step.rewound for step in ada.steps)
    assert "lost" not in ada.rows()


def test_what_was_decided_before_is_decided_once_and_told(old):
    """R5, R6. The answer was lost on its way; the room was migrated; the kernel asks again."""
    ada = old.kernels[0].connect()
    old.rest()
    made = ada.mutate("create", id="twice", text="once")
    ada.push()
    ada.carry_up()
    old.turn()
    reopen(old, Second)

    ada.connect()
    old.rest()

    assert ada.outcome(made) is None
    assert list(old.rows()) == ["a", "c", "d", "twice"]


def test_a_function_moves_what_sql_cannot(old):
    def shout(tx):
        for row in tx.sql("SELECT id, text FROM todos"):
            tx.sql("UPDATE todos SET text = ? WHERE id = ?", row["text"].upper(), row["id"])

    reopen(old, reworked(Migration(shout)))

    assert [row["text"] for row in old.rows().values()] == ["TEXT A", "TEXT C", "TEXT D"]


def test_a_table_can_be_built_anew_and_keep_its_order_and_what_refers_to_it(make_stage):
    """As sqlite.org/lang_altertable.html says, section 7."""
    parents = f"CREATE TABLE parents ({ID}, name TEXT) STRICT;"
    children = f"CREATE TABLE children ({ID}, parent TEXT NOT NULL REFERENCES parents (id) ON DELETE CASCADE) STRICT;"
    stage = make_stage(party=reworked(schema=parents + children, types={}))
    ada = stage.enter("ada")
    for id in "zyx":
        ada.insert(id, table="parents", name=id)
        ada.insert(f"of {id}", table="children", parent=id)
    stage.rest()
    stricter = parents.replace("name TEXT", "name TEXT NOT NULL")
    anew = f"""
        {stricter.replace("TABLE parents", "TABLE anew")}
        INSERT INTO anew (rowid, id, name) SELECT rowid, id, name FROM parents;
        DROP TABLE parents;
        ALTER TABLE anew RENAME TO parents
    """

    reopen(stage, reworked(Migration(anew), schema=stricter + children, types={}))

    assert list(stage.rows("parents")) == ["z", "y", "x"]
    assert list(stage.rows("children")) == ["of z", "of y", "of x"]
    bob = stage.enter("bob")
    bob.delete("y", table="parents")
    stage.rest()
    assert list(bob.rows("children")) == ["of z", "of x"]  # the cascade acts in the room
    stage.assert_agreed(bob)


def test_tables_come_in_the_order_of_the_schema(old):
    """Or a kernel that has the class would show them in another."""
    log = f"CREATE TABLE log ({ID}) STRICT;"

    reopen(old, reworked(Migration(log), schema=log + First.schema))
    ada = old.enter("new ada")

    assert list(old.ledger.store.tables) == ["log", "todos"] == list(ada.replica.view.tables)


def test_a_table_that_is_gone_is_gone_for_everybody(make_stage):
    two = f"{First.schema}; CREATE TABLE log ({ID}) STRICT"
    stage = make_stage(party=reworked(schema=two))
    ada = stage.enter("ada")
    ada.insert("1", table="log")
    stage.rest()

    reopen(stage, reworked(Migration("DROP TABLE log", keeps_clients=True)))
    ada.connect()
    stage.rest()

    assert list(stage.ledger.store.tables) == ["todos"]
    stage.assert_agreed(ada)


def test_what_people_have_made_in_a_room_stays(make_stage):
    """``create_table`` and ``add_column`` are mutators like any other: their tables and columns are data."""
    open_to_all = {"built_in": ROW_MUTATORS + TABLE_MUTATORS}
    stage = make_stage(party=reworked(**open_to_all))
    ada = stage.enter("ada")
    ada.mutate("create_table", name="own", columns=[{"name": "size", "type": "choice", "choices": ["S", "M"]}])
    ada.mutate("add_column", table="todos", column={"name": "extra", "type": "boolean", "default": True})
    ada.mutate("add_column", table="own", column={"name": "n", "type": "integer"})
    ada.mutate("create", id="a", text="a")
    ada.insert("1", table="own", size="M", n=3)
    stage.rest()

    reopen(stage, reworked(DUE, schema=Second.schema, **open_to_all))
    bob = stage.enter("bob")

    assert bob.rows("own") == {"1": {"size": "M", "n": 3}}
    assert bob.rows("todos") == {"a": {"text": "a", "done": False, "due": None, "extra": True}}
    stage.assert_agreed(bob)


def test_the_examples_of_the_guide_migrate_a_room(make_stage):
    whole, fragment = re.findall(r"^```(?:python)?\n(.*?)^```$", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    names = {}
    exec(whole, names)  # noqa: S102  # of our own guide
    first = f"CREATE TABLE todos ({ID}, text TEXT NOT NULL) STRICT"
    stage = make_stage(party=reworked(schema=first, types={}))
    ada = stage.enter("ada")
    ada.mutate("create", id="b", text="two words")
    ada.mutate("create", id="a", text="")
    stage.rest()

    reopen(stage, names["Todos"])
    assert stage.rows() == {"b": {"title": "two words", "words": 2}, "a": {"title": "", "words": 0}}

    schema = f"CREATE TABLE todos ({ID}, title TEXT NOT NULL CHECK (title <> '')) STRICT"
    made = eval(fragment, names)  # noqa: S307  # likewise
    reopen(stage, reworked(*names["Todos"].migrations, made, schema=schema, types={}))
    assert stage.rows() == {"b": {"title": "two words"}}


# --- all, or nothing ------------------------------------------------------------------------------------------------


def boom(tx):
    tx.sql("DELETE FROM todos")
    raise {}["due"]


WRONG = [
    (Migration("ALTER TABLE todos ADD COLUMN due TEXT; UPDATE todos SET dew = 1"), "SQLError: no such column: dew"),
    (Migration("ALTER TABLE todos ADD COLUMN due TEXT", boom), "raise"),
    (Migration(lambda tx: tx.sql("DROP TABLE todos")), "SQL here can only read and write rows"),
    (Migration(lambda tx: tx.insert("todos", id="e", text="e")), "the tx of a migration has sql, and no insert"),
    (Migration(lambda tx: sys.exit(1)), "SystemExit: 1"),
    (Migration("UPDATE todos SET done = 1; COMMIT; DROP TABLE todos"), "it has no BEGIN, COMMIT, PRAGMA"),
    (Migration("END"), "it has no BEGIN, COMMIT"),
    (Migration("UPDATE todos SET done = 1", "SAVEPOINT s"), "it has no BEGIN, COMMIT"),
    (Migration("PRAGMA foreign_keys=ON"), "it has no BEGIN, COMMIT, PRAGMA"),
    (Migration("ATTACH ':memory:' AS other"), "it has no BEGIN, COMMIT, PRAGMA, ATTACH"),
    (Migration("CREATE TEMP TABLE todos (x)"), "it has no BEGIN, COMMIT, PRAGMA, ATTACH, TEMP or VIRTUAL"),
    (Migration(), "in the table todos they lead to nothing, the schema says `due TEXT`"),
    (Migration("DROP TABLE todos"), "the schema has the table todos, to which they do not lead"),
    (Migration("ALTER TABLE todos ADD COLUMN due INTEGER"), "lead to `due INTEGER`, the schema says `due TEXT`"),
    (Migration("ALTER TABLE todos ADD COLUMN due TEXT CHECK (due > '')"), "lead to `due TEXT CHECK (due > '')`"),
    (DUE.steps[0] + "; CREATE VIEW v AS SELECT 1", "they lead to the view v, which the schema does not have"),
    (DUE.steps[0] + "; CREATE INDEX i ON todos (due)", "they lead to the index i"),
    (DUE.steps[0] + f"; CREATE TABLE own ({ID}) STRICT", "they lead to the table own"),
    (DUE.steps[0] + "; UPDATE todos SET text = CAST(x'ff' AS TEXT)", "a value in todos that cannot be shared"),
]


@pytest.mark.parametrize(("migration", "why"), WRONG, ids=[why for _, why in WRONG])
def test_a_migration_that_fails_leaves_the_file_as_it_was(old, migration, why):
    if isinstance(migration, str):
        migration = Migration(migration)
    why = "KeyError: 'due'" if why == "raise" else why
    rows = old.rows()
    old.ledger.close()
    before = dump(old.path)

    with pytest.raises(SchemaMismatch, match=re.escape(why)) as raised:
        Ledger(old.path, reworked(migration, schema=Second.schema), "e-new")

    assert dump(old.path) == before
    assert "'a room'" in str(raised.value)
    assert "The room is as it was." in str(raised.value)
    old.party = First
    old.open()
    assert old.rows() == rows


def test_the_migration_that_failed_is_named(old):
    old.ledger.close()

    with pytest.raises(SchemaMismatch, match="from version 2 to 3 of the schema of 'todos': SQLError: near"):
        Ledger(old.path, reworked(DUE, Migration("MISTAKE")), "e-new")
    old.open()


def test_an_infinite_number_is_found_before_anybody_is_sent_it(make_stage):
    numbers = f"CREATE TABLE numbers ({ID}, x REAL) STRICT"
    stage = make_stage(party=reworked(schema=numbers, types={}))
    stage.enter("ada").insert("1", table="numbers", x=1.5)
    stage.rest()
    stage.cut_all()
    stage.ledger.close()

    with pytest.raises(SchemaMismatch, match="a value in numbers that cannot be shared: inf"):
        Ledger(stage.path, reworked(Migration("UPDATE numbers SET x = 9e999"), schema=numbers, types={}), "e")
    stage.open()


def test_a_row_that_refers_to_none_is_found(make_stage):
    both = f"CREATE TABLE p ({ID}) STRICT; CREATE TABLE c ({ID}, p TEXT REFERENCES p (id)) STRICT;"
    stage = make_stage(party=reworked(schema=both, types={}))
    ada = stage.enter("ada")
    ada.insert("1", table="p")
    ada.insert("1", table="c", p="1")
    stage.rest()
    stage.cut_all()
    stage.ledger.close()

    with pytest.raises(SchemaMismatch, match="a row in c that refers to none in p"):
        Ledger(stage.path, reworked(Migration("DELETE FROM p"), schema=both, types={}), "e")
    stage.open()


def test_a_full_disk_is_not_the_migrations_fault(old):
    old.ledger.close()

    def full(tx):
        raise apsw.FullError("database or disk is full")

    with pytest.raises(StorageFailed, match="disk of the room server is full"):
        Ledger(old.path, reworked(Migration(full)), "e-new")
    old.open()


def test_the_order_of_columns_counts(old):
    """``INSERT INTO todos VALUES (…)`` in a mutator means the same in every room."""
    middle = f"CREATE TABLE todos ({ID}, text TEXT NOT NULL, due TEXT, done INTEGER NOT NULL DEFAULT 0) STRICT"
    old.ledger.close()

    with pytest.raises(SchemaMismatch, match="a column that was added stands last, so let it stand last"):
        Ledger(old.path, reworked(DUE, schema=middle), "e-new")
    old.open()


# --- which side is old ----------------------------------------------------------------------------------------------


def test_a_room_does_not_go_back(old):
    reopen(old, Third)
    old.ledger.close()
    before = dump(old.path)

    for party, version in ((First, 1), (Second, 2)):
        with pytest.raises(SchemaMismatch, match=f"is of version 3 .* file ends at version {version}. The server's"):
            Ledger(old.path, party, "e-new")

    assert dump(old.path) == before
    old.open()


def test_a_schema_that_changes_without_a_migration_is_refused_with_what_to_do(old):
    old.ledger.close()

    with pytest.raises(SchemaMismatch, match="was made by an earlier schema of the party 'todos'. Add a Migration"):
        Ledger(old.path, reworked(schema=Second.schema), "e-new")
    old.open()


def test_a_kernel_that_copes_goes_on_with_what_it_knows(old):
    """M2, M3. It sees the new column, its mutators are guessed and decided, and it can call one it has no code of."""
    reopen(old, Second)
    ada, new = old.kernels[0].connect(), old.enter("new")
    old.rest()

    made = ada.mutate("create", id="e", text="by an old hand")
    assert ada.rows()["e"] == {"text": "by an old hand", "done": None, "due": None}  # guessed, without the defaults
    put_off = ada.mutate("put_off", id="a")
    old.rest()

    assert ada.outcome(made) is None
    assert ada.outcome(put_off) is None
    assert ada.rows()["e"]["due"] == "soon"
    assert ada.rows()["a"]["due"] == "later"
    old.assert_agreed(ada, new)


def test_wrong_arguments_of_an_older_kernel_are_the_rooms_to_refuse(old):
    strict = type("Todos", (Second,), {"name": "todos", "create": mutator(lambda tx, id, text: tx.undefined)})
    reopen(old, strict)
    ada = old.kernels[0].connect()
    old.rest()

    with pytest.raises(MutationRejected, match="was called wrongly"):
        ada.mutate("create", id=5, text="e")
    refused = ada.mutate("put_off", who="a")
    old.rest()

    assert ada.outcome(refused).code == "bad-arguments"


def test_an_edit_made_while_the_room_was_migrated_is_kept_and_replayed(old):
    """R6, R7, M3. And the old rows stay in view until the new are whole (R4)."""
    ada = old.kernels[0]
    ada.insert("mine", text="made offline")
    seen = ada.watch(lambda: list(ada.rows()))
    reopen(old, Second)
    ada.connect()
    old.rest()

    assert all("mine" in rows and "a" in rows for rows in seen)
    assert list(old.rows()) == ["a", "c", "d", "mine"]
    old.assert_agreed(ada)


@pytest.mark.parametrize("party", [Third], ids=["a column has another name"])
def test_a_kernel_that_cannot_cope_is_told_that_its_file_is_the_older(old, party):
    """M4, E8."""
    reopen(old, party)
    ada = old.kernels[0].connect()
    old.rest()

    assert (ada.ended.kind, ada.ended.retry) == ("schema", "never")
    assert "has version 1 of its schema, the room 3. This kernel's file is the older one" in ada.ended.message
    assert "restart the kernel" in ada.ended.message


def test_one_migration_that_kernels_cannot_live_with_is_enough(old):
    """M2, M4."""
    reopen(old, reworked(RENAMED, DUE, schema=Third.schema))
    second = First.schema.replace("text", "title")

    assert old.enter("second", party=reworked(RENAMED, schema=second)).ended is None  # only DUE is new
    assert old.enter("first", party=First).ended.kind == "schema"


def test_a_newer_kernel_is_told_that_the_server_is_the_older_and_what_to_type(old):
    """M4."""
    old.room.restart = "Restart Jupyter."
    new = old.enter("new", party=Second)

    assert (new.ended.kind, new.ended.retry) == ("schema", "never")
    assert new.ended.message.endswith("The server's file is the older one: update it there. Restart Jupyter.")


def test_a_library_from_before_migrations_is_refused_as_ever(old):
    """M4. Its hello has no version: it would not know to take the room's tables."""
    reopen(old, Second)
    ada = old.kernels[0].connect()
    ada.up.clear()
    hello = m.Hello(m.PROTOCOL, "client-ada", First.fingerprint())
    old.room.receive(ada.session, hello)
    ada.owed()
    ada.carry_down()

    assert ada.ended.kind == "schema"
    assert "differs from the server's" in ada.ended.message


def test_who_has_no_class_of_the_party_is_at_home_in_any_version(old):
    reopen(old, Third)
    stranger = old.enter("stranger", party=type("todos", (Party,), {"name": "todos"}), typed=False)

    assert list(stranger.rows()) == ["a", "c", "d"]
    old.assert_agreed(stranger)


def test_a_copy_that_coped_is_a_whole_one_again_after_the_update(old):
    """The same kernel's rows, in the new kernel, as from a cache: fetched anew in the shape of the class."""
    reopen(old, Second)
    ada = old.kernels[0].connect()
    old.rest()
    copy = apsw.Connection(":memory:")
    ada.replica.copy_base(copy)

    new = old.enter("new", connected=False)
    new.replica.adopt_base(copy)
    assert list(new.rows()) == ["a", "c", "d"]
    new.connect()
    old.rest()

    assert new.replica.shape is Second
    assert shape_of(new.replica.store.connection).keys() == {("table", "todos")}
    assert not difference(shape_of(new.replica.store.connection), shape_of(Store.memory(Second).connection))
    old.assert_agreed(new)


# --- whatever the steps ---------------------------------------------------------------------------------------------

COLUMNS = {"TEXT": st.text(max_size=5), "INTEGER": st.integers(-9, 9), "REAL": st.floats(-9, 9)}
changes = st.lists(
    st.one_of(
        st.tuples(st.just("column"), st.sampled_from(["", " NOT NULL DEFAULT 'x'", " DEFAULT '7'"])),
        st.tuples(st.just("table"), st.just("")),
        st.tuples(st.just("index"), st.just("")),
        st.tuples(st.just("data"), st.sampled_from(["upper(text)", "text || '!'", "id"])),
    ),
    min_size=1,
    max_size=5,
)


def chain(kinds):
    """Additive migrations, and the parties that have the first 0, 1, 2 … of them."""
    columns, tables, migrations = [], [], []
    parties = [reworked(types={})]
    for n, (kind, how) in enumerate(kinds):
        match kind:
            case "column":
                columns.append(f"c{n} TEXT{how}")
                step = f"ALTER TABLE todos ADD COLUMN {columns[-1]}"
            case "table":
                tables.append(f"CREATE TABLE t{n} ({ID}, n INTEGER) STRICT")
                step = f"{tables[-1]}; INSERT INTO t{n} (id, n) SELECT id, length(text) FROM todos"
            case "index":
                tables.append(f"CREATE INDEX i{n} ON todos (text)")
                step = tables[-1]
            case _:
                step = f"UPDATE todos SET text = {how}"
        migrations.append(Migration(step, keeps_clients=True))
        todos = First.schema.replace(") STRICT", "".join(f", {each}" for each in columns) + ") STRICT")
        parties.append(reworked(*migrations, schema=";".join([todos, *tables]), types={}))
    return parties


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=changes,
    rows=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("xyz", max_size=4), max_size=6),
    gone=st.integers(0, 5),
)
def test_in_one_go_or_one_by_one_a_room_ends_the_same_and_every_kernel_has_it(tmp_path_factory, kinds, rows, gone):
    parties = chain(kinds)
    ends = []
    for steps in (parties[-1:], parties[1:]):
        stage = Stage(tmp_path_factory.mktemp("room"), party=parties[0])
        ada, late = stage.enter("ada"), stage.enter("late")
        late.cut()
        for id, text in rows.items():
            ada.mutate("create", id=id, text=text)
        for id in list(rows)[:gone]:
            ada.delete(id)
        stage.rest()
        for party in steps:
            reopen(stage, party)
            ada.connect()
            stage.rest()
            stage.assert_agreed(ada)
        late.connect()
        new = stage.enter("new")
        ada.mutate("create", id="at the end", text="e")
        stage.rest()
        stage.assert_agreed(ada, late, new)
        store = stage.ledger.store
        ends.append((shape_of(store.connection), {name: store.rows(name) for name in store.tables}))
        stage.close()

    assert ends[0] == ends[1]


# --- the shape of a database ----------------------------------------------------------------------------------------


def shape(sql):
    connection = apsw.Connection(":memory:")
    connection.execute(sql)
    return shape_of(connection)


@pytest.mark.parametrize(
    "other",
    [
        "CREATE TABLE t(a TEXT,b INTEGER DEFAULT ('x, (y')CHECK(b>0),UNIQUE(a,b))STRICT",
        "create table T (A text, -- , (\n B integer default('x, (y') check (b > 0), unique (a, b)) strict",
        """CREATE TABLE "t" ([a] TEXT, `b` INTEGER DEFAULT ('x, (y') /*,(*/ CHECK ("b" > 0), UNIQUE("a", b)) STRICT""",
        "CREATE TABLE IF NOT EXISTS t (a TEXT, b INTEGER DEFAULT ('x, (y') CHECK (b > 0), UNIQUE (a, b)) STRICT",
    ],
)
def test_the_layout_of_a_table_is_no_part_of_its_shape(other):
    wanted = shape("CREATE TABLE t (a TEXT, b INTEGER DEFAULT ('x, (y') CHECK (b > 0), UNIQUE (a, b)) STRICT")
    found = {(kind, name.lower()): pieces for (kind, name), pieces in shape(other).items()}

    assert difference(found, wanted) == ""


@pytest.mark.parametrize(
    "other",
    ["('x,  (y') CHECK (b > 0)", "('X, (y') CHECK (b > 0)", "('x, (y') CHECK (b >= 0)", "('x, (y')"],
)
def test_what_a_table_says_is(other):
    wanted = shape("CREATE TABLE t (a TEXT, b INTEGER DEFAULT ('x, (y') CHECK (b > 0)) STRICT")

    assert "in the table t" in difference(shape(f"CREATE TABLE t (a TEXT, b INTEGER DEFAULT {other}) STRICT"), wanted)


def test_main_has_no_schema_to_migrate():
    assert (Main.schema_version(), Main.migrations) == (1, ())
