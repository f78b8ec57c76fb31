"""
A visit: how whoever a door has recognised enters a room, is heard there and leaves. On the rooms' event loop.

Doors differ (``app``: the server's token and links; ``mount``: also whoever Jupyter knows); what lies behind does not.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tornado.httputil
import tornado.websocket
from tornado.ioloop import IOLoop

from partysync_widget.core import messages as m
from partysync_widget.core.codec import SUBPROTOCOLS, Format, decode_up
from partysync_widget.core.errors import PartySyncError, ProtocolError, SchemaMismatch, StorageFailed
from partysync_widget.core.party import Party

from .access import Standing
from .connections import Connection, Visitor
from .dialect import COMING_BACK, Page
from .open_room import OpenRoom
from .phrases import is_frame
from .principal import OPERATOR, Principal
from .refusal import Refused
from .rooms import Rooms
from .sending import Wire
from .session import Session

PING_SECONDS = 20.0  # between pings; a peer that answers none for as long is gone
MAX_ROOM_NAME = 200
SHOWN_BY_PAGES = "partysync.token."  # a sub-protocol that is none: the token follows, as base64url without padding
MAX_ARGUMENT = 1_000  # bytes of what is in the address of a socket
UNSENT_BYTES = 1 << 17  # of one session that the system keeps, at most


def check_upgrade(upgrade: str | None) -> None:
    """Before anything is opened for it."""
    if (upgrade or "").lower() != "websocket":
        raise Refused(426, "websocket", "This address is a room's WebSocket; connect with partysync_widget.")


def choose(subprotocols: list[str]) -> tuple[str | None, Format]:
    """The sub-protocol to talk, and its format."""
    chosen = next((offered for offered in subprotocols if offered in SUBPROTOCOLS), None)
    return chosen, SUBPROTOCOLS[chosen] if chosen else "json"


def speaks_the_dialect(headers: tornado.httputil.HTTPHeaders) -> bool:
    """Whether this is the ancestor's client, or a page's: it offers no sub-protocol at all."""
    return "Sec-WebSocket-Protocol" not in headers


def bearer(headers: tornado.httputil.HTTPHeaders) -> str:
    """The token that a request shows; empty if it shows none."""
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def page_token(request: tornado.httputil.HTTPServerRequest) -> str:
    """The same of a page, which no browser lets set a header of a WebSocket: among the sub-protocols that it offers.

    The ancestor's clients offer none, and have it in the address. It counts for no other request, and is in no log of
    ours.
    """
    if speaks_the_dialect(request.headers):
        upgrades = request.headers.get("Upgrade", "").lower() == "websocket"
        return _argument(request, "token") if upgrades else ""
    offered = request.headers["Sec-WebSocket-Protocol"].split(",")
    said = next((each.strip() for each in offered if each.strip().startswith(SHOWN_BY_PAGES)), SHOWN_BY_PAGES)
    with contextlib.suppress(ValueError):  # no base64, or no UTF-8
        encoded = said.removeprefix(SHOWN_BY_PAGES)
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    return ""


def connection_id(request: tornado.httputil.HTTPServerRequest) -> str:
    """What the ancestor's client calls its connection, whenever that is opened again; empty if it says nothing."""
    return _argument(request, "_pk")


def query(request: tornado.httputil.HTTPServerRequest) -> dict[str, str]:
    """What else is in the address: for the party, without what is for the server."""
    return {name: _argument(request, name) for name in request.query_arguments if name not in ("token", "_pk")}


def _argument(request: tornado.httputil.HTTPServerRequest, name: str) -> str:
    values = request.query_arguments.get(name, [b""])
    return values[-1].decode(errors="replace") if len(values[-1]) <= MAX_ARGUMENT else ""


def recognise(rooms: Rooms, shown: str, secret: str) -> Principal | None:
    """Whoever shows the server's secret, or the token of a link that is good; None for anybody else."""
    if hmac.compare_digest(shown.encode(), secret.encode()):
        return OPERATOR
    share = rooms.access.by_token(shown, now=time.time()) if shown else None
    return Principal(f"link:{share.id}", link=share.id) if share is not None else None


@dataclass(frozen=True)
class Admission:
    """That ``who`` may enter a room, and as what."""

    who: Principal
    place: OpenRoom
    standing: Standing


async def admit(
    rooms: Rooms,
    who: Principal,
    wanted: str,
    name: str,
    hint: str = "",
    *,
    allow: Callable[[bool], None] = lambda _new: None,
) -> Admission:
    """Into the room, which is opened, or made. Raises Refused, and then nothing was opened or made.

    ``allow`` is called with whether the room is new, if it is not open yet; it may raise as well.
    """
    party = find_party(rooms, wanted, hint if who.operator else "")
    if not name.isprintable() or not 0 < len(name) <= MAX_ROOM_NAME:
        text = f"A room's name is 1 to {MAX_ROOM_NAME} printable characters, not {name!r:.80}."
        raise Refused(404, "bad-room-name", text)
    try:
        if not rooms.is_open(party, name):
            allow(who.makes and not rooms.path(party, name).exists())
        standing = await rooms.standing(who, party, name)
        if not standing.role:
            raise Refused(403, "role", _not_yours(who, name))
        return Admission(who, await rooms.open(party, name), standing)
    except StorageFailed as error:
        raise Refused(503, "storage", str(error)) from error
    except SchemaMismatch as error:
        raise Refused(409, "schema", f"{error} {rooms.parties.restart}") from error


