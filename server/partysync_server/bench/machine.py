"""
The machine and the program that figures are of: without them a figure means nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import apsw
import psutil
import tornado

from partysync_widget import __version__


def describe() -> dict[str, Any]:
    """Plain data, for the results and the head of the page."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "version": __version__,
        "commit": commit(),
        "machine": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
            "system": f"{platform.system()} {platform.release()}",
            "load": round(psutil.getloadavg()[0], 2),
        },
        "software": {
            "python": platform.python_version(),
            "tornado": tornado.version,
            "sqlite": apsw.sqlite_lib_version(),
            **{name: found for name in ("pycrdt", "pycrdt-websocket", "pycrdt-store") if (found := _version(name))},
            **({"node": _said("node", "--version").removeprefix("v")} if shutil.which("node") else {}),
        },
    }


def commit() -> str:
    """Of the working copy that this code lies in; empty if there is none."""
    folder = Path(__file__).parent
    found = _said("git", "-C", str(folder), "rev-parse", "--short=10", "HEAD")
    changed = _said("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    return f"{found} with changes" if found and changed else found


def processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return ""


def _said(*command: str) -> str:
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""
