"""
Neighbours: the rooms that a party is a client of, by the library's own client, as a notebook is.

The client has a thread of its own for its lines, so a room that waits for another keeps neither the server's loop nor a
worker. It is imported when a party first asks for it: a server whose parties do not loads nothing of it.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from partysync_widget.core.errors import NotConnected

MOST = 64  # that one room is in at a time
CLIENT = "partysync_widget"


@dataclass(frozen=True)
class Address:
    """Where this server is, for whoever is in its own process."""

    url: str
    token: str


class Neighbours:
    """Of one open room. For any thread but the rooms' own."""

    def __init__(self, here: Callable[[], Address | None]) -> None:
        """``here`` is asked when it is needed. To be made on the rooms' loop."""
        self._here = here
        self._loop_thread = threading.get_ident()
        self._lock = threading.Lock()
        self._rooms: list[Any] = []
        self._closed = False

    @property
    def any(self) -> bool:
        """Whether there are some: then the room does not sleep, for what it is told there it has to hear."""
        self._rooms = [each for each in self._rooms if each.status not in ("closed", "failed")]
        return bool(self._rooms)

    def connect(self, room: str, how: dict[str, Any]) -> Any:
        """Enter. Raises what ``partysync_widget.connect`` raises, and NotConnected where that cannot be waited for."""
        if threading.get_ident() == self._loop_thread:
            raise NotConnected("The server's own loop cannot wait for a room. Connect in a hook.")
        if self.any and len(self._rooms) >= MOST:
            raise NotConnected(f"This room is in {MOST} others already. Close some of them.")
        if "url" not in how and (here := self._here()) is not None:
            how = {"url": here.url, "token": here.token, **how}
        entered = importlib.import_module(CLIENT).connect(room, **{"user": "a room", **how})
        with self._lock:
            if not self._closed:
                self._rooms.append(entered)
                return entered
        entered.close()
        raise NotConnected("The room was closed meanwhile.")

    def close(self) -> None:
        """Let go of all of them."""
        with self._lock:
            self._closed = True
            rooms, self._rooms = self._rooms, []
        for each in rooms:
            each.connection.close()  # told to end, and not waited for
