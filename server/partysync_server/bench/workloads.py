"""
Workloads: each one question, asked of every system that it can be asked of, in a number or two.

A workload starts what it measures and stops it. ``sizes`` are what its figures grow with; the first metric is the one
that systems are compared by.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from partysync_widget.core.replica import Replica

from . import bare, joiner, kernel
from .crowd import Crowd, Flow
from .systems import SYSTEMS, NodeWriter, Running
from .tongues import PER_PUSH, Yjs

WINDOW = 2_048  # rows under way, of whoever writes as fast as it goes
SMALL_WINDOW = 4  # for frames to be counted: more would travel together
WHOLE_ROWS = 16_384  # of a table that a browser is told whole
PER_SECOND = 50  # writes, where delays are measured
SOCKETS = ("ours", "bare", "echo", "pycrdt", "tinybase", "tinybase-memory", "y-websocket")
PEERS_THAT_KEEP = ("ours", "bare", "pycrdt", "tinybase", "tinybase-memory", "y-websocket")


@dataclass(frozen=True)
class Metric:
    """A number with its unit. ``more``: a larger one is better."""

    name: str
    unit: str
    more: bool = False


def shown(value: float | None) -> str:
    """Three figures that mean something."""
    if value is None:
        return "failed"
    if abs(value) >= 100:
        return f"{round(value, 2 - len(str(int(abs(value)))) + 1):,.0f}"
    return f"{value:.3g}"


@dataclass
class Sample:
    """What one measuring gave: numbers by metric, and what kept them from being better."""

    values: dict[str, float]
    bottleneck: str = ""
    note: str = ""


@dataclass(frozen=True)
class Extent:
    """How long a run measures: seconds of each flow, writes of each series of delays."""

    seconds: float
    writes: int
    quick: bool


@dataclass(frozen=True)
class Workload:
    """See the module. ``measure`` is called with a system's name, a size, an extent, and a folder of its own."""

    name: str
    title: str
    measures: str
    by: str  # what a size counts
    metrics: tuple[Metric, ...]
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    systems: tuple[str, ...]
    measure: Callable[[str, int, Extent, Path], Sample] = field(repr=False)
    once: int = 1 << 60  # sizes from here on are measured in the first round only: they take minutes


class Watch:
    """Processor time of the server, of the load and of everybody else, while something is measured."""

    def __init__(self, running: Running, *others: object) -> None:
        self._running = running
        self._others = [each.process for each in others if isinstance(each, NodeWriter)]
        self._began, self._before = time.perf_counter(), self._used()

    def _used(self) -> tuple[float, float, float]:
        """Seconds so far: of the server, of the load, of the whole machine."""
        machine = psutil.cpu_times()
        load = time.process_time() + sum(each.cpu() for each in self._others)
        return self._running.process.cpu(), load, sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)

    def bottleneck(self) -> str:
        """Who was busy, and so what the figure is a figure of."""
        passed = time.perf_counter() - self._began
        pairs = zip(self._used(), self._before, strict=True)
        server, load, machine = ((after - before) / passed for after, before in pairs)
        others = max(machine - server - load, 0.0)
        if server > 0.8:
            who = "the server's processor time"
        elif load > 0.8:
            who = "the load generator"
        elif others > 0.5:
            who = "other programs on this machine"
        elif self._running.system.durable.startswith("yes"):
            who = "the disk and what waits for it"
        else:
            who = "waiting for each other"
        return f"{who} (server {server:.0%}, load {load:.0%}, others {others:.0%} of a core)"


def _note(flow: Flow) -> str:
    return "" if flow.arrived == 1 else f"{flow.arrived:.0%} of what was written had arrived"


# --- writing ----------------------------------------------------------------------------------------------------------


