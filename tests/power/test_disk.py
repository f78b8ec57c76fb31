"""
The disk of these tests loses what a disk may lose, and nothing else; so a room that loses nothing on it has earned it.
"""

import itertools
import os
import stat
from pathlib import Path
from random import Random

import apsw
import pytest

from partysync_server import files
from partysync_server.files import Files
from tests.power.disk import NAME, Disk, File, MarkedClean, Short, failure
from tests.power.ledgers import FILES, POWER

PATH = Path("/data/rooms/main/r.db")


def left(disk, times=200):
    """What power loss may leave: many of all the ways."""
    return [disk.after(Random(seed)) for seed in range(times)]


@pytest.fixture
def disk():
    POWER.disk = Disk()
    return POWER.disk


def test_what_is_synced_is_there_and_what_is_not_may_be(disk):
    FILES.create(PATH)
    file = disk.files[str(PATH)]
    file.write(0, b"a" * 2000)
    file.sync()
    file.write(512, b"b" * 1024)

    found = {image[str(PATH)] for image in left(disk)}
    assert found == {
        b"a" * 512 + one + two + b"a" * 464 for one in (b"a" * 512, b"b" * 512) for two in (b"a" * 512, b"b" * 512)
    }


def test_a_name_is_durable_with_its_folder_only(disk):
    disk.create("/d/f").sync()
    assert {"/d/f" in image for image in left(disk)} == {True, False}
    disk.sync_folder("/d/")
    assert {"/d/f" in image for image in left(disk)} == {True}
    disk.delete("/d/f")
    assert {"/d/f" in image for image in left(disk)} == {True, False}
    disk.make_folder("/d/e/")
    disk.create("/d/e/g").sync()
    disk.sync_folder("/d/e/")
    assert {"/d/e/g" in image for image in left(disk)} == {True, False}
    disk.sync_folder("/d/")
    assert {("/d/f" in image, "/d/e/g" in image) for image in left(disk)} == {(False, True)}


def test_a_rename_leaves_the_old_file_or_the_new_one(disk):
    FILES.create(PATH)
    FILES.replace(PATH, b"old")
    operations = []

    def before(what, name):
        operations.append(what)
        assert {image[str(PATH)] for image in left(disk, 30)} <= {b"old", b"new"}

    disk.before = before
    FILES.replace(PATH, b"new")
    assert {image[str(PATH)] for image in left(disk, 30)} == {b"new"}
    assert operations == ["create", "truncate", "write", "sync", "rename", "sync folder"]


@pytest.mark.parametrize("code", ["eio", "full"])
def test_a_failing_write_is_an_error_of_sqlites(disk, code):
    connection = apsw.Connection(str(PATH), vfs=NAME)

    def before(what, name):
        if what == "write":
            raise failure(code)

    disk.before = before
    with pytest.raises(apsw.FullError if code == "full" else apsw.IOError):
        connection.execute("CREATE TABLE t (x)")
    connection.close()


def test_a_sync_that_fails_may_forget_what_it_was_for(disk):
    """Rebello et al., USENIX ATC 2020: the next sync says that all is well, and it is not."""
    file = disk.create("/f")
    file.write(0, b"a" * 512)

    def before(what, name):
        raise MarkedClean

    disk.before = before
    with pytest.raises(MarkedClean):
        disk.sync("/f", file)
    disk.before = lambda what, name: None
    disk.sync("/f", file)
    disk.sync_folder("/")
    assert {bytes(image["/f"]) for image in left(disk)} == {b""}
    file.write(0, b"b" * 512)
    disk.sync("/f", file)
    assert {bytes(image["/f"]) for image in left(disk)} == {b"b" * 512}


def test_a_short_write_leaves_half(disk):
    def before(what, name):
        raise Short

    disk.before = before
    with pytest.raises(Short):
        disk.write("/f", file := File(), 0, b"abcd")
    assert bytes(file.data) == b"ab"


def test_a_new_room_and_its_folders_survive_power_loss(disk):
    """R9: the folder of a new party, too, whose name stands in the folder of the rooms."""
    FILES.create(PATH)

    assert all(str(PATH) in image for image in left(disk))


def test_the_real_disk_is_asked_for_the_same(tmp_path, monkeypatch):
    """R9: every folder in which a name is new is synced, from the top down, before the file is anybody's."""
    synced, made = [], tmp_path / "rooms" / "main" / "r.db"
    monkeypatch.setattr(files, "sync", synced.append)
    Files().create(made)

    assert synced == [tmp_path, tmp_path / "rooms", tmp_path / "rooms" / "main"]
    assert made.stat().st_mode & 0o777 == 0o600
    synced.clear()
    Files().create(made.with_name("s.db"))
    assert synced == [tmp_path, tmp_path / "rooms", made.parent]


def test_the_real_disk_has_a_file_before_it_has_the_name(tmp_path, monkeypatch):
    """R9: content, name, folder, in this order."""
    done, path = [], tmp_path / "r.db-witness"
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda it: (done.append("folder" if is_folder(it) else "file"), fsync(it)))
    monkeypatch.setattr(Path, "replace", lambda old, new: (done.append("name"), replace(old, new)))
    Files().replace(path, b"whole")

    assert done == ["file", "name", "folder"]
    assert path.read_bytes() == b"whole"


def is_folder(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def test_a_folder_whose_sync_failed_is_synced_the_next_time(disk):
    """R9: it is there by then, and its name is not durable for that."""
    for fails in range(1, 4):
        POWER.disk = disk = Disk()
        syncs = itertools.count(1)

        def before(what, name, fails=fails, syncs=syncs):
            if what == "sync folder" and next(syncs) == fails:
                raise failure("eio")

        disk.before = before
        with pytest.raises(OSError, match="the disk failed"):
            FILES.create(PATH)
        FILES.create(PATH)
        assert all(str(PATH) in image for image in left(disk))


def test_both_disks_do_the_same(disk, tmp_path):
    """So that what is true of a room on one is true on the other."""

    def story(on, path):
        seen = [on.look(path) is None]
        on.create(path)
        on.replace(path, b"0123456789")
        first = on.look(path)
        seen.append(first[2])
        marker = on.marker(path, 3)
        marker.write(b"___")
        marker.write(b"xyz")
        marker.close()
        seen += [b"".join(on.read(path)), on.look(path)[:3] == first[:3]]
        on.replace(path, b"else")
        seen += [b"".join(on.read(path)), on.look(path)[1] == first[1]]
        for forbidden in (
            lambda: on.create(path),
            lambda: list(on.read(path.with_name("no"))),
            lambda: on.marker(path.with_name("no"), 0),
        ):
            with pytest.raises((FileExistsError, FileNotFoundError)) as error:
                forbidden()
            seen.append(type(error.value))
        return seen

    assert story(FILES, PATH) == story(Files(), tmp_path / "rooms" / "main" / "r.db")
    assert not PATH.exists()
