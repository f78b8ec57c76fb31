"""
Runtime files: where a server writes its address and its secret, for the kernels of the user it runs as.

``<jupyter_runtime_dir>/partysync-<process id>.json``, mode 0600, there as a whole or not at all:
``url`` and ``token`` to connect with, ``pid`` and ``host`` of who wrote it, ``data``, the folder whose rooms are meant,
and ``owner``, the process that has them, if that is another one. ``partysync_widget.servers`` reads them in kernels.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir


def runtime_file() -> Path:
    """This process's own."""
    return Path(jupyter_runtime_dir()) / f"partysync-{os.getpid()}.json"


def describe(url: str, token: str, folder: Path) -> dict[str, Any]:
    """What stands in the file of a server that has the rooms of ``folder``."""
    return {"url": url, "token": token, "pid": os.getpid(), "host": socket.gethostname(), "data": str(folder)}


def write_private(path: Path, content: dict[str, Any]) -> None:
    """A JSON file that only its owner can read, there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(content, file)
    draft.replace(path)


def owners(folder: Path) -> list[dict[str, Any]]:
    """Descriptions of servers on this host that have, or had, the rooms of ``folder``; the newest first."""
    found = []
    for path in Path(jupyter_runtime_dir()).glob("partysync-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # gone meanwhile, or not one of ours
            status, description = path.stat(), json.loads(path.read_text())
            ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            here = (description["data"], description["host"]) == (str(folder), socket.gethostname())
            if ours and here and "owner" not in description:
                found.append((status.st_mtime, description))
    return [description for _, description in sorted(found, key=lambda each: -each[0])]
