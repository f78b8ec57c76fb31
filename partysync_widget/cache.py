"""
A cache: what of a room outlives the kernel. Edits that the room has not decided, and a copy of its rows.

Two files, because they are worth different things: the outbox is written before ``mutate`` returns and survives power
loss; the rows can be fetched again, and only save the time. An edit leaves the outbox before the rows move on, so a
crash between the two is a duplicate that the room knows (R5), and never a loss.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import apsw
import msgspec

from .core import messages as m
from .core.claim import Claim
from .core.errors import PartySyncError, SchemaMismatch, StorageFailed
from .core.replica import Replica
from .core.store import Store
from .core.view import Pending, Step

OUTBOX = """
CREATE TABLE IF NOT EXISTS identity (  -- one line: whose edits these are
    room    TEXT NOT NULL,
    party   TEXT NOT NULL,
    client  TEXT NOT NULL,             -- the id under which the room knows us
    settled INTEGER NOT NULL           -- the last mid that is decided
) STRICT;
CREATE TABLE IF NOT EXISTS outbox (    -- edits that are not decided
    mid      INTEGER PRIMARY KEY,
    mutation TEXT NOT NULL             -- messages.Mutation as JSON
) STRICT;
"""


class Cache:
    """The files behind ``connect(…, cache=path)``, for one kernel at a time. Used under the connection's lock."""

    def __init__(self, path: Path, replica: Replica, room: str) -> None:
        path = path.expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock, who = path.with_name(f"{path.name}.lock"), f"the kernel with process id {os.getpid()}"
            self._claim = Claim(lock, who, what=f"The cache {path}")
            self._outbox = apsw.Connection(os.fspath(path))
            self._outbox.execute("PRAGMA journal_mode=WAL")  # one statement a call: apsw stops at the first row
            self._outbox.execute("PRAGMA synchronous=FULL")
            self._outbox.execute(OUTBOX)
        except (apsw.Error, OSError) as error:
            raise StorageFailed(f"The cache {path} cannot be opened: {error}. Use another path.") from None
        self._rows_path = path.with_name(f"{path.name}-rows")
        self._rows: Store | None = None
        self._adopt(replica, room)

    def _adopt(self, replica: Replica, room: str) -> None:
        """Give the replica what an earlier kernel left, or begin."""
        identity = self._outbox.execute("SELECT room, party, client, settled FROM identity").fetchone()
        if identity is None:
            line = (room, replica.party.name, replica.client, 0)
            self._outbox.execute("INSERT INTO identity (room, party, client, settled) VALUES (?, ?, ?, ?)", line)
            return
        if identity[:2] != (room, replica.party.name):
            self.close()
            raise SchemaMismatch(
                f"This cache holds the room {identity[0]!r} of party {identity[1]!r}, not {room!r} of "
                f"{replica.party.name!r}. Give each room a path of its own."
            )
        mutations = [
            msgspec.json.decode(mutation, type=m.Mutation)
            for (mutation,) in self._outbox.execute("SELECT mutation FROM outbox ORDER BY mid")
        ]
        with contextlib.suppress(PartySyncError, apsw.Error):  # without rows the room sends them again
            if self._rows_path.exists():
                rows = apsw.Connection(os.fspath(self._rows_path))
                replica.adopt_base(rows)
                rows.close()
        replica.adopt_pending(identity[2], identity[3], mutations)

    def added(self, pending: Pending) -> None:
        """An edit was made; it is on disk when this returns."""
        self._outbox.execute(
            "INSERT INTO outbox (mid, mutation) VALUES (?, ?)",
            (pending.mutation.mid, msgspec.json.encode(pending.mutation).decode()),
        )

    def settled(self, step: Step, replica: Replica) -> None:
        """Forget what is decided, before anything else of the step counts."""
        if not (step.settled or step.renumbered):
            return
        with self._outbox:
            self._outbox.execute("UPDATE identity SET client = ?, settled = ?", (replica.client, replica.settled_mid))
            if step.renumbered:
                self._outbox.execute("DELETE FROM outbox")
                for pending in replica.pending:
                    self.added(pending)
            else:
                self._outbox.execute("DELETE FROM outbox WHERE mid <= ?", (replica.settled_mid,))

    def moved(self, step: Step, replica: Replica) -> None:
        """Follow the base."""
        if step.rebased or (step.based and self._rows is None):
            self._forget_rows()
            connection = apsw.Connection(os.fspath(self._rows_path))
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            replica.copy_base(connection)
            self._rows = Store(connection, replica.shape)
        elif step.based and self._rows is not None:
            self._rows.savepoint("moved")  # on an error the connection is closed, and this with it
            for delta in step.based:
                self._rows.apply(delta.tables, delta.schema)
            self._rows.version = step.based[-1].version
            self._rows.set_meta("epoch", replica.epoch)
            self._rows.release("moved")

    def _forget_rows(self) -> None:
        if self._rows is not None:
            self._rows.close()
        for suffix in ("", "-wal", "-shm"):
            self._rows_path.with_name(self._rows_path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()
        self._outbox.close()
        self._claim.release()
