"""
R12: a hundred sessions that take nothing cost the server a bounded memory, and the hundred beside them no time.

Two servers, one with them and one without, get their edits in turn, so that a busy machine is as unfair to one as to
the other.
"""

import contextlib
import statistics
import time

import psutil
import pytest

from tests.faults.crowd import Crowd, stamp
from tests.proof import LONG, extent, note
from tests.server.stranger import Stranger, hello

SESSIONS = extent("stalled", 20, 100)  # that take nothing, and as many that take all
MEGABYTES = extent("stalled_megabytes", 60, 1_000)  # told to the latter, in all
FRAME = 20_000  # bytes of a delta
ROUND = 25  # edits of each server, with new sessions that take nothing; less time than until they are cut
PACE = 0.03  # seconds between two
BURST = 150  # edits without a pause: more than the system keeps for anybody
GROWTH = 0.6e6  # bytes of the server's memory for each that takes nothing, at most
BUFFER = 4_096  # bytes that the system takes for who does not read
PING = 20 if LONG else 5  # seconds
NOISE = 0.0 if LONG else 0.1  # seconds that a busy machine may add to a few edits


def p99(values):
    return sorted(values)[int(len(values) * 0.99)]


def write(rooms, edits, pace=PACE):
    """Edits in these rooms in turn, at a steady pace, each of which tells everybody the time."""
    for _ in range(edits):
        for room in rooms:
            begun = time.monotonic()
            room.table("t").update("clock", text=f"{stamp()}{'x' * FRAME}").result(20)
            time.sleep(max(0.0, begun + pace - time.monotonic()))  # the pace is what is set up


def stalled(server):
    """Somebody who says hello and reads no word of what follows."""
    stranger = Stranger(server, "/parties/main/r", buffer=BUFFER)
    stranger.frame(hello(f"stalled-{id(stranger)}"))
    return stranger


@pytest.fixture
def crowd():
    made = []

    def make(*args):
        made.append(Crowd(*args))
        return made[-1]

    yield make
    for each in made:
        each.end()


class Place:
    """A server with a room, a writer in it, and a crowd that reads."""

    def __init__(self, server, room, crowd):
        self.server, self.room, self.crowd = server, room, crowd
        room.table("t", text=str).insert(id="clock", text="").result(8)
        self.seconds, self.bytes = [], 0
        self._memory = psutil.Process(server.process.pid).memory_info

    def memory(self):
        return self._memory().rss

    def hear(self):
        heard = self.crowd.heard()
        self.seconds += heard["seconds"]
        self.bytes += heard["bytes"]
        return heard


@pytest.mark.timeout(600)
@pytest.mark.alone
def test_who_takes_nothing_costs_little_and_holds_up_nobody(start_server, enter, crowd, wait_until):
    places = []
    for _ in range(2):
        server = start_server(f"--ping={PING}")
        places.append(Place(server, enter("r", at=server, user="writer"), crowd(server, "r", SESSIONS)))
    (quiet, loaded), rooms = places, [place.room for place in places]
    server = loaded.server
    rounds = max(1, MEGABYTES * 1_000_000 // (2 * ROUND * SESSIONS * FRAME))
    write(rooms, ROUND)  # what is made once is made now
    for place in places:
        place.crowd.heard()
    before, most = loaded.memory(), 0
    for _ in range(rounds):
        with contextlib.ExitStack() as there:
            for _ in range(SESSIONS):
                there.enter_context(stalled(server))
            wait_until(lambda: server.sessions() == 2 * SESSIONS + 1, what="their coming")
            write(rooms, ROUND)
            most = max(most, loaded.memory())
            assert server.sessions() == 2 * SESSIONS + 1
        wait_until(lambda: server.sessions() == SESSIONS + 1, 20, "their end")
        for place in places:
            assert place.hear()["cut"] == 0
    with contextlib.ExitStack() as there:
        for _ in range(SESSIONS):
            there.enter_context(stalled(server))
        write([loaded.room], BURST, pace=0)
        most = max(most, loaded.memory())
        begun = time.monotonic()
        wait_until(lambda: server.sessions() == SESSIONS + 1, 2 * PING + 10, "the end of who takes nothing")
        cut_in = time.monotonic() - begun
    p99s = [p99(place.seconds) for place in places]

    note(
        "stalled readers",
        stalled=SESSIONS,
        live=SESSIONS,
        megabytes_told=round(sum(place.bytes for place in places) / 1e6),
        server_grew_mb=round((most - before) / 1e6, 1),
        p99_ms=round(p99s[1] * 1000, 1),
        p99_without_them_ms=round(p99s[0] * 1000, 1),
        ratio=round(p99s[1] / p99s[0], 2),
        ratio_of_medians=round(statistics.median(loaded.seconds) / statistics.median(quiet.seconds), 2),
        cut_within_s=round(cut_in, 1),
    )
    assert len(loaded.seconds) >= 0.9 * rounds * ROUND * SESSIONS  # some deltas tell of two edits
    assert most - before <= GROWTH * SESSIONS
    assert p99s[1] <= 2 * max(p99s[0], NOISE)
