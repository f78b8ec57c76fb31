"""
SQL that never ends, or wants too much, ends all the same: with a sentence for its author, and for nobody else.

R6, R7, R9. A mutation that is stopped while it writes takes the transaction along, which is a turn of everybody's; so
what the others did in it is decided again.
"""

import contextlib
import random
import time

import pytest

import partysync_widget as ps
from partysync_server import ledger as ledgers
from partysync_server.ledger import Ledger, TurnLost
from partysync_widget.core import effort
from partysync_widget.core.errors import MutationRejected, StorageFailed
from partysync_widget.core.store import Store
from tests.hostile.runaway import ENDLESS, TOO_MUCH, WITHOUT_END, Runaway
from tests.stage import decide

SENTENCE = r"was stopped after 0\.2 s, and nothing of it was kept"


@pytest.fixture
def runaway(make_stage):
    """A room of that party, with ada, whose guesses have a clock, and bob, who looks on. Row ``kept`` is there."""
    stage = make_stage(party=Runaway)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    for each in (ada, bob):
        each.replica.clock = time.thread_time
    ada.insert("kept", table="t", x=1)
    stage.rest()
    return stage, ada, bob


def settle(stage):
    """Turns as the server takes them: after one that is lost the file is opened again, and asked."""
    lost = 0
    for kernel in stage.kernels:
        kernel.push()
        kernel.carry_up()
    while stage.room.waiting:
        try:
            stage.turn()
        except TurnLost:
            lost += 1
            stage.ledger.close()
            stage.ledger = Ledger(stage.path, stage.party, stage.ledger.epoch, room="a room")
            stage.room.recover(stage.ledger)
    stage.rest()
    stage.assert_agreed()
    return lost


@pytest.mark.parametrize("query", WITHOUT_END.values(), ids=WITHOUT_END)
def test_sql_without_end_is_rejected_and_what_stood_around_it_is_not(runaway, query):
    """R6, R7. The guess is given up and waits; the room decides."""
    stage, ada, bob = runaway
    before = ada.insert("before", table="t", x=1)
    endless = ada.mutate("run_sql", query=query)
    after = ada.insert("after", table="t", x=1)
    other = bob.insert("other", table="t", x=1)
    assert (endless.shown, endless.slow) == (False, True)
    assert set(ada.rows("t")) == {"kept", "before", "after"}  # what stood before it was taken along, and is there again

    lost = settle(stage)

    assert isinstance(ada.outcome(endless), MutationRejected)
    assert ada.outcome(endless).code == "too-slow"
    assert "was stopped after 0.2 s" in ada.outcome(endless).message
    assert [ada.outcome(before), ada.outcome(after), bob.outcome(other)] == [None] * 3
    assert stage.rows("t") == {id: {"x": 1} for id in ("kept", "before", "after", "other")}
    assert stage.ledger.version == 5  # each of them took one (R1)
    assert lost == (0 if "SELECT" in query[:6] or query.startswith("WITH") else 1)


@pytest.mark.parametrize("kind", ["a recursion", "an insert"])
def test_a_mutator_that_will_not_hear_of_it_changes_nothing(runaway, kind):
    """R8, R9. Its transaction is gone: what it goes on to write would be kept, by itself and without a version."""
    stage, ada, _ = runaway
    stubborn = ada.mutate("again_and_again", query=WITHOUT_END[kind])

    settle(stage)

    assert ada.outcome(stubborn).code == "too-slow"
    assert stage.rows("t") == {"kept": {"x": 1}}
    assert stage.ledger.store.execute("SELECT count(*) FROM t").get == 1


def test_a_mutator_that_swallows_what_the_disk_did_writes_nothing_more(runaway, monkeypatch):
    """R9. Errors of the disk roll the transaction back as well (sqlite.org/lang_transaction.html)."""
    stage, ada, _ = runaway

    def writes_on(tx):
        tx._store.connection.execute("ROLLBACK")  # as SQLite does it when the disk is full
        with contextlib.suppress(BaseException):
            tx.insert("t", id="stolen", x=1)

    monkeypatch.setattr(Runaway.mutators["one_after_another"], "function", writes_on)
    ada.replica.typed = False
    ada.mutate("one_after_another")
    with pytest.raises(StorageFailed, match="The transaction was lost while one_after_another ran"):
        settle(stage)

    assert stage.ledger.store.execute("SELECT count(*) FROM t").get == 1


