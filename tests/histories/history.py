"""
Histories: what a room's clients asked and saw, as JSON lines, one record each.

::

    {"id": 17, "proc": "c3", "kind": "txn", "t0": 1.25, "t1": 1.31, "ok": true,
     "mops": [["append", "k9", 4411], ["r", "k9", [17, 4411]]], "epoch": "", "version": 0}

``kind`` says what was asked:

    txn    a mutation: all its steps at once. ``ok`` is true (accepted), false (rejected: no effect), null (never heard)
    sync   a read of the base after ``room.sync()``: as recent as a mutation would see it
    base   a read of the base as it was there, at (``epoch``, ``version``): whole, perhaps old
    view   a read of what the person saw: base with their own undecided edits over it

Times are of one machine's monotonic clock. Values are unique, so a list tells whose appends it has, and in which order.

``python -m tests.histories.history run.jsonl > run.edn`` writes a history for elle-cli (``--model list-append``): its
mutations and recent reads, as ``:invoke`` and ``:ok``, ``:fail`` or ``:info``. There a process does one thing at a
time, so what one client had on the way at once is spread over several.
"""

import heapq
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec


class Record(msgspec.Struct):
    """One thing that a client asked, and what came of it. Shapes are at the head of this module."""

    id: int
    proc: str
    kind: str
    t0: float
    t1: float | None
    ok: bool | None
    mops: list[list[Any]]
    epoch: str = ""
    version: int = 0
    refused: bool = False  # whether it asked to be rejected
    why: str = ""  # what it was told when it was not accepted


_records = msgspec.json.Decoder(Record)


def save(path: Path, records: Iterable[Record]) -> None:
    """One line a record."""
    path.write_bytes(msgspec.json.Encoder().encode_lines(list(records)))


def load(path: Path) -> list[Record]:
    """What ``save`` wrote."""
    return [_records.decode(line) for line in path.read_bytes().splitlines()]


def gather(logs: Iterable[Path]) -> list[Record]:
    """The history in the logs of several clients, by the time they asked.

    A log has a line when something is asked, and one when its answer is heard: a client that was killed in between
    leaves a record that nobody knows the outcome of. A last line that is not whole was being written just then.
    """
    found: list[Record] = []
    for log in logs:
        asked: dict[int, dict[str, Any]] = {}
        for line in log.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            said = json.loads(line)
            asked[said["id"]] = {"t1": None, "ok": None, **asked.get(said["id"], {}), **said}
        found += (msgspec.convert(each, Record) for each in asked.values())
    found.sort(key=lambda record: record.t0)
    return [msgspec.structs.replace(record, id=id) for id, record in enumerate(found)]


def edn(records: Iterable[Record]) -> Iterator[str]:
    """Lines for elle-cli."""
    said: list[tuple[float, int, str, int, Record]] = []
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    lanes = 0
    for record in sorted(records, key=lambda record: record.t0):
        if record.kind not in ("txn", "sync"):
            continue
        while busy and busy[0][0] < record.t0:
            free.append(heapq.heappop(busy)[1])
        lane = free.pop() if free else lanes
        lanes = max(lanes, lane + 1)
        heard = {True: "ok", False: "fail", None: "info"}[record.ok]
        said.append((record.t0, 1, "invoke", lane, record))
        said.append((record.t1 if record.t1 is not None else float("inf"), 0, heard, lane, record))
        if record.ok is not None and record.t1 is not None:
            heapq.heappush(busy, (record.t1, lane))  # who never heard does nothing more
    said.sort(key=lambda each: each[:2])
    for index, (_, _, heard, lane, record) in enumerate(said):
        value = " ".join(_edn_of(mop, known=heard == "ok") for mop in record.mops)
        yield f"{{:index {index}, :type :{heard}, :process {lane}, :f :txn, :value [{value}]}}"


def _edn_of(mop: list[Any], *, known: bool) -> str:
    what, key, value = mop
    if what == "append":
        return f"[:append {json.dumps(key)} {value}]"
    return f"[:r {json.dumps(key)} {json.dumps(value).replace(',', '') if known else 'nil'}]"


if __name__ == "__main__":
    for each in edn(load(Path(sys.argv[1]))):
        print(each)
