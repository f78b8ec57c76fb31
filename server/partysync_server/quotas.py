"""
Quotas: how much one person may ask of a server that others use as well.

Rates are kept by not reading on: whoever sends faster than the quota is read slower, and loses nothing
(docs/decisions/limits-by-not-reading.md). What cannot wait (one session more, one room more, one more wrong token) is
refused with a sentence. 0 is no limit; an operator has none.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .refusal import Refused

MOST_PEOPLE = 10_000  # that are remembered while they are away
MOST_STRANGERS = 10_000  # addresses that are remembered; one that has not knocked for long is like one that never has


@dataclass(frozen=True)
class Quotas:
    """What is allowed; a burst is what may come at once after a rest."""

    frames: float = 2_000  # a second, of one person
    frames_burst: float = 4_000
    bytes: float = 32e6  # likewise
    bytes_burst: float = 64e6
    sessions: int = 64  # of one person
    rooms_made: int = 200  # by one person, since the server has started
    rooms_open: int = 1_000  # by all who are no operators
    handshakes: float = 100  # a second that show no good token, from one address
    handshakes_burst: float = 1_000


class Bucket:
    """Tokens that come at a rate, up to a burst. One may take more than there are, and owes the rest."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._tokens = self._burst
        self._at = now

    def take(self, count: float, now: float) -> float:
        """Take so many; how many seconds it takes until nothing is owed."""
        if not self._rate:
            return 0.0
        self._tokens = self._level(now) - count
        self._at = now
        return max(0.0, -self._tokens / self._rate)

    def wait(self, now: float) -> float:
        """How many seconds it takes until there is one to take."""
        return max(0.0, (1 - self._level(now)) / self._rate) if self._rate else 0.0

    def full(self, now: float) -> bool:
        """Whether it is as a new one would be."""
        return not self._rate or self._level(now) >= self._burst

    def _level(self, now: float) -> float:
        return min(self._burst, self._tokens + (now - self._at) * self._rate)


@dataclass
class Person:
    """What one person has of this server."""

    frames: Bucket
    bytes: Bucket
    sessions: int = 0
    rooms_made: int = 0

    def like_new(self, now: float) -> bool:
        return not self.sessions and not self.rooms_made and self.frames.full(now) and self.bytes.full(now)


@dataclass
class Usage:
    """Who has how much. ``clock`` gives seconds, and never goes back."""

    quotas: Quotas = field(default_factory=Quotas)
    clock: Callable[[], float] = time.monotonic
    _people: dict[str, Person] = field(default_factory=dict)
    _strangers: dict[str, Bucket] = field(default_factory=dict)

    def person(self, id: str) -> Person:
        found = self._people.get(id)
        if found is None:
            now, q = self.clock(), self.quotas
            found = Person(Bucket(q.frames, q.frames_burst, now), Bucket(q.bytes, q.bytes_burst, now))
            self._people[id] = found
        return found

    def pause(self, person: str, size: int) -> float:
        """A frame of ``size`` bytes has come. How many seconds to wait before the next one is read."""
        has, now = self.person(person), self.clock()
        return max(has.frames.take(1, now), has.bytes.take(size, now))

    def knock(self, address: str) -> None:
        """Somebody without a good token has knocked. Raises Refused if that address does it too often."""
        key, now = _network(address), self.clock()
        bucket = self._strangers.get(key)
        if bucket is None:
            if len(self._strangers) >= MOST_STRANGERS:
                self._forget(now)
            bucket = self._strangers[key] = Bucket(self.quotas.handshakes, self.quotas.handshakes_burst, now)
        if after := bucket.wait(now):
            raise Refused(429, "busy", "Too many wrong tokens have come from your address. Wait a little.", after=after)
        bucket.take(1, now)

    def _forget(self, now: float) -> None:
        """Of the addresses those that are like new; if all are busy, all: a bucket is no proof of anything."""
        busy = {key: each for key, each in self._strangers.items() if not each.full(now)}
        self._strangers = busy if len(busy) < MOST_STRANGERS else {}

    def come(self, person: str) -> None:
        """One session more. Raises Refused."""
        most = self.quotas.sessions
        if most and self.person(person).sessions >= most:
            text = f"You are in {most} rooms at once already, and this server takes no more of one person. Close some."
            raise Refused(429, "busy", text, after=1.0)
        self.person(person).sessions += 1

    def go(self, person: str) -> None:
        """One less."""
        self.person(person).sessions -= 1
        if len(self._people) > MOST_PEOPLE:
            now = self.clock()
            self._people = {id: each for id, each in self._people.items() if not each.like_new(now)}

    def open(self, person: str, *, new: bool, rooms: int) -> None:
        """A room is about to be opened, beside ``rooms`` others; ``new``: made. Raises Refused."""
        if self.quotas.rooms_open and rooms >= self.quotas.rooms_open:
            text = f"{rooms} rooms are open, and this server opens no more. Wait until one is empty."
            raise Refused(429, "busy", text, after=10.0)
        if not new:
            return
        most = self.quotas.rooms_made
        if most and self.person(person).rooms_made >= most:
            text = f"You have made {most} rooms, and this server lets one person make no more. Use one that is there."
            raise Refused(429, "busy", text, after=60.0)
        self.person(person).rooms_made += 1


def _network(address: str) -> str:
    """Who counts as one stranger: an address, or of IPv6 the 64 bits that one household is given."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
