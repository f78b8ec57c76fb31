"""
Rest: nothing goes wrong any more, and everybody must come to the same end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partysync_widget.core.replica import Link
from tests.convergence import checks, edits

if TYPE_CHECKING:
    from tests.convergence.world import World

ROUNDS = 60  # in which everything must come to rest


def rest(world: World) -> None:
    """Nothing goes wrong any more, and everything that is owed is done."""
    world.notice()
    for _ in range(ROUNDS):
        for kernel in world.kernels:
            if kernel.line is None:
                world.connect(kernel)
            kernel.push()
            kernel.ping()
        for line in list(world.host.lines):
            world.host.receive(line, 1000)
        world.host.finish()
        for _ in range(4):
            world.host.pump_all()
        for kernel in world.kernels:
            kernel.listen(1000, world.book)
        if _resting(world):
            break
    checks.check_rest(world.host, world.kernels)
    if not world.weather.lossy:  # nothing tells whoever has lost a frame of them
        checks.check_peers(world.kernels)


def lose_the_last(world: World) -> None:
    """One or two more edits; some never hear the first: the next, a barrier or the heartbeat tells (R3)."""
    author, *others = world.kernels
    for lost in world.dice.choice(((True,), (True, False))):
        world.make(author, *edits.last(world.party))
        author.push()
        world.host.receive(author.line, 1000)
        world.host.finish()
        world.host.pump_all()
        for kernel in others if lost else ():
            for place in reversed(kernel.line.losable()):
                kernel.line.drop(place)
            if world.dice.random() < 0.5:
                kernel.ask()


def _resting(world: World) -> bool:
    """Two rounds without a move."""
    return all(
        kernel.replica.link is Link.LIVE
        and kernel.history is world.host.history
        and kernel.at == world.host.history.version
        and not kernel.undecided
        and kernel.line is not None
        and not kernel.line.up
        and not kernel.line.session.peers
        and not kernel.line.down
        for kernel in world.kernels
    )
