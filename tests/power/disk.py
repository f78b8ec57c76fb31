"""
A disk in memory that can lose its power, or fail, at any operation: a VFS for SQLite (apsw, sqlite.org/vfs.html), and
``Files`` for what the ledger does itself.

::

    xWrite, xTruncate ─▶ in flight, seen by everybody who reads     xSync of a file ─▶ its content is durable
    new, gone, renamed ─▶ in flight as well                         sync of a folder ─▶ its names are durable

Power loss keeps what is durable, and of what is in flight any part: of a file each sector of 512 bytes of each write by
itself, in any order, whole or not at all (torn writes); of a folder each name by itself. A file's sync says nothing of
its name. SQLite's own VFS syncs the folder with the first sync of a log or journal, and with a deletion if it is asked
to (os_unix.c, UNIXFILE_DIRSYNC); so does this one.

A disk may lie (its syncs do nothing): a control arm. It may fail: ``before`` raises; ``Short`` and ``MarkedClean`` say
how. ::

    disk = Disk();  POWER.disk = disk;  ledger = Ledger(path, party, epoch, files=OnDisk(POWER))
    Disk(disk.after(random))             # what is there when the power is back
"""

import contextlib
import errno
import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import apsw

from partysync_server.files import Files, Look, Marker

SECTOR = 512  # bytes that are written whole or not at all
NAME = "partysync-power"

Content = dict[str, bytes]  # by name; a folder's ends with a slash
Piece = tuple[int, bytes | None]  # where, what; None: cut off there

numbers = itertools.count(1)


class Short(OSError):
    """Raised by ``before``: half of it is written, and then it fails."""


class MarkedClean(OSError):
    """Raised by ``before``: the sync fails, and what it was to make durable is thought to be (ATC 2020)."""


class File:
    """``data`` is what a reader sees; ``durable`` what is there after power loss; ``flying`` what came between."""

    def __init__(self, durable: bytes = b"") -> None:
        self.data, self.durable = bytearray(durable), bytearray(durable)
        self.flying: list[Piece] = []
        self.number, self.changes = next(numbers), 0

    def write(self, at: int, what: bytes) -> None:
        _apply(self.data, at, what)
        self.flying.append((at, what))
        self.changes += 1

    def truncate(self, size: int) -> None:
        if size < len(self.data):
            del self.data[size:]
            self.flying.append((size, None))
            self.changes += 1

    def sync(self) -> None:
        for at, what in self.flying:
            _apply(self.durable, at, what)
        self.flying.clear()

    def forget(self) -> None:
        """A sync has failed: what was in flight is never written, unless somebody writes it again."""
        self.flying.clear()

    def after(self, random: Random) -> bytes:
        """What power loss leaves."""
        if not self.flying:
            return bytes(self.durable)
        left = bytearray(self.durable)
        keep = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        pieces = [piece for at, what in self.flying for piece in _sectors(at, what)]
        if random.random() < 0.5:
            random.shuffle(pieces)
        for at, what in pieces:
            if random.random() < keep:
                _apply(left, at, what)
        return bytes(left)


def _apply(data: bytearray, at: int, what: bytes | None) -> None:
    if what is None:
        del data[at:]
        return
    if len(data) < at:
        data.extend(bytes(at - len(data)))
    data[at : at + len(what)] = what


def _sectors(at: int, what: bytes | None) -> list[Piece]:
    if what is None:
        return [(at, None)]
    pieces: list[Piece] = []
    start = 0
    while start < len(what):
        end = min(len(what), start + SECTOR - (at + start) % SECTOR)
        pieces.append((at + start, what[start:end]))
        start = end
    return pieces


def _folder(name: str) -> str:
    return name.rstrip("/").rpartition("/")[0] + "/"


