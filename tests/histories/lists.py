"""
A party of lists that only grow, and the program of one of its clients.

``lists.py url token name seed transactions log``: a kernel's client in a process of its own, which appends and reads,
with several mutations on the way, looks at its base and its view in between, cuts its line now and then, and writes
into its log what it asks before it asks, and what it heard when it heard it.
"""

import contextlib
import json
import random
import sys
import threading
import time
from pathlib import Path

import partysync_widget as ps

SLOTS, LONGEST = 6, 40  # lists in use at a time, and how long one gets before another takes its place
REFUSED = 30  # one in so many is refused by the room, on purpose
ON_THE_WAY = (1, 4, 16)  # mutations at most: one client waits for each, others do not
CUT = (0, 60)  # after how many mutations the line is cut; of some it never is
PATIENCE = 60.0  # seconds for an answer: the server is killed and started again meanwhile


class Lists(ps.Party):
    schema = "CREATE TABLE lists (id TEXT PRIMARY KEY NOT NULL, items TEXT NOT NULL) STRICT"

    @ps.mutator
    def transact(tx, steps: list, refuse: bool = False):
        """Do ``["append", key, value]`` and ``["r", key, …]`` in order; the lists that were read."""
        read = []
        for what, key, value in steps:
            row = tx.get("lists", key)
            items = json.loads(row["items"]) if row else []
            if what == "append":
                tx.upsert("lists", id=key, items=json.dumps([*items, value]))
            else:
                read.append(items)
        if refuse and not tx.guess:
            raise ValueError("refused on purpose")
        return read


class Log:
    """Lines as they are written: a client that is killed has written all that it asked."""

    def __init__(self, path, proc):
        self._file = Path(path).open("a", buffering=1)  # noqa: SIM115  # open as long as the process
        self._lock = threading.Lock()
        self._proc = proc
        self._ids = 0

    def ask(self, kind, mops, **more):
        with self._lock:
            self._ids += 1
            line = {"id": self._ids, "proc": self._proc, "kind": kind, "mops": mops, "t0": time.monotonic(), **more}
            self._file.write(json.dumps(line) + "\n")
            return self._ids

    def hear(self, id, ok, **more):
        with self._lock:
            self._file.write(json.dumps({"id": id, "ok": ok, **more, "t1": time.monotonic()}) + "\n")


class Person:
    """One client: what it does is its seed's."""

    def __init__(self, room, log, seed):
        self.room = room
        self.log = log
        self.chance = random.Random(seed)
        self.values = seed * 10_000_000  # nobody else appends these
        self.generation = [0] * SLOTS
        self.on_the_way = []
        self.most = self.chance.choice(ON_THE_WAY)
        self.cut = self.chance.choice(CUT)

    def key(self, slot):
        """The list in use in that slot. When it is long, as far as is known here, the next one is."""
        while True:
            key = f"{slot}.{self.generation[slot]}"
            found = self.room.sql("SELECT json_array_length(items) AS long FROM lists WHERE id = ?", key)
            if not found or found[0]["long"] < LONGEST:
                return key
            self.generation[slot] += 1

    def keys(self):
        return [self.key(slot) for slot in range(SLOTS)]

    def transact(self):
        """Ask for one; wait while too many are on the way."""
        steps = []
        for _ in range(self.chance.randint(1, 4)):
            key = self.key(self.chance.randrange(SLOTS))
            self.values += 1
            steps.append(self.chance.choice((["append", key, self.values], ["r", key, None])))
        refuse = self.chance.randrange(REFUSED) == 0
        id = self.log.ask("txn", steps, refused=refuse)
        receipt = self.room.mutate("transact", steps=steps, refuse=refuse)
        receipt.when_done(lambda receipt: self.hear(id, steps, receipt))
        self.on_the_way.append(receipt)

    def hear(self, id, steps, receipt):
        value, error = receipt.outcome()
        if error is None:
            read = iter(value)
            self.log.hear(id, True, mops=[[what, key, next(read) if what == "r" else v] for what, key, v in steps])
        else:
            self.log.hear(id, False if isinstance(error, ps.MutationRejected) else None, why=str(error))

    def wait(self, most=0):
        while len(self.on_the_way) > most:
            receipt = self.on_the_way.pop(0)
            with contextlib.suppress(ps.MutationRejected, ps.OutcomeUnknown):  # it is in the log
                receipt.result(PATIENCE)

    def look(self):
        """At the base and at the view, as they are at one moment."""
        keys = self.keys()
        with self.room.connection.lock:
            base = self.log.ask("base", [])
            epoch, layers = self.room.connection.replica.epoch, self.room.inspect("lists")
            view = self.log.ask("view", [])
            shown = {row["id"]: row["items"] for row in layers.view}
            self.log.hear(view, True, mops=reads(shown, keys), epoch=epoch, version=layers.version)
        decided = {row["id"]: row["items"] for row in layers.base}
        self.log.hear(base, True, mops=reads(decided, keys), epoch=epoch, version=layers.version)

    def synchronise(self, *, everything=False):
        """Wait until all is decided and here, and look."""
        id = self.log.ask("sync", [])
        self.wait()
        self.room.sync(PATIENCE)
        layers = self.room.inspect("lists")
        decided = {row["id"]: row["items"] for row in layers.base}
        keys = sorted(decided) if everything else self.keys()
        self.log.hear(id, True, mops=reads(decided, keys), version=layers.version)

    def go(self, transactions):
        for n in range(1, transactions + 1):
            self.transact()
            if n % 10 == 0:
                self.look()
            if n % 100 == 0:
                self.synchronise()
            if self.cut and n % self.cut == 0:
                self.away()
            self.wait(self.most)
        self.synchronise(everything=True)

    def away(self):
        """Cut the line, with edits on the way; go on; mend it."""
        self.room.offline()
        for _ in range(self.chance.randrange(6)):
            self.transact()
        self.look()
        self.room.online()


def reads(lists, keys):
    return [["r", key, json.loads(lists.get(key, "[]"))] for key in keys]


def main(url, token, name, seed, transactions, log):
    with ps.connect("lists", url=url, token=token, party=Lists, user=name) as room:
        Person(room, Log(log, name), int(seed)).go(int(transactions))


if __name__ == "__main__":
    main(*sys.argv[1:])
