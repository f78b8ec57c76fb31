"""
``partysync share ROOM``: a link of a room, or the address of one of its pages, without a notebook.
"""

from __future__ import annotations

import sys

from traitlets import Enum, Float, Unicode
from traitlets.config import Application

from ._version import __version__
from .core.errors import NotConnected, PartySyncError
from .core.roles import ROLES
from .discovery import survey
from .entrance import connect

NEW = "a new one"  # what ``survey`` calls a server that does not run yet


class ShareApp(Application):
    """Make a link of a room, as its owner, and print it. Whoever has it gets in."""

    name = "partysync-share"
    description = "Print a link of a room: `partysync share ROOM --role viewer --page TABLE --expires 3600`."
    version = __version__

    role = Enum(ROLES, "viewer", help="What whoever has the link may do.").tag(config=True)
    page = Unicode(None, allow_none=True, help="A table: print the address of its page, for a browser.").tag(
        config=True
    )
    expires = Float(None, allow_none=True, min=0.0, help="Seconds until it is good no more.").tag(config=True)
    note = Unicode("", help="Whom it is for, as `room.people()` shows it.").tag(config=True)
    party = Unicode("main", help="The room's party.").tag(config=True)
    url = Unicode(
        "", help="The server, if it is not the one that `partysync where` says; its token is PARTYSYNC_TOKEN."
    ).tag(config=True)

    aliases = {  # noqa: RUF012  # traitlets reads a plain dict
        "role": "ShareApp.role",
        "page": "ShareApp.page",
        "expires": "ShareApp.expires",
        "note": "ShareApp.note",
        "party": "ShareApp.party",
        "url": "ShareApp.url",
    }

    def start(self) -> None:
        """Print the link, and nothing else. Raises PartySyncError."""
        if len(self.extra_args) != 1:
            raise PartySyncError("Say which room: `partysync share ROOM`, and one at a time.")
        if not self.url and any(finding.taken and finding.place == NEW for finding in survey()):
            raise NotConnected("No server runs here. Start one with `partysync serve`, or say --url.")
        with connect(self.extra_args[0], url=self.url or None, party=self.party, user="partysync share") as room:
            share = room.share(self.role, expires=self.expires, note=self.note)
            try:
                said = share.link if self.page is None else share.page_url(self.page)
            except PartySyncError:
                room.revoke(share)  # nobody will ever be told its link
                raise
        sys.stdout.write(f"{said}\n")
