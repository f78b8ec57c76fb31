"""
Rooms that are open: each is opened when somebody comes, and closed when nobody has been there a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from partysync_widget.core import messages as m
from partysync_widget.core.errors import PartySyncError, StorageFailed
from partysync_widget.core.party import Party

from .access import Access, Standing
from .alarms import Alarms
from .counts import Counts
from .files import FILES, Look
from .ledger import Ledger
from .neighbours import Address
from .open_room import Front, OpenRoom
from .parties import Parties
from .principal import Principal
from .room import Room
from .witness import Damaged

log = logging.getLogger("partysync.server")

KEPT = 1_000  # rooms with nobody in them that stay open for whoever comes back
MOST_WAKING = 16  # rooms that are opened at the same time for their alarms
ENDING_SECONDS = 2.0  # for a room that is being opened, when the server stops
COMING_SECONDS = 1.0  # after the last has left, or somebody was let in who is still on the way


def room_path(folder: Path, party: str, name: str) -> Path:
    """Where a room's file is. No character of the name reaches the path unless it is harmless (R13)."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "room"
    return folder / party / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.db"


def _looks(path: Path) -> list[Look | None]:
    """What is there of a room's file, its log and its witness."""
    return [FILES.look(path.with_name(path.name + suffix)) for suffix in ("", "-wal", "-witness")]


