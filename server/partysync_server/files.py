"""
Files: how a room's ledger reaches the disk, where SQLite does not do it for us.

One object, so that tests can put another disk below all of a room: one whose power goes, or that fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 1 << 20  # bytes that are read at a time

Look = tuple[int, int, int, int]  # device, inode, bytes, nanoseconds when it was last written


class Files:
    """The disk of this machine. Everything here raises OSError."""

    vfs: str | None = None  # SQLite's name for it; None is its own

    def look(self, path: Path) -> Look | None:
        """Which file is there, and how it is; None if there is none."""
        try:
            found = os.lstat(path)  # asked for at every turn, and Path.stat takes twice as long
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def make_folders(self, folder: Path) -> None:
        """The folder of a party in that of the rooms: their owner's alone, with names that survive power loss.

        Synced also where they are there already: the sync may be what failed the last time.
        """
        for each in (folder.parent, folder):  # one by one: the mode is for the last one made only
            self._make_folder(each)
            self._sync(each.parent)

    def create(self, path: Path) -> None:
        """Make an empty file that only its owner can read, whose name survives power loss, and its folders'."""
        self.make_folders(path.parent)
        self._make(path)
        try:
            self._sync(path.parent)
        except OSError:  # the next time it is as new as now
            self._remove(path)
            raise

    def read(self, path: Path) -> Iterator[bytes]:
        """What is in it, block by block."""
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                yield block

    def replace(self, path: Path, content: bytes) -> None:
        """Let the file be this from now on: durably, as a whole or not at all."""
        draft = path.with_name(f"{path.name}-new")
        self._write(draft, content)
        self._rename(draft, path)
        self._sync(path.parent)

    def renew(self, path: Path) -> None:
        """Write a file over itself, as it reads, and sync it.

        After a sync that failed, the system may show what no disk has, and say of the next sync that all is well;
        only what is written anew is safe (Rebello et al., USENIX ATC 2020).
        """
        if content := b"".join(self.read(path)):
            self._write_over(path, content)

    def marker(self, path: Path, at: int) -> Marker:
        """For writing to one place of a file that is there, again and again."""
        return Marker(path, at)

    # --- one operation each, for another disk to do its own way ---------------------------------------------------

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _make(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _remove(self, path: Path) -> None:
        path.unlink()

    def _write(self, path: Path, content: bytes) -> None:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)  # buffered: without, it may write less on a disk that is nearly full, and say nothing
            file.flush()
            os.fsync(file.fileno())

    def _write_over(self, path: Path, content: bytes) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def _sync(self, folder: Path) -> None:
        sync(folder)


class Marker:
    """What it writes survives the process; power loss, some time later."""

    def __init__(self, path: Path, at: int) -> None:
        self._descriptor, self._at = os.open(path, os.O_WRONLY), at

    def write(self, what: bytes) -> None:
        os.lseek(self._descriptor, self._at, os.SEEK_SET)
        os.write(self._descriptor, what)

    def close(self) -> None:
        os.close(self._descriptor)


FILES = Files()


def sync(path: Path) -> None:
    """What was written to a file, or which names a folder has, survives power loss from here on."""
    if path.is_dir() and os.name != "posix":
        return  # a folder cannot be opened there
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
