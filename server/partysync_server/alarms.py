"""
Alarms: when the rooms of a server want to be woken, so that nobody has to open their files to find out.

A room's own file says when its alarm is; this small file beside them says no later. It hears of an alarm before the
room's turn is durable, and that one is gone after that. So after a crash it may have a room opened for nothing, which
is then put right, and no alarm is missed. Times are seconds since 1970.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import threading
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from partysync_widget.core.errors import MutationRejected, StorageFailed
from partysync_widget.core.hosted import When

FIRST_DELAY, LAST_DELAY = 1.0, 600.0  # seconds before one that has failed is tried again; doubles

Place = tuple[str, str]  # a party and a room, by name


class Alarms:
    """See the module. May be used from several threads."""

    def __init__(self, path: Path, found: Iterable[tuple[str, str, float]] = ()) -> None:
        """``found`` is what the rooms say themselves, and is asked for where there is no such file yet."""
        self._lock = threading.Lock()
        self._failed: dict[Place, int] = {}  # how often in a row
        self._later: dict[Place, float] = {}  # when those are tried again
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = not path.exists()
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
            self._connection = apsw.Connection(
                os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
            )
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(files(__package__).joinpath("alarms.sql").read_text())
            self._due: dict[Place, float] = {
                (party, room): at for party, room, at in self._connection.execute("SELECT party, room, at FROM alarms")
            }
        except (apsw.Error, OSError) as error:
            raise StorageFailed(
                f"The file {path} of the rooms' alarms cannot be used: {error}. Remove it: it is made anew."
            ) from error
        for party, room, at in found if new else ():
            self.settle((party, room), at)

    def expect(self, place: Place, at: float) -> None:
        """Before a room's turn is durable that sets one: it may ring then, or before."""
        if self._due.get(place, at + 1) > at:
            self.settle(place, at)

    def settle(self, place: Place, at: float | None) -> None:
        """As the room's file has it. Durable when this returns."""
        with self._lock:
            if self._due.get(place) == at:
                return
            try:
                if at is None:
                    self._connection.execute("DELETE FROM alarms WHERE party = ? AND room = ?", place)
                else:
                    self._connection.execute(
                        "INSERT INTO alarms (party, room, at) VALUES (?, ?, ?) "
                        "ON CONFLICT (party, room) DO UPDATE SET at = excluded.at",
                        (*place, at),
                    )
            except apsw.Error as error:
                raise StorageFailed(f"The file of the rooms' alarms failed: {error}.") from error
            if at is None:
                self._due.pop(place, None)
            else:
                self._due[place] = at
            self._failed.pop(place, None)
            self._later.pop(place, None)

    def failed(self, place: Place, now: float) -> float:
        """One that rang has failed; when it is tried again. The file knows nothing of it: a restart tries at once."""
        with self._lock:
            times = self._failed.get(place, 0)
            self._failed[place] = times + 1
            self._later[place] = now + min(FIRST_DELAY * 2**times, LAST_DELAY)
            return self._later[place]

    def when(self, place: Place, at: float) -> float:
        """When the one that is set for then is to be tried."""
        return max(at, self._later.get(place, at))

    def due(self, now: float) -> list[Place]:
        """Rooms to be woken by now, the longest overdue first."""
        with self._lock:
            found = [(at, place) for place, at in self._due.items() if self.when(place, at) <= now]
        return [place for _, place in sorted(found)]

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def moment(when: When, now: float) -> float:
    """In seconds since 1970. Raises MutationRejected for what is none."""
    at: Any = when
    if isinstance(when, dt.timedelta):
        at = now + when.total_seconds()
    elif isinstance(when, dt.datetime):
        at = (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
    if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at) or not 0 <= at < 1e11:
        text = "An alarm is set for seconds since 1970, a datetime, or so long from now as a timedelta, and not"
        raise MutationRejected("bad-value", f"{text} {when!r:.100}.")
    return float(at)
