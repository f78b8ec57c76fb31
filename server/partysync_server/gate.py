"""
The gate: what every route of a server of its own passes first. Whether a request may come from there, and who asks.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import tornado.httputil
import tornado.web

from .door import Door
from .principal import Principal
from .quotas import Usage
from .refusal import Refused, explain
from .rooms import Rooms
from .visit import bearer, recognise

log = logging.getLogger("partysync.server")

UNKNOWN = "The token is missing or wrong, or it has expired or was taken back. Pass token=…, or set PARTYSYNC_TOKEN."

Introducer = Callable[[str], Awaitable[Principal | None]]


async def nobody(_token: str) -> None:
    """What an introducer says who knows nobody."""


@dataclass
class House:
    """What every route needs: the rooms, the secret, who may come in from where, and who has how much.

    ``introducer`` is asked whose a token is that is none of ours; it says None for a stranger, or raises Refused.
    """

    rooms: Rooms
    token: str
    door: Door
    usage: Usage
    introducer: Introducer = nobody
    stopping: bool = False


class Gate(tornado.web.RequestHandler):
    """What every route passes first. Without a word of its own, a route is the operator's."""

    house: House
    rooms: Rooms
    who: Principal
    for_all = False  # whether it asks by itself what somebody who was recognised may do

    def initialize(self, house: House) -> None:
        self.house = house
        self.rooms = house.rooms

    async def prepare(self) -> None:
        self.set_header("Cache-Control", "no-store")
        from_page = self.house.door.check(self.request.headers, arrived_at(self.request), self.request.protocol)
        who = await self.recognise()
        if who is None:
            self.house.usage.knock(self.request.remote_ip or "")
            raise Refused(403, "token", UNKNOWN)
        if from_page and not who.link:
            raise Refused(403, "token", "A page is opened by the link of a room: room.share() makes one.")
        self.check_stopping()
        if not (self.for_all or who.operator):
            raise Refused(403, "role", "This is for the operator of the server, who has its own token.")
        self.who = who

    def check_stopping(self) -> None:
        if self.house.stopping:
            raise Refused(503, "storage", "The server is stopping. Try again in a moment.", after=1.0)

    async def recognise(self) -> Principal | None:
        """Who asks; None for a stranger."""
        shown = self.shown()
        who = recognise(self.rooms, shown, self.house.token)
        return await self.house.introducer(shown) if who is None and shown else who

    def shown(self) -> str:
        """The token that it shows; empty if it shows none."""
        return bearer(self.request.headers)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Without the address that was asked for: somebody may have put a token into it."""
        if not isinstance(value, tornado.web.HTTPError):
            log.error("%s %s failed", type(self).__name__, self.request.method, exc_info=value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        kind = error.kind if isinstance(error, Refused) else str(status_code)
        self.rooms.counts.refused[kind] += 1
        about = {"event": "refused", "reason": kind, "status": status_code, "address": self.request.remote_ip}
        log.info("request refused", extra=about)
        self.set_header("Content-Type", "application/json")
        if isinstance(error, Refused) and error.after is not None:
            self.set_header("Retry-After", str(math.ceil(error.after)))
        _ = self.finish(json.dumps(explain(status_code, error)))


def arrived_at(request: tornado.httputil.HTTPServerRequest) -> str:
    """The address of ours at which a request has arrived; empty if there is none."""
    stream = getattr(request.connection, "stream", None)
    try:
        return str(stream.socket.getsockname()[0]) if stream is not None else ""
    except (OSError, AttributeError, IndexError):  # it is gone already, or no IP socket
        return ""
