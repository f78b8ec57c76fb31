"""
The door: from which addresses and pages a request may come, before anybody asks who it is.

A page in a browser reaches every server its reader can reach, and can give itself any host name by its own DNS. So a
request must name a host that this server is known by, and one from a browser must come from a page that was allowed,
letter by letter: no patterns (jupyter-server CVE-2026-40110), and ``null`` is nobody. What a proxy adds
(``X-Forwarded-Host``) is not looked at. A server that shows pages (``page_handlers``) allows its own.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tornado.httputil import HTTPHeaders

from partysync_widget.core.errors import PartySyncError

from .refusal import Refused

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PORTS = {"http": 80, "https": 443}
OF_BROWSERS = ("sec-fetch-", "sec-websocket-origin")  # and Origin, which may be allowed


@dataclass(frozen=True)
class Pages:
    """That this server shows pages: in frames of which origins, and at which origin beside the one it is asked at."""

    frames: tuple[str, ...] = ()
    public: str = ""


class Door:
    """Which hosts and which origins. Raises PartySyncError for one that cannot be.

    ``any_host``: a proxy before this server has looked at the host already.
    """

    def __init__(
        self,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        *,
        any_host: bool = False,
        pages: Pages | None = None,
    ) -> None:
        self._any_host = any_host
        self.pages = pages
        self._hosts = {*LOOPBACK, *map(check_host, hosts)}
        self._origins = frozenset(map(check_origin, origins))

    def check(self, headers: HTTPHeaders, listening: str = "", protocol: str = "http") -> bool:
        """Raise Refused, or let it by, and say whether it comes from a page of this server's own.

        ``listening`` is the address at which this request has arrived, and ``protocol`` how.
        """
        ours = False
        if "Origin" in headers:  # two are joined by a comma, which is in no origin
            if headers["Origin"] not in self._origins:
                ours = headers["Origin"] in self._own(headers, protocol)
                if not ours:
                    raise Refused(403, "browser", "This page may not connect to this server directly; use a notebook.")
        elif any(name.lower().startswith(OF_BROWSERS) for name in headers):
            ours = self.pages is not None and headers.get("Sec-Fetch-Site") == "same-origin"
            if not ours:
                raise Refused(403, "browser", "A browser cannot connect to this server directly; use a notebook.")
        self.check_host(headers, listening)
        return ours

    def _own(self, headers: HTTPHeaders, protocol: str) -> set[str]:
        """The origins of this server's pages, for whoever asks like that."""
        if self.pages is None:
            return set()
        own = {self.pages.public} if self.pages.public else set()
        host = headers.get("Host", "").lower()
        if host and not self._any_host:  # https as well: a proxy before this server may have taken that off
            own |= {f"{protocol}://{host}", f"https://{host}"}
        return own

    def check_host(self, headers: HTTPHeaders, listening: str = "") -> None:
        """Of what is for everybody: raise Refused, or let it by."""
        host = headers.get("Host")
        if (
            not self._any_host
            and host is not None
            and host_name(host) not in {*self._hosts, listening.partition("%")[0]}
        ):
            raise Refused(
                403,
                "host",
                f"This server is not known as {host!r:.200}. Use the address that it says it has, or start it with "
                f"`partysync serve --host NAME`.",
            )


def host_name(host: str) -> str | None:
    """The name in a ``Host`` header, without port and brackets; None if it is none."""
    with contextlib.suppress(ValueError):  # a port that is no number, brackets that do not close
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises
        if parts.username is None and parts.netloc == host and not host.endswith(":"):
            return _plain(parts.hostname or "")
    return None


def check_host(name: str) -> str:
    """A name this server is known by, as it is compared."""
    if not name or set(name) & set("*?, ") or host_name(f"[{name}]" if ":" in name else name) != _plain(name.lower()):
        raise PartySyncError(f"--host {name!r} is not the name of a host. Write it as rooms.example.org, without port.")
    return _plain(name.lower())


def check_origin(origin: str, option: str = "--origin") -> str:
    """An origin as browsers write it: small letters, no port where it is the usual one (RFC 6454, section 6.2)."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(origin)
        if parts.scheme in PORTS and parts.hostname and parts.netloc.lower() == origin.lower().split("://")[-1]:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            usual = parts.port in (None, PORTS[parts.scheme])
            if parts.username is None and not set(host) & set("*?, ") and host.isascii():
                return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"
    raise PartySyncError(
        f"{option} {origin!r} is not the origin of a page. Write it as https://jupyter.example.org, with the port if "
        f"it is an unusual one, and nothing behind it."
    )


def _plain(name: str) -> str:
    """An IP address in its one shortest form, so that ``::0001`` is ``::1``; a name as it is."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name))
    return name
