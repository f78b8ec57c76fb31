"""
A kernel's side of the simulation: the real Replica, and a book of what its person did and was told.

The book is kept without looking at the replica, so that the two can be compared.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

import apsw

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected, PartySyncError
from partysync_widget.core.party import Party
from partysync_widget.core.replica import Link, Replica, Settled, Step
from tests.convergence import checks
from tests.convergence.checks import Shown
from tests.convergence.drafts import check_held, draft
from tests.convergence.host import Host
from tests.convergence.line import Line
from tests.convergence.model import BLANK, History

PATIENCE = 5  # heartbeats without a frame before the line counts as dead


@dataclass
class Edit:
    """One mutation that a person made. ``number`` is unique in the world; ``client`` and ``mid`` may be given anew."""

    number: int
    name: str
    args: dict[str, Any]
    client: str
    mid: int
    sent: bool = False


class Kernel:
    """One notebook. ``party`` is what it knows of the room's party; ``ruled`` is false if that is only the name."""

    def __init__(self, label: str, host: Host, party: type[Party], *, ruled: bool, client: str = "") -> None:
        self.label = label
        self.host = host
        self.ruled = ruled
        self.party = party
        self.lives = 0  # client ids that were given to it
        self.replica = Replica(party, client or self._fresh_id(), user=label, typed=ruled)
        self._watch()
        self.line: Line | None = None
        self.pinged = False
        self.silence = 0  # heartbeats since it has heard anything
        self.promised = ""  # the epoch of the last snapshot that has begun
        self.undecided: dict[int, Edit] = {}  # by ticket, in the order they were made
        self.settled: set[int] = set()  # numbers of edits
        self.increments = 0  # of its own counter, as the person counts them
        self.history = History([BLANK[party.name] if ruled else {}])  # that the base is of
        self.at = 0  # the version of the base
        self.based = False  # it has been told something
        self.rewound = False  # it was told that its history is gone, and has no new base yet
        self.ever_rewound = False
        self.told_of = self.history  # in which the room decided what this kernel was last told
        self.welcomed = 0  # the version of the last welcome: everything up to it is known to be decided
        self.barriers: dict[int, int] = {}  # asked on this line: how many mids had been made by then
        self.asked = 0
        self.shown: Shown = checks.look(self.replica.view)
        self.base: Shown | None = None  # as it was when pending edits were last replayed over it, in this step
        self.touched: dict[str, set[str]] = {}
        self.compares = True  # a step says which rows differ, not only which were written

    def _fresh_id(self) -> str:
        self.lives += 1
        return f"{self.label}-{self.lives}"

    def _watch(self) -> None:
        """Look at the base at the one moment when the replica itself has nothing over it: before each replay."""
        replay = self.replica._replay

        def watched() -> None:
            self.base = checks.look(self.replica.store)
            replay()

        self.replica._replay = watched

    # --- the person -----------------------------------------------------------------------------------------------

    def edit(self, number: int, name: str, args: dict[str, Any], book: dict[tuple[str, int], int]) -> bool:
        """Make an edit, or be refused at once and have nothing queued (R7)."""
        expected = checks.refusal(self, name, args)
        try:
            pending, step = self.replica.mutate(name, args)
        except MutationRejected as error:
            checks.check_refusal(self, name, args, expected, error.code)
            self.took(Step())
            return False
        checks.check_refusal(self, name, args, expected, None)
        edit = Edit(number, name, args, self.replica.client, pending.mutation.mid)
        self.undecided[pending.ticket] = edit
        book[edit.client, edit.mid] = number
        self.increments += name == "increment" and args["id"] == f"own-{self.label}"
        self.took(step, edited=True)
        return True

    # --- the line -------------------------------------------------------------------------------------------------

    def connect(self, line: Line) -> None:
        self.line = line
        self.host.join(line)
        step = self.replica.opened(self._fresh_id(), line.number)
        line.send(step.send)
        self.took(step)

    def hang_up(self) -> None:
        """The kernel's end is closed, whatever is in flight."""
        self.line, self.pinged, self.silence = None, False, 0
        self.barriers.clear()
        self.took(self.replica.closed())
        check_held(self.label, self.replica, None, self.told_of, 0)

    def push(self) -> None:
        if self.line is not None:
            pushes = self.replica.outgoing()
            for mutation in (mutation for push in pushes for mutation in push.mutations):
                for edit in self.undecided.values():
                    edit.sent = edit.sent or (edit.client, edit.mid) == (self.replica.client, mutation.mid)
            self.line.send(pushes)

    def ping(self) -> None:
        """One at a time, and not while greeting; who hears nothing for long hangs up."""
        if self.line is None:
            return
        self.silence += 1
        if self.silence > PATIENCE:
            self.line.here = False
            self.hang_up()
        elif not self.pinged and self.replica.link is not Link.GREETING:
            self.pinged = True
            self.line.send([self.replica.ping()])

    def show(self, state: dict[str, Any]) -> None:
        """Presence: it must touch nothing (R11)."""
        if self.line is not None:
            self.line.send([m.Presence(state)])

    def type(self, random: Random) -> None:
        """A draft, of one kind or another (R11)."""
        if self.line is not None and self.replica.link is Link.LIVE:
            self.line.send([draft(random, self.replica)])

    def commit_draft(self) -> None:
        """What was typed is the last edit now: told in the same moment, as a grid does it (R11)."""
        if self.line is not None and self.replica.link is Link.LIVE:
            mid = self.replica.pending[-1].mutation.mid
            self.line.send([m.Draft("c1", "items", {"item-0": {"qty": mid % 10}}, mid)])
            self.push()

    def ask(self) -> None:
        """A barrier: tell me when all that I sent is decided."""
        if self.line is not None and self.replica.link is Link.LIVE:
            self.push()
            self.asked += 1
            self.barriers[self.asked] = self.replica.next_mid - 1
            self.line.send([m.Barrier(self.asked)])

    def listen(self, most: int, book: dict[tuple[str, int], int]) -> None:
        """Take what has arrived."""
        line = self.line
        if line is None:
            return
        if not line.down:
            if not line.there:
                self.hang_up()
            return
        frames, sending = line.told(most)
        self.told_of = sending.history
        for frame in frames:
            if isinstance(frame, m.Welcome):
                self.welcomed = frame.version
            if isinstance(frame, m.Begin):
                self.promised = frame.epoch
        self.pinged, self.silence = False, 0
        try:
            step = self.replica.receive(frames)
        except PartySyncError as error:
            raise checks.Broken(f"R7: {self.label} cannot take a frame: {error}") from error
        for pending in self.replica.pending if step.renumbered else ():  # made again under another id
            edit = self.undecided[pending.ticket]
            edit.client, edit.mid = self.replica.client, pending.mutation.mid
            book[edit.client, edit.mid] = edit.number
        line.send(step.send)
        self.took(step, exact=self.compares and moves(frames) <= 1)
        known = self.replica.cursor if self.replica.link is Link.LIVE else self.welcomed
        if step.ended is None:  # what comes after a goodbye is not taken, and all drafts go with the line
            check_held(self.label, self.replica, sending.mark, self.told_of, known)
        if any(isinstance(frame, m.Hello) for frame in step.send):
            self.barriers.clear()  # an answer to one may be passed over; whoever waits must ask again
            line.mending = True
        elif line.mending and self.replica.link is Link.LIVE:
            line.mending, line.lossy = False, True
        checks.check_end(self, step)
        if step.ended is not None:
            self.hang_up()

    # --- the kernel's end -----------------------------------------------------------------------------------------

    def revive(self) -> None:
        """The kernel ends, and another goes on from its cache: the base, and what was not decided."""
        old, rows = self.replica, apsw.Connection(":memory:")
        old.copy_base(rows)
        edits = list(self.undecided.values())
        self.replica = Replica(self.party, "unused", user=self.label, typed=self.ruled)
        self._watch()
        self.replica.adopt_base(rows)
        self.replica.adopt_pending(old.client, old.settled_mid, [pending.mutation for pending in old.pending])
        mids, made = [pending.mutation.mid for pending in self.replica.pending], [edit.mid for edit in edits]
        checks.hold(mids == made, "R6", f"{self.label} has other undecided edits from its cache", mids, made)
        self.undecided = {pending.ticket: edit for pending, edit in zip(self.replica.pending, edits, strict=True)}
        for edit in edits:
            edit.sent = True  # as far as the new kernel can know
        self.line, self.pinged, self.silence = None, False, 0
        self.barriers.clear()
        old.store.close()
        self.took(Step())

    # --- after every step -----------------------------------------------------------------------------------------

    def took(self, step: Step, *, edited: bool = False, exact: bool = True) -> None:
        """Follow what a step says in the book, and compare."""
        before, touched = self.shown.rows, self.touched
        if step.rewound:
            self.rewound = self.ever_rewound = True
        if step.based or step.rebased:
            epoch = step.based[-1].epoch if step.based else self.promised
            checks.check_lineage(self, self.host.histories[epoch], self.replica.cursor)
            self.history, self.at = self.host.histories[epoch], self.replica.cursor
            self.based, self.rewound = True, False
        for settled in step.settled:
            self._settle(settled, step)
        self.shown, self.touched = checks.look(self.replica.view), self.replica.pending_rows()
        checks.check_replica(self)
        if self.base is not None:
            checks.check_base(self, self.base)
            self.base = None
        if not step.rewound:
            checks.check_changed(self, step, before, touched, edited=edited, exact=exact)
        for barrier in step.barriers:
            checks.check_barrier(self, barrier)

    def _settle(self, settled: Settled, step: Step) -> None:
        edit = self.undecided.pop(settled.ticket, None)
        checks.check_settled(self, settled, edit, rewound=bool(step.rewound))
        if edit is not None:
            self.settled.add(edit.number)


def moves(frames: list[m.Down]) -> int:
    """How often the base may move: deltas that follow each other are applied as one."""
    runs = 0
    for before, frame in zip([None, *frames], frames, strict=False):
        runs += isinstance(frame, m.End) or (isinstance(frame, m.Delta) and not isinstance(before, m.Delta))
    return runs
