"""
Systems under test: how each is started in a folder of its own, spoken to, and what it does for an acknowledged write.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jupyter_core.paths import jupyter_data_dir

from .crowd import Crowd, Member, Tongue, Writer
from .process import Failed, Process, free_port
from .tongues import Bare, Ours, TinyBase, Yjs

PEERS = Path(__file__).parent / "peers"
ROOM = "bench"
LOAD_SECONDS = 120.0  # for rows to be there, or many observers, before anything is measured
FULL = "yes: COMMIT with synchronous=FULL came before anybody was told"


@dataclass
class Running:
    """A system that answers, in a folder of its own."""

    system: System
    process: Process
    port: int
    folder: Path
    token: str = ""
    room: str = ROOM
    clients: list[Process] = field(default_factory=list)  # that are processes of their own

    def stop(self) -> None:
        """The clients first, then the server."""
        for process in (*self.clients, self.process):
            process.stop()

    def tongue(self) -> Tongue:
        """A client of it that is not connected yet."""
        return self.system.tongue(self)

    def observe(self, crowd: Crowd, count: int = 1) -> None:
        """So many observers more, in step."""
        for _ in range(count):
            crowd.enter(self.tongue(), self.port, watching=True)
            if len(crowd.members) % 50 == 0:
                crowd.poll()
        crowd.in_step(LOAD_SECONDS)

    def writers(self, crowd: Crowd, count: int = 1) -> list[Writer]:
        """So many writers, in step. Those of TinyBase are its own, in one process."""
        if self.system.name.startswith("tinybase"):
            return [NodeWriter(self, count)]
        made: list[Writer] = [crowd.enter(self.tongue(), self.port, watching=False) for _ in range(count)]
        crowd.in_step(LOAD_SECONDS)
        return made

    def join(self, rows: int) -> tuple[float, int, int]:
        """Somebody joins, in a process of its own: seconds to a replica that answers, bytes heard, bytes it takes."""
        if self.system.name.startswith("tinybase"):
            command = ["node", str(peers() / "tinybase-client.mjs"), str(self.port), self.room, "read", str(rows)]
        else:
            command = _python("bench.joiner", self.system.name, self.port, self.room, self.token, rows)
        process = Process(command, self.folder / "log-joiner")
        try:
            took, size, memory = process.heard().split()
        finally:
            process.stop()
        return float(took), int(size), int(memory)

    def fill(self, rows: int) -> None:
        """Rows that are there before anything is measured."""
        with Crowd() as crowd:
            if self.system.name.startswith("tinybase"):
                self.observe(crowd)
                (writer,) = self.writers(crowd)
                if rows and isinstance(writer, NodeWriter):
                    seen = crowd.observers[0]
                    writer.fill(rows)
                    crowd.until(lambda: seen.rows >= rows, LOAD_SECONDS, "the rows to be there")
                return
            member = crowd.enter(self.tongue(), self.port, watching=True)
            crowd.in_step(LOAD_SECONDS)
            tongue = member.tongue
            if isinstance(tongue, Ours):
                _send(member, tongue.make())
            for first in range(0, rows, 20_000):
                count = min(20_000, rows - first)
                before = member.rows
                match tongue:
                    case Ours() | Yjs():
                        _send(member, tongue.fill(first, count))
                    case _:
                        _send(member, tongue.write(count))
                crowd.until(lambda want=before + count: member.rows >= want, LOAD_SECONDS, "the rows to be there")  # type: ignore[misc]
            if isinstance(tongue, Ours) and not rows:  # until a row of it has come back, nobody knows of the table
                _send(member, tongue.write(1))
                crowd.until(lambda: member.rows > 0, LOAD_SECONDS, "the table to be there")


@dataclass(frozen=True)
class System:
    """See the module. ``command`` makes the command line for a port and a folder."""

    name: str
    title: str
    kind: Literal["ours", "floor", "peer"]
    durable: str
    tongue: Callable[[Running], Tongue]
    command: Callable[[int, Path], list[str]]
    needs: tuple[str, ...] = ()  # modules of Python
    node: bool = False

    def missing(self) -> str:
        """What to type so that it can be measured; empty if it can."""
        if any(not _there(module) for module in self.needs):
            return "pip install 'partysync-widget[bench]'"
        if self.node and not shutil.which("node"):
            return "install Node 20 or newer, with npm"
        return ""

    def start(self, folder: Path) -> Running:
        """In a process of its own, listening. Raises Failed."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.name == "ours":
            return _start_ours(self, folder)
        port = free_port()
        process = Process(self.command(port, folder), folder / "log", environment=_environment())
        try:
            process.answers(port)
        except Failed:
            process.stop()
            raise
        return Running(self, process, port, folder)

    @contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """Started, and stopped at the end, its folder removed."""
        running = self.start(folder)
        try:
            yield running
        finally:
            running.stop()
            shutil.rmtree(folder, ignore_errors=True)


