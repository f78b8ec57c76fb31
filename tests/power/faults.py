"""
A disk that fails at its Nth operation, under a room that is really open: OpenRoom, Room and Ledger, and two people.

Whoever is not answered comes again and sends again, as kernels do. A disk that goes on failing is mended when the room
has been given up, and not before. In the end every mutation is acknowledged, is there once, and survives power loss.
"""

import asyncio
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from random import Random

import apsw

from partysync_server.counts import Counts
from partysync_server.ledger import Ledger
from partysync_server.open_room import OpenRoom
from partysync_server.principal import OPERATOR
from partysync_server.room import Room
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from partysync_widget.core.errors import StorageFailed
from tests.power.disk import Content, Disk, failure
from tests.power.ledgers import FILES, POWER
from tests.power.tally import Tally

PATH = Path("/data/rooms/tally/r.db")
BURSTS, BURST = 5, 2  # of each person
PATIENCE = 6  # times that people are sent away, before somebody looks at the disk
SECONDS = 20.0  # to wait for anything, at most
TIMES = (1, 2, math.inf)  # twice: also when the file is let go after a failed commit, so that its log stays
HITS = {  # which operations a failure can befall
    "eio": ("write", "create", "delete", "rename", "truncate", "sync folder", "make folder"),
    "full": ("write", "create"),
    "short": ("write",),
    "fsync": ("sync", "sync folder"),
    "clean": ("sync",),
    "read": ("read",),
}


@dataclass(frozen=True)
class Fault:
    """The Nth operation of those that it can befall fails, and the next ones, as many times or from then on."""

    kind: str
    at: int
    times: float

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}, {self.times} times"


class FailingDisk(Disk):
    """Counts; fails when it is due."""

    def __init__(self, content: Content | None = None, fault: Fault | None = None) -> None:
        super().__init__(content)
        self.counted = dict.fromkeys(HITS, 0)
        self.fault = fault
        self.failures = 0
        self.before = self.reading = self._operation

    def _operation(self, what: str, name: str) -> None:
        for kind, befalls in HITS.items():
            self.counted[kind] += what in befalls
        if (fault := self.fault) is None or what not in HITS[fault.kind]:
            return
        if fault.at <= self.counted[fault.kind] < fault.at + fault.times:
            self.failures += 1
            raise failure({"fsync": "eio", "read": "eio"}.get(fault.kind, fault.kind))

    def mend(self) -> None:
        self.fault = None


class Person:
    """A client without a replica: what it has sent, and what it was told of that."""

    def __init__(self, name: str) -> None:
        self.name, self.sent, self.acked = name, 0, 0
        self.epoch, self.version, self.line = "", 0, 0
        self.heard = asyncio.Event()
        self.welcomed = self.ended = False

    def enter(self, place: OpenRoom) -> None:
        self.place, self.session = place, Session(OPERATOR, "json", "owner")
        self.welcomed = self.ended = False
        self.line += 1
        place.join(self.session, self)
        hello = m.Hello(m.PROTOCOL, self.name, epoch=self.epoch, version=self.version, settled=self.acked)
        hello.line = self.line
        place.receive(self.session, hello)

    def make(self, many: int) -> None:
        self.sent += many
        if self.welcomed:
            self._push(self.sent - many)

    def _push(self, after: int) -> None:
        mutations = [m.Mutation(mid, "enter", {"who": self.name, "n": mid}) for mid in range(after + 1, self.sent + 1)]
        if mutations:
            self.place.receive(self.session, m.Push(self.epoch, mutations))

    async def send(self, frame: bytes) -> None:
        self._hear(decode_down(frame, "json"))
        self.heard.set()

    def _hear(self, frame: m.Down) -> None:
        match frame:
            case m.Welcome():
                assert frame.known, f"{self.name} held version {self.version}, and is not known: {frame.reason}"
                assert frame.last_mid >= self.acked, f"{self.name}: {frame.last_mid} of {self.acked} acknowledged"
                self.epoch, self.welcomed, self.acked = frame.epoch, True, frame.last_mid
                self._push(frame.last_mid)
            case m.Delta() | m.End():
                self.version = frame.version
                self.acked = max(self.acked, frame.acks.get(self.name, 0))
            case m.Error() | m.Bye():
                self.ended = True

    def close(self) -> None:
        self.ended = True
        self.heard.set()


