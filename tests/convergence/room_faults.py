"""
Planted faults of the room: one rule each taken out of the real code, while a test runs.

They are mistakes that others have made, or that somebody may make here in a year. Each gets pytest's ``monkeypatch``
and breaks something with it; the convergence test must notice every one.
"""

from collections import deque

import msgspec

from partysync_server.deltas import Deltas
from partysync_server.ledger import Ledger
from partysync_server.room import Queued, Room
from partysync_server.witness import Witness
from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode
from partysync_widget.core.store import Store
from tests.convergence.workshop import Main, Workshop
from tests.power.disk import File

# --- what is told, and when -----------------------------------------------------------------------------------------


def an_ack_comes_before_its_rows(monkeypatch):
    """R2."""

    def parted(_, ledger, base, session):
        whole = ledger.delta(base)
        acks = m.Delta(whole.epoch, base, base, acks=whole.acks, results=whole.results)
        rows = m.Delta(whole.epoch, base, whole.version, whole.tables, whole.schema)
        return [encode(acks, session.format), encode(rows, session.format)]

    monkeypatch.setattr(Deltas, "of", parted)


def an_ack_comes_after_its_rows(monkeypatch):
    """R2."""

    def parted(_, ledger, base, session):
        whole = ledger.delta(base)
        rows = m.Delta(whole.epoch, base, whole.version, whole.tables, whole.schema)
        acks = m.Delta(whole.epoch, whole.version, whole.version, acks=whole.acks, results=whole.results)
        return [encode(rows, session.format), encode(acks, session.format)]

    monkeypatch.setattr(Deltas, "of", parted)


def an_ack_comes_on_receipt(monkeypatch):
    """R2, R9: a push is answered when it has come, and decided later."""
    push, answers, last = Room._push, Room._answers, {}

    def hasty(room, session, frame, size):
        push(room, session, frame, size)
        if session.ended is None and frame.mutations:
            last[session] = frame.mutations[-1].mid

    def answered(room, session):
        received = last.pop(session, 0)
        acks = m.Delta(room.ledger.epoch, session.cursor, session.cursor, acks={session.client: received})
        return [*([encode(acks, session.format)] if received else []), *answers(room, session)]

    monkeypatch.setattr(Room, "_push", hasty)
    monkeypatch.setattr(Room, "_answers", answered)


def rows_of_one_version_come_in_two_deltas(monkeypatch):
    """R8: between the two, half of a mutation shows."""

    def parted(_, ledger, base, session):
        whole = ledger.delta(base)
        half = msgspec.structs.replace(whole, version=base, tables=whole.tables[:1], acks={}, results=[])
        rest = msgspec.structs.replace(whole, tables=whole.tables[1:], schema=[])
        return [encode(half, session.format), encode(rest, session.format)]

    monkeypatch.setattr(Deltas, "of", parted)


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


def the_disk_lies(monkeypatch):
    """No rule of ours, and none that could be kept then: a harness that does not notice notices nothing (R9)."""
    monkeypatch.setattr(File, "sync", lambda file: None)


def a_log_is_trusted_at_boot(monkeypatch):
    """R9: what a failed sync, or a killed process, has left in the log is told, and was never made durable."""

    opening = Ledger._open

    def trusting(ledger, *args, **how):
        with monkeypatch.context() as patch:
            patch.setattr(Witness, "fold", lambda witness, connection: None)
            patch.setattr(Witness, "renew_log", lambda witness: None)
            opening(ledger, *args, **how)

    monkeypatch.setattr(Ledger, "_open", trusting)


def an_emptied_log_comes_back(monkeypatch):
    """R9: an opening that has nothing to write syncs nothing, so the old pages of the log may be read once more."""
    set_meta = Store.set_meta
    monkeypatch.setattr(Witness, "renew_log", lambda witness: None)
    monkeypatch.setattr(Store, "set_meta", lambda store, key, value: key == "openings" or set_meta(store, key, value))


def an_id_is_kept_apart_from_its_effect(monkeypatch):
    """R5: in another transaction, behind that of the rows; a crash between the two forgets that it was decided."""
    seal, commit = Ledger.seal, Ledger.commit

    def apart(ledger):
        ledger._end_run()
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
    monkeypatch.setattr(Store, "undo", lambda store, name: store.look_again())


def a_failed_commit_is_taken_for_a_rejection(monkeypatch):
    """R9: the turn is dropped, and nobody is told."""
    recover = Room.recover
    monkeypatch.setattr(Room, "recover", lambda room, ledger: (room._turn.clear(), recover(room, ledger)))


def a_push_is_for_any_incarnation(monkeypatch):
    """R10."""

    def trusting(room, session, push, size):
        room._queue.extend(Queued(session, session.client, mutation, 0) for mutation in push.mutations)
        room._arrived += len(push.mutations)

    monkeypatch.setattr(Room, "_push", trusting)


def every_history_is_the_one_that_was_seen(monkeypatch):
    """R10: a room that was put back from a copy says nothing of it."""
    monkeypatch.setattr(Room, "_unknown", lambda room, hello: "")


ROOM_FAULTS = [
    an_ack_comes_before_its_rows,
    an_ack_comes_after_its_rows,
    an_ack_comes_on_receipt,
    rows_of_one_version_come_in_two_deltas,
    a_turn_is_told_before_it_is_durable,
    a_cached_delta_outlives_its_version,
    a_commit_does_not_wait_for_the_disk,
    the_disk_lies,
    a_log_is_trusted_at_boot,
    an_emptied_log_comes_back,
    an_id_is_kept_apart_from_its_effect,
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
]
