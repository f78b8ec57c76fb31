"""
Simulated histories: strictly serializable by construction, with everything that makes a real one hard to judge.

One list of decisions is the room. Clients have several mutations on the way, decided in each client's order at any
moment between the call and the answer; some are rejected; answers come with the base that has them; bases lag behind;
a client may end, and nobody knows what became of what it had on the way.
"""

import random
from collections import deque
from dataclasses import dataclass, field

from .history import Record

KEYS, LONGEST = 5, 12  # lists in use at a time, and how long one gets before another takes its place


@dataclass
class Client:
    """One of the simulated: what it has on the way, and which version of the room it holds."""

    proc: str
    asked: deque[Record] = field(default_factory=deque)  # not decided
    decided: deque[tuple[int, Record]] = field(default_factory=deque)  # and not heard, with the version of each
    version: int = 0
    mine: list[Record] = field(default_factory=list)  # not heard: what a view has over its base


class Simulated:
    """A room and its clients. ``history`` is what they asked and saw."""

    def __init__(self, seed: int, *, transactions: int, clients: int = 5, most: int = 4) -> None:
        self.chance = random.Random(seed)
        self.time = 0.0
        self.version = 0
        self.lists: dict[str, list[tuple[int, int]]] = {}  # by key: (version, value), as appended
        self.clients = [Client(f"p{n}") for n in range(clients)]
        self.most = most  # mutations of one client on the way
        self.left = transactions
        self.values = 0
        self.generation = [0] * KEYS
        self.history: list[Record] = []
        self._run()

    def _run(self) -> None:
        weights = (4, 4, 3, 1, 0.5, 0.5, 0.02)
        while self.left > 0:
            client = self.chance.choice(self.clients)
            steps = (self.ask, self.decide, self.hear, self.look, self.view, self.synchronise, self.end)
            self.chance.choices(steps, weights)[0](client)
        while any(client.mine for client in self.clients):
            for client in self.clients:
                self.decide(client)
                self.hear(client)
        last = self._record(self.clients[0], "sync", [["r", key, None] for key in self.lists])
        self._answer(last, self.version)

    def _now(self) -> float:
        self.time += self.chance.random()
        return self.time

    def _record(self, client: Client, kind: str, mops: list[list], version: int = 0) -> Record:
        record = Record(len(self.history), client.proc, kind, self._now(), None, None, mops, "e", version)
        self.history.append(record)
        return record

    def _key(self) -> str:
        slot = self.chance.randrange(KEYS)
        if len(self.lists.get(f"{slot}.{self.generation[slot]}", ())) >= LONGEST:
            self.generation[slot] += 1
        return f"{slot}.{self.generation[slot]}"

    def _list(self, key: str, version: int) -> list[int]:
        return [value for at, value in self.lists.get(key, ()) if at <= version]

    def _answer(self, record: Record, version: int) -> None:
        for mop in record.mops:
            if mop[0] == "r":
                mop[2] = self._list(mop[1], version)
        record.ok, record.version, record.t1 = True, version, self._now()

    # --- what may happen ----------------------------------------------------------------------------------------------

    def ask(self, client: Client) -> None:
        if len(client.mine) == self.most:
            return
        mops = []
        for _ in range(self.chance.randint(1, 4)):
            self.values += 1
            mops.append(self.chance.choice((["append", self._key(), self.values], ["r", self._key(), None])))
        record = self._record(client, "txn", mops)
        client.asked.append(record)
        client.mine.append(record)
        self.left -= 1

    def decide(self, client: Client) -> None:
        if not client.asked:
            return
        record = client.asked.popleft()
        self.version += 1
        if self.chance.random() < 0.05:
            record.ok = False
        else:
            for mop in record.mops:
                if mop[0] == "append":
                    self.lists.setdefault(mop[1], []).append((self.version, mop[2]))
                else:
                    mop[2] = self._list(mop[1], self.version)
            record.ok = True
        client.decided.append((self.version, record))

    def hear(self, client: Client) -> None:
        """Its base moves, and what it brings of its own is answered."""
        client.version = self.chance.randint(client.version, self.version)
        self._settle(client)

    def _settle(self, client: Client) -> None:
        while client.decided and client.decided[0][0] <= client.version:
            record = client.decided.popleft()[1]
            client.mine.remove(record)
            record.t1 = self._now()

    def _some_keys(self) -> list[str]:
        return sorted({self._key() for _ in range(self.chance.randint(1, 4))})

    def look(self, client: Client) -> None:
        """At its base."""
        mops = [["r", key, self._list(key, client.version)] for key in self._some_keys()]
        record = self._record(client, "base", mops, client.version)
        record.ok, record.t1 = True, record.t0

    def view(self, client: Client) -> None:
        """At what the person there sees."""
        mops = []
        for key in self._some_keys():
            own = [mop[2] for each in client.mine for mop in each.mops if mop[0] == "append" and mop[1] == key]
            mops.append(["r", key, self._list(key, client.version) + own])
        record = self._record(client, "view", mops, client.version)
        record.ok, record.t1 = True, record.t0

    def synchronise(self, client: Client) -> None:
        """All of its own is decided and heard, then it looks."""
        record = self._record(client, "sync", [["r", key, None] for key in self._some_keys()])
        while client.asked:
            self.decide(client)
        client.version = self.version
        self._settle(client)
        self._answer(record, self.version)

    def end(self, client: Client) -> None:
        """Some of what it asked may be decided yet; nobody hears of it. Another takes its place."""
        for _ in range(self.chance.randint(0, len(client.asked))):
            self.decide(client)
        for record in client.mine:
            record.ok = None
            for mop in record.mops:
                if mop[0] == "r":
                    mop[2] = None
        place = self.clients.index(client)
        name, _, times = client.proc.partition("#")
        self.clients[place] = Client(f"{name}#{int(times or 1) + 1}")
