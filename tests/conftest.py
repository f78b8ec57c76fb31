"""
Shared by all tests: an empty home, room servers that can be killed, people in rooms, and one way to wait.

Nothing here sleeps and hopes: ``wait_until`` watches the very thing that the test asserts, with a deadline.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

import partysync_widget as ps
from tests.sentinel import SENTINEL, pytest_runtest_makereport, pytest_sessionfinish

__all__ = ["pytest_runtest_makereport", "pytest_sessionfinish"]

SECONDS = 8.0  # to wait for anything, at most: less than the 10 after which a ping would mend what hangs
TOKEN = SENTINEL
PORTS = range(15_000, 30_000)  # below those that systems give away by themselves, so a killed server's port stays free

OURS = (
    "PARTYSYNC_URL",
    "PARTYSYNC_TOKEN",
    "PARTYSYNC_USER",
    "PARTYSYNC_IDLE_EXIT",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_BASE_URL",
    "JUPYTERHUB_USER",
    "JPY_PARENT_PID",
    "KERNEL_ID",
    "KERNEL_LAUNCH_TIMEOUT",
    "KERNEL_USERNAME",
    "KERNEL_WORKING_DIR",
)

names = itertools.count(1)


def home(folder):
    """Environment variables that put everything of Jupyter's and of ours into ``folder``."""
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PARTYSYNC_DATA": str(folder / "rooms"),
    }


def stop_own_server(folder):
    """End the server that ``connect`` may have started from the home in ``folder``."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # none was started, or it stopped by itself
        os.kill(json.loads((folder / "runtime" / "partysync-local.json").read_text())["pid"], signal.SIGTERM)


@pytest.fixture(autouse=True, scope="session")
def _empty_home(tmp_path_factory):
    """No test finds the server, the rooms or the settings of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in OURS:
            patch.delenv(name, raising=False)
        for name, value in home(folder).items():
            patch.setenv(name, value)
        yield
    stop_own_server(folder)


@pytest.fixture
def isolated(tmp_path):
    """The environment of a person who has nothing yet: programs started with it find no server but their own."""
    yield {**os.environ, **home(tmp_path)}
    stop_own_server(tmp_path)


def wait_until(there, seconds=SECONDS, what=""):
    """What ``there()`` gives once it is true. The only place in these tests that sleeps."""
    deadline = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < deadline, f"{what or 'What the test waits for'} did not happen within {seconds} s."
        time.sleep(0.005)
    return found


@pytest.fixture(name="wait_until", scope="session")
def _wait_until():
    return wait_until


def free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """A room server in a process of its own, with a folder and a port that outlive it."""

    token = TOKEN

    def __init__(self, folder, *options, environment=None, before=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "rooms"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.options = options
        self._environment = environment
        self.before = before  # called in the process before it becomes the server
        self._log = folder / "log"
        self.start()

    def start(self):
        command = [sys.executable, "-m", "partysync_server", "serve", "--data", str(self.data)]
        command += ["--port", str(self.port), "--log-level", "DEBUG", *self.options]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**(self._environment or os.environ), "PARTYSYNC_TOKEN": TOKEN},
                preexec_fn=self.before,
            )
        said = self.process.stdout.readline()
        assert said == f"Rooms at {self.url}\n", (said, self.log)

    @property
    def log(self):
        """All it has ever said, beside its address."""
        return self._log.read_text()

    def files(self, pattern="*.db"):
        """The files of its rooms, by name."""
        return sorted(self.data.glob(f"rooms/*/{pattern}"))

    def get(self, path):
        """What it answers to its operator."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=SECONDS) as answer:
            return answer.read().decode()

    def sessions(self):
        """How many sessions it has. Asking is also the proof that it answers."""
        return json.loads(self.get("/health"))["sessions"]

    def metric(self, name):
        """One of its metrics, as a number; ``name`` with the labels, as it stands there."""
        lines = self.get("/metrics").splitlines()
        return next(float(line.removeprefix(name)) for line in lines if line.startswith(f"{name} "))

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """As the power does: -9."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """In good order; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(SECONDS)
        self.process.stdout.close()
        return code

    def restart(self):
        """Again on the same folder and port; stopped first if it runs."""
        self.stop()
        self.start()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A room server for all tests that leave it alone."""
    shared = Server(tmp_path_factory.mktemp("server"))
    yield shared
    shared.stop()


@pytest.fixture
def start_server(tmp_path):
    """Start a server of one's own: ``start_server("--idle-room", "1")``. Ended when the test is over."""
    started = []

    def start(*options, **how):
        started.append(Server(tmp_path / f"server-{len(started)}", *options, **how))
        return started[-1]

    yield start
    for each in started:
        each.signal(signal.SIGCONT)  # a test may have left it stopped
        each.stop()


@pytest.fixture
def lone_server(start_server):
    """A server that this test may kill."""
    return start_server()


@pytest.fixture
def enter(server):
    """Enter a room as one more person: ``enter()`` the test's own room, ``enter(name, at=lone_server, user="ann")``."""
    own, entered = f"room-{next(names)}-of-{os.getpid()}", []

    def enter(name=own, *, at=server, **how):
        room = ps.connect(name, **{"url": at.url, "token": at.token, **how})
        entered.append(room)
        return room

    yield enter
    for room in entered:
        room.close()


@pytest.fixture
def run_python(tmp_path):
    """Run a program in a process of its own, in ``tmp_path``; what it printed.

    ``run_python("print(1)", "argument", environment=…, code=1)``: it must end well unless ``code`` says how.
    """

    def run(program, *arguments, environment=None, code=0, seconds=60):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    return run


@pytest.fixture
def on_path(monkeypatch):
    """Make the modules of a folder known to this process, and to those that it starts."""

    def add(folder):
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))

    return add
