"""People in processes of their own, who do nothing but make entries in a tally (``tally``), whatever happens to it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.faults import tally

TALLY = Path(tally.__file__)


class Person:
    """One of them. They begin at once, and end when they are told to go on."""

    def __init__(self, server, who, *, url=None):
        self.who = who
        command = [sys.executable, str(TALLY), url or server.url, server.token, who]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.hear() == "ready"

    def hear(self):
        return self._process.stdout.readline().strip()

    def go_on(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def stop(self):
        """SIGSTOP: it is there, and does nothing at all."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self):
        self._process.send_signal(signal.SIGCONT)

    def memory(self):
        return psutil.Process(self._process.pid).memory_info().rss

    def end(self):
        self._process.kill()
        self._process.communicate()


class Reckoning:
    """What came of it all: what the people were told, what they see, and what stands in the file."""

    def __init__(self, server, people, **others):
        """``others``: what somebody else has made, by name, and was told of as it should be."""
        for person in people:
            person.go_on()
        self.outcomes = {person.who: json.loads(person.hear()) for person in people}
        for person in people:
            person.go_on()
        for who, made in others.items():
            refused = [n for n in made if n % tally.REFUSED == 0]
            self.outcomes[who] = {"accepted": sorted({*made} - {*refused}), "rejected": refused, "unsettled": []}
        self.digests = {person.hear() for person in people}
        server.stop()
        self.entries, self.version = tally.in_file(*server.files())
        told = {
            kind: {(who, n) for who, outcome in self.outcomes.items() for n in outcome[kind]}
            for kind in ("accepted", "rejected")
        }
        self.accepted, self.rejected = told["accepted"], told["rejected"]
        there = {(who, n) for who, n, _ in self.entries}
        self.lost = self.accepted - there
        self.doubled = [entry for entry in self.entries if entry[2] != 1]
        self.refused_there = there - self.accepted
        self.disorder = self._disorder()
        self.unsettled = [error for outcome in self.outcomes.values() for error in outcome["unsettled"]]

    def _disorder(self):
        """How many were made after one that came after them."""
        last, found = {}, 0
        for who, n, _ in self.entries:
            found += n <= last.get(who, 0)
            last[who] = n
        return found

    def check(self):
        """R1, R5, R6, R9."""
        assert not self.lost
        assert not self.doubled
        assert self.disorder == 0
        assert not self.refused_there
        assert self.unsettled == []
        assert self.rejected == {(who, n) for who, n in self.accepted | self.rejected if n % tally.REFUSED == 0}
        assert self.version == len(self.accepted) + len(self.rejected)  # each decision took a number, none took two
        assert len(self.digests) == 1
