"""
Serving: the rooms of one folder, at an address of their own, from when they are claimed until they are let go.

It runs on the event loop that it is made on: the one of ``partysync serve``, or that of the rooms' thread in Jupyter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from partysync_widget.core import messages as m
from partysync_widget.core.claim import Claim
from partysync_widget.core.errors import PartySyncError, StorageFailed

from .access import Access
from .app import ALONE, Site, make_app
from .parties import Parties
from .rooms import Rooms

TEND_SECONDS = 1.0  # between looks for rooms that nobody is in


def data_folder(given: str, *, option: str) -> Path:
    """The folder of the rooms, made if it is not there; ``given`` is empty for the usual one."""
    folder = Path(given or Path(jupyter_data_dir()) / "partysync").expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise PartySyncError(f"Cannot keep rooms in {folder}: {error.strerror}. Use another {option}.") from None
    return folder


class Serving:
    """See the module. Raises StorageFailed, with the owner, if another server has the folder."""

    def __init__(
        self,
        folder: Path,
        parties: Parties,
        *,
        ip: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        limits: m.Limits,
        idle: float,
        site: Site = ALONE,
    ) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._claim = Claim(
            folder / "server.lock",
            f"the partysync server with process id {os.getpid()}",
            what=f"The data folder {folder}",
        )
        try:
            access = Access(folder / "access.sqlite")
        except StorageFailed:
            self._claim.release()
            raise
        self.rooms = Rooms(folder / "rooms", parties, access, limits=limits, idle=idle)
        try:
            sockets = bind_sockets(port, ip)
        except (OSError, OverflowError) as error:
            access.close()
            self._claim.release()
            why = getattr(error, "strerror", None) or error
            raise PartySyncError(f"Cannot listen on {ip}:{port}: {why}. Use another --port.") from None
        app = make_app(self.rooms, self.token, site)
        self._server = HTTPServer(app, max_header_size=1 << 14, max_body_size=1 << 16)
        self._server.add_sockets(sockets)
        self.url = f"http://{ip}:{sockets[0].getsockname()[1]}{site.prefix}"

    async def tend(self, stop: asyncio.Event) -> bool:
        """Wait a while and close the rooms that are empty; whether it goes on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TEND_SECONDS)
        await self.rooms.expire()
        await self.rooms.close_idle()
        return not stop.is_set()

    async def end(self) -> None:
        """Say goodbye, close the rooms, let go of the folder."""
        try:
            self._server.stop()
            await self.rooms.close(m.Bye("The server is stopping.", 0.5))
            await self._server.close_all_connections()
            self.rooms.access.close()
        finally:
            self._claim.release()
