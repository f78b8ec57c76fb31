"""
Requests: plain HTTP at a room's address, answered by its party's ``on_request``.

Whoever asks has passed the same door as for a socket, with the token in a header. Their role in the room is asked for
as well, and what it does not allow is refused before the party hears of it: without a role everything, and to a viewer
every method that changes something (R13). A request makes no room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import tornado.httputil
import tornado.web

from partysync_widget.core.errors import PartySyncError, StorageFailed
from partysync_widget.core.response import Response
from partysync_widget.core.roles import reaches

from .connections import has
from .principal import Principal
from .refusal import Refused
from .rooms import Rooms
from .visit import admit, check_upgrade, find_party, query

log = logging.getLogger("partysync.server")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READING = ("GET", "HEAD", "OPTIONS")  # which a viewer may use
SECRET = ("authorization", "cookie", "proxy-authorization", "x-xsrftoken")  # headers that no party is shown
MOST_WAITING = 64  # requests that one room has not answered yet
# Whatever a party answers with is no page with rights of ours, unless it says so itself.
CAREFUL = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


class Request:
    """A request as ``on_request`` is given it."""

    def __init__(self, request: tornado.httputil.HTTPServerRequest, who: Principal, role: str) -> None:
        self.method = request.method or "GET"
        self.query = MappingProxyType(query(request))  # of the address, without token and ``_pk``
        shown = {name.lower(): value for name, value in request.headers.get_all() if name.lower() not in SECRET}
        self.headers: Mapping[str, str] = MappingProxyType(shown)  # by name in small letters
        self.body = request.body
        self.user = who.name or who.account
        self.role = role

    def __repr__(self) -> str:
        return f"<Request {self.method} by {self.user!r}, {self.role}>"

    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Raises ValueError where the body is none."""
        return msgspec.json.decode(self.body)


def is_preflight(request: tornado.httputil.HTTPServerRequest) -> bool:
    """Whether a browser asks if a page may ask (fetch.spec.whatwg.org, CORS-preflight request)."""
    asks = "Origin" in request.headers and "Access-Control-Request-Method" in request.headers
    return request.method == "OPTIONS" and asks


async def answered(
    rooms: Rooms,
    who: Principal,
    request: tornado.httputil.HTTPServerRequest,
    wanted: str,
    name: str,
    *,
    allow: Callable[[bool], None] = lambda _new: None,
) -> Response:
    """What the room's party says to it. Raises HTTPError, of which Refused is one."""
    party = find_party(rooms, wanted, "")
    if not has(party, "on_request"):
        if request.method == "GET":
            check_upgrade(None)
        raise tornado.web.HTTPError(405)
    if who.makes and not (rooms.is_open(party, name) or rooms.is_there(rooms.path(party, name))):
        text = f"There is no room {name!r:.210}. A request makes none: connect to it first, from a notebook or a page."
        raise Refused(404, "unknown-room", text)
    admission = await admit(rooms, who, wanted, name, allow=allow)
    role, place = admission.standing.role, admission.place
    if request.method not in READING and not reaches(role, "editor"):
        text = f"You are a viewer of this room, and viewers change nothing, so {request.method} was refused."
        raise Refused(403, "role", text)
    if place.requests >= MOST_WAITING:
        raise Refused(503, "busy", f"{MOST_WAITING} requests wait in this room. Try again in a moment.", after=1.0)
    place.requests += 1
    place.held += 1  # the room neither closes nor sleeps meanwhile
    try:
        host = await place.hosted()
        return Response.of(await host.call("on_request", Request(request, who, role)))
    except asyncio.CancelledError:
        raise
    except StorageFailed as error:
        raise Refused(503, "storage", str(error), after=1.0) from error
    except PartySyncError as error:
        raise Refused(400, getattr(error, "code", "") or "refused", str(error)) from error
    except BaseException as error:  # a party may raise what it likes: it ends no room and no server
        log.error("the party %s failed in on_request", place.party, exc_info=error)  # noqa: TRY400  # as the others
        text = f"The party {place.party!r} failed in on_request; the server's log says how."
        raise Refused(500, "party", text) from None
    finally:
        place.requests -= 1
        place.held -= 1


def write(handler: tornado.web.RequestHandler, response: Response) -> None:
    """Send it. What the handler has set already stays, unless the response says otherwise."""
    handler.set_status(response.status)
    handler.clear_header("Content-Type")
    for name, value in {**CAREFUL, **response.headers}.items():
        handler.set_header(name, value)
    _ = handler.finish(response.body or None)
