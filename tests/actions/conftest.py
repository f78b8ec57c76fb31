"""A server whose parties act by themselves, and a folder that is the world outside of it."""

import itertools

import pytest

from tests.actions import parties
from tests.dialect.tab import Tab

names = itertools.count(1)


class World:
    """What parties have done outside, and what they wait for."""

    def __init__(self, folder):
        self.folder = folder

    def open(self, gate):
        """Let whoever waits for it go on."""
        (self.folder / gate).touch()

    def shut(self, gate):
        (self.folder / gate).unlink()

    def noted(self, name):
        """The lines of one file."""
        path = self.folder / name
        return path.read_text().split("\n")[:-1] if path.exists() else []


@pytest.fixture
def world(tmp_path, monkeypatch):
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.setenv("PARTYSYNC_TEST_OUTSIDE", str(folder))
    return World(folder)


@pytest.fixture
def serve(world, start_server):
    """Start a server with all parties of this folder: ``serve("--idle-room", "0")``."""
    options = [
        each for name in ("Todos", "Slow", "Diary", "Silent") for each in ("--party", f"{parties.__name__}:{name}")
    ]
    return lambda *more, **how: start_server(*options, *more, **how)


@pytest.fixture
def house(serve):
    return serve()


@pytest.fixture
def come(house, enter):
    """Enter this test's own room of a party: ``come(Slow, user="ann")``, with ``at=`` another server."""
    own = f"room-{next(names)}"
    return lambda party, name=own, at=house, **how: enter(name, at=at, party=party, **how)


@pytest.fixture
def tab(house):
    """Open tabs of the ancestor's client: ``tab("todos", "room", pk="a")``."""
    opened = []

    def opens(party, room, pk=None, *, at=house):
        opened.append(Tab(at, f"/parties/{party}/{room}", pk))
        assert opened[-1].status == 101, opened[-1].body
        return opened[-1]

    yield opens
    for each in opened:
        each.close()
