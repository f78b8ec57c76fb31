"""
A room: puts everyone's mutations in one order and tells everyone about it.

No sockets, threads or clocks here. Frames go in by ``receive``; ``turn`` decides what has gathered, ``commit`` makes
it durable, ``published`` lets it be told; ``frames`` says what a session is to be sent next, computed from what it was
last sent. Between ``turn`` and ``published`` nothing undecided gets out (R9).

``turn`` and ``commit`` may run in another thread. Until ``published``, only ``join``, ``leave``, ``receive`` and
``ephemera`` may be called beside them: what both touch are deques, whose ends are safe to use from two sides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format, encode
from partysync_widget.core.errors import MutationRejected, StorageFailed
from partysync_widget.core.party import ACT, Party
from partysync_widget.core.sight import Sight
from partysync_widget.core.straight import TAKES

from .deltas import Deltas
from .ephemera import Ephemera
from .lanes import Lanes
from .ledger import Ledger, TurnLost, Verdict, look_up
from .pages import Action
from .piece import Piece
from .session import Session
from .snapshot import Reading, Snapshot
from .undecided import channel_of, undecided

SERIES = 64  # mutations at most that are decided as one
TURN_MUTATIONS = 512  # at most, so that nobody waits long for a commit
QUEUED_MUTATIONS = 50_000  # waiting for a turn; whoever brings more is told to come back
QUEUED_BYTES = 32 << 20  # of their frames, after which nobody's next frame is read until some are decided
MOST_BARRIERS = 256  # that one session waits for
MOST_BEHIND = 5_000  # of one client that wait for an action that takes its time
MOST_BEHIND_BYTES = 8 << 20  # of their frames
LIMITS = m.Limits(frame=1 << 20, mutations=256)


class Actor(Protocol):
    """Whoever runs the party's ``on_action``."""

    @property
    def slow(self) -> bool:
        """Whether it is ``async``, and may await something before its turn."""

    def action(self, queued: Queued) -> Piece:
        """One call of it, not yet begun."""


@dataclass
class Queued:
    """A mutation that waits for its turn. Its session may be gone by then; it is decided all the same (R6)."""

    session: Session
    client: str
    mutation: m.Mutation
    size: int  # its part of the bytes of its frame
    action: Action | None = None  # as which it came in the ancestor's dialect; then it is numbered when it is decided
    piece: Piece | None = None  # of the party's on_action, that is ready for its turn
    shown: m.Draft | None = None  # as what others see it while it is waited for
    waited: bool = False  # it has been waited for, and others of its client wait behind it

    @property
    def lane(self) -> str:
        """Whose order it keeps: that of a page outlives its session, as its actions do."""
        return self.client if self.action is None else f"page {self.action.page}"


