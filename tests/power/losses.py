"""
Power losses, by thousands: a room is worked on, and at many an operation of its disk the plug is pulled.

Each pull is a picture of what could be on the disk then; the room is opened from the picture, and nothing that was
acknowledged may be missing, no turn be there in part. The room itself works on.
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
from tests.power.ledgers import POWER, Story, left_by, opened, turn, wrong

TURNS = 40  # of one story
PULLS = 0.35  # of the operations after which the plug is pulled


@dataclass
class Found:
    """How many pictures there were, and what was wrong with which."""

    images: int = 0
    wrong: Counter[str] = field(default_factory=Counter)  # lost, torn, corrupt
    first: str = ""

    def add(self, seed: int, at: int, said: str) -> None:
        self.images += 1
        if said:
            self.wrong[said.partition(":")[0]] += 1
            self.first = self.first or f"seed {seed}, operation {at}: {said}"


def story(seed: int, folder: Path, found: Found, *, party: type[Party] = Workshop, lies: bool = False) -> None:
    """One room, from its making on, and all its pictures."""
    random, chance = Random(seed), Random(f"power {seed}")
    path = folder / f"room-{seed}.db"
    disk, story, operations = Disk(), Story(), itertools.count()
    disk.lies = lies
    pictures: list[tuple[int, Content]] = []

    def before(what: str, name: str) -> None:  # every operation is like every other
        at = next(operations)
        if chance.random() < PULLS:
            pictures.append((at, left_by(disk, chance)))

    def once(copy: Disk, again: list[Content], what: str, name: str) -> None:
        if not again:
            again.append(left_by(copy, chance))

    def develop(seen: Story) -> None:
        """Look at what was taken since, by what was acknowledged then."""
        disk.before = lambda what, name: None
        for at, content in pictures:
            copy = Disk(content)
            again: list[Content] = []
            if chance.random() < 0.1:  # and the power goes once more, while the room is opened
                copy.before = functools.partial(once, copy, again)
            found.add(seed, at, wrong(copy, path, seen, "after", party))
            for second in again:
                found.add(seed, at, wrong(Disk(second), path, seen, "after again", party))
        pictures.clear()
        POWER.disk, disk.before = disk, before

    disk.before = before
    ledger = opened(disk, path, "epoch-1", party)
    develop(story)
    for number in range(TURNS):
        last = turn(ledger, random, story)
        commit_at = story.acked
        ledger.commit()
        develop(story)  # the acknowledgement goes out after COMMIT: until then the turn may be there or not
        story.last, story.acked = last, ledger.version
        assert commit_at < story.acked
        if number % 8 == 5:
            ledger.checkpoint()
        if number % 16 == 15:
            ledger.close()
            ledger = opened(disk, path, f"epoch-{number}", party)
        develop(story)
    ledger.close()
    develop(story)
