"""The claim on a data folder: who is named to the next one, and who is not."""

import os
import subprocess
import sys

import pytest

from partysync_server.folder_claim import claim, has_ended
from partysync_widget.core.errors import StorageFailed


@pytest.fixture
def ended():
    """The id of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(20)
    return process.pid


def test_the_next_one_hears_who_has_the_folder(tmp_path):
    first = claim(tmp_path, "a test")

    with pytest.raises(StorageFailed, match=f"{tmp_path} is in use by a test with process id {os.getpid()}. Stop that"):
        claim(tmp_path, "another")

    first.release()


def test_nobody_is_named_who_has_ended(tmp_path, ended):
    """The lock is taken before it is said by whom, and a killed server has left what it had said."""
    first = claim(tmp_path, "a test")
    (tmp_path / "server.owner").write_text(f"the partysync server with process id {ended}")

    with pytest.raises(StorageFailed, match="is in use by another process. Stop that"):
        claim(tmp_path, "another")

    first.release()


@pytest.mark.parametrize(
    "who",
    ["somebody", "the partysync server with process id ", "a server with process id 99999999999999999999",
     "a server with process id 1"],
)  # fmt: skip
def test_whoever_cannot_be_asked_for_has_not_ended(who):
    """Half of a word, what is no process id, and a process that may be somebody else's."""
    assert not has_ended(who)


def test_whoever_is_somebody_elses_has_not_ended(monkeypatch):
    """A test that runs as root may ask for anybody."""

    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert not has_ended(f"the partysync server with process id {os.getpid()}")
