"""
Plots: one picture for each workload, every system a line over its sizes, or a bar where there is one size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .plan import Cell
from .report import TITLES
from .workloads import shown

COLOURS = {
    "ours": "#0969da",
    "bare": "#8c959f",
    "echo": "#d0d7de",
    "sqlite": "#57606a",
    "pycrdt": "#cf222e",
    "tinybase": "#bf8700",
    "tinybase-memory": "#eac54f",
    "y-websocket": "#8250df",
}


def draw(cells: list[Cell], folder: Path) -> list[str]:
    """PNG files ``bench-<workload>.png``; the names of the workloads. Raises ImportError without matplotlib."""
    import matplotlib  # noqa: ICN001, PLC0415  # in the extra `bench`

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # likewise

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name in dict.fromkeys(cell.workload.name for cell in cells):
        found = [cell for cell in cells if cell.workload.name == name and cell.samples]
        if not found:
            continue
        figure, axes = plt.subplots(figsize=(8, 4), dpi=120, layout="constrained")
        if len({cell.size for cell in found}) > 1:
            _lines(axes, found)
        else:
            _bars(axes, found)
        metric = found[0].workload.metrics[0]
        better = "more is better" if metric.more else "less is better"
        axes.set_title(found[0].workload.title, loc="left", fontsize=11)
        figure.supylabel(f"{metric.name}, {metric.unit} ({better})", fontsize=9)
        figure.savefig(folder / f"bench-{name}.png", metadata={"Software": None})
        plt.close(figure)
        drawn.append(name)
    return drawn


def _lines(axes: Any, cells: list[Cell]) -> None:
    metrics = cells[0].workload.metrics
    axes.set_xlabel(cells[0].workload.by, fontsize=9)
    for system in dict.fromkeys(cell.system for cell in cells):
        own = sorted((cell for cell in cells if cell.system == system), key=lambda cell: cell.size)
        sizes, colour = [cell.size for cell in own], COLOURS[system]
        width = 2.5 if system == "ours" else 1.2
        axes.plot(sizes, [cell.median(metrics[0]) for cell in own], "o-", color=colour, lw=width, label=TITLES[system])
        if len(metrics) > 1 and metrics[1].unit == metrics[0].unit and not metrics[0].more:
            axes.plot(sizes, [cell.median(metrics[1]) for cell in own], "x:", color=colour, lw=width / 2)
            axes.set_xlabel(f"{cells[0].workload.by}; dotted: {metrics[1].name}", fontsize=9)
    axes.set_xscale("symlog" if any(cell.size == 0 for cell in cells) else "log")
    axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.25)
    axes.legend(fontsize=7)


def _bars(axes: Any, cells: list[Cell]) -> None:
    metric = cells[0].workload.metrics[0]
    own = sorted(cells, key=lambda cell: cell.median(metric) or 0.0, reverse=not metric.more)
    values = [cell.median(metric) or 0.0 for cell in own]
    bars = axes.barh([TITLES[cell.system] for cell in own], values, color=[COLOURS[cell.system] for cell in own])
    axes.bar_label(bars, [shown(value) for value in values], padding=3, fontsize=8)
    axes.margins(x=0.15)
    axes.tick_params(labelsize=8)
