"""
A bell: has the party's ``on_alarm`` called in an open room when its alarm is due.

The alarm is in the room's file, and is taken out of it in the very turn in which ``on_alarm`` does its SQL. So it rings
until a call of it has succeeded and that is durable: at least once; after a failure later, ever later (``alarms``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Protocol

from partysync_widget.core.errors import StorageFailed

from .alarms import Alarms
from .host import Host
from .room import Room

log = logging.getLogger("partysync.server")

MOST_SECONDS = 3600.0  # of one wait: clocks are put right meanwhile


class Place(Protocol):
    """The open room, as its bell needs it."""

    room: Room
    host: Host
    party: str
    name: str


class Bell:
    """See the module. On the rooms' loop, but for ``kept``."""

    def __init__(self, place: Place, alarms: Alarms | None) -> None:
        """While nobody else has the room's file: it is asked. Raises StorageFailed."""
        self._place = place
        self._alarms = alarms
        self._name = (place.party, place.name)
        self._timer: asyncio.TimerHandle | None = None
        self._ringing: asyncio.Task[None] | None = None
        self._closed = False
        self._at = place.room.ledger.alarm  # what it is set for
        place.room.ledger.alarm_moved = False

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Around the COMMIT of a turn, in its thread: the file of all alarms hears of this room's."""
        ledger = self._place.room.ledger
        moved, at = ledger.alarm_moved, ledger.alarm if ledger.alarm_moved else None
        if moved and self._alarms is not None and at is not None:
            self._alarms.expect(self._name, at / 1000)
        yield
        if moved and self._alarms is not None:
            self._alarms.settle(self._name, None if at is None else at / 1000)

    def arm(self) -> None:
        """After a turn, while nobody else has the room's file: wait for the alarm, if it has moved."""
        ledger = self._place.room.ledger
        if ledger.alarm_moved:
            ledger.alarm_moved = False
            self._at = ledger.alarm
            self.wait()

    def wait(self) -> None:
        """For the alarm. When the party has begun; the file may be a worker's by then."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._at is not None and not self._closed and self._ringing is None:
            at = self._at / 1000
            seconds = (self._alarms.when(self._name, at) if self._alarms is not None else at) - time.time()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(max(seconds, 0.0), MOST_SECONDS), self._look)

    def _look(self) -> None:
        """The clock may have been put back meanwhile."""
        at = self._at
        if at is None or self._ringing is not None:
            return
        due = self._alarms.when(self._name, at / 1000) if self._alarms is not None else at / 1000
        if due > time.time():
            self.wait()
        else:
            self._ringing = asyncio.create_task(self._ring(at))

    async def _ring(self, at: int) -> None:
        """Once; and again if it fails."""
        try:
            await self._place.host.ring(at)
        except StorageFailed as error:  # the room closes, or its turn was lost: it rings when it is opened again
            log.warning("room %s: its alarm was not kept: %s", self._place.room.ledger.path.name, error)
            self._failed()
        except Exception:  # whatever the party raises
            log.exception(
                "room %s: on_alarm of the party %s failed", self._place.room.ledger.path.name, self._place.party
            )
            self._failed()
        finally:
            self._ringing = None
            self.wait()

    def _failed(self) -> None:
        if self._alarms is not None:
            self._alarms.failed(self._name, time.time())

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
