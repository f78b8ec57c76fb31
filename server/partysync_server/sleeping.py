"""
Sleep: how a room in which nothing happens gives its memory back, though people are in it.

::

    awake ──nothing undecided, nothing unsent, for a while──▶ asleep: its file is closed, what it kept in mind is gone;
      ▲                                                         │     sockets, sessions, their tags and states stay
      └──────────────── whatever asks for the file ─────────────┘     pings are answered, presence and drafts are told

Everybody who is there holds the version at which it fell asleep, so it wakes with nothing to catch up on. If something
else is in the place of its file by then, the room is stopped: what they hold is of another history (R10).
"""

from __future__ import annotations

from pathlib import Path

from .files import FILES, Look
from .ledger import Ledger
from .room import Room
from .room_file import GONE, Moved
from .session import Session

LARGE = 64 << 20  # bytes of a file that is never closed under people: all of it is read when it is opened again


class Slumber:
    """What is known of a room while its file is closed. To be made when it is."""

    def __init__(self, ledger: Ledger) -> None:
        self._path = ledger.path
        self._version = ledger.version
        self._was = _looks(ledger.path)

    def check(self) -> None:
        """Raises Moved if anybody has touched the file meanwhile."""
        now = _looks(self._path)
        if now != self._was:
            raise Moved(GONE.format(self._path.name) if now[0] is None else self._touched())

    def check_version(self, ledger: Ledger) -> None:
        """Raises Moved if what was opened is not what was closed."""
        if ledger.version != self._version:
            raise Moved(self._touched())

    def _touched(self) -> str:
        return (
            f"The file {self._path.name} of this room was replaced or written to by another program while nothing "
            f"happened in the room. It is checked when it is opened again; to replace a room, use `partysync rooms "
            f"restore`."
        )


def _looks(path: Path) -> list[Look | None]:
    return [FILES.look(path.with_name(path.name + suffix)) for suffix in ("", "-wal")]


def is_large(ledger: Ledger) -> bool:
    """Whether to open it again would take long."""
    found = FILES.look(ledger.path)
    return found is not None and found[2] > LARGE


def rests(room: Room) -> bool:
    """Whether nothing in it is undecided or unsent, beside what asks no file."""
    return not room.waiting and all(_at_rest(each, room.ledger.version) for each in room.sessions)


def _at_rest(session: Session, version: int) -> bool:
    if session.ended is not None:
        return False
    if session.tongue is not None:
        return session.tongue.at_rest(version)
    owed = session.hello, session.reading, session.barriers, session.answers, session.asked
    return not any(owed) and (not session.live or session.cursor == version)
