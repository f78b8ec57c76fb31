"""
What the ancestor (partysync on Cloudflare) gets wrong, and this room does not.

Each test is one of its faults, played with real replicas, a real room and its file, over the real codec.
"""

import pytest

from partysync_server.ledger import Ledger
from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.party import Main, Party, mutator
from partysync_widget.core.store import Store
from tests.stage import Todos

both_formats = pytest.mark.parametrize("format", ["json", "msgpack"])

COLUMNS = [{"name": "text", "type": "text"}, {"name": "done", "type": "boolean"}]


@pytest.fixture
def room(make_stage):
    """A room with a table of three rows; ada and bob are in it."""
    stage = make_stage()
    ada, _ = stage.enter("ada"), stage.enter("bob")
    ada.mutate("create_table", name="todos", columns=COLUMNS)
    for id in "abc":
        ada.insert(id, text=f"{id}0", done=False)
    stage.rest()
    stage.assert_agreed()
    return stage


# --- 1. Deletes never reach a client that was away: the resync reads rows, and a deleted row is none. ----------------


@pytest.mark.parametrize("restart", [False, True], ids=["", "the server restarted meanwhile"])
@both_formats
def test_a_delete_reaches_a_client_that_was_away(room, format, restart):
    """R4."""
    ada, bob = room.kernels
    bob.speak(format)
    bob.cut()
    ada.delete("a")
    ada.delete("b")
    ada.insert("b", text="back", done=True)
    room.rest()
    assert list(bob.rows()) == ["a", "b", "c"]

    if restart:
        room.restart()
        ada.connect()
    bob.connect()
    room.rest()

    assert list(bob.rows()) == ["c", "b"]
    assert bob.rows()["b"] == {"text": "back", "done": True}
    room.assert_agreed(ada, bob)


def test_a_delete_reaches_a_client_that_was_away_for_longer_than_deletions_are_remembered(room):
    """R4. Behind the horizon the client gets every row, and drops what is not among them."""
    ada, bob = room.kernels
    bob.cut()
    ada.delete("a")
    for n in range(20):
        ada.update("b", text=f"b{n}")
    room.rest()
    room.ledger.begin()
    room.ledger.compact(3)
    room.ledger.commit()
    seen = bob.watch(lambda: list(bob.rows()))

    bob.connect()
    room.rest()

    assert seen[-1] == ["b", "c"]
    assert all(rows in (["a", "b", "c"], ["b", "c"]) for rows in seen)
    room.assert_agreed(ada, bob)


# --- 2. The cursor is a clock of one-second steps, compared as text with a number. ----------------------------------


@pytest.mark.parametrize("away", [False, True], ids=["there", "away between them"])
@both_formats
def test_two_updates_in_one_second_both_arrive(room, format, away):
    """R1, R3. Versions count decisions; there is no clock in a room."""
    ada, bob = room.kernels
    bob.speak(format)

    ada.update("a", text="first")
    room.rest()
    first = room.ledger.version
    if away:
        bob.cut()
    ada.update("b", text="second")
    ada.update("a", done=True)
    room.rest()
    if away:
        assert bob.rows()["b"]["text"] == "b0"
        bob.connect()
        room.rest()

    assert room.ledger.version == first + 2
    assert bob.rows() == {
        "a": {"text": "first", "done": True},
        "b": {"text": "second", "done": False},
        "c": {"text": "c0", "done": False},
    }
    room.assert_agreed(ada, bob)


def test_two_people_changing_two_columns_of_one_row_both_keep_their_change(room):
    """Rows are not positional, and an update is only of the columns that change."""
    ada, bob = room.kernels

    ada.update("a", text="ada's")
    bob.update("a", done=True)
    room.rest()

    assert room.rows()["a"] == {"text": "ada's", "done": True}
    room.assert_agreed(ada, bob)


# --- 3. Nothing is asked again after a reconnect. --------------------------------------------------------------------


