"""
A plot: which moves a story has, in one line of notation, so that it can be told again, and told with fewer of them.

::

    417: edit3 push7 lose_power12 tell15        the weather of seed 417; four moves, each with its number

A move draws what it needs from dice of its own, which are those of its seed and its number. So the moves that are left
do what they did, as far as they still can, when others are taken away; and a seed alone is a whole plot as well.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Move = tuple[str, int]


@dataclass(frozen=True)
class Plot:
    """A seed, and its moves; None: those that the seed draws."""

    seed: int
    moves: tuple[Move, ...] | None = None

    def __str__(self) -> str:
        return f"{self.seed}: {' '.join(f'{name}{number}' for name, number in self.moves or ())}"

    def dice(self, name: str, number: int) -> Random:
        return Random(f"{self.seed} {name} {number}")


def read(line: str) -> Plot:
    """A plot in its notation."""
    seed, _, moves = line.partition(":")
    found = re.findall(r"([a-z_]+)(\d+)", moves)
    return Plot(int(seed), tuple((name, int(number)) for name, number in found))


def shrink(moves: tuple[Move, ...], broken: Callable[[tuple[Move, ...]], bool], seconds: float) -> tuple[Move, ...]:
    """As few of these as are still ``broken``, as far as can be found in so many seconds.

    Delta debugging (Zeller and Hildebrandt, 2002), without the half that tries each chunk alone.
    """
    end, size = time.monotonic() + seconds, max(1, len(moves) // 2)
    while moves:
        start, before = 0, len(moves)
        while start < len(moves):
            if time.monotonic() > end:
                return moves
            fewer = moves[:start] + moves[start + size :]
            if broken(fewer):
                moves = fewer
            else:
                start += size
        if size == 1 and len(moves) == before:
            break
        size = max(1, size // 2)
    return moves