class Rooms:
    """All rooms of one data folder, by party and name."""

    def __init__(
        self,
        folder: Path,
        parties: Parties,
        access: Access,
        *,
        limits: m.Limits,
        idle: float,
        kept: int = KEPT,
        alarms: Alarms | None = None,
    ) -> None:
        self.folder = folder
        self.parties = parties
        self.access = access
        self.alarms = alarms
        self._waking: dict[tuple[str, str], asyncio.Task[None]] = {}  # rooms whose alarms are due
        self.limits = limits
        self.idle = idle  # seconds an empty room stays open
        self.kept = kept  # of the empty ones, at most so many
        self.counts = Counts()
        self.public = ""  # address of the server for people outside, if somebody has said one
        self.pages = False  # whether the server shows pages of them
        self.address: Address | None = None  # for parties of its own that are in other rooms
        self._ended: m.Bye | None = None  # no room is opened any more
        self._open: dict[Path, OpenRoom] = {}
        self._locks: dict[Path, asyncio.Lock] = {}
        self._refused: dict[Path, tuple[list[Look | None], str]] = {}  # what is there, and why it is not served

    async def open(self, party: type[Party], name: str) -> OpenRoom:
        """The room, its file opened or made. Raises StorageFailed."""
        path = self.path(party, name)
        async with self.alone_with(path) as there:
            found = there
            self._refuse_at_end()
            if found is None:
                ledger = await asyncio.to_thread(self._opened, path, party, name)
                room = Room(party, ledger, limits=self.limits, restart=self.parties.restart)
                reopen = functools.partial(Ledger, path, party, room=name, make=False)
                found = await self._started(room, name, reopen)
                try:
                    self._refuse_at_end()
                except StorageFailed as error:  # meanwhile
                    await found.close(m.Bye(str(error)))
                    raise
                self._open[path] = found
            found.empty_since = time.monotonic()  # whoever asked is on the way in
            return found

    def _refuse_at_end(self) -> None:
        if self._ended is not None:
            raise StorageFailed(self._ended.reason)

    async def _started(self, room: Room, name: str, reopen: Callable[[str], Ledger]) -> OpenRoom:
        """The room, its party begun. Raises StorageFailed if it cannot begin; then nothing is open."""
        found: OpenRoom | None = None
        try:
            if self.alarms is not None:
                at = room.ledger.alarm
                await asyncio.to_thread(self.alarms.settle, (room.party.name, name), at and at / 1000)
            found = OpenRoom(
                room,
                name,
                self.access,
                reopen,
                self.counts,
                front=Front(self.public, self.pages),
                alarms=self.alarms,
                address=self.address,
            )
            await found.start()
        except Exception as error:
            text = f"The party {room.party.name!r} could not begin in this room: {type(error).__name__}: {error}"
            log.exception("room %s is not opened", room.ledger.path.name)
            if found is None:
                await asyncio.to_thread(room.ledger.close)
                if isinstance(error, StorageFailed):  # and no fault of the party
                    raise
            else:
                await found.close(m.Bye(text))
            raise StorageFailed(text) from error
        return found

    async def ring(self) -> None:
        """Open the rooms whose alarms are due; they do the rest themselves."""
        if self.alarms is None:
            return
        due = [place for place in self.alarms.due(time.time()) if place not in self._waking]
        for place in due[: MOST_WAKING - len(self._waking)]:
            self._waking[place] = asyncio.create_task(self._wake(self.alarms, *place))

    async def _wake(self, alarms: Alarms, party: str, name: str) -> None:
        try:
            await self._open_for_alarm(alarms, party, name)
        finally:
            self._waking.pop((party, name), None)

    async def _open_for_alarm(self, alarms: Alarms, party: str, name: str) -> None:
        """In vain if there is no such room any more, or it cannot be opened now."""
        found = self.parties.find(party)
        if found is not None and not self.is_there(self.path(found, name)):
            await asyncio.to_thread(alarms.settle, (party, name), None)
            return
        try:
            if found is None:
                raise StorageFailed(f"This server has no party {party!r}.")
            if not self.is_open(found, name):
                await self.open(found, name)
        except PartySyncError as error:
            again = alarms.failed((party, name), time.time())
            log.warning("The alarm of a room of %s waits for %.0f s more: %s", party, again - time.time(), error)

    def _opened(self, path: Path, party: type[Party], name: str) -> Ledger:
        """In a worker thread. What is damaged is read once, and said once, until something there changes."""
        found, why = self._refused.get(path, ([], ""))
        if why and found == _looks(path):
            raise Damaged(why)
        self._refused.pop(path, None)
        try:
            return Ledger(path, party, secrets.token_hex(8), room=name)
        except Damaged as error:
            log.error("room %s is not served: %s", path.name, error)  # noqa: TRY400  # where it was found is no news
            self.refuse(path, str(error))
            raise

    def refuse(self, path: Path, why: str) -> None:
        """Serve nothing of what is there now."""
        self._refused[path] = (_looks(path), why)

    def _refuse_if_gone(self, path: Path, why: str) -> None:
        if not path.exists():
            self.refuse(path, why)

    def begin_anew(self, path: Path) -> None:
        """A file that was there is gone on purpose, and may be made again."""
        self._refused.pop(path, None)

    @property
    def refused(self) -> int:
        """How many rooms are not served, for their files are damaged or gone."""
        return len(self._refused)

    @contextlib.asynccontextmanager
    async def alone_with(self, path: Path) -> AsyncIterator[OpenRoom | None]:
        """The room that is open there, if one is; meanwhile nobody else opens or closes it."""
        async with self._locks.setdefault(path, asyncio.Lock()):
            found = self._open.get(path)
            if found is not None and found.broken:
                await self.shut(path, m.Bye(found.broken))
                self._refuse_if_gone(path, found.broken)
                found = None
            yield found

    async def standing(self, who: Principal, party: type[Party], name: str) -> Standing:
        """What ``who`` may do in a room. Whoever may make rooms becomes the owner of one that is not there."""
        if who.operator:
            return Standing(who.role)

        def find() -> Standing:
            now = time.time()
            found = self.access.standing(who, party.name, name, now=now)
            there = self.is_there(self.path(party, name))
            if not there and not who.makes:
                return Standing("")
            if there or found.role or not who.account:
                return found
            self.access.claim(party.name, name, who.account, now=now)
            return self.access.standing(who, party.name, name, now=now)

        return await asyncio.to_thread(find)

    async def expire(self) -> None:
        """End the sessions of those whose access has expired, and rooms whose files are gone."""
        for each in list(self._open.values()):
            each.watch()
            await each.expire(time.time())

    def path(self, party: type[Party], name: str) -> Path:
        """Where a room's file is."""
        return room_path(self.folder, party.name, name)

    def is_there(self, path: Path) -> bool:
        """Whether there is such a room; also one whose file is gone, and should not be."""
        return path in self._refused or any(_looks(path))

    @property
    def places(self) -> dict[Path, OpenRoom]:
        """Those that are open."""
        return self._open

    def is_open(self, party: type[Party], name: str) -> bool:
        return self.path(party, name) in self._open

    def sessions(self) -> int:
        return sum(len(each.wires) for each in self._open.values())

    async def close_idle(self) -> None:
        """Close the rooms that nobody has been in for a while, and of too many empty ones those that were longest.

        Those in which nothing happens, though somebody is there, fall asleep.
        """
        now = time.monotonic()
        for each in self._open.values():
            if each.wires and now - each.quiet_since > self.idle:
                each.doze()
        empty = sorted((each.empty_since, path) for path, each in self._open.items() if not each.needed)
        spare = len(empty) - self.kept
        for place, (since, path) in enumerate(empty):
            if now - since <= (COMING_SECONDS if place < spare else self.idle):
                continue
            async with self._locks[path]:
                found = self._open.get(path)
                if found is not None and not found.needed and found.empty_since == since:
                    await self.shut(path, m.Bye("This room was empty."))

    async def shut(self, path: Path, bye: m.Bye | m.Error) -> None:
        """Close an open room, whoever is in it."""
        await self._open.pop(path).close(bye)

    async def close(self, bye: m.Bye) -> None:
        """Close all of them, and open no more."""
        self._ended = bye
        waking = list(self._waking.values())
        for task in waking:
            task.cancel()
        await asyncio.gather(*waking, return_exceptions=True)
        for path in list(self._open):
            await self.shut(path, bye)
        for opening in [each for each in self._locks.values() if each.locked()]:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING_SECONDS):
                    await opening.acquire()
                opening.release()
