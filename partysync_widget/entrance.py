"""
The entrance: ``connect("genetics-101")`` finds the server, or starts it, and opens the room.
"""

from __future__ import annotations

import contextlib
import getpass
import inspect
import os
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .cache import Cache
from .connection import Connection
from .core.errors import NotConnected, ProtocolError, SchemaMismatch
from .core.party import Main, Party
from .core.replica import Replica
from .discovery import finder
from .marimo_cells import end_with_session, written_in_cell
from .palette import pick
from .room import Room
from .sharing import read_link


def connect(
    room: str,
    *,
    url: str | None = None,
    token: str | None = None,
    party: type[Party] | str | None = None,
    user: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    timeout: float = 10,
) -> Room:
    """Enter a room; it is made if it is not there.

    ``room``     its name, 1 to 200 printable characters; or a link that somebody gave you (``Room.share``).
    ``url``      the server's base, ``http(s)://host:port``; without it ``PARTYSYNC_URL``, or the Jupyter Server that
                 started this kernel, or this user's own server, which is started if need be.
    ``token``    what that server wants to be shown; without it ``PARTYSYNC_TOKEN``.
    ``party``    a Party subclass, or the name of one that the server has; without it ``main``.
    ``user``     your name, as the others see it.
    ``cache``    a path; with it the room opens without a server, and edits made offline survive a restart.
    ``timeout``  seconds to wait for the first copy of the room.

    Raises NotConnected, PermissionDenied, SchemaMismatch or ProtocolError, each with what to do.
    """
    if (link := read_link(room)) is not None:
        room, url, token = link.room, url or link.url, link.token
        party = party if party is not None else link.party
    if not 0 < len(room) <= 200 or not room.isprintable():
        raise ProtocolError("bad-room-name", f"A room's name is 1 to 200 printable characters, not {room!r:.80}.")
    kind, typed = _party(party)
    client = os.urandom(8).hex()
    replica = Replica(kind, client, user=user or _user_name(), color=pick(client), typed=typed)
    hint = _hint(kind) if typed else ""
    kept = Cache(Path(cache), replica, room) if cache is not None else None
    connection = Connection(replica, room, finder(url, token), party_hint=hint, cache=kept)
    entered = Room(room, connection)
    if (here := inspect.currentframe()) is not None and written_in_cell(here.f_back):
        end_with_session(entered)
    try:
        connection.first.result(timeout)
    except (FutureTimeout, NotConnected) as error:
        if cache is not None:
            return entered
        connection.close()
        if isinstance(error, NotConnected):
            raise
        raise NotConnected(
            f"The room {room!r} did not open within {timeout} s"
            + (f": {connection.trouble}" if connection.trouble else ". The server may be busy; pass a longer timeout.")
        ) from None
    except BaseException:  # an interrupt too: nobody has the room, so it is left
        connection.close()
        raise
    return entered


def _party(party: Any) -> tuple[type[Party], bool]:
    """The class, and whether its code is known here."""
    if party is None:
        return Main, True
    if isinstance(party, type) and issubclass(party, Party) and party is not Party:
        return party, True
    if isinstance(party, str):
        return (Main, True) if party == Main.name else (type(party, (Party,), {"name": party}), False)
    raise SchemaMismatch(f"party takes a subclass of Party or the name of one, not {party!r:.80}.")


def _hint(party: type[Party]) -> str:
    """Where this user's own server can import the party from; empty if it cannot."""
    with contextlib.suppress(TypeError, OSError):
        if party is not Main and party.__module__ != "__main__":
            depth = len(party.__module__.split("."))
            folder = Path(inspect.getfile(party)).resolve().parents[depth - 1]
            return quote(f"{party.__module__}:{party.__qualname__};{folder}")
    return ""


def _user_name() -> str:
    for variable in ("PARTYSYNC_USER", "JUPYTERHUB_USER"):
        if found := os.environ.get(variable):
            return found
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "somebody"
