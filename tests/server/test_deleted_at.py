"""
Rows that are deleted and kept: a table with a column ``deleted_at`` has them for a while, and nobody sees them (V9).

The ancestor's own alarm compares text with a number, so it never let go of any (fault h of its study).
"""

import datetime as dt
import time

import pytest

from partysync_widget import Party, mutator
from partysync_widget.core.errors import MutationRejected
from tests.dialect.reader import Reader
from tests.stage import ID, rows_of


class Notes(Party):
    """Its rows are kept for a day; one for each way to write a time."""

    schema = f"""
        CREATE TABLE todos ({ID}, text TEXT UNIQUE, n INTEGER NOT NULL DEFAULT 7, deleted_at TEXT) STRICT;
        CREATE TABLE ms ({ID}, text TEXT, deleted_at INTEGER) STRICT;
        CREATE TABLE s ({ID}, text TEXT, updated_at INTEGER, deleted_at INTEGER) STRICT;
        CREATE TABLE moments ({ID}, text TEXT, deleted_at TEXT) STRICT;
        CREATE TABLE lines ({ID}, todo TEXT REFERENCES todos (id) ON DELETE CASCADE) STRICT;
    """
    types = {"moments": {"deleted_at": "datetime"}}

    @mutator
    def mark(tx, id: str, at: str):
        tx.sql("UPDATE todos SET deleted_at = ? WHERE id = ?", at, id)

    @mutator
    def mark_all(tx):
        tx.sql("UPDATE todos SET deleted_at = CURRENT_TIMESTAMP")

    @mutator
    def age(tx, table: str, at: str | int):
        tx.sql(f"UPDATE {table} SET deleted_at = ? WHERE deleted_at IS NOT NULL", at)

    @mutator
    def read(tx, id: str):
        return tx.get("todos", id)


TABLES = ["todos", "ms", "s", "moments"]


@pytest.fixture
def notes(make_stage):
    stage = make_stage(party=Notes)
    stage.ada, stage.bob = stage.enter("ada"), stage.enter("bob")
    for id in ("a", "b"):
        stage.ada.mutate("insert", table="todos", id=id, values={"text": id})
    stage.rest()
    return stage


def kept(stage, table="todos"):
    """Ids of the rows that the room's file has and nobody sees."""
    return {id for (id,) in stage.ledger.store.execute(f"SELECT id FROM {table} WHERE deleted_at IS NOT NULL")}


def seen(kernel, table="todos"):
    """Ids of the rows that a kernel's copy has, whoever looks at it and however."""
    return {id for (id,) in kernel.replica.view.execute(f"SELECT id FROM {table}")}


def seconds_of(at):
    """A time as one of these tables holds it, in seconds since 1970."""
    if isinstance(at, str):
        return dt.datetime.fromisoformat(at.removesuffix("Z") + "+00:00").timestamp()
    return at / 1000 if at > 1e11 else at


@pytest.mark.parametrize("table", TABLES)
def test_a_row_that_is_deleted_is_kept_and_gone_for_everybody(make_stage, table):
    """V9, R7. At once where it was done, and as soon as it is decided everywhere."""
    stage = make_stage(party=Notes)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    times = {"updated_at": 1_800_000_000} if table == "s" else {}
    ada.mutate("insert", table=table, id="a", values={"text": "x", **times})
    stage.rest()

    ada.mutate("delete", table=table, id="a")
    assert seen(ada, table) == set()
    stage.rest()

    assert seen(ada, table) == seen(bob, table) == set()
    assert ada.rows(table) == bob.rows(table) == rows_of(stage.ledger.store, table) == {}
    ((at,),) = stage.ledger.store.execute(f"SELECT deleted_at FROM {table}").fetchall()
    assert abs(seconds_of(at) - time.time()) < 60
    assert (at > 1e11) == (table == "ms") if isinstance(at, int) else ("T" in at) == (table == "moments")
    stage.assert_agreed()


@pytest.mark.parametrize("how", ["mark_all", "mark"])
def test_so_is_one_that_a_partys_own_sql_has_marked(notes, how):
    """V9. As the ancestor's fixture deletes; its author does not see it any more either, before it is decided."""
    args = {"id": "a", "at": "2026-11-23 02:04:59"} if how == "mark" else {}

    notes.ada.mutate(how, **args)
    assert seen(notes.ada) == ({"b"} if how == "mark" else set())
    notes.bob.mutate("insert", table="todos", id="c", values={"text": "c"})
    notes.rest()

    assert seen(notes.bob) == seen(notes.ada)
    assert "a" in kept(notes)
    notes.assert_agreed()


@pytest.mark.parametrize("how", ["late", "away", "away for long"])
def test_whoever_comes_does_not_get_it(notes, how):
    """V9, R4. In a snapshot, in a catch-up, and when what was deleted meanwhile is forgotten."""
    if how != "late":
        notes.bob.cut()
    notes.ada.mutate("delete", table="todos", id="a")
    notes.rest()
    if how == "away for long":
        for n in range(5):
            notes.ada.mutate("update", table="todos", id="b", values={"n": n})
        notes.rest()
        notes.ledger.begin()
        notes.ledger.compact(1)
        notes.ledger.commit()
    late = notes.enter("late") if how == "late" else notes.bob
    if how != "late":
        late.connect()
    notes.rest()

    assert seen(late) == {"b"}
    notes.assert_agreed()


