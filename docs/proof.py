"""
Writes docs/proof.md: what ``make proof`` has measured, on which machine and commit, and what is not promised.

``.venv/bin/python docs/proof.py build/figures.jsonl``: one line of JSON for each suite (``tests/proof.py``).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import tornado

TOP = Path(__file__).parents[1]
PAGE = TOP / "docs" / "proof.md"
MARK = "<!-- figures -->"

# Which suites stand under which head, in order; a suite's name is how it calls itself in ``note``.
HEADS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Simulation": ("`tests/convergence`", ("simulation", "planted faults")),
    "Power and disks": (
        "`tests/power`",
        ("power loss", "disk faults", "a bit flipped", "zeroed", "cut,", "noise", "a file"),
    ),
    "Histories": ("`tests/histories`", ("histories",)),
    "Real processes": (
        "`tests/faults`",
        ("kill -9", "server stopped", "kernel", "fault proxy", "stalled", "herd", "flood", "two"),
    ),
    "Hostile input": ("`tests/hostile`", ()),  # and all that stands under no other
}


def main() -> None:
    lines = Path(sys.argv[1]).read_text().splitlines()
    figures = [(line["suite"], line["figures"]) for line in map(json.loads, dict.fromkeys(lines))]
    text = PAGE.read_text()
    begin, end = text.index(MARK) + len(MARK), text.rindex(MARK)
    PAGE.write_text(f"{text[:begin]}\n{machine()}\n\n{tables(figures)}\n{text[end:]}")


def machine() -> str:
    """The date, the commit and what it ran on."""
    git = ["git", "-C", str(TOP), "describe", "--always", "--dirty=, with changes that are not committed"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  # ours
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, commit {commit}. {os.cpu_count()} processors "
        f"({found[1] if found else platform.machine()}), {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, Tornado {tornado.version}."
    )


def tables(figures: list[tuple[str, dict[str, Any]]]) -> str:
    left = list(figures)
    parts = []
    for head, (where, names) in HEADS.items():
        mine = [each for each in left if not names or each[0].startswith(names)]
        left = [each for each in left if each not in mine]
        rows = [f"| {suite} | {shown(what)} |" for suite, what in mine]
        parts.append("\n".join([f"### {head} ({where})", "", "| suite | figures |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def shown(figures: dict[str, Any]) -> str:
    plain = {name: str(figure) if name == "seed" else figure for name, figure in figures.items()}
    return ", ".join(f"{name.replace('_', ' ')} **{number(figure)}**" for name, figure in plain.items())


def number(figure: object) -> str:
    if isinstance(figure, int):
        return f"{figure:,}"
    if isinstance(figure, dict):
        return "; ".join(f"{name}: {number(each)}" for name, each in figure.items())
    if isinstance(figure, list | tuple):
        return " / ".join(map(number, figure))
    return str(figure)


if __name__ == "__main__":
    main()
