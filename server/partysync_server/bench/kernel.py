"""
What is measured of a kernel: the rebase of its replica, and how fast a whole one feeds its browser.

The server's packages know nothing of a kernel but ``core``, so the whole one is a process: ``partysync_widget.pace``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from partysync_widget.core import messages as m
from partysync_widget.core.party import Main
from partysync_widget.core.replica import Replica

from .process import Failed, Process
from .systems import Running
from .tongues import TABLE

DELTAS = 30
COLUMN = m.Column(name="text", type="text")


def live_replica(rows: int) -> Replica:
    """One that holds so many rows, at version 1."""
    replica = Replica(Main, "me", typed=False)
    replica.opened("spare")
    limits = m.Limits(1 << 20, 256)
    mutators = [*Main.built_in]
    welcome = m.Welcome(m.PROTOCOL, "epoch", 1, 0, limits, Main.fingerprint(), mutators)
    spec = m.TableSpec(name=TABLE, columns=(COLUMN,))
    put = [[n + 1, f"r{n:07}", f"row {n} of many"] for n in range(rows)]
    part = m.Part([m.TableChange(TABLE, ["text"], put)])
    step = replica.receive([welcome, m.Begin("epoch", None, [spec]), part, m.End(1, parts=1)])
    if step.failed:
        raise step.failed
    return replica


def rebase(pending: int, rows: int) -> float:
    """Seconds, the median of many deltas of one row each, into a replica of ``rows`` with ``pending`` edits."""
    replica = live_replica(rows)
    for number in range(pending):
        id = f"r{number % rows:07}" if number % 2 else f"mine{number}"
        name = "update" if number % 2 else "insert"
        replica.mutate(name, {"table": TABLE, "id": id, "values": {"text": f"mine, {number}"}})
    times = []
    for number in range(DELTAS):
        version = 2 + number
        put = [[rows + version, f"theirs{number}", "theirs"]]
        delta = m.Delta("epoch", version - 1, version, [m.TableChange(TABLE, ["text"], put, by=["them"])])
        began = time.perf_counter()
        replica.receive([delta])
        times.append(time.perf_counter() - began)
    if replica.cursor != DELTAS + 1 or len(replica.pending) != pending:
        raise Failed("The replica did not take the deltas.")
    return statistics.median(times)


class Pace:
    """The process that is a kernel with a browser."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def told(self, rows: int) -> tuple[int, int, float]:
        """When the browser has been told so many rows: how many, in how many messages, in how many seconds."""
        self.process.say(f"tell {rows}")
        told, messages, seconds = self.process.heard().split()
        return int(told), int(messages), float(seconds)

    def edits(self, count: int) -> tuple[float, float]:
        """So many edits, one by one: median seconds until one shows here, and until it is decided."""
        self.process.say(f"edit {count}")
        shown, decided = self.process.heard().split()
        return float(shown), float(decided)


@contextmanager
def pace(running: Running) -> Iterator[Pace]:
    """A kernel in the room, that shows its table in a browser."""
    command = [sys.executable, "-m", "partysync_widget.pace", f"http://127.0.0.1:{running.port}", running.room, TABLE]
    process = Process(command, running.folder / "log-kernel", environment={"PARTYSYNC_TOKEN": running.token})
    try:
        if process.heard() != "ready":
            raise Failed("The kernel did not get ready.")
        yield Pace(process)
    finally:
        process.stop()