class Story:
    """One room and two people, from opening to closing, whatever fails meanwhile."""

    def __init__(self, disk: FailingDisk, people: tuple[str, ...] = ("ann", "bob")) -> None:
        POWER.disk = self.disk = disk
        self.people = [Person(name) for name in people]
        self.given_up = 0
        self._epochs = self._sent_away = 0

    async def crash(self) -> Content:
        """A little of it, and what kill -9 leaves then."""
        place = await self._open()
        for person in self.people:
            person.make(BURST)
        place = await self._settle(place)
        left = self.disk.now()
        await place.close(m.Bye("The server is stopping."))
        return left

    async def run(self) -> None:
        place = await self._open()
        for burst in range(BURSTS):
            for person in self.people:
                person.make(BURST)
            place = await self._settle(place)
            if burst == BURSTS // 2:  # closed in good order, and opened again
                await place.close(m.Bye("This room was empty."))
                place = await self._open()
        await place.close(m.Bye("The server is stopping."))

    async def _open(self) -> OpenRoom:
        while True:
            self._epochs += 1
            make, ledger = functools.partial(Ledger, PATH, Tally, room="r", files=FILES), None
            try:
                ledger = await asyncio.to_thread(make, f"epoch-{self._epochs}")
                place = OpenRoom(Room(Tally, ledger), "r", None, functools.partial(make, make=False), Counts())
            except StorageFailed:
                self.given_up += 1
                if ledger is not None:
                    await asyncio.to_thread(ledger.close)
                self.disk.mend()
                continue
            for person in self.people:
                person.enter(place)
            return place

    async def _settle(self, place: OpenRoom) -> OpenRoom:
        """Until everything that was sent is acknowledged."""
        async with asyncio.timeout(SECONDS):
            while any(person.acked < person.sent for person in self.people):
                for person in self.people:
                    if person.ended and not place.broken:
                        self._sent_away += 1
                        person.enter(place)
                if self._sent_away > PATIENCE:  # it cannot be read, and nothing is written that would say so
                    self.disk.mend()
                if place.broken:
                    self.given_up += 1
                    self.disk.mend()
                    await place.close(m.Bye(place.broken))
                    place = await self._open()
                waiting = [asyncio.create_task(person.heard.wait()) for person in self.people]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()
                for person in self.people:
                    person.heard.clear()
        return place


def entries(content: Content) -> dict[str, int]:
    """How often each mutation has had its effect, in the room that is opened from this."""
    POWER.disk = Disk(content)
    ledger = Ledger(PATH, Tally, "a look", files=FILES)
    try:
        said = ledger.store.connection.execute("PRAGMA integrity_check(1)").get
        assert said == "ok", said
        rows = ledger.store.connection.execute("SELECT id, times FROM entries").fetchall()
        disorder = ledger.store.connection.execute("SELECT sum(disorder) FROM people").get
        assert not disorder, f"{disorder} ran out of turn"
        return dict(rows)
    finally:
        ledger.store.close()


def starts() -> list[Content]:
    """Nothing; and a room whose server was killed, so that there is a log to recover."""
    return [{}, asyncio.run(Story(FailingDisk(), ("cat", "dan")).crash())]


def points(start: Content) -> list[Fault]:
    """Every failure that can befall a story which begins like this."""
    asyncio.run(Story(disk := FailingDisk(start)).run())
    kinds = disk.counted.items()
    return [Fault(kind, at + 1, times) for kind, many in kinds for at in range(many) for times in TIMES]


def wrong(fault: Fault, start: Content, seed: int = 0) -> tuple[str, Story]:
    """Run the story with this fault; what is wrong in the end, empty if nothing is."""
    before = entries(start) if start else {}
    story = Story(FailingDisk(start, fault))
    try:
        asyncio.run(story.run())
        story.disk.mend()
        wanted = before | {f"{each.name}-{n}": 1 for each in story.people for n in range(1, each.sent + 1)}
        chance = Random(f"{seed} {fault}")
        for left in (story.disk.now(), story.disk.after(chance), story.disk.after(chance)):
            if (there := entries(left)) != wanted:
                return f"{fault}: {len(wanted.keys() - there.keys())} lost, {there}", story
    except (AssertionError, TimeoutError, apsw.Error, StorageFailed) as error:
        return f"{fault}: {type(error).__name__} {error}", story
    return "", story
