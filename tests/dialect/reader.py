"""
A reader on a stage: a page in the room beside the kernels, its frames carried at once and its clock in the test's hand.
"""

import itertools
import json

import msgspec

from partysync_server.dialect import Page
from partysync_server.principal import OPERATOR
from partysync_server.session import Session
from partysync_widget.core import messages as m
from tests.dialect.tab import Screen

numbers = itertools.count(1)


class Reader:
    """One page. ``screen`` is what the ancestor's hook would show."""

    def __init__(self, stage, connection="", *, role="owner", channel="todos", clock=None):
        self.stage = stage
        self.seconds = 0.0  # of its own clock
        self.screen = Screen(channel)
        self.session = Session(
            OPERATOR, "json", role, sight=stage.room.party.sight(role), client=f"page-{next(numbers)}"
        )
        self.session.peer = m.Peer("a web page")
        self.page = Page(self, self.session, connection, clock=lambda: self.seconds)
        self.session.tongue = self.page
        if clock is not None:
            stage.ledger.pages._clock = clock
        self.page.arrive(stage.ledger)
        self.page.joined()
        stage.room.join(self.session)

    @property
    def room(self):
        return self.stage.room

    def aside(self, _session, work):
        """Here it is always between two turns."""
        work(self.stage.ledger)

    def say(self, frame):
        self.page.hear(json.dumps(frame))

    def sync(self, since=None, channel="todos"):
        """Ask; what it is told then."""
        self.say({"channel": channel, "sync": True, "from": since})
        return self.hear()

    def act(self, name, payload, id="x", channel="todos"):
        self.say({"id": id, "channel": channel, "rpc": True, "action": {"type": name, "payload": payload}})

    def hear(self):
        """All that it is owed, and its screen shows it."""
        heard, quiet = [], 0
        while quiet < 2:  # what a sync asks for is there the next time
            frames = self.stage.room.frames(self.session)
            heard += map(msgspec.json.decode, frames)
            quiet = 0 if frames else quiet + 1
            if self.session.ended is not None:
                break
        for frame in heard:
            self.screen.see(frame)
        return heard

    def leave(self):
        self.stage.room.leave(self.session)
