"""
A graph of who must come before whom, and its cycles.

An edge says why: its kind is one of the flags below. Everything here is linear in the edges it is allowed to walk, but
``path`` inside a knot, which a history without anomalies does not have.
"""

from collections import deque
from collections.abc import Iterable

WW, WR, RW, PROCESS, REALTIME = 1, 2, 4, 8, 16
ALL = WW | WR | RW | PROCESS | REALTIME

Edge = tuple[int, int, int]  # from, kind, to


class Graph:
    """Nodes are 0, 1, 2 …; ``out[node]`` has (target, kind) for each edge."""

    def __init__(self, nodes: int) -> None:
        self.out: list[list[tuple[int, int]]] = [[] for _ in range(nodes)]

    def node(self) -> int:
        """One more node, that stands for no transaction: a moment, or the end of a list."""
        self.out.append([])
        return len(self.out) - 1

    def edge(self, source: int, kind: int, target: int) -> None:
        if source != target:
            self.out[source].append((target, kind))

    def knots(self, among: Iterable[int], kinds: int) -> list[list[int]]:
        """The strongly connected components of more than one node, by edges of these kinds (Tarjan 1972)."""
        allowed = set(among)
        found: list[list[int]] = []
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        stack: list[int] = []
        on_stack: set[int] = set()
        for root in allowed:
            if root in index:
                continue
            index[root] = low[root] = len(index)
            stack.append(root)
            on_stack.add(root)
            walk = [(root, iter(self.out[root]))]
            while walk:
                node, edges = walk[-1]
                for target, kind in edges:
                    if not kind & kinds or target not in allowed:
                        continue
                    if target not in index:
                        index[target] = low[target] = len(index)
                        stack.append(target)
                        on_stack.add(target)
                        walk.append((target, iter(self.out[target])))
                        break
                    if target in on_stack and index[target] < low[node]:
                        low[node] = index[target]
                else:
                    walk.pop()
                    if walk and low[node] < low[walk[-1][0]]:
                        low[walk[-1][0]] = low[node]
                    if low[node] == index[node]:
                        knot = []
                        while not knot or knot[-1] != node:
                            knot.append(stack.pop())
                            on_stack.discard(knot[-1])
                        if len(knot) > 1:
                            found.append(knot)
        return found

    def path(self, start: int, goal: int, kinds: int, inside: set[int]) -> list[Edge]:
        """A shortest way by edges of these kinds; empty if there is none."""
        came: dict[int, Edge] = {}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for target, kind in self.out[node]:
                if not kind & kinds or target not in inside or target in came or target == start:
                    continue
                came[target] = (node, kind, target)
                if target == goal:
                    way = [came[goal]]
                    while way[-1][0] != start:
                        way.append(came[way[-1][0]])
                    return way[::-1]
                queue.append(target)
        return []

    def places(self, among: set[int], kinds: int) -> dict[int, int]:
        """Each node's place in an order that all edges of these kinds follow. There must be one."""
        waiting = dict.fromkeys(among, 0)
        for node in among:
            for target, kind in self.out[node]:
                if kind & kinds and target in waiting:
                    waiting[target] += 1
        ready = deque(sorted(node for node, before in waiting.items() if not before))
        places: dict[int, int] = {}
        while ready:
            node = ready.popleft()
            places[node] = len(places)
            for target, kind in self.out[node]:
                if kind & kinds and target in waiting:
                    waiting[target] -= 1
                    if not waiting[target]:
                        ready.append(target)
        return places
