"""
An audience: who is told of what a step changed, on the I/O thread and in one order (R8).

Followers first (widgets and observers), then receipts: whoever hears a receipt finds the view as it says.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .core.errors import OutcomeUnknown
from .core.messages import Mutation
from .core.view import Settled, Step
from .receipt import Receipt

log = logging.getLogger("partysync")


@dataclass(frozen=True)
class Changes:
    """What one step changed of one table. ``reset``: columns, or everything; ``settled``: our edits, decided.

    ``authors``: clients of others, by the row they wrote, as far as that is known.
    """

    ids: frozenset[str]
    reset: bool
    settled: tuple[Settled, ...]
    authors: Mapping[str, str] = field(default_factory=dict)


Follower = Callable[[Changes], object]


class Subscription:
    """Somebody who is told; ``close`` ends it."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def close(self) -> None:
        """Hear no more."""
        self._close()


class Audience:
    """The followers of one room, and the receipts that wait for its word."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followers: tuple[tuple[str | None, Callable[[], Follower | None]], ...] = ()
        self._receipts: dict[int, Receipt] = {}  # by ticket

    def follow(self, table: str | None, function: Follower) -> Subscription:
        """Call ``function`` after each step that concerns ``table``, or with None any table.

        A method is held weakly, so that a room keeps no widget alive.
        """
        weak = hasattr(function, "__self__")
        entry = (table, weakref.WeakMethod(function) if weak else lambda: function)
        with self._lock:
            self._followers = (*self._followers, entry)

        def close() -> None:
            with self._lock:
                self._followers = tuple(other for other in self._followers if other is not entry)

        return Subscription(close)

    def expect(self, ticket: int, receipt: Receipt) -> None:
        """``receipt`` is of the mutation with that ticket."""
        self._receipts[ticket] = receipt

    def tell(self, step: Step) -> None:
        """Say what a step changed and decided."""
        settled = tuple(step.settled)
        if step.changed or step.reset or settled or step.peers or step.drafts:
            for table, reference in self._followers:
                if (follower := reference()) is None:
                    continue
                ids = step.changed.get(table, set()) if table is not None else set().union(*step.changed.values())
                try:
                    follower(Changes(frozenset(ids), step.reset, settled, step.authors.get(table or "", {})))
                except Exception:  # one follower's mistake is not the others'
                    log.exception("A follower of %s failed", table)
        for each in settled:
            if (receipt := self._receipts.pop(each.ticket, None)) is not None:
                receipt.settle(each.value, each.error)

    def dismiss(self, room: str, reason: str, pending: dict[int, Mutation]) -> None:
        """The room will say no more: no receipt is left waiting."""
        for ticket, receipt in self._receipts.items():
            args = pending[ticket].args if ticket in pending else {}
            text = f"The room {room!r} has not said what became of {receipt.name}: {reason}."
            receipt.settle(None, OutcomeUnknown(text, receipt.name, args))
        self._receipts.clear()
