"""
The server is killed with -9 in the middle of a burst from several people, and started again, a hundred times.

R1, R5, R6, R9: what was accepted is there, once and in order; what was refused is not; everybody has heard of each of
theirs; every copy is the room's.
"""

import functools
import random
import statistics
import time

import pytest

from tests.faults.people import Reckoning
from tests.proof import extent, note

KILLS = extent("kills", 100, 100)  # the soak: 500
ENTRIES = 500  # accepted in a cycle, at least, on the average
MOMENT = 0.05  # seconds, in which there are several turns
SEED = 20261123


ACCEPTED = 'partysync_mutations_total{result="accepted"}'


@pytest.mark.timeout(170 + 3 * KILLS)
def test_kills_in_a_burst_lose_nothing_and_double_nothing(tally_server, come, wait_until):
    pytest.importorskip("prometheus_client")  # the server's metrics say how many it has accepted
    server = tally_server()
    people = come(server, "ann", "bob")
    chance = random.Random(SEED)
    downs, killed_young = [], 0
    for _ in range(KILLS):
        young = chance.random() < 0.1  # before everybody is back: opening, or telling what was missed
        enough = 0 if young else chance.uniform(0, 2.0 * ENTRIES)
        killed_young += young
        wait_until(
            functools.partial(lambda enough: server.metric(ACCEPTED) >= enough, enough), 20, "going on after a kill"
        )
        time.sleep(chance.uniform(0.0, MOMENT))  # or each kill came just after a turn, when its count is raised
        server.kill()
        begun = time.monotonic()
        server.start()
        downs.append(time.monotonic() - begun)
    found = Reckoning(server, people)

    note(
        "kill -9",
        cycles=KILLS,
        seed=SEED,
        before_anybody_was_back=killed_young,
        acknowledged=len(found.accepted),
        lost=len(found.lost),
        doubled=len(found.doubled),
        rejected=len(found.rejected),
        out_of_order=found.disorder,
        start_median_s=round(statistics.median(downs), 2),
        start_max_s=round(max(downs), 2),
    )
    found.check()
    assert len(found.accepted) >= ENTRIES * KILLS