def writing(writers: int) -> Callable[[str, int, Extent, Path], Sample]:
    """From so many writers, all of whom are told of all rows; into a table of so many rows."""

    def measure(system: str, rows: int, extent: Extent, folder: Path) -> Sample:
        if system == "sqlite":
            folder.mkdir(parents=True)
            per_second = bare.commit_rows(folder / "rows.db", int(20_000 * extent.seconds), PER_PUSH, filled=rows)
            return Sample({"writes": per_second}, "the disk, and SQLite", f"in groups of {PER_PUSH}")
        with SYSTEMS[system].running(folder) as running, Crowd() as crowd:
            running.fill(rows)
            running.observe(crowd)
            them = running.writers(crowd, writers)
            watch = Watch(running, *them)
            flow = crowd.pipelined(them, extent.seconds, window=WINDOW, burst=PER_PUSH)
            group = flow.rows / max(flow.frames, 1)
            said = [f"{group:.0f} rows in a frame"] if system in ("ours", "bare") else []
            return Sample(
                {"writes": flow.rows / flow.seconds},
                watch.bottleneck(),
                "; ".join([*said, *filter(None, [_note(flow)])]),
            )

    return measure


def one_by_one(system: str, rows: int, extent: Extent, folder: Path) -> Sample:
    """Each when the one before has been seen."""
    if system == "sqlite":
        folder.mkdir(parents=True)
        per_second = bare.commit_rows(folder / "rows.db", int(1_000 * extent.seconds), 1, filled=rows)
        return Sample({"writes": per_second}, "the disk", "one row in each transaction")
    with SYSTEMS[system].running(folder) as running, Crowd() as crowd:
        running.fill(rows)
        running.observe(crowd)
        (writer,) = running.writers(crowd)
        crowd.one_by_one(writer, 0.2)
        watch = Watch(running, writer)
        times = crowd.one_by_one(writer, extent.seconds)
        return Sample({"writes": 1 / statistics.fmean(times)}, watch.bottleneck())


# --- telling ----------------------------------------------------------------------------------------------------------