class Room:
    """The order of things in one room. ``party`` and ``ledger`` are its rules and its memory."""

    def __init__(
        self, party: type[Party], ledger: Ledger, *, limits: m.Limits = LIMITS, restart: str = "Restart the server."
    ) -> None:
        self.party = party
        self.ledger = ledger
        self.limits = limits
        self.restart = restart  # what to do when the party's file has changed
        self.sessions: dict[Session, None] = {}  # an ordered set
        self.by_client: dict[str, Session] = {}
        self.told = Ephemera(self.by_client)
        self.actor: Actor | None = None
        self.beginning = False  # the party's on_start runs, and nothing of anybody else's is decided yet
        self.lanes: Lanes[Queued] = Lanes()
        self._own: deque[Piece] = deque()  # hooks that nobody's mutation has called, and that want their turn
        self._own_turn: list[Piece] = []
        self._queue: deque[Queued] = deque()
        self._turn: list[Queued] = []
        self._stopped: dict[tuple[str, int], MutationRejected] = {}  # mutations that took their turn along
        self.running = False  # a mutator runs, the one of the last in the turn
        self.purging = False  # the next turn lets go of rows that are deleted and kept
        self._seen: deque[Session] = deque()  # whose results may be forgotten, up to what they have seen
        self._arrived = 0  # mutations ever queued
        self._decided = 0  # of those, decided and durable
        self._bytes_arrived = 0  # counted on the side that receives
        self._bytes_taken = 0  # counted on the side that decides
        self.shown = ledger.version  # up to which all may be told
        self.said: dict[Hashable, Any] = {}  # in other tongues, of that version, so that it is worked out once for all
        self._deltas = Deltas()
        self._snapshots: dict[tuple[Format, str], Snapshot] = {}

    # --- in -------------------------------------------------------------------------------------------------------

    def join(self, session: Session) -> None:
        self.sessions[session] = None
        if session.tongue is not None:  # it says no hello
            self.by_client[session.client] = session
            self.told.peer(session.client, session.peer, new=True)

    def leave(self, session: Session) -> None:
        """The connection is gone; what it pushed is still decided, what it showed of itself is not (R11)."""
        self.sessions.pop(session, None)
        self.told.forget(session)
        if self.by_client.get(session.client) is session:
            del self.by_client[session.client]
            self.told.peer(session.client, None)

    def receive(self, session: Session, frame: m.Up, size: int = 0) -> None:
        """Take one frame of ``size`` bytes. A wrong one ends its session, and nobody else's."""
        if session.ended is not None:
            return
        match frame:
            case m.Hello():
                session.hello, session.live, session.reading = frame, False, None
                self.told.forget(session)
            case _ if not session.client and session.hello is None:
                session.end(m.Error("protocol", "The first frame must be hello.", "never"))
            case m.Push():
                self._push(session, frame, size)
            case m.Seen():
                self._has_seen(session, frame.mid)
            case m.Barrier() if len(session.barriers) == MOST_BARRIERS:
                session.end(
                    m.Error("busy", f"More than {MOST_BARRIERS} barriers are waiting for an answer.", "backoff")
                )
            case m.Barrier():
                session.barriers.append((frame.n, self._arrived, session.pushed))
            case m.Ping():
                session.pong = True
            case m.Presence() | m.Draft() if not session.may("editor"):
                pass  # a viewer is seen to be there, and shows nothing (R13); their grid says where they look
            case m.Presence():
                self.told.present(session, frame)
            case m.Draft():
                self.told.draft(session, frame)

    def act(self, session: Session, action: Action, name: str, args: dict[str, Any], size: int) -> bool:
        """Take a call that came in another tongue; False if more waits than the room can hold."""
        queued = Queued(session, session.client, m.Mutation(0, name, args), size, action)
        if len(self._queue) >= QUEUED_MUTATIONS or self._is_far_behind(queued.lane):
            return False
        self._queue.append(queued)
        self._arrived += 1
        self._bytes_arrived += size
        return True

    def _is_far_behind(self, lane: str) -> bool:
        """Whether so much waits behind an action that its client should not bring more (R12)."""
        return self.lanes.behind(lane) >= MOST_BEHIND or self.lanes.weight(lane) >= MOST_BEHIND_BYTES

    def _has_seen(self, session: Session, mid: int) -> None:
        """Its results up to ``mid`` may go, in the next turn. One line per session, however often it says so."""
        session.seen = max(mid, session.seen)
        if not session.seen_queued:
            session.seen_queued = True
            self._seen.append(session)

    def _push(self, session: Session, push: m.Push, size: int) -> None:
        if push.epoch != self.ledger.epoch or session.hello is not None:
            session.end(m.Error("stale-epoch", "This push is not for the welcome you were given last.", "now"))
        elif len(push.mutations) > self.limits.mutations:
            text = f"A push holds at most {self.limits.mutations} mutations, not {len(push.mutations)}."
            session.end(m.Error("too-large", text, "never"))
        elif len(self._queue) + len(push.mutations) > QUEUED_MUTATIONS:
            session.end(m.Error("busy", "The room has more edits waiting than it can hold.", "backoff"))
        elif self._is_far_behind(session.client):
            session.end(m.Error("busy", "Too many of your edits wait for an action of yours.", "backoff"))
        else:
            session.pushed = max([session.pushed, *(mutation.mid for mutation in push.mutations)])
            each = size // max(1, len(push.mutations))
            self._queue.extend(Queued(session, session.client, mutation, each) for mutation in push.mutations)
            self._arrived += len(push.mutations)
            self._bytes_arrived += each * len(push.mutations)

    # --- a turn ---------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self._own or (self._queue and not self.beginning)) or self.purging

    def own(self, piece: Piece) -> None:
        """A hook of the party wants a turn, which is a decision of the room itself."""
        self._own.append(piece)

    def ready(self, queued: Queued, piece: Piece) -> None:
        """An action that was waited for wants its turn, or has come to its end."""
        queued.piece, queued.waited = piece, True
        self._queue.append(queued)
        self._arrived += 1
        self._bytes_arrived += queued.size

    @property
    def queued(self) -> int:
        """How many mutations wait."""
        return len(self._queue)

    @property
    def crowded(self) -> bool:
        """Whether so much waits that nobody should bring more (R12)."""
        waiting = self._bytes_arrived - self._bytes_taken
        return waiting > QUEUED_BYTES or len(self._queue) > QUEUED_MUTATIONS // 2

    def turn(self, time_is_up: Callable[[], bool] = lambda: False) -> None:
        """Decide what has gathered, in one open transaction, at most so many and for so long.

        Raises StorageFailed; then only ``recover`` helps. After TurnLost the next turn passes over what was stopped.
        """
        self.ledger.begin()
        self.running = True
        self._decide_own()
        while self._queue and not self.beginning and len(self._turn) < TURN_MUTATIONS:
            if self._decide_series():
                if time_is_up():
                    break
                continue
            queued = self._queue.popleft()
            self._turn.append(queued)
            self._bytes_taken += queued.size
            if self.actor is not None and self.actor.slow and self._waits(queued):
                self.lanes.set_aside(queued.lane, queued, queued.size)
            elif self._decide(queued) is Verdict.GAP:
                text = f"Mutation {queued.mutation.mid} came before the one it follows. Greet again and resend."
                queued.session.end(m.Error("gap", text, "now"))
            if time_is_up():
                break
        self.running = False
        if self.purging:
            self.purging = False
            self.ledger.purge()
        while self._seen:
            session = self._seen.popleft()
            session.seen_queued = False
            self.ledger.forget_results(session.client, session.seen)
        if self.ledger.needs_compaction():
            self.ledger.compact()
        self.ledger.seal()

    def _decide_series(self) -> bool:
        """Decide what is next as one, if that is a burst of plain edits of one client; whether anything was."""
        first, alone = self._queue[0], self._stopped or (self.actor is not None and self.actor.slow)
        if alone or first.mutation.name not in TAKES or first.action is not None or len(self._queue) == 1:
            return False
        session = first.session
        decided = self.ledger.decide_series(
            first.client, session.owner, first.mutation, self._behind(first), role=session.role, sight=session.sight
        )
        for _ in range(decided):
            queued = self._queue.popleft()
            self._turn.append(queued)
            self._bytes_taken += queued.size
        return decided > 0

    def _behind(self, first: Queued) -> Iterator[m.Mutation]:
        """What its session has brought right after it, as far as it may be of the same series."""
        for n in range(1, min(SERIES, len(self._queue), TURN_MUTATIONS - len(self._turn))):
            queued = self._queue[n]  # by index: others may come meanwhile, at the other end
            if queued.session is not first.session or queued.client != first.client or queued.action is not None:
                return
            yield queued.mutation

    def _waits(self, queued: Queued) -> bool:
        """Whether it comes behind an action that is waited for, or is one that is to be waited for (R5, R13)."""
        if queued.piece is not None:
            return False  # its wait is over
        if self.lanes.holds(queued.lane):
            return True
        if queued.mutation.name != ACT:
            return False
        if queued.action is not None:
            queued.mutation.mid = self.ledger.last_mid(queued.client) + 1
        name = (queued.client, queued.mutation.mid)
        if name in self._stopped or self.ledger.known(*name, queued.action) is not None or self._refusal(queued):
            return False  # it is decided in its place, or was before
        queued.shown = undecided(self.ledger.store, queued.mutation)
        return True

    def _decide_own(self) -> None:
        while self._own:
            piece = self._own.popleft()
            self._own_turn.append(piece)
            try:
                self.ledger.own(piece)
            except MutationRejected as error:
                piece.fail(error)

    def _decide(self, queued: Queued) -> Verdict:
        session = queued.session  # its role is asked for now: it may have been taken back since the push came
        if queued.action is not None:
            queued.mutation.mid = self.ledger.last_mid(queued.client) + 1
        refusal = self._stopped.get((queued.client, queued.mutation.mid)) if self._stopped else None
        if queued.mutation.name == ACT:
            refusal = self._prepare(queued) or refusal
        try:
            return self.ledger.decide(
                queued.client,
                session.owner,
                queued.mutation,
                user=session.peer.name,
                role=session.role,
                sight=session.sight,
                action=queued.action,
                instead=refusal or queued.piece,
            )
        except TurnLost as lost:
            self._stopped[lost.mutation] = lost.refusal
            raise

    def _prepare(self, queued: Queued) -> MutationRejected | None:
        """Have the action decided here and now. Why it is refused, if it is: it has no mutator that could say so."""
        refusal = self._refusal(queued)
        if refusal is not None and queued.piece is not None:  # its author has lost the right meanwhile
            queued.piece.fail(refusal)
        elif refusal is None and queued.piece is None and self.actor is not None and not self.actor.slow:
            queued.piece = self.actor.action(queued)
        return refusal

    def _refusal(self, queued: Queued) -> MutationRejected | None:
        """R13."""
        try:
            self.party.require(queued.session.role, ACT)
            look_up(self.ledger.store, channel_of(queued.mutation), queued.session.sight)
        except MutationRejected as error:
            return error
        return None

    def show(self, queued: Queued) -> None:
        """An action that is waited for is told to others as its author's, and undecided (R11)."""
        author, draft = self.by_client.get(queued.client), queued.shown
        if draft is not None and author is not None and len(author.drafts) < m.MOST_DRAFTS:
            self.told.draft(author, draft)

    def abandon(self) -> None:
        """Nothing more is decided: whoever waits for a turn hears so."""
        waiting = [*self._own, *(queued.piece for queued in self._queue if queued.piece is not None)]
        for piece in waiting:
            piece.refuse(MutationRejected("mutator-raised", "The room was closed meanwhile. Try again."))
            piece.settle(None, StorageFailed("The room was closed meanwhile. Try again."))
        self._own.clear()

    @property
    def deciding(self) -> str:
        """The name of the mutator that runs; empty if none does."""
        if not (self.running and self._turn):
            return ""
        piece = self._turn[-1].piece
        return piece.label if piece is not None else self._turn[-1].mutation.name

    def commit(self) -> None:
        """Make the turn durable. Waits for the disk."""
        self.ledger.commit()

    def published(self) -> None:
        """The turn is durable: from now on it may be told."""
        self._decided += len(self._turn)
        self._settle_pieces()
        for client in {queued.client for queued in self._turn}:
            self.told.decided(client, self.ledger.last_mid(client))
        if self._stopped:
            for queued in self._turn:
                self._stopped.pop((queued.client, queued.mutation.mid), None)
        self._release(self.lanes.passed(decided=[each.lane for each in self._turn if each.waited]))
        self._turn.clear()
        self._deltas.forget()
        self.said.clear()
        self.shown = self.ledger.version

    def _settle_pieces(self) -> None:
        for piece in [*self._own_turn, *(each.piece for each in self._turn if each.piece is not None)]:
            piece.durable()
        self._own_turn.clear()

    def _release(self, held: list[Queued]) -> None:
        """What waited for an action comes before all that has come since."""
        self._queue.extendleft(reversed(held))
        self._arrived += len(held)
        self._bytes_arrived += sum(queued.size for queued in held)

    def recover(self, ledger: Ledger) -> None:
        """After a failed commit: the file was opened again and says what happened (R9).

        It is asked about every mutation of the turn: those it has are duplicates now, the others are decided (R5).
        """
        self.ledger = ledger
        self.running = False
        for piece in self._own_turn:
            lost = StorageFailed(f"The turn of {piece.label} was lost, and may be kept or not. Try again.")
            piece.refuse(MutationRejected("mutator-raised", str(lost)))
            piece.settle(None, piece.outcome[1] or lost)
        self._own_turn.clear()
        again: list[Queued] = []
        for queued in self._turn:
            again.append(queued)
            if queued.piece is not None:  # it cannot be run twice, so it is begun anew, if it is not in the file
                queued.piece.refuse(MutationRejected("mutator-raised", "The turn was lost, and this is tried again."))
                behind = self.lanes.leave(queued.lane) if queued.waited else []
                queued.piece, queued.waited = None, False
                again += behind
                self._arrived += len(behind)
                self._bytes_arrived += sum(each.size for each in behind)
                self._bytes_taken += sum(each.size for each in behind)
        self.lanes.forget()
        self._queue.extendleft(reversed(again))
        self._bytes_taken -= sum(queued.size for queued in again)
        self._turn.clear()
        self._deltas.forget()
        self.said.clear()
        self._snapshots.clear()
        for client in self.by_client:
            self.told.decided(client, ledger.last_mid(client))
        for session in self.sessions:
            if session.reading is not None:
                self._read(session, session.reading.since)

    # --- out ------------------------------------------------------------------------------------------------------

    def owes(self, session: Session) -> bool:
        """Whether there may be ``frames`` for it. Cheap: it is asked of everybody, at every turn."""
        return (
            session.tongue is not None
            or session.cursor < self.ledger.version
            or bool(session.untold or session.barriers or session.answers or session.pong)
            or bool(session.peers and self.told.peers_due)
            or not (session.hello is None and session.reading is None and session.ended is None)
        )

    def only_delta(self, session: Session) -> bytes | None:
        """The delta, if that is all this session is owed and it is one frame: so it is with most, at most turns.

        It is what ``frames`` would give, for half the time. None: ask that.
        """
        if (
            not self.ledger.horizon <= session.cursor < self.ledger.version
            or not session.live
            or session.tongue is not None
            or session.hello is not None
            or session.reading is not None
            or session.ended is not None
            or session.peers
            or session.untold
            or session.barriers
            or session.answers
            or session.pong
        ):
            return None
        frames = self._deltas.of(self.ledger, session.cursor, session)
        if len(frames) > 1:
            return None
        session.cursor = self.ledger.version
        return frames[0]

    def frames(self, session: Session) -> list[bytes]:
        """What this session is to be sent next, in order; empty if it is owed nothing."""
        if session.tongue is not None:
            return session.tongue.frames(self)
        out: list[bytes] = []
        if session.ended is None and session.hello is not None:
            out += self._welcome(session, session.hello)
        if session.ended is not None:
            return [*out, encode(session.ended, session.format)]
        held = session.reading.snapshot.version if session.reading else session.cursor
        if (session.reading or session.live) and held < self.ledger.horizon:  # too slow: deletions are forgotten (R4)
            session.live = False
            self._read(session, session.reading.since if session.reading else session.cursor)
        out += self.ephemera(session)  # a draft that a delta ends comes before it (R11)
        if session.reading is not None:
            frames, done = session.reading.step(self.ledger)
            out += frames
            if done:
                session.reading, session.cursor, session.live = None, self.ledger.version, True
        elif session.live and session.cursor < self.ledger.version:
            out += self._deltas.of(self.ledger, session.cursor, session)
            session.cursor = self.ledger.version
        if session.live:
            out += self._answers(session)
        return out

    def ephemera(self, session: Session) -> list[bytes]:
        """Of that, what is no data (R11). It asks no ledger, and may be called beside a turn."""
        return self.told.frames(session) if session.tongue is None else []

    def aside(self, session: Session) -> list[bytes]:
        """Of that, what may be told while the file is closed, and nothing is owed that is in it."""
        out = self.ephemera(session)
        if session.pong and session.tongue is None and session.ended is None:
            session.pong = False
            out.append(encode(m.Pong(session.cursor), session.format))
        return out

    def _answers(self, session: Session) -> list[bytes]:
        out = []
        held = self.lanes.behind(session.client)
        due = []
        for n, mark, pushed in session.barriers:
            if mark > self._decided or (held and pushed > session.decided):
                break
            due.append(n)
        if due:
            session.barriers = session.barriers[len(due) :]
            out += [encode(m.Barrier(n, session.cursor), session.format) for n in due]
        if session.answers:
            out += [encode(answer, session.format) for answer in session.answers]
            session.answers = []
        if session.pong:
            session.pong = False
            out.append(encode(m.Pong(session.cursor), session.format))
        return out

    def _welcome(self, session: Session, hello: m.Hello) -> list[bytes]:
        session.hello = None
        if refusal := self._refuse(session, hello):
            session.end(refusal)
            return []
        self._introduce(session, hello)
        reason = self._unknown(hello)
        welcome = m.Welcome(
            protocol=m.PROTOCOL,
            epoch=self.ledger.epoch,
            version=self.ledger.version,
            last_mid=self.ledger.last_mid(hello.client),
            limits=self.limits,
            party=self.party.fingerprint(),
            mutators=self.party.takes(session.role),
            known=not reason,
            reason=reason,
            peers=self.told.welcomed_by(session),
            drafts=self.told.welcomed(session),
            user=session.peer.name,
            role=session.role,
            sight=session.sight.name,
            schema=self.party.schema_version(),
        )
        session.decided = welcome.last_mid
        out = [encode(welcome, session.format)]
        if reason:
            return out  # the client takes a new id, and greets again
        if hello.settled:
            self._has_seen(session, hello.settled)
        if hello.epoch and hello.version >= self.ledger.horizon and hello.sight == session.sight.name:
            out += self._deltas.of(self.ledger, hello.version, session)
            session.cursor, session.live = self.ledger.version, True
        else:
            self._read(session, self.ledger.version)
        return out

    def _refuse(self, session: Session, hello: m.Hello) -> m.Error | None:
        if hello.protocol != m.PROTOCOL:
            older = "This kernel's library" if hello.protocol < m.PROTOCOL else "The server"
            text = (
                f"This kernel speaks protocol {hello.protocol}, the server {m.PROTOCOL}. {older} is the older one: "
                f"type `pip install --upgrade partysync-widget` there."
            )
            return m.Error("protocol", text, "never")
        if hello.party and (differs := self._differs(hello)):
            return m.Error("schema", differs, "never")
        present = self.by_client.get(hello.client)
        owner = self.ledger.owner(hello.client) or (present.owner if present else session.owner)
        if not hello.client or owner != session.owner:
            return m.Error("forbidden", "This client id belongs to somebody else.", "never")
        if present is not None and present is not session and hello.line <= present.line:
            return m.Error("busy", "A later connection of this client is open.", "backoff")
        return None

    def _differs(self, hello: m.Hello) -> str:
        """Why a kernel with that class of the party cannot be here; empty if it can, also with an older schema."""
        ours, theirs = self.party.schema_version(), hello.schema
        if hello.party == self.party.fingerprint() or (0 < theirs < ours and self.party.keeps_clients(theirs)):
            return ""
        differs = f"The party {self.party.name!r} in this kernel has version {theirs} of its schema, the room {ours}. "
        if 0 < theirs < ours:
            return f"{differs}This kernel's file is the older one: update it, and restart the kernel."
        if theirs > ours:
            return f"{differs}The server's file is the older one: update it there. {self.restart}"
        return (
            f"The party {self.party.name!r} in this kernel differs from the server's in its schema, or in its "
            f"mutators and their arguments. Restart the side that runs the older code."
        )

    def _introduce(self, session: Session, hello: m.Hello) -> None:
        """From here on the session speaks for that client; an older session that did is over."""
        if self.by_client.get(session.client) is session and session.client != hello.client:
            del self.by_client[session.client]
            self.told.peer(session.client, None)
        older = self.by_client.get(hello.client)
        if older is not None and older is not session:
            text = "The same client has connected again. Two live objects must not share one id; connect anew."
            older.end(m.Error("replaced", text, "never"))
            self.told.forget(older)
        if session.client != hello.client:
            session.seen = 0
        session.client, session.line = hello.client, hello.line
        session.peer = m.Peer(session.called(hello.name), hello.color, session.peer.state, session.role)
        self.by_client[hello.client] = session
        self.told.peer(hello.client, session.peer, new=older is None)

    def _unknown(self, hello: m.Hello) -> str:
        """Why this history does not contain what the client has seen; empty if it does (R10)."""
        if hello.epoch and not self.ledger.holds(hello.epoch, hello.version):
            return "The room's history was replaced: a backup was restored, or its file was deleted."
        if hello.settled > self.ledger.last_mid(hello.client):
            return "The room does not remember this client."
        return ""

    def _read(self, session: Session, since: int) -> None:
        session.reading = Reading(self._snapshot(session.format, session.sight), session.client, since)

    def _snapshot(self, format: Format, sight: Sight) -> Snapshot:
        found = self._snapshots.get((format, sight.name))
        if found is None or not found.fresh(self.ledger):
            found = self._snapshots[format, sight.name] = Snapshot(self.ledger, format, sight)
        return found

    def rest(self) -> None:
        """Nobody is here: give back the memory that can be done without. Who comes back soon finds the snapshots."""
        self._deltas.forget()
        self.ledger.rest()

    def forget_snapshots(self) -> None:
        """Give their memory back; whoever is in the middle of one keeps it."""
        self._snapshots.clear()

    def forget(self) -> None:
        """Give back what is kept in mind of the file, which is closed. ``recover`` goes on with it opened again."""
        self.forget_snapshots()
        self._deltas.forget()
        self.said.clear()
        self.ledger.forget()
