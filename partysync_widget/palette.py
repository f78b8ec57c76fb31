"""
The palette: a colour for each person, the same at every sight of them.

Every one has a contrast of 3:1 or more against white and against #111 (WCAG 2.2, 1.4.11), and any two are at least 15
apart (CIE76), also to eyes that do not tell red from green: found by search, held by tests/client/test_palette.py.
"""

from __future__ import annotations

from zlib import crc32

COLORS = (
    "#1e96ff", "#e1781e", "#8700ff", "#1ea596", "#e14b78", "#695a87",
    "#b44b1e", "#ff00f0", "#c3875a", "#963cb4", "#964b3c", "#d269c3",
)  # fmt: skip


def pick(seed: str) -> str:
    """The colour of ``seed``, as ``#rrggbb``."""
    return COLORS[crc32(seed.encode()) % len(COLORS)]
