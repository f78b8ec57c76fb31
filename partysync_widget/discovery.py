"""
Discovery: which server a kernel talks to, and starting one when there is none.

In this order: what ``connect`` was given; ``PARTYSYNC_URL`` and ``PARTYSYNC_TOKEN``; this user's own server, whose
address and token stand in a file that only the user can read; one that is started now. However many kernels race, one
starts it and the others find it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir

from .core.claim import Claim
from .core.errors import NotConnected, PermissionDenied, StorageFailed

START_SECONDS = 20.0  # for a server to start; loading Python from a slow disk can take long
IDLE_EXIT = 600  # seconds without a session before a server that nobody started by hand ends
POLL = 0.05


@dataclass(frozen=True)
class Server:
    """Where a server is, and what it wants to be shown. ``repr`` keeps the token to itself."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def websocket(self, party: str, room: str) -> str:
        scheme, rest = self.url.split("://", 1)
        secure = scheme in ("https", "wss")
        return (
            f"{'wss' if secure else 'ws'}://{rest.rstrip('/')}/parties/{quote(party, safe='')}/{quote(room, safe='')}"
        )


Finder = Callable[[], Server]


def finder(url: str | None, token: str | None) -> Finder:
    """A function that finds the server, and finds it anew after it has moved. It may wait; call it off the loop."""
    token = token if token is not None else os.environ.get("PARTYSYNC_TOKEN", "")
    url = url or os.environ.get("PARTYSYNC_URL")
    if not token.isascii() or not token.isprintable():
        raise PermissionDenied("The token is wrong: it has characters that no token has. See token=…, PARTYSYNC_TOKEN.")
    if url:
        server = Server(check_url(url), token)
        return lambda: server
    return local_server


@dataclass(frozen=True)
class Finding:
    """One place where a server is looked for, and what is there."""

    place: str
    found: str
    taken: bool


def survey() -> list[Finding]:
    """Every place that ``connect("room")`` looks at, in order; the first that is ``taken`` wins. Starts nothing."""
    url, token = os.environ.get("PARTYSYNC_URL"), os.environ.get("PARTYSYNC_TOKEN")
    shown = "with PARTYSYNC_TOKEN" if token else "and PARTYSYNC_TOKEN is not set"
    own = _read()
    alive = own is not None and _answers(own)
    rest = "none runs" if own is None else f"{own.url} {'answers' if alive else 'does not answer any more'}"
    return [
        Finding("connect(url=…)", "not known here; it would win over all below", taken=False),
        Finding("PARTYSYNC_URL", f"{check_url(url)}, {shown}" if url else "not set", taken=bool(url)),
        Finding(f"your own server ({runtime_file()})", rest, taken=not url and alive),
        Finding("a new one", f"would be started, with its rooms in {data_folder()}", taken=not url and not alive),
    ]


def check_url(url: str) -> str:
    """The address without what does not belong in it, or NotConnected with how to write one."""
    with contextlib.suppress(ValueError):  # brackets that do not close, a port that is no number
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname and parts.port != 0:
            return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    raise NotConnected(f"{url!r} is not the address of a server. Write it as http://host:port.")


def runtime_file() -> Path:
    """Where this user's own server writes its address and token."""
    return Path(jupyter_runtime_dir()) / "partysync-local.json"


def data_folder() -> Path:
    """Where this user's own server keeps its rooms."""
    return Path(os.environ.get("PARTYSYNC_DATA") or Path(jupyter_data_dir()) / "partysync")


def local_server() -> Server:
    """This user's own server, started if it is not there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        server = _read()
        if server is not None and _answers(server):
            return server
        try:
            claim = Claim(_lock_file(), f"process {os.getpid()}", what="The start of a server")
        except StorageFailed:
            pass  # another kernel is starting it
        else:
            try:
                server = _read()
                if server is None or not _answers(server):
                    server = _start(deadline)
                return server
            finally:
                claim.release()
        if time.monotonic() > deadline:
            raise NotConnected(f"No room server started within {START_SECONDS:.0f} s. Its log is {_log_file()}.")
        time.sleep(POLL)


def _lock_file() -> Path:
    path = runtime_file().with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotConnected(
            f"No room server can be started: {path.parent} cannot be made ({error.strerror}). "
            f"Set JUPYTER_RUNTIME_DIR to a folder that can."
        ) from None
    return path


def _log_file() -> Path:
    return runtime_file().with_suffix(".log")


def _read() -> Server | None:
    try:
        found = json.loads(runtime_file().read_text())
        return Server(check_url(str(found["url"])), str(found["token"]))
    except (OSError, ValueError, KeyError, TypeError, NotConnected):  # none, or one that is half written or not ours
        return None


def _answers(server: Server) -> bool:
    request = urllib.request.Request(  # the address is from our own file
        f"{server.url}/health", headers={"Authorization": f"Bearer {server.token}"}
    )
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback goes through no proxy
        with opener.open(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _start(deadline: float) -> Server:
    """Start the server as a process of its own, which outlives this kernel."""
    command = [sys.executable, "-m", "partysync_server", "serve", "--data", str(data_folder())]
    command += [
        "--runtime-file",
        str(runtime_file()),
        "--idle-exit",
        os.environ.get("PARTYSYNC_IDLE_EXIT", str(IDLE_EXIT)),
    ]
    command += ["--import-parties"]
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
        server = _read()
        if server is not None and _answers(server):
            return server
        if process.poll() is not None:
            said = _log_file().read_text().strip().splitlines()
            raise NotConnected(f"The room server did not start: {said[-1] if said else 'it said nothing'}")
        time.sleep(POLL)
    process.terminate()
    raise NotConnected(f"The room server did not answer within {START_SECONDS:.0f} s. Its log is {_log_file()}.")
