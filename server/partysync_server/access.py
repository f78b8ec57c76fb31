"""
Access: which room was shared with whom, and as what. One small durable file for all rooms of a server.

A link's token is opaque, 256 random bits, and stored as its SHA-256: whoever reads the file, or a backup of it, cannot
enter by it. Times are seconds since 1970 and given by the caller.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import apsw

from partysync_widget.core.errors import StorageFailed
from partysync_widget.core.roles import ROLES

from .principal import Principal

Kind = Literal["link", "user", "group", "everyone"]


@dataclass(frozen=True)
class Share:
    """One line of the file: a room, who may enter it, and as what. It holds no token."""

    id: str
    party: str
    room: str
    kind: Kind
    subject: str  # the name of a user or a group; of a link, the digest of its token
    role: str
    note: str
    by: str
    made: float
    expires: float | None


@dataclass(frozen=True)
class Standing:
    """What somebody may do in a room now, and until when that is to be asked again; ``role`` is empty for nothing."""

    role: str
    until: float | None = None
    share: str = ""  # the id of the share that gives it, if one does


class Access:
    """See the module. May be used from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self.path = path
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
            self._connection = apsw.Connection(
                os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
            )
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(files(__package__).joinpath("access.sql").read_text())

    # --- asking -----------------------------------------------------------------------------------------------------

    def standing(self, who: Principal, party: str, room: str, *, now: float) -> Standing:
        """The highest role that ``who`` has there by what they are and by what was shared with them."""
        found = [Standing(who.role)] if who.role and not who.link else []
        good = [share for share in self.shares(party, room) if share.expires is None or share.expires > now]
        found += [Standing(share.role, share.expires, share.id) for share in good if _is_for(share, who)]
        rank: dict[str, int] = {role: place for place, role in enumerate(ROLES)}
        return max(found, key=lambda each: (rank[each.role], each.until or float("inf")), default=Standing(""))

    def by_token(self, token: str, *, now: float) -> Share | None:
        """The link with this token, unless it has expired."""
        found = self._select("kind = 'link' AND subject = ?", digest(token))
        return next((share for share in found if share.expires is None or share.expires > now), None)

    def shares(self, party: str, room: str) -> list[Share]:
        """All of a room, in the order they were made; those that have expired too."""
        return self._select("party = ? AND room = ? ORDER BY made, rowid", party, room)

    def _select(self, where: str, *args: object) -> list[Share]:
        query = "SELECT id, party, room, kind, subject, role, note, by, made, expires FROM shares WHERE "
        with self._lock, _told(self.path):
            return [Share(*row) for row in self._connection.execute(query + where, args)]

    # --- changing; each waits for the disk --------------------------------------------------------------------------

    def put(self, share: Share) -> Share:
        """Keep a share; what the same user, group or everyone had there before is replaced."""
        line = (share.id, share.party, share.room, share.kind, share.subject, share.role, share.note, share.by)
        with self._lock, _told(self.path):
            self._connection.execute(
                "INSERT INTO shares (id, party, room, kind, subject, role, note, by, made, expires) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (party, room, kind, subject) DO UPDATE SET "
                "role = excluded.role, note = excluded.note, by = excluded.by, made = excluded.made, "
                "expires = excluded.expires",
                (*line, share.made, share.expires),
            )
        kept = [each for each in self.shares(share.party, share.room) if each.subject == share.subject]
        return next(each for each in kept if each.kind == share.kind)

    def claim(self, party: str, room: str, account: str, *, now: float) -> bool:
        """Make this user the owner of a room that nobody has; whether they are."""
        with self._lock, _told(self.path):
            self._connection.execute(
                "INSERT INTO shares (id, party, room, kind, subject, role, note, by, made) "
                "SELECT ?, ?, ?, 'user', ?, 'owner', '', '', ? "
                "WHERE NOT EXISTS (SELECT 1 FROM shares WHERE party = ? AND room = ?)",
                (secrets.token_hex(4), party, room, account, now, party, room),
            )
            return self._connection.changes() == 1

    def revoke(self, party: str, room: str, wanted: str) -> list[Share]:
        """Take back a share by its id, or all of a user or group by its name; which they were."""
        found = [
            share
            for share in self.shares(party, room)
            if share.id == wanted or (share.kind in ("user", "group") and share.subject == wanted)
        ]
        with self._lock, _told(self.path):
            self._connection.executemany("DELETE FROM shares WHERE id = ?", [(share.id,) for share in found])
        return found

    def forget(self, party: str, room: str) -> None:
        """The room is deleted, and so is all that was shared of it."""
        with self._lock, _told(self.path):
            self._connection.execute("DELETE FROM shares WHERE party = ? AND room = ?", (party, room))

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _is_for(share: Share, who: Principal) -> bool:
    match share.kind:
        case "link":
            return share.id == who.link
        case "user":
            return bool(who.account) and share.subject == who.account
        case "group":
            return share.subject in who.groups
        case "everyone":
            return bool(who.account)


def digest(token: str) -> str:
    """What is kept of a link's token."""
    return hashlib.sha256(token.encode()).hexdigest()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """The disk's errors as a sentence."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise StorageFailed(f"The file {path.name}, which says who may enter, failed: {error}.") from error
