"""
The server is killed with -9 in the middle of a burst from four people, and started again, twenty times.

R1, R5, R6, R9: what was accepted is there, once and in order; what was refused is not; everybody has heard of each of
theirs; every copy is the room's.
"""

import functools
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from tests.server import tally

TALLY = Path(tally.__file__)
KILLS = 20
SEED = 20261123


class Person:
    """One of the four, in a process of their own."""

    def __init__(self, server, who):
        self.who = who
        command = [sys.executable, str(TALLY), server.url, server.token, who]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.hear() == "ready"

    def hear(self):
        return self._process.stdout.readline().strip()

    def say_go_on(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self):
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def people(start_server, on_path):
    on_path(TALLY.parent)
    server = start_server("--party", "tally:Tally")
    came = [Person(server, who) for who in ("ann", "bob", "cat", "dan")]
    yield server, came
    for person in came:
        person.end()


def rows_in_file(server):
    """What the room's file holds, read by SQLite and nothing of ours. The server has stopped."""
    (file,) = server.files()
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.pragma("integrity_check") == "ok"
    entries = connection.execute("SELECT who, n, times FROM entries").fetchall()
    disorder = connection.execute("SELECT sum(disorder) FROM people").get
    version = connection.execute("SELECT value FROM _partysync_meta WHERE key = 'version'").get
    connection.close()
    return entries, disorder, version


@pytest.mark.timeout(170)
def test_twenty_kills_in_a_burst_lose_nothing_and_double_nothing(people, enter, wait_until):
    server, four = people
    chance = random.Random(SEED)
    watcher = enter("tally", at=server, party=tally.Tally)

    def progress():
        return {row["id"]: row["last"] for row in watcher.table("people").records}

    def all_beyond(before):
        return all(last > before[who] for who, last in progress().items())

    downs = []
    for _ in range(KILLS):
        before = wait_until(lambda: len(found := progress()) == 4 and found)
        wait_until(functools.partial(all_beyond, before), 20, "going on after a kill")
        time.sleep(chance.uniform(0.0, 0.3))  # chance, not waiting: the kill comes at any moment
        server.kill()
        begun = time.monotonic()
        server.start()
        downs.append(time.monotonic() - begun)
    for person in four:
        person.say_go_on()
    outcomes = {person.who: json.loads(person.hear()) for person in four}
    for person in four:
        person.say_go_on()
    digests = {person.hear() for person in four}
    watcher.sync(20)
    digests.add(tally.digest(watcher))
    server.stop()
    entries, disorder, version = rows_in_file(server)

    accepted = {(who, n) for who, outcome in outcomes.items() for n in outcome["accepted"]}
    rejected = {(who, n) for who, outcome in outcomes.items() for n in outcome["rejected"]}
    there = {(who, n) for who, n, _ in entries}
    lost, doubled = accepted - there, [entry for entry in entries if entry[2] != 1]
    print(
        f"\n{KILLS} kills (seed {SEED}): {len(accepted)} accepted, {len(lost)} lost, {len(doubled)} doubled, "
        f"{len(rejected)} rejected, {disorder} out of order; back in {max(downs):.2f} s at most"
    )
    assert not lost
    assert not doubled
    assert disorder == 0
    assert there == accepted  # and nothing that was refused
    assert [error for outcome in outcomes.values() for error in outcome["unsettled"]] == []
    assert rejected == {(who, n) for who, n in accepted | rejected if n % tally.REFUSED == 0}
    assert version == len(accepted) + len(rejected)  # each decision took a number, none took two
    assert len(digests) == 1
    assert len(accepted) > 100 * KILLS  # it was a burst