def test_a_loop_around_sql_ends_as_well(runaway):
    stage, ada, _ = runaway
    looping = ada.mutate("one_after_another")

    settle(stage)

    assert ada.outcome(looping).code == "too-slow"


def test_a_trigger_of_the_party_is_stopped_too(runaway):
    """The SQL that sets it off is ours."""
    stage, ada, _ = runaway
    fused, deep = ada.insert("1", table="lit"), None
    with pytest.raises(MutationRejected, match="triggers nested too deep|too many levels of trigger"):
        deep = ada.insert("1", table="deep", x=0)

    assert settle(stage) == 1
    assert (ada.outcome(fused).code, deep) == ("too-slow", None)
    assert stage.rows("t") == {"kept": {"x": 1}}
    assert stage.rows("lit") == stage.rows("deep") == {}


def test_many_that_do_not_end_in_one_turn_cost_no_other_edit(runaway):
    """R1, R6. The turn is lost once for each of them that writes, and decided again each time."""
    stage, ada, bob = runaway
    chance = random.Random(20261127)
    made = []
    for n in range(12):
        if n % 4 == 3:
            query = chance.choice([WITHOUT_END["an insert"], WITHOUT_END["an update"]])
            made.append((bob, bob.mutate("only_there", query=query), "too-slow"))
        else:
            kernel = chance.choice([ada, bob])
            made.append((kernel, kernel.insert(f"n{n}", table="t", x=n), None))

    assert settle(stage) == 3
    outcomes = [getattr(kernel.outcome(each), "code", None) for kernel, each, _ in made]
    assert outcomes == [code for _, _, code in made]
    assert set(stage.rows("t")) == {"kept", *(f"n{n}" for n in range(12) if n % 4 != 3)}


def test_a_rebase_gives_up_what_has_become_slow_once_and_never_tries_it_again(make_stage):
    """R7. On the I/O thread nobody could interrupt it."""
    stage = make_stage(party=Runaway)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    slow = ada.mutate(
        "run_sql", query=f"SELECT count(*) FROM t WHERE (SELECT count(*) FROM ({ENDLESS} SELECT x FROM n))"
    )
    beside = ada.insert("mine", table="t", x=1)
    assert (slow.shown, beside.shown) == (True, True)
    asked, counts = [], []
    ada.replica.clock = lambda: asked.append(1) or time.thread_time()
    for n in range(3):
        bob.insert(f"b{n}", table="t", x=n)
        bob.push()
        bob.carry_up()
        stage.turn()
        ada.owed()
        ada.carry_down()
        assert (slow.shown, slow.slow, beside.shown) == (False, True, True)
        assert "mine" in ada.rows("t")
        counts.append(len(asked))
    assert counts[0] > 0
    assert len(set(counts)) == 1


def test_a_rebase_that_refuses_one_and_stops_another_keeps_the_rest(make_stage):
    """R7. The first is refused in the run, so each is replayed by itself; the second takes those before it along."""
    stage = make_stage(party=Runaway)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    first = ada.insert("mine", table="t", x=1)
    refused = ada.insert("b0", table="t", x=1)
    slow = ada.mutate(
        "run_sql", query=f"UPDATE t SET x = (SELECT count(*) FROM ({ENDLESS} SELECT x FROM n)) WHERE id = 'b1'"
    )
    last = ada.insert("mine too", table="t", x=1)
    ada.replica.clock = time.thread_time
    for n in range(2):
        bob.insert(f"b{n}", table="t", x=n)
    bob.push()
    bob.carry_up()
    stage.turn()
    ada.owed()
    ada.carry_down()

    assert [each.shown for each in (first, refused, slow, last)] == [True, False, False, True]
    assert (refused.slow, slow.slow) == (False, True)
    assert {"mine", "mine too", "b0", "b1"} <= set(ada.rows("t"))


