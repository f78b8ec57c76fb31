"""
The claim on a data folder: one process has its rooms, and the next one hears which.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from partysync_widget.core.claim import Claim

HELD_BY = re.compile(r".* with process id (\d+)")


def claim(folder: Path, name: str) -> Claim:
    """For this process, as ``name``. Raises StorageFailed, with the holder, when another one has it."""
    who = f"{name} with process id {os.getpid()}"
    return Claim(folder / "server.lock", who, what=f"The data folder {folder}", ended=has_ended)


def has_ended(who: str) -> bool:
    """Whether the process that called itself that is no more, as far as can be asked without harm."""
    found = HELD_BY.fullmatch(who)
    if found is None or os.name != "posix":
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # it is somebody else's, or none of this system
        pass
    return False
