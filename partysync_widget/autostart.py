"""
Auto-start: a server of this user's own, as a process that outlives the kernel that started it.

However many kernels race, one starts it, under a lock, and the others find it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir

from .core.claim import Claim
from .core.errors import NotConnected, StorageFailed
from .servers import Server, read, runtime_folder

START_SECONDS = 20.0  # for a server to start; loading Python from a slow disk can take long
IDLE_EXIT = 600  # seconds without a session before a server that nobody started by hand ends
POLL = 0.05
ATTEMPTS = 2  # the folder's last owner may be just letting go of it


def runtime_file() -> Path:
    """Where the server that is started here writes its address and token."""
    return runtime_folder() / "partysync-local.json"


def data_folder() -> Path:
    """Where it keeps its rooms."""
    return Path(os.environ.get("PARTYSYNC_DATA") or Path(jupyter_data_dir()) / "partysync")


def start_or_find(find: Callable[[], Server | None]) -> Server:
    """The server that ``find`` gives, as soon as it gives one; it is started if nobody else is about to."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        if (server := find()) is not None:
            return server
        try:
            claim = Claim(_lock_file(), f"process {os.getpid()}", what="The start of a server")
        except StorageFailed:
            pass  # another kernel is starting it
        else:
            try:
                return find() or _insist(find, deadline)
            finally:
                claim.release()
        if time.monotonic() > deadline:
            raise NotConnected(f"No room server started within {START_SECONDS:.0f} s. Its log is {_log_file()}.")
        time.sleep(POLL)


def _insist(find: Callable[[], Server | None], deadline: float) -> Server:
    """Start it. One that ends at once may have lost the folder to a server that is to be found a moment later."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return start(deadline)
        except NotConnected:
            if (server := find()) is not None:
                return server
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def start(deadline: float) -> Server:
    """Start the server as a process of its own, which outlives this kernel."""
    command = [sys.executable, "-m", "partysync_server", "serve", "--data", str(data_folder())]
    command += ["--runtime-file", str(runtime_file()), "--import-parties"]
    command += ["--idle-exit", os.environ.get("PARTYSYNC_IDLE_EXIT", str(IDLE_EXIT))]
    runtime_file().unlink(missing_ok=True)
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PARTYSYNC_TOKEN", "PARTYSYNC_URL")
    }
    descriptor = os.open(_log_file(), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        process = subprocess.Popen(  # our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            env=environment,
        )
    finally:
        os.close(descriptor)
    while time.monotonic() < deadline:
        notice = read(runtime_file())
        if notice is not None and notice.alive():
            return notice.server
        if process.poll() is not None:
            said = _log_file().read_text().strip().splitlines()
            raise NotConnected(f"The room server did not start: {said[-1] if said else 'it said nothing'}")
        time.sleep(POLL)
    process.terminate()
    raise NotConnected(f"The room server did not answer within {START_SECONDS:.0f} s. Its log is {_log_file()}.")


def _lock_file() -> Path:
    path = runtime_file().with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotConnected(
            f"No room server can be started: {path.parent} cannot be made ({error.strerror}). "
            f"Set JUPYTER_RUNTIME_DIR to a folder that can."
        ) from None
    return path


def _log_file() -> Path:
    return runtime_file().with_suffix(".log")
