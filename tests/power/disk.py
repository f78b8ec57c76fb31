"""
A disk in memory that can lose its power, or fail, at any operation: a VFS for SQLite (apsw, sqlite.org/vfs.html).

::

    xWrite, xTruncate ─▶ in flight, seen by everybody who reads        xSync ─▶ durable, and survives
    a new name        ─▶ durable with the first xSync of its file      xDelete ─▶ durable if asked for

Power loss keeps what is durable, and of what is in flight any part: each sector of 512 bytes of each write by itself,
in any order, whole or not at all (torn writes). A disk may lie (its xSync does nothing), which is the control arm.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import apsw

SECTOR = 512  # bytes that are written whole or not at all
NAME = "partysync-power"

Content = dict[str, bytes]


@dataclass
class File:
    """``data`` is what a reader sees; ``durable`` what is there after power loss; ``flying`` what came between."""

    data: bytearray = field(default_factory=bytearray)
    durable: bytes | None = None  # None: its name is not durable either
    flying: list[tuple[int, bytes | None]] = field(default_factory=list)  # (where, what); None: cut off there

    def write(self, at: int, what: bytes) -> None:
        if len(self.data) < at:
            self.data.extend(bytes(at - len(self.data)))
        self.data[at : at + len(what)] = what
        self.flying.append((at, what))

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.flying.append((size, None))

    def sync(self) -> None:
        self.durable = bytes(self.data)
        self.flying.clear()

    def after(self, random: Random) -> bytes | None:
        """What power loss leaves."""
        if not self.flying:
            return self.durable
        if self.durable is None and random.random() < 0.5:
            return None
        left = bytearray(self.durable or b"")
        keep = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        pieces = [piece for at, what in self.flying for piece in _sectors(at, what)]
        if random.random() < 0.5:
            random.shuffle(pieces)
        for at, what in pieces:
            if random.random() >= keep:
                continue
            if what is None:
                del left[at:]
                continue
            if len(left) < at:
                left.extend(bytes(at - len(left)))
            left[at : at + len(what)] = what
        return bytes(left)


def _sectors(at: int, what: bytes | None) -> list[tuple[int, bytes | None]]:
    if what is None:
        return [(at, None)]
    pieces: list[tuple[int, bytes | None]] = []
    start = 0
    while start < len(what):
        end = min(len(what), start + SECTOR - (at + start) % SECTOR)
        pieces.append((at + start, what[start:end]))
        start = end
    return pieces


class Disk:
    """All files, by name. ``before`` is called with each operation that changes something, and may raise."""

    def __init__(self, content: Content | None = None) -> None:
        self.files = {name: File(bytearray(data), data) for name, data in (content or {}).items()}
        self.gone: dict[str, bytes] = {}  # deleted, and not for certain
        self.before: Callable[[str, str], None] = lambda what, name: None
        self.lies = False

    def after(self, random: Random) -> Content:
        """What power loss would leave now."""
        left = {name: file.after(random) for name, file in self.files.items()}
        for name, durable in self.gone.items():  # the deletion itself may be lost
            if left.get(name) is None and random.random() < 0.5:
                left[name] = durable
        return {name: data for name, data in left.items() if data is not None}

    def delete(self, name: str, *, for_certain: bool) -> None:
        file = self.files.pop(name, None)
        if file is not None and file.durable is not None and not for_certain:
            self.gone[name] = file.durable


class Handle:
    """One open file, as SQLite uses it. There is one process, so locks are only said to be taken."""

    def __init__(self, vfs: "Power", name: str) -> None:
        self._vfs, self._name = vfs, name

    @property
    def _file(self) -> File:
        return self._vfs.disk.files.setdefault(self._name, File())

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # SQLite's names
        return bytes(self._file.data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.disk.before("write", self._name)
        self._file.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._vfs.disk.before("truncate", self._name)
        self._file.truncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.disk.before("sync", self._name)
        if not self._vfs.disk.lies:
            self._file.sync()

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
    """The VFS by the name ``NAME``, over whichever ``disk`` is put into it."""

    def __init__(self) -> None:
        self.disk = Disk()
        super().__init__(NAME, "")

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> Handle:  # noqa: N802
        text = name.filename() if isinstance(name, apsw.URIFilename) else name or f"scratch-{id(flags)}"
        if text not in self.disk.files:
            self.disk.before("create", text)
            self.disk.files[text] = File()
        flags[1] = flags[0]
        return Handle(self, text)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        if filename not in self.disk.files:
            raise apsw.IOErrorDeleteNoEntError  # no message is asked for
        self.disk.before("delete", filename)
        self.disk.delete(filename, for_certain=bool(syncdir))

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        return pathname in self.disk.files

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name


def failure(code: str) -> Exception:
    """An error of the disk, as SQLite is told of it."""
    return apsw.FullError() if code == "full" else OSError(errno.EIO, "the disk failed")
