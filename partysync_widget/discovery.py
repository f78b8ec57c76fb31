"""
Discovery: which server a kernel talks to.

In this order: what ``connect`` was given; ``PARTYSYNC_URL`` and ``PARTYSYNC_TOKEN``; the Jupyter Server that started
this kernel; the one server of this user that runs on this machine; one that is started now. A kernel that a gateway
has started on another machine starts none: nobody else would find it there. Where ``PARTYSYNC_URL`` is a service of the
JupyterHub that started this kernel's server, the token is the one that the Hub gave to that server.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from . import autostart
from .autostart import data_folder
from .core.errors import NotConnected, PermissionDenied
from .servers import Notice, Server, check_url, notices, read, runtime_folder

# A Jupyter Server sends these with every kernel it asks a gateway for; kernels that it starts itself get none of them.
OF_GATEWAYS = ("KERNEL_LAUNCH_TIMEOUT", "KERNEL_WORKING_DIR", "KERNEL_USERNAME", "KERNEL_ID")

Finder = Callable[[], Server]


def finder(url: str | None, token: str | None) -> Finder:
    """A function that finds the server, and finds it anew after it has moved. It may wait; call it off the loop."""
    if token is None:
        token = os.environ.get("PARTYSYNC_TOKEN") or ("" if url else hub_token())
    url = url or os.environ.get("PARTYSYNC_URL")
    if not token.isascii() or not token.isprintable():
        raise PermissionDenied("The token is wrong: it has characters that no token has. See token=…, PARTYSYNC_TOKEN.")
    if url:
        server = Server(check_url(url), token)
        return lambda: server
    return local_server


def hub_token() -> str:
    """What the Hub gave to this kernel's server, if ``PARTYSYNC_URL`` is a service of that Hub; empty otherwise.

    It opens more than rooms, so it goes to no address that was typed, or came from somebody else.
    """
    base = os.environ.get("JUPYTERHUB_BASE_URL")
    path = urlsplit(check_url(os.environ["PARTYSYNC_URL"])).path if os.environ.get("PARTYSYNC_URL") else ""
    ours = base is not None and path.startswith(f"{base.rstrip('/')}/services/") and ".." not in unquote(path)
    return os.environ.get("JUPYTERHUB_API_TOKEN", "") if ours else ""


def local_server() -> Server:
    """This user's server on this machine, started if there is none. Raises NotConnected with where it was looked."""
    found = running()
    if found is not None:
        return found
    if gateway():
        raise NotConnected(
            f"This kernel was started by a gateway, and no room server runs on its machine. Set PARTYSYNC_URL to the "
            f"address of one, and PARTYSYNC_TOKEN to its token, where the gateway starts kernels, or pass url=… and "
            f"token=…. A Jupyter Server has its rooms at <its address>/partysync, with its own token. {_looked()}"
        )
    try:
        return autostart.start_or_find(running)
    except NotConnected as error:
        raise NotConnected(f"{error} {_looked()}") from None


def running() -> Server | None:
    """A server that runs: that of the Jupyter Server above this kernel, or else the only one."""
    for pid in _parents():
        notice = _of(pid)
        if notice is not None and notice.alive():
            return notice.server
    return _the_one(_alive())


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
    if not token and hub_token():
        shown = "a service of your Hub, with the token that the Hub gave to this server"
    findings = [
        Finding("connect(url=…)", "not known here; it would win over all below", taken=False),
        Finding("PARTYSYNC_URL", f"{check_url(url)}, {shown}" if url else "not set", taken=bool(url)),
        *_survey_parents(),
        _survey_running(),
    ]
    last = f"would be started, with its rooms in {data_folder()}"
    if gateway():
        last = "none is started, because a gateway started this kernel; set PARTYSYNC_URL and PARTYSYNC_TOKEN"
    findings.append(Finding("a new one", last, taken=not gateway()))
    first = next((place for place, finding in enumerate(findings) if finding.taken), None)
    return [Finding(finding.place, finding.found, taken=place == first) for place, finding in enumerate(findings)]


def gateway() -> bool:
    """Whether this kernel was asked for by a Jupyter Server on, most likely, another machine."""
    return any(name in os.environ for name in OF_GATEWAYS)


def _parents() -> list[int]:
    """Processes that may have started this kernel. On Windows ``JPY_PARENT_PID`` is a handle and no process id."""
    said = os.environ.get("JPY_PARENT_PID", "") if os.name == "posix" else ""
    return list(dict.fromkeys([*([int(said)] if said.isdecimal() else []), os.getppid()]))


def _of(pid: int) -> Notice | None:
    return read(runtime_folder() / f"partysync-{pid}.json")


def _alive() -> list[Notice]:
    """Servers that answer, each once, however many files point to it."""
    once = {notice.server: notice for notice in notices().values()}
    return [notice for notice in once.values() if notice.alive()]


def _the_one(alive: list[Notice]) -> Server | None:
    """The only one; among several the one that has the folder where a new one would keep its rooms."""
    usual = str(data_folder().expanduser().resolve())
    fit = alive if len(alive) == 1 else [notice for notice in alive if notice.data == usual]
    return fit[0].server if len(fit) == 1 else None


def _survey_parents() -> list[Finding]:
    found = []
    for pid in _parents():
        notice = _of(pid)
        if notice is None:
            continue
        alive = notice.alive()
        said = f"{notice.server.url} {_state(notice, alive=alive)}"
        found.append(Finding(f"the Jupyter Server that started this kernel (process {pid})", said, taken=alive))
    return found or [
        Finding(
            "the Jupyter Server that started this kernel",
            f"none with rooms ({' and '.join(f'process {pid}' for pid in _parents())} left no file in "
            f"{runtime_folder()})",
            taken=False,
        )
    ]


def _survey_running() -> Finding:
    alive = _alive()
    one = _the_one(alive)
    place = f"your one server that runs ({runtime_folder() / 'partysync-*.json'})"
    if one is not None:
        return Finding(place, f"{one.url} answers", taken=True)
    if alive:
        urls = " and ".join(notice.server.url for notice in alive)
        return Finding(place, f"several answer, {urls}; say which with url=… or PARTYSYNC_URL", taken=False)
    states = [f"{notice.server.url} {_state(notice, alive=False)}" for notice in notices().values()]
    return Finding(place, "; ".join(states) or "none runs", taken=False)


def _state(notice: Notice, *, alive: bool) -> str:
    if notice.elsewhere:
        return f"is on another machine, {notice.host}"
    return "answers" if alive else "does not answer any more"


def _looked() -> str:
    places = [finding for finding in survey() if finding.place not in ("connect(url=…)", "a new one")]
    return "Looked for in this order: " + "; ".join(f"{each.place}: {each.found}" for each in places) + "."
