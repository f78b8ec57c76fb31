"""
A guard: runs other people's SQL on a store's connection, and nothing beyond what it may do.

SQLite asks the authorizer when it prepares a statement, not when it runs one from the cache, so such SQL is marked with
a comment that keeps its text apart from ours (sqlite.org/c3ref/set_authorizer.html).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

import apsw

from .columns import bind
from .errors import MutationRejected
from .schema import RESERVED

_READS = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
_WRITES = _READS | {apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE}
_BUILDS = _WRITES | {
    apsw.SQLITE_CREATE_TABLE,
    apsw.SQLITE_CREATE_INDEX,
    apsw.SQLITE_CREATE_TRIGGER,
    apsw.SQLITE_CREATE_VIEW,
    apsw.SQLITE_DROP_TABLE,
    apsw.SQLITE_DROP_INDEX,
    apsw.SQLITE_DROP_TRIGGER,
    apsw.SQLITE_DROP_VIEW,
    apsw.SQLITE_ALTER_TABLE,
    apsw.SQLITE_REINDEX,  # CREATE INDEX asks for it
}

# A conflict clause can take back the turn of everybody, and a name of ours could pass for a trigger of ours: neither is
# seen by the authorizer.
_FORBIDDEN = re.compile(rf"\bROLLBACK\b|{RESERVED}", re.IGNORECASE)


LONG_SQL = 4_000  # characters of a query that is not kept in mind
MOST_ROWS = 1_000_000  # that a mutator's SQL gives at once

_COMMENTS = re.compile(r"(\s|;|--[^\n]*(\n|$)|/\*.*?(\*/|$))*", re.DOTALL)


@functools.lru_cache(maxsize=256)
def _marked(query: str, whose: str) -> str:
    """The text as it is run. Raises MutationRejected('forbidden')."""
    if word := _FORBIDDEN.search(query):
        raise MutationRejected(
            "forbidden", f"SQL here cannot say {word[0]}: {query!r:.200}. A value goes through ?, not into the text."
        )
    return f"/* {whose}.sql */ {query}"


class _OneStatement:
    """Lets the first statement run. Only that is marked; the text of a second could be one of ours."""

    def __init__(self) -> None:
        self._ran = False

    def __call__(self, _cursor: object, query: str, _bindings: object) -> bool:
        if self._ran and not _COMMENTS.fullmatch(query):
            raise MutationRejected("bad-sql", f"One statement at a time, please; this is a second: {query!r:.200}.")
        self._ran = True
        return True


class Guard:
    """The authorizer of one connection. Our own SQL passes; a guarded one may read, or read and write rows."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._allowed: set[int] | None = None  # while somebody else's SQL runs
        connection.authorizer = self._authorize

    def run(self, query: str, args: Sequence[Any], *, write: bool) -> list[dict[str, Any]]:
        """Rows as dicts. Raises MutationRejected('forbidden') for more than it may do, apsw.Error for bad SQL."""
        mark = _marked if len(query) < LONG_SQL else _marked.__wrapped__
        marked = mark(query, "tx" if write else "room")
        try:
            self._allowed = _WRITES if write else _READS
            cursor = self._connection.cursor()
            cursor.exec_trace = _OneStatement()
            cursor.execute(marked, tuple(map(bind, args)))
            try:
                names = [name for name, *_ in cursor.get_description()]
            except apsw.ExecutionCompleteError:
                return []
            rows = [dict(zip(names, row, strict=True)) for row in islice(cursor, MOST_ROWS + 1 if write else None)]
        except apsw.AuthError:
            does = "read and write rows of its tables" if write else "read"
            raise MutationRejected(
                "forbidden", f"SQL here can only {does}: {query!r:.200}. Change rows and tables with mutators."
            ) from None
        finally:
            self.off()
        if write and len(rows) > MOST_ROWS:
            raise MutationRejected(
                "too-large", f"This SQL gives more than {MOST_ROWS:,} rows: {query!r:.200}. Let SQL sum them up."
            )
        return rows

    def build(self, script: str) -> None:
        """Run a party's own statements, which make and change tables and rows, and stay in our transaction.

        Raises MutationRejected('forbidden'), or apsw.Error.
        """
        try:
            self._allowed = _BUILDS
            # Never from the cache, where one of ours with the same text has been let through; and past the first row.
            for _ in self._connection.cursor().execute(script, can_cache=False):
                pass
        except apsw.AuthError:
            raise MutationRejected(
                "forbidden",
                "its SQL can make, change and drop tables, indexes, triggers and views, and change rows; it has no "
                "BEGIN, COMMIT, PRAGMA, ATTACH, TEMP or VIRTUAL",
            ) from None
        finally:
            self.off()

    def off(self) -> None:
        """What runs next is ours."""
        self._allowed = None

    def _authorize(
        self, action: int, one: str | None, two: str | None, _schema: str | None, trigger: str | None
    ) -> int:
        if self._allowed is None or (trigger or "").startswith(RESERVED):
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_PRAGMA and one == "quick_check" and self._allowed is _BUILDS:
            return apsw.SQLITE_OK  # ALTER TABLE … ADD COLUMN asks whether the rows keep a new CHECK
        if action not in self._allowed or (one or "").lower().startswith(RESERVED):
            return apsw.SQLITE_DENY
        if action == apsw.SQLITE_FUNCTION and two == "load_extension":
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    def close(self) -> None:
        """Let go of the connection, which otherwise holds us as we hold it."""
        self._connection.authorizer = None
