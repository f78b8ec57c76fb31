"""
A party that notices what must not be: a mutation that runs twice, one that runs out of turn, one that is gone.

Run as a program it is one of ``people``: ``tally.py url token who`` makes entries until it is told to go on; says what
it was told of each; and when everybody has made theirs, what it sees.
"""

import hashlib
import json
import sys
import threading

import apsw

import partysync_widget as ps
from partysync_widget import connection

UNDECIDED = 100  # entries on the way at a time
REFUSED = 40  # every so many the room refuses one
ANSWERED = 8  # every so many it gives an answer to
PATIENCE = 60  # seconds for a word on everything that was made


class Tally(ps.Party):
    schema = """CREATE TABLE entries (
        id TEXT PRIMARY KEY NOT NULL, who TEXT NOT NULL, n INTEGER NOT NULL, times INTEGER NOT NULL
    ) STRICT"""

    @ps.mutator
    def enter(tx, who: str, n: int):
        tx.sql(
            "INSERT INTO entries (id, who, n, times) VALUES (?, ?, ?, 1) "
            "ON CONFLICT (id) DO UPDATE SET times = times + 1",
            f"{who}-{n}",
            who,
            n,
        )
        if n % REFUSED == 0 and not tx.guess:
            raise ValueError("every so many is refused")
        return n if n % ANSWERED == 0 else None


def digest(room):
    """Every row of the room, in order, as one short text."""
    rows = room.sql("SELECT * FROM entries ORDER BY id")
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def in_file(file):
    """(entries in the order in which they were made, version) of the room's file, read by SQLite alone."""
    found = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    assert found.pragma("integrity_check") == "ok"
    entries = found.execute("SELECT who, n, times FROM entries ORDER BY rowid").fetchall()
    version = found.execute("SELECT value FROM _partysync_meta WHERE key = 'version'").get
    found.close()
    return entries, version


def main(url, token, who):
    connection.FIRST_DELAY = connection.LAST_DELAY = 0.05  # so that a hundred kills take a minute, not ten
    room = ps.connect("tally", url=url, token=token, party=Tally, user=who)
    print("ready", flush=True)
    end = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), end.set()), daemon=True).start()
    receipts = []
    while not end.is_set():
        receipts.append(room.mutate("enter", who=who, n=len(receipts) + 1))
        if len(receipts) > UNDECIDED and not receipts[-UNDECIDED].done():
            while not receipts[-UNDECIDED].done() and not end.wait(0.001):
                pass
    outcomes = {"accepted": [], "rejected": [], "unsettled": []}
    for n, receipt in enumerate(receipts, 1):
        try:
            assert receipt.result(PATIENCE) == (n if n % ANSWERED == 0 else None)
            outcomes["accepted"].append(n)
        except ps.MutationRejected:
            outcomes["rejected"].append(n)
        except ps.PartySyncError as error:
            outcomes["unsettled"].append(str(error))
    room.sync(PATIENCE)
    print(json.dumps(outcomes), flush=True)
    sys.stdin.readline()  # until everybody has made all of theirs
    room.sync(PATIENCE)
    print(digest(room), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
