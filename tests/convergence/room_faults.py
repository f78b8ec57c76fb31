"""
Planted faults of the room: one rule each taken out of the real code, while a test runs.

They are mistakes that others have made, or that somebody may make here in a year. Each gets pytest's ``monkeypatch``
and breaks something with it; the convergence test must notice every one.
"""

from collections import deque

import msgspec

from partysync_server import snapshot
from partysync_server.ephemera import Ephemera
from partysync_server.ledger import Ledger
from partysync_server.room import Queued, Room
from partysync_server.snapshot import Reading, Snapshot
from partysync_server.witness import Witness
from partysync_widget.core import messages as m
from partysync_widget.core import schema
from partysync_widget.core.codec import encode
from partysync_widget.core.store import Store
from tests.convergence.workshop import Main, Workshop

# --- what is told, and when -----------------------------------------------------------------------------------------


def an_ack_comes_before_its_rows(monkeypatch):
    """R2."""

    def parted(room, base, session):
        whole = room.ledger.delta(base)
        acks = m.Delta(whole.epoch, base, base, acks=whole.acks, results=whole.results)
        rows = m.Delta(whole.epoch, base, whole.version, whole.tables, whole.schema)
        return [encode(acks, session.format), encode(rows, session.format)]

    monkeypatch.setattr(Room, "_delta", parted)


def an_ack_comes_after_its_rows(monkeypatch):
    """R2."""

    def parted(room, base, session):
        whole = room.ledger.delta(base)
        rows = m.Delta(whole.epoch, base, whole.version, whole.tables, whole.schema)
        acks = m.Delta(whole.epoch, whole.version, whole.version, acks=whole.acks, results=whole.results)
        return [encode(rows, session.format), encode(acks, session.format)]

    monkeypatch.setattr(Room, "_delta", parted)


def an_ack_comes_on_receipt(monkeypatch):
    """R2, R9: a push is answered when it has come, and decided later."""
    push, answers = Room._push, Room._answers

    def hasty(room, session, frame):
        push(room, session, frame)
        if session.ended is None and frame.mutations:
            session.received = frame.mutations[-1].mid

    def answered(room, session):
        received = getattr(session, "received", 0)
        session.received = 0
        acks = m.Delta(room.ledger.epoch, session.cursor, session.cursor, acks={session.client: received})
        return [*([encode(acks, session.format)] if received else []), *answers(room, session)]

    monkeypatch.setattr(Room, "_push", hasty)
    monkeypatch.setattr(Room, "_answers", answered)


def rows_of_one_version_come_in_two_deltas(monkeypatch):
    """R8: between the two, half of a mutation shows."""

    def parted(room, base, session):
        whole = room.ledger.delta(base)
        half = msgspec.structs.replace(whole, version=base, tables=whole.tables[:1], acks={}, results=[])
        rest = msgspec.structs.replace(whole, tables=whole.tables[1:], schema=[])
        return [encode(half, session.format), encode(rest, session.format)]

    monkeypatch.setattr(Room, "_delta", parted)


def a_turn_is_told_before_it_is_durable(monkeypatch):
    """R9: COMMIT is put off until the next turn begins."""
    begin, commit, close = Ledger.begin, Ledger.commit, Ledger.close

    def late(ledger):
        if ledger._connection.in_transaction:
            commit(ledger)

    monkeypatch.setattr(Ledger, "commit", lambda ledger: None)
    monkeypatch.setattr(Ledger, "begin", lambda ledger: (late(ledger), begin(ledger)))
    monkeypatch.setattr(Ledger, "close", lambda ledger: (late(ledger), close(ledger)))
    monkeypatch.setattr(Ledger, "checkpoint", lambda ledger: None)


def a_cached_delta_outlives_its_version(monkeypatch):
    """R3."""

    def published(room):
        room._decided += len(room._turn)
        room._turn.clear()
        room._seen.clear()

    monkeypatch.setattr(Room, "published", published)


def a_commit_does_not_wait_for_the_disk(monkeypatch):
    """R9: synchronous=NORMAL, for a party that fears power loss."""
    for party in (Main, Workshop):
        monkeypatch.setattr(party, "durability", "process")


def a_log_is_trusted_at_boot(monkeypatch):
    """R9: what a failed sync, or a killed process, has left in the log is told, and was never made durable."""

    opening = Ledger._open

    def trusting(ledger, *args, **how):
        with monkeypatch.context() as patch:
            patch.setattr(Witness, "fold", lambda witness, connection: None)
            opening(ledger, *args, **how)

    monkeypatch.setattr(Ledger, "_open", trusting)


