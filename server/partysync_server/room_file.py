"""
A room's file: opened, checked, folded and closed, by one process at a time.

One process has the file (``locking_mode=EXCLUSIVE``). WAL with ``synchronous=FULL``; no checkpoint inside COMMIT, for
an error there comes after the commit has happened (sqlite.org/c3ref/wal_hook.html); a checkpoint at every opening, so
that nothing acknowledged depends on a log whose fsync has failed before (Rebello et al., USENIX ATC 2020).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from partysync_widget.core.errors import SchemaMismatch, StorageFailed
from partysync_widget.core.party import Party
from partysync_widget.core.refusals import STORAGE_ERRORS
from partysync_widget.core.store import Store

from .files import FILES, Files, Look
from .migrating import migrate
from .pages import Pages
from .witness import FRAME_HEADER, RESTORE, Damaged, Witness

DISK_ERRORS: tuple[type[Exception], ...] = (*STORAGE_ERRORS, OSError)
MOST_PATTERN = 1_000  # bytes of a LIKE or GLOB: it is held against a text at a stroke, and no clock is asked meanwhile
PAGE_BYTES = 2_048  # of a file that is made: an edit alone writes seven pages, and waits for each byte of them
FOLD_BYTES = 4 << 20  # of log, before it is folded into the file when nobody waits
LOG_BYTES = 16 << 20  # of log, before that is done though somebody waits; of an emptied one, kept to be written over

FULL = "The disk of the room server is full. Free some space; edits wait until then."
GONE = (
    "The file {} of this room is gone: it was removed or moved away, and not by the server. Nothing is made in its "
    "place. Put it back, restore a backup with `partysync rooms restore`, or begin anew: `partysync rooms delete`."
)


class Moved(StorageFailed):
    """In the place of the room's file is not what the server has open."""


@contextlib.contextmanager
def storage(doing: str) -> Iterator[None]:
    """SQLite's errors about the disk, as one sentence."""
    try:
        yield
    except DISK_ERRORS as error:
        raise storage_failed(doing, error) from error


def storage_failed(doing: str, error: Exception) -> StorageFailed:
    """One of DISK_ERRORS as a sentence."""
    if isinstance(error, apsw.FullError) or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return StorageFailed(FULL)
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return Damaged(f"The room's file is damaged, and failed while {doing}: {error}. {RESTORE}.")
    return StorageFailed(f"The room's file failed while {doing}: {error}.")


