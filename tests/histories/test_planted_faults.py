"""
The control arm: real processes with one rule taken out of them leave histories in which the checker finds just that.

A harness that cannot fail proves nothing: the same clients, the same kills and cuts, and a history with anomalies.
"""

import contextlib
import itertools
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.histories.checker import check
from tests.histories.crowd import LISTS, crowd
from tests.proof import extent, note

sys.path.insert(0, str(LISTS.parent))  # as it is for the processes
from tests.histories import faulty

sys.path.remove(str(LISTS.parent))

TRANSACTIONS = extent("faulty_transactions", 400, 1_000)
TRIES = 3  # a fault shows when a kill or a cut comes at the right moment, and chance may miss it
STUCK = 20.0  # seconds for half of a run, which takes two or three
FAULTY = Path(faulty.__file__)


@pytest.mark.parametrize("plant", [*faulty.OF_THE_SERVER, *faulty.OF_THE_CLIENTS], ids=lambda plant: plant.__name__)
def test_a_missing_rule_shows_in_a_real_history(plant, start_server, on_path, monkeypatch, tmp_path, wait_until):
    rule, name = re.match(r"(R\d+): ([\w-]+)\.", plant.__doc__).groups()
    on_path(LISTS.parent)
    monkeypatch.setenv("PARTYSYNC_TEST_FAULT", plant.__name__)

    found = Counter()
    for attempt in itertools.count(1):
        server = start_server("--party", "faulty:Lists")
        logs = tmp_path / f"logs-{attempt}"
        with crowd(server, logs, TRANSACTIONS, attempt, wait_until, processes=4, program=FAULTY) as people:
            with contextlib.suppress(AssertionError):  # a fault may hang them: what they saw till then is judged
                people.until_heard(TRANSACTIONS // 2, STUCK)
                people.kill_server(all_go_on=False)
                wait_until(lambda: not any(client.at_work for client in people.clients), STUCK)
            history = people.so_far()
        server.stop()
        found = Counter(anomaly.name for anomaly in check(history))
        if name in found or attempt == TRIES:
            break
    note("histories, faulty", fault=plant.__name__, rule=rule, found=dict(found), tries=attempt)

    assert name in found
