"""A server that has the ancestor's party, and a room of its own for each test."""

import itertools

import pytest

from tests.conftest import Server
from tests.dialect.tab import Tab
from tests.stage import make_stage, stage

__all__ = ["make_stage", "stage"]

PARTIES = ("--party", "tests.dialect.parties:Todos", "--party", "tests.dialect.parties:TodoList")
names = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    shared = Server(tmp_path_factory.mktemp("dialect"), *PARTIES)
    yield shared
    shared.stop()


@pytest.fixture
def tab(server):
    """Open tabs in this test's own room: ``tab("conn-a")``, ``tab(pk, at=another_server, party="main")``."""
    own, opened = f"room-{next(names)}", []

    def opens(pk=None, *, at=server, party="todos", room=own, **how):
        opened.append(Tab(at, f"/parties/{party}/{room}", pk, **how))
        assert opened[-1].status == 101, opened[-1].body
        return opened[-1]

    opens.room = own
    yield opens
    for each in opened:
        each.close()
