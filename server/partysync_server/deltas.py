"""
Deltas: what has changed since a version, as frames, worked out and encoded once for all who hold that version (R12).
"""

from __future__ import annotations

from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format, encode
from partysync_widget.core.sight import Sight

from .ledger import Ledger
from .parts import PART_BYTES, in_parts
from .session import Session


class Deltas:
    """Those of one room, all up to the version that it is at. At another, ``forget`` them."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, Format, str, str], list[bytes]] = {}

    def of(self, ledger: Ledger, base: int, session: Session) -> list[bytes]:
        """The frames from version ``base`` to now.

        Who is not shown everything hears of no results but their own, for in them could be what is hidden (R13).
        """
        sight = session.sight
        client = "" if sight.whole else session.client
        key = (base, session.format, sight.name, client)
        frames = self._frames.get(key)
        if frames is None:
            frames = self._frames[key] = _made(ledger.delta(base), session.format, sight, client)
        return frames

    def forget(self) -> None:
        self._frames.clear()


def _made(delta: m.Delta, format: Format, sight: Sight, client: str) -> list[bytes]:
    if not sight.whole:
        delta.tables, delta.schema = sight.changes(delta.tables), sight.specs(delta.schema)
        delta.results = [result for result in delta.results if result.client == client]
    whole = encode(delta, format)
    if len(whole) <= PART_BYTES:
        return [whole]
    parts = in_parts(delta.tables, [], format)
    begin = m.Begin(delta.epoch, delta.base, delta.schema)
    end = m.End(delta.version, delta.acks, delta.results, len(parts))
    return [encode(begin, format), *parts, encode(end, format)]
