"""
Planted faults of catching up: as ``room_faults``, for deltas to those who were away, and for snapshots.
"""

import msgspec

from partysync_server import snapshot
from partysync_server.deltas import Deltas
from partysync_server.ledger import Ledger
from partysync_server.snapshot import Reading, Snapshot
from partysync_widget.core import messages as m
from partysync_widget.core import schema
from partysync_widget.core.codec import encode
from partysync_widget.core.store import Store


def a_delta_has_no_deletions(monkeypatch):
    """R4."""
    changes_since = Store.changes_since
    monkeypatch.setattr(
        Store,
        "changes_since",
        lambda store, cursor: [msgspec.structs.replace(each, gone=[]) for each in changes_since(store, cursor)],
    )


def there_is_no_horizon(monkeypatch):
    """R4: tombstones are forgotten, and deltas are computed without them."""
    compact = Ledger.compact

    def silent(ledger, *keep):
        compact(ledger, *keep)
        ledger.store.set_meta("horizon", 0)
        ledger.horizon = 0

    monkeypatch.setattr(Ledger, "compact", silent)


def replace_leaves_no_tombstone(monkeypatch):
    """R4: without recursive_triggers a row that REPLACE removes is gone in the room only."""
    init = Store.__init__

    def plain(store, connection, party):
        init(store, connection, party)
        connection.execute("PRAGMA recursive_triggers=OFF")

    monkeypatch.setattr(Store, "__init__", plain)


def a_changed_id_leaves_its_old_row(monkeypatch):
    """R4: an UPDATE of the key is not stamped."""
    stamp_sql = schema.stamp_sql

    def forgetful(table, key):
        whole = stamp_sql(table, key)
        start = whole.index(f"CREATE TRIGGER {schema.RESERVED}{key}_rename")
        return whole[:start] + whole[whole.index("CREATE TRIGGER", start + 1) :]

    monkeypatch.setattr(schema, "stamp_sql", forgetful)


def a_delta_has_no_new_tables(monkeypatch):
    """R4."""
    schema_since = Store.schema_since
    monkeypatch.setattr(Store, "schema_since", lambda store, cursor: schema_since(store, cursor) if cursor < 0 else [])


def a_snapshot_has_no_last_part(monkeypatch):
    """R4: what changed while it was read is missing."""
    monkeypatch.setattr(snapshot, "in_parts", lambda changes, schema, format: [])


def a_snapshot_is_fresh_for_ever(monkeypatch):
    """R4: its last part would need deletions that are forgotten."""
    monkeypatch.setattr(Snapshot, "fresh", lambda old, ledger: ledger is old._ledger)


def a_subscription_begins_late(monkeypatch):
    """R4: behind a snapshot that is older than what it is said to be, so that what came between is in neither."""
    step = Reading.step

    def early(reading, ledger):
        if not hasattr(reading, "acks"):
            reading.acks = {**ledger.acks(reading.since), reading.client: ledger.last_mid(reading.client)}
        frames, done = step(reading, ledger)
        if done:
            snapshot = reading.snapshot
            end = m.End(ledger.version, reading.acks, ledger.results("client = ?", reading.client), reading.next)
            frames = [encode(end, snapshot.format)]
        return frames, done

    monkeypatch.setattr(Reading, "step", early)


def a_greeting_leaves_a_gap(monkeypatch):
    """R4: whoever comes back is told what is decided from now on."""
    of = Deltas.of

    def gapped(deltas, ledger, base, session):
        if session.live:
            return of(deltas, ledger, base, session)
        nothing = m.Delta(ledger.epoch, base, ledger.version)
        return [encode(nothing, session.format)]

    monkeypatch.setattr(Deltas, "of", gapped)


CATCH_UP_FAULTS = [
    a_delta_has_no_deletions,
    there_is_no_horizon,
    replace_leaves_no_tombstone,
    a_changed_id_leaves_its_old_row,
    a_delta_has_no_new_tables,
    a_snapshot_has_no_last_part,
    a_snapshot_is_fresh_for_ever,
    a_subscription_begins_late,
    a_greeting_leaves_a_gap,
]
