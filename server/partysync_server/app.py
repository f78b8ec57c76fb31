"""
The HTTP side: one WebSocket per room at ``/parties/<party>/<room>``, and who may open it.

Kernels authenticate with ``Authorization: Bearer``: the server's own token, which opens everything, or that of a link,
which opens one room. A browser has no business here (it talks to its kernel), so a request from a page is refused
unless that page was allowed, and one that calls us by a name that is not ours is refused as well (``door``). Pages of
the server's own (``page_handlers``) are allowed where it was told to show them.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import tornado.web
import tornado.websocket
from tornado.websocket import WebSocketProtocol, WebSocketProtocol13

from partysync_widget import __version__
from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format

from .example_pages import ROUTES as EXAMPLES
from .gate import Gate, House, arrived_at
from .metrics import exposition
from .operating import ROUTES
from .page_handlers import ROUTES as PAGES
from .reading import ReadingAhead
from .refusal import Refused
from .requests import METHODS, answered, is_preflight, write
from .rooms import Rooms
from .visit import (
    PING_SECONDS,
    Admission,
    PageVisit,
    Visit,
    admit,
    bearer,
    check_link,
    choose,
    connection_id,
    hold_little,
    is_there,
    page_token,
    query,
    speaks_the_dialect,
)
from .wire import SocketWire

log = logging.getLogger("partysync.server")

FIRST_FRAME = 1 << 18  # bytes in a frame before the welcome: a hello is short, and only who has a token sends one
ENVELOPE = 1 << 16  # bytes of a frame beyond the limit for which there is still a sentence
REST_SECONDS = 5.0  # at a time, of who is too fast


class RoomSocket(Gate, tornado.websocket.WebSocketHandler):
    """One session with one room."""

    format: Format = "json"
    for_all = True
    visit: Visit | PageVisit | None = None
    admission: Admission | None = None
    page: PageVisit | None = None  # in place of a visit, if it speaks the ancestor's dialect
    counted = False  # among the sessions of its person
    allowed = ""  # the page's origin, once the door has let it in

    async def prepare(self) -> None:
        self.house.door.check(self.request.headers, arrived_at(self.request))
        self.allowed = self.request.headers.get("Origin", "")
        self.set_default_headers()
        if is_preflight(self.request):  # it shows no token, and is told nothing
            self.set_header("Access-Control-Allow-Methods", ", ".join(METHODS))
            self.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type")
            self.set_status(204)
            _ = self.finish()
            return
        await super().prepare()
        if speaks_the_dialect(self.request.headers):
            self.path_args[0] = self.rooms.parties.called(self.path_args[0])
        await check_link(self.rooms, self.who, self.path_args[0], self.path_args[1])

    def set_default_headers(self) -> None:
        """A page that the door has let in may read the answer. Nobody's cookies are involved."""
        if self.allowed:
            self.set_header("Vary", "Origin")
            self.set_header("Access-Control-Allow-Origin", self.allowed)

    def shown(self) -> str:
        return bearer(self.request.headers) or page_token(self.request)

    async def ask(self, *_: str) -> None:
        """Plain HTTP, which is the party's to answer."""
        pause = 0.0 if self.who.operator else self.house.usage.pause(self.who.id, len(self.request.body))
        if pause:
            raise Refused(429, "busy", "You are asking too fast. Wait a little.", after=pause)
        write(self, await answered(self.rooms, self.who, self.request, *self.path_args, allow=self._allow))

    head = post = put = patch = delete = options = ask

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            await self.ask()
            return
        hint = self.request.headers.get("X-PartySync-Party", "")
        if not self.who.operator:
            self.house.usage.come(self.who.id)
            self.counted = True
        try:
            self.admission = await admit(
                self.rooms, self.who, self.path_args[0], self.path_args[1], hint, allow=self._allow
            )
            if speaks_the_dialect(self.request.headers):
                self.page = PageVisit(self.admission, connection_id(self.request), query(self.request))
                await self.page.prepare()
            await super().get(*args, **kwargs)
        finally:
            if self.ws_connection is None:  # it did not open, and will not close
                self._gone()

    def _allow(self, new: bool) -> None:  # noqa: FBT001  # whether the room is
        if not self.who.operator:
            self.house.usage.open(self.who.id, new=new, rooms=len(self.rooms.places))

    def _gone(self) -> None:
        if self.counted:
            self.counted = False
            self.house.usage.go(self.who.id)

    def check_origin(self, origin: str) -> bool:
        return True  # prepare() has refused every page that was not allowed

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        made = super().get_websocket_protocol()
        return (
            ReadingAhead(self, mask_outgoing=False, params=made.params)
            if isinstance(made, WebSocketProtocol13)
            else made
        )

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        chosen, self.format = choose(subprotocols)
        return chosen

    def open(self, *args: str, **kwargs: str) -> None:
        if self.admission is None:
            raise RuntimeError("A socket opens only after get() has found its room.")
        self.set_nodelay(True)
        hold_little(self)
        if self.page is not None:
            self.greeted()  # nobody says hello, in either direction
            self.page.enter(SocketWire(self, self.format))
            self.visit = self.page
            return
        self.visit = visit = Visit(self.admission, self.format, WelcomingWire(self, self.format))
        if self.selected_subprotocol is None:
            visit.refuse_protocol()

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Hear it. The next frame is read when what this gives is done: so is somebody slowed who is too fast."""
        size, counts = len(message), self.rooms.counts
        counts.frames_in += 1
        counts.bytes_in += size
        if self.visit is not None:
            self.visit.hear(message)
        pause = 0.0 if self.who.operator else self.house.usage.pause(self.who.id, size)
        counts.slowed += pause
        return self._rest(pause) if pause or (self.visit is not None and self.visit.crowded) else None

    async def _rest(self, pause: float) -> None:
        """As long as it is too fast, and as long as the room has all it can hold."""
        connection = self.ws_connection
        while connection is not None and not connection.is_closing():
            is_there(connection)
            if pause > 0:
                await asyncio.sleep(min(pause, REST_SECONDS))
                pause -= REST_SECONDS
            elif self.visit is not None and self.visit.crowded:
                await self.visit.eased(REST_SECONDS)
            else:
                return

    def greeted(self) -> None:
        """It has said hello, and may send what the room's limit allows."""
        if isinstance(self.ws_connection, WebSocketProtocol13):
            self.ws_connection.params.max_message_size = self.rooms.limits.frame + ENVELOPE

    def on_close(self) -> None:
        self._gone()
        if self.visit is not None:
            self.visit.leave()

    @property
    def max_message_size(self) -> int:
        return FIRST_FRAME


