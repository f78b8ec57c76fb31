"""
``partysync health``: whether a room server is there and answers. For probes of containers, and for people.
"""

from __future__ import annotations

import os
import sys

from traitlets import Float, Unicode
from traitlets.config import Application

from partysync_widget import __version__
from partysync_widget.core.errors import PartySyncError

from .asking import ask, read_token


class HealthApp(Application):
    """Ask a room server how it is; the exit code is 0 if it answers, and 1 if not."""

    name = "partysync-health"
    description = "Ask whether a room server is there: `partysync health --url http://127.0.0.1:8765`."
    version = __version__

    url = Unicode(os.environ.get("PARTYSYNC_URL", ""), help="Address of the server.").tag(config=True)
    token = Unicode(os.environ.get("PARTYSYNC_TOKEN", ""), help="Its own token.").tag(config=True)
    token_file = Unicode("", help="File, readable only by you, that holds it.").tag(config=True)
    seconds = Float(5.0, help="To wait for an answer.").tag(config=True)

    aliases = {  # noqa: RUF012  # traitlets reads a plain dict
        "url": "HealthApp.url",
        "token": "HealthApp.token",
        "token-file": "HealthApp.token_file",
        "seconds": "HealthApp.seconds",
    }

    def start(self) -> None:
        """One line. Raises PartySyncError with the server's sentence, or with why there is none."""
        if not self.url:
            raise PartySyncError("Say which server, with --url or in PARTYSYNC_URL.")
        token = read_token(self.token_file) if self.token_file else self.token
        url = self.url.rstrip("/")
        said = ask(url, token, "/health", None, seconds=self.seconds)
        if "partysync" not in said:
            raise PartySyncError(f"What answers at {url} is no room server.")
        sys.stdout.write(f"PartySync {said['partysync']} at {url}, {said['sessions']} sessions\n")
