"""
What a person does wrong gets a sentence that says what is wrong and what to do; nothing is lost, and work goes on.

Never a traceback from inside: an error may come with the person's own, and with no other.
"""

import re
import traceback

import apsw
import pytest

import partysync_widget as ps

RULES = '''
import partysync_widget as ps

class Shop(ps.Party):
    schema = """
    CREATE TABLE goods (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL UNIQUE,
        price REAL CHECK (price >= 0),
        maker TEXT REFERENCES makers (id)
    ) STRICT;
    CREATE TABLE makers (id TEXT PRIMARY KEY NOT NULL) STRICT;
    """

    @ps.mutator
    def stock(tx, id: str, name: str):
        tx.sql("INSERT INTO goods (id, name) VALUES (?, ?)", id, name)

    @ps.mutator
    def explode(tx):
        return {}["a mistake of the party's author"]

    @ps.mutator
    def explode_there(tx):
        if not tx.guess:
            return {}["a mistake of the party's author"]

    @ps.mutator
    def misspell(tx):
        tx.sql("INSRT INTO goods")

    @ps.mutator
    def forbid(tx):
        tx.sql("DROP TABLE goods")

    @ps.mutator
    def conclude(tx):
        tx.sql("COMMIT")

    @ps.mutator
    def give_back(tx):
        return object()

    @ps.mutator
    def overflow(tx):
        return 2**70

    @ps.mutator
    def recurse(tx):
        return tx.run("recurse", {})
'''

# What is done, and what the person is told.
MISTAKES = {
    "unknown table": (
        lambda room, t: room.table("nowhere"),
        "There is no table 'nowhere' in this room. It has: goods, makers.",
    ),
    "unknown column": (lambda room, t: t.insert(cost=1), "goods has no column 'cost'. It has: id, name, price, maker."),
    "unknown mutator": (lambda room, t: room.mutate("sell"), "The room has no mutator 'sell'. It has: .*insert.*stock"),
    "wrong type": (
        lambda room, t: t.insert(name="a", price="dear"),
        r"price takes a finite number, not 'dear' \(str\)",
    ),
    "wrong arguments": (
        lambda room, t: room.mutate("stock", name="a"),
        r"stock\(id: str, name: str\) was called wrongly: .*id",
    ),
    "unsendable argument": (lambda room, t: room.mutate("stock", id="1", name=object()), "not plain data"),
    "no value": (lambda room, t: t.insert(price=1), "goods.name must have a value."),
    "no value, in SQL": (lambda room, t: room.mutate("stock", id="2", name=None), "stock.*name"),
    "a second row of an id": (
        lambda room, t: t.insert(id="1", name="b"),
        "There is a row with this id in goods already.",
    ),
    "a second row of a value": (lambda room, t: t.insert(name="first"), "goods.name must differ between rows"),
    "a rule of the table": (lambda room, t: t.insert(name="b", price=-1), "The table's rule is not kept: .*price >= 0"),
    "a row that is missing": (
        lambda room, t: t.insert(name="b", maker="nobody"),
        "A row that this refers to is missing",
    ),
    "a mutator that raises": (
        lambda room, t: room.mutate("explode"),
        "explode raised KeyError: \"a mistake of the party's",
    ),
    "one that raises there": (lambda room, t: room.mutate("explode_there"), "explode_there raised KeyError"),
    "a mutator with wrong SQL": (
        lambda room, t: room.mutate("misspell"),
        'The SQL of misspell failed: near "INSRT": syntax',
    ),
    "a mutator that drops": (lambda room, t: room.mutate("forbid"), "SQL here can only read and write rows"),
    "a mutator that commits": (lambda room, t: room.mutate("conclude"), "SQL here can only read and write rows"),
    "a mutator's odd result": (lambda room, t: room.mutate("give_back"), "give_back raised TypeError|cannot travel"),
    "a mutator's long result": (lambda room, t: room.mutate("overflow"), "does not fit in 64 bits"),
    "a mutator without end": (lambda room, t: room.mutate("recurse"), "recurse raised RecursionError"),
    "too large": (
        lambda room, t: t.insert(name="x" * 2_000_000),
        r"This edit is 2,000,\d+ bytes, and the room takes at most",
    ),
    "tables are the party's": (lambda room, t: room.table("new", x=int), "The room has no mutator 'create_table'"),
}


