"""
A crowd: clients in processes of their own, and a server that is killed while they are at it.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.histories import lists
from tests.histories.history import Record, gather

PROCESSES = 8
LISTS = Path(lists.__file__)
SECONDS = 60.0  # for everybody to have gone on after a kill


class Client:
    """One of the crowd. ``heard`` is how many answers it has had so far."""

    def __init__(
        self, server, folder: Path, number: int, transactions: int, *, name: str = "", program: Path = LISTS
    ) -> None:
        self.name = name or f"c{number}"
        self.log = folder / f"{self.name}.log"
        self.log.touch()
        self._reading = self.log.open()
        self.heard = 0
        command = [sys.executable, str(program), server.url, server.token, self.name, str(number), str(transactions)]
        self.process = subprocess.Popen([*command, str(self.log)], stdin=subprocess.DEVNULL)

    def look(self) -> int:
        """Read on in its log."""
        self.heard += sum('"proc"' not in line for line in self._reading)
        return self.heard

    @property
    def at_work(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self._reading.close()
        if self.at_work:
            self.process.kill()
        self.process.wait()


class Crowd:
    """Clients of one server. ``kill_server`` and ``kill_client`` come at moments that chance has chosen."""

    def __init__(
        self,
        server,
        folder: Path,
        transactions: int,
        seed: int,
        wait_until,
        *,
        processes: int = PROCESSES,
        program: Path = LISTS,
    ) -> None:
        self.server = server
        self.folder = folder
        self.chance = random.Random(seed)
        self.wait_until = wait_until
        self.share = transactions // processes
        numbers = range(seed * 100 + 1, seed * 100 + 1 + processes)
        self.clients = [Client(server, folder, number, self.share, program=program) for number in numbers]
        self.gone: list[Client] = []

    def until_all_are_here(self) -> None:
        """Until everybody has had an answer."""
        self.wait_until(lambda: all(client.look() for client in self.clients), SECONDS, "everybody's first answer")

    @property
    def heard(self) -> int:
        return sum(client.look() for client in (*self.clients, *self.gone))

    def until_heard(self, answers: int, seconds: float = 600.0) -> None:
        """Until they have had so many answers together; or are done."""
        self.wait_until(
            lambda: self.heard >= answers or not any(client.at_work for client in self.clients), seconds, "going on"
        )

    def kill_server(self, *, all_go_on: bool = True) -> None:
        """-9, and start it again. Everybody who is not done goes on."""
        time.sleep(self.chance.uniform(0.0, 0.1))  # chance, not waiting: the kill comes at any moment
        self.server.kill()
        self.server.start()
        if not all_go_on:
            return
        before = {client: client.look() for client in self.clients}
        self.wait_until(
            lambda: all(client.look() > before[client] or not client.at_work for client in self.clients),
            SECONDS,
            "going on after a kill",
        )

    def kill_client(self) -> None:
        """-9. Another takes its place, and has a name of its own: nobody knows what became of its edits."""
        place = self.chance.randrange(len(self.clients))
        client = self.clients[place]
        if client.at_work:
            client.process.kill()
            client.process.wait()
            left = max(self.share - client.look(), 1)
            again = Client(self.server, self.folder, 90_000 + place, left, name=f"{client.name}#2")
            self.gone.append(client)
            self.clients[place] = again
            self.wait_until(again.look, SECONDS, "its first answer")

    def history(self) -> list[Record]:
        """All of it, when everybody is done."""
        for client in self.clients:
            assert client.process.wait(600) == 0, f"{client.name} failed."
        return self.so_far()

    def so_far(self) -> list[Record]:
        """What was written until now."""
        return gather(sorted(self.folder.glob("*.log")))

    def end(self) -> None:
        for client in (*self.clients, *self.gone):
            client.end()


@contextmanager
def crowd(server, folder: Path, transactions: int, seed: int, wait_until, **how) -> Iterator[Crowd]:
    """A crowd whose processes end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    come = Crowd(server, folder, transactions, seed, wait_until, **how)
    try:
        come.until_all_are_here()
        yield come
    finally:
        come.end()
