"""
Keeping: what is done to a room's file as a whole. It is copied out, checked, put in the place of another, or removed.

::

    <data>/rooms/.<32 hex digits>.transfer               on its way in or out; made and removed by the command
    <data>/rooms/<party>/<slug>-<digest>.db              the room
                         <as above>-witness              what the file must be like
                         <as above>.before-restore-…     what it was, until somebody removes it

Whoever calls these has the folder (its claim), and nobody has the room open; but for ``Copy``, which goes on between
the turns of an open one. A crash at any point leaves the old room or the new one, whole.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from partysync_widget.core.errors import PartySyncError, SchemaMismatch, StorageFailed
from partysync_widget.core.party import Party

from .files import FILES, sync
from .witness import Witness

MAGIC = b"SQLite format 3\0"
STEP_PAGES = 256  # of 4 KiB in one step of a copy: about a millisecond, for which the room waits
LEFT_SECONDS = 86_400.0  # after which a transfer was left by a command that was killed
# What has a name of ours, and rows of its own making.
ODD_ONES = r"SELECT name FROM pragma_table_list WHERE name LIKE '\_partysync\_%' ESCAPE '\' AND type != 'table' LIMIT 1"
RESULTS = "SELECT 1 FROM _partysync_epochs, _partysync_clients, _partysync_results, _partysync_rows LIMIT 1"


class BadBackup(PartySyncError):
    """A file that cannot become a room."""


@dataclass
class Label:
    """What stands on a room's file."""

    party: str
    room: str
    version: int
    size: int  # bytes, its log included
    changed: float  # seconds since 1970


def labels(folder: Path) -> dict[Path, Label]:
    """Of every room in the folder, as far as they can be read. Nothing is written, made or migrated."""
    found = {}
    for path in sorted(folder.glob("*/*.db")):
        with contextlib.suppress(apsw.Error, OSError, KeyError, TypeError, ValueError):  # gone, or none of ours
            found[path] = _label(path)
    return found


def told(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Of every room in the folder that has an alarm: its party, its name, and for when it is set."""
    for path in sorted(folder.glob("*/*.db")):
        with contextlib.suppress(apsw.Error, OSError, KeyError, TypeError, ValueError):  # gone, or none of ours
            meta = _looked(path)
            if (at := _alarm(meta)) is not None:
                yield str(meta["party"]), str(meta["room"]), at


def alarm_of(path: Path) -> float | None:
    """The same of one file: for when its alarm is set, in seconds since 1970."""
    return _alarm(_looked(path))


def _alarm(meta: dict[str, Any]) -> float | None:
    at = meta.get("alarm")
    return int(at) / 1000 if at is not None else None


def _label(path: Path) -> Label:
    size, changed = weigh(path)
    meta = _looked(path)
    return Label(str(meta["party"]), str(meta["room"]), int(meta["version"]), size, changed)


def _looked(path: Path) -> dict[str, Any]:
    # Immutable: no lock and no log. What a crash has left in a log is not seen until the room is opened.
    uri = f"{path.resolve().as_uri()}?immutable=1"
    connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        return _meta(connection)
    finally:
        connection.close()


def _meta(connection: apsw.Connection) -> dict[str, Any]:
    rows: list[Any] = connection.execute("SELECT key, value FROM _partysync_meta").fetchall()
    return dict(rows)


def weigh(path: Path) -> tuple[int, float]:
    """Bytes of a room's file and its log, and when they were last written."""
    there = [each.stat() for each in (path, _beside(path, "-wal")) if each.exists()]
    return sum(each.st_size for each in there), max((each.st_mtime for each in there), default=0.0)


# --- on the way -----------------------------------------------------------------------------------------------------


def transfer(folder: Path, name: str) -> Path:
    """Where the file of this name is on its way. It comes from a request, so nothing else becomes a path (R13)."""
    if not re.fullmatch(r"[0-9a-f]{32}", name):
        raise BadBackup(f"A transfer has a name of 32 hex digits, not {name!r:.80}. Use `partysync rooms`.")
    return folder / f".{name}.transfer"


@contextlib.contextmanager
def transferring(folder: Path) -> Iterator[tuple[str, Path]]:
    """A new, empty file on the disk of the rooms that only its owner can read, and its name; removed afterwards."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.glob(".*.transfer*"):
        with contextlib.suppress(OSError):  # another command's, just removed
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()
    name = secrets.token_hex(16)
    path = transfer(folder, name)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        yield name, path
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            _beside(path, suffix).unlink(missing_ok=True)


class Copy:
    """A copy that is made in steps. What the same connection writes between them goes into the copy as well
    (sqlite.org/c3ref/backup_finish.html), so it is the room as it is at the last step.
    """

    def __init__(self, to: Path) -> None:
        self._target = apsw.Connection(os.fspath(to), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW)
        self._target.execute("PRAGMA synchronous=OFF")  # it is made durable when it is whole
        self._backup: Any = None
        self._source: apsw.Connection | None = None

    def step(self, source: apsw.Connection) -> bool:
        """Copy some pages; whether it is done. Raises StorageFailed."""
        try:
            if self._backup is None:
                self._source = source
                self._backup = self._target.backup("main", source, "main")
            elif source is not self._source:
                raise StorageFailed("The room's file was opened again while it was copied. Start the backup again.")
            if not self._backup.step(STEP_PAGES):
                return False
            self._backup.finish()
            self._backup = None
            self._target.execute("PRAGMA journal_mode=DELETE")  # one file, whole without a log
        except apsw.Error as error:
            raise StorageFailed(f"The room's file could not be copied: {error}.") from error
        return True

    def close(self) -> None:
        if self._backup is not None:
            with contextlib.suppress(apsw.Error):  # of the step that failed, told already
                self._backup.close(force=True)
        self._target.close()


def copy_closed(path: Path, to: Path) -> None:
    """Copy the file of a room that is closed; what a crash has left in its log is copied, too."""
    copy = Copy(to)
    try:
        source = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW)
        try:
            source.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # the room's file stays as it is
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            Witness(path, FILES).check(source)
            while not copy.step(source):
                pass
        finally:
            source.close()
    except apsw.Error as error:
        raise StorageFailed(f"The room's file could not be copied: {error}.") from error
    finally:
        copy.close()


# --- checking -------------------------------------------------------------------------------------------------------


def check(path: Path, party: str, room: str, *, rules: type[Party] | None) -> Label:
    """Look at a file that is, or is to become, the room ``room``, give it that name, and make it durable.

    ``rules``: the party's class, where it is known. Raises BadBackup or SchemaMismatch with what is wrong with it.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BadBackup("This is no backup of a room: it is no ordinary file.")
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BadBackup("This is no backup of a room: it is no SQLite file.")
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW)
        try:
            meta = _look(connection)
            if meta["party"] != party:
                raise SchemaMismatch(f"This is a room of the party {meta['party']!r:.80}, not of {party!r:.80}.")
            if rules is not None:
                _compare(meta, rules)
            connection.execute("UPDATE _partysync_meta SET value = ? WHERE key = 'room'", (room,))
            connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            connection.close()
    except apsw.FullError as error:
        raise StorageFailed("The disk of the rooms is full. Free some space and try again.") from error
    except apsw.Error as error:
        raise BadBackup(f"This backup is damaged: {error}.") from error
    except OSError as error:
        raise BadBackup(f"This backup cannot be read: {error.strerror}.") from error
    sync(path)
    size, changed = weigh(path)
    return Label(party, room, int(meta["version"]), size, changed)


