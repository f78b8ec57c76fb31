"""
Lanes: mutations that are set aside, because an action of the same client before them takes its time (R5).

::

    queue ─▶ [action] ── set aside ─▶ its lane ── begun ─▶ … ─▶ ready ─▶ queue ─▶ decided
             [another of that client] ──────────▶ behind it ──────────────▶ queue, in order, before all others
             [of another client] ─▶ decided meanwhile

``holds`` and ``set_aside`` are for the turn, the others for between two turns: what a turn sets aside is in its lane
when the turn is durable, and not before. So a turn that is lost leaves the lanes as they were.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """See the module. A lane is there as long as the action at its head is not decided."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[T]] = {}
        self._weights: dict[str, int] = {}
        self._aside: list[tuple[str, T, int]] = []  # by the open turn
        self._new: set[str] = set()  # lanes that it begins
        self.heads: list[T] = []  # actions to be begun

    # --- in a turn ------------------------------------------------------------------------------------------------

    def holds(self, lane: str) -> bool:
        """Whether whatever comes in that lane has to wait."""
        return lane in self._lanes or lane in self._new

    def set_aside(self, lane: str, one: T, size: int) -> None:
        """It waits, or it is the action that is to be waited for; ``size`` is in bytes."""
        if lane not in self._lanes:
            self._new.add(lane)
        self._aside.append((lane, one, size))

    # --- between two turns ----------------------------------------------------------------------------------------

    def passed(self, decided: list[str]) -> list[T]:
        """The turn is durable, and the heads of these lanes are decided. What waited behind them, in order."""
        for lane, one, size in self._aside:
            self._weights[lane] = self._weights.get(lane, 0) + size
            found = self._lanes.setdefault(lane, deque())
            if not found:
                self.heads.append(one)
            found.append(one)
        self.forget()
        return [one for lane in decided for one in self.leave(lane)]

    def forget(self) -> None:
        """What the turn has set aside is in no lane."""
        self._aside.clear()
        self._new.clear()

    def leave(self, lane: str) -> list[T]:
        """The lane is no more. What waited in it, behind its head."""
        self._weights.pop(lane, None)
        found = self._lanes.pop(lane, deque())
        return [*found][1:]

    def behind(self, lane: str) -> int:
        """How many are in that lane, its head among them."""
        return len(self._lanes.get(lane, ()))

    def weight(self, lane: str) -> int:
        """Their bytes."""
        return self._weights.get(lane, 0)

    @property
    def waiting(self) -> list[T]:
        """All that wait, in any lane."""
        return [one for lane in self._lanes.values() for one in lane]

    @property
    def busy(self) -> bool:
        """Whether anything waits in any."""
        return bool(self._lanes)
