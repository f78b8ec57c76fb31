"""
The dialect: a session that speaks as the ancestor of this library did (docs/dialect.md), in the same rooms.

::

    {"sync": true, "channel": …, "from": …}      ─▶ read between two turns ─▶ {"sync": true, …, "payload": [record, …]}
    {"rpc": true, "id": …, "action": {…}}        ─▶ queue ▸ turn ▸ COMMIT  ─▶ success or error, to its author
                                                                           └▶ {"broadcast": true, …}, to the others

It is one more client of the room: its actions wait in the same queue and are decided in the same turns, by the author's
role, and what it is told is computed from the version that it was last told, as for everybody. Only the words differ.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.sight import Sight

from . import phrases
from .ledger import Ledger, look_up
from .pages import Action, Outcome
from .phrases import Call, Json, NotUnderstood, Sync
from .records import Record, Records, is_deleted
from .room import Room
from .session import Session

MOST_WAITING = 10_000  # actions of one page that are not answered
MOST_SYNCS = 64  # likewise
MOST_REPLIES = 256  # answers that it does not take
MOST_SAID, SAID_BYTES = 4_096, 4 << 20  # messages of the party that it does not take, and their bytes
COMING_BACK = 1.0  # seconds for a page that is back to ask by itself; what it sends then was said while it was away
PATIENCE = 5.0  # seconds after which an author may no longer listen for its answer (it waits for ten)


class Place(Protocol):
    """What a page needs of the open room that it is in."""

    room: Room

    def aside(self, session: Session, work: Callable[[Ledger], None]) -> None:
        """Run this on the ledger between two turns, for a session, which ends if it fails."""


@dataclass
class Waiting:
    """An action of this page that is not answered yet."""

    heard: float
    action: Action
    echo: Json
    late: bool  # its author may not listen any more


class Page:
    """One connection. ``hear`` and ``frames`` are to be called on the room's loop."""

    def __init__(
        self, place: Place, session: Session, connection: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``connection`` is the id that it gives itself, empty if it gives none; then it cannot be known again."""
        self._place = place
        self._session = session
        self._clock = clock
        self._name = _digest(session.owner, connection or secrets.token_hex(16))
        self._lasting = bool(connection)
        self._began = clock()
        self._back = False  # it has been here before
        self._held = False  # told no news yet, for it may be about to ask
        self._missed: float = math.inf  # the version that it held, if it is back
        self._cursor = 0  # told all up to here, and in some channels further:
        self._told: dict[str, int] = {}
        self._waiting: deque[Waiting] = deque()
        self._syncs: deque[Sync] = deque()
        self._reading = False  # a sync is being answered
        self._replies: list[bytes] = []
        self._channels: set[str] = set()  # that it has asked for
        self._said: list[bytes] = []  # by the party
        self._said_bytes = 0

    # --- coming -----------------------------------------------------------------------------------------------------

    def arrive(self, ledger: Ledger) -> None:
        """Before it joins, between two turns: whether it was here before, and what it has missed since.

        It does not ask again when its line comes back, so it is told by itself: all since it first asked. Where the
        history is another, or too old, everything.
        """
        if not ledger.pages.kept:
            ledger.aside(lambda: ledger.pages.begin(ledger.version))
        held = ledger.pages.held(self._name) if self._lasting else []
        self._back = self._held = bool(held)
        for each in held:
            self._channels.add(each.channel)
            if ledger.holds(each.epoch, each.version) and each.version >= ledger.horizon:
                self._missed = min(self._missed, each.version)
            else:
                self._syncs.append(Sync(each.channel, anew=True))

    def joined(self) -> None:
        """From now on it is told what happens."""
        self._began = self._clock()
        self._cursor = int(min(self._place.room.shown, self._missed))

    def release(self) -> None:
        """It has had its time to ask by itself."""
        self._held = False

    # --- in ---------------------------------------------------------------------------------------------------------

    def hear(self, message: str | bytes) -> None:
        """Take one message, whatever it is. Nothing goes without an answer, and nothing closes the socket."""
        if self._session.ended is not None:
            return
        try:
            said = phrases.understood(message)
            if isinstance(said, Sync):
                self._syncs.append(said)
            else:
                self._held = False
                self._call(said, len(message))
        except NotUnderstood as error:
            self._replies.append(error.said)
        self._check_taken()

    def _check_taken(self) -> None:
        if len(self._syncs) > MOST_SYNCS or len(self._replies) > MOST_REPLIES:
            self._session.end(m.Error("busy", "Too many answers wait for you to take them.", "backoff"))

    def _call(self, call: Call, size: int) -> None:
        room, text = self._place.room, ""
        action = Action(self._name, call.id or secrets.token_hex(16), call.channel)
        if len(self._waiting) >= MOST_WAITING:
            text = f"More than {MOST_WAITING} of your actions are waiting. Wait for some."
        elif not room.act(self._session, action, *phrases.mutation(room.party, call), size):
            text = "More edits wait in this room than it can hold. Try again in a moment."
        if text:
            self._replies.append(phrases.refused(text, call.channel, call.echo))
        else:
            now = self._clock()
            late = self._back and now < self._began + COMING_BACK
            self._waiting.append(Waiting(now, action, call.echo, late))

    def say(self, frame: bytes) -> None:
        """A message of the party's, behind the rows that are decided. If it takes none, it is hung up on (R12)."""
        self._said.append(frame)
        self._said_bytes += len(frame)
        if len(self._said) > MOST_SAID or self._said_bytes > SAID_BYTES:
            self._session.end(m.Error("busy", "Too many messages wait for you to take them.", "backoff"))
            self._said.clear()

    def complain(self, text: str) -> None:
        """What became of a message of its own."""
        self._replies.append(phrases.exception(text))
        self._check_taken()

    # --- out --------------------------------------------------------------------------------------------------------

    def frames(self, room: Room) -> list[bytes]:
        """What it is to be sent next, in order: what was read, what became of its actions, what others did."""
        if (ended := self._session.ended) is not None:
            return [phrases.exception(ended.message if isinstance(ended, m.Error) else ended.reason)]
        out, self._replies = self._replies, []
        ledger = room.ledger
        if not self._held:
            if self._cursor < ledger.horizon:  # too slow: deletions are forgotten (R4)
                self._syncs.extendleft(Sync(channel, anew=True) for channel in sorted(self._channels))
                self._cursor = ledger.version
            if self._cursor < ledger.version or self._waiting:
                out += self._news(room)
        out += self._said
        self._said, self._said_bytes = [], 0
        self._read_on()
        return out

    def at_rest(self, version: int) -> bool:
        """Whether nothing of it is undecided, unread or unsent."""
        busy = self._held or self._waiting or self._syncs or self._reading or self._replies or self._said
        return not busy and self._cursor == version

    def _news(self, room: Room) -> list[bytes]:
        """The answers to its actions, and an update for each channel in which anything else has changed (R2)."""
        ledger, sight = room.ledger, self._session.sight
        out, covered = self._answers(ledger)
        idle = {channel for channel, page in _idle(room, self._cursor) if page != self._name}
        for channel in ledger.store.tables:
            base = max(self._cursor, self._told.get(channel, 0))
            if base >= ledger.version or sight.hides(channel):
                continue
            records, frame = _changes(room, channel, base, sight)
            if mine := covered.get(channel):
                others = [record for record in records if record[0] not in mine]
                frame = phrases.update(channel, others) if others else b""
            elif not records and channel in idle:
                frame = phrases.update(channel, [])
            if frame:
                out.append(frame)
        self._cursor = ledger.version
        self._told.clear()
        return out

    def _answers(self, ledger: Ledger) -> tuple[list[bytes], dict[str, set[str]]]:
        """To its own actions, as far as they are decided; and the rows, by channel, that are told by them."""
        out, covered = [], dict[str, set[str]]()
        while self._waiting:
            waiting = self._waiting[0]
            channel = waiting.action.channel
            outcome = ledger.pages.outcome(waiting.action.page, waiting.action.id)
            if outcome is None:
                break
            self._waiting.popleft()
            if outcome.refusal is not None:
                out.append(phrases.refused(outcome.refusal, channel, waiting.echo))
                continue
            records = self._touched(ledger, channel, outcome)
            out.append(phrases.succeeded(channel, waiting.echo, records))
            if not waiting.late and self._clock() <= waiting.heard + PATIENCE:
                covered.setdefault(channel, set()).update(record[0] for record in records)
        return out, covered

    def _touched(self, ledger: Ledger, channel: str, outcome: Outcome) -> list[Record]:
        """The rows that an action has touched, as they are now: what others have made of them since is not undone."""
        try:
            look_up(ledger.store, channel, self._session.sight)
        except MutationRejected:  # gone since, or no longer shown
            return []
        records = Records(ledger.store, channel, self._session.sight)
        return records.of(records.at(outcome.version) if outcome.ids is None else outcome.ids)

    # --- syncs ------------------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Have the next sync answered: one at a time, when the last was taken, so that little waits (R12)."""
        if self._syncs and not self._reading:
            self._reading = True
            sync = self._syncs.popleft()
            self._place.aside(self._session, lambda ledger: self._read(ledger, sync))

    def _read(self, ledger: Ledger, sync: Sync) -> None:
        """In a worker thread, between two turns."""
        try:
            self._replies += self._answer(ledger, sync)
        finally:
            self._reading = False

    def _answer(self, ledger: Ledger, sync: Sync) -> list[bytes]:
        channel, sight = sync.channel, self._session.sight
        try:
            look_up(ledger.store, channel, sight)
        except MutationRejected as error:
            return [] if sync.anew else [phrases.refused(error.message, channel)]
        if self._lasting and channel not in self._channels:
            ledger.aside(lambda: ledger.pages.hold(self._name, channel, ledger.epoch, ledger.version))
        self._channels.add(channel)
        self._told[channel] = ledger.version
        records = Records(ledger.store, channel, sight)
        since = self._since(ledger, records, sync)
        if since is not None:
            rows = records.since(since)
            gone = list(filter(is_deleted, rows))
            return [*phrases.synced(channel, rows), *([phrases.update(channel, gone)] if gone else [])]
        whole = phrases.synced(channel, records.all())
        if not sync.since and not sync.anew:
            return whole
        gone = records.gone(0)  # what it holds is not known: all that is known to be gone
        return [phrases.delete_all(channel), *whole, *([phrases.update(channel, gone)] if gone else [])]

    @staticmethod
    def _since(ledger: Ledger, records: Records, sync: Sync) -> int | None:
        """The version from which on it lacks everything; None if it lacks all, or nobody knows (R4, R10)."""
        moment = records.moment(sync.since) if sync.since else None
        if moment is None:
            return None
        since = ledger.pages.since(moment.at, step=moment.step, exact=moment.exact)
        return since if since is not None and since >= ledger.horizon else None


def _changes(room: Room, channel: str, base: int, sight: Sight) -> tuple[list[Record], bytes]:
    """What has changed in a channel since a version, and the frame that says so: once for all of one sight."""
    key = (channel, base, sight.name)
    found: tuple[list[Record], bytes] | None = room.said.get(key)
    if found is None:
        records = Records(room.ledger.store, channel, sight).since(base)
        found = room.said[key] = (records, phrases.update(channel, records) if records else b"")
    return found


def _idle(room: Room, base: int) -> set[tuple[str, str]]:
    """In which channels, and by whom, something was done since a version that touched nothing: once for all."""
    found: set[tuple[str, str]] | None = room.said.get(base)
    if found is None:
        found = room.said[base] = room.ledger.pages.idle(base)
    return found


def _digest(owner: str, connection: str) -> str:
    """Whose page this is. Of two people who choose the same id neither is the other."""
    return hashlib.sha256(f"{owner}\0{connection}".encode(errors="backslashreplace")).hexdigest()[:32]
