"""
Stories: worlds told from their seeds, one or thousands, in this process or in several.
"""

import tempfile
import traceback
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.convergence.checks import Broken
from tests.convergence.world import World

MEMORY = Path("/dev/shm")  # noqa: S108  # a disk that costs nothing, where there is one; fsync is another test's
CHUNK = 25  # seeds that a process takes at a time
LINES = Path(__file__).with_name("seeds.txt").read_text().splitlines()
PAST = {int(line.split()[0]): line.split()[1] == "drafts" for line in LINES if not line.startswith("#")}
FOUND = Path(__file__).parents[2] / "build" / "broken-seeds.txt"  # on this machine, until somebody has looked at them
AGAIN = "PARTYSYNC_SEED={} python -m pytest tests/convergence/test_convergence.py"


def tell(seed: int, *, shared_id: bool = False) -> str:
    """What was broken in this story, and what went before; empty if every promise was kept."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        world = World(seed, Path(folder), shared_id=shared_id, drafts=PAST.get(seed, True))
        try:
            world.run()
        except Broken as broken:
            return f"{broken}\n  after {world.moves} moves, the last of them:\n    " + "\n    ".join(world.trace)
        except Exception as error:
            error.add_note(f"in the story of seed {seed}; again: {AGAIN.format(seed)}")
            raise
        finally:
            world.close()
    return ""


def record(seed: int) -> list[str]:
    """All that happens in this story."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        world = World(seed, Path(folder))
        world.trace = deque()
        world.run()
        world.close()
    return [*world.trace, *map(str, world.host.history.log)]


def found_before() -> list[int]:
    """Seeds that were broken here once, and are in no list that is kept for ever."""
    return sorted({int(line) for line in FOUND.read_text().split()} - PAST.keys()) if FOUND.exists() else []


def first_broken(seeds: Iterable[int]) -> str:
    """The first of these stories in which a promise was broken, with the line that tells it again; or empty.

    Its seed is noted: one that was drawn by the clock would be lost with the terminal.
    """
    for seed in seeds:
        try:
            broken = tell(seed)
        except Exception:  # noqa: BLE001  # told as any other, so that it hides nothing of what others found
            broken = traceback.format_exc()
        if broken:
            FOUND.parent.mkdir(exist_ok=True)
            with FOUND.open("a") as file:
                file.write(f"{seed}\n")
            return f"seed {seed}: {broken}\n  again: {AGAIN.format(seed)}\n  noted in build/{FOUND.name}"
    return ""


def tell_all(seeds: range, processes: ProcessPoolExecutor | None) -> list[str]:
    """What is broken in each chunk of these, told side by side if there are processes for it."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    found = processes.map(first_broken, chunks) if processes else map(first_broken, chunks)
    return [broken for broken in found if broken]
