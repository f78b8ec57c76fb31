"""
R12: somebody brings more than the room can decide. It is read when there is room for it, and nothing of it is lost.
"""

from pathlib import Path

import psutil
import pytest

from partysync_server.room import QUEUED_BYTES
from tests.faults import slow
from tests.proof import note
from tests.server.stranger import Stranger, hello

FRAMES, BYTES = 120, 900_000  # three times what the room holds
BESIDE = 20e6  # bytes of memory beside the queue


@pytest.fixture
def server(on_path, start_server):
    on_path(Path(slow.__file__).parent)
    return start_server("--party", "slow:Slow")


@pytest.mark.timeout(120)
def test_a_flood_waits_outside_and_is_decided_as_a_whole(server, enter, wait_until):
    memory = psutil.Process(server.process.pid).memory_info
    with Stranger(server, "/parties/slow/r") as flood:
        flood.frame(hello("flood"))
        epoch = flood.hear()["epoch"]
        text = "x" * BYTES
        before, most = memory().rss, 0
        for mid in range(1, FRAMES + 1):
            flood.frame(
                {
                    "type": "push",
                    "epoch": epoch,
                    "mutations": [{"mid": mid, "name": "note", "args": {"id": str(mid), "text": text}}],
                }
            )
            most = max(most, memory().rss)
        with enter("r", at=server, party=slow.Slow) as room:  # others are greeted, and told, meanwhile
            wait_until(lambda: room.sql("SELECT count(*) AS n FROM notes")[0]["n"] == FRAMES, 60, "its end")
            assert room.sql("SELECT sum(size) AS size FROM notes")[0]["size"] == FRAMES * BYTES
        most = max(most, memory().rss)

    note("flood", megabytes=FRAMES * BYTES // 1_000_000, server_grew_mb=round((most - before) / 1e6))
    assert most - before < QUEUED_BYTES + BESIDE
