"""
The page: ``performance.md``, made anew by every whole run, with its plots beside it.
"""

from __future__ import annotations

from typing import Any

from .plan import Cell, Plan
from .report import DURABLE, TITLES, tables

HEAD = """\
# Performance

*Written by `make bench` (`partysync bench`); what is changed here by hand is lost with the next run.*

The same work for every system, started by the benchmark itself, one after the other, on one machine; medians of
{rounds} interleaved rounds (one for what takes minutes).{cut_short}

Trust the ratios: **ours is** says how many times better PartySync is, in the first figure of its row; below 1 it is
behind. The floors are no products: they are what Tornado, or SQLite, does with the same bytes when nothing else is
done.

{about}

Who writes is the system's own client where that matters (TinyBase), and else raw frames of its protocol, so that it is
the server that is measured: ours as a kernel sends them (a burst of mutations in one frame), Yjs's as a provider does
(an update for each row; for both of its servers pycrdt makes the updates). Observers count rows in the bytes that
arrive.

| system | was an acknowledged write durable? |
| --- | --- |
{durable}
"""


def page(plan: Plan, cells: list[Cell], about: dict[str, Any], plots: list[str]) -> str:
    """The whole of it, as Markdown. ``plots``: names of the workloads that have one."""
    used = dict.fromkeys(cell.system for cell in cells)
    out = [
        HEAD.format(
            rounds=plan.rounds,
            cut_short=plan.cut_short and f" {plan.cut_short}",
            about=_about(about),
            durable="\n".join(f"| {TITLES[name]} | {DURABLE[name]} |" for name in used),
        )
    ]
    before = ""
    for workload, size, lines in tables(cells):
        if workload.name != before:
            before = workload.name
            out.append(f"\n## {workload.title}\n\nMeasured: {workload.measures}.\n")
            if workload.name in plots:
                out.append(f"![{workload.title}](images/bench-{workload.name}.png)\n")
        if workload.by:
            out.append(f"**{workload.by.capitalize()}: {size:,}**\n")
        units = [f"{metric.name}, {metric.unit}" for metric in workload.metrics]
        out.append(f"| system | ours is | {' | '.join(units)} | bottleneck |")
        out.append(f"| --- | --: | {'--: | ' * len(units)}--- |")
        for line in lines:
            said = "; ".join(filter(None, [line.cell.bottleneck, line.cell.notes])).replace("|", "/")
            times = f"{line.times} times" if line.times else ""
            out.append(f"| {line.title} | {times} | {' | '.join(line.figures)} | {said} |")
        out.append("")
    for name, why in plan.left_out.items():
        out.append(f"Not measured: {TITLES[name]}, which was not installed (`{why}`).")
    return "\n".join(out).rstrip() + "\n"


def _about(about: dict[str, Any]) -> str:
    machine, software = about["machine"], about["software"]
    commit = f" at commit {about['commit']}" if about["commit"] else ""
    return (
        f"{about['date']}, version {about['version']}{commit}. {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory']}, {machine['system']}; its load was {machine['load']} at the beginning. "
        + ", ".join(f"{name} {version}" for name, version in software.items())
        + "."
    )
