"""
A page as the room has it: what it is told when, and how little is kept for it. On a stage, so that nothing waits.
"""

import pytest

from partysync_server import dialect
from partysync_widget import Party, mutator
from tests.dialect.parties import Todos
from tests.dialect.reader import Reader
from tests.stage import ID


@pytest.fixture
def todos(make_stage):
    return make_stage(party=Todos)


def make(reader, id, text="x"):
    """An action that makes a row; its id."""
    reader.act("create", {"id": id, "text": text, "completed": 0}, id=f"make-{id}")
    return f"make-{id}"


def test_a_page_that_takes_nothing_is_told_the_net_change_when_it_does(todos):
    """R12. A thousand updates cost it one record."""
    page, writer = Reader(todos, "slow"), Reader(todos, "writer")
    make(writer, "t1")
    for n in range(1000):
        writer.act("update", {"id": "t1", "text": f"{n}", "completed": 0}, id=f"u{n}")
        if n % 10 == 0:
            todos.turn()
            writer.hear()
    while todos.room.waiting:
        todos.turn()

    (frame,) = page.hear()
    assert [record[:2] for record in frame["payload"]] == [["t1", "999"]]


@pytest.mark.parametrize("what", ["syncs", "answers"])
def test_a_page_that_asks_and_takes_no_answer_is_hung_up_on(todos, what):
    """R12. What is kept for it is bounded."""
    page = Reader(todos, "greedy")
    for _ in range(dialect.MOST_SYNCS + 1 if what == "syncs" else dialect.MOST_REPLIES + 1):
        page.say({"channel": "todos", "sync": True} if what == "syncs" else [])

    (last,) = page.hear()
    assert last == {"type": "exception", "rpc": True, "exception": ["Too many answers wait for you to take them."]}


def test_one_sync_at_a_time_is_read_for_a_page(todos):
    """R12. The next when the last was taken."""
    page = Reader(todos, "slow")
    make(page, "t1")
    todos.turn()
    page.hear()
    for _ in range(10):
        page.say({"channel": "todos", "sync": True})

    todos.room.frames(page.session)
    assert len(page.page._replies) == 1
    assert len(page.hear()) == 10


@pytest.mark.parametrize("seconds", [dialect.PATIENCE - 1, dialect.PATIENCE + 1])
def test_an_author_that_had_to_wait_long_is_told_like_the_others_as_well(todos, seconds):
    """Fault f1: the ancestor's client waits ten seconds, forgets its action, and heard nothing more of it."""
    page = Reader(todos, "patient")
    make(page, "t1")
    page.seconds += seconds
    todos.turn()

    kinds = [frame["type"] for frame in page.hear()]
    assert kinds == (["success", "update"] if seconds > dialect.PATIENCE else ["success"])


def test_an_answer_has_the_row_though_somebody_else_has_changed_it_in_the_same_turn(todos):
    """R2. As it is now; and it is not told again."""
    ann, ben = Reader(todos, "ann"), Reader(todos, "ben")
    make(ann, "t1", "ann's")
    ben.act("update", {"id": "t1", "text": "ben's", "completed": 1}, id="b")
    todos.turn()

    (success,) = ann.hear()
    assert success["result"][0][:3] == ["t1", "ben's", 1]
    (theirs,) = ben.hear()
    assert theirs["result"][0][:3] == ["t1", "ben's", 1]


def test_nothing_is_told_before_it_is_durable(todos):
    """R9."""
    ann, ben = Reader(todos, "ann"), Reader(todos, "ben")
    make(ann, "t1")
    todos.room.turn()
    assert todos.room.ephemera(ann.session) == todos.room.ephemera(ben.session) == []
    todos.room.commit()
    todos.room.published()

    assert [frame["type"] for frame in ann.hear() + ben.hear()] == ["success", "update"]


