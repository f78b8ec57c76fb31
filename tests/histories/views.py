"""
Views: what a person saw must be some base with their own undecided edits over it, in the order they made them (R7).

One's own edit shows from the call on, until it is rejected; what others have done shows once it is decided, and stays.
"""

from collections import defaultdict
from collections.abc import Iterator

from .history import Record

Told = tuple[str, str]


class Mine:
    """What one client has appended, by key and in its order, and how much of each list it has seen decided."""

    def __init__(self) -> None:
        self.appends: dict[str, list[tuple[int, Record]]] = defaultdict(list)
        self.seen: dict[str, int] = defaultdict(int)


def view_anomalies(
    records: list[Record], order: dict[str, list[int]], broken: set[str], writer: dict[tuple[str, int], Record]
) -> Iterator[Told]:
    """Views that cannot be. ``records`` by the time they were asked; the others as the checker has them."""
    people: dict[str, Mine] = defaultdict(Mine)
    for record in records:
        mine = people[record.proc]
        for what, key, value in record.mops:
            if what == "append":
                mine.appends[key].append((value, record))
            elif record.kind == "view" and key not in broken:
                yield from _look(record, key, value, order.get(key, []), mine, writer)


def _look(
    view: Record, key: str, shown: list[int], order: list[int], mine: Mine, writer: dict[tuple[str, int], Record]
) -> Iterator[Told]:
    decided = 0
    while decided < min(len(shown), len(order)) and shown[decided] == order[decided]:
        decided += 1
    told = f"view {view.id} of {view.proc} shows {key} as {shown}; decided was {order[: len(shown)]} …"
    if decided < mine.seen[key]:
        yield "monotonic-reads", f"{told} It has shown {mine.seen[key]} of these before."
    mine.seen[key] = max(decided, mine.seen[key])
    base, rest = set(shown[:decided]), shown[decided:]
    undecided = []
    for value, record in mine.appends[key]:
        if value in base:
            continue
        heard = record.t1 is not None and record.t1 < view.t0
        if heard and record.ok:
            yield "read-your-writes", f"{told} It lacks {value}, which was accepted before."
        elif not heard:
            undecided.append((value, record))
    allowed = [value for value, _ in undecided]
    if [value for value in allowed if value in rest] != rest:
        strange = [value for value in rest if value not in allowed]
        rejected = [value for value in strange if (of := writer.get((key, value))) is not None and of.ok is False]
        yield ("G1a" if rejected else "impossible-view"), f"{told} Of its own undecided ones are {allowed}."
    for value, record in undecided:
        if value not in rest and record.ok is not False:  # a rejection may be in the view before it is heard
            yield "read-your-writes", f"{told} It lacks {value}, an edit of its own that is not decided."
