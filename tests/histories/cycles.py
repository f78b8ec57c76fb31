"""
Cycles, named: G0, G1c, G-single and G2 (Adya 1999), plain, or with the order of a session or of real time in them.

::

    G0        each overwrote the other                  only ww
    G1c       each saw what the other did               ww and wr, at least one wr
    G-single  saw some of it, and not the rest          exactly one rw, where a value was read that was overwritten
    G2        each acted on what the other replaced     two rw or more

A cycle that needs the order of one session breaks a guarantee of sessions too (Terry 1994). Which one follows from
what the ends of that piece of the session did: came into it a write or a read, and what left it.

::

    monotonic-writes  write … write     read-your-writes     write … read
    monotonic-reads   read … read       writes-follow-reads  read … write
"""

from collections.abc import Iterator

from .graph import ALL, PROCESS, REALTIME, RW, WR, WW, Edge, Graph

LEVELS = (("", 0, 0), ("-process", PROCESS, PROCESS), ("-realtime", PROCESS | REALTIME, REALTIME))
GUARANTEES = {
    (False, False): "monotonic-writes",
    (False, True): "read-your-writes",
    (True, True): "monotonic-reads",
    (True, False): "writes-follow-reads",
}
MOST_TRIED = 500  # edges of a knot from which a cycle is looked for: a broken history need not be told whole


def cycles(graph: Graph) -> Iterator[tuple[str, list[Edge]]]:
    """The name and the edges of one cycle for each knot and level. Each is the plainest that there is."""
    knots = graph.knots(range(len(graph.out)), ALL)
    suspects = [node for knot in knots for node in knot]
    if not suspects:
        return
    for suffix, extra, own in LEVELS:
        for knot in graph.knots(suspects, WW | WR | RW | extra):
            for name, cycle in _in_knot(graph, knot, extra):
                if not own or any(kind & own for _, kind, _ in cycle):  # else it was told without
                    yield name + suffix, cycle


def _in_knot(graph: Graph, knot: list[int], extra: int) -> Iterator[tuple[str, list[Edge]]]:
    only_writes = graph.knots(knot, WW | extra)
    for found in only_writes:
        yield "G0", _through(graph, set(found), WW, WW | extra)
    informed = graph.knots(knot, WW | WR | extra)
    for found in informed:
        if cycle := _through(graph, set(found), WR, WW | WR | extra):
            yield "G1c", cycle
    if informed:
        return  # and nothing can be said of the rest of this knot
    inside = set(knot)
    places = graph.places(inside, WW | WR | extra)
    back = [
        (source, RW, target)
        for source in knot
        for target, kind in graph.out[source]
        if kind & RW and target in inside and places[target] < places[source]
    ]
    back.sort(key=lambda edge: places[edge[0]] - places[edge[2]])
    told: list[set[str]] = []
    for edge in back[:MOST_TRIED]:
        between = {node for node in knot if places[edge[2]] <= places[node] <= places[edge[0]]}
        if way := graph.path(edge[2], edge[0], WW | WR | extra, between):
            cycle = [edge, *way]
            if (broken := guarantees(cycle)) not in told:  # one of each kind is enough
                told.append(broken)
                yield "G-single", cycle
    if not told:
        yield "G2", [back[0], *graph.path(back[0][2], back[0][0], WW | WR | RW | extra, inside)]


def _through(graph: Graph, inside: set[int], kind: int, kinds: int) -> list[Edge]:
    """A short cycle with an edge of ``kind`` in it; empty if there is none."""
    best: list[Edge] = []
    tried = 0
    for source in inside:
        for target, why in graph.out[source]:
            if why & kind and target in inside and tried < MOST_TRIED:
                tried += 1
                way = graph.path(target, source, kinds, inside)
                if way and (not best or len(way) + 1 < len(best)):
                    best = [(source, why, target), *way]
    return best


def guarantees(cycle: list[Edge]) -> set[str]:
    """Which guarantees of sessions a cycle breaks: one for each piece of a session in it."""
    broken = set()
    for at, (_, kind, _) in enumerate(cycle):
        if kind != PROCESS and cycle[at + 1 - len(cycle)][1] == PROCESS:
            after = at + 1
            while cycle[after % len(cycle)][1] == PROCESS:
                after += 1
            broken.add(GUARANTEES[kind == WR, cycle[after % len(cycle)][1] == RW])
    return broken