class Disk:
    """All files, by name. ``before`` is called with each operation that changes something, and may raise.

    ``reading`` is called with each that changes nothing. A folder that was never made here is there, and durable.
    """

    def __init__(self, content: Content | None = None) -> None:
        self.files: dict[str, File] = {}
        self.folders: set[str] = set()
        for name, data in (content or {}).items():
            if name.endswith("/"):
                self.folders.add(name)
            else:
                self.files[name] = File(data)
        self._names: dict[str, File | None] = dict(self.files)  # as they are durable
        self._made: set[str] = set()  # folders, whose names are not durable
        self.before: Callable[[str, str], None] = lambda what, name: None
        self.reading: Callable[[str, str], None] = lambda what, name: None
        self.lies = False

    def after(self, random: Random) -> Content:
        """What power loss would leave now."""
        lost = {folder for folder in sorted(self._made) if random.random() < 0.5}
        left: Content = {name: b"" for name in sorted(self.folders) if not _below(name, lost)}
        for name in sorted({*self.files, *self._names}):
            now, durable = self.files.get(name), self._names.get(name)
            file = now if now is durable or random.random() < 0.5 else durable
            if file is not None and not _below(name, lost):
                left[name] = file.after(random)
        return left

    def now(self) -> Content:
        """What is there for whoever reads: what the end of a process leaves."""
        return {**dict.fromkeys(self.folders, b""), **{name: bytes(file.data) for name, file in self.files.items()}}

    def create(self, name: str) -> File:
        self.before("create", name)
        self.files[name] = File()
        return self.files[name]

    def delete(self, name: str) -> None:
        self.before("delete", name)
        del self.files[name]

    def rename(self, old: str, new: str) -> None:
        self.before("rename", new)
        self.files[new] = self.files.pop(old)

    def make_folder(self, name: str) -> None:
        self.before("make folder", name)
        self.folders.add(name)
        self._made.add(name)

    def write(self, name: str, file: File, at: int, what: bytes) -> None:
        try:
            self.before("write", name)
        except Short:
            file.write(at, what[: len(what) // 2])
            raise
        file.write(at, what)

    def truncate(self, name: str, file: File, size: int) -> None:
        self.before("truncate", name)
        file.truncate(size)

    def sync(self, name: str, file: File) -> None:
        try:
            self.before("sync", name)
        except MarkedClean:
            file.forget()
            raise
        if not self.lies:
            file.sync()

    def sync_folder(self, folder: str) -> None:
        """The names in it are durable from here on: those of its files, and of the folders in it."""
        self.before("sync folder", folder)
        if self.lies:
            return
        self._made = {each for each in self._made if _folder(each) != folder}
        for name in {*self.files, *self._names}:
            if _folder(name) == folder:
                self._names[name] = self.files.get(name)
        self._names = {name: file for name, file in self._names.items() if file is not None}


def _below(name: str, folders: set[str]) -> bool:
    return any(name.startswith(folder) for folder in folders)


class Handle:
    """One open file, as SQLite uses it. There is one process, so locks are only said to be taken.

    As on any Unix, it goes on with its file when that has another name by now, or none.
    """

    def __init__(self, disk: Disk, name: str, file: File, *, with_folder: bool) -> None:
        self._disk, self._name, self._file = disk, name, file
        self._with_folder = with_folder  # its first sync is one of the folder, too

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # SQLite's names
        with reported(apsw.SQLITE_IOERR_READ):
            self._disk.reading("read", self._name)
            return bytes(self._file.data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        with reported(apsw.SQLITE_IOERR_WRITE):
            self._disk.write(self._name, self._file, offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        with reported(apsw.SQLITE_IOERR_TRUNCATE):
            self._disk.truncate(self._name, self._file, size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        with reported(apsw.SQLITE_IOERR_FSYNC):
            self._disk.sync(self._name, self._file)
            if self._with_folder:
                self._disk.sync_folder(_folder(self._name))
                self._with_folder = False

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.data)

    def xClose(self) -> None:  # noqa: N802
        pass

    def xLock(self, level: int) -> None:  # noqa: N802
        pass

    def xUnlock(self, level: int) -> None:  # noqa: N802
        pass

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0  # nothing is promised: not even that a write harms no byte beside it


class Power(apsw.VFS):
    """The VFS by the name ``NAME``, over whichever ``disk`` is put into it. Make one, and keep it."""

    def __init__(self) -> None:
        self.disk = Disk()
        super().__init__(NAME, "")

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> Handle:  # noqa: N802
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        flags[1] = flags[0]
        if text is None:  # a scratch file, which nobody else sees
            return Handle(Disk(), "scratch", File(), with_folder=False)
        with reported(apsw.SQLITE_CANTOPEN):
            if text not in self.disk.files and not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise FileNotFoundError(errno.ENOENT, "it is not there", text)
            file = self.disk.files.get(text) or self.disk.create(text)
        logs = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
        return Handle(self.disk, text, file, with_folder=bool(flags[0] & logs))

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        if filename not in self.disk.files:
            raise apsw.exception_for(apsw.SQLITE_IOERR_DELETE_NOENT)
        with reported(apsw.SQLITE_IOERR_DELETE):
            self.disk.delete(filename)
            if syncdir:
                self.disk.sync_folder(_folder(filename))

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        return pathname in self.disk.files

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name


@contextlib.contextmanager
def reported(code: int) -> Iterator[None]:
    """The disk's error as SQLite's own VFS would say it."""
    try:
        yield
    except OSError as error:
        raise apsw.exception_for(apsw.SQLITE_FULL if error.errno == errno.ENOSPC else code) from None


class OnDisk(Files):
    """For ``Ledger``: the disk that is in the VFS at the time."""

    vfs = NAME

    def __init__(self, power: Power) -> None:
        self._power = power

    @property
    def disk(self) -> Disk:
        return self._power.disk

    def look(self, path: Path) -> Look | None:
        file = self.disk.files.get(str(path))
        return file and (1, file.number, len(file.data), file.changes)

    def read(self, path: Path) -> Iterator[bytes]:
        self.disk.reading("read", str(path))
        if (file := self.disk.files.get(str(path))) is None:
            raise FileNotFoundError(errno.ENOENT, "it is not there", str(path))
        yield bytes(file.data)

    def marker(self, path: Path, at: int) -> Marker:
        if (file := self.disk.files.get(str(path))) is None:
            raise FileNotFoundError(errno.ENOENT, "it is not there", str(path))
        return DiskMarker(self.disk, str(path), file, at)

    def _make_folder(self, folder: Path) -> None:
        if f"{folder}/" not in self.disk.folders:
            self.disk.make_folder(f"{folder}/")

    def _make(self, path: Path) -> None:
        if str(path) in self.disk.files:
            raise FileExistsError(errno.EEXIST, "it is there already", str(path))
        self.disk.create(str(path))

    def _remove(self, path: Path) -> None:
        self.disk.delete(str(path))

    def _write(self, path: Path, content: bytes) -> None:
        file = self.disk.files.get(str(path)) or self.disk.create(str(path))
        self.disk.truncate(str(path), file, 0)
        self.disk.write(str(path), file, 0, content)
        self.disk.sync(str(path), file)

    def _write_over(self, path: Path, content: bytes) -> None:
        file = self.disk.files[str(path)]
        self.disk.write(str(path), file, 0, content)
        self.disk.sync(str(path), file)

    def _rename(self, old: Path, new: Path) -> None:
        self.disk.rename(str(old), str(new))

    def _sync(self, folder: Path) -> None:
        self.disk.sync_folder(f"{folder}/")


class DiskMarker(Marker):
    def __init__(self, disk: Disk, name: str, file: File, at: int) -> None:
        self._write = functools.partial(disk.write, name, file, at)

    def write(self, what: bytes) -> None:
        self._write(what)

    def close(self) -> None:
        """Nothing is held."""


def failure(code: str) -> OSError:
    """An error of the disk, as ``before`` and ``reading`` raise it: "eio", "full", "short" or "clean"."""
    kind = {"short": Short, "clean": MarkedClean}.get(code, OSError)
    return kind(errno.ENOSPC if code == "full" else errno.EIO, "the disk failed")
