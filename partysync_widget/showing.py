"""
Showing: what we let others see of ourselves, presence and drafts, and how much of it the room was told (R11).

The room forgets drafts when we greet it, and everything with the line; so all of it is kept here, and told again.
"""

from __future__ import annotations

from typing import Any

from .core import messages as m
from .core.codec import encode, plain
from .core.errors import MutationRejected
from .core.replica import Replica

UNDECIDED_ROWS = 50  # of one table, of an edit that the room is slow to decide
UNDECIDED_EDITS = 8  # shown at a time
NAME_LENGTH = 256  # of what the protocol calls a name


class Showing:
    """See the module. Not thread-safe: the connection holds its lock around every call.

    Nothing here is ever refused: what cannot travel is not shown.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._state: dict[str, Any] = {}  # what the user presents
        self._place: dict[str, Any] | None = None  # where they are
        self._presence: dict[str, Any] = {}  # what the room was told of both, on this line
        self._drafts: dict[str, m.Draft] = {}  # by key, those that are not over
        self._told: set[str] = set()  # keys that the room has of us
        self._untold: dict[str, None] = {}  # keys to be told, in order
        self._undecided: set[int] = set()  # mutations that we show because the room is slow
        self._late = 0  # mutations up to this one should have been decided by now

    def present(self, state: dict[str, Any]) -> None:
        """Show ``state`` from now on."""
        self._state = state

    def look(self, place: dict[str, Any] | None) -> None:
        """Be at ``place``, or nowhere."""
        self._place = place

    def draft(self, key: str, table: str, rows: dict[str, Any], mid: int) -> None:
        """Show, under ``key``, what ``rows`` would be; with none, it is over. As many of them as a frame takes."""
        try:
            plain([key, table])
            rows = plain(rows)
        except MutationRejected:
            rows = {}
        draft = m.Draft(key, table, rows, mid)
        if max(len(key), len(table)) > NAME_LENGTH or 0 < mid <= self._replica.settled_mid:
            draft.rows = {}
        while draft.rows and len(encode(draft, "json")) > m.DRAFT_BYTES:
            draft.rows = dict(list(draft.rows.items())[: len(draft.rows) // 2])
        if draft.rows:
            self._drafts[key] = draft
        else:
            self._drafts.pop(key, None)
        self._untold[key] = None

    def late(self, mid: int) -> None:
        """Our mutations up to ``mid`` were sent a while ago: those that are undecided are shown from now on."""
        self._late = max(self._late, mid)

    # --- the room ---------------------------------------------------------------------------------------------------

    def dialled(self) -> None:
        """There is a new line; at its other end nobody knows of us."""
        self._presence = {}

    def greeted(self) -> None:
        """Hello was sent: our drafts are over there."""
        self._told.clear()
        self._late = 0
        self._untold = dict.fromkeys(self._drafts)

    def renumbered(self) -> None:
        """What is pending has other mids: what we showed of it is out of date."""
        self._forget([key for key, draft in self._drafts.items() if draft.mid])
        self._undecided.clear()
        self._late = 0

    def due(self) -> list[m.Up]:
        """What the room has not been told yet, and is told now. Ask only when live."""
        settled = self._replica.settled_mid
        self._forget([key for key, draft in self._drafts.items() if 0 < draft.mid <= settled])
        self._show_undecided()
        frames: list[m.Up] = []
        if (state := self._merged()) != self._presence:
            self._presence = state
            frames.append(m.Presence(state))
        for key in self._untold:
            if key not in self._drafts:
                if key in self._told:
                    self._told.discard(key)
                    frames.append(m.Draft(key))
            elif key in self._told or len(self._told) < m.MOST_DRAFTS:
                self._told.add(key)
                frames.append(self._drafts[key])
        self._untold.clear()
        return frames

    def _merged(self) -> dict[str, Any]:
        merged = self._state if self._place is None else {**self._state, "at": self._place}
        fits = merged is self._state or len(encode(m.Presence(merged), "json")) <= m.PRESENCE_BYTES
        return merged if fits else self._state

    def _show_undecided(self) -> None:
        self._undecided = {mid for mid in self._undecided if mid > self._replica.settled_mid}
        for pending in self._replica.pending:
            mid = pending.mutation.mid
            if mid > self._late or len(self._undecided) == UNDECIDED_EDITS:
                break
            if mid not in self._undecided and all(draft.mid != mid for draft in self._drafts.values()):
                self._undecided.add(mid)
                for table, rows in self._replica.rows_of(pending, UNDECIDED_ROWS).items():
                    self.draft(f"m{mid}-{table}", table, rows, mid)

    def _forget(self, keys: list[str]) -> None:
        """These ended in a delta, or with a hello: the room knows."""
        for key in keys:
            del self._drafts[key]
            self._told.discard(key)
            self._untold.pop(key, None)
