"""
Planted anomalies of who came before whom. ``planted.py`` says how they are written.
"""

from .history import Record
from .known import Known, apart, next_id, read_at_the_end, two_at_once


def writes_cross(records, chance):
    """G0"""
    known = Known(records)
    for record in known.shuffled(chance, "txn"):
        for key, value in known.appends(record):
            order = known.order.get(key, [])
            after = order[order.index(value) + 1 :][:1] if value in order else []
            other = known.writer[after[0]] if after else record
            both = {k for k, _ in known.appends(record)} & {k for k, _ in known.appends(other)}
            if other is record or len(both) < 2 or apart(known, record, other, both, key):
                continue
            known.swap(key, value, after[0])
            return True
    return False


def order_of_time_is_turned(records, chance):
    """G0-realtime"""
    t = chance.choice(records).t0
    for n in (1, 2):
        records.append(Record(next_id(records), f"new{n}", "txn", t + n, t + n + 0.5, True, [["append", "x", -n]]))
    read_at_the_end(records, x=[-2, -1])
    return True


def each_sees_the_other(records, chance):
    """G1c"""
    known = Known(records)
    for record in known.shuffled(chance, "txn"):
        for key, mop in known.first_reads(record):
            order = known.order.get(key, [])
            if not known.once(record, key) or len(mop[2]) == len(order):
                continue
            other = known.writer[order[len(mop[2])]]
            informed = {known.writer[m[2][-1]].id for _, m in known.first_reads(other) if m[2]} if other.ok else set()
            if record.id in informed:
                last = [v for k, v in known.appends(other) if k == key][-1]
                mop[2] = order[: order.index(last) + 1]
                return True
    return False


def the_future_is_read(records, chance):
    """G1c-realtime"""
    t = chance.choice(records).t0
    records.append(Record(next_id(records), "new1", "txn", t, t + 0.1, True, [["r", "x", [-1]]]))
    records.append(Record(next_id(records), "new2", "txn", t + 1, t + 2, True, [["append", "x", -1]]))
    read_at_the_end(records, x=[-1])
    return True


def half_of_two_lists(records, chance):
    """G-single"""
    known = Known(records)
    for record in known.shuffled(chance, "txn", "base", "sync"):
        reads = [(key, mop) for key, mop in known.first_reads(record) if known.once(record, key)]
        for key, mop in reads:
            writer = known.writer[mop[2][-1]] if mop[2] else record
            for other, value in known.appends(writer):
                for at, where in reads:
                    if other == at != key and value in where[2]:
                        first = next(v for k, v in known.appends(writer) if k == other)
                        where[2] = where[2][: where[2].index(first)]
                        return True
    return False


def update_is_lost(records, chance):
    """G-single"""
    known = Known(records)
    for record in known.shuffled(chance, "txn"):
        for key, mop in known.first_reads(record):
            order = known.order.get(key, [])
            mine = [v for k, v in known.appends(record) if k == key and v in order]
            reads = [m for m in record.mops if m[0] == "r" and m[1] == key]
            if mine and len(reads) == 1 and mop[2]:
                writer = known.writer[mop[2][-1]]
                first = next(v for v in mop[2] if known.writer[v] is writer)
                mop[2] = mop[2][: mop[2].index(first)]  # it did not see the one before, and yet came after it
                return True
    return False


def old_list_is_read(records, chance):
    """G-single-realtime"""
    t = max(record.t1 or record.t0 for record in records) + 1
    for n in (1, 2):
        records.append(Record(next_id(records), f"new{n}", "txn", t + n, t + n + 0.5, True, [["append", "x", -n]]))
    records.append(
        Record(next_id(records), "new3", "txn", t + 9, t + 10, True, [["r", "x", chance.choice(([], [-1]))]])
    )
    read_at_the_end(records, x=[-1, -2])
    return True


def each_misses_the_other(records, chance):
    """G2"""
    first, second = two_at_once(records, chance)
    first.mops = [["r", "x", []], ["append", "y", -1]]
    second.mops = [["r", "y", []], ["append", "x", -2]]
    read_at_the_end(records, x=[-2], y=[-1])
    return True


def three_miss_the_next(records, chance):
    """G2"""
    first, second = two_at_once(records, chance)
    third = Record(next_id(records), "new3", "txn", first.t0, first.t1, True, [])
    records.append(third)
    first.mops = [["r", "x", []], ["append", "y", -1]]
    second.mops = [["r", "y", []], ["append", "z", -2]]
    third.mops = [["r", "z", []], ["append", "x", -3]]
    read_at_the_end(records, x=[-3], y=[-1], z=[-2])
    return True


def two_old_lists_cross(records, chance):
    """G2-realtime"""
    t = chance.choice(records).t0
    # a reads x before b appends to it, and b was over before c began, which reads y before a appends to it
    records.append(Record(next_id(records), "new1", "txn", t, t + 9, True, [["r", "x", []], ["append", "y", -1]]))
    records.append(Record(next_id(records), "new2", "txn", t + 1, t + 2, True, [["append", "x", -2]]))
    records.append(Record(next_id(records), "new3", "txn", t + 3, t + 4, True, [["r", "y", []]]))
    read_at_the_end(records, x=[-2], y=[-1])
    return True
