"""
Planted anomalies of what is in the lists. ``planted.py`` says how they are written.
"""

import itertools

from .known import Known


def own_append_unseen(records, chance):
    """internal"""
    for record in Known(records).shuffled(chance, "txn"):
        own = set()
        for mop in record.mops:
            if mop[0] == "append":
                own.add(mop[1])
            elif mop[1] in own:
                mop[2] = mop[2][:-1]
                return True
    return False


def list_changes_under_a_mutation(records, chance):
    """internal"""
    for record in Known(records).shuffled(chance, "txn"):
        seen = set()
        for mop in record.mops:
            if mop[0] != "r":
                continue
            if mop[1] in seen and mop[2]:
                mop[2] = mop[2][1:]
                return True
            seen.add(mop[1])
    return False


def append_is_done_twice(records, chance):
    """duplicate-effect"""
    known = Known(records)
    for key in chance.sample(list(known.order), len(known.order)):
        order = known.order[key]
        if len(order) < 4:
            continue
        first = chance.randrange(len(order) - 2)
        again = chance.randrange(first + 1, len(order) - 1)
        for _, mop in known.readers[key]:
            if len(mop[2]) > again:
                mop[2] = [*mop[2][:again], order[first], *mop[2][again:]]
        return True
    return False


def last_append_is_done_twice(records, chance):
    """duplicate-effect"""
    known = Known(records)
    for record in known.shuffled(chance, "base", "sync"):
        for mop in record.mops:
            if mop[2] and len(mop[2]) == len(known.order[mop[1]]):
                mop[2] = [*mop[2], mop[2][-1]]
                return True
    return False


def two_orders(records, chance):
    """incompatible-order"""
    known = Known(records)
    for record in known.shuffled(chance, "txn", "base", "sync"):
        for key, mop in known.first_reads(record):
            if len(mop[2]) > 2 and len(known.readers[key]) > 3 and known.once(record, key):
                at = chance.randrange(len(mop[2]) - 1)
                mop[2] = [*mop[2][:at], mop[2][at + 1], mop[2][at], *mop[2][at + 2 :]]
                return True
    return False


def value_out_of_nowhere(records, chance):
    """garbage-read"""
    known = Known(records)
    key = chance.choice([key for key, order in known.order.items() if order])
    at = chance.randrange(len(known.order[key]))
    for _, mop in known.readers[key]:
        if len(mop[2]) > at:
            mop[2] = [*mop[2][:at], -1, *mop[2][at:]]
    return True


def rejected_is_seen(records, chance):
    """G1a"""
    known = Known(records)
    for record in known.shuffled(chance, "txn"):
        others = [r for key, value in known.appends(record) for r, mop in known.readers[key] if value in mop[2]]
        if any(other is not record and other.kind != "view" for other in others):
            record.ok = False
            return True
    return False


def view_keeps_what_was_rejected(records, chance):
    """G1a"""
    known = Known(records)
    refused = [r for r in records if r.ok is False and r.t1 is not None and known.appends(r)]
    for record in chance.sample(refused, len(refused)):
        key, value = known.appends(record)[-1]
        for reader, mop in known.readers[key]:
            if reader.kind == "view" and reader.proc == record.proc and reader.t0 > record.t1:
                mop[2] = [*mop[2], value]
                return True
    return False


def half_is_seen(records, chance):
    """G1b"""
    known = Known(records)
    for record in known.shuffled(chance, "txn"):
        appends = known.appends(record)
        for (key, value), (other, next_) in itertools.pairwise(appends):
            if key != other:
                continue
            for reader, mop in known.readers[key]:
                if reader is not record and reader.kind == "txn" and next_ in mop[2] and known.once(reader, key):
                    mop[2] = mop[2][: mop[2].index(value) + 1]
                    return True
    return False


def accepted_is_gone(records, chance):
    """lost-acked-write"""
    known = Known(records)
    for record in known.shuffled(chance, "txn"):
        for key, value in known.appends(record):
            if known.readers[key] and any(r.t0 > record.t1 and r.kind == "sync" for r, _ in known.readers[key]):
                for reader, mop in known.readers[key]:
                    if reader is not record:
                        mop[2] = [each for each in mop[2] if each != value]
                record.mops = [mop for mop in record.mops if mop[0] == "append" or mop[1] != key]
                return True
    return False
