"""
The order of each session, and that of real time, as edges: as many as there are records, not as there are pairs.
"""

from .graph import PROCESS, REALTIME, Graph
from .history import Record


def sessions_order(graph: Graph, nodes: list[Record]) -> None:
    """What a client asked, in its order (R5); and a base has what was decided and read there before."""
    events: list[tuple[float, int, int]] = []
    for node, record in enumerate(nodes):
        events.append((record.t0, 0, node))
        if record.kind == "txn" and record.ok and record.t1 is not None:
            events.append((record.t1, -1, node))
    asked: dict[str, int] = {}  # the last mutation of a client
    heard: dict[str, int] = {}  # that it knows to be accepted
    looked: dict[str, int] = {}  # its last read of the base
    for _, what, node in sorted(events):
        proc = nodes[node].proc
        if what == -1:
            heard[proc] = max(node, heard.get(proc, node))
            continue
        before = (heard if nodes[node].kind == "base" else asked, looked)
        for earlier in before:
            if proc in earlier:
                graph.edge(earlier[proc], PROCESS, node)
        (asked if nodes[node].kind == "txn" else looked)[proc] = node


def time_order(graph: Graph, nodes: list[Record]) -> None:
    """What was answered before something else was asked came before it. A base may be old: it has no place in time.

    A chain of moments, one for each answer, so that the edges are as many as the mutations.
    """
    events: list[tuple[float, int, int]] = []
    for node, record in enumerate(nodes):
        if record.kind == "base":
            continue
        events.append((record.t0, 0, node))
        if record.ok and record.t1 is not None:
            events.append((record.t1, 1, node))
    moment = -1
    for _, what, node in sorted(events):
        if what == 0 and moment >= 0:
            graph.edge(moment, REALTIME, node)
        elif what == 1:
            before, moment = moment, graph.node()
            graph.edge(node, REALTIME, moment)
            if before >= 0:
                graph.edge(before, REALTIME, moment)
