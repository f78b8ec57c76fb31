"""
A claim: a file that one process holds until it ends, however it ends.

The lock is SQLite's own on an empty database, so it works wherever SQLite does, and goes with the process (kill -9
included). Beside it stands who holds it, for the sentence that the next one gets. Both files are their owner's alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import apsw

from .errors import StorageFailed


class Claim:
    """Held from construction until ``release``; ``what`` it stands for, and ``who`` holds it, are for the next one.

    ``ended`` says of a holder whether it has ended. Raises StorageFailed, with the holder, when another process has it.
    """

    def __init__(self, path: Path, who: str, *, what: str, ended: Callable[[str], bool] = lambda _who: False) -> None:
        self._note = path.with_suffix(".owner")
        self._ended = ended
        try:
            self._connection = apsw.Connection(os.fspath(path))
        except apsw.CantOpenError:
            raise StorageFailed(f"{what} cannot be used: no file can be written at {path}. Use another.") from None
        try:
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            with contextlib.suppress(OSError):  # a file of somebody else's, who may lend it
                path.chmod(0o600)  # by its path: to open and close it would end a lock that this process has on it
            self._connection.execute("BEGIN EXCLUSIVE")
        except apsw.BusyError:
            self._connection.close()
            raise StorageFailed(f"{what} is in use by {self._holder()}. Stop that, or use another.") from None
        except apsw.Error as error:
            self._connection.close()
            raise StorageFailed(f"{what} cannot be used: {error}. Free some space, or use another.") from None
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same
            self._note.unlink(missing_ok=True)
            self._note.touch(mode=0o600, exist_ok=False)
            self._note.write_text(who)

    def _holder(self) -> str:
        try:
            who = self._note.read_text()
        except OSError:
            who = ""
        # It has the lock, and may not have said yet who it is; what is said may be of one before, that was killed.
        return who if who and not self._ended(who) else "another process"

    def release(self) -> None:
        self._note.unlink(missing_ok=True)
        self._connection.close()
