"""
A batch: the edits of one ``with room.batch()``, which are kept together or not at all.
"""

from __future__ import annotations

from typing import Any

from .receipt import Receipt


class Batch:
    """The edits of one ``with room.batch()``; ``receipt`` is theirs together."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, dict[str, Any]]] = []
        self.receipt = Receipt("batch")

    def add(self, name: str, args: dict[str, Any], id: str | None) -> Receipt:
        """Take one edit; its receipt is decided with the batch."""
        self.steps.append((name, args))
        part = Receipt(name, id=id)
        part.follow(self.receipt)
        return part