def delay(system: str, observers: int, extent: Extent, folder: Path) -> Sample:
    """From the writing of a row to its arrival."""
    with SYSTEMS[system].running(folder) as running, Crowd() as crowd:
        running.fill(0)
        running.observe(crowd, observers)
        (writer,) = running.writers(crowd)
        crowd.paced(writer, PER_SECOND, 20, 30.0)
        watch = Watch(running, writer)
        times = crowd.paced(writer, PER_SECOND, extent.writes, 30.0)
        values = {"median": times[len(times) // 2] * 1e3, "p99": times[len(times) * 99 // 100] * 1e3}
        return Sample(values, watch.bottleneck())


def deliveries(*, window: int, burst: int) -> Callable[[str, int, Extent, Path], Sample]:
    """To so many observers, rows written in such bursts."""

    def measure(system: str, observers: int, extent: Extent, folder: Path) -> Sample:
        with SYSTEMS[system].running(folder) as running, Crowd() as crowd:
            running.fill(0)
            running.observe(crowd, observers)
            them = running.writers(crowd)
            watch = Watch(running, *them)
            flow = crowd.pipelined(them, extent.seconds, window=window, burst=burst)
            values = {"frames": flow.frames / flow.seconds, "rows": flow.deliveries / flow.seconds}
            return Sample(values, watch.bottleneck(), _note(flow))

    return measure


# --- joining ----------------------------------------------------------------------------------------------------------


def first_sync(system: str, rows: int, extent: Extent, folder: Path) -> Sample:  # noqa: ARG001  # the common signature
    """A replica that answers, in a process of its own."""
    with SYSTEMS[system].running(folder) as running:
        running.fill(rows)
        before = running.process.memory()
        took, size, memory = running.join(rows)
        grown = running.process.memory() - before
        values = {"seconds": took, "megabytes": size / 1e6, "replica": memory / 1e6, "server": max(grown, 0) / 1e6}
        return Sample(values)


def catch_up(system: str, changes: int, extent: Extent, folder: Path) -> Sample:
    """Somebody who has been away while so many rows were written into a table of many comes back."""
    rows = 2_000 if extent.quick else 100_000
    with SYSTEMS[system].running(folder) as running:
        running.fill(rows)
        held: object
        if system == "ours":
            line, held = joiner.ours(running.port, running.room, running.token, rows)
        else:
            line, held = joiner.yjs(running.port, running.room, rows)
        line.close()
        with Crowd() as crowd:
            running.observe(crowd)
            (writer,) = running.writers(crowd)
            writer.write(changes)
            seen = crowd.observers[0]
            crowd.until(lambda: seen.rows >= changes, 60.0, "the rows to be written")
        began = time.perf_counter()
        if isinstance(held, Yjs):
            line, _ = joiner.yjs(running.port, running.room, rows + changes, held)
        elif isinstance(held, Replica):
            line, _ = joiner.ours(running.port, running.room, running.token, rows + changes, held)
        took = time.perf_counter() - began
        line.close()
        return Sample({"milliseconds": took * 1e3, "kilobytes": line.received / 1e3})


# --- what it costs to be there ----------------------------------------------------------------------------------------


def sessions(system: str, count: int, extent: Extent, folder: Path) -> Sample:  # noqa: ARG001  # the common signature
    """So many in one room who do nothing."""
    with SYSTEMS[system].running(folder) as running, Crowd() as crowd:
        running.fill(0)
        running.observe(crowd, 10)
        before = running.process.memory()
        running.observe(crowd, count)
        time.sleep(1.0)  # for what was needed only to let them in
        grown = running.process.memory() - before
        return Sample({"kilobytes": grown / count / 1e3})


def rooms(system: str, count: int, extent: Extent, folder: Path) -> Sample:  # noqa: ARG001  # the common signature
    """So many rooms opened, one after the other, and left."""
    with SYSTEMS[system].running(folder) as running:
        for number in range(10):
            _visit(running, f"warm-{number}")
        before, began = running.process.memory(), time.perf_counter()
        for number in range(count):
            _visit(running, f"room-{number}")
        took = time.perf_counter() - began
        time.sleep(1.0)  # for what was needed only to let somebody in
        grown = running.process.memory() - before
        return Sample({"kilobytes": grown / count / 1e3, "milliseconds": took / count * 1e3})


def _visit(running: Running, room: str) -> None:
    running.room = room
    with Crowd() as crowd:
        running.observe(crowd)


def start(system: str, _size: int, extent: Extent, folder: Path) -> Sample:  # noqa: ARG001  # the common signature
    """From the command to the first client that is in step with a room."""
    with SYSTEMS[system].running(folder) as running, Crowd() as crowd:
        running.observe(crowd)
        return Sample({"milliseconds": (time.perf_counter() - running.process.began) * 1e3})


# --- in the kernel ----------------------------------------------------------------------------------------------------


def rebase(_system: str, pending: int, extent: Extent, _folder: Path) -> Sample:
    """A delta of somebody else's arrives at a replica with so many edits that are not decided."""
    values = {
        "small": kernel.rebase(pending, 100) * 1e3,
        "large": kernel.rebase(pending, 10_000 if extent.quick else 200_000) * 1e3,
    }
    return Sample(values, "the kernel's processor time")


def browser(system: str, _size: int, extent: Extent, folder: Path) -> Sample:
    """Rows of somebody else's, from the server through a whole kernel to what goes to the browser."""
    with SYSTEMS[system].running(folder) as running, Crowd() as crowd:
        running.fill(0)
        running.observe(crowd)
        them = running.writers(crowd)
        with kernel.pace(running) as pace:
            most = 4_096 if extent.quick else WHOLE_ROWS
            flow = crowd.pipelined(them, 60.0, window=WINDOW, burst=PER_PUSH, most=most)
            rows, messages, seconds = pace.told(flow.rows)
        return Sample({"rows": rows / seconds, "messages": messages / seconds}, "the kernel's processor time")


def edit(system: str, rows: int, extent: Extent, folder: Path) -> Sample:
    """One edit at a time in a whole kernel, of a table of so many rows that a browser shows."""
    with SYSTEMS[system].running(folder) as running:
        running.fill(rows)
        with kernel.pace(running) as pace:
            shown, decided = pace.edits(extent.writes)
        return Sample({"shown": shown * 1e3, "decided": decided * 1e3})


PER_S = "a second"
WRITES = (Metric("writes", PER_S, more=True),)


def _workloads() -> Sequence[Workload]:
    with_disk = (*SOCKETS[:2], "sqlite", *SOCKETS[2:])
    return (
        Workload(
            "write",
            "Accepted mutations, one client, pipelined",
            "rows from one writer until another client has seen them, as many under way as it likes",
            "rows in the table",
            WRITES,
            (0, 10_000, 100_000),
            (0,),
            with_disk,
            writing(1),
        ),
        Workload(
            "write-ten",
            "Accepted mutations, ten clients, pipelined",
            "the same from ten writers in one room, each of whom is told of all rows",
            "rows in the table",
            WRITES,
            (0,),
            (0,),
            SOCKETS,
            writing(10),
        ),
        Workload(
            "write-alone",
            "Accepted mutations, one at a time",
            "rows from one writer, each when another client has seen the one before",
            "rows in the table",
            WRITES,
            (0, 100_000),
            (0,),
            with_disk,
            one_by_one,
        ),
        Workload(
            "delay",
            f"Delay at {PER_SECOND} writes a second",
            "from the writing of a row to its arrival at each observer",
            "observers",
            (Metric("median", "ms"), Metric("p99", "ms")),
            (1, 10, 100, 500),
            (1, 50),
            SOCKETS,
            delay,
        ),
        Workload(
            "frames",
            "Deliveries of single rows",
            f"frames to all observers, at most {SMALL_WINDOW} rows under way",
            "observers",
            (Metric("frames", PER_S, more=True), Metric("rows", PER_S, more=True)),
            (10, 100, 1_000),
            (100,),
            SOCKETS,
            deliveries(window=SMALL_WINDOW, burst=1),
        ),
        Workload(
            "rows",
            "Deliveries of many rows",
            "row changes to all observers, as many under way as the writer likes; deltas may coalesce",
            "observers",
            (Metric("rows", PER_S, more=True), Metric("frames", PER_S, more=True)),
            (100, 1_000),
            (100,),
            SOCKETS,
            deliveries(window=WINDOW, burst=PER_PUSH),
        ),
        Workload(
            "join",
            "First sync",
            "from the first byte to a replica that answers a query, in a new process",
            "rows in the table",
            (Metric("seconds", "s"), Metric("megabytes", "MB"), Metric("replica", "MB"), Metric("server", "MB")),
            (10_000, 100_000, 1_000_000),
            (10_000,),
            PEERS_THAT_KEEP,
            first_sync,
            once=1_000_000,
        ),
        Workload(
            "return",
            "Catching up after being away",
            "from the first byte to a replica that has what was written meanwhile",
            "rows written meanwhile",
            (Metric("milliseconds", "ms"), Metric("kilobytes", "kB")),
            (1, 100, 10_000),
            (100,),
            ("ours", "pycrdt", "y-websocket"),
            catch_up,
        ),
        Workload(
            "rebase",
            "Rebase",
            "a delta taken by a replica with pending edits: rolled back, applied, replayed",
            "pending edits",
            (Metric("small", "ms"), Metric("large", "ms")),
            (1, 10, 100, 1_000),
            (1, 100),
            ("ours",),
            rebase,
        ),
        Workload(
            "sessions",
            "Memory of an idle session",
            "memory of the server that so many sessions more take, for each",
            "sessions",
            (Metric("kilobytes", "kB"),),
            (100, 1_000),
            (100,),
            SOCKETS,
            sessions,
        ),
        Workload(
            "rooms",
            "Memory of an idle room, and its opening",
            "memory of the server that so many rooms take, for each, when nobody is in them any more, and the time to "
            "enter; ours keeps 1,000 of them open, and opens the others on demand",
            "rooms",
            (Metric("kilobytes", "kB"), Metric("milliseconds", "ms")),
            (100, 1_000, 10_000),
            (50,),
            ("ours", "pycrdt", "tinybase", "y-websocket"),
            rooms,
            once=10_000,
        ),
        Workload(
            "start",
            "Start to first answer",
            "from the command to the first client that is in step with a new room",
            "",
            (Metric("milliseconds", "ms"),),
            (0,),
            (0,),
            SOCKETS,
            start,
        ),
        Workload(
            "edit",
            "An edit in a notebook",
            "from the call to when the edit shows here, and to when it is decided; a whole kernel, one edit at a time",
            "rows in the table",
            (Metric("shown", "ms"), Metric("decided", "ms")),
            (0, 10_000, 100_000),
            (0, 2_000),
            ("ours",),
            edit,
        ),
        Workload(
            "browser",
            "Kernel to browser",
            "rows that a whole kernel takes from the server and tells its browser, in messages of at most 60 a second",
            "",
            (Metric("rows", PER_S, more=True), Metric("messages", PER_S, more=True)),
            (0,),
            (0,),
            ("ours",),
            browser,
        ),
    )


WORKLOADS = {workload.name: workload for workload in _workloads()}