def _look(connection: apsw.Connection) -> dict[str, Any]:
    """What the file says of itself, if it is whole. It may have been made by anybody."""
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.execute("PRAGMA cell_size_check=ON")
    said = connection.execute("PRAGMA integrity_check(1)").get
    if said != "ok":
        raise BadBackup(f"This backup is damaged: {said}.")
    odd = connection.execute(ODD_ONES).get
    if odd is not None:
        raise BadBackup(f"This is no backup of a room: its {odd!r:.80} is no table as a room has it.")
    try:
        meta = _meta(connection)
        connection.execute(RESULTS).fetchall()
    except apsw.SQLError:
        meta = {}
    if not {"party", "schema", "version", "room"} <= meta.keys():
        raise BadBackup("This is no backup of a room: it is another program's SQLite file.")
    return meta


def _compare(meta: dict[str, Any], rules: type[Party]) -> None:
    """An older schema migrates when the room is opened; what could not be opened does not come in."""
    made_by, ends = meta.get("schema_version") or 1, rules.schema_version()
    if made_by > ends:
        raise SchemaMismatch(
            f"This backup is of version {made_by} of the schema of {rules.name!r}, and the server's party file ends at "
            f"version {ends}. Put the newer file in its place first."
        )
    if made_by == ends and meta["schema"] != rules.declared_schema():
        raise SchemaMismatch(
            f"This backup was made by another schema of the party {rules.name!r}. Start the server with the party "
            f"that made it."
        )


# --- in place -------------------------------------------------------------------------------------------------------


def put_in_place(new: Path, path: Path) -> Path | None:
    """Let ``new`` be the room's file from now on; where the one before is kept, if there was one."""
    FILES.make_folders(path.parent)
    kept = None
    if path.exists():
        _fold(path)
        kept = path.with_name(f"{path.name}.before-restore-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
        os.link(path, kept, follow_symlinks=False)
        if _beside(path, "-wal").exists():  # of a file too damaged to fold it
            _beside(path, "-wal").replace(_beside(kept, "-wal"))
    _forget_logs(path)
    sync(path.parent)  # first, for the old log must never meet the new file
    new.replace(path)
    sync(path.parent)
    return kept


def remove(path: Path) -> None:
    """The room's file is gone."""
    _forget_logs(path)
    sync(path.parent)
    path.unlink(missing_ok=True)
    sync(path.parent)


def _fold(path: Path) -> None:
    """What a crash has left in the log goes into the file. A damaged one stays as it is."""
    try:
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW)
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()
    except (apsw.CorruptError, apsw.NotADBError):
        return
    except apsw.Error as error:
        raise StorageFailed(f"The room stays as it is, for its log could not be folded in: {error}.") from error


def _forget_logs(path: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal", "-witness"):
        _beside(path, suffix).unlink(missing_ok=True)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
