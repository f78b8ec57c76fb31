"""
Authors: which client made which of the last versions. In memory only: after a restart nobody knows (R11).
"""

from __future__ import annotations

from bisect import bisect_right

KEPT_RUNS = 20_000  # of versions by one client in a row


class Authors:
    """Runs of versions, each by one client. Versions are added in order, without a gap."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._clients: list[str] = []

    def add(self, version: int, client: str) -> None:
        """``version`` is by ``client``."""
        if self._clients and self._clients[-1] == client:
            return
        self._starts.append(version)
        self._clients.append(client)
        if len(self._starts) > 2 * KEPT_RUNS:
            del self._starts[:-KEPT_RUNS], self._clients[:-KEPT_RUNS]

    def of(self, version: int) -> str:
        """Who made it; empty if that is not known."""
        run = bisect_right(self._starts, version)
        return self._clients[run - 1] if run else ""

    def of_all_after(self, base: int) -> str:
        """Who alone made every version after ``base``; empty if they were several, or nobody knows."""
        return self._clients[-1] if self._starts and self._starts[-1] <= base + 1 else ""
