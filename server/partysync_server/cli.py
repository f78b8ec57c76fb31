"""
``partysync serve``: the room server alone, configured as everything in Jupyter is (traitlets).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import tornado
from traitlets import Bool, Enum, Float, Int, List, TraitError, Unicode
from traitlets.config import Application, Config

from partysync_widget import __version__
from partysync_widget.core import messages as m
from partysync_widget.core.effort import MOST_BYTES
from partysync_widget.core.errors import PartySyncError

from .asking import read_token
from .door import Door, Pages, check_origin
from .gate import Introducer, nobody
from .logs import configure
from .parties import Parties
from .quotas import Quotas, Usage
from .rooms import KEPT
from .runtime import describe, write_private
from .serving import Listening, Serving, allow_files, certificate, data_folder, spare_memory
from .visit import PING_SECONDS

log = logging.getLogger("partysync.server")

SAFE_TORNADO = (6, 5)  # older ones have known holes that matter once strangers can connect


class ServeApp(Application):
    """Serve rooms from a folder until it is told to stop."""

    name = "partysync-serve"
    description = "Serve rooms: `partysync serve --data DIR --port N --token T --party module:Class`."
    version = __version__
    again = "Stop that server and type its `partysync serve --party module:Class` again."  # for a party's new schema

    data = Unicode(os.environ.get("PARTYSYNC_DATA", ""), help="Folder of the rooms' files.").tag(config=True)
    ip = Unicode("127.0.0.1", help="Address to listen on.").tag(config=True)
    port = Int(0, min=0, max=65535, help="Port to listen on; 0 takes a free one.").tag(config=True)
    token = Unicode(os.environ.get("PARTYSYNC_TOKEN", ""), help="What kernels must show; made if empty.").tag(
        config=True
    )
    party = List(Unicode(), help="Parties to serve beside `main`, as module:Class.").tag(config=True)
    idle_room = Float(60.0, help="Seconds an empty room stays open.").tag(config=True)
    rooms_kept = Int(KEPT, min=0, help="Empty rooms that stay open, at most.").tag(config=True)
    idle_exit = Float(0.0, help="Seconds without a session before the server ends; 0: never.").tag(config=True)
    ping = Float(
        PING_SECONDS, min=0.0, help="Seconds between pings; who answers none for as long is cut. 0: never."
    ).tag(config=True)
    frame_limit = Int(1 << 20, min=1 << 10, max=MOST_BYTES, help="Bytes in one frame from a kernel, at most.").tag(
        config=True
    )
    import_parties = Bool(
        default_value=False, help="Import a party that a kernel names; for your own server only."
    ).tag(config=True)
    token_file = Unicode("", help="File, readable only by you, that holds the token.").tag(config=True)
    certfile = Unicode("", help="Certificate chain (PEM): serve with TLS.").tag(config=True)
    keyfile = Unicode("", help="Its private key (PEM), if it is not in the same file.").tag(config=True)
    public_url = Unicode("", help="Address that people use, if a proxy stands before this server.").tag(config=True)
    host = List(Unicode(), help="Names this server is known by, beside its address.").tag(config=True)
    origin = List(Unicode(), help="Pages that may connect from a browser, as https://name:port.").tag(config=True)
    pages = Bool(default_value=False, help="Show tables as pages in browsers, to whoever has a room's link.").tag(
        config=True
    )
    page_frames = List(Unicode(), help="Pages of others that may frame ours, as https://name:port.").tag(config=True)
    sessions_per_person = Int(256, min=0, help="Sessions of one person or link; 0: any number.").tag(config=True)
    rooms_open = Int(1000, min=0, help="Rooms open at a time; 0: any number.").tag(config=True)
    rooms_per_person = Int(200, min=0, help="Rooms one person may make; 0: any number.").tag(config=True)
    frames_per_second = Float(2000.0, min=0.0, help="Of one person, read on in the long run; 0: any.").tag(config=True)
    bytes_per_second = Float(32e6, min=0.0, help="Likewise.").tag(config=True)
    log_style = Enum(["text", "json"], "text", help="Lines for people, or one JSON object each.").tag(config=True)
    runtime_file = Unicode("", help="File, readable only by you, to write address and token into.").tag(config=True)

    aliases = {  # noqa: RUF012  # traitlets reads a plain dict
        "data": "ServeApp.data",
        "ip": "ServeApp.ip",
        "port": "ServeApp.port",
        "token": "ServeApp.token",
        "party": "ServeApp.party",
        "idle-room": "ServeApp.idle_room",
        "rooms-kept": "ServeApp.rooms_kept",
        "idle-exit": "ServeApp.idle_exit",
        "ping": "ServeApp.ping",
        "frame-limit": "ServeApp.frame_limit",
        "runtime-file": "ServeApp.runtime_file",
        "token-file": "ServeApp.token_file",
        "certfile": "ServeApp.certfile",
        "keyfile": "ServeApp.keyfile",
        "public-url": "ServeApp.public_url",
        "host": "ServeApp.host",
        "origin": "ServeApp.origin",
        "page-frames": "ServeApp.page_frames",
        "sessions-per-person": "ServeApp.sessions_per_person",
        "rooms-open": "ServeApp.rooms_open",
        "rooms-per-person": "ServeApp.rooms_per_person",
        "frames-per-second": "ServeApp.frames_per_second",
        "bytes-per-second": "ServeApp.bytes_per_second",
        "log-style": "ServeApp.log_style",
        "log-level": "Application.log_level",
    }

    flags = {  # noqa: RUF012  # traitlets reads a plain dict
        "import-parties": ({"ServeApp": {"import_parties": True}}, "Import a party that a kernel names."),
        "pages": ({"ServeApp": {"pages": True}}, "Show tables as pages in browsers, to whoever has a room's link."),
    }

    def start(self) -> None:
        """Serve until SIGTERM, SIGINT or idleness."""
        spare_memory()
        allow_files()
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        folder = data_folder(self.data, option="--data")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, stop.set)
        limits = m.Limits(frame=self.frame_limit, mutations=256)
        parties = self._parties()
        if self.token_file:
            self.token = read_token(self.token_file)
        configure(cast("int | str", self.log_level), self.log_style, self._secrets(), sys.stderr)
        self._check_exposure()
        serving = Serving(
            folder,
            parties,
            at=self._listening(),
            token=self.token,
            limits=limits,
            idle=self.idle_room,
            usage=Usage(self._quotas()),
            introducer=self._introducer(),
        )
        serving.rooms.kept = self.rooms_kept
        try:
            self._announce(serving, folder)
            await self._until_stopped(stop, serving)
        finally:
            self._withdraw()
            await serving.end()

    async def _until_stopped(self, stop: asyncio.Event, serving: Serving) -> None:
        occupied = time.monotonic()
        while await serving.tend(stop):
            if serving.rooms.sessions():
                occupied = time.monotonic()
            elif self.idle_exit and time.monotonic() - occupied > self.idle_exit:
                return

    def _parties(self) -> Parties:
        sys.path.insert(0, str(Path.cwd()))
        again = (
            f"End it with `kill {os.getpid()}`; the next connect() starts it anew."
            if self.import_parties
            else self.again
        )
        parties = Parties(imports=self.import_parties, restart=again)
        for path in self.party:
            parties.load(path)
        return parties

    def _listening(self) -> Listening:
        hosts = list(self.host)
        public = self.public_url.rstrip("/")
        if public:
            parts = urlsplit(public)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise PartySyncError(
                    f"--public-url {public!r} is not an address. Write it as https://rooms.example.org."
                )
            hosts.append(parts.hostname)
        tls = certificate(self.certfile, self.keyfile)
        door = Door(hosts, self.origin, pages=self._pages(public))
        return Listening(self.ip, self.port, tls=tls, public=public, ping=self.ping, door=door)

    def _pages(self, public: str) -> Pages | None:
        """``public`` is the address that people use, if it is another one."""
        frames = tuple(check_origin(origin, "--page-frames") for origin in self.page_frames)
        if not self.pages:
            if frames:
                raise PartySyncError(f"--page-frames {frames[0]} is for a server that shows pages: add --pages.")
            return None
        parts = urlsplit(public)
        return Pages(frames, check_origin(f"{parts.scheme}://{parts.netloc}", "--public-url") if public else "")

    def _introducer(self) -> Introducer:
        return nobody

    def _secrets(self) -> list[str]:
        """What no line of the log may hold."""
        return [self.token]

    def _quotas(self) -> Quotas:
        return Quotas(
            frames=self.frames_per_second,
            frames_burst=2 * self.frames_per_second,
            bytes=self.bytes_per_second,
            bytes_burst=2 * self.bytes_per_second,
            sessions=self.sessions_per_person,
            rooms_made=self.rooms_per_person,
            rooms_open=self.rooms_open,
        )

    def _check_exposure(self) -> None:
        try:
            loopback = self.ip == "localhost" or ipaddress.ip_address(self.ip).is_loopback
        except ValueError:
            loopback = False
        if not loopback and tornado.version_info < SAFE_TORNADO:
            raise PartySyncError(
                f"Tornado {tornado.version} has known holes, so this server listens on loopback only. "
                f"Type `pip install --upgrade tornado`, or leave --ip out."
            )
        if not (loopback or self.certfile or self.public_url.startswith("https:")):
            log.warning(
                "Whoever is on the network between here and a kernel can read its token and its rows. Serve with "
                "--certfile and --keyfile, or put a proxy with TLS before this server and name it with --public-url."
            )

    def _announce(self, serving: Serving, folder: Path) -> None:
        if self.runtime_file:
            try:
                write_private(Path(self.runtime_file), describe(serving.url, serving.token, folder))
            except OSError as error:
                raise PartySyncError(f"Cannot write {self.runtime_file}: {error.strerror}.") from None
        else:
            token_line = "" if self.token else f"\nToken: {serving.token}"
            sys.stdout.write(f"Rooms at {serving.url}{token_line}\n")
            sys.stdout.flush()

    def _withdraw(self) -> None:
        if self.runtime_file:
            with contextlib.suppress(OSError):  # it could not be written either
                Path(self.runtime_file).unlink()


class PartySyncApp(Application):
    """The command ``partysync``."""

    name = "partysync"
    description = "A table that several notebooks share."
    version = __version__
    subcommands = {  # noqa: RUF012  # traitlets reads a plain dict; the name is imported when it is called
        "serve": (ServeApp, "Serve rooms."),
        "share": ("partysync_widget.share_cli.ShareApp", "Print a link of a room, or the address of its page."),
        "rooms": ("partysync_server.rooms_cli.RoomsApp", "List, back up, restore and delete rooms."),
        "hub": ("partysync_server.hub.HubApp", "Serve rooms as a service of a JupyterHub."),
        "health": ("partysync_server.health.HealthApp", "Ask whether a server is there."),
        "bench": ("partysync_server.bench.command.BenchApp", "Measure it beside what one would pick instead."),
        "where": ("partysync_widget.where.WhereApp", "Say which server a kernel here would find, and why."),
    }

    def start(self) -> None:
        if self.subapp is None:
            self.print_help()
            self.exit(1)
        super().start()


def main(argv: list[str] | None = None) -> None:
    """Run the command. A mistake of the person's ends in a sentence and exit code 1."""
    try:
        PartySyncApp.launch_instance(argv, config=Config())
    except (PartySyncError, TraitError) as error:
        sys.stderr.write(f"partysync: {error}\n")
        raise SystemExit(1) from None
