"""Names that are safe, tables that are declared, and what a party's own schema may not be."""

import datetime as dt

import apsw
import pytest

from partysync_widget.core.columns import STORAGE, column
from partysync_widget.core.errors import MutationRejected, SchemaMismatch
from partysync_widget.core.messages import Column, TableSpec
from partysync_widget.core.party import Party
from partysync_widget.core.schema import (
    MAX_COLUMNS,
    MAX_NAME,
    check_columns,
    check_table_name,
    create_table_sql,
    quote,
)
from partysync_widget.core.store import Store

# --- names ----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "todos; DROP TABLE todos", "todos)", "(SELECT key AS id, value FROM _partysync_meta)", 'a"b', "a'b", "a`b", "[a]",
    "a b", "a--", "a/*", "a.b", "main.todos", "", " ", "1st", "-", "a\0b", "a\nb", "*", "%", "todos ", "\ud800", "a;",
]  # fmt: skip


@pytest.mark.parametrize("name", ["todos", "T", "_private", "größe", "表", "a1", "select", "x" * MAX_NAME])
def test_a_name_of_letters_digits_and_underscores_may_be_a_tables(name):
    check_table_name(name)
    apsw.Connection(":memory:").execute(create_table_sql(TableSpec(name, (Column("text", "text"),))))


@pytest.mark.parametrize("name", [*HOSTILE, "x" * (MAX_NAME + 1)])
def test_a_name_with_sql_in_it_cannot_be_a_tables(name):
    """R13."""
    with pytest.raises(MutationRejected, match="cannot be the name of a table") as refused:
        check_table_name(name)

    assert refused.value.code == "bad-name"


@pytest.mark.parametrize("name", ["_partysync_meta", "_PartySync_x", "_partysync_", "sqlite_schema", "SQLite_sequence"])
def test_a_name_that_is_ours_or_sqlites_cannot_be_a_tables(name):
    """R13."""
    with pytest.raises(MutationRejected, match="reserved") as refused:
        check_table_name(name)

    assert refused.value.code == "bad-name"


@pytest.mark.parametrize(
    "name",
    ["text", "a b", "a'b", "a;b", "a--b", "[a]", "`a`", "%s", "?", "{}", "{0}", ":a", "a.b", "select", "größe", "表",
     "Mass (g)", "x FROM y", "$a", "a\\b", "é" * MAX_NAME],
)  # fmt: skip
def test_a_printable_name_without_double_quotes_may_be_a_columns(name):
    spec = TableSpec("t", (Column(name, "text"),))
    check_columns("t", spec.columns)

    connection = apsw.Connection(":memory:")
    connection.execute(create_table_sql(spec))
    assert [found for _, found, *_ in connection.execute("PRAGMA table_info(t)")] == ["id", name]


@pytest.mark.parametrize(
    "name", ["", 'a"b', "a\nb", "a\0b", " a", "a ", "\u200b", "\u202ea", "\ud800", "a\tb", "x" * (MAX_NAME + 1)]
)
def test_any_other_name_cannot_be_a_columns(name):
    """R13."""
    with pytest.raises(MutationRejected, match="cannot be the name of a column") as refused:
        check_columns("t", [Column(name, "text")])

    assert refused.value.code == "bad-name"


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["id"], "id already"), (["ID"], "id already"), (["rowid"], "taken"), (["OID"], "taken"),
        (["_rowid_"], "taken"),
        (["a", "a"], "taken"), (["a", "A"], "taken"), (["é", "É"], "taken"),
    ],
)  # fmt: skip
def test_two_columns_cannot_have_one_name(names, why):
    with pytest.raises(MutationRejected, match=why) as refused:
        check_columns("t", [Column(name, "text") for name in names])

    assert refused.value.code == "bad-name"


def test_a_table_has_a_limit_of_columns():
    check_columns("t", [Column(f"c{n}", "text") for n in range(MAX_COLUMNS)])

    with pytest.raises(MutationRejected, match=str(MAX_COLUMNS)) as refused:
        check_columns("t", [Column(f"c{n}", "text") for n in range(MAX_COLUMNS + 1)])
    assert refused.value.code == "too-large"


def test_a_choice_needs_choices():
    with pytest.raises(MutationRejected, match="choice of nothing"):
        check_columns("t", [Column("c", "choice")])


def test_a_default_must_be_a_value_of_its_column():
    with pytest.raises(MutationRejected, match="takes a whole number"):
        check_columns("t", [Column("c", "integer", default="seven")])


@pytest.mark.parametrize("name", [*HOSTILE[:-2], 'a"b"c', '"', '""'])
def test_a_quoted_name_is_the_name_and_nothing_else(name):
    """R13. What gets past every check would still be no SQL."""
    if "\0" in name or name == "\ud800":
        return  # SQLite's text ends there; the checks above refuse both
    connection = apsw.Connection(":memory:")

    connection.execute(f"CREATE TABLE t ({quote(name)} TEXT)")

    assert [found for _, found, *_ in connection.execute("PRAGMA table_info(t)")] == [name]


