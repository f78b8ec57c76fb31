"""The party that the page of the documentation shows does what is said there."""

import json
import os
import re
from pathlib import Path

from tests.hooks.conftest import Guest

PAGE = Path(__file__).parents[2] / "docs" / "connections.md"


def test_the_party_of_the_page_works(start_server, tmp_path):
    lobby = re.search(r"^```python\n(class Lobby.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "lessons.py").write_text(f"from partysync_widget import Party\n\n\n{lobby}")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    server = start_server("--party", "lessons:Lobby", environment={**os.environ, "PYTHONPATH": path})

    with Guest(server, "/parties/lobby/x", "a") as ann, Guest(server, "/parties/lobby/x", "b") as bob:
        assert (ann.hear(), bob.hear()) == ("welcome", "welcome")
        assert ann.hear() == "a web page came"
        bob.say("hello")
        assert ann.hear()["payload"][0][:2] == ["b-1", "hello"]
        assert json.loads(server.get("/parties/lobby/x")) == {"rows": 1}
    assert "Traceback" not in server.log
