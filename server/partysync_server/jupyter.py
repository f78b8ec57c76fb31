"""
The Jupyter Server extension: rooms in the server that is running anyway, for its kernels and its browsers.

Installing the wheel enables it. What it does is in ``hosting`` (the rooms' thread) and ``mount`` (the addresses below
Jupyter's own); here is what can be configured, and when it begins and ends.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Float, Int, List, Unicode

from partysync_widget.core import messages as m
from partysync_widget.core.effort import MOST_BYTES
from partysync_widget.core.errors import PartySyncError

from .hosting import Hosting
from .mount import routes
from .parties import Parties
from .serving import data_folder
from .visit import PING_SECONDS

SETTLE_SECONDS = 5.0  # for the rooms' thread to have the rooms, or to know who has


class PartySyncExtension(ExtensionApp):
    """Rooms of PartySync in a Jupyter Server."""

    name = "partysync"
    extension_url = "/partysync/health"

    data = Unicode(
        os.environ.get("PARTYSYNC_DATA", ""),
        help="Folder of the rooms' files; if empty, `partysync` in Jupyter's data folder.",
    ).tag(config=True)
    party = List(Unicode(), help="Parties to serve beside `main`, as module:Class.").tag(config=True)
    import_parties = Bool(default_value=True, help="Import a party that a kernel of this server names.").tag(
        config=True
    )
    idle_room = Float(60.0, help="Seconds a room stays open that is empty, or in which nothing happens.").tag(
        config=True
    )
    ping = Float(
        PING_SECONDS, min=0.0, help="Seconds between pings; who answers none for as long is cut. 0: never."
    ).tag(config=True)
    frame_limit = Int(1 << 20, min=1 << 10, max=MOST_BYTES, help="Bytes in one frame from a kernel, at most.").tag(
        config=True
    )

    hosting: Hosting | None = None

    def initialize_handlers(self) -> None:
        """Mount the rooms. They open when the server starts."""
        try:
            folder = data_folder(self.data, option="PartySyncExtension.data")
            parties = Parties(imports=self.import_parties, restart="Restart Jupyter.")
            for path in self.party:
                parties.load(path)
        except PartySyncError as error:
            self.log.error("PartySync: %s", error)  # noqa: TRY400  # a sentence; Jupyter goes on without rooms
            return
        limits = m.Limits(frame=self.frame_limit, mutations=256)
        self.hosting = Hosting(folder, parties, limits=limits, idle=self.idle_room, ping=self.ping, log=self.log)
        self.handlers.extend(routes(self.hosting))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Jupyter listens; open the rooms, or find who has them."""
        if self.hosting is None:
            return
        self.hosting.start()
        try:
            await asyncio.wait_for(asyncio.wrap_future(self.hosting.settled), SETTLE_SECONDS)
        except TimeoutError:
            self.log.warning("PartySync: the rooms are not open after %s s; going on.", SETTLE_SECONDS)
        if getattr(getattr(serverapp, "gateway_config", None), "gateway_enabled", False):
            self.log.warning(
                "PartySync: kernels run on a gateway and cannot find these rooms by themselves. Set PARTYSYNC_URL to "
                "%spartysync, as it is reached from there, and PARTYSYNC_TOKEN to this server's token, for kernels.",
                serverapp.connection_url,
            )

    async def stop_extension(self) -> None:
        """Close the rooms; Jupyter's loop goes on meanwhile, for it carries some of their goodbyes."""
        if self.hosting is not None:
            await asyncio.to_thread(self.hosting.stop)