# --- tables that are declared ---------------------------------------------------------------------------------------

EVERY_TYPE = TableSpec(
    "things",
    (
        Column("t", "text", default="it's; --"),
        Column("i", "integer", required=True, default=-7),
        Column("r", "real", default=1.5),
        Column("b", "boolean", default=True),
        Column("j", "json", default={"a": ["'"]}),
        Column("m", "datetime", default="2026-11-23T04:05:06.000000Z"),
        Column("d", "date", default="2026-11-23"),
        Column("c", "choice", choices=("it's", "S"), default="S"),
        Column("y", "bytes", default={"base64": "AP8="}),
        Column("n", "text", required=True),
    ),
)


@pytest.fixture
def things():
    connection = apsw.Connection(":memory:")
    connection.execute(create_table_sql(EVERY_TYPE))
    return connection


def test_a_declared_table_is_strict_and_has_its_columns_in_order(things):
    assert things.execute("SELECT strict FROM pragma_table_list('things')").get == 1
    found = {
        name: (type_, bool(required)) for _, name, type_, required, _, _ in things.execute("PRAGMA table_info(things)")
    }
    assert found.pop("id") == ("TEXT", True)
    assert found == {each.name: (STORAGE[each.type], each.required) for each in EVERY_TYPE.columns}


def test_a_declared_default_is_what_a_row_gets(things):
    things.execute("INSERT INTO things (id, n) VALUES ('1', '')")

    assert things.execute("SELECT t, i, r, b, j, m, d, c, y FROM things").fetchone() == (
        "it's; --", -7, 1.5, 1, '{"a":["\'"]}', "2026-11-23T04:05:06.000000Z", "2026-11-23", "S", b"\0\xff",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ("b) VALUES ('1', '', 2", "CHECK"),
        ("j) VALUES ('1', '', '{'", "CHECK"),
        ("c) VALUES ('1', '', 'XL'", "CHECK"),
        ("i) VALUES ('1', '', NULL", "NOT NULL"),
        ("i) VALUES ('1', '', 'x'", "cannot store"),
    ],
)
def test_whatever_sql_writes_to_it_a_column_holds_what_its_type_says(things, values, why):
    with pytest.raises(apsw.ConstraintError, match=why):
        things.execute(f"INSERT INTO things (id, n, {values})")


def test_a_column_that_is_not_required_may_be_empty(things):
    things.execute(
        "INSERT INTO things (id, n, t, r, b, j, m, d, c, y) VALUES ('1', '', ?, ?, ?, ?, ?, ?, ?, ?)", [None] * 8
    )

    assert things.execute("SELECT t, r, b, j, m, d, c, y FROM things").fetchone() == (None,) * 8


# --- a party's own schema -------------------------------------------------------------------------------------------

ID = "id TEXT PRIMARY KEY NOT NULL"


def tables(schema, **types):
    """The specs of the tables that a party's schema makes."""
    party = type("Own", (Party,), {"schema": schema, "types": types})
    return [entry.spec for entry in Store.memory(party).tables.values()]


def test_the_tables_of_a_schema_are_found_in_its_order():
    assert tables(f"CREATE TABLE b ({ID}) STRICT; CREATE TABLE a ({ID}) STRICT;") == [
        TableSpec("b", ()),
        TableSpec("a", ()),
    ]


def test_an_id_that_is_the_key_of_a_strict_table_is_never_null():
    """sqlite.org/stricttables.html, rule 4: NOT NULL goes without saying."""
    assert tables("CREATE TABLE t (id TEXT PRIMARY KEY) STRICT") == [TableSpec("t", ())]


def test_a_schema_may_make_no_table():
    assert tables("") == []


def test_columns_are_what_sql_says_unless_the_party_knows_better():
    sql = f"CREATE TABLE t ({ID}, a TEXT, b INTEGER, c INT, d REAL, e BLOB, f TEXT, g INTEGER, h TEXT, i TEXT) STRICT"

    (found,) = tables(sql, t={"f": dt.date, "g": bool, "h": ["S", "M"], "i": dict})

    assert {each.name: each.type for each in found.columns} == {
        "a": "text", "b": "integer", "c": "integer", "d": "real", "e": "bytes", "f": "date", "g": "boolean",
        "h": "choice", "i": "json",
    }  # fmt: skip
    assert found.columns[7].choices == ("S", "M")


def test_a_column_is_required_when_nothing_else_gives_it_a_value():
    sql = f"CREATE TABLE t ({ID}, a TEXT NOT NULL, b TEXT NOT NULL DEFAULT '', c TEXT) STRICT"

    (found,) = tables(sql)

    assert [each.required for each in found.columns] == [True, False, False]


def test_what_a_type_says_of_being_required_does_not_count_for_a_table_that_sql_made():
    (found,) = tables(f"CREATE TABLE t ({ID}, a INTEGER) STRICT", t={"a": column(bool, required=True, default=True)})

    assert found.columns == (Column("a", "boolean"),)


