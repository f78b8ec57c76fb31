"""
A room's ledger on a disk that loses its power: what is done there, and what has to be there afterwards.

The mutators, the SQL, the triggers and the statements of ``Ledger`` are the real ones; the disk is ``disk``.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

from partysync_server.ledger import Ledger, Verdict
from partysync_widget.core import messages as m
from partysync_widget.core.migration import Migration
from partysync_widget.core.party import Party
from tests.convergence import edits
from tests.convergence.workshop import Workshop
from tests.power.disk import Disk, OnDisk, Power

POWER = Power()
FILES = OnDisk(POWER)
CLIENTS = ("ann", "bob", "cat")


class Careless(Workshop):
    """The control arm: `synchronous=NORMAL`, which a party may ask for where a process's death is all it fears."""

    durability = "process"


class Grown(Workshop):
    """The same a version later."""

    name = Workshop.name
    schema = Workshop.schema.replace("n INTEGER NOT NULL) STRICT", "n INTEGER NOT NULL, note TEXT) STRICT", 1)
    migrations = (Migration("ALTER TABLE counters ADD COLUMN note TEXT"),)


@dataclass
class Known:
    """What a turn's end has left: the digest of all rows, and how far each client was."""

    digest: str
    last: dict[str, int]


@dataclass
class Story:
    """What has happened so far. ``acked`` is the version up to which everybody has been told."""

    acked: int = 0
    ends: dict[int, Known] = field(default_factory=dict)  # by version; those that a COMMIT was begun for
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLIENTS, 0))


def opened(disk: Disk, path: Path, epoch: str, party: type[Party] = Workshop) -> Ledger:
    POWER.disk = disk
    return Ledger(path, party, epoch, files=FILES)


def digest(ledger: Ledger) -> str:
    """Of every row of every table, in order."""
    found = hashlib.blake2b(digest_size=12)
    for name in ledger.store.tables:
        found.update(name.encode())
        for row in ledger.store.rows(name):
            found.update(repr(row).encode())
    return found.hexdigest()


def mutation(random: Random, client: str, mid: int, columns: dict[str, dict[str, str]], number: int) -> m.Mutation:
    if mid == 1 and client == CLIENTS[0]:
        return m.Mutation(mid, *edits.setup(Workshop)[0])
    name, args = edits.edit(random, Workshop, columns, client, number)
    return m.Mutation(mid, name, args)


def turn(ledger: Ledger, random: Random, story: Story, *, compact: bool = False) -> dict[str, int]:
    """Some mutations of some clients, up to the COMMIT; how far each client is by it."""
    last = dict(story.last)
    ledger.begin()
    columns = {name: {c.name: c.type for c in entry.spec.columns} for name, entry in ledger.store.tables.items()}
    for _ in range(random.randint(1, 6)):
        client = random.choice(CLIENTS) if story.ends else CLIENTS[0]
        last[client] += 1
        verdict = ledger.decide(client, client, mutation(random, client, last[client], columns, ledger.version))
        assert verdict is Verdict.DECIDED
    if compact:
        ledger.compact(20)
    ledger.seal()
    story.ends[ledger.version] = Known(digest(ledger), last)
    return last


def wrong(disk: Disk, path: Path, story: Story, epoch: str, party: type[Party] = Workshop) -> str:
    """Open what is left, and say what is wrong with it; empty if every promise is kept (R4, R5)."""
    try:
        ledger = opened(disk, path, epoch, party)
    except Exception as error:  # noqa: BLE001  # whatever it is, the room is lost
        return f"corrupt: {error}"
    try:
        if ledger.version < story.acked:
            return f"lost: version {ledger.version} of {story.acked} that were acknowledged"
        known = story.ends.get(ledger.version)
        if known is None and ledger.version > 0:
            return f"torn: version {ledger.version} is no end of a turn"
        if known is not None and digest(ledger) != known.digest:
            return f"torn: version {ledger.version} has other rows than it had"
        for client, mid in (known.last if known else {}).items():
            if ledger.last_mid(client) != mid:
                return f"torn: {client} is at {ledger.last_mid(client)} and not at {mid}"
        said: Any = ledger.store.connection.execute("PRAGMA integrity_check(1)").get
    except apsw.Error as error:
        return f"corrupt: {error}"
    else:
        return "" if said == "ok" else f"corrupt: {said}"
    finally:
        ledger.store.close()