@pytest.fixture
def shop(start_server, on_path, tmp_path):
    """A server with a party of many rules."""
    (tmp_path / "shop.py").write_text(RULES)
    on_path(tmp_path)
    return start_server("--party", "shop:Shop")


@pytest.fixture
def sell(shop, enter):
    import shop as module

    return lambda **how: enter("shop", at=shop, **{"party": module.Shop, **how})


def shown(error):
    """What a notebook shows of it: the tracebacks of all errors that are part of it, by type."""
    return re.findall(
        r"^([\w.]+(?:Error|Rejected|Denied|Connected|Mismatch|Large|Exception))\b",
        "".join(traceback.format_exception(error)),
        re.MULTILINE,
    )


def test_every_mistake_gets_a_sentence_and_nothing_is_lost(sell, shop):
    """R6."""
    room, other = sell(), sell()
    goods = room.table("goods")
    goods.insert(id="1", name="first").result(8)
    for mistake, (make, message) in MISTAKES.items():
        with pytest.raises(ps.PartySyncError, match=message) as caught:
            pytest.fail(f"{mistake} was let through: {make(room, goods).result(8)!r}")
        assert shown(caught.value)[-1].startswith("partysync_widget."), mistake
        assert not [name for name in shown(caught.value) if "apsw" in name or "msgspec" in name], mistake
        assert goods.upsert("1", price=len(mistake)).result(8) is None, mistake

    other.sync(8)
    assert room.status == other.status == "live"
    assert (
        goods.records
        == other.table("goods").records
        == [{"id": "1", "name": "first", "price": len(mistake), "maker": None}]
    )
    assert "Traceback" not in shop.log


def test_the_room_tells_the_same_as_the_kernel(sell):
    """Somebody without the party's code hears of each mistake from the room, in the same words."""
    sell().table("goods").insert(id="1", name="first").result(8)
    room = sell(party="shop")
    goods = room.table("goods")
    room.sync(8)
    for mistake, (make, message) in MISTAKES.items():
        with pytest.raises(ps.PartySyncError, match=message) as caught:
            pytest.fail(f"{mistake} was let through: {make(room, goods).result(8)!r}")
        assert "Traceback" not in str(caught.value), mistake

    assert room.pending == 0
    assert goods.update("1", price=1).result(8) is None


def test_a_broken_party_named_by_its_name_is_explained_by_the_server(start_server, on_path, tmp_path, enter):
    """Its schema is found wrong when the first room is opened."""
    (tmp_path / "broken.py").write_text(
        "import partysync_widget as ps\nclass Broken(ps.Party):\n    schema = 'CREATE A TABLE'\n"
    )
    on_path(tmp_path)
    server = start_server("--party", "broken:Broken")

    with pytest.raises(ps.SchemaMismatch, match="The schema of party 'broken' is not valid SQL"):
        enter("x", at=server, party="broken")
    assert enter("x", at=server).status == "live"


def test_a_room_whose_file_was_damaged_says_so_and_the_others_go_on(lone_server, enter):
    room = enter("damaged", at=lone_server)
    room.table("t", x=int).insert(x=1).result(8)
    lone_server.stop()
    (file,) = lone_server.files()
    file.write_bytes(b"no database" * 1000)
    lone_server.start()

    with pytest.raises(
        ps.NotConnected, match="The room's file is damaged, and .*: file is not a database.*rooms restore"
    ):
        enter("damaged", at=lone_server)
    assert enter("another", at=lone_server).table("t", x=int).insert(x=1).result(8) is None
    assert file.read_bytes() == b"no database" * 1000  # and nobody wrote over what could still be rescued


def test_a_room_whose_file_somebody_else_has_open_says_so(lone_server, enter):
    enter("taken", at=lone_server).table("t", x=int)
    lone_server.stop()
    holder = apsw.Connection(str(lone_server.files()[0]))
    for statement in ("PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE"):
        holder.execute(statement)
    lone_server.start()

    with pytest.raises(ps.NotConnected, match="Another process has the room's file taken-.*db open"):
        enter("taken", at=lone_server)
    holder.close()
    assert enter("taken", at=lone_server).tables == ["t"]
