"""
The disk is full: edits are kept where they were made, and arrive when there is space again.

Nothing is lost, nobody is told that something was refused, and what is there can be read.

A real full disk (a small tmpfs) and one on which fsync fails, where one may mount; everywhere a limit on the size of
files, which SQLite meets in the same places.
"""

import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

import partysync_widget as ps

SPACE = 1_500_000  # bytes
OVERHEAD = 500_000  # bytes, that a file system takes for itself


def _run(*command):
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout.strip()


class Tmpfs:
    """A small disk; files are kept small by it, and the log of the server is elsewhere."""

    says = "The disk of the room server is full. Free some space; edits wait until then."

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self._folder = folder
        self._mount("-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs")

    def _mount(self, *how):
        _run("mount", *how, self._folder)

    def before(self):
        """Nothing: the disk is small already."""

    def free(self, _server):
        self._mount("-o", f"remount,size={SPACE * 40}")

    free_for_the_next = free

    def end(self):
        _run("umount", "-l", self._folder)


class LoopDisk:
    """
    A file system with space enough, on a disk that has less: fsync is what fails, and real write-back has failed.

    ext4 on a sparse file in a small tmpfs. The pages that could not be written count as clean afterwards, so only what
    is written anew is safe (Rebello et al., USENIX ATC 2020). The disk is asked for one page at a time: of more, Linux
    6.18's loop device may write a part and say that all is well, and on a disk that lies nothing can be kept.
    """

    says = "The room's file failed while|The disk of the room server is full"  # which of the two is chance

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self._folder, self._under = folder, folder.parent / "under"
        self._under.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={SPACE + OVERHEAD}", "tmpfs", self._under)
        try:
            disk = self._under / "disk"
            with disk.open("wb") as file:
                file.truncate(64 << 20)
            quiet = ("-q", "-F", "-b", "4096", "-O", "^has_journal", "-N", "64", "-E", "lazy_itable_init=0,nodiscard")
            _run("mkfs.ext4", *quiet, disk)
            device = Path(_run("losetup", "--find", "--show", disk))
            try:
                Path("/sys/block", device.name, "queue/max_sectors_kb").write_text("4")
                _run("mount", device, folder)
            finally:
                _run("losetup", "--detach", device)  # when it is unmounted
        except BaseException:
            _run("umount", "-l", self._under)
            raise

    def before(self):
        """Nothing: the disk is small already."""

    def free(self, _server):
        _run("mount", "-o", f"remount,size={SPACE * 60}", self._under)

    free_for_the_next = free

    def end(self):
        _run("umount", "-l", self._folder)
        _run("umount", "-l", self._under)


class FileLimit:
    """No file may grow beyond a size."""

    says = "The room's file failed while opening"  # until then it makes room by folding its log

    def __init__(self, _folder):
        if not hasattr(resource, "prlimit"):
            raise OSError("this system has no prlimit")

    def before(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (SPACE, resource.RLIM_INFINITY))

    def free(self, server):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def free_for_the_next(self, server):
        server.before = None

    def end(self):
        """The limit ended with the process."""


@pytest.fixture(params=[Tmpfs, LoopDisk, FileLimit])
def disk(request, tmp_path):
    try:
        made = request.param(tmp_path / "server-0" / "rooms")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"{request.param.__name__} cannot be made here: {getattr(error, 'stderr', error)}")
    yield made
    made.end()


@pytest.fixture
def server_on(disk, start_server, monkeypatch):
    monkeypatch.setattr("partysync_widget.connection.FIRST_DELAY", 0.05)
    monkeypatch.setattr("partysync_widget.connection.LAST_DELAY", 0.2)
    server = start_server(before=disk.before)
    yield server
    server.stop()


def test_edits_wait_for_space_and_arrive(disk, server_on, enter, wait_until):
    """R6, R9, E6."""
    ann, bob = enter("r", at=server_on, user="ann"), enter("r", at=server_on)
    table = ann.table("t", text=str)
    receipts = [table.insert(id="0", text="000000" * 4000)]
    assert receipts[0].result(8) is None
    receipts += [table.insert(id=str(n), text=f"{n:06}" * 4000) for n in range(1, 200)]  # 4.8 MB
    wait_until(lambda: re.search(disk.says, str(ann.trouble)), what="the trouble being told")
    accepted = [receipt.id for receipt in receipts if receipt.done()]

    assert 0 < len(accepted) < 200
    assert ann.pending == 200 - len(accepted)
    assert len(table) == 200  # everything is still shown where it was made
    assert set(bob.table("t")) <= set(table)
    with pytest.raises(ps.NotConnected, match="not in step within 0.3 s"):
        ann.sync(0.3)
    disk.free(server_on)
    assert [receipt.result(30) for receipt in receipts] == [None] * 200  # the disk itself may need a while
    for room in (ann, bob):
        room.sync(8)
    assert bob.table("t").records == table.records == [{"id": str(n), "text": f"{n:06}" * 4000} for n in range(200)]


def test_what_was_accepted_on_a_full_disk_survives_a_kill(disk, server_on, enter, wait_until):
    """R9."""
    room = enter("r", at=server_on)
    table = room.table("t", text=str)
    receipts = []
    for n in range(250):
        receipts.append(table.insert(id=str(n), text="x" * 20_000))
        if n < 20:
            receipts[n].result(8)
    wait_until(lambda: re.search(disk.says, str(room.trouble)), what="the trouble being told")
    accepted = {receipt.id for receipt in receipts if receipt.done()}
    assert 20 <= len(accepted) < 250
    room.close()
    server_on.kill()
    disk.free_for_the_next(server_on)
    server_on.start()

    assert accepted <= set(enter("r", at=server_on).table("t"))


def test_a_new_room_on_a_full_disk_is_refused_with_the_reason(disk, server_on, enter, wait_until):
    enter("first", at=server_on).table("t", x=int).insert(x=1).result(8)
    if isinstance(disk, FileLimit):
        resource.prlimit(server_on.process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    else:
        free = shutil.disk_usage(server_on.data).free
        (server_on.data / "ballast").write_bytes(b"\0" * max(0, free - 4096))

    with pytest.raises(ps.NotConnected, match=disk.says):
        enter("second", at=server_on)
    disk.free(server_on)
    assert enter("second", at=server_on).table("t", x=int).insert(x=1).result(8) is None


@pytest.mark.parametrize("disk", [Tmpfs], indirect=True)  # a limit on files leaves room for the lock
def test_a_server_whose_folder_is_on_a_full_disk(disk, start_server, tmp_path, run_python):
    folder = tmp_path / "server-0" / "rooms"
    (folder / "ballast").write_bytes(b"\0" * shutil.disk_usage(folder).free)
    said = run_python(
        "import sys; from partysync_server.cli import main; sys.argv[1:] = ['serve', '--data', sys.argv[1]]; main()",
        folder,
        code=1,
        environment=dict(os.environ),
    )

    assert said.startswith("partysync: ")
    assert "full" in said
    assert "Traceback" not in said
