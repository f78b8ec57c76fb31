"""
Pages: what a browser is given that opens a link by itself. A shell and its bundle, the same for everybody.

::

    GET /pages/<party>/<room>[/<table>]    the shell, which loads
    GET /assets/<digest>/<name>            a script or a style sheet that was built from js/

Off unless the server was started with ``--pages``. Nothing here looks at a room or asks for a token: that stands behind
the ``#`` of the address, which no browser sends anywhere. The script takes it from there and opens the room's socket,
where it is judged like anybody's (R13). So a page says no more of this server than that it shows pages.

A page of another kind is a ``Shell`` with the name of its own bundle, and a line in ``ROUTES``.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import html
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

import tornado.web

from .gate import Gate, arrived_at
from .refusal import Refused

# Nothing else of the built files is given away; those are for kernels.
ASSETS = ("page.js", "page.css", "todo.js", "todo.css")
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
DIGITS = 16  # of a digest, in the address of what it is of
YEAR = 365 * 86_400  # seconds: an asset whose address has its digest never changes

# No inline script or style, nothing from elsewhere, and nothing to talk to but this server.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)

SHELL = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{up}assets/{style}">
<script type="module" src="{up}assets/{script}"></script>
</head>
<body>
<main id="page"></main>
<noscript>This page is live, and needs JavaScript.</noscript>
</body>
</html>
"""


@dataclass(frozen=True)
class Asset:
    """A built file, and the address below ``/assets/`` that changes with it."""

    name: str
    content: bytes

    @property
    def address(self) -> str:
        return f"{hashlib.sha256(self.content).hexdigest()[:DIGITS]}/{self.name}"

    @property
    def type(self) -> str:
        return TYPES[self.name[self.name.rindex(".") :]]

    @functools.cached_property
    def small(self) -> bytes:
        """Compressed. It holds nobody's secret, so its size tells none."""
        return gzip.compress(self.content, mtime=0)


@functools.cache
def asset(name: str) -> Asset:
    """A file of the bundles, by a name of ours. Raises Refused if nobody has built them."""
    try:
        return Asset(name, files("partysync_widget").joinpath("static", name).read_bytes())
    except OSError:
        text = (
            "The pages of this server were not built. Whoever runs it types `python hatch_build.py` where it is from."
        )
        raise Refused(503, "pages", text) from None


class PageGate(Gate):
    """What every page passes in place of a token: pages are switched on, and this server is called by its name."""

    for_all = True

    async def prepare(self) -> None:
        self.set_header("Cache-Control", "no-store")
        door = self.house.door
        door.check_host(self.request.headers, arrived_at(self.request))
        if door.pages is None:
            text = "This server shows no pages. Whoever runs it starts it with `partysync serve --pages`."
            raise Refused(403, "pages", text)
        self.check_stopping()
        for name, value in protection(door.pages.frames).items():
            self.set_header(name, value)


def protection(frames: Iterable[str]) -> dict[str, str]:
    """The headers of a page that may be shown in frames of these origins, and of what it loads."""
    policy = POLICY.format(ancestors=" ".join(frames) or "'none'")
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


class Shell(PageGate):
    """A page: the same bytes whatever room it is of, and whether there is one or not."""

    bundle = "page"  # page.js and page.css
    title = "PartySync"

    def get(self, *of: str) -> None:
        """``of``: what stands behind the first part of the address."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        script, style = asset(f"{self.bundle}.js").address, asset(f"{self.bundle}.css").address
        said = {"title": self.title, "up": "../" * len(of), "script": script, "style": style}
        self.write(SHELL.format_map({name: html.escape(each) for name, each in said.items()}))

    def head(self, *of: str) -> None:
        self.get(*of)


class Assets(PageGate):
    """What shells load."""

    def get(self, digest: str, name: str) -> None:
        found = asset(name) if name in ASSETS else None
        if found is None or found.address != f"{digest}/{name}":
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", found.type)
        self.set_header("Cache-Control", f"public, max-age={YEAR}, immutable")
        self.set_header("Vary", "Accept-Encoding")
        small = "gzip" in self.request.headers.get("Accept-Encoding", "")
        if small:
            self.set_header("Content-Encoding", "gzip")
        self.write(found.small if small else found.content)

    def head(self, digest: str, name: str) -> None:
        self.get(digest, name)


ROUTES: list[tuple[str, type[Gate]]] = [
    (r"/pages/([^/]+)/([^/]+)", Shell),
    (r"/pages/([^/]+)/([^/]+)/([^/]+)", Shell),
    (r"/assets/([0-9a-f]+)/([a-z.-]+)", Assets),
]
