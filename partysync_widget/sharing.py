"""
Sharing: letting others into a room, seeing who has access, and taking it back.

A link is the address of a room with a token behind ``#``, a part that no browser and no program sends anywhere. Whoever
has it may enter, so nothing here shows it unasked: not ``repr``, not a notebook's output.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from .core.errors import NotConnected, PartySyncError
from .core.roles import Role
from .io_thread import on_io_thread

if TYPE_CHECKING:
    from .connection import Connection

ANSWER_SECONDS = 10.0  # for the room to answer


@dataclass(frozen=True)
class Share:
    """Access that was given. ``id`` revokes it; ``link`` and ``token`` are those of a link, and empty otherwise."""

    id: str
    room: str
    role: str
    name: str  # of the user or group it is for
    expires: dt.datetime | None
    link: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    pages: bool = field(default=False, repr=False)  # whether the server shows pages

    def page_url(self, table: str = "") -> str:
        """Where a browser shows that table of the room, or the list of them: an address that lets in whoever has it.

        Raises PartySyncError if the server shows no pages, or if this is no link.
        """
        if not self.link:
            raise PartySyncError(
                f"A page is opened by a link, and this is access for {self.name}: room.share({self.role!r})."
            )
        if not self.pages:
            raise PartySyncError(
                "The server of this room shows no pages. Serve it with `partysync serve --pages`; a Jupyter has none."
            )
        room, _, token = self.link.partition("#")
        base, _, name = room.rpartition("/parties/")
        return f"{base}/pages/{name}{'/' if table else ''}{quote(table, safe='')}#{token}"

    def __repr__(self) -> str:
        until = f", until {self.expires:%Y-%m-%d %H:%M %Z}" if self.expires else ""
        for_whom = f" for {self.name}" if self.name else ""
        link = "; print(share.link) shows the link, which lets in whoever has it" if self.link else ""
        return f"<{self.role.capitalize()} of room {self.room!r}{for_whom}{until}{link}>"


@dataclass(frozen=True)
class Person:
    """Somebody who has access, by a share or by the server itself, or, for who is no owner, somebody who is here."""

    name: str
    role: str
    here: tuple[str, ...] = ()  # as whom, once for each session
    kind: str = ""  # link, user, group, everyone; server: by the server's own token, or its login
    id: str = ""  # of the share
    note: str = ""
    expires: dt.datetime | None = None
    expired: bool = False


class People(tuple[Person, ...]):
    """Persons, shown as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        lines = [("who", "role", "here", "until", "id")]
        for each in self:
            who = each.note if each.kind == "link" and each.note else each.name or each.kind
            until = "expired" if each.expired else f"{each.expires:%Y-%m-%d %H:%M}" if each.expires else ""
            lines.append((who, each.role, ", ".join(each.here), until, each.id))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def share(
    connection: Connection,
    role: Role,
    *,
    user: str,
    group: str,
    everyone: bool,
    expires: float | dt.timedelta | dt.datetime | None,
    note: str,
) -> Share:
    """See ``Room.share``."""
    wanted: dict[str, Any] = {"role": role, "user": user, "group": group, "everyone": everyone, "note": note}
    said = _ask(connection, "share", {**wanted, "expires": _seconds(expires)})
    line, token = said["share"], said.get("token", "")
    link = _link(connection, said.get("at") or connection.url, token) if token else ""
    name = "everyone" if line["kind"] == "everyone" else line["name"]
    until, pages = _moment(line["expires"]), bool(said.get("pages"))
    return Share(line["id"], connection.room, line["role"], name, until, link, token, pages)


def people(connection: Connection) -> People:
    """See ``Room.people``."""
    return People(_person(line) for line in _ask(connection, "people", {}))


def revoke(connection: Connection, who: Share | Person | str) -> None:
    """See ``Room.revoke``."""
    _ask(connection, "revoke", {"who": who if isinstance(who, str) else who.id or who.name})


def _ask(connection: Connection, what: Literal["share", "revoke", "people"], args: dict[str, Any]) -> Any:
    if on_io_thread():
        raise RuntimeError(f"room.{what}() was called on PartySync's I/O thread, which would wait for itself.")
    try:
        return connection.ask(what, args).result(ANSWER_SECONDS)
    except FutureTimeout:
        raise NotConnected(
            f"The room {connection.room!r} did not answer within {ANSWER_SECONDS:.0f} s. Ask again."
        ) from None


def _person(line: dict[str, Any]) -> Person:
    return Person(
        name="everyone" if line.get("kind") == "everyone" else line.get("name", ""),
        role=line["role"],
        here=tuple(line["here"]),
        kind=line.get("kind", ""),
        id=line.get("id", ""),
        note=line.get("note", ""),
        expires=_moment(line.get("expires")),
        expired=line.get("expired", False),
    )


def _seconds(expires: float | dt.timedelta | dt.datetime | None) -> float | None:
    if isinstance(expires, dt.timedelta):
        return expires.total_seconds()
    if isinstance(expires, dt.datetime):
        return (expires.astimezone(dt.UTC) - dt.datetime.now(dt.UTC)).total_seconds()
    return expires


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


# --- links ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """What a link says: the server's base address, a party, a room, and the token that opens it."""

    url: str
    party: str
    room: str
    token: str = field(repr=False)


def _link(connection: Connection, url: str, token: str) -> str:
    base = url.rstrip("/")
    return f"{base}/parties/{quote(connection.replica.party.name, safe='')}/{quote(connection.room, safe='')}#{token}"


def read_link(text: str) -> Link | None:
    """The parts of a link; None for any other text. Raises PartySyncError for a link that is damaged."""
    if not text.startswith(("http://", "https://")):
        return None
    parts = urlsplit(text)
    base, found, rest = parts.path.rpartition("/parties/")
    party, _, name = rest.partition("/")
    if not (found and party and name and parts.fragment):
        raise PartySyncError(
            "This link is not whole: it ends in /parties/<party>/<room>#<token>. Copy it again, all of it."
        )
    return Link(urlunsplit((parts.scheme, parts.netloc, base, "", "")), unquote(party), unquote(name), parts.fragment)
