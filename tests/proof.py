"""
The proof: how far a suite goes, and what it has measured, for `docs/proof.md`.

``make test`` goes a short way, ``make proof`` (PARTYSYNC_PROOF=1) the long one. A figure is printed in both, and noted
as a line of JSON in the file that PARTYSYNC_FIGURES names.
"""

import json
import os
import time
from pathlib import Path

LONG = bool(os.environ.get("PARTYSYNC_PROOF"))


def extent(name: str, usual: int, proof: int) -> int:
    """How many of it: PARTYSYNC_<NAME> if that is set, else as many as this run goes."""
    return int(os.environ.get(f"PARTYSYNC_{name.upper()}") or (proof if LONG else usual))


def note(suite: str, **figures: object) -> None:
    """Tell what was measured, by name."""
    print(f"\n{suite}: " + ", ".join(f"{name.replace('_', ' ')} {figure}" for name, figure in figures.items()))
    if path := os.environ.get("PARTYSYNC_FIGURES"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"suite": suite, "at": time.time(), "figures": figures}) + "\n")
