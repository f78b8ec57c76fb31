"""
A world in one thread: a room, some kernels, the lines between them, and everything that can go wrong, from one seed.

The Replica, the Room, the Ledger, its file and the codec are the real ones; sockets, threads and time are not there.
What happens next is drawn at random, so a seed is a story, and the same seed is the same story.

::

    kernel ══ Line ══▶ host                    one move at a time: an edit, a frame, a turn, a cut, a crash
"""

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from unittest.mock import patch

from partysync_server import parts, snapshot
from partysync_server import room as room_module
from partysync_widget.core import messages as m
from partysync_widget.core import view
from partysync_widget.core.party import Party
from partysync_widget.core.replica import Link
from tests.convergence import checks, edits
from tests.convergence.host import Copy, Host
from tests.convergence.kernel import Kernel
from tests.convergence.line import Line
from tests.convergence.workshop import Main, Stranger, Workshop

ROUNDS = 60  # in which everything must come to rest


class World:
    """See the module. ``run`` raises whatever is broken; ``trace`` tells what was done before."""

    def __init__(self, seed: int, folder: Path, *, shared_id: bool = False, drafts: bool = True) -> None:
        self.random = Random(seed)
        self.typing = Random(f"drafts {seed}")  # of its own, so that a story without drafts is what it was
        self.trace: deque[str] = deque(maxlen=40)
        self.moves = 0
        self.book: dict[tuple[str, int], int] = {}  # which edit a (client, mid) is
        self.copies: list[Copy | None] = []
        self._shared_id = shared_id
        self._edits = 0
        self._lines = 0
        chance = self.random
        self.party: type[Party] = chance.choice((Workshop, Workshop, Workshop, Main))
        self.length = chance.choice((30, 60, 100, 150))
        self.slow = chance.random() < 0.4
        self.lossy = chance.random() < 0.3
        self.flaky = chance.choice((0, 0.4))  # lines break while rows are on their way
        self.numbers = {  # what is usually large, small enough to be reached
            (parts, "PART_BYTES"): chance.choice((200, 600, parts.PART_BYTES)),
            (room_module, "QUEUED_MUTATIONS"): chance.choice((8, 1000, 1000)),
            (snapshot, "FIRST_ROWS"): chance.choice((1, 2, 500)),
            (snapshot, "STALE_VERSIONS"): chance.choice((3, 2000)),
            (view, "COMPARED_ROWS"): chance.choice((2, 2000, 2000)),
        }
        for module in (room_module, snapshot):
            self.numbers[module, "PART_BYTES"] = self.numbers[parts, "PART_BYTES"]
        limits = m.Limits(frame=chance.choice((1 << 20, 2000)), mutations=chance.choice((2, 5, 256)))
        if limits.mutations > 5:  # one push must always find room
            self.numbers[room_module, "QUEUED_MUTATIONS"] = 1000
        self.host = Host(folder, self.party, limits, chance.choice((2, 6, 1000)), self.book)
        self.host.drafting = drafts and self.typing.random() < 0.7
        self.kernels: list[Kernel] = []
        self.menu = self._menu()

    def _menu(self) -> tuple[list[Callable[[], None]], list[float]]:
        """What may happen, and how often. Each world has its own weather."""
        chance = self.random
        menu: list[tuple[Callable[[], None], float]] = [
            (self.edit, 35),
            (self.push, 6),
            (self.hear, 16),
            (self.tell, 18),
            (self.converse, 10),
            (self.drive, 22),
            (self.pump, 18),
            (self.reconnect, 8),
            (self.ask, 3),
            (self.ping, 2),
            (self.show, 0.5),
            (self.arrive, 0.5),
            (self.cut, chance.choice((0, 2, 8))),
            (self.notice, 2),
            (self.repeat, chance.choice((0, 2))),
            (self.drop, 10 * self.lossy),
            (self.kill, chance.choice((0, 1, 3))),
            (self.restart, chance.choice((0, 0.5))),
            (self.fail, chance.choice((0, 6))),
            (self.copy, 1),
            (self.restore, chance.choice((0, 0, 5))),
            (self.revive, chance.choice((0, 0, 2))),
        ]
        return [what for what, _ in menu], [weight for _, weight in menu]

    def run(self) -> None:
        """The whole story, to a rest."""
        with ExitStack() as stack:
            for (module, name), number in self.numbers.items():
                stack.enter_context(patch.object(module, name, number))
            for _ in range(self.random.randint(2, 3)):
                self.arrive()
            self.reconnect()
            for name, args in edits.setup(self.party):
                self._edit(self.kernels[0], name, args)
            for _ in range(self.length):
                (what,) = self.random.choices(*self.menu)
                self.moves += 1
                self.trace.append(what.__name__)
                what()
                self.type()
            self.rest()
            if self.lossy:
                self.lose_the_last()
                self.rest()

    def close(self) -> None:
        """Let go of every database."""
        self.host.close()
        for kernel in self.kernels:
            kernel.replica.closed()
            kernel.replica.store.close()

    # --- kernels --------------------------------------------------------------------------------------------------

    def _kernel(self, able: Callable[[Kernel], object] = bool) -> Kernel:
        """One of those that can, if any can. In a slow world most of the time it is the first."""
        kernels = [kernel for kernel in self.kernels if able(kernel)] or self.kernels
        return kernels[0] if self.slow and self.random.random() < 0.7 else self.random.choice(kernels)

    def arrive(self) -> None:
        """One more kernel."""
        if len(self.kernels) < 4:
            stranger = self.party is Workshop and bool(self.kernels) and self.random.random() < 0.15
            party = Stranger if stranger else self.party
            client = "the-same" if self._shared_id else ""
            kernel = Kernel("abcd"[len(self.kernels)], self.host, party, ruled=not stranger, client=client)
            kernel.compares = self.numbers[view, "COMPARED_ROWS"] > 100
            self.kernels.append(kernel)

    def edit(self) -> None:
        kernel = self._kernel()
        tables = kernel.replica.view.tables
        columns = {name: {c.name: c.type for c in entry.spec.columns} for name, entry in tables.items()}
        self._edits += 1
        self._edit(kernel, *edits.edit(self.random, self.party, columns, kernel.label, self._edits))

    def _edit(self, kernel: Kernel, name: str, args: dict[str, object]) -> None:
        self._edits += 1
        made = kernel.edit(self._edits, name, args, self.book)
        self.trace.append(f"{kernel.label} {'makes' if made else 'is refused'} {name} {args}")
        if self.random.random() < 0.5:
            kernel.push()

    def type(self) -> None:
        """Somebody types, or not."""
        if self.host.drafting and self.typing.random() < 0.5:
            self.typing.choice(self.kernels).type(self.typing)

    def push(self) -> None:
        self._kernel().push()

    def ping(self) -> None:
        self._kernel().ping()

    def ask(self) -> None:
        self._kernel().ask()

    def show(self) -> None:
        self._kernel().show({"at": self.moves})

    def tell(self) -> None:
        """Frames reach a kernel; usually it pushes what it has then."""
        self._listen(self._kernel(lambda each: each.line is not None and (each.line.down or not each.line.there)))

    def _listen(self, kernel: Kernel) -> None:
        kernel.listen(self.random.choice((1, 1, 2, 9)), self.book)
        if kernel.replica.link is Link.WELCOMED and self.random.random() < self.flaky:
            self._cut(kernel)
        elif self.random.random() < 0.7:
            kernel.push()

    def converse(self) -> None:
        """Some frames there and back, as when the line is good."""
        kernel = self._kernel()
        for _ in range(self.random.randint(1, 4)):
            if kernel.line is None:
                self._connect(kernel)
            line = kernel.line
            if line.there:
                self.host.receive(line, self.random.randint(1, 5))
                self.host.pump(line)
            self._listen(kernel)

    def revive(self) -> None:
        kernel = self._kernel()
        if kernel.line is not None:
            kernel.line.cut(self.random)
        kernel.revive()

    # --- lines ----------------------------------------------------------------------------------------------------

    def reconnect(self) -> None:
        """Everybody who has no line, or is lucky, tries again."""
        for kernel in self.kernels:
            if kernel.line is None and self.random.random() < 0.6:
                self._connect(kernel)

    def _connect(self, kernel: Kernel) -> None:
        self._lines += 1
        kernel.connect(Line(self._lines, "json" if self._lines % 2 else "msgpack", self.random.choice((1, 3, 20))))

    def _line(self, able: Callable[[Line], object] = bool) -> Line | None:
        lines = [line for line in self.host.lines if able(line)]
        return self.random.choice(lines) if lines else None

    def hear(self) -> None:
        """Frames reach the room."""
        if (line := self._line(lambda each: each.up)) is not None:
            self.host.receive(line, self.random.choice((1, 2, 9)))

    def pump(self) -> None:
        """The room sends to one session what it is owed, and some of what it is owed next."""
        if (line := self._line()) is not None:
            for _ in range(self.random.choice((1, 2, 6))):
                self.host.pump(line)

    def cut(self) -> None:
        """A kernel loses its line; the room hears of it later."""
        self._cut(self._kernel())

    def _cut(self, kernel: Kernel) -> None:
        if kernel.line is not None:
            kernel.line.cut(self.random)
            kernel.hang_up()

    def notice(self) -> None:
        """The room hears that a line is cut."""
        for line in [line for line in self.host.lines if not line.here]:
            self.host.leave(line)

    def repeat(self) -> None:
        if (line := self._line()) is not None:
            line.repeat(self.random)

    def drop(self) -> None:
        """A frame is lost, and the line goes on."""
        kernel = self._kernel(lambda each: each.line is not None and each.line.lossy and each.line.losable())
        if kernel.line is not None and kernel.line.lossy and (places := kernel.line.losable()):
            kernel.line.drop(self.random.choice(places))
            self.trace.append(f"{kernel.label} loses a frame")

    # --- the room -------------------------------------------------------------------------------------------------

    def drive(self) -> None:
        """A turn begins, or goes on, or is over and told to everybody."""
        for _ in range(self.random.choice((1, 1, 3))):
            self.host.advance(self.random)
        if self.random.random() < 0.3:
            self.host.pump_all()

    def kill(self) -> None:
        self._relayed(self.host.kill)

    def restart(self) -> None:
        if self.host.phase == "idle":
            self._relayed(self.host.restart)

    def _relayed(self, stop: Callable[[], None]) -> None:
        """Sometimes a line outlives the server that it led to."""
        lines = [line for line in self.host.lines if line.here and self.random.random() < 0.1]
        stop()
        for line in lines:
            line.relay()
            self.host.join(line)

    def fail(self) -> None:
        """A turn whose COMMIT gives an error."""
        if self.host.phase == "idle" and self.host.room.waiting:
            self.host.advance(self.random)
        if self.host.phase == "turned":
            self.host.fail(happened=self.random.random() < 0.5)

    def copy(self) -> None:
        if self.host.phase == "idle":
            self.copies.append(self.host.copy())

    def restore(self) -> None:
        if self.host.phase == "idle":
            self.host.restore(self.random.choice([*self.copies, *self.copies, None]))

    # --- at rest --------------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Nothing goes wrong any more, and everything that is owed is done."""
        self.trace.append("rest")
        self.notice()
        for _ in range(ROUNDS):
            for kernel in self.kernels:
                if kernel.line is None:
                    self._connect(kernel)
                kernel.push()
                kernel.ping()
            for line in list(self.host.lines):
                self.host.receive(line, 1000)
            self.host.finish()
            for _ in range(4):
                self.host.pump_all()
            for kernel in self.kernels:
                kernel.listen(1000, self.book)
            if self._resting():
                break
        checks.check_rest(self.host, self.kernels)

    def lose_the_last(self) -> None:
        """One or two more edits; some never hear the first: the next, a barrier or the heartbeat tells (R3)."""
        author, *others = self.kernels
        for lost in self.random.choice(((True,), (True, False))):
            self._edit(author, *edits.last(self.party))
            author.push()
            self.host.receive(author.line, 1000)
            self.host.finish()
            self.host.pump_all()
            for kernel in others if lost else ():
                for place in reversed(kernel.line.losable()):
                    kernel.line.drop(place)
                if self.random.random() < 0.5:
                    kernel.ask()

    def _resting(self) -> bool:
        """Two rounds without a move."""
        return all(
            kernel.replica.link is Link.LIVE
            and kernel.history is self.host.history
            and kernel.at == self.host.history.version
            and not kernel.undecided
            and kernel.line is not None
            and not kernel.line.up
            and not kernel.line.down
            for kernel in self.kernels
        )
