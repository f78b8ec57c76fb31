"""
``partysync serve``: the room server alone, configured as everything in Jupyter is (traitlets).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

import tornado
from jupyter_core.paths import jupyter_data_dir
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets import Bool, Float, Int, List, TraitError, Unicode
from traitlets.config import Application, Config

from partysync_widget import __version__
from partysync_widget.core import messages as m
from partysync_widget.core.claim import Claim
from partysync_widget.core.errors import PartySyncError

from .app import make_app
from .parties import Parties
from .rooms import Rooms

SAFE_TORNADO = (6, 5)  # older ones have known holes that matter once strangers can connect


class ServeApp(Application):
    """Serve rooms from a folder until it is told to stop."""

    name = "partysync-serve"
    description = "Serve rooms: `partysync serve --data DIR --port N --token T --party module:Class`."
    version = __version__

    data = Unicode(os.environ.get("PARTYSYNC_DATA", ""), help="Folder of the rooms' files.").tag(config=True)
    ip = Unicode("127.0.0.1", help="Address to listen on.").tag(config=True)
    port = Int(0, min=0, max=65535, help="Port to listen on; 0 takes a free one.").tag(config=True)
    token = Unicode(os.environ.get("PARTYSYNC_TOKEN", ""), help="What kernels must show; made if empty.").tag(
        config=True
    )
    party = List(Unicode(), help="Parties to serve beside `main`, as module:Class.").tag(config=True)
    idle_room = Float(60.0, help="Seconds an empty room stays open.").tag(config=True)
    idle_exit = Float(0.0, help="Seconds without a session before the server ends; 0: never.").tag(config=True)
    frame_limit = Int(1 << 20, help="Bytes in one frame from a kernel, at most.").tag(config=True)
    import_parties = Bool(
        default_value=False, help="Import a party that a kernel names; for your own server only."
    ).tag(config=True)
    runtime_file = Unicode("", help="File, readable only by you, to write address and token into.").tag(config=True)

    aliases = {  # noqa: RUF012  # traitlets reads a plain dict
        "data": "ServeApp.data",
        "ip": "ServeApp.ip",
        "port": "ServeApp.port",
        "token": "ServeApp.token",
        "party": "ServeApp.party",
        "idle-room": "ServeApp.idle_room",
        "idle-exit": "ServeApp.idle_exit",
        "frame-limit": "ServeApp.frame_limit",
        "runtime-file": "ServeApp.runtime_file",
        "log-level": "Application.log_level",
    }

    flags = {  # noqa: RUF012  # traitlets reads a plain dict
        "import-parties": ({"ServeApp": {"import_parties": True}}, "Import a party that a kernel names."),
    }

    def start(self) -> None:
        """Serve until SIGTERM, SIGINT or idleness."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._check_exposure()
        folder = self._folder()
        who = f"the partysync server with process id {os.getpid()}"
        claim = Claim(folder / "server.lock", who, what=f"The data folder {folder}")
        try:
            await self._serve_from(folder)
        finally:
            claim.release()

    def _folder(self) -> Path:
        folder = Path(self.data or Path(jupyter_data_dir()) / "partysync").expanduser().resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise PartySyncError(f"Cannot keep rooms in {folder}: {error.strerror}. Use another --data.") from None
        return folder

    async def _serve_from(self, folder: Path) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, stop.set)
        token = self.token or secrets.token_urlsafe(32)
        limits = m.Limits(frame=self.frame_limit, mutations=256)
        rooms = Rooms(folder / "rooms", self._parties(), limits=limits, idle=self.idle_room)
        try:
            sockets = bind_sockets(self.port, self.ip)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise PartySyncError(f"Cannot listen on {self.ip}:{self.port}: {why}. Use another --port.") from None
        server = HTTPServer(make_app(rooms, token), max_header_size=1 << 14, max_body_size=1 << 16)
        server.add_sockets(sockets)
        url = f"http://{self.ip}:{sockets[0].getsockname()[1]}"
        self._announce(url, token)
        try:
            await self._until_stopped(stop, rooms)
        finally:
            self._withdraw()
            server.stop()
            await rooms.close(m.Bye("The server is stopping.", 0.5))
            await server.close_all_connections()

    async def _until_stopped(self, stop: asyncio.Event, rooms: Rooms) -> None:
        occupied = time.monotonic()
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=min(1.0, self.idle_exit or 1.0))
            await rooms.close_idle()
            if rooms.sessions():
                occupied = time.monotonic()
            elif self.idle_exit and time.monotonic() - occupied > self.idle_exit:
                return

    def _parties(self) -> Parties:
        sys.path.insert(0, str(Path.cwd()))
        parties = Parties(imports=self.import_parties)
        for path in self.party:
            parties.load(path)
        return parties

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

    def _announce(self, url: str, token: str) -> None:
        if self.runtime_file:
            try:
                write_private(Path(self.runtime_file), {"url": url, "token": token, "pid": os.getpid()})
            except OSError as error:
                raise PartySyncError(f"Cannot write {self.runtime_file}: {error.strerror}.") from None
        else:
            token_line = "" if self.token else f"\nToken: {token}"
            sys.stdout.write(f"Rooms at {url}{token_line}\n")
            sys.stdout.flush()

    def _withdraw(self) -> None:
        if self.runtime_file:
            Path(self.runtime_file).unlink(missing_ok=True)


class PartySyncApp(Application):
    """The command ``partysync``."""

    name = "partysync"
    description = "A table that several notebooks share."
    version = __version__
    subcommands = {  # noqa: RUF012  # traitlets reads a plain dict; the name is imported when it is called
        "serve": (ServeApp, "Serve rooms."),
        "where": ("partysync_widget.where.WhereApp", "Say which server a kernel here would find, and why."),
    }

    def start(self) -> None:
        if self.subapp is None:
            self.print_help()
            self.exit(1)
        super().start()


def write_private(path: Path, content: dict[str, Any]) -> None:
    """A JSON file that only its owner can read, there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(content, file)
    draft.replace(path)


def main(argv: list[str] | None = None) -> None:
    """Run the command. A mistake of the person's ends in a sentence and exit code 1."""
    try:
        PartySyncApp.launch_instance(argv, config=Config())
    except (PartySyncError, TraitError) as error:
        sys.stderr.write(f"partysync: {error}\n")
        raise SystemExit(1) from None
