"""
A replica: a kernel's copy of a room, and what it says to the room when.

::

    view  = base with pending replayed over it                                                       (R7)
    base  = the rows at (epoch, cursor), committed in the store
    pending lives in one open savepoint over it, and is rolled back before the base moves

          opened              welcome                first delta or whole snapshot
    IDLE ────────▶ GREETING ──────────▶ WELCOMED ─────────────────────────────────▶ LIVE
     ▲  closed        ▲                     │ a frame is missing, or does not fit     │
     └────────────────┴─────────────────────┴──────────── hello again ◀───────────────┘

Nothing here waits, and nothing calls back: frames and edits go in, a ``Step`` comes out that says what to send, what
changed in the view, and what was decided. An exception between two lines (a kernel's interrupt) leaves ``_whole``
false, and the next call rebuilds the view from base and pending.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import apsw
import msgspec

from . import messages as m
from .errors import FrameTooLarge, MutationRejected, OutcomeUnknown, PartySyncError, ProtocolError, SchemaMismatch
from .party import Party
from .store import Store

Rows = dict[str, dict[str, tuple[Any, ...]]]

FRAME_OVERHEAD = 256  # bytes of a push beside its one mutation, generously
COMPARED_ROWS = 2_000  # of a larger change every row counts as changed: to look would cost more than to tell
MOST_RESYNCS = 3  # in a row without a frame that helped; a loop of resets is worse than an error


class Link(enum.Enum):
    """Where the conversation with the room stands."""

    IDLE = "idle"
    GREETING = "greeting"
    WELCOMED = "welcomed"
    LIVE = "live"


@dataclass
class Pending:
    """A mutation that the room has not decided. ``ticket`` stays the same when ``mid`` must change."""

    ticket: int
    mutation: m.Mutation
    size: int  # bytes in a frame
    sent: bool = False  # on this connection
    tried: bool = False  # on any connection: the room may have it
    shown: bool = True  # False: it raised in the last replay, shows nothing, and waits for the room (R7)


@dataclass(frozen=True)
class Settled:
    """One of our mutations, decided: ``value``, or the error it is to raise."""

    ticket: int
    mid: int
    value: Any = None
    error: PartySyncError | None = None


@dataclass
class Step:
    """What came of one call."""

    send: list[m.Up] = field(default_factory=list)
    changed: dict[str, set[str]] = field(default_factory=dict)  # rows whose view, or whose being pending, changed
    reset: bool = False  # tables or columns changed, or the whole base
    settled: list[Settled] = field(default_factory=list)
    based: list[m.Delta] = field(default_factory=list)  # how the base moved, for a copy on disk
    rebased: bool = False  # the base was replaced as a whole
    peers: bool = False
    barriers: list[m.Barrier] = field(default_factory=list)
    rewound: str = ""  # why the room's history is not the one we knew (R10)
    ended: m.Error | m.Bye | None = None
    failed: PartySyncError | None = None  # the conversation cannot go on, now or ever


class Replica:
    """See the module. Not thread-safe: its owner holds a lock around every call."""

    def __init__(self, party: type[Party], client: str, *, user: str = "", color: str = "", typed: bool = True) -> None:
        self.party = party
        self.client = client
        self.user = user
        self.color = color
        self.typed = typed  # False: the party's class is not known here, so its mutators cannot be guessed
        self.store = Store.memory(party)
        self.link = Link.IDLE
        self.epoch = ""
        self.cursor = 0
        self.settled_mid = 0  # every mutation of ours up to this one is decided
        self.limits = m.Limits(frame=1 << 20, mutations=256)
        self.mutators: frozenset[str] | None = None  # what the room takes; None before it said so
        self.pending: list[Pending] = []
        self.peers: dict[str, m.Peer] = {}
        self._whole = True
        self._spare = ""
        self._tickets = 0
        self._resyncs = 0
        self._begun: m.Begin | None = None
        self._building: Store | None = None
        self._parts: list[m.TableChange] = []

    # --- the view -------------------------------------------------------------------------------------------------

    @property
    def view(self) -> Store:
        """The rows as a person should see them: base, with pending replayed over it."""
        if not self._whole:
            self._rebuild()
        return self.store

    def pending_rows(self) -> dict[str, set[str]]:
        """Ids of the rows that an undecided edit of ours touches, by table."""
        return self.view.touched(self.cursor) if self.pending else {}

    @property
    def next_mid(self) -> int:
        """Derived, so that an interrupt cannot leave it wrong."""
        return (self.pending[-1].mutation.mid if self.pending else self.settled_mid) + 1

    def mutate(self, name: str, args: dict[str, Any]) -> tuple[Pending, Step]:
        """Make an edit: it shows in the view at once and waits for the room.

        Raises MutationRejected, or FrameTooLarge, and then nothing is queued and nothing shown (R7).
        """
        size = len(msgspec.json.encode(args)) + len(name) + FRAME_OVERHEAD
        if size > self.limits.frame:
            raise FrameTooLarge(size, self.limits.frame)
        if self.mutators is not None and name not in self.mutators:
            raise MutationRejected(
                "unknown-mutator", f"The room has no mutator {name!r:.100}. It has: {', '.join(sorted(self.mutators))}."
            )
        with self._moving():
            specs = self._specs()
            made = Pending(self._tickets + 1, m.Mutation(self.next_mid, name, args), size)
            if self._guessable(name):
                self._guess(made, len(self.pending))
            self._tickets = made.ticket
            self.pending.append(made)
            changed = self.store.touched(self.cursor + len(self.pending) - 1)
        return made, Step(changed=changed, reset=self._specs() != specs)

    def outgoing(self) -> list[m.Push]:
        """Pushes for what has not been sent on this connection, each within the room's limits."""
        pushes: list[m.Push] = []
        room = 0
        for pending in self.pending if self.link is Link.LIVE else ():
            if pending.sent:
                continue
            if pending.size > room or len(pushes[-1].mutations) == self.limits.mutations:
                pushes.append(m.Push(self.epoch, []))
                room = self.limits.frame
            pushes[-1].mutations.append(pending.mutation)
            pending.sent = pending.tried = True
            room -= pending.size
        return pushes

    def _guessable(self, name: str) -> bool:
        """Whether this kernel has the code: not a mutator of a party that only the server knows."""
        return self.typed or name in self.party.built_in

    def _guess(self, pending: Pending, place: int) -> None:
        """Run a mutation over the view, as number ``place`` of the pending ones; on error nothing of it stays."""
        if not self.store.connection.in_transaction:
            self.store.savepoint("pending")
        self.store.savepoint("mutation")
        try:
            self.store.version = self.cursor + 1 + place
            self.store.run(pending.mutation.name, pending.mutation.args, user=self.user, guess=True)
        except PartySyncError:
            self.store.undo("mutation")
            raise
        finally:
            self.store.release("mutation")

    def _replay(self) -> None:
        for place, pending in enumerate(self.pending):
            pending.shown = False
            if self._guessable(pending.mutation.name):
                with suppress(MutationRejected):  # it shows nothing and stays pending: the room decides (R7)
                    self._guess(pending, place)
                    pending.shown = True

    def _to_base(self) -> None:
        if self.store.connection.in_transaction:
            self.store.rollback()

    def _rebuild(self) -> None:
        """After an exception out of the middle: base and pending are whole, so the view can be made again."""
        self._to_base()
        self._replay()
        self._whole = True

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """The view is being changed. Any exception but our own, at any point, and it is rebuilt before its next use."""
        if not self._whole:
            self._rebuild()
        self._whole = False
        try:
            yield
        except MutationRejected:
            self._whole = True
            raise
        self._whole = True

    # --- the conversation -----------------------------------------------------------------------------------------

    def opened(self, spare: str) -> Step:
        """A connection is open. ``spare`` is a fresh client id, in case the room's history is not ours any more."""
        self._spare = spare
        self._resyncs = 0
        return Step(send=[self._greet()])

    def closed(self) -> Step:
        """The connection is gone. Edits go on."""
        self.link = Link.IDLE
        self._forget_parts()
        self.peers = {}
        return Step(peers=True)

    def ping(self) -> m.Ping:
        return m.Ping(self.cursor)

    def _greet(self) -> m.Hello:
        self.link = Link.GREETING
        self._forget_parts()
        for pending in self.pending:
            pending.sent = False
        return m.Hello(
            protocol=m.PROTOCOL,
            client=self.client,
            party=self.party.fingerprint() if self.typed else "",
            epoch=self.epoch,
            version=self.cursor if self.epoch else 0,
            settled=self.settled_mid,
            name=self.user,
            color=self.color,
        )

    def receive(self, frames: Iterable[m.Down]) -> Step:
        """Take what has arrived, in order. Deltas that chain are applied together, and rebased once."""
        step = Step()
        deltas: list[m.Delta] = []
        for frame in frames:
            if isinstance(frame, m.Delta) and self._chains(frame, deltas):
                deltas.append(frame)
                continue
            self._advance(deltas, step)
            deltas = []
            self._take(frame, step)
            if step.failed or step.ended:
                return step
        self._advance(deltas, step)
        return step

    def _chains(self, delta: m.Delta, before: list[m.Delta]) -> bool:
        if self.link not in (Link.WELCOMED, Link.LIVE) or self._begun is not None or delta.epoch != self.epoch:
            return False
        return delta.base == (before[-1].version if before else self.cursor)

    def _take(self, frame: m.Down, step: Step) -> None:
        match frame:
            case m.Error() | m.Bye():
                step.ended = frame
            case m.Welcome() if self.link is Link.GREETING:
                self._welcomed(frame, step)
            case m.Peers():
                self._meet(frame, step)
            case _ if self.link is Link.GREETING:
                pass  # of the conversation before this hello
            case m.Barrier():
                step.barriers.append(frame)
            case m.Begin() if frame.epoch == self.epoch and frame.base in (None, self.cursor):
                self._begin(frame)
            case m.Part() if self._begun is not None:
                self._part(frame, step)
            case m.End() if self._begun is not None:
                self._end(self._begun, frame, step)
            case m.Pong() if frame.version == self.cursor or self._begun is not None:
                pass
            case _:
                self._resync(step)

    def _meet(self, frame: m.Peers, step: Step) -> None:
        for client, peer in frame.peers.items():
            if peer is None:
                self.peers.pop(client, None)
            elif client != self.client:
                self.peers[client] = peer
        step.peers = True

    def _resync(self, step: Step) -> None:
        """Something is missing: say what we hold, and be told the rest (R3)."""
        self._resyncs += 1
        if self._resyncs > MOST_RESYNCS:
            step.failed = ProtocolError(
                "resync", f"The room's frames did not fit this copy {MOST_RESYNCS} times in a row. Connect again."
            )
        else:
            step.send.append(self._greet())

    def _welcomed(self, welcome: m.Welcome, step: Step) -> None:
        if welcome.protocol != m.PROTOCOL:
            older = "server" if welcome.protocol < m.PROTOCOL else "library in this kernel"
            step.failed = ProtocolError(
                "protocol",
                f"The server speaks protocol {welcome.protocol}, this kernel {m.PROTOCOL}. "
                f"The {older} is the older one: type `pip install --upgrade partysync-widget` there.",
            )
            return
        if self.typed and welcome.party != self.party.fingerprint():
            step.failed = SchemaMismatch(
                f"The party {self.party.name!r} here differs from the server's in its schema, or in its mutators and "
                f"their arguments. Restart the side that runs the older code."
            )
            return
        self.limits, self.mutators = welcome.limits, frozenset(welcome.mutators)
        self.peers = {client: peer for client, peer in welcome.peers.items() if client != self.client}
        step.peers = True
        if welcome.known:
            self.epoch, self.link = welcome.epoch, Link.WELCOMED
        else:
            self._rewound(welcome.reason, step)

    def _rewound(self, reason: str, step: Step) -> None:
        """The history we knew is gone (R10). What was never sent is made again, under an id that nothing confuses.

        The old rows stay in view until the new ones are whole (R4).
        """
        step.rewound = reason
        kept: list[Pending] = []
        for pending in self.pending:
            was = pending.mutation
            if pending.tried:
                unknown = OutcomeUnknown(
                    f"{reason} Whether {was.name} was decided before that cannot be known; look, and make it again.",
                    was.name,
                    was.args,
                )
                step.settled.append(Settled(pending.ticket, was.mid, error=unknown))
            else:
                again = m.Mutation(len(kept) + 1, was.name, was.args)
                kept.append(Pending(pending.ticket, again, pending.size))
        self.client, self.epoch, self.settled_mid, self.pending = self._spare, "", 0, kept
        self._rebuild()
        step.reset = True
        step.send.append(self._greet())

    # --- a copy on disk -------------------------------------------------------------------------------------------

    def adopt_base(self, source: apsw.Connection) -> None:
        """Begin with the rows that ``copy_base`` has written. Raises, and changes nothing, if they are no such copy."""
        copy = apsw.Connection(":memory:")
        with copy.backup("main", source, "main") as backup:
            backup.step()
        store = Store(copy, self.party)
        self.epoch, self.cursor = str(store.meta("epoch") or ""), store.version
        self.store.close()
        self.store = store

    def adopt_pending(self, client: str, settled: int, mutations: list[m.Mutation]) -> None:
        """Go on as the client that made these. The room may have them already (R5)."""
        self.client, self.settled_mid = client, settled
        for mutation in mutations:
            size = len(msgspec.json.encode(mutation.args)) + len(mutation.name) + FRAME_OVERHEAD
            self._tickets += 1
            self.pending.append(Pending(self._tickets, mutation, size, tried=True))
        self._rebuild()

    def copy_base(self, target: apsw.Connection) -> None:
        """Write the base, without what is pending, into another database."""
        with self._moving():
            self._to_base()
            self.store.set_meta("epoch", self.epoch)
            with target.backup("main", self.store.connection, "main") as backup:
                backup.step()
            self._replay()

    # --- the base moves -------------------------------------------------------------------------------------------

    def _begin(self, begin: m.Begin) -> None:
        self._forget_parts()
        self._begun = begin
        if begin.base is None:
            self._building = Store.memory(self.party)
            self._building.savepoint("building")
            self._building.apply([], begin.schema)

    def _part(self, part: m.Part, step: Step) -> None:
        if self._building is None:
            self._parts += part.tables
            return
        try:
            self._building.apply(part.tables, part.schema)
        except ProtocolError:
            self._refetch(step)

    def _end(self, begun: m.Begin, end: m.End, step: Step) -> None:
        parts, building = self._parts, self._building
        self._begun, self._building, self._parts = None, None, []
        if building is None:
            delta = m.Delta(self.epoch, self.cursor, end.version, parts, begun.schema, end.acks, end.results)
            self._advance([delta], step)
            return
        with self._moving():
            before, was_pending = self._everything(), self._pending_now()
            building.version = end.version
            building.release("building")
            self.store.close()
            self.store, self.cursor = building, end.version
            self._decide([(end.acks, end.results)], step)
            self._replay()
            after, is_pending = self._everything(), self._pending_now()
        step.reset = step.rebased = True
        self._tell(before, after, was_pending, is_pending, step)
        self._arrived()

    def _advance(self, deltas: list[m.Delta], step: Step) -> None:
        """Move the base: roll pending back, put the rows, drop what is acknowledged, replay the rest."""
        if not deltas:
            return
        with self._moving():
            specs = self._specs()
            was_pending = self._pending_now()
            ids = {name: set(found) for name, found in was_pending.items()}
            for change in (change for delta in deltas for change in delta.tables):
                ids.setdefault(change.table, set()).update(change.gone, (row[1] for row in change.put))
            few = sum(map(len, ids.values())) <= COMPARED_ROWS
            before = self._rows_of(ids) if few else {}
            self._to_base()
            try:
                self._commit(deltas)
            except ProtocolError:
                self._rebuild()
                self._refetch(step)
                return
            self._decide([(delta.acks, delta.results) for delta in deltas], step)
            self._replay()
            is_pending = self._pending_now()
            for name, found in is_pending.items():
                ids.setdefault(name, set()).update(found)
            after = self._rows_of(ids) if few else {}
        step.based += deltas
        step.reset = step.reset or self._specs() != specs
        if few:
            self._tell(before, after, was_pending, is_pending, step)
        else:
            for name, found in ids.items():
                step.changed.setdefault(name, set()).update(found)
        self._arrived()

    def _commit(self, deltas: list[m.Delta]) -> None:
        self.store.savepoint("base")
        try:
            for delta in deltas:
                self.store.apply(delta.tables, delta.schema)
            self.store.version = deltas[-1].version
        except ProtocolError:
            self.store.undo("base")
            raise
        finally:
            self.store.release("base")
        self.cursor = deltas[-1].version

    def _decide(self, decided: list[tuple[dict[str, int], list[m.Result]]], step: Step) -> None:
        """Drop what the room has decided; its rows are in the base already, so nothing flickers (R2)."""
        results = {result.mid: result for _, found in decided for result in found if result.client == self.client}
        acked = max(acks.get(self.client, 0) for acks, _ in decided)
        decided_now = [pending for pending in self.pending if pending.mutation.mid <= acked]
        del self.pending[: len(decided_now)]
        for pending in decided_now:
            mid = pending.mutation.mid
            result = results.get(mid)
            error = MutationRejected(result.code, result.message or "") if result and result.code else None
            step.settled.append(Settled(pending.ticket, mid, result.value if result else None, error))
        self.settled_mid = max(self.settled_mid, acked)
        if results:
            step.send.append(m.Seen(self.settled_mid))

    def _arrived(self) -> None:
        self._resyncs = 0
        self.link = Link.LIVE

    def _refetch(self, step: Step) -> None:
        """This copy cannot take what it was sent: ask for everything anew."""
        self.epoch = ""
        self._resync(step)

    def _forget_parts(self) -> None:
        if self._building is not None:
            self._building.close()
        self._begun, self._building, self._parts = None, None, []

    # --- what changed ---------------------------------------------------------------------------------------------

    def _pending_now(self) -> dict[str, set[str]]:
        return self.store.touched(self.cursor) if self.pending else {}

    def _specs(self) -> list[m.TableSpec]:
        return [entry.spec for entry in self.store.tables.values()]

    def _rows_of(self, ids: dict[str, set[str]]) -> Rows:
        known = self.store.tables
        return {name: self.store.fetch(name, found) if name in known else {} for name, found in ids.items()}

    def _everything(self) -> Rows:
        return {name: {row[1]: row for row in self.store.rows(name)} for name in self.store.tables}

    @staticmethod
    def _tell(before: Rows, after: Rows, was: dict[str, set[str]], now: dict[str, set[str]], step: Step) -> None:
        for name in before.keys() | after.keys():
            old, new = before.get(name, {}), after.get(name, {})
            changed = {id for id in old.keys() | new.keys() if old.get(id) != new.get(id)}
            changed |= was.get(name, set()) ^ now.get(name, set())
            if changed:
                step.changed.setdefault(name, set()).update(changed)
