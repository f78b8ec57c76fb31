"""
Every replica is what a slow obvious model says, after every step, whatever is cut, lost, repeated, killed or put back.

PARTYSYNC_SEEDS=20000    tell so many stories
PARTYSYNC_SEED=1234      tell this one
"""

import itertools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.convergence import stories

SEEDS = range(int(os.environ.get("PARTYSYNC_SEEDS", "2000")))
if one := os.environ.get("PARTYSYNC_SEED"):
    SEEDS = range(int(one), int(one) + 1)
STEP = 500  # seeds of one test
SOAK_SECONDS = float(os.environ.get("PARTYSYNC_SOAK_SECONDS", "3600"))


@pytest.fixture(scope="module")
def processes():
    """One for each processor, unless several already run these tests side by side."""
    if "PYTEST_XDIST_WORKER" in os.environ or len(SEEDS) == 1:
        yield None
        return
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_no_story_that_failed_once_fails_again():
    """R1 to R10: a failing seed stays for ever."""
    assert stories.first_broken([*stories.PAST, *stories.found_before()]) == ""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, len(SEEDS), STEP))
def test_every_replica_is_what_the_model_says(first, processes):
    """R1 to R10: base, view, order, outcomes and what observers are told, compared after every step."""
    broken = stories.tell_all(SEEDS[first : first + STEP], processes)

    assert not broken, "\n\n".join(broken)


def test_the_same_seed_is_the_same_story():
    """Else a failing seed would be worth nothing."""
    assert stories.record(7) == stories.record(7)


@pytest.mark.soak
def test_for_an_hour(processes):
    """R1 to R10, on seeds that nobody has tried."""
    began = time.monotonic()
    start = int(time.time()) * 1000
    for first in itertools.count(start, STEP):
        broken = stories.tell_all(range(first, first + STEP), processes)
        assert not broken, "\n\n".join(broken)
        if time.monotonic() - began > SOAK_SECONDS:
            print(f"{first + STEP - start} stories, from seed {start}")
            return
