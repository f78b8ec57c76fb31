"""
The checker is worth what it finds: every anomaly planted in a clean history, by its name, and none in a clean one.
"""

import copy
import functools
import itertools
import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.histories.checker import check
from tests.histories.history import Record, edn, gather, load, save
from tests.histories.planted import PLANTED
from tests.histories.simulated import Simulated
from tests.proof import LONG, extent, note

CLEAN = extent("simulated", 20_000, 100_000)  # transactions in which nothing may be found
TIMES = extent("plantings", 4, 30)  # that each anomaly is planted, each time in another history
EACH = 1_000  # transactions of one simulated history

ANOMALIES = {
    *("internal", "duplicate-effect", "incompatible-order", "garbage-read", "G1a", "G1b", "lost-acked-write"),
    *("G0", "G1c", "G-single", "G2", "G0-realtime", "G1c-realtime", "G-single-realtime", "G2-realtime"),
    *("monotonic-reads", "read-your-writes", "monotonic-writes", "writes-follow-reads"),
    *("disagreement", "impossible-view", "version-went-back"),
}


def names(records):
    return {anomaly.name for anomaly in check(records)}


@functools.cache
def clean(seed):
    return Simulated(seed, transactions=400, clients=4, most=3).history


@pytest.mark.timeout(900 if LONG else 180)
def test_nothing_is_found_in_simulated_histories():
    records, seconds = 0, 0.0
    for seed in range(CLEAN // EACH):
        history = Simulated(seed, transactions=EACH, clients=2 + seed % 7, most=1 + seed % 5).history
        begun = time.perf_counter()
        found = check(history)
        seconds += time.perf_counter() - begun
        records += len(history)
        assert found == [], f"seed {seed}"
    note(
        "histories, simulated",
        transactions=CLEAN,
        records=records,
        false_alarms=0,
        checker_per_second=round(records / seconds),
    )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1 << 32),
    transactions=st.integers(1, 150),
    clients=st.integers(1, 9),
    most=st.integers(1, 12),
)
def test_nothing_is_found_however_clients_are_many_and_busy(seed, transactions, clients, most):
    assert check(Simulated(seed, transactions=transactions, clients=clients, most=most).history) == []


@pytest.mark.timeout(900 if LONG else 180)
def test_every_planted_anomaly_is_found_and_named():
    planted, missed = Counter(), []
    for plant, seed in itertools.product(PLANTED, range(TIMES)):
        history = copy.deepcopy(clean(seed))
        if plant(history, random.Random(seed)):
            planted[plant] += 1
            if plant.__doc__ not in (found := names(history)):
                missed.append((plant.__name__, plant.__doc__, seed, found))
    note(
        "histories, planted",
        anomalies=len(ANOMALIES),
        ways=len(planted),
        planted=planted.total(),
        found=planted.total() - len(missed),
    )

    assert missed == []
    assert min(planted[plant] for plant in PLANTED) > TIMES // 2


def test_every_anomaly_that_the_checker_names_is_planted():
    """Those with ``-process`` are the guarantees of sessions by another name."""
    assert {plant.__doc__ for plant in PLANTED} == ANOMALIES


def test_time_grows_as_the_history_does():
    """Ten times the history takes about ten times as long; fifty would be a checker that no long run can afford."""

    def seconds(transactions):
        history = Simulated(1, transactions=transactions).history
        begun = time.process_time()
        assert check(history) == []
        return time.process_time() - begun

    seconds(500)  # warm

    assert seconds(5_000) < 50 * seconds(500)


def mutation(id, proc, t0, t1, *mops, ok=True):
    return Record(id, proc, "txn", t0, t1, ok, [list(mop) for mop in mops])


def test_a_cycle_is_told_with_its_reasons():
    found = check(
        [
            mutation(0, "a", 1, 2, ("append", "x", 1)),
            mutation(1, "b", 3, 4, ("r", "x", [])),
            mutation(2, "c", 5, 6, ("r", "x", [1])),
        ]
    )

    assert [anomaly.name for anomaly in found] == ["G-single-realtime"]
    assert found[0].told == ("txn 1 of b [['r', 'x', []]] ─rw▶ txn 0 of a [['append', 'x', 1]] ─in time▶ txn 1 of b")


def test_an_append_nobody_heard_of_may_be_there_or_not():
    """R6: the client ended before it heard."""
    unknown = mutation(0, "a", 1, None, ("append", "x", 1), ok=None)

    assert check([unknown, mutation(1, "b", 3, 4, ("r", "x", []))]) == []
    assert check([unknown, mutation(1, "b", 3, 4, ("r", "x", [1]))]) == []
    then_gone = [unknown, mutation(1, "b", 3, 4, ("r", "x", [1])), mutation(2, "b", 5, 6, ("r", "x", []))]
    assert names(then_gone) == {"monotonic-reads", "G-single-process"}


