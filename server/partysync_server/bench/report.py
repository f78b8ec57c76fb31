"""
The report: ratios first, then the figures, as a table for a terminal, as Markdown, and as plain data.

A ratio says how many times better ours is, whichever way the metric goes: above 1 we are ahead, below 1 behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .plan import ALONE, Cell, Plan
from .systems import FULL, SYSTEMS
from .workloads import Metric, Workload, shown

TITLES = {**{name: system.title for name, system in SYSTEMS.items()}, ALONE: "floor: SQLite alone, the same triggers"}
DURABLE = {**{name: system.durable for name, system in SYSTEMS.items()}, ALONE: FULL}


@dataclass
class Line:
    """One system's row of one workload's table."""

    cell: Cell
    ratio: float | None  # ours to it, for the first metric; None for ours, or where either failed

    @property
    def title(self) -> str:
        return TITLES[self.cell.system]

    @property
    def figures(self) -> list[str]:
        return [shown(self.cell.median(metric)) for metric in self.cell.workload.metrics]

    @property
    def times(self) -> str:
        return "" if self.ratio is None else f"{self.ratio:.2f}" if self.ratio < 10 else f"{self.ratio:.0f}"


def tables(cells: Iterable[Cell]) -> Iterator[tuple[Workload, int, list[Line]]]:
    """For each workload and size: ours first, then the others by how far they are from it."""
    for (_, size), group in groupby(cells, key=lambda cell: (cell.workload.name, cell.size)):
        found = list(group)
        workload = found[0].workload
        ours = next((cell for cell in found if cell.system == "ours"), None)
        lines = [Line(cell, ratio(ours, cell, workload.metrics[0])) for cell in found]
        yield workload, size, sorted(lines, key=lambda line: (line.cell.system != "ours", line.ratio or 0.0))


def ratio(ours: Cell | None, other: Cell, metric: Metric) -> float | None:
    """How many times better ours is."""
    mine, theirs = ours.median(metric) if ours else None, other.median(metric)
    if ours is other or not mine or not theirs:
        return None
    return mine / theirs if metric.more else theirs / mine


def heading(workload: Workload, size: int) -> str:
    return f"{workload.title} ({workload.by}: {size:,})" if workload.by else workload.title


def terminal(plan: Plan, cells: list[Cell]) -> str:
    """For people who have just typed the command."""
    out = []
    for workload, size, lines in tables(cells):
        units = [f"{metric.name} {metric.unit}" for metric in workload.metrics]
        out += ["", f"{heading(workload, size)}: {workload.measures}"]
        out.append(f"  {'':<42}{'ours is':>9}" + "".join(f"{unit:>22}" for unit in units))
        for line in lines:
            times = f"{line.times} x" if line.times else ""
            out.append(f"  {line.title:<42}{times:>9}" + "".join(f"{figure:>22}" for figure in line.figures))
            said = "; ".join(filter(None, [line.cell.bottleneck, line.cell.notes]))
            if said:
                out.append(f"      {said}")
    out += ["", *(f"Not measured: {TITLES[name]}: {why}" for name, why in plan.left_out.items())]
    return "\n".join([*out, *filter(None, [plan.cut_short])])


def plain(plan: Plan, cells: list[Cell], about: dict[str, Any]) -> dict[str, Any]:
    """All of it as plain data."""
    return {
        **about,
        "rounds": plan.rounds,
        "quick": plan.extent.quick,
        "cut_short": plan.cut_short,
        "left_out": plan.left_out,
        "results": [
            {
                "workload": cell.workload.name,
                "size": cell.size,
                "system": cell.system,
                "durable": DURABLE[cell.system],
                "median": {metric.name: cell.median(metric) for metric in cell.workload.metrics},
                "units": {metric.name: metric.unit for metric in cell.workload.metrics},
                "rounds": [sample.values for sample in cell.samples],
                "bottleneck": cell.bottleneck,
                "notes": cell.notes,
                "failures": cell.failures,
            }
            for cell in cells
        ],
    }
