"""
The witness: what a room's file must be like, so that damage is noticed and never served as truth.

::

    room.db          read in full at every opening, and before a backup
    room.db-wal      SQLite ends it at the first frame that is damaged, and says nothing of what follows
    room.db-witness  [how far people have been told] [history, pages, a CRC-32 of each page of room.db]

SQLite alone notices one flipped bit in five, and one in the log never: all later commits are gone. Only a checkpoint
writes to the file, and the log names the pages that it writes; so the sums are brought up to date between the writing
and the emptying of the log. A crash at any moment leaves, in the log, every page of which the sums are not sure.

How far people have been told is written after each commit, without waiting for the disk: it survives the process, and
after power loss it is behind, never ahead. A history that ends before it has lost something.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import apsw

from partysync_widget.core.errors import StorageFailed

from .files import BLOCK, Files, Marker

log = logging.getLogger("partysync.server")

MAGIC = b"partysync witness 1\n"
TOLD = struct.Struct("<QI")  # a version, and a CRC-32 of it
TOLD_AT, BODY_AT = 32, 512  # the first has a sector of its own
BODY = struct.Struct("<IIH")  # bytes of a page, pages, bytes of the history; then the history, the sums, a CRC-32
FRAME = struct.Struct(">IIII")  # of the log: page, pages after a commit or 0, salts (sqlite.org/fileformat2.html)
LOG_HEADER, FRAME_HEADER = 32, 24

HISTORY = (
    "SELECT (SELECT value FROM _partysync_meta WHERE key = 'version') || ' ' || max(rowid) || ' ' || epoch "
    "FROM _partysync_epochs"
)
RESTORE = "Nothing was changed. Restore a backup with `partysync rooms restore`"


class Damaged(StorageFailed):
    """The room's file, or its log, is not as the server left it."""


@dataclass
class Log:
    """What is in a write-ahead log. ``whole`` frames are what SQLite reads of it."""

    pages: dict[int, int]  # every page in whole frames, and where the last of them begins
    lost: int  # commits after the last whole frame: 1 may be a turn that never ended
    header: bool  # whether its first bytes are sound


def read_log(content: bytes, whole: int, size: int) -> Log:
    """``whole``: how many frames SQLite has found sound; ``size``: bytes of a page."""
    pages: dict[int, int] = {}
    header, lost = whole > 0 or _sound(content), 0
    salts = content[16:24] if header else content[LOG_HEADER + 8 : LOG_HEADER + 16]
    step, before = FRAME_HEADER + size, 0
    for number, at in enumerate(range(LOG_HEADER, len(content) - step + 1, step)):
        if content[at + 8 : at + 16] != salts:
            continue  # of an earlier log, or damaged
        page, commit, _, _ = FRAME.unpack_from(content, at)
        if number < whole:
            pages[page] = at + FRAME_HEADER
        elif not before:  # the last frame of a commit may be repeated, to fill a sector of the disk
            lost += commit != 0
        before = commit
    return Log(pages, lost, header)


def _sound(content: bytes) -> bool:
    """Whether the header of a log has the checksum that it says it has."""
    if len(content) < LOG_HEADER:
        return True  # empty, or never begun
    order = ">" if content[3] & 1 else "<"
    words, one, two = struct.unpack(f"{order}6I", content[:24]), 0, 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return content[24:32] == struct.pack(">II", one, two)


def page_sum(number: int, page: bytes | memoryview) -> int:
    """CRC-32 of a page; of the first, without what a change of the journal's mode changes."""
    if number != 1:
        return zlib.crc32(page)
    head = bytes(page[:100])
    return zlib.crc32(page[100:], zlib.crc32(head[:18] + head[20:24] + head[28:92]))