def an_id_is_kept_apart_from_its_effect(monkeypatch):
    """R5: in another transaction, behind that of the rows; a crash between the two forgets that it was decided."""
    seal, commit = Ledger.seal, Ledger.commit

    def apart(ledger):
        commit(ledger)
        ledger.begin()
        seal(ledger)
        commit(ledger)

    monkeypatch.setattr(Ledger, "seal", lambda ledger: None)
    monkeypatch.setattr(Ledger, "commit", apart)


def results_are_forgotten_before_they_were_told(monkeypatch):
    """R6."""
    seal = Ledger.seal

    def forgetful(ledger):
        ledger.store.execute("DELETE FROM _partysync_results")
        seal(ledger)

    monkeypatch.setattr(Ledger, "seal", forgetful)


def a_snapshot_has_no_results(monkeypatch):
    """R6: whoever was away for long takes a rejection for an acceptance."""
    results = Ledger.results
    monkeypatch.setattr(
        Ledger, "results", lambda ledger, where, *args: [] if "client" in where else results(ledger, where, *args)
    )


def a_frame_before_the_welcome_is_fatal(monkeypatch):
    """R6: whoever pings, or shows something of itself, while hello waits for its answer is sent away for good."""
    receive = Room.receive

    def strict(room, session, frame):
        if not session.client and not isinstance(frame, m.Hello):
            session.end(m.Error("protocol", "The first frame must be hello.", "never"))
        receive(room, session, frame)

    monkeypatch.setattr(Room, "receive", strict)


def a_late_hello_takes_over(monkeypatch):
    """R6: out of a dead line, it ends the session that lives."""
    refuse = Room._refuse
    monkeypatch.setattr(
        Room, "_refuse", lambda room, session, hello: refuse(room, session, msgspec.structs.replace(hello, line=2**53))
    )


# --- the order, and once --------------------------------------------------------------------------------------------


def what_comes_twice_is_run_twice(monkeypatch):
    """R5."""
    decide = Ledger.decide

    def again(ledger, client, owner, mutation, **how):
        ledger._last[client] = mutation.mid - 1
        ledger.forget_results(client, mutation.mid)
        return decide(ledger, client, owner, mutation, **how)

    monkeypatch.setattr(Ledger, "decide", again)


def the_last_to_come_is_decided_first(monkeypatch):
    """R1: what was asked for later, and may rest on what was seen, comes before."""
    turn = Room.turn

    def hasty(room, *args):
        clients = {}
        for queued in room._queue:
            clients.setdefault(queued.client, []).append(queued)
        room._queue = deque(queued for some in reversed(clients.values()) for queued in some)
        turn(room, *args)

    monkeypatch.setattr(Room, "turn", hasty)


def presence_outlives_its_session(monkeypatch):
    """R11: nobody is told that somebody left."""
    peer = Ephemera.peer
    monkeypatch.setattr(
        Ephemera, "peer", lambda ephemera, client, each: each is not None and peer(ephemera, client, each)
    )


def a_rejection_does_not_count(monkeypatch):
    """R6: its client stays where it was, and all that follows is a gap."""
    decide = Ledger.decide

    def stuck(ledger, client, owner, mutation, **how):
        verdict = decide(ledger, client, owner, mutation, **how)
        if any(result.code for result in ledger.results("client = ? AND mid = ?", client, mutation.mid)):
            ledger._last[client] = mutation.mid - 1
        return verdict

    monkeypatch.setattr(Ledger, "decide", stuck)


def the_version_is_a_coarse_clock(monkeypatch):
    """R1: several mutations in one tick share a version."""
    decide = Ledger.decide

    def ticking(ledger, client, owner, mutation, **how):
        before = ledger.version
        verdict = decide(ledger, client, owner, mutation, **how)
        if mutation.mid % 3:
            ledger.version = max(before, 1)
        return verdict

    monkeypatch.setattr(Ledger, "decide", ticking)


def a_rejection_leaves_half_of_its_rows(monkeypatch):
    """R7, R8: the savepoint is not rolled back."""
    monkeypatch.setattr(Store, "undo", lambda store, name: store._look_again())


def a_failed_commit_is_taken_for_a_rejection(monkeypatch):
    """R9: the turn is dropped, and nobody is told."""
    recover = Room.recover
    monkeypatch.setattr(Room, "recover", lambda room, ledger: (room._turn.clear(), recover(room, ledger)))


