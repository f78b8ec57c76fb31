"""
``partysync rooms``: list, back up, restore and delete rooms, whether a server has them at the moment or not.

If a server has the folder it is asked to do it (``operating``), for it alone may touch the files of its rooms. If none
has, the command claims the folder and does the same itself. Files go from and to the rooms' disk through a transfer.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_core.paths import jupyter_data_dir
from traitlets import Bool, Unicode
from traitlets.config import Application

from partysync_widget import __version__
from partysync_widget.core import messages as m
from partysync_widget.core.errors import PartySyncError, StorageFailed

from .access import Access
from .alarms import Alarms
from .asking import answers, ask, read_token
from .files import sync
from .folder_claim import claim
from .keeping import told, transferring
from .operating import listed, perform
from .parties import Parties
from .rooms import Rooms, room_path
from .runtime import owners

COLUMNS = ("PARTY/ROOM", "VERSION", "BYTES", "LAST CHANGED")
TOOL = "`partysync rooms`"


class RoomsCommand(Application):
    """What these commands have in common."""

    version = __version__
    arguments: tuple[str, ...] = ()

    data = Unicode(os.environ.get("PARTYSYNC_DATA", ""), help="Folder of the rooms' files.").tag(config=True)
    url = Unicode("", help="Address of the server that has the folder, if it is not found by itself.").tag(config=True)
    token = Unicode(os.environ.get("PARTYSYNC_TOKEN", ""), help="That server's own token.").tag(config=True)
    token_file = Unicode("", help="File, readable only by you, that holds it.").tag(config=True)
    force = Bool(default_value=False, help="Replace what is there.").tag(config=True)
    yes = Bool(default_value=False, help="Do it.").tag(config=True)

    aliases = {  # noqa: RUF012  # traitlets reads a plain dict
        "data": "RoomsCommand.data",
        "url": "RoomsCommand.url",
        "token": "RoomsCommand.token",
        "token-file": "RoomsCommand.token_file",
    }

    def start(self) -> None:
        """Check the arguments, then work."""
        if len(self.extra_args) != len(self.arguments):
            wanted = " ".join([self.name.replace("-", " "), *self.arguments])
            raise PartySyncError(f"Type `{wanted}`; there were {len(self.extra_args)} arguments.")
        folder = Path(self.data or Path(jupyter_data_dir()) / "partysync").expanduser().resolve()
        if not folder.is_dir():
            raise PartySyncError(f"There is no folder {folder}, so it has no rooms. Say which one with --data.")
        self.work(folder, *self.extra_args)

    def work(self, folder: Path, *args: str) -> None:
        raise NotImplementedError

    def do(self, folder: Path, verb: str, address: str, transfer: str = "") -> dict[str, Any]:
        """One verb on one room, by whoever has the folder."""
        party, room = _split(address)
        server = self.server(folder)
        if server is not None:
            path = f"/rooms/{quote(party, safe='')}/{quote(room, safe='')}/{verb}"
            return ask(*server, path, {"transfer": transfer})
        done: dict[str, Any] = self.alone(folder, lambda rooms: perform(rooms, verb, party, room, transfer))
        return done

    def server(self, folder: Path) -> tuple[str, str] | None:
        """Address and token of the server that has the folder; None if nobody has it."""
        if self.url:
            return self.url.rstrip("/"), read_token(self.token_file) if self.token_file else self.token
        try:
            claim(folder, TOOL).release()
        except StorageFailed as taken:
            for each in owners(folder):
                if answers(each["url"], each["token"]):
                    return each["url"], each["token"]
            raise StorageFailed(f"{taken} Or say how to ask it, with --url and --token-file.") from None
        return None

    def alone(self, folder: Path, work: Any) -> Any:
        """Do it here, with the folder claimed as a server does."""
        held = claim(folder, TOOL)
        try:
            with (
                closing(Access(folder / "access.sqlite")) as access,
                closing(Alarms(folder / "alarms.sqlite", told(folder / "rooms"))) as alarms,
            ):
                limits = m.Limits(1 << 20, 256)
                rooms = Rooms(folder / "rooms", Parties(), access, limits=limits, idle=0, alarms=alarms)
                made: Coroutine[Any, Any, Any] = work(rooms)
                return asyncio.run(made)
        finally:
            held.release()


class ListApp(RoomsCommand):
    """List the rooms of a folder."""

    name = "partysync-rooms-list"
    description = "Party, name, version, bytes and last change of every room."

    def work(self, folder: Path, *_: str) -> None:
        """Print a line for each."""
        server = self.server(folder)
        if server is not None:
            found = ask(*server, "/rooms", None)["rooms"]
        else:
            found = [asdict(each) for each in self.alone(folder, listed)]
        lines = [COLUMNS, *map(_line, found)]
        wide = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
        for name, version, size, changed in lines:
            sys.stdout.write(f"{name:<{wide[0]}}  {version:>{wide[1]}}  {size:>{wide[2]}}  {changed}\n")


class BackupApp(RoomsCommand):
    """Copy a room into a file."""

    name = "partysync-rooms-backup"
    description = "Copy a room as it is now, while it is used, into one file."
    arguments = ("PARTY/ROOM", "FILE")
    flags = {  # noqa: RUF012  # traitlets reads a plain dict
        "force": ({"RoomsCommand": {"force": True}}, "Replace the file if it is there."),
    }

    def work(self, folder: Path, *args: str) -> None:
        """Copy, check, and let the file appear as a whole."""
        address, target = args[0], Path(args[1]).expanduser().absolute()
        if os.path.lexists(target) and not self.force:
            raise PartySyncError(f"There is a file {target} already. Take another name, or replace it with --force.")
        if not target.parent.is_dir():
            raise PartySyncError(f"There is no folder {target.parent}. Make it first.")
        with transferring(folder / "rooms") as (name, path):
            label = self.do(folder, "backup", address, name)
            try:
                self._deliver(path, target)
            except FileExistsError:
                raise PartySyncError(f"There is a file {target} now. Replace it with --force.") from None
            except OSError as error:
                raise PartySyncError(f"The backup cannot be written to {target}: {error.strerror}.") from None
        sys.stdout.write(f"{address}, version {label['version']}, is in {target}\n")

    def _deliver(self, path: Path, target: Path) -> None:
        draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file, path.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            if self.force:
                draft.replace(target)
            else:
                os.link(draft, target)  # unlike a rename it replaces nothing
        finally:
            draft.unlink(missing_ok=True)
        sync(target.parent)


class RestoreApp(RoomsCommand):
    """Put a backup in the place of a room."""

    name = "partysync-rooms-restore"
    description = "Let a backup be the room from now on. People in it stay, and are told of the reset."
    arguments = ("PARTY/ROOM", "FILE")
    flags = {  # noqa: RUF012  # traitlets reads a plain dict
        "force": ({"RoomsCommand": {"force": True}}, "Do it, though everybody loses what came after the backup."),
    }

    def work(self, folder: Path, *args: str) -> None:
        """Bring the file to the rooms' disk; whoever has the rooms checks it there, and swaps."""
        address, source = args[0], Path(args[1]).expanduser().absolute()
        if not self.force and room_path(folder / "rooms", *_split(address)).exists():
            text = f"What came into {address} after the backup is lost to everybody in it. If so, type it with --force."
            raise PartySyncError(f"{text} The file before is kept beside the new one.")
        log = source.with_name(source.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise PartySyncError(f"{source} has a log beside it, so it is in use and no backup. Make one of it first.")
        with transferring(folder / "rooms") as (name, path):
            _fetch(source, path)
            label = self.do(folder, "restore", address, name)
        kept = f"; what it was is in {label['kept']}" if label["kept"] else ""
        sys.stdout.write(f"{address} is at version {label['version']} of {source} now{kept}\n")


class DeleteApp(RoomsCommand):
    """Delete a room."""

    name = "partysync-rooms-delete"
    description = "Remove a room, its file and its shares."
    arguments = ("PARTY/ROOM",)
    flags = {  # noqa: RUF012  # traitlets reads a plain dict
        "yes": ({"RoomsCommand": {"yes": True}}, "Do it."),
    }

    def work(self, folder: Path, *args: str) -> None:
        """Only when the person has said so."""
        if not self.yes:
            raise PartySyncError(
                f"This removes {args[0]} for everybody. First type `partysync rooms backup {args[0]} FILE`; then this "
                f"again with --yes."
            )
        self.do(folder, "delete", args[0])
        sys.stdout.write(f"{args[0]} is deleted\n")


class RoomsApp(Application):
    """The command ``partysync rooms``."""

    name = "partysync-rooms"
    description = "List, back up, restore and delete rooms, while they are used or not."
    version = __version__
    subcommands = {  # noqa: RUF012  # traitlets reads a plain dict
        "list": (ListApp, ListApp.description),
        "backup": (BackupApp, BackupApp.description),
        "restore": (RestoreApp, RestoreApp.description),
        "delete": (DeleteApp, DeleteApp.description),
    }

    def start(self) -> None:
        if self.subapp is None:
            self.print_help()
            self.exit(1)
        super().start()


def _split(address: str) -> tuple[str, str]:
    """Party and room; what the name of a room has of slashes stays in it."""
    party, _, room = address.partition("/")
    if not (party and room):
        raise PartySyncError(f"A room is given as PARTY/ROOM, not {address!r:.210}: main/groceries, for example.")
    return party, room


def _line(found: dict[str, Any]) -> tuple[str, str, str, str]:
    changed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["changed"]))
    return f"{found['party']}/{found['room']}", str(found["version"]), str(found["size"]), changed


def _fetch(source: Path, to: Path) -> None:
    """Copy what may become a room. Raises PartySyncError unless it is a plain file."""
    try:
        if not stat.S_ISREG(source.lstat().st_mode):
            raise PartySyncError(f"{source} is a link, a folder or a device. Name the file itself.")
        shutil.copyfile(source, to, follow_symlinks=False)
    except OSError as error:
        raise PartySyncError(f"{source} cannot be copied: {error.strerror}.") from None
