"""
Planted faults of the kernel: as ``room_faults``, for the replica.
"""

from msgspec.structs import replace

from partysync_widget.core import messages as m
from partysync_widget.core.replica import Link, Replica
from partysync_widget.core.store import Store


def a_frame_need_not_fit(monkeypatch):
    """R3: a delta is taken whatever it is based on."""
    monkeypatch.setattr(
        Replica,
        "_chains",
        lambda replica, delta, before: replica.link in (Link.WELCOMED, Link.LIVE) and replica._begun is None,
    )


def a_heartbeat_says_nothing(monkeypatch):
    """R3: a lost frame is not noticed before the next."""
    take = Replica._take
    monkeypatch.setattr(
        Replica, "_take", lambda replica, frame, step: isinstance(frame, m.Pong) or take(replica, frame, step)
    )


def parts_are_not_counted(monkeypatch):
    """R3: the others are taken for the whole when one is lost."""
    end = Replica._end
    monkeypatch.setattr(
        Replica, "_end", lambda replica, begun, frame, step: end(replica, begun, replace(frame, parts=None), step)
    )


def a_barrier_is_believed(monkeypatch):
    """R3: everything decided is here, it says, and what came before it was lost."""
    take = Replica._take

    def trusting(replica, frame, step):
        if isinstance(frame, m.Barrier) and replica.link is Link.LIVE:
            step.barriers.append(frame)
        else:
            take(replica, frame, step)

    monkeypatch.setattr(Replica, "_take", trusting)


def a_base_is_named_by_its_next_welcome(monkeypatch):
    """R10: rows of one history, the epoch of another, when a line is cut between welcome and snapshot."""
    welcomed = Replica._welcomed

    def early(replica, welcome, step):
        welcomed(replica, welcome, step)
        if welcome.known:
            replica.epoch = welcome.epoch

    monkeypatch.setattr(Replica, "_welcomed", early)


def a_part_is_shown_at_once(monkeypatch):
    """R8: rows of a delta in parts are put as they come."""
    part = Replica._part

    def eager(replica, frame, step):
        part(replica, frame, step)
        if replica._building is None:
            rows, replica._parts = replica._parts, []
            replica.advance([m.Delta(replica._talking, replica.cursor, replica.cursor, rows)], step)

    monkeypatch.setattr(Replica, "_part", eager)


def a_reset_begins_with_an_empty_table(monkeypatch):
    """R4: the old view is gone before the new one is whole."""
    begin = Replica._begin

    def bare(replica, frame, step):
        begin(replica, frame, step)
        if frame.base is None:
            replica.store.close()
            replica.store = Store.memory(replica.party)
            replica._replay()

    monkeypatch.setattr(Replica, "_begin", bare)


def a_guess_that_fails_ends_the_kernel(monkeypatch):
    """R7: nothing catches what a mutator raises in a replay."""

    def strict(replica):
        for place, pending in enumerate(replica.pending):
            if replica._guessable(pending.mutation.name, pending.mutation.args, replica._known()):
                replica._guess(pending, place)

    monkeypatch.setattr(Replica, "_replay", strict)


def a_guess_that_fails_is_dropped(monkeypatch):
    """R6, R7: what shows nothing is taken for rejected, and its author never hears of it."""
    replay = Replica._replay

    def hasty(replica):
        replay(replica)
        replica.pending[:] = [pending for pending in replica.pending if pending.shown]

    monkeypatch.setattr(Replica, "_replay", hasty)


def nothing_is_replayed(monkeypatch):
    """R7: own edits vanish with the next frame."""
    monkeypatch.setattr(Replica, "_replay", lambda replica: None)


def the_base_keeps_what_was_guessed(monkeypatch):
    """R7: pending is not rolled back before the base moves."""

    def sticky(replica):
        if replica.store.connection.in_transaction:
            replica.store.release("pending")

    monkeypatch.setattr(Replica, "_to_base", sticky)


def an_ack_is_for_whoever_hears_it(monkeypatch):
    """R2: acks are not told apart by client."""
    decide = Replica._decide

    def deaf(replica, decided, step):
        mine = [({replica.client: max(acks.values())} if acks else {}, results) for acks, results in decided]
        decide(replica, mine, step)

    monkeypatch.setattr(Replica, "_decide", deaf)


def a_rejection_is_told_as_accepted(monkeypatch):
    """R6."""
    decide = Replica._decide
    monkeypatch.setattr(
        Replica, "_decide", lambda replica, decided, step: decide(replica, [(acks, []) for acks, _ in decided], step)
    )


def an_id_outlives_its_history(monkeypatch):
    """R5, R10: after a rewind a kernel counts from one again, under an id that the room may know."""
    rewound = Replica._rewound

    def unchanged(replica, reason, step):
        replica._spare = replica.client
        rewound(replica, reason, step)

    monkeypatch.setattr(Replica, "_rewound", unchanged)


def edits_that_were_sent_are_not_sent_again(monkeypatch):
    """R6: a push that was lost with its line is lost."""
    greet = Replica._greet

    def trusting(replica):
        sent = [pending.sent for pending in replica.pending]
        hello = greet(replica)
        for pending, was in zip(replica.pending, sent, strict=True):
            pending.sent = was
        return hello

    monkeypatch.setattr(Replica, "_greet", trusting)


def a_step_forgets_rows_that_were_only_guessed(monkeypatch):
    """Step.changed: a view is not told of a guess that the room refused."""
    monkeypatch.setattr(Replica, "_pending_now", lambda replica: {})


def a_draft_is_shown_beside_its_row(monkeypatch):
    """R11: nothing ends it when it is committed."""
    monkeypatch.setattr(Replica, "_decided", lambda replica, acks, step: None)


def an_ack_ends_everybody_s_drafts(monkeypatch):
    """R11: acks are not told apart by client."""
    decided = Replica._decided

    def deaf(replica, acks, step):
        most = max(acks.values(), default=0)
        decided(replica, {client: most for client, _ in replica.drafts}, step)

    monkeypatch.setattr(Replica, "_decided", deaf)


def drafts_outlive_the_line(monkeypatch):
    """R11."""
    closed = Replica.closed

    def kept(replica):
        drafts = dict(replica.drafts)
        step = closed(replica)
        replica.drafts = drafts
        return step

    monkeypatch.setattr(Replica, "closed", kept)


def a_welcome_ends_no_drafts(monkeypatch):
    """R11: those that were over before a kernel greeted again stay."""
    welcomed = Replica._welcomed

    def adding(replica, frame, step):
        drafts = dict(replica.drafts)
        welcomed(replica, frame, step)
        replica.drafts = {**drafts, **replica.drafts}

    monkeypatch.setattr(Replica, "_welcomed", adding)


KERNEL_FAULTS = [
    a_frame_need_not_fit,
    a_heartbeat_says_nothing,
    parts_are_not_counted,
    a_barrier_is_believed,
    a_base_is_named_by_its_next_welcome,
    a_part_is_shown_at_once,
    a_reset_begins_with_an_empty_table,
    a_guess_that_fails_ends_the_kernel,
    a_guess_that_fails_is_dropped,
    nothing_is_replayed,
    the_base_keeps_what_was_guessed,
    an_ack_is_for_whoever_hears_it,
    a_rejection_is_told_as_accepted,
    an_id_outlives_its_history,
    edits_that_were_sent_are_not_sent_again,
    a_step_forgets_rows_that_were_only_guessed,
    a_draft_is_shown_beside_its_row,
    an_ack_ends_everybody_s_drafts,
    drafts_outlive_the_line,
    a_welcome_ends_no_drafts,
]
