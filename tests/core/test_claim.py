"""Claims: one holder at a time, until its process ends, however it ends."""

import signal
import subprocess
import sys

import pytest

from partysync_widget.core.claim import Claim
from partysync_widget.core.errors import StorageFailed

HOLD = """
import sys
from pathlib import Path
from partysync_widget.core.claim import Claim
claim = Claim(Path(sys.argv[1]), "the server with process id 7", what="The data folder")
print("held", flush=True)
sys.stdin.read()
"""


def claim(folder, who="this test"):
    return Claim(folder / "server.lock", who, what="The data folder")


@pytest.fixture
def holder(tmp_path):
    """Another process, which holds the claim."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "server.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_claim_that_is_held_is_refused_with_who_holds_it(tmp_path, holder):
    with pytest.raises(StorageFailed) as refused:
        claim(tmp_path)

    assert str(refused.value).startswith("The data folder is in use by the server with process id 7.")


def test_a_claim_ends_with_its_process_however_that_ends(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)

    claim(tmp_path).release()


def test_a_claim_that_is_released_can_be_held_by_another(tmp_path):
    claim(tmp_path).release()

    again = claim(tmp_path, "another")
    assert (tmp_path / "server.owner").read_text() == "another"
    again.release()


def test_a_second_claim_in_the_same_process_is_refused_too(tmp_path):
    first = claim(tmp_path)

    with pytest.raises(StorageFailed, match="in use by this test"):
        claim(tmp_path)

    first.release()


def test_a_refused_claim_does_not_disturb_the_holder(tmp_path, holder):
    for _ in range(3):
        with pytest.raises(StorageFailed, match="process id 7"):
            claim(tmp_path)


def test_a_holder_that_has_not_said_who_it_is_is_another_process(tmp_path):
    first = claim(tmp_path)
    (tmp_path / "server.owner").unlink()

    with pytest.raises(StorageFailed, match="in use by another process"):
        claim(tmp_path)

    first.release()


def test_a_holder_that_has_not_said_who_it_is_is_not_the_one_before_who_was_killed(tmp_path):
    first = claim(tmp_path)
    (tmp_path / "server.owner").write_text("the one before")

    with pytest.raises(StorageFailed, match="in use by another process"):
        Claim(tmp_path / "server.lock", "this test", what="The data folder", ended=lambda who: who == "the one before")
    with pytest.raises(StorageFailed, match="in use by the one before"):
        Claim(tmp_path / "server.lock", "this test", what="The data folder", ended=lambda who: who == "another")

    first.release()


def test_a_released_claim_leaves_no_word_of_its_holder(tmp_path):
    claim(tmp_path).release()

    assert not (tmp_path / "server.owner").exists()


@pytest.mark.parametrize("where", ["no-such-folder/server.lock", "a-folder"])
def test_a_place_where_no_file_can_be_is_refused_with_a_sentence(tmp_path, where):
    (tmp_path / "a-folder").mkdir()

    with pytest.raises(StorageFailed, match="The data folder cannot be used") as refused:
        Claim(tmp_path / where, "this test", what="The data folder")

    assert where in str(refused.value)


def test_a_file_that_is_no_lock_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "server.lock").write_bytes(b"This is no database. " * 500)

    with pytest.raises(StorageFailed, match="The data folder cannot be used: .*not a database"):
        claim(tmp_path)


def test_a_holder_that_cannot_say_who_it_is_holds_it_all_the_same(tmp_path):
    """The disk is full, or somebody has put a folder there."""
    (tmp_path / "server.owner").mkdir()
    first = claim(tmp_path)

    with pytest.raises(StorageFailed, match="in use by another process"):
        claim(tmp_path)

    (tmp_path / "server.owner").rmdir()
    first.release()
