"""
A large table: 100,000 rows from a DataFrame in one call, in a second process, and what an edit costs after that.

R12, and no work per edit that grows with the table: its cost is compared with that in an empty table, in one run and by
turns, so that a busy machine is as unfair to one as to the other.
"""

import json
import statistics
import subprocess
import sys
import time

import pytest

import partysync_widget as ps

ROWS = 100_000
EDITS = 150

# Another kernel in the room: how long until it is in, and when it has all the rows, by the clock of all processes.
KERNEL = """
import json, sys, threading, time
import partysync_widget as ps
url, token, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
begun = time.monotonic()
room = ps.connect("large", url=url, token=token, timeout=60)
entered = time.monotonic() - begun
print("in", flush=True)
complete, news = threading.Event(), lambda changes: complete.set() if len(table) == rows else None
table = room.table("t")
following = table.follow(news)
news(None)
assert complete.wait(60)
arrived = time.monotonic()
total = room.sql("SELECT count(*) AS n, sum(count) AS c, min(share) AS s, count(DISTINCT text) AS d FROM t")[0]
print(json.dumps([entered, arrived, total]), flush=True)
"""


def start_kernel(server):
    command = [sys.executable, "-c", KERNEL, server.url, server.token, str(ROWS)]
    kernel = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert kernel.stdout.readline() == "in\n"
    return kernel


def end_of(kernel):
    said, _ = kernel.communicate(timeout=60)
    return json.loads(said)


def costs(table, edit):
    """How long one edit takes: until it shows here, and until the room's word on it is heard."""
    begun = time.perf_counter()
    receipt = edit(table)
    shown = time.perf_counter()
    receipt.result(8)
    return shown - begun, time.perf_counter() - begun


def usual(times):
    """The lower quartile: what it costs when nothing else wants the processor or the disk just then."""
    return statistics.quantiles(times, n=4)[0]


@pytest.mark.timeout(170)
@pytest.mark.alone
def test_a_hundred_thousand_rows(lone_server, enter, monkeypatch):
    pd = pytest.importorskip("pandas")
    monkeypatch.setattr("tqdm.auto.tqdm.display", lambda *_, **__: None)
    columns = {
        "text": [f"row number {n}" for n in range(ROWS)],
        "count": range(ROWS),
        "share": [n / 2 for n in range(ROWS)],
    }
    frame = pd.DataFrame({**columns, "done": [n % 2 == 0 for n in range(ROWS)]})
    expected = {"n": ROWS, "c": sum(range(ROWS)), "s": 0.0, "d": ROWS}
    room = enter("large", at=lone_server)
    table = room.table("t", **ps.columns_of(frame))
    empty = enter("empty", at=lone_server).table("t", **ps.columns_of(frame))
    second = start_kernel(lone_server)

    begun = time.monotonic()
    assert table.insert_many(frame).result(60) == ROWS
    accepted = time.monotonic() - begun
    _, arrived, total = end_of(second)
    late, _, total_of_late = end_of(start_kernel(lone_server))
    print(
        f"\n{ROWS:,} rows: accepted after {accepted:.1f} s, in the second kernel after {arrived - begun:.1f} s; "
        f"a kernel that comes then is in after {late:.1f} s"
    )
    assert total == total_of_late == expected

    some = list(table)[ROWS // 2]
    few = [empty.insert(text="a", count=1, share=0.5, done=True).id for _ in range(2)]
    for name, there, here in (
        ("insert", lambda t: t.insert(text="new", count=1), lambda t: t.insert(text="new", count=1)),
        ("update", lambda t: t.update(some, done=True), lambda t: t.update(few[0], done=True)),
    ):
        full, small = [], []
        for _ in range(EDITS):
            full.append(costs(table, there))
            small.append(costs(empty, here))
        shown, decided = (usual(each) for each in zip(*full, strict=True))
        shown_empty, decided_empty = (usual(each) for each in zip(*small, strict=True))
        print(
            f"{name}: shown {shown * 1e6:.0f} µs (empty table {shown_empty * 1e6:.0f}), "
            f"decided {decided * 1e3:.2f} ms (empty table {decided_empty * 1e3:.2f})"
        )
        assert shown < 2 * shown_empty
        assert decided < 2 * decided_empty


def test_rows_arrive_elsewhere_while_they_are_loaded(lone_server, enter):
    """Who follows a load while it goes on: it does not hear of all of it at the end."""
    room = enter("large", at=lone_server)
    other = enter("large", at=lone_server)
    seen = []
    table = room.table("t", n=int)
    other.sync(8)
    other.table("t").follow(lambda changes: seen.append(len(changes.ids)))
    table.insert_many([{"n": n} for n in range(20_000)], progress=False).result(60)
    other.sync(8)

    assert len(other.table("t")) == sum(seen) == 20_000
    assert len(seen) >= 5
