"""The worked conversation in docs/protocol.md is what a server says, word for word, but for what is made at random."""

import json

import pytest

from partysync_widget.core import messages as m
from tests.protocol.document import conversation
from tests.protocol.shape import describe
from tests.server.stranger import Stranger, hello

ROOM = "/parties/main/the%20worked%20conversation"
AT_RANDOM = ("epoch", "party")  # an id of this server's, a hash that depends on the code of its party


class Names:
    """What the document's words for things made at random stand for here: each for the same everywhere."""

    def __init__(self):
        self.known = {}

    def there(self, frame):
        """The document's frame, in the words of this server."""
        return {key: self.known.get(value, value) if key in AT_RANDOM else value for key, value in frame.items()}

    def learn(self, written, heard):
        for key in AT_RANDOM:
            if key in written and key in heard:
                self.known.setdefault(written[key], heard[key])


@pytest.fixture
def said(server):
    """What a server is told and says, line by line, as the document has it."""
    names, lines = Names(), []
    ada = ben = None
    for direction, written in conversation():
        if direction == ">":
            if ada is None or (written["type"] == "hello" and written.get("settled")):  # at first, and after the cut
                if ada is not None:
                    ada.close()
                ada = Stranger(server, ROOM)
            ada.frame(names.there(written))
            lines.append((direction, written, written))
            continue
        if written["type"] == "peers" and ben is None:
            ben = Stranger(server, ROOM)
            ben.frame(hello(next(iter(written["peers"])), name="Ben"))
        if written["type"] == "drafts" and "rows" in next(iter(written["drafts"].values()))[0]:
            ben.frame({"type": "draft", "key": "k1", "table": "todos", "rows": {"a1": {"text": "feed"}}})
        if written["type"] == "peers" and None in written["peers"].values():
            ben.close()
        heard = ada.hear()
        names.learn(written, heard)
        lines.append((direction, names.there(written), heard))
    assert ada.hear() is None
    ada.close()
    return lines


def test_the_worked_conversation_is_what_a_server_says(said):
    """F1 to F3, F6, F8 to F16, F18, F19, H6, S6, S11, E3."""
    for _, written, heard in said:
        assert heard == written
        assert json.dumps(heard, sort_keys=True) == json.dumps(written, sort_keys=True)  # 0 is not false there


def test_it_shows_every_frame_that_one_client_needs():
    """The others are said by Ben in the same words, or are to ask who may enter, and to say goodbye."""
    kinds = {frame["type"] for _, frame in conversation()}

    assert {*describe(m.Up, m.Down)["up"], *describe(m.Up, m.Down)["down"]} - kinds == {
        "ask",
        "answer",
        "bye",
        "draft",
        "presence",
    }
