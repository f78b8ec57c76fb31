"""
Counts: what has happened since the server started, as numbers that only grow. Kept by whoever does it, read by metrics.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# Seconds of a turn with its commit: from an fsync of a good disk to one that somebody should look after.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@dataclass
class Durations:
    """How long something took, in buckets; the last is for whatever took longer."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        place = 0
        while place < len(BOUNDS) and seconds > BOUNDS[place]:
            place += 1
        self.buckets[place] += 1
        self.total += seconds


@dataclass
class Counts:
    """Of one server. Touched on the event loop only."""

    accepted: int = 0  # mutations
    rejected: int = 0
    turns: Durations = field(default_factory=Durations)
    failures: int = 0  # turns that failed, and were tried again or given up
    frames_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    sessions: int = 0  # ever opened
    slowed: float = 0.0  # seconds for which frames of fast senders were not read
    refused: Counter[str] = field(default_factory=Counter)  # requests, by kind of refusal
