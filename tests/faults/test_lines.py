"""
A line goes wrong in each of the ways in which lines do, in the middle of each thing that a kernel does over it.

R3, R4, R5, R6: afterwards every receipt has the room's word, nothing is lost or doubled, the kernel sees what everybody
sees; and it is so within a time that can be said beforehand. Both sides ask after a silence here of about a second,
where it is usually ten (kernel) and twenty (server); so is a slow line here as fast as one of 24,000 bytes a second
would be then.
"""

import itertools
import random
import statistics
import time

import pytest

from tests.faults.proxy import Proxy
from tests.proof import extent, note

TIMES = extent("lines", 1, 3)  # each fault in each activity
SEED = 20261127
PING = 1  # seconds, of the server
BOUND = 5.0  # seconds until all is well again, from the moment of the fault; the server's ping alone takes seven

EDITS = 40
TEXT = "x" * 250
SOME, MANY = 1_500, 4_000  # rows: a delta in parts, a snapshot in parts

pytestmark = pytest.mark.alone

chance = random.Random(SEED)


def edit(ann, bob):
    """Both edit; the line goes wrong between two of the edits, or in one. Their receipts.

    Bob goes on until ann's are decided: she hears of him all the time, so a line that loses only what she sends is no
    silence to her, and the server has to notice.
    """
    receipts = []
    for n in range(EDITS):
        receipts += [room.table("t").insert(id=f"{room.user}-{n}", text=TEXT) for room in (ann, bob)]
        time.sleep(0.005)  # a pace, so that it is in the middle
    begun = time.monotonic()
    while not all(receipt.done() for receipt in receipts) and time.monotonic() < begun + BOUND:
        receipts.append(bob.table("t").insert(text=TEXT))
        receipts[-1].result(BOUND)
        time.sleep(0.1)  # likewise: less than ann's patience
    return receipts


def catch_up(ann, bob):
    """Ann was away, and edits too; when she comes back she is told what was missed, in parts."""
    ann.offline()
    made = bob.table("t").insert_many([{"id": f"bob-{n}", "text": TEXT} for n in range(SOME)], progress=False)
    made.result(20)
    return [made, *(ann.table("t").insert(id=f"ann-{n}", text=TEXT) for n in range(EDITS))]


def fill(bob):
    bob.table("t").insert_many([{"id": f"bob-{n}", "text": TEXT} for n in range(MANY)], progress=False).result(20)


@pytest.fixture(scope="module")
def recovered():
    """Seconds by fault; told at the end."""
    took = {}
    yield took
    everything = sorted(itertools.chain(*took.values()))
    if everything:
        figures = {fault: f"{statistics.median(some):.2f}/{max(some):.2f}" for fault, some in took.items()}
        note(
            "fault proxy",
            seed=SEED,
            strikes=len(everything),
            p50_s=round(statistics.median(everything), 2),
            p99_s=round(everything[int(len(everything) * 0.99)], 2),
            median_and_max_s_by_fault=figures,
        )


@pytest.fixture(scope="module")
def pinging(tmp_path_factory):
    from tests.conftest import Server

    server = Server(tmp_path_factory.mktemp("pinging"), f"--ping={PING}")
    yield server
    server.stop()


@pytest.fixture
def proxy(pinging):
    made = Proxy(pinging.port, chance)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Kernels of this process ask after 0.6 s of silence, and try again at once."""
    monkeypatch.setattr("partysync_widget.connection.PING_SECONDS", 0.6)
    monkeypatch.setattr("partysync_widget.connection.SILENCE_SECONDS", 0.6)
    monkeypatch.setattr("partysync_widget.connection.FIRST_DELAY", 0.05)


@pytest.mark.parametrize("activity", ["edit", "catch-up", "snapshot"])
@pytest.mark.parametrize("fault", [*Proxy.of_connections, *Proxy.of_the_line])
@pytest.mark.timeout(60 * TIMES + 60)
def test_after_a_fault_all_is_as_it_should_be(fault, activity, pinging, proxy, enter, recovered):
    for time_ in range(TIMES):
        name = f"{fault} {activity} {time_}"
        bob = enter(name, at=pinging, user="bob")
        bob.table("t", text=str)
        through = {"url": proxy.url, "user": "ann"}
        if activity == "snapshot":
            fill(bob)
            proxy.strike(fault, chance.randrange(2_000, MANY * len(TEXT)))
            ann, receipts = enter(name, at=pinging, **through), []
        else:
            ann = enter(name, at=pinging, **through)
            ann.sync(8)
            if activity == "edit":
                proxy.strike(fault, chance.randrange(1, EDITS * 2 * len(TEXT)))
                receipts = edit(ann, bob)
            else:
                receipts = catch_up(ann, bob)
                proxy.strike(fault, chance.randrange(2_000, SOME * len(TEXT)))
                ann.online()
        values = [receipt.result(2 * BOUND) for receipt in receipts]
        for room in (ann, bob):
            room.sync(2 * BOUND)
        assert proxy.struck, "The fault did not strike."
        took = time.monotonic() - proxy.struck
        recovered.setdefault(fault, []).append(took)
        proxy.heal()

        rows = bob.table("t").records
        assert ann.table("t").records == rows
        many = {"snapshot": MANY, "catch-up": SOME + EDITS, "edit": len(receipts)}[activity]
        assert len({row["id"] for row in rows}) == len(rows) == many
        assert all(value in (None, SOME) for value in values)
        assert ann.pending == bob.pending == 0
        assert took < BOUND
        for room in (ann, bob):
            room.close()