async def check_link(rooms: Rooms, who: Principal, wanted: str, name: str) -> None:
    """Whoever has come by a link may ask for its room, and nothing there is said to them of another. Raises Refused."""
    if who.link and not (await rooms.standing(who, find_party(rooms, wanted, ""), name)).role:
        raise Refused(403, "role", _not_yours(who, name))


def _not_yours(who: Principal, name: str) -> str:
    """The same sentence whether there is such a room or not."""
    if who.link:
        return f"The link that you have is not for the room {name!r}, or it was taken back. Ask whoever gave it to you."
    return (
        f"You have no access to the room {name!r}. Ask an owner of it to type room.share(user={who.account!r}, "
        f'role="editor"), or take another name for a room of your own.'
    )


def find_party(rooms: Rooms, wanted: str, hint: str) -> type[Party]:
    """Raises Refused if there is none of that name."""
    try:
        party = rooms.parties.find(wanted, hint)
    except PartySyncError as error:
        raise Refused(404, "unknown-party", str(error)) from error
    if party is None:
        text = (
            f"This server has no party {wanted!r:.80}. It has: {', '.join(rooms.parties.names())}. Start it "
            f"with `partysync serve --party module:Class`; a class written in a notebook belongs into a file."
        )
        raise Refused(404, "unknown-party", text)
    return party


def hold_little(handler: tornado.websocket.WebSocketHandler) -> None:
    """Let the system keep little that it cannot send yet. It would take megabytes for whoever does not read.

    What is on the way is not counted, so no line is slower; what a slow one is sent next is fresher (R12).
    """
    stream = getattr(handler.ws_connection, "stream", None)
    if stream is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with contextlib.suppress(OSError):  # no TCP, or it is gone already
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def is_there(connection: Any) -> None:
    """Whoever sends is there, though the pong that is awaited of them lies behind what we have not read yet."""
    connection._received_pong = True  # noqa: SLF001  # Tornado 6.5 and newer
    connection.last_pong = IOLoop.current().time()  # older ones


class Visit:
    """One session in one room, from the opening of its socket to the end."""

    __slots__ = ("_format", "_place", "_session")

    def __init__(self, admission: Admission, format: Format, wire: Wire) -> None:
        self._place = admission.place
        self._format = format
        standing = admission.standing
        self._session = Session(
            admission.who,
            format,
            standing.role,
            sight=self._place.room.party.sight(standing.role),
            until=standing.until,
            share=standing.share,
        )
        self._place.join(self._session, wire)

    def refuse_protocol(self) -> None:
        """It offered some, and none that we speak."""
        text = f"Offer one of the sub-protocols {', '.join(SUBPROTOCOLS)}."
        self._end(m.Error("protocol", text, "never"))

    def hear(self, message: str | bytes) -> None:
        try:
            raw = message.encode() if isinstance(message, str) else message
            frame = decode_up(raw, self._format)
        except ProtocolError as error:
            self._end(m.Error("bad-frame", error.message, "never"))
        else:
            self._place.receive(self._session, frame, len(raw))

    @property
    def crowded(self) -> bool:
        """Whether its next frame should wait: the room has all it can hold."""
        return self._place.crowded and self._session.ended is None

    async def eased(self, seconds: float) -> None:
        """Until the room has decided some of it, at most so long."""
        await self._place.eased(seconds)

    def leave(self) -> None:
        self._place.leave(self._session)

    def _end(self, why: m.Error) -> None:
        self._session.end(why)
        self._place.wake()


class PageVisit:
    """The same of a page that speaks the ancestor's dialect: ``prepare``, and when the socket is open ``enter``."""

    def __init__(self, admission: Admission, connection: str, asked: Mapping[str, str]) -> None:
        """``connection`` is the id that it gives itself, empty if it gives none; ``asked``: what its address says."""
        self._place, standing = admission.place, admission.standing
        self._session = Session(
            admission.who,
            "json",
            standing.role,
            sight=self._place.room.party.sight(standing.role),
            until=standing.until,
            share=standing.share,
            client=f"page-{secrets.token_hex(8)}",
        )
        self._session.peer = m.Peer(self._session.called("a web page"), role=standing.role)
        self._page = Page(self._place, self._session, connection)
        self._session.tongue = self._page
        known = connection or secrets.token_hex(8)
        self._connection = Connection(self._place, self._session, self._page, known, asked)
        self._visitor = Visitor(self._place, self._place.room.party, self._session, self._connection)

    async def prepare(self) -> None:
        """Find out what it has missed, if it was here before, and what the party calls it. Raises Refused."""
        try:
            await self._place.between(self._page.arrive)
            await self._visitor.prepare()
        except StorageFailed as error:
            raise Refused(503, "storage", str(error)) from error

    def enter(self, wire: Wire) -> None:
        self._page.joined()
        self._place.join(self._session, wire)
        self._place.wake()
        self._visitor.come()
        IOLoop.current().call_later(COMING_BACK, self._release)

    def _release(self) -> None:
        self._page.release()
        self._place.wake()

    def hear(self, message: str | bytes) -> None:
        if self._visitor.hears and not is_frame(message):
            self._visitor.hear(message)
        else:
            self._page.hear(message)
        self._place.wake()

    @property
    def crowded(self) -> bool:
        """As of a visit; or its party has not heard all that it has said."""
        return (self._place.crowded or self._visitor.crowded) and self._session.ended is None

    async def eased(self, seconds: float) -> None:
        """As of a visit."""
        await (self._visitor if self._visitor.crowded else self._place).eased(seconds)

    def leave(self) -> None:
        self._place.leave(self._session)
        self._visitor.leave()
