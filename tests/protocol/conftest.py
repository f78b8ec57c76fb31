"""Newcomers: clients written from the document, in rooms of a real server."""

import itertools
import os

import pytest

rooms = itertools.count(1)


@pytest.fixture
def room_name():
    return f"protocol {next(rooms)} of {os.getpid()}"


@pytest.fixture
def newcomer(server, room_name):
    """A newcomer, live in the test's own room: ``newcomer("ben")``, ``newcomer(at=lone_server, enter=False)``."""
    pytest.importorskip("websockets")
    from tests.protocol.newcomer import Newcomer

    made = []

    def make(name="", *, at=server, enter=True):
        made.append(Newcomer(at.url, room_name, token=at.token, name=name))
        return made[-1].open().until(lambda: made[-1].live) if enter else made[-1]

    yield make
    for each in made:
        each.close()
