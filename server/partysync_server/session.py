"""
A session: one WebSocket as the room sees it, and what it is owed.

What was last sent to it is all the room remembers, so a session that does not read costs the same for a second as for
a day (R12).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format
from partysync_widget.core.roles import reaches
from partysync_widget.core.sight import EVERYTHING, Sight

from .principal import Principal
from .snapshot import Reading


class Tongue(Protocol):
    """Another language than that of the frames, in which a session hears of a room."""

    def frames(self, room: Any) -> list[bytes]:
        """What it is to be sent next. Not to be called beside a turn."""

    def at_rest(self, version: int) -> bool:
        """Whether it waits for nothing and holds all up to that version."""


@dataclass(eq=False, slots=True)
class Session:
    """State of one connection. Nothing of it outlives the connection, and no other connection can touch it.

    Most are empty most of the time: an empty dict takes a third of an empty set, so there are no sets.
    """

    principal: Principal  # whom the server has recognised
    format: Format
    role: str  # in this room; empty when it was taken back
    sight: Sight = EVERYTHING  # what of the room that role is shown
    until: float | None = None  # when the role is to be asked for again; seconds since 1970
    share: str = ""  # the id of the share that gave it the role, if one did
    client: str = ""
    peer: m.Peer = field(default_factory=lambda: m.Peer(name=""))
    line: int = 0  # which of its connections this is
    seen: int = 0  # the results of its client may be forgotten up to here
    seen_queued: bool = False
    tongue: Tongue | None = None  # None: the frames
    hello: m.Hello | None = None  # received, and not yet answered
    live: bool = False  # welcomed; its cursor counts
    cursor: int = 0  # the version that was last sent
    reading: Reading | None = None  # the snapshot it is in the middle of
    barriers: list[tuple[int, int, int]] = field(default_factory=list)  # (n, how many came before it, its last of them)
    pushed: int = 0  # the highest of its client's mutations that it has brought
    pong: bool = False
    asked: int = 0  # questions that wait for their answers
    answers: list[m.Answer] = field(default_factory=list)
    peers: dict[str, m.Peer | None] = field(default_factory=dict)  # to be told; the last one counts
    strange: dict[str, None] = field(default_factory=dict)  # of those, the ones it was never told of
    decided: int = 0  # of its client's mutations, as far as is durable
    drafts: dict[str, m.Draft] = field(default_factory=dict)  # its own, by key
    told: dict[tuple[str, str], None] = field(
        default_factory=dict
    )  # drafts of others that it was sent and that are not over
    untold: dict[tuple[str, str], m.Draft] = field(default_factory=dict)  # those to be told; the last one counts
    ended: m.Error | m.Bye | None = None  # to be told last

    def end(self, frame: m.Error | m.Bye) -> None:
        """Nothing more is taken from it; it is told why and closed."""
        if self.ended is None:
            self.ended = frame

    @property
    def owner(self) -> str:
        """Whose clients it may speak for."""
        return self.principal.id

    def may(self, role: str) -> bool:
        """Whether it has this role, or a higher one."""
        return reaches(self.role, role)

    def called(self, name: str) -> str:
        """Its name as the others see it: what the server vouches for, or what it says, marked if by a stranger."""
        if self.principal.link:
            return f"{name or 'somebody'} (guest)"
        return self.principal.name or name

    def presence(self, state: dict[str, Any]) -> None:
        self.peer = m.Peer(self.peer.name, self.peer.color, state, self.role)
