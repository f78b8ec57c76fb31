"""The channel: one for each table, heard on the I/O thread, open while the table's widgets are."""

import threading
import time

import pytest

from partysync_widget.channel import TableChannel


@pytest.fixture
def channel(todos):
    return TableChannel.of(todos)


def test_a_table_has_one_channel_and_equal_tables_have_two(room, todos):
    other = room.table("others", text=str, done=bool)

    assert TableChannel.of(todos) is TableChannel.of(todos)
    assert TableChannel.of(todos) is not TableChannel.of(other)


def test_a_closed_channel_is_replaced(todos):
    first = TableChannel.of(todos)
    first.close()

    assert TableChannel.of(todos) is not first
    assert TableChannel.of(todos).comm is not None


def test_everything_is_said_on_the_io_thread(todos, channel, browse):
    browser = browse(channel)
    n = browser.edit("insert", "a", text="milk")
    browser.until(lambda page: n in page.took)

    assert set(channel.comm.threads[1:]) == {"partysync-io"}  # all but comm_open


def test_a_message_from_the_browser_never_waits(todos, channel, browse):
    """It may arrive in a subshell beside a running cell, and is only handed over."""
    browser = browse(channel)
    busy = threading.Event()
    channel._feed.call(busy.wait, 5)
    begun = time.monotonic()
    browser.edit("insert", "a", text="milk")
    handed = time.monotonic() - begun
    busy.set()

    assert handed < 1


def test_replies_go_where_the_browser_chose(channel):
    """ipykernel 7.4 would send them behind the running cell."""
    assert channel.comm._reply_subshell_for({}, "the subshell") == "the subshell"


def test_a_closed_channel_follows_no_more(room, todos, channel, browse):
    browser = browse(channel)
    wire = channel.comm
    channel.close()
    said = len(wire.custom)
    todos.insert(text="milk")
    room.sync(10)

    assert len(wire.custom) == said
    assert browser.wire is wire
