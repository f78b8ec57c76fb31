"""
Asks: what owners say, and everybody may ask, about who may enter a room. Each waits for the disk; run it off the loop.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Annotated, Any, Protocol

import msgspec

from partysync_widget.core import messages as m
from partysync_widget.core.errors import StorageFailed
from partysync_widget.core.roles import Role, article

from .access import Access, Kind, Share, digest
from .session import Session

MOST_SHARES = 1_000  # of one room
MOST_ASKED = 8  # questions of one session that wait for an answer

Word = Annotated[str, msgspec.Meta(max_length=200)]


class Place(Protocol):
    """A room, as far as it matters here: ``party`` and ``name`` are what it is called.

    ``public`` is the address of the server that people outside use; empty if nobody has said one. ``pages``: whether it
    shows pages.
    """

    party: str
    name: str
    access: Access
    public: str
    pages: bool

    def here(self) -> list[Session]: ...


class Sharing(msgspec.Struct, forbid_unknown_fields=True):
    """With whom: a user, a group, everyone who has an account, or, with none of them, whoever has the link."""

    role: Role = "viewer"
    user: Word = ""
    group: Word = ""
    everyone: bool = False
    expires: Annotated[float, msgspec.Meta(gt=0, le=100 * 366 * 86_400)] | None = None  # seconds from now
    note: Word = ""


class Revoking(msgspec.Struct, forbid_unknown_fields=True):
    """Of whom: the id of a share, or the name of a user or group."""

    who: Word


class _Refused(Exception):
    """With a code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def answer(place: Place, session: Session, ask: m.Ask, *, now: float) -> m.Answer:
    """Do what was asked, or say why not. ``now``: seconds since 1970."""
    try:
        value = _value(place, session, ask, now)
    except _Refused as refused:
        return m.Answer(ask.n, code=refused.code, message=refused.message)
    except msgspec.ValidationError as error:
        return m.Answer(ask.n, code="bad-arguments", message=f"room.{ask.what} was called wrongly: {error}.")
    except StorageFailed as error:
        return m.Answer(ask.n, code="storage", message=str(error))
    return m.Answer(ask.n, value=value)


def _value(place: Place, session: Session, ask: m.Ask, now: float) -> Any:
    if ask.what == "people":
        return _people(place, session, now)
    if not session.may("owner"):
        text = f"Only an owner of this room may {ask.what}, and you are {article(session.role)} of it."
        raise _Refused("forbidden", text)
    if ask.what == "share":
        return _share(place, session, msgspec.convert(ask.args, Sharing), now)
    return _revoke(place, session, msgspec.convert(ask.args, Revoking).who)


def _share(place: Place, session: Session, wanted: Sharing, now: float) -> dict[str, Any]:
    party, room, access = place.party, place.name, place.access
    by = session.principal.account or session.peer.name or "the server's operator"
    if sum(map(bool, (wanted.user, wanted.group, wanted.everyone))) > 1:
        raise _Refused("bad-arguments", "Share with one at a time: user, group or everyone.")
    if len(access.shares(party, room)) >= MOST_SHARES:
        raise _Refused("too-large", f"This room has {MOST_SHARES} shares already. Revoke some with room.revoke.")
    until = now + wanted.expires if wanted.expires is not None else None

    def made(kind: Kind, subject: str) -> Share:
        id = secrets.token_hex(4)
        return Share(id, party, room, kind, subject, wanted.role, wanted.note, by, now, until)

    if wanted.user or wanted.group or wanted.everyone:
        kind: Kind = "user" if wanted.user else "group" if wanted.group else "everyone"
        subject = wanted.user or wanted.group
        _keep_an_owner(access, party, room, session, wanted, subject)
        return {"share": _line(access.put(made(kind, subject)))}
    token = secrets.token_urlsafe(32)
    line = _line(access.put(made("link", digest(token))))
    return {"share": line, "token": token, "at": place.public, "pages": place.pages}


def _keep_an_owner(
    access: Access, party: str, room: str, session: Session, wanted: Sharing | None, subject: str
) -> None:
    """Nobody but the operator could mend a room whose last owner has gone."""
    if session.principal.operator or (wanted is not None and wanted.role == "owner"):
        return
    owners = [share for share in access.shares(party, room) if share.kind == "user" and share.role == "owner"]
    if owners and all(subject in (share.subject, share.id) for share in owners):
        raise _Refused("forbidden", "The room would have no owner. Make somebody else one first, with room.share.")


def _revoke(place: Place, session: Session, who: str) -> list[dict[str, Any]]:
    party, room, access = place.party, place.name, place.access
    _keep_an_owner(access, party, room, session, None, who)
    found = access.revoke(party, room, who)
    if not found:
        text = f"Nothing of this room is shared with {who!r}. room.people() lists who has access, and by which id."
        raise _Refused("unknown-share", text)
    return [_line(share) for share in found]


def _people(place: Place, session: Session, now: float) -> list[dict[str, Any]]:
    """A line for each share with who is here by it, and one for each who is here by none."""
    here = [each for each in place.here() if each.client]
    shares = place.access.shares(place.party, place.name)
    by_share = {share.id: [each.peer.name for each in here if each.share == share.id] for share in shares}
    lines = [{**_line(share), "here": sorted(by_share[share.id])} for share in shares]
    by_door = Counter((each.peer.name, each.role) for each in here if each.share not in by_share)
    for (name, role), count in by_door.items():
        lines.append({"kind": "server", "name": name, "role": role, "here": [name] * count})
    if session.may("owner"):
        return [{**line, "expired": bool(line.get("expires")) and line["expires"] <= now} for line in lines]
    return [{"name": name, "role": line["role"], "here": [name]} for line in lines for name in line["here"]]


def _line(share: Share) -> dict[str, Any]:
    """What an owner is told of a share: all but the digest of its token."""
    return {
        "id": share.id,
        "kind": share.kind,
        "name": "" if share.kind == "link" else share.subject,
        "role": share.role,
        "note": share.note,
        "by": share.by,
        "made": share.made,
        "expires": share.expires,
    }