@both_formats
def test_a_reconnect_catches_up(room, format):
    """R3, R4, R6. What was missed arrives, what waited is sent, and nothing has to be reloaded."""
    ada, bob = room.kernels
    bob.speak(format)
    bob.cut()
    ada.update("a", text="missed")
    ada.insert("d", text="missed too")
    ada.mutate("add_column", table="todos", column={"name": "rank", "type": "integer", "default": 7})
    room.rest()
    waited = bob.update("b", text="made offline")
    refused = bob.insert("d", text="made offline too")
    assert bob.rows()["d"]["text"] == "made offline too"

    bob.connect()
    room.rest()

    assert bob.outcome(waited) is None
    assert isinstance(bob.outcome(refused), MutationRejected)
    assert {id: row["text"] for id, row in bob.rows().items()} == {
        "a": "missed", "b": "made offline", "c": "c0", "d": "missed too",
    }  # fmt: skip
    assert bob.rows()["a"]["rank"] == 7
    room.assert_agreed(ada, bob)


@pytest.mark.parametrize("after", range(8))
def test_a_reconnect_catches_up_wherever_the_line_was_cut(room, after):
    """R3, R5. Between any two frames."""
    ada, bob = room.kernels
    budget = after
    ada.update("a", text="theirs")
    bob.update("b", text="ours")

    def may(most):
        nonlocal budget
        taken = min(budget, most)
        budget -= taken
        return taken

    ada.push()
    ada.carry_up()
    bob.push()
    bob.carry_up(may(len(bob.up)))
    if room.room.waiting:
        room.turn()
    bob.owed()
    bob.carry_down(may(len(bob.down)), together=False)
    bob.cut()
    bob.connect()
    bob.carry_up(may(len(bob.up)))
    bob.owed()
    bob.carry_down(may(len(bob.down)), together=False)
    bob.push()
    bob.carry_up(may(len(bob.up)))
    bob.cut()
    bob.connect()
    room.rest()

    assert (bob.rows()["a"]["text"], bob.rows()["b"]["text"]) == ("theirs", "ours")
    assert room.ledger.last_mid(bob.replica.client) == 1
    room.assert_agreed(ada, bob)


# --- 4. A retry runs twice: an action has no number. ------------------------------------------------------------------


class Counters(Party):
    """Whose mutator shows how often it ran."""

    schema = "CREATE TABLE counts (id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL) STRICT"

    @mutator
    def add(tx, id: str, n: int):
        row = tx.get("counts", id) or {"n": 0}
        tx.upsert("counts", id=id, n=row["n"] + n)
        return row["n"] + n


@pytest.mark.parametrize("how", ["cut", "restart", "crash", "twice on one line"])
def test_a_retry_runs_once(make_stage, how):
    """R5. The room decided, and the line or the server was gone before it could say so."""
    stage = make_stage(party=Counters)
    ada = stage.enter("ada")
    made = ada.mutate("add", id="clicks", n=1)
    ada.push()
    sent = list(ada.up)
    ada.carry_up()
    stage.turn()

    match how:
        case "cut":
            ada.cut()
        case "restart":
            stage.restart()
        case "crash":
            stage.crash()
        case "twice on one line":
            ada.up.extend(sent * 3)
            ada.carry_up()
    if ada.session is None:
        ada.connect()
    stage.rest()

    assert stage.rows("counts") == ada.rows("counts") == {"clicks": {"n": 1}}
    assert ada.outcome(made) == 1
    stage.assert_agreed(ada)


def test_a_retry_of_what_was_never_committed_runs_once_too(make_stage):
    """R5, R9."""
    stage = make_stage(party=Counters)
    ada = stage.enter("ada")
    made = ada.mutate("add", id="clicks", n=1)
    ada.push()
    ada.carry_up()
    stage.room.turn()

    stage.crash()
    assert stage.rows("counts") == {}
    ada.connect()
    stage.rest()

    assert stage.rows("counts") == {"clicks": {"n": 1}}
    assert ada.outcome(made) == 1


