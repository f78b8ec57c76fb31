"""
Power losses, by thousands: a room is worked on, and at many an operation of its disk the plug is pulled.

Each pull is a picture of what could be on the disk then; the room is opened from the picture, and nothing that was
acknowledged may be missing, no turn be there in part. Some pictures lose their power once more, while they are opened.
The room itself works on: turns, compaction, checkpoints, closing and opening again, a migration.
"""

import functools
import itertools
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from partysync_widget.core.party import Party
from tests.convergence.workshop import Workshop
from tests.power.disk import Content, Disk
from tests.power.ledgers import POWER, Grown, Known, Story, digest, opened, turn, wrong

FOLDER = Path("/data/rooms/workshop")
TURNS = 40  # of one story
PULLS = 0.35  # of the operations after which the plug is pulled
AGAIN = 0.1  # of the pictures lose their power again


@dataclass
class Found:
    """How many pictures there were, and what was wrong with which."""

    images: int = 0
    again: int = 0  # of those, in the middle of an opening
    acked: int = 0  # mutations, over all stories
    wrong: Counter[str] = field(default_factory=Counter)  # lost, torn, corrupt
    first: str = ""

    def add(self, seed: int, at: int, said: str) -> None:
        self.images += 1
        if said:
            self.wrong[said.partition(":")[0]] += 1
            self.first = self.first or f"seed {seed}, operation {at}: {said}"


class Plug:
    """Pulled at many an operation; what it left is looked at later."""

    def __init__(self, seed: int, path: Path, found: Found) -> None:
        self._seed, self._path, self._found = seed, path, found
        self._chance = Random(f"power {seed}")
        self._operations = itertools.count()
        self._pictures: list[tuple[int, Content]] = []
        self.party: type[Party] = Workshop

    def watch(self, disk: Disk) -> None:
        self.disk = disk
        disk.before = self._before

    def _before(self, what: str, name: str) -> None:  # every operation is like every other
        at = next(self._operations)
        if self._chance.random() < PULLS:
            self._pictures.append((at, self.disk.after(self._chance)))

    def _once(self, copy: Disk, again: list[Content], what: str, name: str) -> None:
        if not again and self._chance.random() < 0.2:
            again.append(copy.after(self._chance))

    def develop(self, story: Story) -> None:
        """Look at the pictures taken since the last time, by what was acknowledged then."""
        self.disk.before = lambda what, name: None
        for at, content in self._pictures:
            copy, again = Disk(content), list[Content]()
            if self._chance.random() < AGAIN:
                copy.before = functools.partial(self._once, copy, again)
            self._found.add(self._seed, at, wrong(copy, self._path, story, "after", self.party))
            for second in again:
                self._found.again += 1
                self._found.add(self._seed, at, wrong(Disk(second), self._path, story, "after again", self.party))
        self._pictures.clear()
        POWER.disk, self.disk.before = self.disk, self._before


def work(seed: int, found: Found, *, party: type[Party] = Workshop, lies: bool = False) -> None:
    """One room, from its making on, and all its pictures."""
    random, path = Random(seed), FOLDER / f"room-{seed}.db"
    disk, story, plug = Disk(), Story(), Plug(seed, path, found)
    disk.lies, plug.party = lies, party
    plug.watch(disk)
    ledger = opened(disk, path, "epoch-0", party)
    plug.develop(story)
    for number in range(TURNS):
        last = turn(ledger, random, story, compact=number % 10 == 9)
        ledger.commit()
        plug.develop(story)  # until COMMIT has returned the turn may be there, or not
        story.last, story.acked = last, ledger.version
        if number % 8 == 5:
            ledger.checkpoint()
        if number % 16 == 15:
            ledger.close()
            ledger = opened(disk, path, f"epoch-{number}", party)
        plug.develop(story)
    ledger.close()
    plug.develop(story)
    if party is Workshop:
        plug.party = Grown
        ledger = opened(disk, path, "epoch-grown", Grown)
        story.ends[ledger.version] = Known(digest(ledger), story.last)
        ledger.close()
        plug.develop(story)
    found.acked += story.acked


def pull(images: int, *, seed: int = 0, party: type[Party] = Workshop, lies: bool = False) -> Found:
    """So many pictures, at least."""
    found = Found()
    for number in itertools.count(seed):
        work(number, found, party=party, lies=lies)
        if found.images >= images:
            return found
    raise AssertionError  # there is no last number