class Witness:
    """Of one room's file, while its ledger has it open."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path, self._files = path, files
        self._beside = path.with_name(f"{path.name}-witness")
        self._log = path.with_name(f"{path.name}-wal")
        self._marker: Marker | None = None
        self.told = 0
        self.history = ""
        self.sums: array[int] | None = None  # by page, the first at 0; None: not known
        self._size = 4096
        self._read()

    @property
    def there(self) -> bool:
        return self._files.look(self._beside) is not None

    # --- reading and writing --------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            content = b"".join(self._files.read(self._beside))
        except FileNotFoundError:
            return
        body, ours = content[BODY_AT:], content.startswith(MAGIC)
        with contextlib.suppress(struct.error):
            told, check = TOLD.unpack_from(content, TOLD_AT)
            self.told = told if ours and check == zlib.crc32(content[TOLD_AT : TOLD_AT + 8]) else 0
        if not ours or len(body) < BODY.size + 4 or body[-4:] != struct.pack("<I", zlib.crc32(body[:-4])):
            log.warning("%s is damaged, and is made anew; the room is checked without it", self._beside.name)
            return
        self._size, _, length = BODY.unpack_from(body)
        self.history = body[BODY.size : BODY.size + length].decode()
        self.sums = array("I", body[BODY.size + length : -4])

    def _write(self, sums: array[int]) -> None:
        history = self.history.encode()
        body = BODY.pack(self._size, len(sums), len(history)) + history + sums.tobytes()
        told = struct.pack("<Q", self.told)
        head = MAGIC.ljust(TOLD_AT, b"\0") + told + struct.pack("<I", zlib.crc32(told))
        self.close()  # a file that is open cannot be replaced everywhere
        self._files.replace(self._beside, head.ljust(BODY_AT, b"\0") + body + struct.pack("<I", zlib.crc32(body)))

    def tell(self, version: int) -> None:
        """Everything up to here is durable, and is about to be told. Does not wait for the disk."""
        self.told = version
        with contextlib.suppress(OSError):  # without it less is noticed later; the turn is durable all the same
            if self._marker is None:
                if not self.there:
                    return
                self._marker = self._files.marker(self._beside, TOLD_AT)
            mark = struct.pack("<Q", version)
            self._marker.write(mark + struct.pack("<I", zlib.crc32(mark)))

    def close(self) -> None:
        if self._marker is not None:
            self._marker.close()
            self._marker = None

    # --- checking -------------------------------------------------------------------------------------------------

    def check(self, connection: apsw.Connection, *, torn: bool = False) -> None:
        """Compare the file with its sums, and the log with itself. Raises Damaged; changes nothing.

        ``torn``: whether several commits at the end may be lost, for none has waited for the disk.
        """
        whole, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        size = int(connection.pragma("page_size"))
        found = read_log(self._read_log(), max(whole, 0), size)
        version = self._version(connection)
        if self.there and not torn and found.lost > (found.header and self.told <= version):
            self._say_log_damaged(version)
        ours = size == self._size and self._is_ours(connection, found)
        if self.told > version:
            if ours and not torn:
                self._say_log_damaged(version)
            log.warning(
                "%s is at version %s, and people have been told of version %s: what is between is lost, or an older "
                "copy was put in its place. Whoever comes is told (R10)",
                self._path.name, version, self.told,
            )  # fmt: skip
        self.told = min(self.told, version)
        if not ours:  # SQLite's own check of its structure is better than nothing
            self.sums = None
            said = connection.execute("PRAGMA quick_check(1)").get
            if said != "ok":
                raise Damaged(f"The file of this room is damaged: {said}. {RESTORE}.")

    def _is_ours(self, connection: apsw.Connection, found: Log) -> bool:
        """Whether it is the file that the server left, as far as that is known. Raises Damaged."""
        if self.sums is None:
            return False
        wrong = [page for page in self._unlike(connection, self.sums) if page not in found.pages]
        if not wrong:
            return True
        history = self._history(connection)
        if found.pages or len(wrong) == 1 or history in ("", self.history):
            raise Damaged(
                f"The file of this room is damaged: {_some(wrong)} not as the server wrote it. {RESTORE}; what can "
                f"still be read is in {self._path.name} itself."
            )
        log.warning(
            "%s is not the file that the server left: its history is %r, and it was %r",
            self._path.name, history, self.history,
        )  # fmt: skip
        return False

    def _read_log(self) -> bytes:
        try:
            return b"".join(self._files.read(self._log))
        except FileNotFoundError:
            return b""

    def _say_log_damaged(self, version: int) -> NoReturn:
        told = f"version {self.told}" if self.told > version else "more"
        raise Damaged(
            f"The log of this room is damaged: what was decided after version {version} cannot be read, and people "
            f"have been told of {told}. {RESTORE}; or, to go on from version {version} without the rest, move "
            f"{self._beside.name} away."
        )

    def _unlike(self, connection: apsw.Connection, sums: array[int]) -> Iterator[int]:
        """Each page that is not as it was, or is missing."""
        look = self._files.look(self._path)
        number, there = 0, look[2] if look else 0
        for number, page in _pages(connection, self._size, there // self._size):
            if number > len(sums):
                return  # being written when the power went; the log has it
            if sums[number - 1] != page_sum(number, page):
                yield number
        yield from range(number + 1, len(sums) + 1)

    def _version(self, connection: apsw.Connection) -> int:
        with contextlib.suppress(apsw.SQLError):  # nothing was ever made in it
            return int(connection.execute("SELECT value FROM _partysync_meta WHERE key = 'version'").get or 0)
        return 0

    def _history(self, connection: apsw.Connection) -> str:
        with contextlib.suppress(apsw.SQLError):
            return str(connection.execute(HISTORY).get)
        return ""

    def renew_log(self) -> None:
        """Before the file is made of it: what the log shows may never have reached the disk."""
        with contextlib.suppress(FileNotFoundError):
            self._files.renew(self._log)

    # --- folding --------------------------------------------------------------------------------------------------

    def fold(self, connection: apsw.Connection, *, go_on: bool = False) -> None:
        """Write the log's pages into the file, bring the sums up to date, empty the log: in this order.

        ``go_on``: its bytes stay, to be written over from the beginning. A commit that makes a file longer waits half
        as long again for the disk. Until then they are read as the log that they were, and say what the file says.
        """
        whole, done = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        size = int(connection.pragma("page_size"))
        if whole > 0 or self.sums is None:
            if done != whole:
                raise StorageFailed("The log of the room could not be folded in, for another program reads it.")
            self._size, self.history = size, self._history(connection)
            pages = int(connection.pragma("page_count"))
            if self.sums is None:
                self.sums = array("I", (page_sum(number, page) for number, page in _pages(connection, size, pages)))
            else:
                _, content = connection.read("main", 1, 0, LOG_HEADER + whole * (FRAME_HEADER + size))
                self._overlay(self.sums, content, whole)  # SQLite's own handle: the name may be another log's by now
            del self.sums[pages:]
            self._write(self.sums)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART if go_on else apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _overlay(self, sums: array[int], content: bytes, whole: int) -> None:
        view = memoryview(content)
        for page, at in sorted(read_log(content, whole, self._size).pages.items()):
            if page > len(sums):
                sums.extend([0] * (page - len(sums)))
            sums[page - 1] = page_sum(page, view[at : at + self._size])


def _pages(connection: apsw.Connection, size: int, count: int) -> Iterator[tuple[int, memoryview]]:
    """Each page of the file, through SQLite's own handle: to close another one would let go of its lock (POSIX)."""
    many = max(1, BLOCK // size)
    for first in range(0, count, many):
        pages = min(many, count - first)
        _, content = connection.read("main", 0, first * size, pages * size)
        view = memoryview(content)
        for number in range(pages):
            yield first + number + 1, view[number * size : (number + 1) * size]


def _some(wrong: list[int]) -> str:
    return f"page {wrong[0]} is" if len(wrong) == 1 else f"each of {len(wrong)} pages, from page {wrong[0]} on, is"