def test_a_generated_column_is_left_to_each_side():
    sql = f"CREATE TABLE t ({ID}, a TEXT, b TEXT AS (upper(a)), c TEXT AS (lower(a)) STORED) STRICT"

    assert tables(sql) == [TableSpec("t", (Column("a", "text"),))]


def test_views_indexes_and_triggers_are_no_tables():
    sql = f"""
        CREATE TABLE t ({ID}, a TEXT) STRICT; CREATE VIEW v AS SELECT * FROM t; CREATE INDEX i ON t (a);
        CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = 'x' WHERE id = NEW.id; END;
    """

    assert [spec.name for spec in tables(sql)] == ["t"]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)", r"must end in `\) STRICT`"),
        (f"CREATE TABLE t ({ID}) STRICT, WITHOUT ROWID", "must end in"),
        ("CREATE VIRTUAL TABLE t USING fts5(id)", "no BEGIN, COMMIT, PRAGMA, ATTACH, TEMP or VIRTUAL"),
        ("CREATE TABLE t (id TEXT NOT NULL) STRICT", "needs the line"),
        ("CREATE TABLE t (id TEXT NOT NULL UNIQUE) STRICT", "needs the line"),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL) STRICT", "needs the line"),
        ("CREATE TABLE t (id BLOB PRIMARY KEY NOT NULL) STRICT", "needs the line"),
        ("CREATE TABLE t (ID TEXT PRIMARY KEY NOT NULL) STRICT", "needs the line"),
        ("CREATE TABLE t (key TEXT PRIMARY KEY NOT NULL) STRICT", "needs the line"),
        ("CREATE TABLE t (a TEXT) STRICT", "needs the line"),
        ("CREATE TABLE t (id TEXT NOT NULL, a TEXT, PRIMARY KEY (id, a)) STRICT", "needs the line"),
        ("CREATE TABLE t (id TEXT NOT NULL, a TEXT, PRIMARY KEY (a, id)) STRICT", "needs the line"),
        ("CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL UNIQUE) STRICT", "needs the line"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE) STRICT", "NOCASE"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL COLLATE rtrim) STRICT", "RTRIM|rtrim"),
        (f"CREATE TABLE t ({ID}, a ANY) STRICT", r"t\.a is of type ANY"),
        (
            f"CREATE TABLE t ({ID}, a TEXT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
            "cannot say DEFERRED",
        ),
        (f"CREATE TABLE t ({ID}, rowid TEXT) STRICT", "'rowid'"),
        (f'CREATE TABLE t ({ID}, "a""b" TEXT) STRICT', "cannot be the name of a column"),
        (f'CREATE TABLE "my table" ({ID}) STRICT', "cannot be the name of a table"),
        (f"CREATE TABLE {'x' * 65} ({ID}) STRICT", "cannot be the name of a table"),
        ("CREATE TABLE t (", "not valid SQL"),
        (f"CREATE TABLE t ({ID}, a VARCHAR) STRICT", "not valid SQL"),
        ("SELECT nothing", "not valid SQL"),
        (f"CREATE TABLE _partysync_mine ({ID}) STRICT", "cannot say _partysync_"),
        (f"CREATE TABLE t ({ID}); CREATE VIEW _PartySync_1 AS SELECT 1", "cannot say _PartySync_"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY ON CONFLICT ROLLBACK NOT NULL) STRICT", "cannot say ROLLBACK"),
        (f"CREATE TABLE t ({ID}, a TEXT UNIQUE ON CONFLICT rollback) STRICT", "cannot say rollback"),
        (
            f"CREATE TABLE t ({ID}) STRICT; CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT RAISE(ROLLBACK, ''); END",
            "cannot say ROLLBACK",
        ),
    ],
)
def test_a_table_that_cannot_be_synced_is_refused_with_what_to_write(schema, why):
    with pytest.raises(SchemaMismatch, match=why):
        tables(schema)


def test_another_column_may_compare_as_it_likes():
    assert tables(f"CREATE TABLE t ({ID}, a TEXT COLLATE NOCASE) STRICT") == [TableSpec("t", (Column("a", "text"),))]


@pytest.mark.parametrize(
    ("types", "why"),
    [
        ({"u": {"a": bool}}, "table 'u'"),
        ({"t": {"z": bool}}, r"t\.z"),
        ({"t": {"id": str}}, r"t\.id"),
        ({"t": {"a": bool}}, r"t\.a is TEXT in SQL, but a boolean is kept as INTEGER"),
        ({"t": {"b": dt.date}}, r"t\.b is INTEGER in SQL, but a date is kept as TEXT"),
        ({"t": {"a": complex}}, "complex"),
    ],
)
def test_a_type_that_does_not_fit_the_schema_is_refused(types, why):
    with pytest.raises(SchemaMismatch, match=why):
        tables(f"CREATE TABLE t ({ID}, a TEXT, b INTEGER) STRICT", **types)


def test_the_error_names_the_party():
    with pytest.raises(SchemaMismatch, match="party 'own'"):
        tables("CREATE TABL")
