"""
A world in one thread: a room, some kernels, the lines between them, and everything that can go wrong, from one seed.

The Replica, the Room, the Ledger, its file and the codec are the real ones; sockets, threads and time are not there.
What happens is drawn at random, so a seed is a story, and the same seed is the same story.

::

    kernel ══ Line ══▶ host ── Plug ──▶ disk   one move at a time: an edit, a frame, a turn, a cut, a crash

The lines between a kernel and the room may be several: what was said on a dead one arrives late, between the frames of
the next, or all of it once more. The server dies, or its power goes, at any operation of its disk.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from random import Random
from typing import TypeVar
from unittest.mock import patch
from zlib import crc32

from partysync_widget.core import messages as m
from partysync_widget.core import view
from partysync_widget.core.replica import Link
from partysync_widget.core.store import Store
from tests.convergence import edits
from tests.convergence.host import Copy, Host
from tests.convergence.kernel import Kernel
from tests.convergence.line import Line
from tests.convergence.plot import Move, Plot
from tests.convergence.plug import Pull
from tests.convergence.rest import lose_the_last, rest
from tests.convergence.stores import copied
from tests.convergence.weather import Weather
from tests.convergence.workshop import Stranger, Workshop

LABELS = "abcdef"  # of kernels
OPERATIONS = 32  # of the disk in a COMMIT, about

T = TypeVar("T", Kernel, Line)


class World:
    """See the module. ``run`` raises whatever is broken; ``trace`` tells what was done before."""

    def __init__(self, plot: Plot, *, shared_id: bool = False) -> None:
        self.plot = plot
        self.weather = Weather(plot)
        self.party = self.weather.party
        self.trace: deque[str] = deque(maxlen=40)
        self.told: list[Move] = []  # the moves so far
        self.book: dict[tuple[str, int], int] = {}  # which edit a (client, mid) is
        self.copies: list[Copy] = []
        self.past: list[Line] = []  # lines that were cut
        self.host = Host(self.weather, self.book)
        self.kernels: list[Kernel] = []
        self._shared_id = shared_id

    def run(self) -> None:
        """The whole story, to a rest."""
        with ExitStack() as stack:
            stack.enter_context(patch.object(Store, "memory", classmethod(copied(Store.memory))))
            for (module, name), number in self.weather.numbers.items():
                stack.enter_context(patch.object(module, name, number))
            self._move("begin", 0)
            for name, number in self.weather.moves:
                self._move(name, number)
            self._move("end", 100_000)

    def _move(self, name: str, number: int) -> None:
        self.dice, self._number, self._count = self.plot.dice(name, number), number, 0
        self.trace.append(f"{name}{number}")
        self.told.append((name, number))
        move: Callable[[], None] = getattr(self, name)
        move()

    def begin(self) -> None:
        """Some kernels, most of them with lines, and the rows that edits need."""
        self.host.start()
        for _ in range(self.dice.randint(3, self.weather.crowd)):
            self.arrive()
        self.reconnect()
        for name, args in edits.setup(self.party):
            self.make(self.kernels[0], name, args)

    def end(self) -> None:
        """Everything comes to rest, whatever was going to go wrong."""
        self.host.plug.out()
        rest(self)
        if self.weather.lossy:
            lose_the_last(self)
            rest(self)

    @property
    def figures(self) -> Counter[str]:
        return Counter(moves=len(self.told), **self.host.figures)

    def close(self) -> None:
        """Let go of every database."""
        self.host.close()
        for kernel in self.kernels:
            kernel.replica.closed()
            kernel.replica.store.close()

    def _next(self) -> int:
        """A number that nothing else has, and that stays the same when other moves are taken away."""
        self._count += 1
        return self._number * 1000 + self._count

    def _pick(self, things: Iterable[T]) -> T | None:
        """One of these; the same one whichever of the others are there, unless it is lost itself."""
        draw = self.dice.getrandbits(32)
        return min(things, key=lambda each: crc32(f"{draw} {each.label}".encode()), default=None)

    # --- kernels --------------------------------------------------------------------------------------------------

    def _kernel(self, able: Callable[[Kernel], object] = bool) -> Kernel:
        """One of those that can, if any can. In a slow world most of the time it is the first."""
        kernels = [kernel for kernel in self.kernels if able(kernel)] or self.kernels
        return kernels[0] if self.weather.slow and self.dice.random() < 0.7 else self._pick(kernels) or kernels[0]

    def arrive(self) -> None:
        """One more kernel."""
        if len(self.kernels) < self.weather.crowd:
            stranger = self.party is Workshop and bool(self.kernels) and self.dice.random() < 0.15
            party = Stranger if stranger else self.party
            client = "the-same" if self._shared_id else ""
            kernel = Kernel(LABELS[len(self.kernels)], self.host, party, ruled=not stranger, client=client)
            kernel.compares = self.weather.numbers[view, "COMPARED_ROWS"] > 100
            self.kernels.append(kernel)

    def edit(self) -> None:
        kernel = self._kernel()
        tables = kernel.replica.view.tables
        columns = {name: {c.name: c.type for c in entry.spec.columns} for name, entry in tables.items()}
        name, args = edits.edit(self.dice, self.party, columns, kernel.label, self._next())
        burst = [args]
        while edits.goes_on(self.dice, self.party, name):
            burst.append(edits.alike(self.dice, burst[-1], columns))
        for number, each in enumerate(burst, 1):
            self.make(kernel, name, each, last=number == len(burst))

    def make(self, kernel: Kernel, name: str, args: dict[str, object], *, last: bool = True) -> None:
        made = kernel.edit(self._next(), name, args, self.book)
        self.trace.append(f"{kernel.label} {'makes' if made else 'is refused'} {name} {args}")
        if made and self.weather.drafting and self.dice.random() < 0.3:
            kernel.commit_draft()
        if last and self.dice.random() < 0.5:
            kernel.push()

    def type(self) -> None:
        """Somebody types, commits what was typed, or gives it up."""
        if (kernel := self._pick(self.kernels)) is not None:
            kernel.type(self.dice)

    def push(self) -> None:
        self._kernel().push()

    def ping(self) -> None:
        self._kernel().ping()

    def ask(self) -> None:
        self._kernel().ask()

    def show(self) -> None:
        self._kernel().show({"at": self._number})

    def tell(self) -> None:
        """Frames reach a kernel; usually it pushes what it has then."""
        self._listen(self._kernel(lambda each: each.line is not None and (each.line.down or not each.line.there)))

    def _listen(self, kernel: Kernel) -> None:
        kernel.listen(self.dice.choice((1, 1, 2, 9)), self.book)
        if kernel.replica.link is Link.WELCOMED and self.dice.random() < self.weather.flaky:
            self._cut(kernel)
        elif self.dice.random() < 0.7:
            kernel.push()

    def converse(self) -> None:
        """Some frames there and back, as when the line is good."""
        kernel = self._kernel()
        for _ in range(self.dice.randint(1, 4)):
            if kernel.line is None:
                self.connect(kernel)
            line = kernel.line
            if line.there:
                self.host.receive(line, self.dice.randint(1, 5))
                self.host.pump(line)
            self._listen(kernel)

    def revive(self) -> None:
        kernel = self._kernel()
        if kernel.line is not None:
            self.past.append(kernel.line)
            kernel.line.cut(self.dice)
        kernel.revive()

    # --- lines ----------------------------------------------------------------------------------------------------

    def reconnect(self) -> None:
        """Everybody who has no line, or is lucky, tries again."""
        for kernel in self.kernels:
            if kernel.line is None and self.dice.random() < 0.6:
                self.connect(kernel)

    def connect(self, kernel: Kernel) -> None:
        number = self._next()
        line = Line(number, "json" if number % 2 else "msgpack", self.dice.choice((1, 3, 20)))
        line.label = f"{kernel.label} {number}"
        kernel.connect(line)

    def _line(self, able: Callable[[Line], object] = bool) -> Line | None:
        return self._pick(line for line in self.host.lines if able(line))

    def hear(self) -> None:
        """Frames reach the room."""
        if (line := self._line(lambda each: each.up)) is not None:
            self.host.receive(line, self.dice.choice((1, 2, 9)))

    def pump(self) -> None:
        """The room sends to one session what it is owed, and some of what it is owed next."""
        if (line := self._line()) is not None:
            for _ in range(self.dice.choice((1, 2, 6))):
                self.host.pump(line)

    def cut(self) -> None:
        """A kernel loses its line; the room hears of it later, perhaps after the next has come."""
        kernel = self._kernel()
        self._cut(kernel)
        if self.dice.random() < 0.5:
            self.connect(kernel)

    def _cut(self, kernel: Kernel) -> None:
        if kernel.line is not None:
            self.past.append(kernel.line)
            kernel.line.cut(self.dice)
            kernel.hang_up()

    def notice(self) -> None:
        """The room hears that a line is cut."""
        for line in [line for line in self.host.lines if not line.here]:
            self.host.leave(line)

    def repeat(self) -> None:
        if (line := self._line()) is not None:
            line.repeat(self.dice)

    def haunt(self) -> None:
        """An old line's frames come once more, between those of the lines that there are now."""
        if (line := self._pick(self.past)) is not None:
            self.host.figures["ghosts"] += 1
            self.host.join(line.ghost())

    def drop(self) -> None:
        """A frame is lost, and the line goes on: now and then a part, which nothing but their count betrays."""
        kernel = self._kernel(lambda each: each.line is not None and each.line.lossy and each.line.losable())
        if kernel.line is not None and kernel.line.lossy and (places := kernel.line.losable()):
            parts = kernel.line.losable(m.Part) if self.dice.random() < 0.5 else []
            kernel.line.drop(self.dice.choice(parts or places))
            self.trace.append(f"{kernel.label} loses a frame")

    # --- the room -------------------------------------------------------------------------------------------------

    def drive(self) -> None:
        """A turn begins, or goes on, or is over and told to everybody; on a slow disk COMMIT takes long."""
        for _ in range(self.dice.choice((1, 1, 3))):
            if self.host.phase != "turned" or self.dice.random() >= self.weather.disk_takes:
                self.host.advance(self.dice)
        if self.dice.random() < 0.3:
            self.host.pump_all()

    def kill(self) -> None:
        """As ``kill -9`` does it: now, or in the middle of what the disk does next."""
        self._relayed(lambda: self._stop(None))

    def lose_power(self) -> None:
        """The same, and the power goes with it."""
        self._stop(self._fresh_dice())

    def _stop(self, dice: Random | None) -> None:
        operations = self.dice.choice((None, self.dice.randrange(OPERATIONS), self.dice.randrange(OPERATIONS)))
        if operations is not None and self.host.phase == "idle" and self.host.room.waiting:
            self.host.advance(self.dice)
        self.host.stop([Pull(operations, dice), *self._again()])
        if operations is not None and self.host.phase == "turned":
            self.host.advance(self.dice)  # in the middle of COMMIT, if it takes so many

    def _again(self) -> list[Pull]:
        """Sometimes once more, while the room is opened."""
        how = self.dice.choice((None, None, self._fresh_dice()))
        return [Pull(self.dice.randrange(OPERATIONS), how)] if self.dice.random() < 0.2 else []

    def _fresh_dice(self) -> Random:
        return Random(self.dice.getrandbits(32))

    def restart(self) -> None:
        if self.host.phase == "idle":
            self._relayed(self.host.restart)

    def _relayed(self, stop: Callable[[], None]) -> None:
        """Sometimes a line outlives the server that it led to."""
        lines = [line for line in self.host.lines if line.here and self.dice.random() < 0.1]
        stop()
        for line in lines:
            if not line.there:
                line.relay()
                self.host.join(line)

    def fail(self) -> None:
        """A turn whose COMMIT gives an error; a disk that forgets what it could not sync does not live long."""
        if self.host.phase == "idle" and self.host.room.waiting:
            self.host.advance(self.dice)
        if self.host.phase == "turned":
            operations = self.dice.choice((2 * OPERATIONS, self.dice.randrange(OPERATIONS)))
            code, once = self.dice.choice(("eio", "full", "short", "clean", "clean")), self.dice.random() < 0.4
            self.host.fail(operations=operations, code=code, once=once)
            if code == "clean" and self.dice.random() < 0.7:
                operations = self.dice.choice((None, None, self.dice.randrange(OPERATIONS)))
                self.host.stop([Pull(operations, self._fresh_dice())])

    def copy(self) -> None:
        if self.host.phase == "idle" and self.host.history.version:
            self.copies.append(self.host.copy())

    def restore(self) -> None:
        """An older copy, or nothing, is put in the place of the file; somebody it knows works offline meanwhile."""
        version = self.host.history.version
        older = [copy for copy in self.copies if copy.history.version < version]
        if self.host.phase == "idle" and (older or self.dice.random() < 0.2):
            copy = self.dice.choice([*older, *older, None])
            known = copy.history.last if copy else {}
            kernel = self._pick(kernel for kernel in self.kernels if kernel.replica.client in known)
            if kernel is not None and self.dice.random() < 0.7:
                self._cut(kernel)
                self.make(kernel, *edits.last(self.party))
            alone = self.dice.random() < 0.5
            self.host.restore(copy, alone=alone)
