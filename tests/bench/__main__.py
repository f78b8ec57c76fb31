"""
``make bench``: what an edit costs, and a load, between two processes and a server on this machine.

Prints the median and the slowest of a hundred edits: until the call returns (the edit shows here), until the receipt
has its result (it is on disk), until the other process has heard of it; in an empty table and in a large one.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EDITS = 100


def main():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the load")
    parser.add_argument("--listen", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.alarm(300)  # seconds; whoever waits longer than that waits for ever
    if options.listen:
        listen()
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(JUPYTER_RUNTIME_DIR=f"{folder}/runtime", JUPYTER_DATA_DIR=folder, PARTYSYNC_DATA=folder)
        os.environ.pop("PARTYSYNC_URL", None)
        measure(options.rows)


def listen():
    """The other process: says when it heard of each row (the clock is one for all processes)."""
    import partysync_widget as ps

    room = ps.connect("bench")
    edits = room.table("edits")
    watching = edits.observe(
        lambda change: print(len(change.rows), *list(change.rows)[:1], time.perf_counter(), flush=True)
    )
    print("ready", flush=True)
    sys.stdin.read()
    watching.close()


def measure(rows):
    import partysync_widget as ps

    room = ps.connect("bench")
    edits = room.table("edits", number=int, text=str)
    command = [sys.executable, "-m", "tests.bench", "--listen"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        report("an edit in an empty table", edit_many(edits, other))

        start = time.perf_counter()
        edits.insert_many(({"number": i, "text": f"row {i}"} for i in range(rows)), progress=False).result()
        print(f"\n{rows:,} rows in one call: on disk after {time.perf_counter() - start:.2f} s", end="", flush=True)
        heard = 0
        while heard < rows:
            count, _, when = other.stdout.readline().split()
            heard += int(count)
        print(f", in the other process after {float(when) - start:.2f} s")

        report(f"an edit in a table of {rows:,}", edit_many(edits, other))
        other.stdin.close()
    room.close()
    server = json.loads(Path(os.environ["JUPYTER_RUNTIME_DIR"], "partysync-local.json").read_text())["pid"]
    os.kill(server, signal.SIGTERM)


def edit_many(table, other):
    """Seconds until (the call returned, the result was there, the other had heard), for each edit."""
    times = []
    for number in range(EDITS):
        start = time.perf_counter()
        receipt = table.insert(number=number, text="feed the yeast")
        shown = time.perf_counter()
        receipt.result()
        decided = time.perf_counter()
        _, id, when = other.stdout.readline().split()
        assert id == receipt.id
        times.append((shown - start, decided - start, float(when) - start))
    return times


def report(title, times):
    print(f"\n{title}, milliseconds{'median':>14}{'slowest':>10}")
    for name, column in zip(("shown here", "decided", "heard there"), zip(*times, strict=True), strict=True):
        print(f"  {name:<{len(title) + 11}}{statistics.median(column) * 1000:>14.2f}{max(column) * 1000:>10.2f}")


if __name__ == "__main__":
    main()