class NodeWriter:
    """TinyBase's own client, told how many rows to write."""

    def __init__(self, running: Running, count: int) -> None:
        command = ["node", str(peers() / "tinybase-client.mjs"), str(running.port), running.room, "write", str(count)]
        self.process = Process(command, running.folder / "log-client")
        running.clients.append(self.process)
        self.busy = False
        if self.process.heard() != "ready":
            raise Failed("TinyBase's client did not get ready.")

    def write(self, count: int) -> None:
        self.process.say(str(count))

    def fill(self, rows: int) -> None:
        self.process.say(f"fill {rows}")


def _start_ours(system: System, folder: Path) -> Running:
    token = secrets.token_hex(16)
    process = Process(system.command(0, folder), folder / "log", environment={"PARTYSYNC_TOKEN": token})
    try:
        said = process.heard()
    except Failed:
        process.stop()
        raise
    return Running(system, process, int(said.rpartition(":")[2]), folder, token)


def _send(member: Member, messages: list[bytes]) -> None:
    for message in messages:
        member.line.send(message, binary=member.tongue.binary)


def _there(module: str) -> bool:
    with suppress(ModuleNotFoundError):
        return importlib.util.find_spec(module) is not None
    return False


def _environment() -> dict[str, str]:
    return {"NODE_ENV": "production"}


@functools.cache
def peers() -> Path:
    """The folder in which npm has installed the peers that are its: beside the cache of this user, made on demand."""
    lock = PEERS / "package-lock.json"
    folder = Path(jupyter_data_dir()) / "partysync-bench" / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    for path in PEERS.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    if not (folder / "installed").exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Failed("npm is not installed, so the peers that are its cannot be.")
        sys.stderr.write(f"Installing the peers that are npm's in {folder}\n")
        install = [npm, "ci", "--no-audit", "--no-fund"]
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"`npm ci` in {folder} failed: {done.stderr[-300:]}")
        (folder / "installed").touch()
    return folder


def _python(module: str, *args: object) -> list[str]:
    return [sys.executable, "-m", f"partysync_server.{module}" if module else "partysync_server", *map(str, args)]


SYSTEMS = {
    system.name: system
    for system in (
        System(
            "ours",
            "PartySync",
            "ours",
            FULL,
            lambda at: Ours(at.room, at.token),
            lambda port, folder: _python("", "serve", "--data", folder / "rooms", "--port", port, "--idle-room", 3600),
        ),
        System(
            "bare",
            "floor: bare Tornado room",
            "floor",
            FULL,
            lambda _at: Bare(),
            lambda port, folder: _python("bench.bare", port, folder / "bare.db"),
        ),
        System(
            "echo",
            "floor: Tornado alone",
            "floor",
            "no: nothing is stored",
            lambda _at: Bare(),
            lambda port, _folder: _python("bench.bare", port, "-"),
        ),
        System(
            "pycrdt",
            "pycrdt-websocket with its SQLite store",
            "peer",
            "no: others are told first, the store follows",
            lambda at: Yjs(f"/{at.room}"),
            lambda port, folder: _python("bench.peer_pycrdt", port, folder / "store.db"),
            needs=("pycrdt", "pycrdt.websocket", "pycrdt.store"),
        ),
        System(
            "tinybase",
            "TinyBase with its SQLite persister",
            "peer",
            "no: others are told first, the persister follows",
            lambda at: TinyBase(f"/{at.room}"),
            lambda port, folder: ["node", str(peers() / "tinybase-server.mjs"), str(port), str(folder)],
            node=True,
        ),
        System(
            "tinybase-memory",
            "TinyBase, nothing stored",
            "peer",
            "no: it is kept in memory",
            lambda at: TinyBase(f"/{at.room}"),
            lambda port, _folder: ["node", str(peers() / "tinybase-server.mjs"), str(port), "-"],
            node=True,
        ),
        System(
            "y-websocket",
            "y-websocket",
            "peer",
            "no: it keeps documents in memory",
            lambda at: Yjs(f"/{at.room}"),
            lambda port, _folder: ["node", str(peers() / "y-websocket.mjs"), str(port)],
            needs=("pycrdt",),
            node=True,
        ),
    )
}
