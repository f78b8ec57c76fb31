"""A session: what the room remembers of one connection."""

from partysync_server.principal import OPERATOR
from partysync_server.session import Session
from partysync_widget.core import messages as m


def test_the_first_reason_to_end_is_the_one_that_is_told():
    session = Session(OPERATOR, role="owner", format="json")
    first, second = m.Error("gap", "", "now"), m.Bye("Maintenance.")

    session.end(first)
    session.end(second)

    assert session.ended is first


def test_what_somebody_shows_does_not_change_who_the_server_says_they_are():
    """R13."""
    session = Session(OPERATOR, role="owner", format="json", peer=m.Peer("ada", "red"))

    session.presence({"name": "eve", "row": "a1"})

    assert session.peer == m.Peer("ada", "red", {"name": "eve", "row": "a1"}, "owner")


def test_sessions_are_told_apart_by_nothing_but_themselves():
    one, other = Session(OPERATOR, role="owner", format="json"), Session(OPERATOR, role="owner", format="json")

    assert one != other
    assert len({one, other}) == 2