@pytest.mark.parametrize("query", TOO_MUCH.values(), ids=TOO_MUCH)
@pytest.mark.parametrize("where", ["mutator", "question"])
def test_sql_that_wants_too_much_is_refused_at_once(runaway, query, where):
    """At a stroke, and before it has it: no look would come in between."""
    stage, _, _ = runaway
    store = stage.ledger.store
    began = time.thread_time()

    with pytest.raises((MutationRejected, ps.PartySyncError, Exception)) as refused:
        decide(store, "run_sql", query=query) if where == "mutator" else store.guarded(query, (), write=False)

    assert time.thread_time() - began < 1.5
    assert type(refused.value).__name__ in {"MutationRejected", "SQLError", "TooBigError"}
    assert stage.rows("t") == {"kept": {"x": 1}}


def test_a_kernel_still_searches_for_long_texts(runaway):
    """The pattern's limit is the room's alone: the grid's search is a pattern, and runs in the kernel."""
    store = Store.memory(Runaway)
    found = store.guarded("SELECT ? LIKE ? AS found", ("a" * 5000, f"%{'a' * 4000}%"), write=False)
    assert found == [{"found": 1}]
    with pytest.raises(Exception, match="LIKE or GLOB pattern too complex"):
        runaway[0].ledger.store.guarded("SELECT ? LIKE ?", ("a", "a" * 2000), write=True)


@pytest.mark.parametrize(("size", "code"), [(1000, None), (ledgers.MOST_RESULT + 1, "too-large")])
def test_what_a_mutator_returns_has_a_measure(runaway, size, code):
    """Everybody is sent it. It used to be kept however long it was, and told in one frame."""
    stage, ada, _ = runaway
    returned = ada.mutate("returns", size=size)

    settle(stage)

    if code is None:
        assert ada.outcome(returned) == "x" * size
    else:
        assert ada.outcome(returned).code == code
        assert "read rows with room.sql" in ada.outcome(returned).message


@pytest.mark.parametrize("text", [r"\ud800", r"\0", r"\u202e", r"\x07\x1b[31m", "a long story. " * 50])
def test_whatever_a_mutator_raises_can_be_told(runaway, text):
    """R6. Half a surrogate pair in a message used to fail when it was written down, and took the room along."""
    stage, ada, _ = runaway
    ada.replica.typed = False  # a kernel without the code, so that the room is the first to run it
    raised = ada.mutate("complains", text=text, times=500)
    fine = ada.insert("fine", table="t", x=1)

    settle(stage)

    assert ada.outcome(raised).code == "mutator-raised"
    assert len(ada.outcome(raised).message) < ledgers.MOST_MESSAGE + 10
    assert ada.outcome(fine) is None


def test_a_mutators_sql_gives_only_so_many_rows(monkeypatch):
    from partysync_widget.core import guard

    monkeypatch.setattr(guard, "MOST_ROWS", 100)
    store = Store.memory(Runaway)
    with pytest.raises(MutationRejected, match="gives more than 100 rows") as refused:
        store.guarded(f"{ENDLESS} SELECT x FROM n", (), write=True)
    assert refused.value.code == "too-large"
    assert len(store.guarded(f"{ENDLESS} SELECT x FROM n LIMIT 100", (), write=True)) == 100
    assert len(store.guarded(f"{ENDLESS} SELECT x FROM n LIMIT 200", (), write=False)) == 200


def test_what_is_large_and_ends_is_let_through(runaway):
    """A cell of the largest frame, and a table of many rows in one mutation."""
    stage, ada, _ = runaway
    store = stage.ledger.store
    blob = store.guarded("SELECT length(zeroblob(?)) AS n", (effort.MOST_BYTES - 100,), write=True)
    assert blob == [{"n": effort.MOST_BYTES - 100}]
    many = ada.mutate("run_sql", query=f"INSERT INTO t (id, x) {ENDLESS} SELECT 'k' || x, x FROM n LIMIT 10000")

    settle(stage)

    assert ada.outcome(many) == 0
    assert store.count("t") == 10_001