def test_an_accepted_append_that_no_read_has_seen_comes_after_all_reads():
    """R9: where nobody would miss it, the order does."""
    accepted = mutation(0, "a", 1, 2, ("append", "x", 1), ("append", "y", 2))
    late = mutation(1, "b", 3, 4, ("r", "x", []))
    other = mutation(1, "b", 1, 4, ("r", "y", [2]), ("r", "x", []))

    assert names([accepted, late]) == {"lost-acked-write", "G-single-realtime"}
    assert names([accepted, other]) == {"G-single"}


def test_who_appends_after_reading_does_not_come_before_itself():
    """Nobody else has read the list."""
    assert check([mutation(0, "a", 1, 2, ("r", "x", []), ("append", "x", 1))]) == []


def test_a_base_that_loses_an_edit_of_its_own_breaks_two_guarantees():
    own = mutation(0, "a", 1, 2, ("append", "x", 1))
    bases = [Record(id, "a", "base", t, t, True, [["r", "x", seen]]) for id, t, seen in ((1, 3, [1]), (2, 4, []))]

    assert {"read-your-writes", "monotonic-reads"} <= names([own, *bases])


def view(id, t, seen):
    return Record(id, "a", "view", t, t, True, [["r", "x", seen]])


def test_a_view_has_what_was_accepted():
    """R7."""
    own, read = mutation(0, "a", 1, 2, ("append", "x", 1)), mutation(1, "b", 3, 4, ("r", "x", [1]))

    assert check([own, read, view(2, 5, [1])]) == []
    assert names([own, read, view(2, 5, [])]) == {"read-your-writes"}


def test_a_view_may_have_what_is_rejected_until_that_is_heard():
    """R6, R7: the copy may know it a moment before the log does."""
    own = mutation(0, "a", 1, 4, ("append", "x", 1), ok=False)

    assert check([own, view(1, 2, [1]), view(2, 3, []), view(3, 5, [])]) == []
    assert names([own, view(1, 5, [1])]) == {"G1a"}


def test_one_value_appended_twice_is_refused():
    with pytest.raises(ValueError, match="1 is appended to x twice"):
        check([mutation(0, "a", 1, 2, ("append", "x", 1)), mutation(1, "a", 3, 4, ("append", "x", 1))])


def test_a_history_is_saved_and_loaded(tmp_path):
    save(tmp_path / "history.jsonl", clean(0))

    assert load(tmp_path / "history.jsonl") == clean(0)


def test_a_log_that_ends_in_the_middle_of_a_line_leaves_an_unknown_outcome(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(
        '{"id": 1, "proc": "a", "kind": "txn", "mops": [["append", "x", 1]], "t0": 1.0}\n'
        '{"id": 2, "proc": "a", "kind": "txn", "mops": [["r", "x", null]], "t0": 2.0}\n'
        '{"id": 1, "ok": true, "mops": [["append", "x", 1]], "t1": 3.0}\n'
        '{"id": 2, "ok": true, "mops": [["r", "x", ['
    )

    assert [(record.ok, record.t1) for record in gather([log])] == [(True, 3.0), (None, None)]


def test_a_history_is_told_to_elle():
    records = [
        mutation(0, "a", 1, 4, ("append", "x", 1)),
        mutation(1, "a", 2, 3, ("r", "x", []), ("append", "y", 2), ok=False),
        mutation(2, "a", 5, None, ("r", "x", None), ok=None),
        Record(3, "a", "base", 6, 6, True, [["r", "x", [1]]]),
        Record(4, "a", "sync", 7, 8, True, [["r", "x", [1]], ["r", "y", [1, 2]]]),
    ]

    assert list(edn(records)) == [
        '{:index 0, :type :invoke, :process 0, :f :txn, :value [[:append "x" 1]]}',
        '{:index 1, :type :invoke, :process 1, :f :txn, :value [[:r "x" nil] [:append "y" 2]]}',
        '{:index 2, :type :fail, :process 1, :f :txn, :value [[:r "x" nil] [:append "y" 2]]}',
        '{:index 3, :type :ok, :process 0, :f :txn, :value [[:append "x" 1]]}',
        '{:index 4, :type :invoke, :process 0, :f :txn, :value [[:r "x" nil]]}',
        '{:index 5, :type :invoke, :process 1, :f :txn, :value [[:r "x" nil] [:r "y" nil]]}',
        '{:index 6, :type :ok, :process 1, :f :txn, :value [[:r "x" [1]] [:r "y" [1 2]]]}',
        '{:index 7, :type :info, :process 0, :f :txn, :value [[:r "x" nil]]}',
    ]