class WelcomingWire(SocketWire):
    """The first thing a room writes to a session is the welcome, or the reason why not."""

    __slots__ = ("_greeted",)

    def __init__(self, socket: RoomSocket, format: Format) -> None:
        super().__init__(socket, format)
        self._greeted: Callable[[], None] | None = socket.greeted

    def send(self, frame: bytes) -> Awaitable[None] | None:
        if self._greeted is not None:
            self._greeted()
            self._greeted = None
        return super().send(frame)


class Health(Gate):
    """Whether the server is there, and which."""

    def get(self) -> None:
        self.write(health(self.rooms))


class Metrics(Gate):
    """What the server has done and has, for Prometheus."""

    def get(self) -> None:
        kind, text = exposition(self.rooms)
        self.set_header("Content-Type", kind)
        self.write(text)


class Nothing(Gate):
    """Any other address; it tells a stranger no more than a known one does."""

    for_all = True

    async def prepare(self) -> None:
        await super().prepare()
        if self.who.link:
            raise Refused(403, "role", "A link opens its room, and nothing else on this server.")
        raise tornado.web.HTTPError(404)


def health(rooms: Rooms) -> dict[str, Any]:
    return {"partysync": __version__, "protocol": m.PROTOCOL, "sessions": rooms.sessions()}


def make_app(house: House, prefix: str = "", *, ping: float = PING_SECONDS) -> tornado.web.Application:
    """The routes, below ``prefix``. Each goes through ``Gate``. ``ping``: as ``PING_SECONDS``; 0 is never."""
    common, below = {"house": house}, re.escape(prefix)
    return tornado.web.Application(
        [
            (below + r"/parties/([^/]+)/([^/]+)", RoomSocket, common),
            (below + r"/health", Health, common),
            (below + r"/metrics", Metrics, common),
            *((below + path, route, common) for path, route in (*ROUTES, *PAGES, *EXAMPLES)),
        ],
        default_handler_class=Nothing,
        default_handler_args=common,
        websocket_ping_interval=ping,
        websocket_ping_timeout=ping,
        websocket_max_message_size=FIRST_FRAME,
        log_function=lambda handler: log.debug("%s %s", handler.get_status(), handler.request.method),
    )
