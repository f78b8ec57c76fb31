"""
The server's side of the simulation: the real Room over the real Ledger, on a file that can be killed, copied, put back.

::

    idle ── turn ──▶ turned ── commit ──▶ committed ── publish ──▶ idle        (receive at any time; pump when idle)

Every turn is decided a second time by the model, in the order in which the room took the mutations from its queue.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

from partysync_server.ledger import Ledger
from partysync_server.room import Room
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from partysync_widget.core.party import Party
from tests.convergence.checks import check_file, check_push
from tests.convergence.drafts import Sending, Told
from tests.convergence.line import Line
from tests.convergence.model import BLANK, History


@dataclass(frozen=True)
class Copy:
    """The room's file as it was once."""

    path: Path
    history: History


class Host:
    """One room and its file. ``book`` says which edit a (client, mid) is."""

    def __init__(
        self, folder: Path, party: type[Party], limits: m.Limits, keep: int, book: dict[tuple[str, int], int]
    ) -> None:
        self.histories: dict[str, History] = {}
        self.history = History([BLANK[party.name]])
        self.lines: list[Line] = []
        self.phase = "idle"
        self.drafting = False  # people type, and are told so beside a turn
        self._folder, self._party, self._limits, self._keep = folder, party, limits, keep
        self._book = book
        self._files = 0
        self._open(self._next_path())

    # --- the file -------------------------------------------------------------------------------------------------

    def _next_path(self) -> Path:
        self._files += 1
        return self._folder / f"{self._files}.db"

    def _open(self, path: Path) -> None:
        """Open a file as a new incarnation of the room."""
        self.epoch = f"epoch-{len(self.histories) + 1}"
        ledger = Ledger(path, self._party, self.epoch)
        self.room = Room(self._party, self._sparing(ledger), limits=self._limits)
        self.phase, self._durable = "idle", self.history.version
        self.told, self._published = Told(), self.history.version
        self.histories[self.epoch] = self.history
        check_file(self)

    def _sparing(self, ledger: Ledger) -> Ledger:
        """The same, with so few versions kept that horizons pass."""
        needs, compact = ledger.needs_compaction, ledger.compact
        ledger.needs_compaction = lambda: needs(self._keep)
        ledger.compact = lambda: compact(self._keep)
        return ledger

    def _image(self) -> Path:
        """The file and its log as a crash would leave them now."""
        old, new = self.room.ledger.path, self._next_path()
        for suffix in ("", "-wal"):
            if (source := old.with_name(old.name + suffix)).exists():
                shutil.copyfile(source, new.with_name(new.name + suffix))
        return new

    def _lose_turn(self) -> None:
        self.history.truncate(self._durable)

    def kill(self) -> None:
        """As ``kill -9`` does it, at any moment; and a new process opens what is there."""
        image = self._image()
        self.room.ledger.store.close()
        self._lose_turn()
        self._stop(image)

    def restart(self) -> None:
        """On purpose, between turns; whoever is there is told."""
        for line in list(self.lines):
            line.session.end(m.Bye("The server restarts."))
            self.pump(line)
        self.room.ledger.close()
        self._stop(self.room.ledger.path)

    def copy(self) -> Copy:
        """For later; between turns."""
        return Copy(self._image(), self.history.until(self.history.version))

    def restore(self, copy: Copy | None) -> None:
        """Stop, put an old copy of the file in the place of the new one, or nothing, and start (R10)."""
        self.room.ledger.close()
        path = self._next_path()
        self.history = History([BLANK[self._party.name]])
        if copy is not None:
            self.history = copy.history.until(copy.history.version)
            for suffix in ("", "-wal"):
                if (source := copy.path.with_name(copy.path.name + suffix)).exists():
                    shutil.copyfile(source, path.with_name(path.name + suffix))
        self._stop(path)

    def _stop(self, path: Path) -> None:
        for line in self.lines:
            line.there = False
            line.up.clear()
        self.lines = []
        self._open(path)

    def close(self) -> None:
        self.room.ledger.store.close()

    # --- the driver -----------------------------------------------------------------------------------------------

    def join(self, line: Line) -> None:
        self.lines.append(line)
        line.there = True
        self.room.join(line.session)

    def leave(self, line: Line) -> None:
        self.lines.remove(line)
        line.there = False
        line.up.clear()
        self.told.leaves(line)
        self.room.leave(line.session)

    def receive(self, line: Line, most: int) -> None:
        """Frames reach the room."""
        while line.up and most > 0:
            most -= 1
            frame, waiting = line.heard(), len(self.room._queue)
            self._note(line, frame)
            self.room.receive(line.session, frame)
            check_push(self, frame, len(self.room._queue) - waiting)

    def _note(self, line: Line, frame: m.Up) -> None:
        if line.session.ended is None and isinstance(frame, m.Hello):
            self.told.leaves(line)
            line.greeting = frame.client
        elif line.session.ended is None and isinstance(frame, m.Draft):
            self.told.says(line, frame, self.history, self._published)

    def turn(self, most: int) -> None:
        taken = iter(range(most - 1))
        self.room.turn(lambda: next(taken, None) is None)
        for queued in self.room._turn:
            mutation = queued.mutation
            edit = self._book.get((queued.client, mutation.mid), -1)
            self.history.decide(queued.client, mutation.mid, edit, mutation.name, mutation.args)
        self.phase = "turned"

    def commit(self) -> None:
        self.room.commit()
        self._durable = self.history.version
        self.phase = "committed"

    def fail(self, *, happened: bool) -> None:
        """COMMIT gave an error, and may have happened all the same: open the file again and ask it (R9)."""
        if happened:
            self.room.ledger.commit()
            self._durable = self.history.version
        path = self.room.ledger.path
        self.room.ledger.close()
        self._lose_turn()
        self.room.recover(self._sparing(Ledger(path, self._party, self.epoch)))
        self.phase = "idle"
        self._tell_published()
        check_file(self)

    def _tell_published(self) -> None:
        self._published = self.history.version
        self.told.published(self.history, self._published)

    def publish(self) -> None:
        self.room.published()
        self.phase = "idle"
        self._tell_published()
        if self.history.version % 4 == 0:
            self.room.ledger.checkpoint()
        if self.history.version % 7 == 0:
            self.room.forget_snapshots()
        check_file(self)

    def pump(self, line: Line) -> None:
        """Send a session what it is owed; hellos are answered in the order of the sessions."""
        for older in list(self.lines):
            if older is line:
                break
            if older.session.hello is not None:
                self._pump(older)
        if line in self.lines:
            self._pump(line)

    def _pump(self, line: Line) -> None:
        """Nothing if the line is full; beside a turn, no more than what is no data."""
        if len(line.down) < line.window and (self.phase == "idle" or self.drafting):
            idle = self.phase == "idle"
            frames = self.room.frames(line.session) if idle else self.room.ephemera(line.session)
            if idle and line.greeting and frames and isinstance(decode_down(frames[0], line.format), m.Welcome):
                self.told.introduced(line, line.greeting)
                line.greeting = ""
            if line.session.ended is not None:  # it is told why, and nothing else
                line.carry(frames, Sending(None, self.history))
            elif not frames:
                self.told.check_nothing_owed(line, line.mark, self.history, self._published)
            else:
                line.mark = self.told.mark(line)
                line.carry(frames, Sending(line.mark, self.history))
            if idle and line.session.ended is not None:
                self.leave(line)

    def advance(self, random: Random) -> None:
        """One move of the driver."""
        match self.phase:
            case "idle" if self.room.waiting:
                self.turn(random.choice((1, 2, 5, 512)))
            case "turned":
                self.commit()
            case "committed":
                self.publish()

    def pump_all(self) -> None:
        for line in list(self.lines):
            self.pump(line)

    def finish(self) -> None:
        """Every turn that is due, to its end."""
        while self.phase != "idle" or self.room.waiting:
            self.advance(Random(0))
