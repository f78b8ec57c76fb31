"""
Drafts: a slow obvious model of who is typing what, beside the room, and what every kernel must then hold (R11).

::

    told     by line: what its session has told and not ended, as far as the room has heard
    mark     all that others have told, as the room sends something: it goes with the last of those frames
    held     by a replica: at a mark, all that is in it; beyond it only what is decided, until the delta that says so
"""

from random import Random
from typing import NamedTuple

from partysync_widget.core import messages as m
from partysync_widget.core.replica import Link, Replica
from tests.convergence.checks import hold
from tests.convergence.model import History

Mark = dict[tuple[str, str], m.Draft]  # drafts by client and key


class Sending(NamedTuple):
    """What stands beside a frame: in which history it was sent; and if all that was owed is sent with it, the mark."""

    mark: Mark | None
    history: History


def decided(history: History, client: str, draft: m.Draft, version: int) -> bool:
    """Whether, at ``version``, it is known what became of the mutation that this draft is."""
    outcome = history.outcomes.get((client, draft.mid)) if draft.mid else None
    return outcome is not None and outcome.version <= version


class Told:
    """What the sessions of a room have told, by line and key. A line without a client is not introduced."""

    def __init__(self) -> None:
        self._told: dict[object, dict[str, m.Draft]] = {}
        self._clients: dict[object, str] = {}

    def introduced(self, line: object, client: str) -> None:
        """It was welcomed; another that spoke for this client is over."""
        for other in [other for other, name in self._clients.items() if name == client]:
            self.leaves(other)
        self._clients[line], self._told[line] = client, {}

    def leaves(self, line: object) -> None:
        """It has gone, or greets: what it told is over."""
        self._told.pop(line, None)
        self._clients.pop(line, None)

    def says(self, line: object, draft: m.Draft, history: History, version: int) -> None:
        """One draft, at a published version. If its mutation is decided, it comes too late."""
        if line in self._told:
            if draft.rows and not decided(history, self._clients[line], draft, version):
                self._told[line][draft.key] = draft
            else:
                self._told[line].pop(draft.key, None)

    def published(self, history: History, version: int) -> None:
        """What is decided now ends in the delta."""
        for line, drafts in self._told.items():
            for key, draft in list(drafts.items()):
                if decided(history, self._clients[line], draft, version):
                    del drafts[key]

    def mark(self, line: object) -> Mark:
        """What others have told."""
        return {
            (self._clients[other], key): draft
            for other, drafts in self._told.items()
            if other is not line
            for key, draft in drafts.items()
        }

    def check_nothing_owed(self, line: object, sent: Mark, history: History, at: int) -> None:
        """R11: whoever is sent nothing has been sent everything."""
        if line in self._told:
            due = {name: draft for name, draft in sent.items() if not decided(history, name[0], draft, at)}
            hold(due == self.mark(line), "R11", "a session was not told of drafts", due, self.mark(line))


def check_held(label: str, replica: Replica, mark: Mark | None, history: History, version: int) -> None:
    """R11: at ``version``, which is what this kernel knows to be decided; ``mark`` if a whole sending is here."""
    if replica.link is Link.IDLE:
        hold(not replica.drafts, "R11", f"{label} holds drafts without a line", replica.drafts)
    if replica.link in (Link.IDLE, Link.GREETING):
        return
    for (client, key), draft in replica.drafts.items():
        past = decided(history, client, draft, version)
        hold(not past, "R11", f"{label} holds a draft of {client} whose delta is here", draft, version)
        extra = mark is not None and (client, key) not in mark
        hold(not extra or decided(history, client, draft, 2**53), "R11", f"{label} holds a draft that is over", draft)
    for name, draft in (mark or {}).items():
        hold(replica.drafts.get(name) == draft, "R11", f"{label} was not told of {name}", draft, replica.drafts)


def draft(random: Random, replica: Replica) -> m.Draft:
    """What somebody may type, commit, or give up."""
    key = random.choice(("c1", "c1", "c2"))
    rows = {f"item-{random.randint(0, 4)}": random.choice(({"qty": random.randint(0, 9)}, None))}
    match random.choice(("type", "commit", "commit", "commit early", "commit late", "over")):
        case "commit" if replica.pending:
            return m.Draft(key, "items", rows, random.choice(replica.pending).mutation.mid)
        case "commit early":
            return m.Draft(key, "items", rows, replica.next_mid)
        case "commit late" if replica.settled_mid:
            return m.Draft(key, "items", rows, replica.settled_mid)
        case "over":
            return m.Draft(key)
        case _:
            return m.Draft(key, "items", rows)
