"""
R5, R9: actions that await first, on a disk that fails at its Nth operation. Nothing is lost, and nothing stays twice.

The story is that of ``tests/power/faults.py``, and its people act instead of calling a mutator.
"""

import asyncio
import random

import pytest

from partysync_server.room import Room
from partysync_widget.core import messages as m
from partysync_widget.core.party import Party
from tests.power import faults
from tests.power.tally import Tally
from tests.proof import extent

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # apsw tells twice


class Acting(Party):
    """The same tables and the same SQL, behind an ``await``; every other one at once."""

    schema = Tally.schema

    async def on_action(self, channel, action):
        who, n = action["payload"]
        if n % 2:
            await asyncio.sleep(0.001)
        Tally.mutators["enter"].function(self, who, n)


Acting.guess = False  # as a mutator's ``tx`` has it


class Person(faults.Person):
    """One who acts."""

    def _push(self, after):
        mutations = [
            m.Mutation(mid, "act", {"channel": "entries", "type": "enter", "payload": [self.name, mid]})
            for mid in range(after + 1, self.sent + 1)
        ]
        if mutations:
            self.place.receive(self.session, m.Push(self.epoch, mutations))


@pytest.fixture(autouse=True)
def _acting(monkeypatch):
    monkeypatch.setattr(faults, "Tally", Acting)
    monkeypatch.setattr(faults, "Person", Person)
    monkeypatch.setattr("partysync_server.room_file.FOLD_BYTES", 120_000)


def wrong(most):
    """What is wrong, at so many of the points at which the disk can fail; empty if nothing is."""
    every = [(fault, start) for start in faults.starts() for fault in faults.points(start)]
    assert {fault.kind for fault, _ in every} == set(faults.HITS)
    for fault, start in random.Random(7).sample(every, min(most, len(every))):
        if said := faults.wrong(fault, start)[0]:
            return said
    return ""


@pytest.mark.timeout(900)  # the long way
def test_whichever_operation_fails_no_action_is_lost_and_none_stays_twice():
    assert wrong(extent("action_fault_points", 60, 1000)) == ""


def test_actions_that_are_not_begun_anew_after_a_turn_was_lost_are_found(monkeypatch):
    """The trap: a lost turn leaves its actions as they were, with a piece that has run."""
    recover = Room.recover

    def forgetful(room, ledger):
        pieces = [(queued, queued.piece, queued.waited) for queued in room._turn]
        recover(room, ledger)
        for queued, piece, waited in pieces:
            queued.piece, queued.waited = piece, waited

    monkeypatch.setattr(Room, "recover", forgetful)
    monkeypatch.setattr(faults, "SECONDS", 2.0)
    assert wrong(60)
