"""
Sending: what the sessions of an open room are owed, put on their wires.

Whoever has just come is first, for that changes what the others are owed. Most are owed a delta and nothing else, which
is encoded once for all of them. Whoever has not taken the last frame is passed over until it has: what it is owed then
is newer, and no more (R12).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any, Protocol

from partysync_widget.core import messages as m

from .room import Room
from .session import Session

log = logging.getLogger("partysync.server")

MISTAKE = "The room server made a mistake; its log has the details. Nothing that was accepted is lost."
PEER_SECONDS = 0.0001  # for each in the room, between two tellings of who is there: to tell it takes a tenth of that
WRITE_SECONDS = 30.0  # a session that takes nothing for so long is cut (R12)


class Wire(Protocol):
    """What a room needs of a connection."""

    def send(self, frame: bytes) -> Awaitable[None] | None:
        """Send this. None when the operating system has all of it; else it is done when it has."""

    def close(self) -> None: ...


class Place(Protocol):
    """The open room, as its sending needs it."""

    room: Room
    party: str
    wires: dict[Session, Wire]
    deciding: bool  # the ledger is a worker's, or closed

    @property
    def asleep(self) -> bool: ...

    def leave(self, session: Session) -> None: ...

    def later(self, work: Coroutine[Any, Any, None]) -> None: ...


class Sending:
    """See the module. On the rooms' loop."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._taking: set[Session] = set()  # those that have not taken all of what was sent
        self._peers_at = 0.0  # when who is there may be told again, by the loop's clock
        self._peers_later: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Nothing more of itself; what it is told to send it still sends."""
        if self._peers_later is not None:
            self._peers_later.cancel()

    def all(self) -> None:
        """Send everybody what they are owed."""
        place = self._place
        told, now = place.room.told, self._loop.time()
        told.stirred, told.peers_due = False, now >= self._peers_at
        for session in [each for each in place.wires if each.hello is not None]:
            self.one(session)  # first, for it changes what the others are owed
        for session, wire in list(place.wires.items()):
            if not (place.deciding or session in self._taking) and (frame := self._only_delta(session)) is not None:
                self._send(session, wire, frame)
            elif place.room.owes(session):
                self.one(session)
        if told.peers_stirred and told.peers_due:
            told.peers_stirred, self._peers_at = False, now + PEER_SECONDS * len(place.wires)
        elif told.peers_stirred and self._peers_later is None:
            self._peers_later = self._loop.call_at(self._peers_at, self._tell_peers)
        told.peers_due = True  # whoever has just taken something hears it at once

    def _tell_peers(self) -> None:
        """Of many who come at the same time everybody hears together: one by one it would be a frame for each pair."""
        self._peers_later = None
        self.all()

    def _only_delta(self, session: Session) -> bytes | None:
        try:
            return self._place.room.only_delta(session)
        except Exception:  # noqa: BLE001  # ``one`` finds it as well, and ends the session
            return None

    def one(self, session: Session) -> None:
        """Send a session what it is owed, unless it is still taking the last (R12); only ephemera beside a turn."""
        place = self._place
        if session in self._taking or session not in place.wires:
            return
        try:
            frames = self._owed(session)
        except Exception:  # what is wrong with one session's frames ends that session
            log.exception("room %s: a session could not be answered", place.room.ledger.path.name)
            session.end(m.Error("storage", MISTAKE, "backoff"))
            frames = [] if place.deciding else place.room.frames(session)
        if frames:
            last = session.ended is not None and not place.deciding  # a worker may end it at any moment
            self._send(session, place.wires[session], *frames, last=last)

    def _owed(self, session: Session) -> list[bytes]:
        place = self._place
        if place.asleep:
            return place.room.aside(session)
        return place.room.ephemera(session) if place.deciding else place.room.frames(session)

    def _send(self, session: Session, wire: Wire, *frames: bytes, last: bool = False) -> None:
        coming = iter(frames)
        try:
            waiting = _send_on(wire, coming)
        except Exception:  # whatever it is, this session is over, and only this one
            log.exception("a session could not be written to")
            waiting, last = None, True
        if waiting is not None or last:
            self._taking.add(session)
            self._place.later(self._wait(session, wire, waiting, coming, last=last))
        elif session.reading is not None:  # there is more of it; others come first
            self._loop.call_soon(self.one, session)

    async def _wait(
        self, session: Session, wire: Wire, waiting: Awaitable[None] | None, coming: Iterator[bytes], *, last: bool
    ) -> None:
        """Until it has taken what it was sent, and what is coming. Each frame has its time: a slow line is no fault."""
        try:
            while waiting is not None:
                async with asyncio.timeout(WRITE_SECONDS):
                    await waiting
                waiting = _send_on(wire, coming)
        except TimeoutError:
            log.info("a session took nothing for %s s and is cut", WRITE_SECONDS)
            last = True
        except Exception:  # whatever it is, this session is over, and only this one
            log.exception("a session could not be written to")
            last = True
        finally:
            self._taking.discard(session)
        if last:
            if isinstance(session.ended, m.Error):
                party = self._place.party
                log.info("a session was ended", extra={"event": "ended", "party": party, "reason": session.ended.kind})
            wire.close()
            self._place.leave(session)
        else:
            self.one(session)


def _send_on(wire: Wire, coming: Iterator[bytes]) -> Awaitable[None] | None:
    """Send as many as the operating system takes at once; what is waited for before the rest, or None after all."""
    for frame in coming:
        if (waiting := wire.send(frame)) is not None:
            return waiting
    return None
