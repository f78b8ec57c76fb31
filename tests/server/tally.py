"""
A party that notices what must not be: a mutation that runs twice, one that runs out of turn, one that is gone.

Run as a program it is one of the people of test_kill9: ``tally.py url token who`` makes entries until its input ends.
"""

import hashlib
import json
import sys
import threading

import partysync_widget as ps

UNDECIDED = 100  # entries on the way at a time
REFUSED = 40  # every so many the room refuses one


class Tally(ps.Party):
    schema = """
    CREATE TABLE entries (
        id TEXT PRIMARY KEY NOT NULL, who TEXT NOT NULL, n INTEGER NOT NULL, times INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE people (id TEXT PRIMARY KEY NOT NULL, last INTEGER NOT NULL, disorder INTEGER NOT NULL) STRICT;
    """

    @ps.mutator
    def enter(tx, who: str, n: int):
        tx.sql(
            "INSERT INTO entries (id, who, n, times) VALUES (?, ?, ?, 1) "
            "ON CONFLICT (id) DO UPDATE SET times = times + 1",
            f"{who}-{n}",
            who,
            n,
        )
        tx.sql(
            "INSERT INTO people (id, last, disorder) VALUES (?, ?, 0) "
            "ON CONFLICT (id) DO UPDATE SET disorder = disorder + (last >= excluded.last), last = excluded.last",
            who,
            n,
        )
        if n % REFUSED == 0 and not tx.guess:
            raise ValueError("every so many is refused")
        return n


def digest(room):
    """Every row of the room, in order, as one short text."""
    rows = [room.sql(f"SELECT * FROM {table} ORDER BY id") for table in ("entries", "people")]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def main(url, token, who):
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
            assert receipt.result(30) == n
            outcomes["accepted"].append(n)
        except ps.MutationRejected:
            outcomes["rejected"].append(n)
        except ps.PartySyncError as error:
            outcomes["unsettled"].append(str(error))
    room.sync(30)
    print(json.dumps(outcomes), flush=True)
    sys.stdin.readline()  # until everybody has made all of theirs
    room.sync(30)
    print(digest(room), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
