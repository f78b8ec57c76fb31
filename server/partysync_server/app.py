"""
The HTTP side: one WebSocket per room at ``/parties/<party>/<room>``, and who may open it.

Kernels authenticate with ``Authorization: Bearer``: the server's own token, which opens everything, or that of a link,
which opens one room. A browser has no business here (it talks to its kernel), so a
handshake that carries what only browsers send is refused; that leaves nothing for a hostile page to ride on, DNS
rebinding included (reliability research, 4.1).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import tornado.web
import tornado.websocket

from partysync_widget import __version__
from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format

from .principal import Principal
from .rooms import Rooms
from .visit import (
    PING_SECONDS,
    PONG_SECONDS,
    Admission,
    Refused,
    Visit,
    admit,
    bearer,
    check_upgrade,
    choose,
    explain,
    recognise,
)

log = logging.getLogger("partysync.server")

Introducer = Callable[[str], Awaitable[Principal | None]]


@dataclass(frozen=True)
class Site:
    """Where in another server's address space the routes lie, and who knows the people there.

    ``introducer`` is asked whose a token is that is none of ours; it says None for a stranger, or raises Refused.
    """

    prefix: str = ""
    introducer: Introducer | None = None


ALONE = Site()


class Gate(tornado.web.RequestHandler):
    """What every route passes first. Without a word of its own, a route is the operator's."""

    rooms: Rooms
    token: str
    who: Principal
    for_all = False  # whether it asks by itself what somebody who was recognised may do

    def initialize(self, rooms: Rooms, token: str, introducer: Introducer | None = None) -> None:
        self.rooms = rooms
        self.token = token
        self.introducer = introducer

    async def prepare(self) -> None:
        headers = self.request.headers
        if "Origin" in headers or "Sec-Fetch-Mode" in headers:
            raise Refused(403, "browser", "A browser cannot connect to this server directly; use a notebook.")
        who = await self.recognise()
        if who is None:
            raise Refused(403, "token", self.unknown)
        if not (self.for_all or who.operator):
            raise Refused(403, "role", "This is for the operator of the server, who has its own token.")
        self.who = who

    unknown = (
        "The token is missing or wrong, or it has expired or was taken back. Pass token=…, or set PARTYSYNC_TOKEN."
    )

    async def recognise(self) -> Principal | None:
        """Who asks; None for a stranger."""
        shown = bearer(self.request.headers)
        who = recognise(self.rooms, shown, self.token)
        if who is None and shown and self.introducer is not None:
            who = await self.introducer(shown)
        return who

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "application/json")
        _ = self.finish(json.dumps(explain(status_code, kwargs.get("exc_info", (None, None))[1])))


class RoomSocket(Gate, tornado.websocket.WebSocketHandler):
    """One session with one room."""

    format: Format = "json"
    for_all = True
    visit: Visit | None = None
    admission: Admission | None = None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        check_upgrade(self.request.headers.get("Upgrade"))
        hint = self.request.headers.get("X-PartySync-Party", "")
        self.admission = await admit(self.rooms, self.who, self.path_args[0], self.path_args[1], hint)
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:
        return False  # never asked: prepare() has refused every Origin

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        chosen, self.format = choose(subprotocols)
        return chosen

    def open(self, *args: str, **kwargs: str) -> None:
        if self.admission is None:
            raise RuntimeError("A socket opens only after get() has found its room.")
        self.set_nodelay(True)
        self.visit = Visit(self.admission, self.format, SocketWire(self, self.format))
        if self.selected_subprotocol is None:
            self.visit.refuse_protocol()

    def on_message(self, message: str | bytes) -> None:
        if self.visit is not None:
            self.visit.hear(message)

    def on_close(self) -> None:
        if self.visit is not None:
            self.visit.leave()

    @property
    def max_message_size(self) -> int:
        return self.rooms.limits.frame + (1 << 16)


class SocketWire:
    """A WebSocket as a room writes to it. Tornado has taken the name ``write`` from the handler."""

    def __init__(self, socket: tornado.websocket.WebSocketHandler, format: Format) -> None:
        self._socket = socket
        self._binary = format == "msgpack"

    async def write(self, frames: list[bytes]) -> None:
        try:
            for frame in frames:
                await self._socket.write_message(frame, binary=self._binary)
        except tornado.websocket.WebSocketClosedError:
            pass  # on_close says so too

    def close(self) -> None:
        self._socket.close()


class Health(Gate):
    """Whether the server is there, and which."""

    def get(self) -> None:
        self.write(health(self.rooms))


class Nothing(Gate):
    """Any other address; it tells a stranger no more than a known one does."""

    for_all = True

    async def prepare(self) -> None:
        await super().prepare()
        raise tornado.web.HTTPError(404)


def health(rooms: Rooms) -> dict[str, Any]:
    return {"partysync": __version__, "protocol": m.PROTOCOL, "sessions": rooms.sessions()}


def make_app(rooms: Rooms, token: str, site: Site = ALONE) -> tornado.web.Application:
    """The routes. Each goes through ``Gate``."""
    common = {"rooms": rooms, "token": token, "introducer": site.introducer}
    below = re.escape(site.prefix)
    return tornado.web.Application(
        [
            (below + r"/parties/([^/]+)/([^/]+)", RoomSocket, common),
            (below + r"/health", Health, common),
        ],
        default_handler_class=Nothing,
        default_handler_args=common,
        websocket_ping_interval=PING_SECONDS,
        websocket_ping_timeout=PONG_SECONDS,
        websocket_max_message_size=rooms.limits.frame + (1 << 16),
        log_function=lambda handler: log.debug("%s %s", handler.get_status(), handler.request.method),
    )
