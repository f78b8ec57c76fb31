"""
R9: what a room has recovered after its disk failed, and told, is there when the power goes next.
"""

from random import Random

import pytest

from partysync_widget.core.errors import StorageFailed
from tests.convergence.host import PATH
from tests.power.disk import Disk, failure
from tests.power.ledgers import Story, opened, turn, wrong

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # apsw tells twice


def syncs_fail(what, name):
    if what == "sync":
        raise failure("clean")


@pytest.mark.parametrize("dice", range(20))
def test_a_turn_whose_sync_failed_survives_once_the_room_was_opened_again(dice):
    """R9: the log held old pages that were durable, and newer ones that never were; and its emptying was not yet."""
    disk, story = Disk(), Story()
    ledger = opened(disk, PATH, "epoch")
    story.last = turn(ledger, Random(1), story)
    ledger.commit()
    turn(ledger, Random(2), story)
    disk.before = syncs_fail
    with pytest.raises(StorageFailed):
        ledger.commit()
    ledger.close()
    disk.before = lambda what, name: None
    ledger = opened(disk, PATH, "epoch")  # the same incarnation goes on, and tells people what it finds
    told = ledger.version
    after = Disk(disk.after(Random(dice)))
    ledger.close()

    again = opened(after, PATH, "the next")

    assert again.version == told
    again.close()


@pytest.mark.parametrize("dice", range(40))
def test_a_log_whose_sync_failed_is_written_anew_before_the_file_is_made_of_it(dice):
    """R9: the system may show a log that no disk has, and call it synced (fsyncgate; ATC 2020). Its pages are put into
    the file, which fails half-way; when the power goes, neither the log nor the file is whole."""
    disk, story = Disk(), Story()
    ledger = opened(disk, PATH, "epoch")
    for number in range(1, 4):
        story.last = turn(ledger, Random(number), story)
        ledger.commit()
        story.acked = ledger.version
        if number == 2:  # so that the log is a new one, and its head is on the disk
            ledger.checkpoint()
    turn(ledger, Random(4), story)
    disk.before = syncs_fail
    with pytest.raises(StorageFailed):
        ledger.commit()
    ledger.store.close()  # as the process ends

    def the_file_fails(what, name):
        if what == "sync" and name == str(PATH):
            raise failure("eio")

    disk.before = the_file_fails
    with pytest.raises(StorageFailed):
        opened(disk, PATH, "epoch")
    disk.before = lambda what, name: None

    assert not wrong(Disk(disk.after(Random(dice))), PATH, story, "the next")
