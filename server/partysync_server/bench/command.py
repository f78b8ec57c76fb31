"""
``partysync bench``: the benchmark as a command.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from traitlets import Bool, Float, Int, Unicode
from traitlets.config import Application

from partysync_widget import __version__
from partysync_widget.core.errors import PartySyncError

MISSING = "`partysync bench` needs more than the server does. Type `pip install 'partysync-widget[bench]'`."


class BenchApp(Application):
    """The same work for this server, for what one would pick instead, and for bare floors."""

    name = "partysync-bench"
    description = (
        "Measure: `partysync bench`, all of it, or `partysync bench --quick`, `partysync bench --only write,delay "
        "--systems ours,bare`. It starts what it measures on free ports of this machine, and stops it."
    )
    version = __version__

    quick = Bool(default_value=False, help="Small sizes, one round: a minute or two, to see that it works.").tag(
        config=True
    )
    only = Unicode("", help="Workloads, as their names with commas; all if empty.").tag(config=True)
    systems = Unicode("", help="Systems likewise.").tag(config=True)
    rounds = Int(0, min=0, help="Rounds whose medians are told; 0: 3, or 1 with --quick.").tag(config=True)
    minutes = Float(90.0, min=0.0, help="After so many nothing new is begun.").tag(config=True)
    out = Unicode("partysync-bench", help="Folder of the results, the page and its plots.").tag(config=True)
    docs = Unicode("", help="Folder that gets them as well after a whole run of everything.").tag(config=True)
    names = Bool(default_value=False, help="Say what there is to measure, and measure nothing.").tag(config=True)

    aliases = {  # noqa: RUF012  # traitlets reads a plain dict
        "only": "BenchApp.only",
        "systems": "BenchApp.systems",
        "rounds": "BenchApp.rounds",
        "minutes": "BenchApp.minutes",
        "out": "BenchApp.out",
        "docs": "BenchApp.docs",
    }
    flags = {  # noqa: RUF012  # traitlets reads a plain dict
        "quick": ({"BenchApp": {"quick": True}}, "Small sizes, one round."),
        "list": ({"BenchApp": {"names": True}}, "Say what there is to measure."),
    }

    def start(self) -> None:
        """Measure, and write down what came of it. Raises PartySyncError for a name that there is not."""
        try:
            from . import plan as planning  # noqa: PLC0415  # what they need may not be there
            from . import process  # noqa: PLC0415  # likewise
        except ImportError as error:
            raise PartySyncError(f"{MISSING} ({error})") from None
        if self.names:
            self._list()
            return
        signal.signal(signal.SIGTERM, _stop)  # whatever was started is stopped on the way out
        only, systems = _names(self.only), _names(self.systems)
        rounds = self.rounds or (1 if self.quick else 3)
        try:
            plan = planning.choose(only, systems, rounds, self.minutes, quick=self.quick)
        except process.Failed as error:
            raise PartySyncError(str(error)) from None
        for name, why in plan.left_out.items():
            sys.stderr.write(f"{name} is left out. To have it: {why}\n")
        self._measure(plan, whole=not (self.quick or only or systems))

    def _measure(self, plan: object, *, whole: bool) -> None:
        from . import machine, page, plots, process, report  # noqa: PLC0415  # as above
        from .plan import Plan  # noqa: PLC0415  # as above

        if not isinstance(plan, Plan):
            raise TypeError(plan)
        about, began = machine.describe(), time.monotonic()
        try:
            cells = plan.run()
        finally:
            process.stop_all()
        about["minutes"] = round((time.monotonic() - began) / 60, 1)
        sys.stdout.write(report.terminal(plan, cells) + "\n")
        for folder in [Path(self.out), *([Path(self.docs)] if self.docs and whole else [])]:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                drawn = plots.draw(cells, folder / "images")
            except ImportError:
                drawn = []
                sys.stderr.write(f"No plots: {MISSING}\n")
            (folder / "performance.md").write_text(page.page(plan, cells, about, drawn))
            sys.stdout.write(f"Written: {folder / 'performance.md'}, {len(drawn)} plots in images/\n")
        plain = Path(self.out) / "performance.json"  # for programs: no docs
        plain.write_text(json.dumps(report.plain(plan, cells, about), indent=1) + "\n")
        sys.stdout.write(f"Written: {plain}\n")

    def _list(self) -> None:
        from .report import DURABLE, TITLES  # noqa: PLC0415  # as above
        from .workloads import WORKLOADS  # noqa: PLC0415  # as above

        for name, workload in WORKLOADS.items():
            sys.stdout.write(f"{name:<16}{workload.title}: {workload.measures}\n")
        sys.stdout.write("\n")
        for name, title in TITLES.items():
            sys.stdout.write(f"{name:<16}{title}; durable: {DURABLE[name]}\n")


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)
