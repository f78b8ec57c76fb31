"""
Places: where the rows stand that pending edits insert, known without a look at each.

SQLite gives a new row the place after the last (sqlite.org/autoinc.html). So rows that are inserted over a base follow
it one by one, as long as nothing else that is pending adds rows or takes any away. They move when the base ends
elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .store import Store
    from .view import Pending

ORDERLY = frozenset({"insert", "update"})  # with nothing but these pending, inserted rows stand one by one


class Places:
    """Of the rows that ``pending`` inserts while the base moves. Made when the store shows the base alone."""

    def __init__(self, store: Store, pending: Sequence[Pending]) -> None:
        self._inserted = _inserted(pending)
        self._ends = self._ends_in(store)
        self._before = self._places(self._inserted)

    def based(self, store: Store) -> None:
        """The base has moved, and is again all that the store shows."""
        self._ends = self._ends_in(store)

    def moved(self, pending: Sequence[Pending] | None) -> dict[str, set[str]]:
        """Ids of the rows that stand elsewhere now, by table; ``pending`` is what is left of it, replayed.

        None: it is all there and makes the same rows.
        """
        after = self._places(self._inserted if pending is None else _inserted(pending)) if self._inserted else {}
        return {
            name: {id for id, place in places.items() if self._before[name].get(id) != place}
            for name, places in after.items()
            if places != self._before[name]
        }

    def _places(self, inserted: dict[str, list[str]]) -> dict[str, dict[str, int]]:
        ends = self._ends
        return {name: dict(zip(ids, itertools.count(ends[name] + 1), strict=False)) for name, ids in inserted.items()}

    def _ends_in(self, store: Store) -> dict[str, int]:
        """The last place in each table that is inserted into."""
        return {name: store.execute(store.tables[name].end_sql).get for name in self._inserted}


def _inserted(pending: Sequence[Pending]) -> dict[str, list[str]]:
    """Ids of the rows that inserts make, in that order, by table."""
    ids: dict[str, list[str]] = {}
    for each in pending:
        if each.shown and each.mutation.name == "insert":
            for one in each.statements:
                ids.setdefault(one.entry.spec.name, []).append(one.id)
    return ids
