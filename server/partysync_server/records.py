"""
Records: a table's rows as the ancestor of this library sends them, and the times by which it asks for them.

::

    [id, field, …, created_at, updated_at, deleted_at]      the last is null unless the row is deleted

Fields stand in the order of the columns. The three times are the table's own columns where it has them, and are sent as
they are. Where it has not, ``updated_at`` and ``deleted_at`` are when the turn ended that wrote or deleted the row, and
``created_at`` is the row's place among the others, for pages sort by it. Of a row that is gone there is a tombstone:
its id, its times, and null for the rest. Columns that somebody is not shown are null, so that the others stay in place.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from partysync_widget.core.messages import Column
from partysync_widget.core.schema import quote
from partysync_widget.core.sight import Sight
from partysync_widget.core.store import Store
from partysync_widget.core.stored_table import SECONDS_BELOW

TIMES = ("created_at", "updated_at", "deleted_at")
Kind = Literal["milliseconds", "seconds", "text", "datetime"]  # how a table writes its times
Record = tuple[Any, ...]

STEPS: dict[Kind, int] = {"milliseconds": 1, "seconds": 1000, "text": 1000, "datetime": 1}  # milliseconds
_WRITTEN: dict[Kind, str] = {
    "milliseconds": "{}",
    "seconds": "{} / 1000",
    "text": "strftime('%Y-%m-%d %H:%M:%S', {} / 1000.0, 'unixepoch')",
    "datetime": "strftime('%Y-%m-%dT%H:%M:%f000Z', {} / 1000.0, 'unixepoch')",
}
# The end of the turn that stamped a row. Of what was written before the first page came, or before the horizon, it is
# not known, and no page can have heard of a later one without it: the first that is known will do.
_STAMP = (
    "coalesce((SELECT ended FROM _partysync_turns WHERE version >= r.version ORDER BY version, ended LIMIT 1), "
    "(SELECT min(ended) FROM _partysync_turns))"
)


@dataclass(frozen=True)
class Moment:
    """What a page says it has heard up to, in milliseconds since 1970."""

    at: float
    step: int
    exact: bool


class Records:
    """One table as somebody with this sight is shown it. Made anew for each look at the store: a table may grow."""

    def __init__(self, store: Store, table: str, sight: Sight) -> None:
        self._store = store
        entry = store.table(table)
        hidden = sight.columns.get(table, frozenset())
        own = {name: entry.column(name) for name in TIMES if name in entry.names and name not in hidden}
        self._key = entry.key
        self._table = quote(table)
        self.kind: Kind = self._kind_of(own)
        self._timed = "updated_at" in own  # by whoever writes the rows
        stamp = _WRITTEN[self.kind].format(_STAMP)
        fields = [
            "NULL" if name in hidden else f"t.{quote(name)}"
            for name in entry.names
            if name not in TIMES or name in hidden
        ]
        default = {"created_at": "t.rowid", "updated_at": stamp, "deleted_at": "NULL"}
        times = [f"t.{quote(name)}" if name in own else default[name] for name in TIMES]
        self._live = f"SELECT {', '.join(['t.id', *fields, *times])}"
        self._dead = f"SELECT {', '.join(['r.id', *['NULL'] * len(fields), 'NULL', stamp, stamp])}"
        self._stands = "t.deleted_at IS NULL" if "deleted_at" in own else "true"

    def _kind_of(self, own: dict[str, Column]) -> Kind:
        """As the columns say that are there; milliseconds where nothing says otherwise."""
        for name in ("updated_at", "deleted_at", "created_at"):
            match own[name].type if name in own else None:
                case "text" | "choice" | "date":
                    return "text"
                case "datetime":
                    return "datetime"
                case "integer" | "real":
                    column = f"t.{quote(name)}"
                    some = f"SELECT {column} FROM {self._table} AS t WHERE {column} IS NOT NULL LIMIT 1"  # noqa: S608
                    found = self._store.execute(some).get
                    return "seconds" if found is not None and 0 < found < SECONDS_BELOW else "milliseconds"
                case _:
                    pass
        return "milliseconds"

    # --- rows -------------------------------------------------------------------------------------------------------

    def all(self) -> list[Record]:
        """Every row that is not deleted, in the order of insertion."""
        return self._fetch(
            f"{self._live} FROM {self._table} AS t LEFT JOIN _partysync_rows AS r ON r.tbl = ? AND r.id = t.id "
            f"WHERE {self._stands} ORDER BY t.rowid",
            self._key,
        )

    def since(self, version: int) -> list[Record]:
        """The net change after a version: rows as they are now, then tombstones. The horizon is the caller's to ask."""
        here = self._fetch(
            f"{self._live} FROM _partysync_rows AS r CROSS JOIN {self._table} AS t ON t.id = r.id "
            "WHERE r.tbl = ? AND r.version > ? AND r.dead = 0 ORDER BY r.version, t.rowid",
            self._key,
            version,
        )
        return here + self.gone(version)

    def gone(self, version: int) -> list[Record]:
        """Tombstones of what was deleted after a version."""
        return self._fetch(
            f"{self._dead} FROM _partysync_rows AS r WHERE r.tbl = ? AND r.version > ? AND r.dead = 1 "
            "ORDER BY r.version",
            self._key,
            version,
        )

    def of(self, ids: Iterable[str]) -> list[Record]:
        """These rows as they are now, tombstones of those that are gone."""
        found = []
        for id in ids:
            rows = self._fetch(
                f"{self._live} FROM {self._table} AS t LEFT JOIN _partysync_rows AS r ON r.tbl = ? AND r.id = t.id "
                "WHERE t.id = ?",
                self._key,
                id,
            ) or self._fetch(f"{self._dead} FROM _partysync_rows AS r WHERE r.tbl = ? AND r.id = ?", self._key, id)
            found += rows
        return found

    def at(self, version: int) -> list[str]:
        """Ids of the rows that were touched last by this version."""
        query = "SELECT id FROM _partysync_rows WHERE tbl = ? AND version = ?"
        return [id for (id,) in self._store.execute(query, (self._key, version))]

    def _fetch(self, query: str, *args: Any) -> list[Record]:
        found: list[Any] = self._store.execute(query, args).fetchall()
        return found

    # --- times ------------------------------------------------------------------------------------------------------

    def moment(self, given: Any) -> Moment | None:
        """``from`` as a page sent it, a number or text; None if it is neither.

        A table's own times are written while a turn runs and are as coarse as they are, so what has the same time is
        needed again. Ours are the ends of turns.
        """
        if isinstance(given, bool):
            return None
        if isinstance(given, int | float):
            in_seconds = abs(given) < SECONDS_BELOW
            step = 1000 if in_seconds and given == int(given) else 1
            return Moment(given * 1000.0 if in_seconds else float(given), step, exact=not self._timed)
        if not isinstance(given, str):
            return None
        try:
            moment = dt.datetime.fromisoformat(given.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
            at = moment.timestamp() * 1000
        except (ValueError, OverflowError):
            return None
        step = 1 if moment.microsecond else 1000
        return Moment(at, step, exact=False)


def is_deleted(record: Record) -> bool:
    return record[-1] is not None
