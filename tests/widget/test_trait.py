"""SyncedTable, in the hands of somebody who writes a widget of their own."""

import anywidget
import pytest
import traitlets

from partysync_widget import SyncedTable
from partysync_widget.channel import TableChannel


class Poll(anywidget.AnyWidget):
    _esm = "export default { render() {} }"
    votes = SyncedTable()


@pytest.fixture
def votes(room):
    return room.table("votes", choice=str)


def test_it_gives_the_table_in_python_and_the_channel_in_the_browser(votes):
    poll = Poll(votes=votes)

    assert poll.votes is votes
    assert poll.comm.state()["votes"] == f"anywidget:{TableChannel.of(votes).model_id}"


def test_widgets_of_one_table_share_its_channel(votes):
    assert Poll(votes=votes).comm.state()["votes"] == Poll(votes=votes).comm.state()["votes"]


def test_it_may_be_empty_and_filled_later(votes):
    poll = Poll()
    assert poll.votes is None
    assert poll.comm.state()["votes"] is None

    poll.votes = votes
    assert poll.comm.state()["votes"] == TableChannel.of(votes).reference


def test_another_table_with_the_same_rows_is_another_table(room, votes):
    """Mappings compare by their items; a trait that did so would keep showing the first."""
    same = room.table("same", choice=str)
    poll, heard = Poll(votes=votes), []
    poll.observe(heard.append, "votes")

    poll.votes = same
    assert poll.votes is same
    assert poll.comm.state()["votes"] == TableChannel.of(same).reference
    assert [change["new"] for change in heard] == [same]

    poll.votes = same
    assert len(heard) == 1


@pytest.mark.parametrize("value", ["votes", [], {"id": {"choice": "a"}}, 7])
def test_anything_else_is_refused_with_a_sentence(value):
    with pytest.raises(traitlets.TraitError, match=r"room\.table"):
        Poll(votes=value)


def test_the_browser_may_name_a_channel_of_this_kernel_and_nothing_else(room, votes):
    """R13."""
    other = room.table("other", choice=str)
    TableChannel.of(other)
    poll = Poll(votes=votes)

    poll.set_state({"votes": TableChannel.of(other).reference})
    assert poll.votes is other

    with pytest.raises(traitlets.TraitError):
        poll.set_state({"votes": "anywidget:made-up"})
    assert poll.votes is other


def test_no_row_and_no_secret_is_in_the_synced_state(server, votes):
    """It would be saved in the notebook."""
    votes.insert(choice="a row's text")
    said = str(Poll(votes=votes).comm.sent) + str(TableChannel.of(votes).comm.sent)

    assert server["token"] not in said
    assert "a row's text" not in said
