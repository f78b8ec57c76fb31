"""
Operating: what who runs a server asks of its rooms while people are in them. ``partysync rooms`` is the other end.

::

    GET  /rooms                           the list
    POST /rooms/<party>/<room>/backup     {"transfer": …}   into that file, between the turns of the room
    POST /rooms/<party>/<room>/restore    {"transfer": …}   that file takes the place of the room's
    POST /rooms/<party>/<room>/delete

A transfer is a file in the rooms' own folder, made by the command, which runs on the same machine as the same user. A
restored room begins a new epoch in a history without what came after the copy, so its kernels hear of a reset (R10).
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from partysync_widget.core import messages as m
from partysync_widget.core.errors import PartySyncError, SchemaMismatch, StorageFailed

from .gate import Gate
from .keeping import BadBackup, Copy, Label, alarm_of, check, copy_closed, labels, put_in_place, remove, transfer, weigh
from .ledger import Ledger
from .open_room import OpenRoom
from .refusal import Refused
from .room_file import Moved
from .rooms import Rooms, room_path
from .witness import Damaged

log = logging.getLogger("partysync.server")

RESTORED = m.Bye("This room is being restored from a backup.", 0.2)
REST_SECONDS = 0.05  # between two steps of a copy, at most


class NoSuchRoom(PartySyncError):
    """There is no such room, or no such party."""


async def listed(rooms: Rooms) -> list[Label]:
    """Every room, by party and name; of an open one, as it is now."""
    found = await asyncio.to_thread(labels, rooms.folder)
    for path, place in rooms.places.items():  # what is in the files alone is older
        found[path] = Label(place.party, place.name, place.room.ledger.version, *weigh(path))
    return sorted(found.values(), key=lambda each: (each.party, each.room))


async def back_up(rooms: Rooms, party: str, room: str, to: Path) -> Label:
    """Copy the room, as it is at the end of the copying, into the file ``to``, and check it."""
    path = _find(rooms, party, room)
    async with rooms.alone_with(path) as place:
        if place is None:
            if not path.exists():
                raise _no_such_room(party, room)
            await asyncio.to_thread(copy_closed, path, to)
        else:
            place.held += 1
    if place is not None:
        try:
            await _check(place)
            await _copy(place, to)
        finally:
            place.held -= 1
    return await asyncio.to_thread(check, to, party, room, rules=None)


async def _check(place: OpenRoom) -> None:
    """No copy is made of what is damaged. Raises Damaged; then the room is stopped, too."""
    try:
        await place.between(Ledger.check)
    except (Damaged, Moved) as error:
        place.stop(error)
        raise


async def _copy(place: OpenRoom, to: Path) -> None:
    copy, loop = await asyncio.to_thread(Copy, to), asyncio.get_running_loop()
    try:
        while True:
            began = loop.time()
            if await place.between(lambda ledger: copy.step(ledger.store.connection)):
                return
            await asyncio.sleep(min(loop.time() - began, REST_SECONDS))  # half of the time is the room's
    finally:
        await asyncio.to_thread(copy.close)


async def restore(rooms: Rooms, party: str, room: str, new: Path) -> tuple[Label, Path | None]:
    """Let the file ``new``, on the rooms' disk, be the room from now on; and where the room before is kept."""
    path = _find(rooms, party, room)
    label = await asyncio.to_thread(check, new, party, room, rules=rooms.parties.find(party))
    async with rooms.alone_with(path) as place:
        if place is not None:
            await rooms.shut(path, RESTORED)
        kept = await asyncio.to_thread(put_in_place, new, path)
        if rooms.alarms is not None:
            await asyncio.to_thread(rooms.alarms.settle, (party, room), await asyncio.to_thread(alarm_of, path))
    log.info("a room of %s was restored: %s", party, path.name)
    return label, kept


async def delete(rooms: Rooms, party: str, room: str) -> None:
    """The room, its file and its shares are gone."""
    path = _find(rooms, party, room)
    async with rooms.alone_with(path) as place:
        if place is None and not rooms.is_there(path):
            raise _no_such_room(party, room)
        if place is not None:
            text = f"The room {room!r} was deleted by who runs the server. What you have of it stays in this kernel."
            await rooms.shut(path, m.Error("storage", text, "never"))
        await asyncio.to_thread(remove, path)
        rooms.begin_anew(path)
        await asyncio.to_thread(rooms.access.forget, party, room)
        if rooms.alarms is not None:
            await asyncio.to_thread(rooms.alarms.settle, (party, room), None)
    log.info("a room of %s was deleted: %s", party, path.name)


def _find(rooms: Rooms, party: str, room: str) -> Path:
    """Where its file is, or would be. A party that is neither served nor has a folder becomes no path (R13)."""
    folders = {each.name for each in rooms.folder.iterdir() if each.is_dir()} if rooms.folder.is_dir() else set()
    known = folders | set(rooms.parties.names())
    if party not in known:
        raise NoSuchRoom(f"There is no party {party!r:.80} here. There is: {', '.join(sorted(known))}.")
    return room_path(rooms.folder, party, room)


def _no_such_room(party: str, room: str) -> NoSuchRoom:
    return NoSuchRoom(f"There is no room {room!r:.210} of the party {party!r:.80}. `partysync rooms list` has all.")


async def perform(rooms: Rooms, verb: str, party: str, room: str, name: str) -> dict[str, Any]:
    """One of the verbs, by its name; ``name`` is that of the transfer."""
    try:
        if verb == "backup":
            return asdict(await back_up(rooms, party, room, transfer(rooms.folder, name)))
        if verb == "restore":
            label, kept = await restore(rooms, party, room, transfer(rooms.folder, name))
            return {**asdict(label), "kept": str(kept) if kept else ""}
        await delete(rooms, party, room)
    except OSError as error:
        raise StorageFailed(f"The rooms' disk failed: {error.strerror}. The room stays as it was.") from error
    return {}


class RoomList(Gate):
    """All rooms."""

    async def get(self) -> None:
        self.write({"rooms": [asdict(each) for each in await listed(self.rooms)]})


class RoomVerb(Gate):
    """What is done to one room."""

    async def post(self, party: str, room: str, verb: str) -> None:
        try:
            said = json.loads(self.request.body or b"{}")
            name = said["transfer"] if verb != "delete" else ""
        except (ValueError, KeyError, TypeError):
            raise Refused(400, "bad-request", 'Send {"transfer": …}, or use `partysync rooms`.') from None
        try:
            self.write(await perform(self.rooms, verb, party, room, str(name)))
        except BadBackup as error:
            raise Refused(400, "bad-backup", str(error)) from error
        except SchemaMismatch as error:
            raise Refused(409, "schema", str(error)) from error
        except StorageFailed as error:
            raise Refused(503, "storage", str(error)) from error
        except NoSuchRoom as error:
            raise Refused(404, "unknown-room", str(error)) from error


ROUTES: list[tuple[str, type[Gate]]] = [
    (r"/rooms", RoomList),
    (r"/rooms/([^/]+)/([^/]+)/(backup|restore|delete)", RoomVerb),
]
