"""
Planted faults of drafts and presence: as ``room_faults``, for what is told and never stored.
"""

from partysync_server.ephemera import Ephemera
from partysync_server.room import Room


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


def presence_outlives_its_session(monkeypatch):
    """R11: nobody is told that somebody left."""
    peer = Ephemera.peer
    monkeypatch.setattr(
        Ephemera, "peer", lambda ephemera, client, each, **how: each is not None and peer(ephemera, client, each, **how)
    )


EPHEMERA_FAULTS = [
    a_draft_is_told_after_the_delta_that_ends_it,
    a_draft_is_told_though_its_delta_has_gone,
    a_draft_outlives_its_mutation,
    drafts_outlive_their_session,
    a_snapshot_acks_nobody_but_its_reader,
    what_is_over_is_not_told,
    presence_outlives_its_session,
]