def test_it_is_no_row_for_any_edit_but_one_that_makes_it_anew(notes):
    """V9. Its id is free, as of a row that is really gone (fault y)."""
    notes.ada.mutate("mark_all")
    notes.rest()

    for name, args in [("update", {"values": {"n": 1}}), ("put_back", {})]:
        with pytest.raises(MutationRejected):
            notes.ada.mutate(name, table="todos", **({"id": "a", **args} if args else {"rows": [["a", {}, {}, None]]}))
    page = Reader(notes, "page")
    page.act("update", {"id": "a", "values": {"n": 1}}, id="1")
    page.act("delete", {"id": "a"}, id="2")
    page.act("read", {"id": "a"}, id="3")
    notes.turn()
    assert [frame["type"] for frame in page.hear()] == ["error", "success", "success"]
    notes.ada.mutate("insert", table="todos", id="a", values={"text": "again"})
    notes.ada.mutate("insert_rows", table="todos", columns=["id", "text"], rows=[["b", "too"], ["c", "new"]])
    notes.rest()

    assert notes.rows() == {
        "a": {"text": "again", "n": 7, "deleted_at": None},
        "b": {"text": "too", "n": 7, "deleted_at": None},
        "c": {"text": "new", "n": 7, "deleted_at": None},
    }
    with pytest.raises(MutationRejected):
        notes.ada.mutate("insert", table="todos", id="a", values={"text": "twice"})
    notes.assert_agreed()


def test_an_undo_brings_it_back(notes):
    """`put_back`, in its place."""
    row = notes.ada.replica.view.fetch("todos", ["a"])["a"]
    notes.ada.mutate("delete", table="todos", id="a")
    notes.rest()

    notes.ada.mutate("put_back", table="todos", rows=[["a", {"text": "a", "n": 7}, None, row[0]]])
    notes.rest()

    assert list(notes.rows()) == ["a", "b"]
    assert not kept(notes)
    notes.assert_agreed()


@pytest.mark.parametrize(
    ("table", "old"),
    [
        ("todos", "2023-11-20 00:00:00"),
        ("todos", "2023-11-20T00:00:00Z"),
        ("ms", 1_700_000_000_000),
        ("s", 1_700_000_000),
        ("moments", "2023-11-20T00:00:00.000000Z"),
    ],
)
def test_fault_h_the_alarm_lets_go_of_what_was_deleted_a_day_ago_and_of_nothing_else(make_stage, table, old):
    """V9, R1. That takes a version, and nobody sees anything of it."""
    stage = make_stage(party=Notes)
    ada = stage.enter("ada")
    for id in ("old", "young", "here"):
        ada.mutate("insert", table=table, id=id, values={"text": id})
    ada.mutate("delete", table=table, id="old")
    stage.rest()
    ada.mutate("age", table=table, at=old)
    ada.mutate("delete", table=table, id="young")
    stage.rest()
    version = stage.ledger.version

    for _ in range(2):
        stage.room.purging = True
        stage.rest()

    assert kept(stage, table) == {"young"}
    assert stage.ledger.version == version + 1
    assert list(ada.rows(table)) == ["here"]
    stage.assert_agreed()


def test_what_goes_with_a_row_that_is_let_go_of_is_told(notes):
    """R4. Rows that name it, and that everybody sees."""
    notes.ada.mutate("insert", table="lines", id="l1", values={"todo": "a"})
    notes.ada.mutate("delete", table="todos", id="a")
    notes.ada.mutate("age", table="todos", at="2020-01-01 00:00:00")
    notes.rest()
    assert set(notes.bob.rows("lines")) == {"l1"}

    notes.room.purging = True
    notes.rest()

    assert notes.bob.rows("lines") == {}
    notes.assert_agreed()


def test_a_page_is_told_what_was_deleted_with_its_fields_and_after_the_alarm_as_a_tombstone(notes):
    """The ancestor's records keep them; and either way it is deleted."""
    page = Reader(notes, "page")
    page.sync(None)
    notes.ada.mutate("delete", table="todos", id="a")
    notes.rest()
    (update,) = page.hear()
    (record,) = update["payload"]
    assert (record[:3], record[-1] is None) == (["a", "a", 7], False)
    notes.ada.mutate("age", table="todos", at="2020-01-01 00:00:00")
    notes.room.purging = True
    notes.rest()

    gone = [record for frame in page.hear() for record in frame["payload"]][-1]
    assert (gone[:3], gone[-1] is None) == (["a", None, None], False)
    assert page.screen.shown.keys() == {"b"}


def test_the_alarm_goes_off_by_itself(start_server, tmp_path, on_path):
    """In a server that nobody asks to; ``keep_deleted`` says when."""
    import apsw

    from tests.dialect.tab import Tab

    (tmp_path / "brief.py").write_text(
        "from partysync_widget import Party\n"
        "class Brief(Party):\n"
        "    schema = 'CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, deleted_at TEXT) STRICT'\n"
        "    keep_deleted = 0.5\n"
    )
    on_path(tmp_path)
    server = start_server("--party", "brief:Brief")
    with Tab(server, "/parties/brief/x", "ann") as ann, Tab(server, "/parties/brief/x", "ben") as ben:
        ann.result("insert", {"id": "t1", "values": {}})
        ann.result("delete", {"id": "t1"})
        said = [ben.hear() for _ in range(3)]  # made, deleted, and once more when it is let go of
    server.stop()

    assert [frame["payload"][0][-1] is None for frame in said] == [True, False, False]
    (file,) = server.files()
    assert apsw.Connection(str(file)).execute("SELECT count(*) FROM todos").get == 0