def test_a_retry_of_a_rejected_mutation_is_rejected_for_the_same_reason(make_stage):
    """R6. What stood in its way may be gone: the room has decided, and says so again."""
    stage = make_stage(party=Counters)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    made = ada.mutate("insert", table="counts", id="x", values={"n": 1})
    bob.mutate("insert", table="counts", id="x", values={"n": 2})
    bob.push()
    bob.carry_up()
    ada.push()
    ada.carry_up()
    stage.turn()
    ada.cut()
    bob.mutate("delete", table="counts", id="x")
    stage.rest()
    stage.restart()

    ada.connect()
    stage.rest()

    assert ada.outcome(made).code == "constraint"
    assert stage.rows("counts") == ada.rows("counts") == {}


# --- 5. The table name goes into SQL as it came. ----------------------------------------------------------------------

HOSTILE = [
    "todos; DROP TABLE todos; --",
    "(SELECT key AS id, value AS text, NULL AS done FROM _partysync_meta)",
    'todos" --',
    "todos WHERE 1=1 --",
    "main.todos",
    "_partysync_meta",
    "sqlite_schema",
    "TODOS",
    "",
    "todos\0",
]


def calls(name):
    """Every mutation that names a table."""
    column = {"name": "x", "type": "text"}
    return [
        ("insert", {"table": name, "id": "x", "values": {"text": "x"}}),
        ("insert_rows", {"table": name, "columns": ["id", "text"], "rows": [["x", "x"]]}),
        ("update", {"table": name, "id": "a", "values": {"text": "x"}}),
        ("upsert", {"table": name, "id": "a", "values": {"text": "x"}}),
        ("delete", {"table": name, "id": "a"}),
        ("create_table", {"name": name, "columns": [column]}),
        ("add_column", {"table": name, "column": column}),
        ("batch", {"steps": [["delete", {"table": name, "id": "a"}]]}),
        ("update", {"table": "todos", "id": "a", "values": {f'text" = {name} --': "x"}}),
        ("add_column", {"table": "todos", "column": {"name": f'x" TEXT); {name} --', "type": "text"}}),
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_name_with_sql_in_it_is_refused(room, name):
    """R13. In the kernel with a sentence; and in the room, whoever sends it without asking a kernel."""
    ada, bob = room.kernels
    truth = room.rows()
    version = room.ledger.version

    for called, args in calls(name):
        with pytest.raises(MutationRejected):
            ada.mutate(called, **args)
    assert ada.rows() == truth

    mutations = [m.Mutation(mid, called, args) for mid, (called, args) in enumerate(calls(name), 1)]
    bob.up.append(encode(m.Push(room.ledger.epoch, mutations), "json"))
    room.rest()

    results = {each.mid: each.code for each in room.ledger.results("client = ?", bob.replica.client)}
    assert results.keys() == {mutation.mid for mutation in mutations}
    assert set(results.values()) <= {"unknown-table", "unknown-column", "bad-name", "table-exists", "bad-value"}
    assert room.rows() == truth
    assert room.ledger.version == version + len(mutations)
    room.assert_agreed(ada)


# --- 6. The author hears by RPC, the others by broadcast; a ten-second timer takes back a write that was committed. ---


def only_forward(seen, *stages):
    """What was seen is these values in this order, each as often as may be, and nothing else in between."""
    place = 0
    for value in seen:
        while value != stages[place]:
            place += 1
            assert place < len(stages), f"{value!r} came again, or from nowhere: {seen}"
    assert place == len(stages) - 1, f"it ended at {seen[-1]!r}: {seen}"


@both_formats
@pytest.mark.parametrize("together", [True, False], ids=["frames together", "frame by frame"])
def test_the_authors_optimistic_value_never_flickers_or_reverts_after_the_commit(room, format, together):
    """R2, R7. Every value that an observer of each kernel is shown, at every step of the way."""
    ada, bob = room.kernels
    ada.speak(format)
    shown = ada.watch(lambda: ada.rows()["a"]["text"])
    count = ada.watch(lambda: len(ada.rows()))
    theirs = bob.watch(lambda: bob.rows()["a"]["text"])

    ada.update("a", text="new")
    ada.insert("mine", text="mine")
    for n in range(5):  # the room is busy with others before, while and after it decides
        bob.update("b", text=f"b{n}")
        bob.push()
        bob.carry_up()
        if n == 1:
            ada.push()
            ada.carry_up()
        if room.room.waiting:
            room.turn()
        for kernel in (ada, bob):
            kernel.owed()
            kernel.carry_down(together=together)
    room.rest()

    assert set(shown) == {"new"}
    assert count == [3, *[4] * (len(count) - 1)]
    only_forward(theirs, "a0", "new")
    room.assert_agreed(ada, bob)


@pytest.mark.parametrize("how", ["cut", "restart", "crash"])
@pytest.mark.parametrize("told", [False, True], ids=["before it was told", "while it was told"])
def test_nor_when_the_line_or_the_server_is_gone_after_the_commit(room, how, told):
    """R2, R5, R6."""
    ada, bob = room.kernels
    shown = ada.watch(lambda: ada.rows()["a"]["text"])
    ada.update("a", text="new")
    ada.push()
    ada.carry_up()
    room.turn()
    if told:
        ada.owed()
        ada.carry_down(0)

    {"cut": ada.cut, "restart": room.restart, "crash": room.crash}[how]()
    for kernel in (ada, bob):
        if kernel.session is None:
            kernel.connect()
    room.rest()

    assert set(shown) == {"new"}
    room.assert_agreed(ada, bob)


def test_nor_however_long_the_room_takes(room):
    """R6. No timer decides anything: what the room has not decided is pending, and shows."""
    ada, _ = room.kernels
    shown = ada.watch(lambda: ada.rows()["a"]["text"])
    made = ada.update("a", text="new")
    ada.push()
    ada.carry_up()

    for _ in range(100):
        ada.up.append(encode(ada.replica.ping(), "json"))
        ada.carry_up()
        ada.owed()
        ada.carry_down()
    assert ada.outcome(made) == "pending"
    room.rest()

    assert set(shown) == {"new"}
    assert ada.outcome(made) is None


def test_a_value_that_the_room_refuses_is_taken_back_once_and_with_the_reason(make_stage):
    """R6. The only way back is the room's word."""
    stage = make_stage(party=Todos)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    ada.mutate("create", id="a", text="a0")
    stage.rest()
    bob.mutate("clear")
    bob.push()
    bob.carry_up()
    shown = ada.watch(lambda: ada.rows().get("a", {}).get("text", "gone"))

    made = ada.mutate("update", table="todos", id="a", values={"text": "new"})
    stage.rest()

    only_forward(shown, "new", "gone")
    assert ada.outcome(made).code == "unknown-row"


def test_a_value_that_the_room_changes_goes_from_the_guess_to_the_truth_in_one_step(make_stage):
    """R2."""
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    shown = ada.watch(lambda: ada.rows().get("a", {}).get("text", "nothing"))

    ada.mutate("guess_differently", id="a")
    stage.rest()

    only_forward(shown, "a guess", "the truth")


def test_the_file_on_disk_is_what_everybody_sees(room, tmp_path):
    """R9. SQLite is the truth in the room."""
    ada, bob = room.kernels
    ada.update("a", text="new")
    room.rest()
    copy = room.save("look")

    ledger = Ledger(copy, Main, "elsewhere")
    assert isinstance(ledger.store, Store)
    assert ledger.store.rows("todos") == bob.replica.view.rows("todos")
    ledger.close()
