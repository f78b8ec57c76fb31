"""
Serving: the rooms of one folder, at an address of their own, from when they are claimed until they are let go.

It runs on the event loop that it is made on: the one of ``partysync serve``, or that of the rooms' thread in Jupyter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import apsw
from jupyter_core.paths import jupyter_data_dir
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from partysync_widget.core import messages as m
from partysync_widget.core.errors import PartySyncError, StorageFailed

from .access import Access
from .alarms import Alarms
from .app import make_app
from .door import Door
from .folder_claim import claim
from .gate import House, Introducer, nobody
from .keeping import told
from .neighbours import Address
from .parties import Parties
from .quotas import Usage
from .rooms import Rooms
from .visit import PING_SECONDS

QUIET_SECONDS = 30.0  # that a connection may wait before its request is there as a whole
LOOKASIDE = 512, 24  # bytes of a slot, slots
LEAST_MEMORY = 1 << 28  # bytes for SQLite, however small the machine
TEND_SECONDS = 1.0  # between looks for rooms that nobody is in


def data_folder(given: str, *, option: str) -> Path:
    """The folder of the rooms, made if it is not there; ``given`` is empty for the usual one."""
    folder = Path(given or Path(jupyter_data_dir()) / "partysync").expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise PartySyncError(f"Cannot keep rooms in {folder}: {error.strerror}. Use another {option}.") from None
    return folder


@dataclass(frozen=True)
class Listening:
    """At which address, and to whom. ``public`` is the address that people outside use, if it is another one.

    ``prefix`` is the path below which the routes are, as in ``/services/partysync``. ``ping``: seconds between pings.
    """

    ip: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    public: str = ""
    prefix: str = ""
    ping: float = PING_SECONDS
    door: Door = field(default_factory=Door)


def certificate(certfile: str, keyfile: str) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with that certificate; None if none was named."""
    if not certfile and not keyfile:
        return None
    if not certfile:
        raise PartySyncError(f"--keyfile {keyfile} needs the certificate that goes with it: add --certfile.")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile or None)
    except (OSError, ssl.SSLError) as error:
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        where = f"--certfile {certfile}" + (f" and --keyfile {keyfile}" if keyfile else "")
        raise PartySyncError(
            f"Cannot serve with {where}: {why}. Both are PEM files that this user can read, and belong together."
        ) from None
    return context


def allow_files() -> None:
    """As many as the system lets this process have: a room takes three, and many systems begin with 1,024."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource  # noqa: PLC0415

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_memory() -> None:
    """Let SQLite set little memory apart for each connection: nine tenths of it is never used in a room.

    For a process that is a server and nothing else, and has not used SQLite yet (sqlite.org/malloc.html#lookaside).
    apsw is built so that SQLite does not begin by itself (OMIT_AUTOINIT): without ``initialize`` it would go on without
    its locks. Measured: 106 kB for a room that is open, where it was 197, and as quick.
    """
    if apsw.connections():
        return
    apsw.shutdown()
    apsw.config(apsw.SQLITE_CONFIG_LOOKASIDE, *LOOKASIDE)
    apsw.initialize()


def bound_memory() -> int:
    """Let SQLite have half of the memory that there is: a query that wants more fails, and no server (bytes)."""
    found = []
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not on Windows
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(ValueError, OSError):  # of a container, if that has a limit
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    most = max(min(found) // 2, LEAST_MEMORY) if found else 0
    apsw.hard_heap_limit(most)
    return most


class Serving:
    """See the module. Raises StorageFailed, with the owner, if another server has the folder."""

    def __init__(
        self,
        folder: Path,
        parties: Parties,
        *,
        at: Listening | None = None,
        token: str = "",
        limits: m.Limits,
        idle: float,
        usage: Usage | None = None,
        introducer: Introducer = nobody,
    ) -> None:
        bound_memory()
        at = at or Listening()
        self.token = token or secrets.token_urlsafe(32)
        self._claim = claim(folder, "the partysync server")
        try:
            access = Access(folder / "access.sqlite")
            alarms = Alarms(folder / "alarms.sqlite", told(folder / "rooms"))
        except StorageFailed:
            self._claim.release()
            raise
        self.rooms = Rooms(folder / "rooms", parties, access, limits=limits, idle=idle, alarms=alarms)
        self.rooms.public = at.public
        self.rooms.pages = at.door.pages is not None
        try:
            sockets = bind_sockets(at.port, at.ip)
        except (OSError, OverflowError) as error:
            access.close()
            alarms.close()
            self._claim.release()
            why = getattr(error, "strerror", None) or error
            raise PartySyncError(f"Cannot listen on {at.ip}:{at.port}: {why}. Use another --port.") from None
        self.house = House(self.rooms, self.token, at.door, usage or Usage(), introducer)
        self._server = HTTPServer(
            make_app(self.house, at.prefix, ping=at.ping),
            ssl_options=at.tls,
            max_header_size=1 << 14,
            max_body_size=1 << 16,
            idle_connection_timeout=QUIET_SECONDS,  # also for a head or a handshake that does not come
        )
        self._server.add_sockets(sockets)
        host = f"[{at.ip}]" if ":" in at.ip else at.ip
        here = f"{'https' if at.tls else 'http'}://{host}:{sockets[0].getsockname()[1]}{at.prefix}"
        self.url = at.public or here
        # Who is in this process takes the way by loopback; a certificate is for the name that people use.
        inside = here.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        self.rooms.address = Address(self.url if at.tls else inside, self.token)

    async def tend(self, stop: asyncio.Event) -> bool:
        """Wait a while and close the rooms that are empty; whether it goes on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TEND_SECONDS)
        await self.rooms.expire()
        await self.rooms.ring()
        await self.rooms.close_idle()
        return not stop.is_set()

    async def end(self) -> None:
        """Say goodbye, close the rooms, let go of the folder."""
        try:
            self._server.stop()
            self.house.stopping = True
            await self.rooms.close(m.Bye("The server is stopping.", 0.5))
            await self._server.close_all_connections()
            self.rooms.access.close()
            if self.rooms.alarms is not None:
                self.rooms.alarms.close()
        finally:
            self._claim.release()
