"""
The HTTP side: one WebSocket per room at ``/parties/<party>/<room>``, and who may open it.

Kernels authenticate with ``Authorization: Bearer``. A browser has no business here (it talks to its kernel), so a
handshake that carries what only browsers send is refused; that leaves nothing for a hostile page to ride on, DNS
rebinding included (reliability research, 4.1).
"""

from __future__ import annotations

import hmac
import json
import logging
from typing import Any

import tornado.web
import tornado.websocket

from partysync_widget import __version__
from partysync_widget.core import messages as m
from partysync_widget.core.codec import SUBPROTOCOLS, Format, decode_up
from partysync_widget.core.errors import PartySyncError, ProtocolError, SchemaMismatch, StorageFailed

from .rooms import OpenRoom, Rooms
from .session import Session

log = logging.getLogger("partysync.server")

PING_SECONDS, PONG_SECONDS = 20, 20  # a peer that answers no ping for so long is gone
MAX_ROOM_NAME = 200
SENTENCES = {
    400: "This request cannot be read.",
    404: "There is nothing here.",
    405: "This address takes no such request.",
    500: "The room server made a mistake; its log has the details.",
}


class Refused(tornado.web.HTTPError):
    """A handshake that is refused, with a sentence for the person at the other end."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(status, reason=kind)
        self.kind = kind
        self.message = message


class Gate(tornado.web.RequestHandler):
    """What every route passes first."""

    rooms: Rooms
    token: str

    def initialize(self, rooms: Rooms, token: str) -> None:
        self.rooms = rooms
        self.token = token

    def prepare(self) -> None:
        headers = self.request.headers
        if "Origin" in headers or "Sec-Fetch-Mode" in headers:
            raise Refused(403, "browser", "A browser cannot connect to this server directly; use a notebook.")
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
            raise Refused(403, "token", "The token is missing or wrong. Pass token=…, or set PARTYSYNC_TOKEN.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        known = isinstance(error, Refused)
        self.set_header("Content-Type", "application/json")
        _ = self.finish(
            json.dumps(
                {
                    "error": error.kind if known else "error",
                    "message": error.message if known else SENTENCES.get(status_code, SENTENCES[500]),
                }
            )
        )


class RoomSocket(Gate, tornado.websocket.WebSocketHandler):
    """One session with one room."""

    format: Format = "json"
    session: Session | None = None
    place: OpenRoom | None = None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refused(426, "websocket", "This address is a room's WebSocket; connect with partysync_widget.")
        wanted = self.path_args[0]
        try:
            party = self.rooms.parties.find(wanted, self.request.headers.get("X-PartySync-Party", ""))
        except PartySyncError as error:
            raise Refused(404, "unknown-party", str(error)) from error
        if party is None:
            text = (
                f"This server has no party {wanted!r:.80}. It has: {', '.join(self.rooms.parties.names())}. Start it "
                f"with `partysync serve --party module:Class`; a class written in a notebook belongs into a file."
            )
            raise Refused(404, "unknown-party", text)
        name = self.path_args[1]
        if not name.isprintable() or not 0 < len(name) <= MAX_ROOM_NAME:
            text = f"A room's name is 1 to {MAX_ROOM_NAME} printable characters, not {name!r:.80}."
            raise Refused(404, "bad-room-name", text)
        try:
            self.place = await self.rooms.open(party, name)
        except StorageFailed as error:
            raise Refused(503, "storage", str(error)) from error
        except SchemaMismatch as error:
            raise Refused(409, "schema", str(error)) from error
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:
        return False  # never asked: prepare() has refused every Origin

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        chosen = next((offered for offered in subprotocols if offered in SUBPROTOCOLS), None)
        self.format = SUBPROTOCOLS[chosen] if chosen else "json"
        return chosen

    def open(self, *args: str, **kwargs: str) -> None:
        if self.place is None:
            raise RuntimeError("A socket opens only after get() has found its room.")
        self.set_nodelay(True)
        self.session = Session(owner="token", format=self.format)
        self.place.join(self.session, SocketWire(self, self.format))
        if self.selected_subprotocol is None:
            text = f"Offer one of the sub-protocols {', '.join(SUBPROTOCOLS)}."
            self.session.end(m.Error("protocol", text, "never"))
            self.place.wake()

    def on_message(self, message: str | bytes) -> None:
        if self.session is None or self.place is None:
            return
        try:
            frame = decode_up(message.encode() if isinstance(message, str) else message, self.format)
        except ProtocolError as error:
            self.session.end(m.Error("bad-frame", error.message, "never"))
            self.place.wake()
        else:
            self.place.receive(self.session, frame)

    def on_close(self) -> None:
        if self.session is not None and self.place is not None:
            self.place.leave(self.session)

    @property
    def max_message_size(self) -> int:
        return self.rooms.limits.frame + (1 << 16)


class SocketWire:
    """A WebSocket as a room writes to it. Tornado has taken the name ``write`` from the handler."""

    def __init__(self, socket: RoomSocket, format: Format) -> None:
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
        self.write({"partysync": __version__, "protocol": m.PROTOCOL, "sessions": self.rooms.sessions()})


class Nothing(Gate):
    """Any other address; it tells a stranger no more than a known one does."""

    def prepare(self) -> None:
        super().prepare()
        raise tornado.web.HTTPError(404)


def make_app(rooms: Rooms, token: str) -> tornado.web.Application:
    """The routes. Each goes through ``Gate``."""
    common = {"rooms": rooms, "token": token}
    return tornado.web.Application(
        [
            (r"/parties/([^/]+)/([^/]+)", RoomSocket, common),
            (r"/health", Health, common),
        ],
        default_handler_class=Nothing,
        default_handler_args=common,
        websocket_ping_interval=PING_SECONDS,
        websocket_ping_timeout=PONG_SECONDS,
        websocket_max_message_size=rooms.limits.frame + (1 << 16),
        log_function=lambda handler: log.debug("%s %s", handler.get_status(), handler.request.method),
    )
