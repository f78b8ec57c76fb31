"""
The plug: at which operation of its disk a server dies, or its power goes, and what is left on the disk then.

::

    kill -9       all that was written is there; what was not synced may still be lost when the power goes
    power loss    what was synced is there; of the rest any sector of 512 bytes, or not (``tests/power/disk.py``)

The picture is taken when the operation begins. The server goes on to the end of what it is doing, and nothing of that
counts: nobody hears of it, and the disk of the next is the picture. The disk may also fail, and its server lives.
"""

import copy
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from partysync_server.ledger import Ledger
from partysync_widget.core.party import Party
from tests.power.disk import Disk, failure
from tests.power.ledgers import FILES, POWER


class Pull(NamedTuple):
    """After so many operations of the disk that change something; None: now."""

    operations: int | None
    dice: Random | None  # that say what is left after power loss; None: the process dies, and the power stays


def open_ledger(path: Path, party: type[Party], epoch: str) -> Ledger:
    """On the disk that is plugged in."""
    return Ledger(path, party, epoch, files=FILES)


def _ignored(what: str, name: str) -> None:
    pass


class Plug:
    """In the disk of one server. ``left``: the disk as it was when the plug was pulled, if it was."""

    def __init__(self, disk: Disk) -> None:
        self.lost = False  # with its power, the last time
        self._pulls: deque[Pull] = deque()
        self._failing: Callable[[str], None] | None = None
        self.insert(disk)

    def insert(self, disk: Disk) -> None:
        """The server's disk is this one from now on. What else is to be pulled counts from here."""
        POWER.disk = self.disk = disk
        self.disk.before = self._before
        self.left: Disk | None = None
        self._operations = 0

    def arm(self, pulls: list[Pull]) -> None:
        """Pull it, and when the disk is in another server pull it again."""
        self.out()
        self._operations = 0
        self._pulls.extend(pulls)
        if self._pulls and self._pulls[0].operations is None:
            self._pull()

    def fail(self, operations: int, code: str, *, once: bool) -> None:
        """The disk fails after so many operations, once or from then on; "clean" is for its syncs alone."""
        self.out()
        self._operations = 0

        def fails(what: str) -> None:
            if (what == "sync") if code == "clean" else self._operations > operations:
                self._failing = None if once else self._failing
                raise failure(code)

        self._failing = fails

    def out(self) -> None:
        """Nothing more will go wrong."""
        self._pulls.clear()
        self._failing = None

    def _pull(self) -> None:
        dice = self._pulls.popleft().dice
        self.lost = dice is not None
        self.disk.before = _ignored
        self.left = copy.deepcopy(self.disk) if dice is None else Disk(self.disk.after(dice))

    def _before(self, what: str, name: str) -> None:
        self._operations += 1
        if self._failing is not None:
            self._failing(what)
        elif self.left is None and self._pulls and self._operations > (self._pulls[0].operations or 0):
            self._pull()
