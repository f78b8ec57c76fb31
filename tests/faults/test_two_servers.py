"""
Two servers want the same rooms: one has them, the other says who does, and nobody's rows are written by both.

A folder has one owner, and so has each room's file, should two folders lead to it.
"""

import os
import subprocess
import sys

import pytest

import partysync_widget as ps
from tests.conftest import TOKEN
from tests.proof import extent, note

RACES = extent("server_races", 3, 15)  # of whole servers
WRITER_RACES = extent("writer_races", 100, 1_000)  # of what a server does to have a folder and a room
CONTENDERS = 3


def begin(folder):
    """A server on that folder, at a port of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "partysync_server", "serve", "--data", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PARTYSYNC_TOKEN": TOKEN},
    )


@pytest.mark.timeout(60 + 10 * RACES)
def test_of_servers_that_start_together_one_has_the_folder_and_the_others_say_so(tmp_path):
    folder = tmp_path / "rooms"
    winners = []
    for _ in range(RACES):
        started = [begin(folder) for _ in range(CONTENDERS)]
        try:
            said = [each.stdout.readline() for each in started]  # its address, or nothing at its end
            (winner,) = [each for each, line in zip(started, said, strict=True) if line.startswith("Rooms at http")]
            for other in started:
                if other is not winner:
                    _, error = other.communicate(timeout=20)
                    assert other.returncode == 1
                    # Who has the lock may not have said yet who it is.
                    assert f"in use by the partysync server with process id {winner.pid}." in error or (
                        "in use by another process." in error
                    )
                    assert "Traceback" not in error
            winners.append(started.index(winner))
        finally:
            for each in started:
                each.kill()
                each.communicate()
    note("two servers", races=RACES, contenders=CONTENDERS, with_one_owner=len(winners))


def test_the_second_names_the_owner_and_does_not_disturb_it(start_server, enter):
    first = start_server()
    table = enter("r", at=first).table("t", x=int)
    table.insert(x=1).result(8)
    second = begin(first.data)
    _, error = second.communicate(timeout=20)

    assert second.returncode == 1
    assert f"is in use by the partysync server with process id {first.process.pid}. Stop that, or use another." in error
    assert table.insert(x=2).result(8) is None
    assert table.room.status == "live"


def test_a_room_that_another_server_has_open_is_refused_with_a_sentence(start_server, enter, wait_until):
    """Two folders that share its file, by a hard link: a symbolic one is not followed."""
    first, second = start_server("--idle-room=0.1"), start_server()
    there = enter("r", at=first)
    table = there.table("t", x=int)
    table.insert(id="one", x=1).result(8)
    (file,) = first.files()
    linked = second.data / file.relative_to(first.data)
    linked.parent.mkdir(parents=True)
    linked.hardlink_to(file)

    with pytest.raises(ps.NotConnected, match=r"Another process has the room's file r-\w+\.db open"):
        enter("r", at=second)
    assert table.insert(id="two", x=2).result(8) is None
    there.close()

    def entered():
        try:
            return enter("r", at=second)
        except ps.NotConnected:
            return None

    assert list(wait_until(entered, what="the file that is let go").table("t")) == ["one", "two"]


RACER = """
import os, sys, time
from pathlib import Path
from partysync_server.ledger import Ledger
from partysync_widget.core import messages as m
from partysync_widget.core.claim import Claim
from partysync_widget.core.errors import StorageFailed
from partysync_widget.core.party import Main

folder, me, races = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
won = refused = 0
while won < races:
    try:
        claim = Claim(folder / "server.lock", me, what="The folder")
    except StorageFailed:
        refused += 1
        continue
    inside = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)  # fails if somebody else is
    ledger = Ledger(folder / "rooms" / "main" / "r.db", Main, f"{me}-{won}", room="r")
    before = ledger.version
    ledger.begin()
    name = f"{me}{won}"
    ledger.decide(name, "token", m.Mutation(1, "create_table", {"name": name, "columns": []}))
    ledger.seal()
    ledger.commit()
    assert ledger.version == before + 1
    ledger.close()
    os.close(inside)
    os.unlink(folder / "inside")
    claim.release()
    won += 1
    time.sleep(0.0005)  # the others' turn
print(won, refused)
"""


@pytest.mark.timeout(60 + WRITER_RACES)
def test_in_a_thousand_races_there_are_never_two_writers(tmp_path):
    each = WRITER_RACES // CONTENDERS + 1
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), f"racer{n}x", str(each)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(CONTENDERS)
    ]
    said = [racer.communicate(timeout=50 + WRITER_RACES) for racer in racers]

    assert [error for _, error in said] == [""] * CONTENDERS
    found = [tuple(map(int, line.split())) for line, _ in said]
    won, refused = (sum(column) for column in zip(*found, strict=True))
    from partysync_server.ledger import Ledger
    from partysync_widget.core.party import Main

    ledger = Ledger(tmp_path / "rooms" / "main" / "r.db", Main, "the-end", room="r")
    version = ledger.version
    ledger.close()
    note("two writers", races=won, refused=refused, double_writers=0 if version == won else "some")
    assert version == won == each * CONTENDERS
    assert refused > 0
