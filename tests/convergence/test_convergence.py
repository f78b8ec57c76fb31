"""
Every replica is what a slow obvious model says, after every step, whatever is cut, lost, repeated, killed or put back.

PARTYSYNC_SCHEDULES=20000      tell so many stories
PARTYSYNC_SEED=1234            tell this one
PARTYSYNC_STORY='1234: edit3'  tell this one, of these moves (``plot``)
"""

import itertools
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests import proof
from tests.convergence import stories
from tests.convergence.plot import Plot, read, shrink
from tests.convergence.room_faults import what_comes_twice_is_run_twice

SEEDS = range(proof.extent("schedules", 2000, 10_000))
if one := os.environ.get("PARTYSYNC_SEED"):
    SEEDS = range(int(one), int(one) + 1)
STORY = os.environ.get("PARTYSYNC_STORY")
if STORY:
    SEEDS = range(0)
STEP = 500  # seeds of one test
SOAK_SECONDS = float(os.environ.get("PARTYSYNC_SOAK_SECONDS", "3600"))


@pytest.fixture(scope="module")
def processes():
    """One for each processor, unless several already run these tests side by side."""
    if "PYTEST_XDIST_WORKER" in os.environ or len(SEEDS) <= 1:
        yield None
        return
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def figures():
    """Of all stories in this module that were drawn by their seed."""
    figures: Counter[str] = Counter()
    began = time.monotonic()
    yield figures
    if figures:
        figures["seconds"] = round(time.monotonic() - began)
        proof.note("simulation", **{name: figures[name] for name in stories.FIGURES})


def test_no_story_that_failed_once_fails_again():
    """R1 to R12: a failing seed stays for ever."""
    broken, _ = stories.first_broken([*stories.PAST, *stories.found_before()] if not STORY else [])

    assert broken == ""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, len(SEEDS), STEP))
def test_every_replica_is_what_the_model_says(first, processes, figures):
    """R1 to R12: base, view, order, outcomes, frames and what observers are told, compared after every step."""
    broken, happened = stories.tell_all(SEEDS[first : first + STEP], processes)
    figures.update(happened)

    assert not broken, "\n\n".join(broken)


@pytest.mark.skipif(not STORY, reason="PARTYSYNC_STORY has no story")
def test_the_story_that_is_asked_for():
    """As a failing run has printed it."""
    tale = stories.tell(read(STORY or ""))

    assert not tale.broken, "\n    ".join([tale.broken, *tale.trace])


def test_the_same_seed_is_the_same_story():
    """Else a failing seed would be worth nothing: in another process, with other hashes, to the last byte sent."""
    tell = "from tests.convergence import stories; print(*stories.record(7), sep='\\n')"
    other = subprocess.run(
        [sys.executable, "-c", tell],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(["", *sys.path])},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )

    assert other.stdout.splitlines() == stories.record(7) == stories.record(7)


def test_a_story_is_told_again_from_its_line():
    """A trace that was printed is a story."""
    tale = stories.tell(Plot(7))

    assert stories.tell(read(str(tale.plot))).trace == tale.trace


def test_a_broken_story_is_shrunk(monkeypatch):
    """What is printed is short, and still broken in the same way."""
    what_comes_twice_is_run_twice(monkeypatch)
    tale = next(tale for tale in map(stories.tell, map(Plot, itertools.count())) if tale.broken)
    short = stories.shrunk(tale, seconds=10.0)

    assert short.promise == tale.promise
    assert len(short.plot.moves) < len(tale.plot.moves) / 2
    assert stories.tell(read(str(short.plot))).broken == short.broken


def test_shrinking_keeps_what_matters_and_nothing_else():
    moves = tuple(("edit", number) for number in range(100))

    def broken(some):
        return {("edit", 7), ("edit", 70)} <= set(some)

    assert shrink(moves, broken, 10.0) == (("edit", 7), ("edit", 70))


@pytest.mark.soak
def test_for_an_hour(processes):
    """R1 to R12, on seeds that nobody has tried."""
    began, figures = time.monotonic(), Counter()
    start = int(time.time()) * 1000
    for first in itertools.count(start, STEP):
        broken, happened = stories.tell_all(range(first, first + STEP), processes)
        figures.update(happened)
        assert not broken, "\n\n".join(broken)
        if time.monotonic() - began > SOAK_SECONDS:
            known = {name: figures[name] for name in stories.FIGURES if name != "seconds"}
            proof.note("simulation, for long", first_seed=start, **known)
            return