@pytest.mark.parametrize("committed", [True, False])
def test_a_server_that_is_killed_in_a_turn_has_decided_an_action_once_or_not_at_all(todos, committed):
    """R5, R9. What became of it is in the transaction of what it did."""
    ann = Reader(todos, "ann")
    id = make(ann, "t1")
    todos.room.turn()
    if committed:
        todos.room.commit()
    todos.crash()
    again = Reader(todos, "ann")
    assert (len(todos.rows()) == 1) == committed

    assert make(again, "t1") == id
    todos.turn()

    (success, *_) = again.hear()
    assert success["result"][0][0] == "t1"
    assert len(todos.rows()) == 1


def test_a_turn_that_was_lost_with_one_action_decides_the_others_again(make_stage):
    """R5, R6. One that writes too long is stopped, and takes the transaction along."""

    class Slow(Party):
        schema = f"CREATE TABLE t ({ID}, n INTEGER) STRICT"
        mutation_seconds = 0.2

        @mutator
        def endless(tx):
            tx.sql(
                "INSERT INTO t (id, n) WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
                "SELECT 'x' || n, n FROM c"
            )

    from partysync_server.ledger import TurnLost

    stage = make_stage(party=Slow)
    page = Reader(stage, "page", channel="t")
    for id, name, payload in [("1", "insert", {"id": "a", "values": {}}), ("2", "endless", {}),
                              ("3", "insert", {"id": "b", "values": {}})]:  # fmt: skip
        page.act(name, payload, id=id, channel="t")
    with pytest.raises(TurnLost):
        stage.turn()
    epoch = stage.ledger.epoch
    stage.ledger.close()
    stage.ledger = type(stage.ledger)(stage.path, Slow, epoch, make=False)
    stage.room.recover(stage.ledger)
    stage.turn()

    assert [(frame["id"], frame["type"]) for frame in page.hear()] == [
        ("1", "success"),
        ("2", "error"),
        ("3", "success"),
    ]


class Pairs(Party):
    """A mutator that touches two tables, and one that touches many rows."""

    schema = f"CREATE TABLE a ({ID}, n INTEGER) STRICT; CREATE TABLE b ({ID}, n INTEGER, flag INTEGER) STRICT"
    types = {"b": {"flag": bool}}

    @mutator
    def pair(tx, id: str, flag: bool | None = None, n: int = 1):
        tx.insert("a", id=id, n=n)
        tx.insert("b", id=id, n=n, flag=flag)

    @mutator
    def many(tx, count: int):
        tx.insert_rows("a", ["id", "n"], [[f"m{n}", n] for n in range(count)])


def test_rows_that_an_action_touched_in_another_channel_are_told_to_its_author_as_an_update(make_stage):
    """R2. Its answer is of one channel."""
    stage = make_stage(party=Pairs)
    page = Reader(stage, "page", channel="a")
    page.act("pair", {"id": "x", "flag": 1, "n": 1}, channel="a")
    stage.turn()

    success, update = page.hear()
    assert (success["channel"], [record[:2] for record in success["result"]]) == ("a", [["x", 1]])
    assert (update["channel"], [record[:3] for record in update["payload"]]) == ("b", [["x", 1, 1]])


def test_an_action_that_touched_very_many_rows_is_answered_with_all_of_them(make_stage):
    """What is kept of it is its version, and no list."""
    stage = make_stage(party=Pairs)
    page = Reader(stage, "page", channel="a")
    page.act("many", {"count": 2500}, channel="a")
    stage.turn()

    (success,) = page.hear()
    assert len(success["result"]) == 2500


def test_a_very_large_table_comes_in_several_frames(make_stage, monkeypatch):
    """R12. Each is a sync by itself, and the hook takes them one after the other."""
    monkeypatch.setattr("partysync_server.phrases.SYNC_BYTES", 10_000)
    stage = make_stage(party=Pairs)
    page = Reader(stage, "page", channel="a")
    page.act("many", {"count": 2500}, channel="a")
    stage.turn()
    page.hear()

    frames = page.sync(None, "a")
    assert len(frames) > 5
    assert [record[1] for frame in frames for record in frame["payload"]] == [*range(2500)]
