"""A session: what the room remembers of one connection."""

from partysync_server.session import Session
from partysync_widget.core import messages as m


def test_the_first_reason_to_end_is_the_one_that_is_told():
    session = Session(owner="token", format="json")
    first, second = m.Error("gap", "", "now"), m.Bye("Maintenance.")

    session.end(first)
    session.end(second)

    assert session.ended is first


def test_what_somebody_shows_does_not_change_who_the_server_says_they_are():
    """R13."""
    session = Session(owner="token", format="json", peer=m.Peer("ada", "red"))

    session.presence({"name": "eve", "row": "a1"})

    assert session.peer == m.Peer("ada", "red", {"name": "eve", "row": "a1"})


def test_sessions_are_told_apart_by_nothing_but_themselves():
    one, other = Session(owner="token", format="json"), Session(owner="token", format="json")

    assert one != other
    assert len({one, other}) == 2
