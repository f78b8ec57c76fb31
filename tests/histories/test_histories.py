"""
What eight real clients of a real server asked and saw, while it was killed with -9 and their lines were cut.

R1, R2, R5, R6, R7, R9 and R10, from the outside: the checker finds nothing that could not have happened in one order of
whole mutations, each once, in which what was answered came before what was asked later.
"""

import time
from collections import Counter

import pytest

from tests.histories.checker import check
from tests.histories.crowd import LISTS, PROCESSES, crowd
from tests.histories.history import save
from tests.proof import LONG, extent, note

TRANSACTIONS = extent("transactions", 5_000, 50_000)
KILLS = extent("history_kills", 3, 20)  # of the server
SEED = extent("history_seed", 5, 5)


@pytest.fixture
def lists_server(start_server, on_path):
    on_path(LISTS.parent)
    return start_server("--party", "lists:Lists")


@pytest.mark.timeout(900 if LONG else 180)
def test_a_real_history_has_no_anomaly(lists_server, tmp_path, wait_until):
    """R1, R2, R5, R6, R7, R9, R10."""
    begun = time.monotonic()
    with crowd(lists_server, tmp_path / "logs", TRANSACTIONS, SEED, wait_until) as people:
        for kill in range(1, KILLS + 1):
            people.until_heard(kill * TRANSACTIONS // (KILLS + 1))
            people.kill_server()
            if kill == KILLS // 2 + 1:
                people.kill_client()
        history = people.history()
    seconds = time.monotonic() - begun
    save(tmp_path / "history.jsonl", history)
    checking = time.monotonic()
    anomalies = check(history)
    checking = time.monotonic() - checking
    kinds = Counter(record.kind for record in history)
    outcomes = Counter(record.ok for record in history if record.kind == "txn")
    note(
        "histories",
        transactions=kinds["txn"],
        accepted=outcomes[True],
        rejected=outcomes[False],
        unknown=outcomes[None],
        reads=kinds["base"] + kinds["view"] + kinds["sync"],
        anomalies=len(anomalies),
        processes=PROCESSES,
        kills=KILLS,
        seed=SEED,
        seconds=round(seconds, 1),
        checker_per_second=round(len(history) / checking),
    )

    assert anomalies == [], f"{tmp_path / 'history.jsonl'}, seed {SEED}"
    assert kinds["txn"] > TRANSACTIONS - PROCESSES  # in equal shares
    mutations = [record for record in history if record.kind == "txn"]
    assert all(record.refused == (record.ok is False) for record in mutations if record.t1 is not None)
    killed = {client.name for client in people.gone}
    assert {record.proc for record in mutations if record.ok is None} <= killed  # everybody else has heard (R6)
