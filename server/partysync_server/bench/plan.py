"""
The plan: which workload asks which system, in which order, and how long all of it may take.

Round after round, each round every size of every workload, and for each the systems one after the other, in an
order that turns with the rounds: ABC, BCA, CAB. So what the machine does meanwhile happens to all, and a run that is
cut short by its time has medians of everything.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .line import Cut
from .process import Failed
from .systems import SYSTEMS
from .workloads import WORKLOADS, Extent, Metric, Sample, Workload, shown

ALONE = "sqlite"  # no server: a floor that some workloads have


@dataclass
class Cell:
    """One workload, size and system: what every round gave."""

    workload: Workload
    size: int
    system: str
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def median(self, metric: Metric) -> float | None:
        """The median of the rounds; None if it failed in every one."""
        values = [each.values[metric.name] for each in self.samples]
        return statistics.median(values) if values else None

    @property
    def bottleneck(self) -> str:
        return self.samples[-1].bottleneck if self.samples else ""

    @property
    def notes(self) -> str:
        found = dict.fromkeys([*(each.note for each in self.samples if each.note), *self.failures])
        return "; ".join(list(found)[-2:])


@dataclass
class Plan:
    """See the module. ``minutes``: after so many nothing new is begun."""

    workloads: list[Workload]
    systems: list[str]
    rounds: int
    extent: Extent
    minutes: float
    cells: dict[tuple[str, int, str], Cell] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # systems, and what to type to have them measured
    cut_short: str = ""
    _hopeless: set[tuple[str, str]] = field(default_factory=set)  # it has failed at a smaller size

    def run(self) -> list[Cell]:
        """All that there is time for."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="partysync-bench-") as folder:
            for number, (turn, cell) in enumerate(self._steps()):
                if time.monotonic() - began > self.minutes * 60:
                    self.cut_short = f"Its {self.minutes:g} minutes were over in round {turn + 1} of {self.rounds}."
                    break
                self._measure(cell, Path(folder) / str(number))
        return list(self.cells.values())

    def _steps(self) -> Iterator[tuple[int, Cell]]:
        for turn in range(self.rounds):
            for workload in self.workloads:
                for size in workload.quick if self.extent.quick else workload.sizes:
                    if turn and size >= workload.once:
                        continue
                    asked = [name for name in workload.systems if name in self.systems]
                    first = turn % len(asked) if asked else 0
                    for name in asked[first:] + asked[:first]:
                        key = (workload.name, size, name)
                        yield turn, self.cells.setdefault(key, Cell(workload, size, name))

    def _measure(self, cell: Cell, folder: Path) -> None:
        if (cell.workload.name, cell.system) in self._hopeless:
            cell.failures.append("not tried: it failed at a smaller size")
            return
        began = time.monotonic()
        try:
            sample = cell.workload.measure(cell.system, cell.size, self.extent, folder)
        except (Failed, Cut, OSError, ValueError) as error:
            cell.failures.append(str(error)[:160])
            if len(cell.workload.sizes) > 1 and not cell.samples:
                self._hopeless.add((cell.workload.name, cell.system))
            said = f"FAILED: {error}"[:120]
        else:
            cell.samples.append(sample)
            said = ", ".join(f"{shown(sample.values[m.name])} {m.unit}" for m in cell.workload.metrics)
        size = f" {cell.size:,}" if cell.size else ""
        sys.stderr.write(f"{cell.workload.name}{size} {cell.system}: {said} [{time.monotonic() - began:.1f} s]\n")
        sys.stderr.flush()


def choose(only: list[str], systems: list[str], rounds: int, minutes: float, *, quick: bool) -> Plan:
    """The plan for what somebody typed. Raises Failed with the names that there are."""
    for given, known in ((only, [*WORKLOADS]), (systems, [*SYSTEMS, ALONE])):
        if unknown := [name for name in given if name not in known]:
            raise Failed(f"There is no {', '.join(unknown)}. There is: {', '.join(known)}.")
    asked = systems or [*SYSTEMS, ALONE]
    missing = {name: SYSTEMS[name].missing() for name in asked if name in SYSTEMS}
    left_out = {name: why for name, why in missing.items() if why}
    workloads = [workload for workload in WORKLOADS.values() if not only or workload.name in only]
    extent = Extent(seconds=0.7, writes=50, quick=True) if quick else Extent(seconds=3.0, writes=300, quick=False)
    return Plan(workloads, [name for name in asked if name not in left_out], rounds, extent, minutes, left_out=left_out)
