"""
What can be said of a clean history, for whoever wants to break it in just one place; and ways to add to it.
"""

from collections import defaultdict

from .history import Record


class Known:
    """What can be said of a clean history: who wrote what, in which order, and who read which list."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self.order: dict[str, list[int]] = {}
        self.writer: dict[int, Record] = {}
        self.readers: dict[str, list[tuple[Record, list]]] = defaultdict(list)  # by key: (record, its mop)
        for record in records:
            for mop in record.mops:
                if mop[0] == "append":
                    self.writer[mop[2]] = record
                elif record.ok:
                    self.readers[mop[1]].append((record, mop))
                    if record.kind != "view" and len(mop[2]) > len(self.order.get(mop[1], ())):
                        self.order[mop[1]] = mop[2]

    def shuffled(self, chance, *kinds):
        """Accepted records of these kinds, in any order."""
        found = [record for record in self.records if record.ok and record.kind in kinds]
        return chance.sample(found, len(found))

    def first_reads(self, record):
        """(key, mop) of its reads before any append of its own to that key, once each."""
        touched, found = set(), []
        for mop in record.mops:
            if mop[0] == "r" and mop[1] not in touched:
                found.append((mop[1], mop))
            touched.add(mop[1])
        return found

    def once(self, record, key):
        """Whether it reads the list just once, and appends nothing to it."""
        return [mop[1] for mop in record.mops].count(key) == 1

    def appends(self, record):
        return [(mop[1], mop[2]) for mop in record.mops if mop[0] == "append"]

    def swap(self, key, one, other):
        """Put two values in each other's place, wherever they were read."""
        for _, mop in self.readers[key]:
            mop[2] = [{one: other, other: one}.get(value, value) for value in mop[2]]


def apart(known, record, other, both, key):
    """Whether swapping their values in ``key`` would break something plainer than the order of writes."""
    for each in (record, other):
        if [k for k, _ in known.appends(each)].count(key) != 1 or any(m[0] == "r" and m[1] == key for m in each.mops):
            return True
    (one,) = (v for k, v in known.appends(record) if k == key)
    return any(mop[2][-1:] == [one] for _, mop in known.readers[key]) or any(
        v not in known.order.get(k, ()) for k, v in [*known.appends(record), *known.appends(other)] if k in both
    )


def next_id(records):
    return max(record.id for record in records) + 1


def two_at_once(records, chance):
    """Two mutations by new clients, at one time."""
    t0 = chance.choice(records).t0
    for proc in ("new1", "new2"):
        records.append(Record(next_id(records), proc, "txn", t0, t0 + 0.1, True, []))
    return records[-2:]


def read_at_the_end(records, **lists):
    end = max(record.t1 or record.t0 for record in records) + 1
    mops = [["r", key, value] for key, value in lists.items()]
    records.append(Record(next_id(records), "reader", "sync", end, end + 1, True, mops, "", 1 << 40))
