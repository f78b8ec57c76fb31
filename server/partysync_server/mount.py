"""
The mount: rooms at ``<base_url>/partysync/parties/<party>/<room>`` of a Jupyter Server, for whoever Jupyter lets in.

A request passes by Jupyter's own identity, authorizer, host and origin checks; or by the secret of the server's runtime
file; or by the token of a link, into one room. These sockets live on Jupyter's event loop and the rooms on theirs:
each frame crosses over, and the next is read when the last has been taken. Kernels of this machine need none of that;
they use the rooms' own port (docs/decisions/jupyter-extension.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler

from partysync_widget.core.codec import Format

from .app import REST_SECONDS, health
from .hosting import Hosting
from .principal import OPERATOR, Principal
from .refusal import Refused, explain
from .requests import answered, write
from .rooms import Rooms
from .visit import (
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
    recognise,
    speaks_the_dialect,
)
from .wire import SocketWire


class Gate(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """What every route passes first. It is a WebSocketHandler so that one order of classes holds for all."""

    hosting: Hosting
    who: Principal
    for_all = False  # whether it asks by itself what somebody who was recognised may do
    ours = False  # whether the request shows our secret, or the token of a link

    def initialize(self, hosting: Hosting) -> None:
        self.hosting = hosting

    async def prepare(self) -> None:  # type: ignore[override]  # Jupyter's is a coroutine as well
        serving = self.hosting.serving
        said = bearer(self.request.headers)
        shown = said or self.token_in_address()
        who = recognise(serving.rooms, shown, serving.token) if serving is not None and shown else None
        self.ours = who is not None and bool(said)
        if who is not None and not said:  # a page; the header none can send
            self.current_user = None  # of Jupyter's, whose checks ask for one
            if not (self.check_host() and self.check_origin()):
                raise Refused(403, "origin", "This page is not Jupyter's own, so its rooms are closed to it.")
        self.who = who or await self._as_jupyter_does()
        if not (self.for_all or self.who.operator):
            raise Refused(403, "role", "This is for whoever may run code on this Jupyter Server.")

    def token_in_address(self) -> str:
        """Of ours: Jupyter's own is its own to look for."""
        return ""

    async def _as_jupyter_does(self) -> Principal:
        try:
            await JupyterHandler.prepare(self, _redirect_to_login=False)
        except HTTPError as error:
            if error.status_code != 403:
                raise
            text = (
                "Jupyter does not let you in: show its token, log in, or use the address that Jupyter says it has. "
                "The token goes into PARTYSYNC_TOKEN, or token=…."
            )
            raise Refused(403, "token", text) from None
        user = self.current_user
        if user is None:
            raise Refused(403, "token", "Log in to this Jupyter Server first, or show its token.")
        if not self.check_origin():
            raise Refused(403, "origin", "This page is not Jupyter's own, so its rooms are closed to it.")
        writes = await self._allowed("write", "partysync")
        if writes and (not self.identity_provider.auth_enabled or await self._allowed("execute", "kernels")):
            return OPERATOR  # they could read our secret as well: that is one person
        role = "editor" if writes else "viewer" if await self._allowed("read", "partysync") else ""
        name = user.display_name or user.name or user.username
        return Principal(f"jupyter:{user.username}", account=user.username, name=name, role=role, makes=writes)

    async def _allowed(self, action: str, resource: str) -> bool:
        return bool(await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, resource)))

    def check_origin(self, origin: str | None = None) -> bool:
        return self.ours or bool(super().check_origin(origin))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "application/json")
        _ = self.finish(json.dumps(explain(status_code, kwargs.get("exc_info", (None, None))[1])))


class MountedHealth(Gate):
    """Whether rooms are here."""

    async def get(self) -> None:
        serving = self.hosting.serving
        if serving is None:
            raise Refused(503, "storage", self.hosting.trouble or "The rooms are not open yet.")
        _ = self.finish(health(serving.rooms))


