"""Callers of a room that has no sockets: sessions that say what a test wants, and what they were told."""

import pytest

from partysync_server.principal import Principal
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, decode_up, encode
from tests.stage import Todos


class Client:
    """A session and what it was told. It says what the test wants, also what no replica would."""

    def __init__(self, room, name, /, *, owner="token", format="json", join=True, **hello):
        self.room = room
        self.client = name
        self.session = Session(Principal(owner), role="owner", format=format)
        self.told = []
        self.sizes = []
        room.join(self.session)
        if join:
            self.hello(**hello)

    def say(self, *frames):
        for frame in frames:
            format = self.session.format
            raw = encode(frame, format)
            self.room.receive(self.session, decode_up(raw, format), len(raw))

    def hello(self, **fields):
        self.say(m.Hello(**{"protocol": m.PROTOCOL, "client": self.client, "name": self.client, **fields}))
        while self.hear() and self.session.ended is None:
            pass
        return self.told

    def push(self, *mutations, epoch=None):
        self.say(m.Push(epoch or self.room.ledger.epoch, list(mutations)))

    def hear(self):
        """What the room owes it now."""
        raw = self.room.frames(self.session)
        self.sizes += [len(each) for each in raw]
        frames = [decode_down(each, self.session.format) for each in raw]
        self.told += frames
        return frames


@pytest.fixture
def room(make_stage):
    return make_stage(party=Todos).room


@pytest.fixture
def join(room):
    return lambda name, /, **how: Client(room, name, **how)


def create(mid, id=None, text="a"):
    return m.Mutation(mid, "create", {"id": id or f"r{mid}", "text": text})


def turn(room):
    room.turn()
    room.commit()
    room.published()


def ids(room):
    return [row[1] for row in room.ledger.store.rows("todos")]
