"""
``partysync serve``: the room server alone, configured as everything in Jupyter is (traitlets).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
import time
from pathlib import Path

import tornado
from traitlets import Bool, Float, Int, List, TraitError, Unicode
from traitlets.config import Application, Config

from partysync_widget import __version__
from partysync_widget.core import messages as m
from partysync_widget.core.errors import PartySyncError

from .parties import Parties
from .runtime import describe, write_private
from .serving import Serving, data_folder

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
        folder = data_folder(self.data, option="--data")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, stop.set)
        limits = m.Limits(frame=self.frame_limit, mutations=256)
        serving = self._open(folder, self._parties(), limits)
        try:
            self._announce(serving, folder)
            await self._until_stopped(stop, serving)
        finally:
            self._withdraw()
            await serving.end()

    def _open(self, folder: Path, parties: Parties, limits: m.Limits) -> Serving:
        return Serving(
            folder, parties, ip=self.ip, port=self.port, token=self.token, limits=limits, idle=self.idle_room
        )

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
        "hub": ("partysync_server.hub.HubApp", "Serve rooms as a service of a JupyterHub."),
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