class RoomFile:
    """See the module. Not thread-safe, and not usable while ``checkpoint`` runs elsewhere."""

    def __init__(
        self,
        path: Path,
        party: type[Party],
        epoch: str,
        *,
        room: str = "",
        make: bool = True,  # whether it may be new
        files: Files = FILES,
    ) -> None:
        self.path = path
        self.epoch = epoch
        self._files = files
        self._log = path.with_name(f"{path.name}-wal")
        self._log_bytes = 0
        with storage("opening"):
            if new := files.look(path) is None:
                self._may_be_new(make=make)
                files.create(path)
            self._witness = Witness(path, files)
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
            self._connection = apsw.Connection(os.fspath(path), flags=flags, vfs=files.vfs)
            try:
                self._open(party, room, new=new)
            except BaseException:  # whatever it is, the file is let go
                with contextlib.suppress(apsw.Error):
                    self._connection.close()
                raise
        self._closed = False

    def _may_be_new(self, *, make: bool) -> None:
        """A file that was there and is gone is not made again: it would be an empty room, and nobody would know why."""
        if not make or Witness(self.path, self._files).there:
            raise Damaged(GONE.format(self.path.name))

    def _open(self, party: type[Party], room: str, *, new: bool) -> None:
        lasting = party.durability == "power"
        try:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # only ``checkpoint`` folds the log
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE", can_cache=False)
            fresh = new or not self._connection.execute("SELECT count(*) FROM sqlite_schema", can_cache=False).get
            if fresh:
                self._connection.execute(f"PRAGMA page_size={PAGE_BYTES}", can_cache=False)
            if not new:
                self._witness.check(self._connection, torn=not lasting)
                self._belongs(party, room)
            self._connection.execute("PRAGMA journal_mode=WAL", can_cache=False)
        except apsw.BusyError:
            raise StorageFailed(f"Another process has the room's file {self.path.name} open.") from None
        self._frame_bytes = int(self._connection.pragma("page_size")) + FRAME_HEADER
        self._connection.set_wal_hook(self._logged)  # in the place of SQLite's own, which folds the log inside COMMIT
        self._connection.execute(f"PRAGMA journal_size_limit={LOG_BYTES}", can_cache=False)
        if not fresh:
            self._witness.renew_log()
            self._witness.fold(self._connection)
        self._connection.limit(apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MOST_PATTERN)
        self.store = Store(self._connection, party)
        self.store.once(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
        made_by = party.schema_version() if fresh else self._made_by(party)
        if behind := made_by < party.schema_version():
            self.store.once("PRAGMA foreign_keys=OFF")  # inside a transaction it does nothing
        self.store.execute("BEGIN IMMEDIATE")  # on an error the connection is closed, and this with it
        if fresh:
            self.store.create()
            self.store.once(files(__package__).joinpath("ledger.sql").read_text())
            self.store.set_meta("party", party.name)
            self.store.set_meta("schema", party.declared_schema())
            self.store.set_meta("schema_version", party.schema_version())
            self.store.set_meta("room", room)
        self.store.execute(
            "INSERT INTO _partysync_epochs (epoch, version) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (self.epoch, self.store.version),
        )
        # Something changes at every opening, also for an epoch that goes on: the sync of this COMMIT is what makes the
        # emptied log durable. Else power loss brings its old pages back, over those that a failed sync has lost (R9).
        self.store.set_meta("openings", (self.store.meta("openings") or 0) + 1)
        if behind:  # after the epoch has begun: the version that it takes is of this epoch, and of no other (R10)
            self._migrate(party, made_by)
        self.pages = Pages(self.store)
        self.pages.opened(self.store.version)
        self.store.execute("COMMIT")
        self.store.once("PRAGMA foreign_keys=ON")
        self.version: int = self.store.version
        self.horizon: int = self.store.meta("horizon")
        if fresh:
            self._witness.fold(self._connection)
        self._witness.tell(self.version)
        self._place = self._look()
        self.rest()

    def rest(self) -> None:
        """Give back the memory that it can do without. For when nothing is about to happen."""
        self._connection.release_memory()

    def _belongs(self, party: type[Party], room: str) -> None:
        """Raises Damaged if this is the file of another room, or another program's."""
        try:
            rows: list[Any] = self._connection.execute("SELECT key, value FROM _partysync_meta").fetchall()
        except apsw.SQLError:
            return  # whatever it is, the party's schema will say so
        meta = dict(rows)
        if room and meta.get("room") and (meta["party"], meta["room"]) != (party.name, room):
            raise Damaged(
                f"The file {self.path.name} is not that of the room {room!r} of {party.name!r}, but of the room "
                f"{meta['room']!r} of {meta['party']!r}. {RESTORE}, or move the file away."
            )

    def _look(self) -> tuple[Look | None, tuple[int, int] | None]:
        """What stands in the place of the file now, and which log: neither changes between two checkpoints."""
        log = self._files.look(self._log)
        return self._files.look(self.path), log and log[:2]

    def check_place(self) -> None:
        """Raises Moved if the file was removed, replaced or written to by somebody else since the last checkpoint."""
        if (now := self._look()) == self._place:
            return
        (file, log), (was, _) = now, self._place
        if file is None:
            raise Moved(GONE.format(self.path.name))
        what = "was replaced" if was is None or file[:2] != was[:2] else "was written to by another program"
        if file == was:
            what = "has lost its log" if log is None else "has another log"
        raise Moved(
            f"The file {self.path.name} of this room {what} while the server had it open. The room is stopped, and is "
            f"checked when it is opened again; to replace a room, use `partysync rooms restore`."
        )

    def _made_by(self, party: type[Party]) -> int:
        """Which version of the party's schema the room is of. Raises SchemaMismatch if this party cannot have it."""
        room, made_by = self.store.meta("room"), self.store.meta("schema_version") or 1
        if made_by > party.schema_version():
            raise SchemaMismatch(
                f"The room {room!r} is of version {made_by} of the schema of {party.name!r}, and the server's party "
                f"file ends at version {party.schema_version()}. The server's file is the older one, and a room does "
                f"not go back: put the newer file in its place."
            )
        if made_by == party.schema_version() and self.store.meta("schema") != party.declared_schema():
            raise SchemaMismatch(
                f"The room {room!r} was made by an earlier schema of the party {party.name!r}. "
                f"Add a Migration for what has changed, use the schema it was made by, or a room with another name."
            )
        return int(made_by)

    def _migrate(self, party: type[Party], since: int) -> None:
        """As one decision, which takes a version (R1). All that was held before it is fetched anew (R4)."""
        self.store.version += 1
        migrate(self.store, party, since, self.store.meta("room"))
        self.store.set_meta("schema", party.declared_schema())
        self.store.set_meta("schema_version", party.schema_version())
        self.store.set_meta("horizon", self.store.version)

    def needs_checkpoint(self, *, waited_for: bool) -> bool:
        """Whether the log has grown so long that it is to be folded; while somebody waits, it may grow longer."""
        return self._log_bytes > (LOG_BYTES if waited_for else FOLD_BYTES)

    def _logged(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_bytes = pages * self._frame_bytes
        return apsw.SQLITE_OK

    def checkpoint(self) -> None:
        """Fold the log into the file. Waits for the disk; run it off the event loop, between turns."""
        with storage("folding the log into it"):
            self.check_place()
            self._witness.fold(self._connection, go_on=True)
            self._log_bytes = 0
            self._place = self._look()

    def check(self) -> None:
        """Read the file, and compare it with what the server wrote. Raises Damaged. Between turns."""
        with storage("reading it"):
            self.check_place()
            self._witness.check(self._connection)

    def close(self) -> None:
        """Close the file; its log is folded in. After a failed commit, what was open is rolled back."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(StorageFailed, OSError):  # the next opening folds it, or says why not
            if self._connection.in_transaction:
                with storage("rolling back"):
                    self._connection.execute("ROLLBACK")
            self._fold_at_end()
        self._witness.close()
        with contextlib.suppress(apsw.Error):  # that the empty log could not be removed
            self.store.close()

    def _fold_at_end(self) -> None:
        """Also into a file that was moved away: it is whole then. Not over what somebody else has written into it."""
        (file, _), (was, _) = self._look(), self._place
        if file is not None and was is not None and file[:2] == was[:2] and file != was:
            return
        with storage("folding the log into it"):
            self._witness.fold(self._connection)
        if file == was:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)  # and SQLite removes the empty log