def a_push_is_for_any_incarnation(monkeypatch):
    """R10."""

    def trusting(room, session, push):
        room._queue.extend(Queued(session, session.client, mutation) for mutation in push.mutations)
        room._arrived += len(push.mutations)

    monkeypatch.setattr(Room, "_push", trusting)


def every_history_is_the_one_that_was_seen(monkeypatch):
    """R10: a room that was put back from a copy says nothing of it."""
    monkeypatch.setattr(Room, "_unknown", lambda room, hello: "")


# --- catching up ----------------------------------------------------------------------------------------------------


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
    delta = Room._delta

    def gapped(room, base, session):
        if session.live:
            return delta(room, base, session)
        nothing = m.Delta(room.ledger.epoch, base, room.ledger.version)
        return [encode(nothing, session.format)]

    monkeypatch.setattr(Room, "_delta", gapped)


# --- drafts ---------------------------------------------------------------------------------------------------------


def a_draft_is_told_after_the_delta_that_ends_it(monkeypatch):
    """R11: whoever had been told what was typed is told last that it is committed."""
    frames, told = Room.frames, Room.ephemera

    def late(room, session):
        with monkeypatch.context() as patch:
            patch.setattr(Room, "ephemera", lambda room, session: [])
            out = frames(room, session)
        return [*out, *told(room, session)]

    monkeypatch.setattr(Room, "frames", late)


def a_draft_is_told_though_its_delta_has_gone(monkeypatch):
    """R11: it comes late, and nothing ends it."""
    draft = Ephemera.draft

    def forgetful(ephemera, session, frame):
        session.decided = 0
        draft(ephemera, session, frame)

    monkeypatch.setattr(Ephemera, "draft", forgetful)


def a_draft_outlives_its_mutation(monkeypatch):
    """R11: in the room, so that the next welcome has it."""
    monkeypatch.setattr(Ephemera, "decided", lambda ephemera, client, mid: None)


def drafts_outlive_their_session(monkeypatch):
    """R11: that somebody left says it to most, and not to those who were told that they are back."""
    monkeypatch.setattr(Ephemera, "forget", lambda ephemera, session: None)


def a_snapshot_acks_nobody_but_its_reader(monkeypatch):
    """R11: what was decided while it was read ends no draft."""
    read = Room._read
    monkeypatch.setattr(Room, "_read", lambda room, session, since: read(room, session, 2**53))


def what_is_over_is_not_told(monkeypatch):
    """R11: only what there is."""
    over = Ephemera._over

    def silent(ephemera, session, key):
        over(ephemera, session, key)
        for other in ephemera._others(session):
            other.untold.pop((session.client, key), None)

    monkeypatch.setattr(Ephemera, "_over", silent)


ROOM_FAULTS = [
    an_ack_comes_before_its_rows,
    an_ack_comes_after_its_rows,
    an_ack_comes_on_receipt,
    rows_of_one_version_come_in_two_deltas,
    a_turn_is_told_before_it_is_durable,
    a_commit_does_not_wait_for_the_disk,
    a_log_is_trusted_at_boot,
    an_id_is_kept_apart_from_its_effect,
    a_cached_delta_outlives_its_version,
    results_are_forgotten_before_they_were_told,
    a_snapshot_has_no_results,
    a_frame_before_the_welcome_is_fatal,
    a_late_hello_takes_over,
    what_comes_twice_is_run_twice,
    the_last_to_come_is_decided_first,
    a_rejection_does_not_count,
    the_version_is_a_coarse_clock,
    a_rejection_leaves_half_of_its_rows,
    a_failed_commit_is_taken_for_a_rejection,
    a_push_is_for_any_incarnation,
    every_history_is_the_one_that_was_seen,
    a_delta_has_no_deletions,
    there_is_no_horizon,
    replace_leaves_no_tombstone,
    a_changed_id_leaves_its_old_row,
    a_delta_has_no_new_tables,
    a_snapshot_has_no_last_part,
    a_snapshot_is_fresh_for_ever,
    a_subscription_begins_late,
    a_greeting_leaves_a_gap,
    a_draft_is_told_after_the_delta_that_ends_it,
    a_draft_is_told_though_its_delta_has_gone,
    a_draft_outlives_its_mutation,
    drafts_outlive_their_session,
    presence_outlives_its_session,
    a_snapshot_acks_nobody_but_its_reader,
    what_is_over_is_not_told,
]
