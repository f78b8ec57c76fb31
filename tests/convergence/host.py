"""
The server's side of the simulation: the real Room over the real Ledger, on a file that can be killed, copied, put back.

::

    idle ── turn ──▶ turned ── commit ──▶ committed ── publish ──▶ idle        (receive at any time; pump when idle)

Every turn is decided a second time by the model, in the order in which the room took the mutations from its queue.
"""

import contextlib
import hashlib
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from random import Random

import apsw

from partysync_server.ledger import Ledger
from partysync_server.room import Room
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down
from partysync_widget.core.errors import StorageFailed
from tests.convergence.checks import Broken, check_file, check_left, check_order, check_push
from tests.convergence.drafts import Sending, Told
from tests.convergence.line import Line
from tests.convergence.model import BLANK, History
from tests.convergence.plug import Plug, Pull, open_ledger
from tests.convergence.weather import Weather
from tests.convergence.wire import check_told
from tests.power.disk import Content, Disk

PATH = Path("/data/rooms/workshop/room.db")  # on a disk in memory
WITNESS = "-witness"  # of the file beside it (partysync_server.witness)


@dataclass(frozen=True)
class Copy:
    """The room's file as it was once."""

    content: Content
    history: History


class Host:
    """One room and its file. ``book`` says which edit a (client, mid) is."""

    def __init__(self, weather: Weather, book: dict[tuple[str, int], int]) -> None:
        self.histories: dict[str, History] = {}
        self.history = History([BLANK[weather.party.name]])
        self.lines: list[Line] = []
        self.arrived: deque[tuple[str, int]] = deque()  # mutations that wait, by client and mid
        self.seen: dict[str, int] = {}  # how far each client has said that it has seen its results
        self.phase = "idle"
        self.figures: Counter[str] = Counter()
        self._weather, self._party = weather, weather.party
        self.heard = hashlib.blake2b(digest_size=16)  # of every byte that was sent to anybody
        self._book = book
        self._openings = 0
        self.plug = Plug(Disk())
        self._ledger: Ledger | None = None  # the last that was opened: no story may leave a file open to the next

    def start(self) -> None:
        """Nothing is there yet."""
        self._open({0})

    # --- the file -------------------------------------------------------------------------------------------------

    def _open(self, kept: set[int]) -> None:
        """Open what is on the disk as a new incarnation of the room: at one of these versions, whole."""
        while True:
            self._openings += 1
            self.epoch = f"epoch-{self._openings}"
            ledger = self._opened()
            if self.plug.left is None:
                break
            self.figures["while_opening"] += 1
            self._replace(ledger, self.plug.left)
        check_left(ledger, kept)
        self.history.truncate(ledger.version)
        self.histories[self.epoch] = self.history
        self.history.epochs[self.epoch] = self.history.version
        self.room = Room(self._party, self._sparing(ledger), limits=self._weather.limits)
        self.told = Told()
        self._settle()

    def _opened(self) -> Ledger:
        try:
            self._ledger = open_ledger(PATH, self._party, self.epoch)
        except StorageFailed as error:
            raise Broken(f"R9: what was left on the disk cannot be opened: {error}") from error
        return self._ledger

    def _settle(self) -> None:
        """What the file has is durable, and told from now on."""
        self.phase = "idle"
        self.history.durable = self.published = self.history.version
        check_file(self)

    def _sparing(self, ledger: Ledger) -> Ledger:
        """The same, with so few versions kept that horizons pass."""
        needs, compact = ledger.needs_compaction, ledger.compact
        ledger.needs_compaction = lambda: needs(self._weather.keep)
        ledger.compact = lambda: compact(self._weather.keep)
        return ledger

    def _replace(self, ledger: Ledger, left: Disk) -> None:
        """Nobody lets go of the file in good order; the next has the disk as it was left."""
        self.figures["power_losses" if self.plug.lost else "kills"] += 1
        _let_go(ledger)
        self.plug.insert(left)

    def stop(self, pulls: list[Pull]) -> None:
        """The server dies, or its power goes, now or at what its disk does next; and once more, when that is over."""
        self.plug.arm(pulls)
        self._stopped()

    def _stopped(self, *, undecided: bool = False) -> bool:
        """Whether the plug was pulled; then another process has opened what was left.

        ``undecided``: in the middle of COMMIT, so the turn may be there or not, but not a part of it (R9).
        """
        if self.plug.left is None:
            return False
        self.figures["in_mid_commit"] += undecided
        self._replace(self.room.ledger, self.plug.left)
        self._part()
        self._open({self.history.durable, self.history.version} if undecided else {self.history.durable})
        return True

    def _part(self) -> None:
        for line in self.lines:
            line.there = False
            line.up.clear()
        self.lines = []
        self.arrived.clear()

    def restart(self) -> None:
        """On purpose, between turns; whoever is there is told."""
        self.figures["restarts"] += 1
        for line in list(self.lines):
            line.session.end(m.Bye("The server restarts."))
            self.pump(line)
        self.room.ledger.close()
        if not self._stopped():
            self._part()
            self._open({self.history.version})

    def copy(self) -> Copy:
        """For later; between turns."""
        return Copy(self.plug.disk.now(), self.history.until(self.history.version))

    def restore(self, copy: Copy | None, *, alone: bool) -> None:
        """Stop, put an old copy of the file in the place of the new one, or nothing, and start (R10).

        ``alone``: without its witness, as ``partysync rooms restore`` does it.
        """
        self.figures["restores"] += 1
        self.room.ledger.close()
        self.history = copy.history.until(copy.history.version) if copy else History([BLANK[self._party.name]])
        content = copy.content if copy else {}
        self.plug.insert(Disk({name: data for name, data in content.items() if not (alone and name.endswith(WITNESS))}))
        self._part()
        self._open({self.history.version})

    def fail(self, *, operations: int, code: str, once: bool) -> None:
        """The disk fails in the middle of COMMIT, or right behind it: open the file again and ask it (R9)."""
        self.plug.fail(operations, code, once=once)
        with contextlib.suppress(StorageFailed):
            self.room.commit()
        self.figures["failed_commits"] += 1
        with contextlib.suppress(apsw.Error):  # sqlite3_close tells nobody what fails; apsw does, of a VFS in Python
            self.room.ledger.close()
        self.plug.out()
        self.arrived.extendleft((queued.client, queued.mutation.mid) for queued in reversed(self.room._turn))
        ledger = self._opened()
        check_left(ledger, {self.history.durable, self.history.version})
        self.history.truncate(ledger.version)
        self.room.recover(self._sparing(ledger))
        self._settle()
        self.told.published(self.history, self.published)

    def close(self) -> None:
        self.plug.out()
        if self._ledger is not None:
            _let_go(self._ledger)

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
            queued = len(self.room._queue) - waiting
            check_push(self, frame, queued)
            if isinstance(frame, m.Push) and queued:
                self.arrived.extend((line.session.client, mutation.mid) for mutation in frame.mutations)

    def _note(self, line: Line, frame: m.Up) -> None:
        """What the books must know of a frame that the room will take."""
        if line.session.ended is not None:
            return
        match frame:
            case m.Hello():
                self.told.leaves(line)
                line.hello, line.sent = frame, None
                self._has_seen(frame.client, frame.settled)
            case m.Draft():
                self.told.says(line, frame, self.history, self.published)
            case m.Seen():
                self._has_seen(line.session.client, frame.mid)
            case m.Presence():
                line.state = frame.state

    def _has_seen(self, client: str, mid: int) -> None:
        self.seen[client] = max(mid, self.seen.get(client, 0))

    def turn(self, most: int) -> None:
        taken = iter(range(most - 1))
        self.room.turn(lambda: next(taken, None) is None)
        for queued in self.room._turn:
            mutation = queued.mutation
            check_order(self.arrived.popleft(), queued.client, mutation.mid)
            edit = self._book.get((queued.client, mutation.mid), -1)
            self.history.decide(queued.client, mutation.mid, edit, mutation.name, mutation.args)
        self.phase = "turned"

    def commit(self) -> None:
        self.room.commit()
        if not self._stopped(undecided=True):
            self.history.durable = self.history.version
            self.phase = "committed"

    def publish(self) -> None:
        self.room.published()
        self._settle()
        self.told.published(self.history, self.published)
        if self.history.version % 7 == 0:
            self.room.forget_snapshots()
        if self.history.version % self._weather.folds == 0:
            self.room.ledger.checkpoint()
            self._stopped()

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
        if len(line.down) < line.window and (self.phase == "idle" or self._weather.drafting):
            idle = self.phase == "idle"
            frames = self.room.frames(line.session) if idle else self.room.ephemera(line.session)
            for raw in frames:
                self.heard.update(raw)
            told = [decode_down(raw, line.format) for raw in frames]
            if line.hello is not None and told and isinstance(told[0], m.Welcome):
                self.told.introduced(line, line.hello.client)
            check_told(self, line, told, idle=idle)
            if line.session.ended is not None:  # it is told why, and nothing else
                line.carry(frames, Sending(None, self.history))
            elif not frames:
                self.told.check_nothing_owed(line, line.mark, self.history, self.published)
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


def _let_go(ledger: Ledger) -> None:
    with contextlib.suppress(apsw.ConnectionClosedError):  # it was about to, or a story ends in the middle
        ledger.store.close()
