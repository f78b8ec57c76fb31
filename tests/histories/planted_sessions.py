"""
Planted anomalies of what one client saw, of its copy and of its view. ``planted.py`` says how they are written.
"""

from collections import defaultdict

from .history import Record
from .known import Known, apart, next_id, read_at_the_end


def base_goes_back(records, chance):
    """monotonic-reads"""
    known = Known(records)
    for record in known.shuffled(chance, "base"):
        lists = {key: len(mop[2]) for key, mop in known.first_reads(record)}
        for later in (each for each in records if each.proc == record.proc and each.t0 > record.t0):
            if later.kind == "base" and any(
                len(mop[2]) > lists.get(key, len(mop[2])) and known.writer[mop[2][lists[key]]].proc != record.proc
                for key, mop in known.first_reads(later)
            ):
                t = later.t0 + 1e-9
                mops = [list(mop) for mop in record.mops]
                records.append(Record(next_id(records), record.proc, "base", t, t, True, mops, "", record.version))
                return True
    return False


def view_goes_back(records, chance):
    """monotonic-reads"""
    known = Known(records)
    seen: dict[tuple[str, str], list[int]] = {}
    places = []
    for record in records:
        if record.kind == "view":
            for mop in record.mops:
                order = known.order.get(mop[1], [])
                shown = [a for a, b in zip(mop[2], order, strict=False) if a == b]
                before = seen.get((record.proc, mop[1]), [])
                if before and known.writer[before[-1]].proc != record.proc and shown == mop[2]:
                    places.append((mop, before))
                seen[record.proc, mop[1]] = shown
    if not places:
        return False
    mop, before = chance.choice(places)
    mop[2] = before[:-1]
    return True


def own_edit_is_not_in_the_base(records, chance):
    """read-your-writes"""
    records_of = defaultdict(list)
    for record in records:
        records_of[record.proc].append(record)
    t = max(record.t1 or record.t0 for record in records) + 1
    proc = chance.choice(list(records_of))
    records.append(Record(next_id(records), proc, "txn", t, t + 1, True, [["append", "x", -1]]))
    version = max(record.version for record in records)
    records.append(Record(next_id(records), proc, "base", t + 2, t + 2, True, [["r", "x", []]], "", version))
    read_at_the_end(records, x=[-1])
    return True


def own_edit_is_not_in_the_view(records, chance):
    """read-your-writes"""
    known = Known(records)
    for record in known.shuffled(chance, "view"):
        for mop in record.mops:
            if mop[2] and (writer := known.writer[mop[2][-1]]).proc == record.proc and writer.ok:
                mop[2] = mop[2][:-1]
                return True
    return False


def own_edits_change_places(records, chance):
    """monotonic-writes"""
    known = Known(records)
    for record in known.shuffled(chance, "txn"):
        for key, value in known.appends(record):
            order = known.order.get(key, [])
            after = order[order.index(value) + 1 :][:1] if value in order else []
            other = known.writer[after[0]] if after else record
            both = {k for k, _ in known.appends(record)} & {k for k, _ in known.appends(other)}
            if other is record or other.proc != record.proc or both != {key} or apart(known, record, other, both, key):
                continue
            known.swap(key, value, after[0])
            return True
    return False


def later_edit_is_seen_first(records, chance):
    """monotonic-writes"""
    t = chance.choice(records).t0
    records.append(Record(next_id(records), "new1", "txn", t, t + 8, True, [["append", "x", -1]]))
    records.append(Record(next_id(records), "new1", "txn", t + 1, t + 9, True, [["append", "y", -2]]))
    records.append(Record(next_id(records), "new2", "base", t + 2, t + 2, True, [["r", "x", []], ["r", "y", [-2]]]))
    read_at_the_end(records, x=[-1], y=[-2])
    return True


def answer_comes_before_its_question(records, chance):
    """writes-follow-reads"""
    t = chance.choice(records).t0
    records.append(Record(next_id(records), "new1", "txn", t, t + 9, True, [["append", "x", -1]]))
    records.append(Record(next_id(records), "new2", "base", t + 1, t + 1, True, [["r", "x", [-1]]], "", 1))
    records.append(Record(next_id(records), "new2", "txn", t + 2, t + 9, True, [["append", "y", -2]]))
    records.append(Record(next_id(records), "new3", "base", t + 3, t + 3, True, [["r", "x", []], ["r", "y", [-2]]]))
    read_at_the_end(records, x=[-1], y=[-2])
    return True


def two_copies_differ(records, chance):
    """disagreement"""
    known = Known(records)
    longest = {key: max(len(mop[2]) for _, mop in found) for key, found in known.readers.items()}
    for record in known.shuffled(chance, "base"):
        for mop in record.mops:
            if len(mop[2]) < longest[mop[1]]:
                at = max(r.version for r, _ in known.readers[mop[1]] if r.kind in ("base", "sync"))
                twin = Record(next_id(records), "new1", "base", record.t0, record.t0, True, [], "", at + 1)
                twin.mops = [["r", mop[1], list(mop[2])]]
                records.append(twin)
                return True
    return False


def version_goes_back(records, chance):
    """version-went-back"""
    known = Known(records)
    for record in known.shuffled(chance, "base"):
        later = [r for r in records if r.proc == record.proc and r.kind in ("base", "sync") and r.t0 > record.t0]
        if later and later[0].ok:
            record.version = later[0].version + 1
            return True
    return False


def view_shows_what_nobody_decided(records, chance):
    """impossible-view"""
    known = Known(records)
    for record in known.shuffled(chance, "view"):
        for mop in record.mops:
            order = known.order.get(mop[1], [])
            if len(mop[2]) + 2 < len(order) and all(known.writer[v].proc != record.proc for v in order[-1:]):
                mop[2] = [*mop[2], order[-1]]
                return True
    return False
