"""A room, as a notebook holds it: its tables, its SQL, its mutators, its people."""

import datetime as dt

import pytest

import partysync_widget as ps


def test_a_table_is_made_when_it_is_missing_and_found_when_it_is_there(room, enter):
    todos = room.table("todos", text=str, done=bool, due=dt.date, size=["S", "M"], note="text")

    assert [(column.name, column.type) for column in todos.columns] == [
        ("text", "text"),
        ("done", "boolean"),
        ("due", "date"),
        ("size", "choice"),
        ("note", "text"),
    ]
    assert room.tables == ["todos"]
    assert room.table("todos") is room.table("todos", done=bool) is todos
    assert enter().table("todos").columns == todos.columns


@pytest.mark.parametrize("name", ["name", "self", "room", "table", "values", "args", "columns", "data", "user", "tx"])
def test_a_column_may_have_any_name(room, enter, name):
    """A word of ours is not taken from the person."""
    table = room.table("t", **{name: str})
    receipt = table.insert(**{name: "a"})
    table.update(receipt.id, **{name: "b"})
    table.upsert(receipt.id, **{name: "c"}).result(8)

    assert enter().table("t").records == [{"id": receipt.id, name: "c"}]


def test_a_table_gets_the_columns_it_lacks_and_its_rows_stay(room, todos, enter):
    """R8."""
    todos.insert(id="1", text="milk", done=True)
    room.table("todos", due=dt.date)
    todos.update("1", due=dt.date(2026, 11, 23)).result(8)

    assert enter().table("todos")["1"] == {"id": "1", "text": "milk", "done": True, "due": dt.date(2026, 11, 23)}


def test_a_column_of_another_type_is_refused(room, todos):
    with pytest.raises(ps.SchemaMismatch, match=r"todos.done is boolean in this room, not text. Use another name."):
        room.table("todos", done=str)
    with pytest.raises(ps.SchemaMismatch, match="The column 'done' cannot be a <class 'complex'>. Use one of str"):
        room.table("todos", done=complex)


def test_two_people_make_the_same_table_while_apart(enter, go_offline, go_online):
    """The first is the room's, the second finds it there."""
    ann, bob = enter(user="ann"), enter(user="bob")
    for room, who in ((ann, "ann"), (bob, "bob")):
        go_offline(room)
        room.table("todos", text=str).insert(id=who, text="mine")
    go_online(ann)
    go_online(bob)
    ann.sync(8)

    assert list(ann.table("todos")) == list(bob.table("todos")) == ["ann", "bob"]


def test_two_people_make_one_name_two_tables_while_apart(enter, go_offline, go_online):
    """R6. The room keeps the first; who came second hears why, and nothing else of theirs is blocked."""
    ann, bob = enter(), enter()
    for room in (ann, bob):
        go_offline(room)
    ann.table("t", x=int)
    lost = bob.table("t", y=str).insert(y="lost")
    kept = bob.table("other", z=int).insert(z=1)
    go_online(ann)
    go_online(bob)

    with pytest.raises(ps.MutationRejected, match="t has no column 'y'. It has: id, x"):
        lost.result(8)
    assert kept.result(8) is None
    assert [column.name for column in bob.table("t").columns] == ["x"]
    assert bob.tables == ["t", "other"]


def test_sql_asks_the_view_pending_edits_included(room, todos, go_offline):
    """R7."""
    go_offline(room)
    todos.insert(id="1", text="milk", done=True)
    todos.insert(id="2", text="bread", done=False)

    assert room.sql("SELECT done, count(*) AS n FROM todos GROUP BY done") == [{"done": 0, "n": 1}, {"done": 1, "n": 1}]
    assert room.sql("SELECT text FROM todos WHERE id = ? AND done = ?", "1", True) == [{"text": "milk"}]


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO todos (id) VALUES ('x')",
        "UPDATE todos SET text = ''",
        "DELETE FROM todos",
        "DROP TABLE todos",
        "CREATE TABLE other (id TEXT)",
        "PRAGMA journal_mode = DELETE",
        "ATTACH '/tmp/other.db' AS other",
        "SELECT * FROM _partysync_meta",
        "COMMIT",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM todos",
    ],
)
def test_sql_only_reads(room, todos, query):
    """R13."""
    todos.insert(id="1", text="milk").result(8)

    with pytest.raises(ps.MutationRejected):
        room.sql(query)
    assert todos.records == [{"id": "1", "text": "milk", "done": None}]
    assert todos.update("1", text="bread").result(8) is None


def test_sql_that_is_wrong_gets_a_sentence(room, todos):
    with pytest.raises(
        ps.MutationRejected, match=r"This SQL does not work: .*no such table: nowhere.* It was: 'SELECT"
    ):
        room.sql("SELECT * FROM nowhere")
    with pytest.raises(ps.MutationRejected, match="This SQL does not work"):
        room.sql("SELECT * FROM todos WHERE id = ?")
    with pytest.raises(ps.MutationRejected, match="cannot be a value in SQL"):
        room.sql("SELECT ?", object())


