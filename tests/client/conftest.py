"""A room with a table, and a party with rules of its own that the server has, too."""

from pathlib import Path

import pytest

from tests.client.line import Line, Stub

PARTIES = Path(__file__).parent / "parties"


@pytest.fixture
def room(enter):
    return enter()


@pytest.fixture
def todos(room):
    return room.table("todos", text=str, done=bool)


@pytest.fixture
def rules(on_path):
    """The module of the party ``Todos``; a server that is started after this can have it as ``--party rules:Todos``."""
    on_path(PARTIES)
    import rules

    return rules


@pytest.fixture
def enter_todos(rules, enter, start_server):
    """Enter a room of the party ``Todos``, on a server of its own."""
    server = start_server("--party", "rules:Todos")
    return lambda **how: enter("todos", at=server, **{"party": rules.Todos, **how})


@pytest.fixture
def go_offline(wait_until):
    """Cut a room's line and see that it is cut."""

    def cut(room):
        room.offline()
        wait_until(lambda: room.status == "offline", what="going offline")

    return cut


@pytest.fixture
def go_online(wait_until):
    """Mend a room's line; when this returns, all that waited is decided and here."""

    def mend(room):
        room.online()
        room.sync(8)

    return mend


@pytest.fixture
def line(server):
    """A line to the server that can be cut, held and released."""
    made = Line(server.port)
    yield made
    made.close()


@pytest.fixture
def stub():
    """Start a server that says what it is told: ``stub('{"type": "bye"}').url``."""
    started = []

    def start(*script, **how):
        started.append(Stub(script, **how))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def impatient(monkeypatch):
    """Connections of this process that notice silence in about a second, and try again at once."""
    monkeypatch.setattr("partysync_widget.connection.PING_SECONDS", 0.6)
    monkeypatch.setattr("partysync_widget.connection.SILENCE_SECONDS", 0.6)
    monkeypatch.setattr("partysync_widget.connection.FIRST_DELAY", 0.01)
