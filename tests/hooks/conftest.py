"""A server that has the parties of this folder, and tabs in a room of each test's own."""

import contextlib
import itertools
import json

import pytest

from tests.conftest import Server
from tests.dialect.tab import Tab

NAMES = ("Lobby", "Patient", "Broken", "Api", "SlowApi", "Instances", "Mirror", "Holder", "Quits", "Careful")
PAGE = "https://wall.example.org"
PARTIES = [option for name in NAMES for option in ("--party", f"tests.hooks.parties:{name}")] + ["--origin", PAGE]
names = itertools.count(1)


class Guest(Tab):
    """A tab that is told messages as well, which may be no JSON."""

    _asking = False

    def said(self, text):
        try:
            return json.loads(text)
        except ValueError:
            return text.decode()

    def hear(self):
        """The next; only frames, while it waits for an answer."""
        heard = super().hear()
        return self.hear() if self._asking and isinstance(heard, str | list) else heard

    def result(self, *args, **how):
        with self._asked():
            return super().result(*args, **how)

    def rows(self, *args, **how):
        with self._asked():
            return super().rows(*args, **how)

    @contextlib.contextmanager
    def _asked(self):
        self._asking = True
        yield
        self._asking = False

    def hear_complaint(self):
        """The next exception, before which no message comes."""
        while "exception" not in (heard := self.hear()):
            assert isinstance(heard, dict), heard
        return heard["exception"][0]

    def until(self, wanted):
        """Hear until this, or something of this type, comes; all that was heard before it."""
        heard = []
        while (frame := self.hear()) != wanted:
            assert frame is not None, (wanted, heard)
            heard.append(frame)
        return heard


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    shared = Server(tmp_path_factory.mktemp("hooks"), *PARTIES)
    yield shared
    shared.stop()


@pytest.fixture
def tab(server):
    """Open tabs in this test's own room: ``tab("lobby", "conn-a", name="Ann")``."""
    own, opened = f"room-{next(names)}", []

    def opens(party, pk=None, *, at=server, room=own, token=None, buffer=None, **query):
        opened.append(Guest(at, f"/parties/{party}/{room}", pk, query=query, token=token, buffer=buffer))
        assert opened[-1].status == 101, opened[-1].body
        return opened[-1]

    opens.room = own
    yield opens
    for each in opened:
        each.close()