def test_a_mutator_of_the_party_runs_here_and_there(enter_todos):
    """R2, R7. The guess shows at once; the receipt has what the room's run returned."""
    ann, bob = enter_todos(user="ann"), enter_todos(user="bob")
    receipt = ann.mutate("create", id="1", text="milk")

    assert ann.table("todos")["1"]["text"] == "milk"
    assert receipt.result(8) == {"by": "ann"}
    bob.sync(8)
    assert bob.table("todos")["1"] == {"id": "1", "text": "milk", "done": False}


def test_a_mutator_that_raises_when_called_raises_here_and_queues_nothing(enter_todos):
    """R7."""
    room = enter_todos()
    room.mutate("create", id="1", text="milk")
    room.mutate("finish", id="1").result(8)

    with pytest.raises(ps.MutationRejected, match="finish raised ValueError: it is done already"):
        room.mutate("finish", id="1")
    with pytest.raises(ps.MutationRejected, match=r"create\(id: str, text: str\) was called wrongly"):
        room.mutate("create", id="2", txet="milk")
    assert room.pending == 0


def test_a_mutator_that_raises_in_the_room_is_rejected_and_its_guess_goes(enter_todos):
    """R6."""
    room = enter_todos()
    refused, after = room.mutate("refuse", id="1"), room.mutate("create", id="2", text="bread")

    with pytest.raises(ps.MutationRejected, match="refuse raised ValueError: the room knows better") as error:
        refused.result(8)
    assert error.value.code == "mutator-raised"
    assert after.result(8)
    assert list(room.table("todos")) == ["2"]


def test_observers_of_a_room_hear_of_rows_people_and_the_line(room, enter, wait_until):
    heard = []
    subscription = room.observe(lambda each: heard.append((each.status, each.tables, len(each.peers))))
    enter(user="bob").table("todos", text=str)
    wait_until(lambda: ("live", ["todos"], 1) in heard)
    room.offline()
    wait_until(lambda: heard[-1] == ("offline", ["todos"], 0))
    subscription.close()
    room.online()
    room.sync(8)

    assert heard[-1][0] == "offline"


def test_people_and_what_they_show(enter, wait_until):
    """R11."""
    ann, bob = enter(user="ann"), enter(user="bob")
    wait_until(lambda: [peer["name"] for peer in ann.peers] == ["bob"])
    version = ann.version
    bob.present(mood="curious", cursor={"row": 1})
    shown = {
        "name": "bob",
        "role": "owner",
        "color": bob.connection.replica.color,
        "mood": "curious",
        "cursor": {"row": 1},
    }
    wait_until(lambda: ann.peers == [shown])
    cat = enter(user="cat")
    wait_until(lambda: [(peer["name"], peer.get("mood")) for peer in cat.peers] == [("ann", None), ("bob", "curious")])

    assert ann.version == version
    bob.close()
    wait_until(lambda: [peer["name"] for peer in ann.peers] == ["cat"])


def test_what_one_shows_is_shown_again_after_a_cut(enter, wait_until, go_offline, go_online):
    """R11. The others see it go with the line, and come with it."""
    ann, bob = enter(user="ann"), enter(user="bob")
    bob.present(mood="curious")
    wait_until(lambda: [peer.get("mood") for peer in ann.peers] == ["curious"])
    go_offline(bob)
    wait_until(lambda: ann.peers == [])
    go_online(bob)

    wait_until(lambda: [peer.get("mood") for peer in ann.peers] == ["curious"])


def test_what_one_shows_must_be_small_and_plain(room, enter, wait_until):
    with pytest.raises(ps.MutationRejected, match="is not plain data"):
        room.present(what=object())
    with pytest.raises(ps.MutationRejected, match="not a number that can be shared"):
        room.present(what=float("nan"))

    assert room.status == "live"


def test_two_rooms_of_one_kernel_are_two(server, enter, go_offline):
    one, two = enter("one of two"), enter("two of two")
    one.table("t", x=int).insert(x=1).result(8)
    go_offline(one)

    assert two.tables == []
    assert two.table("t", y=str).insert(y="a").result(8) is None


def test_one_room_entered_twice_is_two_people(enter, wait_until):
    """R5. Two live objects never share an id."""
    one, two = enter(user="ann"), enter(user="ann")
    one.table("t", x=int).insert(id="1", x=1).result(8)
    two.sync(8)
    two.table("t").update("1", x=2).result(8)
    one.sync(8)

    assert one.table("t")["1"] == {"id": "1", "x": 2}
    wait_until(lambda: len(one.peers) == len(two.peers) == 1)
