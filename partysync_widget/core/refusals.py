"""
SQLite's errors as sentences about a person's edit; and which of them are about the disk instead.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import apsw

from .errors import MutationRejected

STORAGE_ERRORS: tuple[type[apsw.Error], ...] = (
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.NoMemError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
    apsw.NoLFSError,
)
"""Not the edit's fault; some roll the whole transaction back, so none is a rejection (sqlite.org/lang_transaction)."""

_CONSTRAINTS = (
    (
        r"UNIQUE constraint failed: (\w+)\.id",
        r"There is a row with this id in \1 already. Update it, or use another.",
    ),
    (r"UNIQUE constraint failed: (.*)", r"Another row has this value already, and \1 must differ between rows."),
    (r"NOT NULL constraint failed: (.*)", r"\1 must have a value."),
    (r"CHECK constraint failed: (.*)", r"The table's rule is not kept: \1."),
    (
        r"FOREIGN KEY constraint failed",
        r"A row that this refers to is missing, or another row still refers to this one.",
    ),
    (r"cannot store (\w+) value in (\w+) column (.*)", r"\3 is kept as \2, and \1 was written to it."),
)


def explain(mutator: str, error: apsw.Error) -> MutationRejected:
    """What SQLite refused, as a rejection that a person can act on."""
    text = str(error)
    if not isinstance(error, apsw.ConstraintError):
        return MutationRejected("bad-sql", f"The SQL of {mutator} failed: {text}.")
    for pattern, sentence in _CONSTRAINTS:
        if match := re.fullmatch(pattern, text, re.DOTALL):
            return MutationRejected("constraint", match.expand(sentence))
    return MutationRejected("constraint", f"{mutator} was refused: {text}.")


@contextlib.contextmanager
def explain_query(query: str) -> Iterator[None]:
    """SQLite's words about a person's query, as one sentence."""
    try:
        yield
    except apsw.Error as error:
        raise MutationRejected("bad-sql", f"This SQL does not work: {error}. It was: {query!r:.200}") from None
