"""
Servers, and the files in which those of this user say where they are.

``<jupyter_runtime_dir>/partysync-*.json``: ``url`` and ``token`` to connect with, ``pid`` and ``host`` of the process
that wrote it, ``data``, the folder of the rooms. ``partysync_server.runtime`` writes them, readable only by the user.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from jupyter_core.paths import jupyter_runtime_dir

from .core.errors import NotConnected

ANSWER_SECONDS = 2.0  # for a server on this machine to answer


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


@dataclass(frozen=True)
class Notice:
    """What a runtime file says."""

    server: Server
    host: str  # where it was written; empty in files of older servers
    data: str  # the folder of the rooms; likewise

    @property
    def elsewhere(self) -> bool:
        """From another host, by a home folder that they share: its loopback address means nothing here."""
        return self.host not in ("", socket.gethostname())

    def alive(self) -> bool:
        """Whether that server answers, here and now. Its secret goes to no other host's port."""
        return not self.elsewhere and answers(self.server)


def check_url(url: str) -> str:
    """The address without what does not belong in it, or NotConnected with how to write one."""
    with contextlib.suppress(ValueError):  # brackets that do not close, a port that is no number
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname and parts.port != 0:
            return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    raise NotConnected(f"{url!r} is not the address of a server. Write it as http://host:port.")


def runtime_folder() -> Path:
    return Path(jupyter_runtime_dir())


def read(path: Path) -> Notice | None:
    """What the file says; None if it is not there, half written, or not this user's."""
    try:
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        found = json.loads(path.read_text())
        server = Server(check_url(str(found["url"])), str(found["token"]))
        return Notice(server, str(found.get("host", "")), str(found.get("data", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotConnected):
        return None


def notices() -> dict[Path, Notice]:
    """All there are, of servers that run or ran."""
    found = {path: read(path) for path in sorted(runtime_folder().glob("partysync-*.json"))}
    return {path: notice for path, notice in found.items() if notice is not None}


def answers(server: Server) -> bool:
    request = urllib.request.Request(  # the address is from the user's own file
        f"{server.url}/health", headers={"Authorization": f"Bearer {server.token}"}
    )
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback goes through no proxy
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False
