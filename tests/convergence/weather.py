"""
The weather of a story: how many kernels, how good the lines and the disk, how often what happens. Drawn from its seed.
"""

from random import Random
from types import ModuleType

from partysync_server import deltas, parts, snapshot
from partysync_server import room as room_module
from partysync_widget.core import messages as m
from partysync_widget.core import view
from partysync_widget.core.party import Party
from tests.convergence.plot import Move, Plot
from tests.convergence.workshop import Main, Workshop


class Weather:
    """See the module. Whatever is drawn is drawn here, in this order: a draw between two makes all stories others."""

    def __init__(self, plot: Plot) -> None:
        chance = plot.dice("weather", 0)
        self.party: type[Party] = chance.choice((Workshop, Workshop, Workshop, Main))
        length = chance.choice((30, 50, 80, 120))
        self.crowd = chance.choice((3, 3, 3, 4, 4, 5, 6))  # kernels in the end
        self.slow = chance.random() < 0.4  # most of what happens to kernels happens to the first
        self.lossy = chance.random() < 0.3  # frames are lost
        self.flaky = chance.choice((0, 0.4))  # lines break while rows are on their way
        self.disk_takes = chance.choice((0, 0, 0.8))  # how often a COMMIT is not over when it is looked for
        self.numbers: dict[tuple[ModuleType, str], int] = {  # what is usually large, small enough to be reached
            (parts, "PART_BYTES"): chance.choice((200, 600, parts.PART_BYTES)),
            (room_module, "QUEUED_MUTATIONS"): chance.choice((8, 1000, 1000)),
            (snapshot, "FIRST_ROWS"): chance.choice((1, 2, 500)),
            (snapshot, "STALE_VERSIONS"): chance.choice((3, 2000)),
            (view, "COMPARED_ROWS"): chance.choice((2, 2000, 2000)),
        }
        for module in (deltas, snapshot):
            self.numbers[module, "PART_BYTES"] = self.numbers[parts, "PART_BYTES"]
        self.limits = m.Limits(frame=chance.choice((1 << 20, 2000)), mutations=chance.choice((2, 5, 256)))
        if self.limits.mutations > 5:  # one push must always find room
            self.numbers[room_module, "QUEUED_MUTATIONS"] = 1000
        self.keep = chance.choice((2, 6, 1000))  # versions before the horizon
        self.drafting = chance.random() < 0.7  # people type, and are told so beside a turn
        self.folds = chance.choice((3, 16))  # versions, and the log is folded into the file
        self.moves = plot.moves if plot.moves is not None else self._moves(chance, length)

    def _moves(self, chance: Random, length: int) -> tuple[Move, ...]:
        """What happens: moves of ``World``, and how often there is one."""
        menu: dict[str, float] = {
            "edit": 35,
            "push": 6,
            "hear": 16,
            "tell": 18,
            "converse": 10,
            "drive": 22,
            "pump": 18,
            "reconnect": 8,
            "ask": 3,
            "ping": 2,
            "show": 1,
            "type": 20 * self.drafting,
            "arrive": 1,
            "cut": chance.choice((0, 2, 8)),
            "notice": 2,
            "repeat": chance.choice((0, 2)),
            "haunt": chance.choice((0, 0, 2)),
            "drop": 10 * self.lossy,
            "kill": chance.choice((0, 1, 3)),
            "lose_power": chance.choice((0, 4, 12)),
            "restart": chance.choice((0, 0.5)),
            "fail": chance.choice((0, 10)),
            "copy": 3,
            "restore": chance.choice((0, 0, 5)),
            "revive": chance.choice((0, 0, 2)),
        }
        names = chance.choices(list(menu), list(menu.values()), k=length)
        return tuple((name, number) for number, name in enumerate(names, 1))
