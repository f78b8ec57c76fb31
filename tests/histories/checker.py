"""
The checker: what in a history of list-appends could not have happened in a room that keeps its promises.

After Kingsbury and Alvaro, *Elle: Inferring Isolation Anomalies from Experimental Observations* (VLDB 2020), with the
phenomena of Adya, *Weak Consistency* (MIT 1999). Values are unique and lists only grow, so the longest list read of a
key is the order of its versions, and every read says after whose append and before whose it was. From that come the
edges of ``graph.py``; ``cycles.py`` finds what no order of all mutations explains. Time is linear in the history.

::

    internal            a mutation did not see its own append, or saw a list change under it
    duplicate-effect    an append is in a list twice
    incompatible-order  two reads of a list, neither of which is the beginning of the other
    garbage-read        a value that nobody appended
    G1a                 something of a rejected mutation was seen
    G1b                 half of a mutation was seen
    lost-acked-write    an accepted append is gone from a list that was read afterwards
    disagreement        two copies of the room differ at one version, or a list is shorter at a later one
    impossible-view     a view that is not a base with one's own undecided edits over it
    version-went-back   the base of one client went back to an earlier version

and those of ``cycles.py``: G0, G1c, G-single, G2, each also with ``-process`` and ``-realtime``, and the four
guarantees of sessions. Only disagreement and version-went-back trust the versions that the room gives.
Not covered, as in Elle: anomalies of predicates (R4's and a filter's rows are compared with an oracle elsewhere).

``python -m tests.histories.checker run.jsonl`` checks a file.
"""

import itertools
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from .cycles import cycles, guarantees
from .graph import PROCESS, REALTIME, RW, WR, WW, Edge, Graph
from .history import Record, load
from .orders import sessions_order, time_order
from .views import view_anomalies

WHY = {WW: "ww", WR: "wr", RW: "rw", PROCESS: "in the session", REALTIME: "in time"}


class Anomaly(NamedTuple):
    """What cannot be, and where to look."""

    name: str
    told: str


class Read(NamedTuple):
    """One list as one record saw it, without what the record itself had appended."""

    record: Record
    key: str
    seen: list[int]


def check(records: list[Record]) -> list[Anomaly]:
    """All anomalies of a history, those of single reads first."""
    return Checker(records).run()


