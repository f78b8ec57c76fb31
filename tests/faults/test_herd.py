"""
The server starts again, and everybody is back at once: each is told what it missed, and nobody the whole room.
"""

import statistics
import time

import pytest

from tests.faults.crowd import Crowd
from tests.proof import extent, note

HERD = extent("herd", 300, 500)
ROWS = 3_000  # in the room: about 0.3 MB for whoever would be sent them all
SECONDS = 30.0  # until everybody is back, on a machine that does much else


@pytest.mark.timeout(300)
@pytest.mark.alone
def test_everybody_comes_back_at_once_and_nobody_is_sent_the_whole_room(start_server, enter):
    """R4: by their cursor, over a restart and over a kill."""
    server = start_server("--sessions-per-person=0")
    room = enter("r", at=server)
    table = room.table("t", text=str)
    table.insert_many([{"text": "x" * 80}] * ROWS, progress=False).result(30)
    herd = Crowd(server, "r", HERD)
    try:
        first = herd.heard()
        assert first["snapshots"] == HERD
        took, told = [], []
        for end in (server.stop, server.kill):
            end()
            server.start()
            begun = time.monotonic()
            back, heard = [], []
            while len(back) < HERD:
                heard.append(herd.heard())
                back += heard[-1]["back"]
                assert time.monotonic() < begun + SECONDS, f"{len(back)} of {HERD} are back."
                time.sleep(0.05)  # between two looks
            took.append([when - begun for when in back])
            assert sum(each["snapshots"] for each in heard) == 0
            told.append(sum(each["bytes"] for each in heard))
            table.insert(id=f"after {end.__name__}", text="").result(8)
    finally:
        herd.end()

    everybody = sorted(took[0] + took[1])
    note(
        "herd",
        sessions=HERD,
        restarts=2,
        snapshots=0,
        back_median_s=round(statistics.median(everybody), 2),
        back_max_s=round(everybody[-1], 2),
        megabytes_told=round(sum(told) / 1e6, 1),
    )
    assert sum(told) < 2 * HERD * ROWS * 80 / 5  # of what all would be sent anew
