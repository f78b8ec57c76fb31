"""
A peer that answers no ping is gone, and noticed: the server's own sockets, and those that Jupyter mounts.

Jupyter's WebSocketMixin has a ``ping_interval`` in milliseconds, which Tornado reads as seconds: unless ours wins, a
peer would be pinged every eight hours. The interval is an option, as is needed behind a proxy that has less patience.
"""

import os

import pytest

from partysync_server.visit import PING_SECONDS
from tests.conftest import free_port, home, stop_own_server
from tests.jupyters import Jupyter
from tests.server.stranger import Stranger, hello

CLOSING = 5.0  # seconds that Tornado waits for an answer to its goodbye
PING = 0.5


def deaf(server, path):
    """Somebody in the room who answers no ping."""
    stranger = Stranger(server, path)
    assert stranger.status == 101
    stranger.frame(hello("deaf"))
    assert stranger.hear()["type"] == "welcome"
    return stranger


def test_who_answers_no_ping_is_let_go(start_server, enter, wait_until):
    server = start_server(f"--ping={PING}")
    room = enter("r", at=server)  # a real kernel answers
    with deaf(server, "/parties/main/r"):
        wait_until(lambda: len(room.peers) == 1, what="their coming")
        wait_until(lambda: not room.peers, 2 * PING + CLOSING + 3, what="their being let go")
        assert room.status == "live"
        assert server.sessions() == 1


def test_usually_it_takes_less_than_a_minute():
    assert 2 * PING_SECONDS + CLOSING < 60


def test_who_answers_no_ping_is_let_go_of_a_mounted_room(tmp_path, enter, wait_until):
    """The trap of the mixin."""
    pytest.importorskip("jupyter_server")
    environment = {name: value for name, value in os.environ.items() if name != "JUPYTER_TOKEN"}
    jupyter = Jupyter(tmp_path, {**environment, **home(tmp_path)}, free_port(), PartySyncExtension={"ping": PING})
    try:
        jupyter.wait()
        said = jupyter.said()
        room = enter("r", url=said["url"], token=said["token"])
        with deaf(jupyter, "/base/partysync/parties/main/r"):
            wait_until(lambda: len(room.peers) == 1, what="their coming")
            wait_until(lambda: not room.peers, 2 * PING + CLOSING + 3, what="their being let go")
            assert room.status == "live"
    finally:
        jupyter.stop()
        stop_own_server(tmp_path)