class Checker:
    """One history, and what was inferred from it."""

    def __init__(self, records: list[Record]) -> None:
        self.records = sorted(records, key=lambda record: record.t0)
        self.anomalies: list[Anomaly] = []
        self.writer: dict[tuple[str, int], Record] = {}  # of each value in each list
        self.appended: dict[str, list[int]] = defaultdict(list)  # by key, all that anybody asked for
        self.reads: list[Read] = []
        self.order: dict[str, list[int]] = {}  # the versions of a key, one after the other
        self.broken: set[str] = set()  # keys of whose order nothing can be said

    def run(self) -> list[Anomaly]:
        for record in self.records:
            for what, key, value in record.mops:
                if what == "append":
                    if (key, value) in self.writer:
                        raise ValueError(f"{value} is appended to {key} twice: this history can't be checked.")
                    self.writer[key, value] = record
                    self.appended[key].append(value)
        for record in self.records:
            if record.ok and record.kind != "view":
                self._take_reads(record)
        self._infer_orders()
        self._look_at_values()
        self._look_for_lost()
        self._look_at_versions()
        for name, told in view_anomalies(self.records, self.order, self.broken, self.writer):
            self._found(name, told)
        self._look_for_cycles()
        return self.anomalies

    def _found(self, name: str, told: str) -> None:
        self.anomalies.append(Anomaly(name, told))

    # --- reads --------------------------------------------------------------------------------------------------------

    def _take_reads(self, record: Record) -> None:
        """Its first read of each list, and whether what it saw is consistent in itself."""
        own: dict[str, list[int]] = defaultdict(list)  # appended by itself so far
        known: dict[str, list[int]] = {}  # the list without them, once it was read
        for what, key, value in record.mops:
            if what == "append":
                own[key].append(value)
                continue
            mine = own[key]
            before = value[: len(value) - len(mine)] if mine else value
            if (mine and value[len(before) :] != mine) or known.get(key, before) != before:
                self._found("internal", f"{_name(record)} read {key} as {value}, having done {record.mops}.")
            elif key not in known:
                known[key] = before
                self.reads.append(Read(record, key, before))

    def _infer_orders(self) -> None:
        for read in self.reads:
            if len(read.seen) > len(self.order.get(read.key, ())):
                self.order[read.key] = read.seen
        for record in self.records:  # a mutation that reads what it appends knows a longer list than it found
            if record.ok and record.kind == "txn":
                for what, key, value in record.mops:
                    if what == "r" and len(value) > len(self.order.get(key, ())):
                        self.order[key] = value
        for key, order in self.order.items():
            if len(set(order)) != len(order):
                twice = [value for value, times in Counter(order).items() if times > 1]
                self._found("duplicate-effect", f"{key} has {twice} more than once: {order}.")
                self.broken.add(key)
        for record, key, seen in self.reads:
            if seen == self.order.get(key, [])[: len(seen)]:
                continue
            self.broken.add(key)
            if len(set(seen)) != len(seen):
                self._found("duplicate-effect", f"{_name(record)} read {key} as {seen}.")
            else:
                self._found("incompatible-order", f"{_name(record)} read {key} as {seen}; it was {self.order[key]}.")

    def _look_at_values(self) -> None:
        """Every value that was read, and the ends of all reads."""
        for key, order in self.order.items():
            for value in order:
                self._look_at_value(key, value)
        for record, key, seen in self.reads:
            if key in self.broken:
                for value in set(seen).difference(self.order[key]):
                    self._look_at_value(key, value)
            elif seen and (writer := self.writer.get((key, seen[-1]))) is not None and writer is not record:
                last = [value for what, where, value in writer.mops if what == "append" and where == key][-1]
                if seen[-1] != last:
                    self._found(
                        "G1b", f"{_name(record)} read {key} up to {seen[-1]}, in the middle of {_name(writer)}."
                    )

    def _look_at_value(self, key: str, value: int) -> None:
        writer = self.writer.get((key, value))
        if writer is None:
            self._found("garbage-read", f"{key} has {value}, which nobody appended.")
            self.broken.add(key)
        elif writer.ok is False:
            self._found("G1a", f"{key} has {value}, and {_name(writer)}, which appended it, was rejected.")
            self.broken.add(key)

    def _look_for_lost(self) -> None:
        latest: dict[str, float] = defaultdict(float)  # when the last recent read of a key was asked for
        for record, key, _ in self.reads:
            if record.kind != "base":
                latest[key] = max(latest[key], record.t0)
        for key, at in latest.items():
            for value in set(self.appended[key]).difference(self.order.get(key, ())):
                writer = self.writer[key, value]
                if writer.ok and writer.t1 is not None and writer.t1 < at:
                    self._found("lost-acked-write", f"{_name(writer)} appended {value} to {key}, and it is not there.")

    def _look_at_versions(self) -> None:
        """Copies of one room agree, and go forward (R1, R10)."""
        by_key: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        at: dict[str, Record] = {}
        long: dict[tuple[str, str], int] = defaultdict(int)  # how long a list was in the last base of a client
        for record in self.records:
            if record.kind not in ("base", "sync") or not record.ok:
                continue
            before = at.get(record.proc)
            if before is not None and record.version < before.version:
                self._found("version-went-back", f"{_name(record)} is at {record.version}, after {before.version}.")
            at[record.proc] = record
            for _, key, seen in record.mops:
                by_key[key].append((record.version, len(seen), _name(record)))
                if len(seen) < long[record.proc, key]:
                    told = f"{_name(record)} read {key} with {len(seen)} values, after {long[record.proc, key]}."
                    self._found("monotonic-reads", told)
                long[record.proc, key] = len(seen)
        for key, seen in by_key.items():
            seen.sort()
            for (version, length, one), (later, longer, other) in itertools.pairwise(seen):
                if longer < length or (version == later and longer != length):
                    told = f"{key} has {length} values at version {version} ({one}), {longer} at {later} ({other})."
                    self._found("disagreement", told)

    # --- the graph ----------------------------------------------------------------------------------------------------

    def _look_for_cycles(self) -> None:
        seen = {value for key, order in self.order.items() for value in order if key not in self.broken}
        nodes = [
            record
            for record in self.records
            if record.kind != "view"
            and (record.ok or (record.ok is None and any(m[0] == "append" and m[2] in seen for m in record.mops)))
        ]
        place = {record.id: node for node, record in enumerate(nodes)}
        graph = Graph(len(nodes))
        self._versions_order(graph, place)
        sessions_order(graph, nodes)
        time_order(graph, nodes)
        for name, cycle in cycles(graph):
            told = _told(cycle, nodes)
            self._found(name, told)
            if name.endswith("-process"):
                for guarantee in sorted(guarantees(cycle)):
                    self._found(guarantee, told)

    def _versions_order(self, graph: Graph, place: dict[int, int]) -> None:
        """ww, wr and rw: what the lists themselves say."""
        writers: dict[str, list[int]] = {}  # of each value of a key, as nodes
        last: dict[str, int] = {}  # a node after which come accepted appends that no read has seen
        unseen: dict[str, set[int]] = {}  # of whom those are
        for key in self.appended.keys() - self.broken:
            order = self.order.get(key, [])
            writers[key] = found = [place[self.writer[key, value].id] for value in order]
            for one, next_ in itertools.pairwise(found):
                graph.edge(one, WW, next_)
            others = [self.writer[key, value] for value in set(self.appended[key]).difference(order)]
            if accepted := {place[writer.id] for writer in others if writer.ok}:
                last[key], unseen[key] = graph.node(), accepted
                for writer in found[-1:]:
                    graph.edge(writer, WW, last[key])
                for writer in accepted:
                    graph.edge(last[key], WW, writer)
        for record, key, seen in self.reads:
            if key in self.broken or key not in writers:
                continue
            reader, found = place[record.id], writers[key]
            if seen:
                graph.edge(found[len(seen) - 1], WR, reader)
            if len(seen) < len(found):
                graph.edge(reader, RW, found[len(seen)])
            elif key in last and reader not in unseen[key]:
                graph.edge(reader, RW, last[key])


def _name(record: Record) -> str:
    return f"{record.kind} {record.id} of {record.proc}"


def _told(cycle: list[Edge], nodes: list[Record]) -> str:
    """The cycle, from one of its records round to it again."""
    start = next((at for at, edge in enumerate(cycle) if edge[0] < len(nodes)), 0)
    text, last = "", ""
    for source, kind, _ in [*cycle[start:], *cycle[:start]]:
        if source < len(nodes):
            text += f"{_name(nodes[source])} {_mops(nodes[source])}"
            last = ""
        if WHY[kind] != last:
            text += f" ─{WHY[kind]}▶ "
            last = WHY[kind]
    return text + _name(nodes[cycle[start][0]])


def _mops(record: Record) -> list[list[Any]]:
    if record.kind == "txn":
        return record.mops
    return record.mops[:3]  # of a base there may be hundreds


if __name__ == "__main__":
    history = load(Path(sys.argv[1]))
    anomalies = check(history)
    for anomaly in anomalies:
        print(f"{anomaly.name}: {anomaly.told}")
    print(f"{len(history)} records, {len(anomalies)} anomalies")
    sys.exit(bool(anomalies))
