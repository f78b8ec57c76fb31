"""
An open room: its file open, its sessions, and the one task that drives it.

::

    receive ─▶ [queue] ─▶ turn ─▶ commit (fsync) ─▶ published ─▶ pump sessions
    event loop  ▲         └─ worker thread ──┘       event loop │
                └────────── the next turn gathers ◀─────────────┘        ephemera: pumped at any time

A turn and its commit run in a worker thread, so that a long one (a load, a party's slow mutator) delays its own room
and no other (docs/decisions/turn-on-a-worker.md). Meanwhile nothing else touches the ledger; presence and drafts need
none, and are told all the same (R11).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeVar

from partysync_widget.core import messages as m
from partysync_widget.core.errors import PartySyncError, StorageFailed
from partysync_widget.core.roles import article

from .access import Access, Standing
from .alarms import Alarms
from .asks import MOST_ASKED, answer
from .bell import Bell
from .connections import Connections
from .counts import Counts
from .host import Host
from .ledger import Ledger, TurnLost
from .neighbours import Address
from .room import Queued, Room
from .room_file import Moved
from .sending import MISTAKE, Sending, Wire
from .session import Session
from .sleeping import Slumber, is_large, rests
from .workers import on_worker

log = logging.getLogger("partysync.server")

TURN_SECONDS = 0.008  # after so long a turn is committed with what it has
SLOW_SECONDS = 1.0  # after which the log says which mutator keeps a room
CLOSED = "The room was closed meanwhile. Try again."
EMPTY_SECONDS = 10.0  # after which an empty room forgets its snapshots
GOODBYE_SECONDS = 2.0  # for the last frames to leave, when a room closes
PURGE_SECONDS = 600.0  # between two looks for rows that are deleted and have had their time
UNDECIDED_SECONDS = 0.15  # after which others are shown an action that is waited for (D5)
DAY = 86_400.0  # seconds; the longest sleep of a room that has an alarm

T = TypeVar("T")
Errand = tuple[Callable[[Ledger], Any], asyncio.Future[Any]]


class Front(NamedTuple):
    """What people outside find of the server."""

    public: str  # its address, as it stands in links
    pages: bool  # whether it shows pages


NO_FRONT = Front("", False)  # noqa: FBT003


class OpenRoom:
    """One room with its file open, and the task that drives it."""

    def __init__(
        self,
        room: Room,
        name: str,
        access: Access,
        reopen: Callable[[str], Ledger],
        counts: Counts,
        *,
        front: Front = NO_FRONT,
        alarms: Alarms | None = None,
        address: Address | None = None,
    ) -> None:
        self.room = room
        self.party = room.party.name
        self.name = name
        self.access = access
        self.counts = counts
        self.public, self.pages = front
        self.wires: dict[Session, Wire] = {}
        self.empty_since = self.quiet_since = time.monotonic()
        self._left = False  # by the last who was here
        self.broken = ""  # why the room cannot go on
        self.held = 0  # by those who need it open and are no session
        self.connections = Connections()  # of web pages, for its party
        self.requests = 0  # that its party has not answered
        self._errands: deque[Errand] = deque()
        self._reopen = reopen
        self._tasks: set[asyncio.Task[None]] = set()
        self.deciding = False  # the ledger is a worker's, or closed
        self._tired = False  # it is to fall asleep, if it may
        self._slumber: Slumber | None = None  # its file is closed, until somebody asks for it
        self._stirred = False  # ephemera are about to be told
        self._closing = False
        self._purge_at = 0.0  # when rows that are deleted and kept may have had their time
        self._work = asyncio.Event()
        self._sending = Sending(self)
        self._eased = asyncio.Event()  # set for a moment after each turn
        self._loop = asyncio.get_running_loop()
        self._began = 0.0  # when the last turn did, by the clock of time.perf_counter
        self._slow: asyncio.TimerHandle | None = None  # for a turn that takes long
        self.address = address  # of this server, for who is in its process
        self._alarms = alarms
        self._begun = asyncio.Event()  # the party has
        self._alarm: asyncio.TimerHandle | None = None  # which wakes it
        self._inhabit()
        self._driver = asyncio.create_task(self._drive())

    def _inhabit(self) -> None:
        """Give it an instance of its party. Raises what the party's ``__init__`` raises."""
        self.host = Host(self, self.room.party, self.name)
        self.bell = Bell(self, self._alarms)
        self.room.actor = self.host if self.room.party.acts() else None
        self.room.beginning = self.host.has("on_start")

    async def start(self) -> None:
        """Let the party begin, before anything else is decided. Raises what its ``on_start`` raises."""
        if self.host.has("on_start"):
            await self.host.call("on_start")
        self.room.beginning = False
        self._begun.set()
        self.bell.wait()
        self._work.set()

    async def hosted(self) -> Host:
        """Whoever runs the party's hooks, once its file is open and it has begun. Raises StorageFailed."""
        if self.asleep:
            await self.between(lambda _ledger: None)
        if self.room.beginning:
            await self._begun.wait()
        if self._closing or self.broken:
            raise StorageFailed(self.broken or CLOSED)
        return self.host

    @property
    def needed(self) -> bool:
        """Whether somebody is here, or something is still to be done."""
        return bool(self.wires or self.held or self.room.lanes.busy or self.host.busy)

    def join(self, session: Session, wire: Wire) -> None:
        self.wires[session] = wire
        self.counts.sessions += 1
        self.room.join(session)
        if self._closing:  # while it was on the way from the door to here; next time it finds what there is then
            session.end(m.Bye(CLOSED, 0.2))
            self._sending.one(session)
            return
        if not session.principal.operator:  # it may have lost its access on the way from the door to here
            self.later(self.reconsider([session]))

    def leave(self, session: Session) -> None:
        self.wires.pop(session, None)
        self.room.leave(session)
        if not self.wires:
            self.empty_since, self._left = time.monotonic(), True
        self.wake()

    def receive(self, session: Session, frame: m.Up, size: int = 0) -> None:
        if self._closing:
            return
        if isinstance(frame, m.Ask) and session.client and session.ended is None:
            self._ask(session, frame)
        else:
            self.room.receive(session, frame, size)
        if isinstance(frame, m.Ping):
            self._work.set()  # whoever only listens keeps no room awake
        else:
            self.wake()

    @property
    def crowded(self) -> bool:
        """Whether so much waits to be decided that nobody's next frame should be read yet."""
        return self.room.crowded and not (self.broken or self._closing)

    async def eased(self, seconds: float) -> None:
        """Until some of it is decided, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._eased.wait()

    # --- who may be here ------------------------------------------------------------------------------------------

    def _ask(self, session: Session, ask: m.Ask) -> None:
        if session.asked + len(session.answers) >= MOST_ASKED:  # answers that it does not take count as well (R12)
            session.end(m.Error("busy", f"More than {MOST_ASKED} questions are waiting for an answer.", "backoff"))
            return
        session.asked += 1
        self.later(self._answer(session, ask))

    async def _answer(self, session: Session, ask: m.Ask) -> None:
        session.answers.append(await asyncio.to_thread(answer, self, session, ask, now=time.time()))
        session.asked -= 1
        await self.reconsider(self._concerned())
        self.wake()

    async def expire(self, now: float) -> None:
        """Ask again for those whose role was good until now; ``now``: seconds since 1970."""
        await self.reconsider([each for each in self._concerned() if each.until is not None and each.until <= now])

    def _concerned(self) -> list[Session]:
        """Whose role counts: who is here, and who has gone and has something waiting to be decided (A2)."""
        return list(dict.fromkeys([*self.wires, *(queued.session for queued in self.room.lanes.waiting)]))

    async def reconsider(self, whom: list[Session]) -> None:
        """Ask again what these may do. Who has another role is told, and comes again."""
        if not whom:
            return
        try:
            found = await asyncio.to_thread(self._standings, whom)
        except StorageFailed as error:  # nobody is put out, or let in, by a disk that fails
            log.warning("room %s: nobody's access could be looked up: %s", self.room.ledger.path.name, error)
            return
        for session, standing in found.items():
            session.until, session.share = standing.until, standing.share
            if standing.role == session.role:
                continue
            session.role = standing.role  # what it has pushed and is not decided is decided by that
            if standing.role:
                session.end(m.Bye(f"You are {article(standing.role)} of this room now."))
            else:
                text = "Your access to this room has expired, or was taken back. Ask an owner of it to share it again."
                session.end(m.Error("forbidden", text, "never"))
        self.wake()

    def _standings(self, whom: list[Session]) -> dict[Session, Standing]:
        now = time.time()
        return {each: self.access.standing(each.principal, self.party, self.name, now=now) for each in whom}

    def here(self) -> list[Session]:
        return list(self.wires)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def between(self, work: Callable[[Ledger], T]) -> T:
        """Run ``work`` on the ledger, in a worker thread and between two turns: a short piece, for the room waits."""
        if self._closing or self.broken:
            raise StorageFailed(self.broken or CLOSED)
        done: asyncio.Future[Any] = self._loop.create_future()
        self._errands.append((work, done))
        self._work.set()
        result: T = await done
        return result

    def aside(self, session: Session, work: Callable[[Ledger], None]) -> None:
        """The same, for a session that does not wait for it, and ends if it fails."""
        self.later(self._aside(session, work))

    async def _aside(self, session: Session, work: Callable[[Ledger], None]) -> None:
        try:
            await self.between(work)
        except StorageFailed as error:
            session.end(m.Error("storage", str(error), "backoff"))
        except Exception:  # what is wrong with one session's answer ends that session
            log.exception("room %s: a session could not be answered", self.room.ledger.path.name)
            session.end(m.Error("storage", MISTAKE, "backoff"))
        self.wake()

    # --- driving --------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        self.quiet_since = time.monotonic()
        self._work.set()
        self._stir_soon()

    def _stir_soon(self) -> None:
        if self.deciding and self.room.told.stirred and not self._stirred:
            self._stirred = True
            self._loop.call_soon(self._stir)  # once for all that came at the same time

    def _stir(self) -> None:
        """The driver waits for a turn; ephemera do not."""
        self._stirred = False
        if self.deciding:
            self._sending.all()

    @property
    def _over(self) -> bool:
        return bool(self.broken) or (self._closing and not self.room.waiting)

    async def _drive(self) -> None:
        while not self._over:
            await self._work.wait()
            if self.broken:
                break
            self._work.clear()
            if self._slumber is not None and not await self._roused(self._slumber):
                continue
            if self.room.waiting:
                await self._or_break(self._turn, "a turn")  # it tells everybody itself
            else:
                self._sending.all()  # once for all that came at the same time: to ask all sessions is not free
            if self._errands and not self._closing:
                await self._run_errand(*self._errands.popleft())
                self._sending.all()
            if not self.room.waiting and self.room.ledger.needs_checkpoint(waited_for=False):
                # Between two edits; the next may come meanwhile, most do not.
                await self._or_break(self._fold, "the folding of its log")
                self._sending.all()
            elif self._left and not self.broken:
                self._left = False
                if not self.wires:
                    self.room.rest()
            if self._tired and not self._closing:
                await self._fall_asleep()
            if self.room.waiting or self._closing or self._errands:
                self._work.set()
        for _, done in self._errands:
            if not done.done():
                done.set_exception(StorageFailed(self.broken or CLOSED))
        self.host.close()
        self.room.abandon()

    async def _run_errand(self, work: Callable[[Ledger], Any], done: asyncio.Future[Any]) -> None:
        self.deciding = True
        try:
            result = await on_worker(lambda: work(self.room.ledger))
        except Exception as error:  # noqa: BLE001  # it is raised where it was asked for
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(result)
        finally:
            self.deciding = False

    async def _or_break(self, step: Callable[[], Awaitable[None]], what: str) -> None:
        """One step. If storage fails: open the file again, ask it, try once more; then give up on the room (R9)."""
        reason, failed = "", 0
        while failed < 2:
            try:
                await step()
            except Moved as error:  # what is there now goes on from something else: no epoch spans both (R10)
                self.stop(error)
                return
            except TurnLost as lost:  # once for each mutation: the next turn passes over it
                log.warning("room %s: %s", self.room.ledger.path.name, lost)
                try:
                    await self._recover()
                except StorageFailed as again:
                    self._break(str(again))
                    return
            except Exception as error:  # a bug of ours must not leave half a turn open: the file decides as well
                self.counts.failures += 1
                failed += 1
                log.exception("room %s: %s failed, number %s in a row", self.room.ledger.path.name, what, failed)
                reason = str(error) if isinstance(error, PartySyncError) else MISTAKE
                try:
                    await self._recover()
                except StorageFailed as again:
                    self._break(str(again))
                    return
            else:
                return
        self._break(reason)

    async def _turn(self) -> None:
        self.deciding = True
        self._stir_soon()  # what came with this turn's mutations does not wait for them
        self._began, ledger = time.perf_counter(), self.room.ledger
        if self._slow is None:
            self._slow = self._loop.call_later(SLOW_SECONDS, self._look_if_slow)
        try:
            await on_worker(self._decide, partial(self._turned, ledger.version, ledger.rejected))
        finally:
            self.deciding = False
            self._eased.set()
            self._eased.clear()

    def _turned(self, version: int, rejected: int) -> None:
        """Right when it is durable: whoever waits for it is not kept until the driver has its turn in the loop.

        ``version`` and ``rejected`` are the ledger's before it.
        """
        self.deciding = False
        took, ledger, counts = time.perf_counter() - self._began, self.room.ledger, self.counts
        self.room.published()
        self._begin_actions()
        self.bell.arm()
        self._sending.all()
        counts.turns.add(took)
        counts.rejected += ledger.rejected - rejected
        counts.accepted += ledger.version - version - (ledger.rejected - rejected)  # each takes one version (R1)

    def _look_if_slow(self) -> None:
        """SQL is stopped when its time is up. Python cannot be, so whoever reads the log has to know whose it is."""
        self._slow = None
        lasted = time.perf_counter() - self._began
        if not self.deciding:
            return
        if lasted < SLOW_SECONDS:
            self._slow = self._loop.call_later(SLOW_SECONDS - lasted, self._look_if_slow)
        elif name := self.room.deciding:
            log.warning(
                "room %s: the mutator %s of the party %s runs for %g s already, and everybody in the room waits for it",
                self.room.ledger.path.name, name, self.party, SLOW_SECONDS,
            )  # fmt: skip

    def _decide(self) -> None:
        """In a worker thread."""
        if self.room.ledger.needs_checkpoint(waited_for=True):
            self.room.ledger.checkpoint()
        end = time.perf_counter() + TURN_SECONDS
        self.room.turn(lambda: time.perf_counter() > end)
        with self.bell.kept():
            self.room.commit()

    def _begin_actions(self) -> None:
        """Those that the turn has set aside. Others are shown them if they take long (R11)."""
        for queued in self.room.lanes.heads:
            self.host.wait_for(queued)
            self._loop.call_later(UNDECIDED_SECONDS, self._show, queued)
        self.room.lanes.heads.clear()

    def _show(self, queued: Queued) -> None:
        if not queued.waited and not self._closing:
            self.room.show(queued)
            self.wake()

    async def _fold(self) -> None:
        self.deciding = True
        try:
            await on_worker(self.room.ledger.checkpoint)
        finally:
            self.deciding = False

    async def _recover(self) -> None:
        self.deciding = True
        try:
            old = self.room.ledger
            await asyncio.to_thread(old.close)
            self.room.recover(await asyncio.to_thread(self._reopen, old.epoch))
        finally:
            self.deciding = False

    # --- sleeping -------------------------------------------------------------------------------------------------

    @property
    def asleep(self) -> bool:
        """Whether its file is closed, though people are in it."""
        return self._slumber is not None

    def doze(self) -> None:
        """Let go of the file and of all that is kept in mind of it, unless there is anything to do."""
        if not (self.asleep or self._closing or self.broken):
            self._tired = True
            self._work.set()

    @property
    def _may_sleep(self) -> bool:
        busy = self._errands or self._tasks or self.held or self.broken or self.room.beginning
        party = self.host.busy or self.room.lanes.busy or self.host.neighbours.any
        return not (busy or party) and rests(self.room) and not is_large(self.room.ledger)

    async def _fall_asleep(self) -> None:
        self._tired = False
        if not self._may_sleep:
            return
        self.deciding = True
        self.host.close()
        self.host.forget()
        self.bell.close()
        if (at := self.room.ledger.alarm) is not None:
            seconds = min(max(at / 1000 - time.time(), 0.0), DAY)
            self._alarm = self._loop.call_later(seconds, self.rouse)
        try:
            await on_worker(self.room.ledger.close)
        except Exception:  # the next opening finds whatever there is, and says so
            log.exception("room %s: its file could not be closed in order", self.room.ledger.path.name)
        self._slumber = Slumber(self.room.ledger)
        self.room.forget()

    def rouse(self) -> None:
        """Wake it, if it sleeps."""
        if self.asleep and not self._closing:
            self.later(self._aroused())

    async def _aroused(self) -> None:
        with contextlib.suppress(StorageFailed):  # who is there is told
            await self.between(lambda _ledger: None)

    async def _roused(self, slumber: Slumber) -> bool:
        """Open the file again if anybody asks for it; whether somebody does. What asks for none is told at once."""
        if rests(self.room) and not self._errands:
            self._sending.all()
            return False
        self._slumber, failed = None, ""
        try:
            slumber.check()
            ledger = await on_worker(lambda: self._reopen(self.room.ledger.epoch))
            self.room.recover(ledger)
            slumber.check_version(ledger)
            self._inhabit()
        except StorageFailed as error:
            failed = str(error)
        except Exception:  # a bug of ours: people are told, and come again
            log.exception("room %s: it could not be opened again", self.room.ledger.path.name)
            failed = MISTAKE
        self.deciding = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if failed:
            self.stop(StorageFailed(failed))
        else:
            self._begun.clear()
            self.later(self._begin_again())
        return not self.broken

    async def _begin_again(self) -> None:
        try:
            await self.start()
        except Exception as error:  # whatever the party raises; whoever comes next is told the same at the door
            log.exception("room %s: the party could not begin again", self.room.ledger.path.name)
            if not self._closing:
                text = f"The party {self.party!r} could not begin again in this room: {type(error).__name__}."
                self.stop(StorageFailed(text))
            self._begun.set()

    def watch(self) -> None:
        """Look whether the file is still there, also while nobody writes."""
        if self._slumber is not None and not (self._closing or self.broken or not rests(self.room)):
            try:
                self._slumber.check()
            except Moved as error:
                self._slumber, self.deciding = None, False
                self.stop(error)
            return
        if self.deciding or self._closing or self.broken:
            return
        with contextlib.suppress(OSError):  # the next turn says why
            try:
                self.room.ledger.check_place()
            except Moved as error:
                self.stop(error)
        if not self.wires and time.monotonic() - self.empty_since > EMPTY_SECONDS:
            self.room.forget_snapshots()
        self._purge_in_time()

    def _purge_in_time(self) -> None:
        """The alarm of a room whose deleted rows are kept: once after it is opened, and from then on now and then."""
        now = time.monotonic()
        if now >= self._purge_at and not self.broken and self.room.ledger.keeps:
            self._purge_at = now + min(PURGE_SECONDS, max(1.0, self.room.party.keep_deleted))
            self.room.purging = True
            self._work.set()

    def stop(self, error: StorageFailed) -> None:
        """The file is not to be gone on with: tell everybody. It is looked at when the room is opened again."""
        self.counts.failures += 1
        log.error("room %s is stopped: %s", self.room.ledger.path.name, error)
        self._break(str(error))
        self._work.set()

    def _break(self, reason: str) -> None:
        self.broken = reason
        for session in self.wires:
            session.end(m.Error("storage", reason, "backoff"))
        self._sending.all()

    async def close(self, bye: m.Bye | m.Error) -> None:
        """Decide what is queued and tell it, say goodbye, fold the log, let go of the file."""
        self._closing = True
        self.host.close()
        self.bell.close()
        self._begun.set()
        if self._alarm is not None:
            self._alarm.cancel()
        self._sending.close()
        if self._slow is not None:
            self._slow.cancel()
        self._work.set()
        await asyncio.gather(self._driver, return_exceptions=True)
        if self._slumber is None:
            self._sending.all()
        await self._sent()
        for session in self.wires:
            session.end(bye)
        self._slumber, self.deciding = None, False  # to say goodbye asks for no file
        self._sending.all()
        await self._sent()
        await asyncio.to_thread(self.room.ledger.close)

    async def _sent(self) -> None:
        """Whatever is being written is, or has had its time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                while self._tasks:
                    await asyncio.wait(self._tasks)
