"""
A tab: one connection of the ancestor's client, said by hand over the socket that a stranger has.

It numbers nothing and checks nothing. ``newest`` is what the ancestor's hook asks with when it is opened again.
"""

import itertools
import json
import urllib.parse

from tests.server.stranger import Stranger

ids = itertools.count(1)
FENCE = "{fence"  # what is no JSON is answered at once, after all that the room has told


class Tab(Stranger):
    """``Tab(server, "/parties/todos/room", pk="conn-a")``; ``query`` has what else is in its address."""

    def __init__(self, server, path, pk=None, *, query=None, **how):
        asked = {**({"_pk": pk} if pk else {}), **(query or {})}
        super().__init__(server, f"{path}?{urllib.parse.urlencode(asked)}" if asked else path, subprotocol=None, **how)
        self.newest = None

    def say(self, frame):
        """An object, or text or bytes as they are."""
        return self.frame(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def sync(self, channel="todos", since=None):
        """Ask for a channel."""
        return self.say({"channel": channel, "sync": True, "from": since})

    def act(self, name, payload, *, channel="todos", id=None):
        """An action; its id."""
        id = id or f"id-{next(ids)}"
        self.say({"id": id, "channel": channel, "rpc": True, "action": {"type": name, "payload": payload}})
        return id

    def hear(self):
        """The next frame, parsed; what it holds counts for ``newest``."""
        heard = super().hear()
        if isinstance(heard, dict):
            for record in heard.get("payload", heard.get("result", [])):
                for time in record[-2:]:
                    if time is not None and (self.newest is None or time > self.newest):
                        self.newest = time
        return heard

    def result(self, name, payload, **how):
        """What an action gives: its records, or its error."""
        id = self.act(name, payload, **how)
        while (heard := self.hear()).get("id") != id:
            pass
        return heard.get("result", heard.get("error"))

    def rest(self):
        """All that it has been told and not heard yet."""
        self.say(FENCE)
        heard = []
        while (frame := self.hear()).get("type") != "exception":
            heard.append(frame)
        return heard

    def rows(self, channel="todos", since=None):
        """What a sync gives, by id; those that are deleted are left out."""
        self.sync(channel, since)
        while not (heard := self.hear()).get("sync"):
            pass
        return {record[0]: record for record in heard["payload"] if record[-1] is None}


class Screen:
    """What the ancestor's hook would show, by the rules of its source: ``partysync/src/react/index.tsx``."""

    def __init__(self, channel="todos"):
        self.channel = channel
        self.records = []

    def see(self, frame):
        """Do with one frame what the hook does. The results of its own actions as well."""
        if frame.get("channel") != self.channel:
            return
        if frame.get("sync") is True:
            for record in frame["payload"]:
                self._put(record)
        elif frame.get("broadcast") is True and frame["type"] == "update":
            for record in frame["payload"]:
                self._put(record) if record[-1] is None else self._drop(record)
        elif frame.get("broadcast") is True and frame["type"] == "delete-all":
            self.records = []
        elif frame.get("type") == "success":
            for record in frame["result"]:
                self._put(record) if record[-1] is None else self._drop(record)

    def _put(self, record):
        place = next((n for n, each in enumerate(self.records) if each[0] == record[0]), None)
        if place is None:
            self.records.append(record)
        else:
            self.records[place] = record

    def _drop(self, record):
        self.records = [each for each in self.records if each[0] != record[0]]

    @property
    def shown(self):
        """Fields by id; a record that is deleted and still among them would be shown, and is a mistake of the room."""
        return {record[0]: tuple(record[1:-3]) for record in self.records}
