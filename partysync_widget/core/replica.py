"""
A replica: a kernel's copy of a room, and what it says to the room when.

::

          opened              welcome                first delta or whole snapshot
    IDLE ────────▶ GREETING ──────────▶ WELCOMED ─────────────────────────────────▶ LIVE
     ▲  closed        ▲                     │ a frame is missing, or does not fit     │
     └────────────────┴─────────────────────┴──────────── hello again ◀───────────────┘

Nothing here waits, and nothing calls back: frames go in, a ``Step`` comes out that says what to send, what changed in
the view, and what was decided.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from itertools import chain, repeat

from . import messages as m
from .errors import FrameTooLarge, OutcomeUnknown, ProtocolError, SchemaMismatch
from .party import Party
from .store import Store
from .view import Pending, Settled, Step, View

MOST_RESYNCS = 3  # in a row without a frame that helped; a loop of resets is worse than an error


class Link(enum.Enum):
    """Where the conversation with the room stands."""

    IDLE = "idle"
    GREETING = "greeting"
    WELCOMED = "welcomed"
    LIVE = "live"


class Replica(View):
    """A view that is kept in step with its room. Not thread-safe: its owner holds a lock around every call."""

    def __init__(self, party: type[Party], client: str, *, user: str = "", color: str = "", typed: bool = True) -> None:
        super().__init__(party, client, user=user, typed=typed)
        self.name = user  # as we say it; ``user`` is what the room calls us
        self.color = color
        self.sight = ""  # whose base this is: what our role was shown when it was told
        self.link = Link.IDLE
        self.peers: dict[str, m.Peer] = {}
        self.drafts: dict[tuple[str, str], m.Draft] = {}  # of the others, by client and key
        self._spare = ""
        self._line = 0
        self._shown = ""  # the sight of the welcome
        self._talking = ""  # the epoch of the welcome; the base is of it only once rows of it are here
        self._resyncs = 0
        self._begun: m.Begin | None = None
        self._building: Store | None = None
        self._parts: list[m.TableChange] = []
        self._counted = 0

    # --- out ------------------------------------------------------------------------------------------------------

    def outgoing(self) -> list[m.Push]:
        """Pushes for what has not been sent on this connection, each within the room's limits."""
        pushes: list[m.Push] = []
        room = 0
        for pending in self.pending if self.link is Link.LIVE else ():
            if pending.sent:
                continue
            if pending.size > room or len(pushes[-1].mutations) == self.limits.mutations:
                pushes.append(m.Push(self._talking, []))
                room = self.limits.frame
            pushes[-1].mutations.append(pending.mutation)
            pending.sent = pending.tried = True
            room -= pending.size
        return pushes

    def opened(self, spare: str, line: int = 0) -> Step:
        """A connection is open.

        ``spare`` is a fresh client id, in case the room's history is not ours any more; ``line`` is the time, or
        anything else that grows: connections of one client are told apart by it.
        """
        self._spare = spare
        self._line = max(line, self._line + 1)
        self._resyncs = 0
        return Step(send=[self._greet()])

    def closed(self) -> Step:
        """The connection is gone. Edits go on."""
        self.link = Link.IDLE
        self._forget_parts()
        self.peers = {}
        told, self.drafts = self.drafts, {}
        return Step(peers=True, drafts=bool(told))

    def drafts_of(self, table: str) -> list[tuple[str, m.Draft]]:
        """What others are about to change in ``table``, each with its client."""
        return [(client, draft) for (client, _), draft in self.drafts.items() if draft.table == table]

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
            line=self._line,
            schema=self.party.schema_version() if self.typed else 0,
            name=self.name,
            color=self.color,
            sight=self.sight,
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
        if self.link not in (Link.WELCOMED, Link.LIVE) or self._begun is not None or delta.epoch != self._talking:
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
            case m.Drafts():
                self._told(frame.drafts, step)
            case m.Answer():
                step.answers.append(frame)
            case _ if self.link is Link.GREETING and not isinstance(frame, m.Pong):
                pass  # of the conversation before this hello
            case m.Barrier() if frame.version == self.cursor:
                step.barriers.append(frame)
            case m.Begin() if frame.epoch == self._talking and frame.base in (None, self.cursor):
                self._begin(frame, step)
            case m.Part() if self._begun is not None:
                self._part(frame, step)
            case m.End() if self._begun is not None:
                self._end(self._begun, frame, step)
            case m.Pong() if frame.version == self.cursor and self.link in (Link.IDLE, Link.LIVE) and not self._begun:
                pass
            case _:
                self._resync(step)

    def _meet(self, frame: m.Peers, step: Step) -> None:
        for client, peer in frame.peers.items():
            if peer is None:
                self.peers.pop(client, None)
                self._over([name for name in self.drafts if name[0] == client], step)
            elif client != self.client:
                self.peers[client] = peer
        step.peers = True

    def _told(self, drafts: dict[str, list[m.Draft]], step: Step) -> None:
        for client, draft in ((client, draft) for client, some in drafts.items() for draft in some):
            if not draft.rows:
                self._over([(client, draft.key)], step)
            elif client != self.client:
                self.drafts[client, draft.key] = draft
                step.drafts = True

    def _over(self, names: list[tuple[str, str]], step: Step) -> None:
        for name in names:
            step.drafts |= self.drafts.pop(name, None) is not None

    def _decided(self, acks: dict[str, int], step: Step) -> None:
        """A draft ends with the frame that carries what became of it (R11)."""
        self._over([name for name, draft in self.drafts.items() if 0 < draft.mid <= acks.get(name[0], 0)], step)

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
        shape = self._shape_for(welcome)
        if shape is None:
            step.failed = SchemaMismatch(
                f"The party {self.party.name!r} here differs from the server's in its schema, or in its mutators and "
                f"their arguments. Restart the side that runs the older code."
            )
            return
        reshaped, self.shape = shape is not self.shape, shape
        self.limits, self.mutators = welcome.limits, frozenset(welcome.mutators)
        self.user, self.role, self._shown = welcome.user or self.name, welcome.role, welcome.sight
        self.peers = {client: peer for client, peer in welcome.peers.items() if client != self.client}
        self._over(list(self.drafts), step)
        self._told(welcome.drafts, step)
        step.peers = True
        if welcome.known and reshaped and self.epoch:
            self._refetch(step)  # the old rows stay in view until the new ones are whole (R4)
        elif welcome.known:
            self._talking, self.link = welcome.epoch, Link.WELCOMED
            self._shed(welcome.last_mid, step)
        else:
            self._rewound(welcome.reason, step)

    def _shape_for(self, welcome: m.Welcome) -> type[Party] | None:
        """Which party makes the stores: ours, or a bare one if the room's tables may be others; None if it cannot be.

        The room lets a kernel with an older schema in when that one can cope.
        """
        if self.typed and welcome.sight and welcome.party == self.party.fingerprint():
            return self.party.bare()  # what is hidden from us is not there at all
        if not self.typed or welcome.party == self.party.fingerprint():
            return self.party
        return self.party.bare() if welcome.schema > self.party.schema_version() else None

    def _shed(self, last_mid: int, step: Step) -> None:
        """Let go of edits that were made under a larger limit: they could never be sent, nor anything after them."""
        kept: list[Pending] = []
        for pending in self.pending:
            was = pending.mutation
            if was.mid > last_mid and pending.size > self.limits.frame:
                error = FrameTooLarge(pending.size, self.limits.frame)
                step.settled.append(Settled(pending.ticket, was.mid, error=error))
                step.renumbered = step.reset = True
            else:
                mid = kept[-1].mutation.mid + 1 if kept else self.settled_mid + 1
                kept.append(
                    Pending(pending.ticket, m.Mutation(mid, was.name, was.args), pending.size, tried=pending.tried)
                )
        if step.renumbered:
            self.pending = kept
            self._rebuild()

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
        step.reset = step.renumbered = True
        step.send.append(self._greet())

    # --- rows arrive ----------------------------------------------------------------------------------------------

    def _begin(self, begin: m.Begin, step: Step) -> None:
        self._forget_parts()
        self._begun = begin
        if begin.base is None:
            self._building = Store.memory(self.shape)
            self._building.savepoint("building")
            self._build(self._building, m.Part([], begin.schema), step)

    def _part(self, part: m.Part, step: Step) -> None:
        self._counted += 1
        if self._building is None:
            self._parts += part.tables
        else:
            self._build(self._building, part, step)

    def _build(self, building: Store, part: m.Part, step: Step) -> None:
        try:
            building.apply(part.tables, part.schema, building=True)
        except ProtocolError:
            self._refetch(step)

    def _end(self, begun: m.Begin, end: m.End, step: Step) -> None:
        if end.parts not in (None, self._counted):
            self._resync(step)
            return
        parts, building = self._parts, self._building
        self._begun, self._building, self._parts, self._counted = None, None, [], 0
        if building is None:
            delta = m.Delta(self._talking, self.cursor, end.version, parts, begun.schema, end.acks, end.results)
            self._advance([delta], step)
        else:
            self.replace(building, self._talking, end, step)
            self.sight = self._shown
            self._decided(end.acks, step)
            self._arrived()

    def _advance(self, deltas: list[m.Delta], step: Step) -> None:
        if deltas and self.advance(deltas, step):
            for delta in deltas:
                self._decided(delta.acks, step)
                self._signed(delta.tables, step)
            self._arrived()
        elif deltas:
            self._refetch(step)

    def _signed(self, changes: list[m.TableChange], step: Step) -> None:
        """Which others wrote what has changed."""
        for change in changes:
            authors = step.authors.pop(change.table, {})
            if not authors and change.by in ([], [self.client]):
                continue
            by = repeat(change.by[0]) if len(change.by) == 1 else chain(change.by, repeat(""))
            authors.update(zip((row[1] for row in change.put), by, strict=False))
            for id in change.gone:
                authors.pop(id, None)
            step.authors[change.table] = {id: by for id, by in authors.items() if by not in ("", self.client)}

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
        self._begun, self._building, self._parts, self._counted = None, None, [], 0
