"""
Stories: worlds told from their plots, one or thousands, in this process or in several.
"""

import traceback
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.convergence.checks import Broken
from tests.convergence.plot import Plot, shrink
from tests.convergence.world import World

CHUNK = 25  # seeds that a process takes at a time
SHRINK_SECONDS = 30.0
LINES = [line.split() for line in Path(__file__).with_name("seeds.txt").read_text().splitlines() if line[:1] != "#"]
PAST = [int(seed) for seed, *_ in LINES]
FOUND = Path(__file__).parents[2] / "build" / "broken-seeds.txt"  # on this machine, until somebody has looked at them
FIGURES = (
    "schedules", "moves", "power_losses", "in_mid_commit", "while_opening", "kills", "restarts", "failed_commits",
    "restores", "ghosts", "seconds",
)  # fmt: skip  # how often it happened; "in mid commit" and "while opening" are among the power losses and kills
AGAIN = "{}='{}' python -m pytest tests/convergence/test_convergence.py"


@dataclass
class Tale:
    """What became of a story. ``broken``: the promise that was not kept, and how; empty if every one was."""

    plot: Plot
    broken: str = ""
    trace: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    error: Exception | None = None  # what was raised, if that was not for a promise

    @property
    def promise(self) -> str:
        return self.broken.partition(":")[0]


def tell(plot: Plot, *, shared_id: bool = False) -> Tale:
    """One story, to its end or to the first promise that is broken."""
    world = World(plot, shared_id=shared_id)
    broken, raised = "", None
    try:
        world.run()
    except Broken as why:
        broken = str(why)
    except Exception as error:  # noqa: BLE001  # told as any other, so that it hides nothing of what others found
        broken, raised = f"{type(error).__name__}: {traceback.format_exc()}", error
    finally:
        world.close()
    moves = tuple(move for move in world.told if move in world.weather.moves)
    return Tale(Plot(plot.seed, moves), broken, list(world.trace), world.figures, raised)


def breaks(seed: int, *, shared_id: bool = False) -> bool:
    """Whether a promise is broken in the story of this seed. Raises what the story raises: no promise names that."""
    tale = tell(Plot(seed), shared_id=shared_id)
    if tale.error is not None:
        raise tale.error
    return bool(tale.broken)


def record(seed: int) -> list[str]:
    """All that happens in this story."""
    world = World(Plot(seed))
    world.trace = deque()
    world.run()
    world.close()
    return [*world.trace, *map(str, world.host.history.log), world.host.heard.hexdigest()]


def shrunk(tale: Tale, seconds: float = SHRINK_SECONDS) -> Tale:
    """The same promise, broken in as few moves as are found."""
    best = tale

    def broken(moves: tuple[tuple[str, int], ...]) -> bool:
        nonlocal best
        found = tell(Plot(tale.plot.seed, moves))
        same = found.promise == tale.promise
        best = found if same else best
        return same

    shrink(tale.plot.moves or (), broken, seconds)
    return best


def found_before() -> list[int]:
    """Seeds that were broken here once, and are in no list that is kept for ever."""
    return sorted({int(line) for line in FOUND.read_text().split()} - set(PAST)) if FOUND.exists() else []


def told_of(tale: Tale) -> str:
    """What was broken, with the lines that tell it again: whole, and shrunk."""
    short = shrunk(tale)
    trace = "\n    ".join(short.trace)
    return (
        f"seed {tale.plot.seed}: {tale.broken}\n  shrunk to {len(short.plot.moves or ())} moves: {short.broken}\n"
        f"    {trace}\n  again: {AGAIN.format('PARTYSYNC_SEED', tale.plot.seed)}\n"
        f"  shrunk: {AGAIN.format('PARTYSYNC_STORY', short.plot)}"
    )


def first_broken(seeds: Iterable[int]) -> tuple[str, Counter[str]]:
    """The first of these stories in which a promise was broken, or empty; and what happened in all of them.

    Its seed is noted: one that was drawn by the clock would be lost with the terminal.
    """
    figures: Counter[str] = Counter()
    for seed in seeds:
        tale = tell(Plot(seed))
        figures.update(tale.figures, schedules=1)
        if tale.broken:
            FOUND.parent.mkdir(exist_ok=True)
            with FOUND.open("a") as file:
                file.write(f"{seed}\n")
            return f"{told_of(tale)}\n  noted in build/{FOUND.name}", figures
    return "", figures


def tell_all(seeds: range, processes: ProcessPoolExecutor | None) -> tuple[list[str], Counter[str]]:
    """What is broken in each chunk of these, told side by side if there are processes for it; and their figures."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    found = list(processes.map(first_broken, chunks) if processes else map(first_broken, chunks))
    return [broken for broken, _ in found if broken], sum((figures for _, figures in found), Counter())