class MountedRoom(Gate):
    """One session with one room."""

    format: Format = "json"
    for_all = True
    admission: Admission | None = None
    visit: Visit | PageVisit | None = None
    page: PageVisit | None = None  # in place of a visit, if it speaks the ancestor's dialect
    gone = False

    async def prepare(self) -> None:  # type: ignore[override]  # Jupyter's is a coroutine as well
        await super().prepare()
        serving, (party, room) = self.hosting.serving, self.path_args
        if serving is not None:
            if speaks_the_dialect(self.request.headers):
                self.path_args[0] = party = serving.rooms.parties.called(party)
            await self.hosting.call(lambda: check_link(serving.rooms, self.who, party, room))

    async def ask(self, party: str, room: str) -> None:
        """Plain HTTP, which is the party's to answer."""
        rooms = self._rooms()
        write(self, await self.hosting.call(lambda: answered(rooms, self.who, self.request, party, room)))

    head = post = put = patch = delete = options = ask

    def check_xsrf_cookie(self) -> None:
        """Who shows a token of ours in a header is no page of somebody else's: those can set none."""
        serving, said = self.hosting.serving, bearer(self.request.headers)
        if serving is None or not said or recognise(serving.rooms, said, serving.token) is None:
            super().check_xsrf_cookie()

    def _rooms(self) -> Rooms:
        serving = self.hosting.serving
        if serving is None:
            raise Refused(503, "storage", self.hosting.trouble or "The rooms are not open yet.")
        return serving.rooms

    async def get(self, party: str, room: str) -> None:
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            await self.ask(party, room)
            return
        rooms = self._rooms()
        # Only by a token, which no other page can have a browser send, is the server made to import a party.
        meant = self.ours or self.token_authenticated or not self.identity_provider.auth_enabled
        hint = self.request.headers.get("X-PartySync-Party", "") if meant else ""
        self.admission = admission = await self.hosting.call(lambda: admit(rooms, self.who, party, room, hint))
        if speaks_the_dialect(self.request.headers):
            self.page = page = PageVisit(admission, connection_id(self.request), query(self.request))
            await self.hosting.call(page.prepare)
        await WebSocketHandler.get(self, party, room)

    def token_in_address(self) -> str:
        return page_token(self.request)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        chosen, self.format = choose(subprotocols)
        return chosen

    async def open(self, *args: str, **kwargs: str) -> None:  # noqa: ARG002  # Tornado's; it awaits this
        self.set_nodelay(True)
        hold_little(self)
        admission, page, wire = self.admission, self.page, MountedWire(self, self.format)
        if admission is None:
            raise RuntimeError("A socket opens only after get() has found its room.")
        chosen = self.selected_subprotocol is not None

        async def enter() -> Visit | PageVisit:
            if page is not None:
                page.enter(wire)
                return page
            visit = Visit(admission, self.format, wire)
            if not chosen:
                visit.refuse_protocol()
            return visit

        self.visit = await self.hosting.call(enter)
        if self.gone:  # meanwhile
            self.on_close()

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next frame when this has ended, so a room that is busy slows down who keeps it busy."""
        visit = self.visit
        if visit is not None:

            async def hear() -> bool:
                visit.hear(message)
                return visit.crowded

            async def wait() -> bool:
                await visit.eased(REST_SECONDS)
                return visit.crowded

            crowded = await self.hosting.call(hear)
            while crowded and self.ws_connection is not None and not self.ws_connection.is_closing():
                is_there(self.ws_connection)
                crowded = await self.hosting.call(wait)

    def on_close(self) -> None:
        self.gone = True
        visit, loop = self.visit, self.hosting.loop
        if visit is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(visit.leave)

    @property
    def ping_interval(self) -> float:  # seconds; Jupyter's mixin has milliseconds here, which Tornado misreads
        return self.hosting.ping

    @property
    def ping_timeout(self) -> float:
        return self.hosting.ping

    @property
    def max_message_size(self) -> int:
        return self.hosting.limits.frame + (1 << 16)


class MountedWire:
    """A mounted socket as a room writes to it: from the rooms' loop, on Jupyter's."""

    def __init__(self, socket: MountedRoom, format: Format) -> None:
        self._wire = SocketWire(socket, format)
        self._loop = asyncio.get_running_loop()

    def send(self, frame: bytes) -> Awaitable[None]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._send(frame), self._loop))

    async def _send(self, frame: bytes) -> None:
        if waiting := self._wire.send(frame):
            await waiting

    def close(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wire.close)


def routes(hosting: Hosting) -> list[tuple[str, type[Gate], dict[str, Any]]]:
    """All of them, relative to Jupyter's ``base_url``. Each goes through ``Gate``."""
    common = {"hosting": hosting}
    return [
        (r"/partysync/parties/([^/]+)/([^/]+)", MountedRoom, common),
        (r"/partysync/health", MountedHealth, common),
    ]
