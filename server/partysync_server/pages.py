"""
Pages: what a room's file remembers for those that speak the ancestor's dialect.

Their protocol has no versions, no numbered mutations and no second hello. So the file keeps, in the transactions of the
turns themselves, when each turn ended, which actions are decided, and what a page held when it asked. A room that no
page has ever been in keeps none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from partysync_widget.core.store import Store

MOST_IDS = 1_000  # of rows that one action touched, and that are kept; of more it is the version
MOST_PAGES = 10_000  # that are remembered, the latest
PAGE_MS = 7 * 86_400_000  # after which nobody comes back under the same connection id


class Action(NamedTuple):
    """A call that came in the dialect: whose, under which id, and of which table its author wants to be told."""

    page: str
    id: str
    channel: str


class Outcome(NamedTuple):
    """What became of one. ``ids``: rows it touched in its channel; None: those that stand at ``version``."""

    version: int
    ids: list[str] | None
    refusal: str | None


class Held(NamedTuple):
    """What a page had of a channel when it first asked for it."""

    channel: str
    epoch: str
    version: int


class Pages:
    """See the module. All of it is to be called between turns or as part of one; ``clock`` gives seconds since 1970."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_partysync_turns'"
        self.kept = bool(store.execute(there).get)  # whether any page has ever been here
        self._last = (store.execute("SELECT max(ended) FROM _partysync_turns").get or 0) if self.kept else 0

    def begin(self, version: int) -> None:
        """A first page is about to come. Part of a transaction."""
        if not self.kept:
            self._store.execute(files(__package__).joinpath("pages.sql").read_text())
            self.kept = True
            self._line(version, opened=0)

    def opened(self, version: int) -> None:
        """The file is opened again. Part of a transaction."""
        if self.kept:
            self._line(version, opened=1)

    def ended(self, version: int) -> None:
        """A turn is about to be committed."""
        if self.kept:
            self._line(version, opened=0)

    def _line(self, version: int, *, opened: int) -> None:
        """Times only grow, whatever the clock does: then what came later is found behind what came before."""
        self._last = max(int(self._clock() * 1000), self._last + 1)
        line = (self._last, version, opened)
        self._store.execute("INSERT INTO _partysync_turns (ended, version, opened) VALUES (?, ?, ?)", line)

    # --- times ------------------------------------------------------------------------------------------------------

    def since(self, moment: float, *, step: int, exact: bool) -> int | None:
        """The version that whoever has heard all up to ``moment`` holds at least; None if that cannot be said.

        ``step`` is how fine its clock is, both in milliseconds. ``exact``: the moment is the very end of a turn, and
        what that turn brought is not needed again.
        """
        if moment > max(self._last, self._clock() * 1000) + step:
            return None  # of a history that was replaced, or another clock
        compare = "<=" if exact else "<"
        before = self._one(f"WHERE ended {compare} ? ORDER BY ended DESC LIMIT 1", moment)
        after = self._one("WHERE ended > ? ORDER BY ended LIMIT 1", before[0] if before else -1)
        if before is None:
            return 0
        if after is not None and after[2] and before[0] + step < moment <= after[0] - step:
            return None  # while the file was closed: nobody was told anything of this history then
        return before[1]

    def _one(self, where: str, *args: Any) -> tuple[int, int, int] | None:
        query = f"SELECT ended, version, opened FROM _partysync_turns {where}"  # noqa: S608  # ours
        found: Any = self._store.execute(query, args).fetchone()
        return None if found is None else (found[0], found[1], found[2])

    # --- actions ----------------------------------------------------------------------------------------------------

    def outcome(self, page: str, id: str) -> Outcome | None:
        """What became of an action; None if it is not decided."""
        query = "SELECT version, ids, refusal FROM _partysync_actions WHERE page = ? AND id = ?"
        found: Any = self._store.execute(query, (page, id)).fetchone()
        if found is None:
            return None
        version, ids, refusal = found
        return Outcome(version, None if ids is None else msgspec.json.decode(ids), refusal)

    def accepted(self, action: Action, version: int, named: list[str] | None = None) -> None:
        """It has run, as ``version``. Part of a turn, in the savepoint of what it did.

        ``named``: the rows that its author is to be told of, if it says so itself; else those that it has touched.
        """
        if named is not None and len(named) <= MOST_IDS:
            self._keep(action, version, msgspec.json.encode(named).decode(), None)
            return
        key = self._store.table(action.channel).key
        query = "SELECT id FROM _partysync_rows WHERE tbl = ? AND version = ? LIMIT ?"
        ids = [id for (id,) in self._store.execute(query, (key, version, MOST_IDS + 1))]
        self._keep(action, version, None if len(ids) > MOST_IDS else msgspec.json.encode(ids).decode(), None)

    def rejected(self, action: Action, version: int, refusal: str) -> None:
        """It was refused, as ``version``. Part of a turn."""
        self._keep(action, version, "[]", refusal)

    def _keep(self, action: Action, version: int, ids: str | None, refusal: str | None) -> None:
        self._store.execute(
            "INSERT INTO _partysync_actions (page, id, version, channel, ids, refusal) VALUES (?, ?, ?, ?, ?, ?)",
            (action.page, action.id, version, action.channel, ids, refusal),
        )

    def idle(self, base: int) -> set[tuple[str, str]]:
        """Of actions after version ``base`` that were accepted and touched nothing: their channels, and whose."""
        query = "SELECT channel, page FROM _partysync_actions WHERE version > ? AND ids = '[]' AND refusal IS NULL"
        return {(channel, page) for channel, page in self._store.execute(query, (base,))}

    # --- what pages hold --------------------------------------------------------------------------------------------

    def hold(self, page: str, channel: str, epoch: str, version: int) -> None:
        """It has asked for the channel. The first time counts: whoever comes by the same name later takes nothing away.

        Part of a transaction.
        """
        now = int(self._clock() * 1000)
        self._store.execute("DELETE FROM _partysync_pages WHERE asked < ?", (now - PAGE_MS,))
        self._store.execute(
            "DELETE FROM _partysync_pages WHERE asked < "
            "(SELECT asked FROM _partysync_pages ORDER BY asked DESC LIMIT 1 OFFSET ?)",
            (MOST_PAGES,),
        )
        self._store.execute(
            "INSERT INTO _partysync_pages (page, channel, epoch, version, asked) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (page, channel, epoch, version, now),
        )

    def held(self, page: str) -> list[Held]:
        """All that it has asked for."""
        query = "SELECT channel, epoch, version FROM _partysync_pages WHERE page = ?"
        return [Held(*line) for line in self._store.execute(query, (page,))] if self.kept else []

    def forget(self, horizon: int) -> None:
        """Up to which tombstones are forgotten: so may be the rest. Part of a turn."""
        if self.kept:
            self._store.execute(
                "DELETE FROM _partysync_turns WHERE ended < "
                "(SELECT max(ended) FROM _partysync_turns WHERE version <= ?)",
                (horizon,),
            )
            self._store.execute("DELETE FROM _partysync_actions WHERE version <= ?", (horizon,))
