"""
Room names as paths: what a hostile name on the wire leaves on the disk, and who may read it there.

R13. No name becomes a path: it is a room with a file of its own, made by the server's pattern, or it is refused.
The server of these tests runs with a umask of 0, so that every mode is one that it has chosen.
"""

import os
import re
import stat
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from partysync_server.rooms import Rooms
from partysync_widget import Party
from tests.conftest import Server, home
from tests.server.stranger import Stranger, hello

ROOMS = [
    "..",
    ".",
    "...",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%2F..%2F..%2F..%2F..%2F..%2Ftmp%2Fx",
    "%2Fetc%2Fpasswd",
    "%252e%252e%252fetc%252fpasswd",
    "%25252e%25252e",
    "%5c..%5c..%5cx",
    "C:%5Cx",
    "C:%2Fx",
    "%5C%5Cserver%5Cshare",
    "%5C%5C.%5CPhysicalDrive0",
    "con",
    "NUL.txt",
    "a%2Fb",
    "a%252Fb",
    "-rf",
    "--help",
    "server.lock",
    "access.sqlite",
    "access.db",
    "access.db-wal",
    "room.db%2F..%2F..%2Faccess.db",
    "%EF%BC%8E%EF%BC%8E%EF%BC%8Fetc",  # full-width dots and slash
    "%E2%88%95etc%E2%81%84passwd",  # the division and the fraction slash
    "%E2%80%A5%2F%E2%80%A6",  # two dots and three dots as one character
    "trailing...",
    "trailing%20%20",
    "%20trailing",
    "~",
    "~root%2F.ssh",
    "$HOME",
    "$(touch%20x)",
    "%60touch%20x%60",
    "file:x%3Fmode=memory",
    "file:..%2F..%2Fx%3Fmode=rwc",
    ":memory:",
    "a;b",
    "a%7Cb",
    "*",
    "x" * 200,
    "%E6%BC%A2" * 200,
]
PAIRS = {
    "composed and decomposed": ("caf%C3%A9", "cafe%CC%81"),
    "upper and lower case": ("Genes", "genes"),
    "once and twice encoded": ("q%2Fr", "q%252Fr"),
    "with and without a dot": ("ends", "ends."),
    "with and without a space": ("blank", "blank%20"),
    "full-width and plain": ("%EF%BC%A1", "A"),
    "one slug": ("a%20b", "a-b"),
    "dotless and dotted": ("%C4%B1", "i"),
    "the same forty characters": ("s" * 60 + "1", "s" * 60 + "2"),
}
REFUSED = [
    "",
    "../x",
    "../../../../../../tmp/x",
    "a/b",
    "/etc/passwd",
    "x%00",
    "x%00.db",
    "%00",
    "a%0Ab",
    "a%0D%0Ab",
    "a%09b",
    "a%7Fb",
    "%ff%fe",
    "%c0%ae%c0%ae%c0%af",  # dots and a slash in an overlong encoding
    "%ED%A0%80",  # half a surrogate pair
    "x" * 201,
]
TURNED = ["%E2%80%AEbd.x", "a%E2%80%8Bb", "%EF%BB%BFx"]  # right-to-left override, zero width, byte order mark

PATTERN = re.compile(r"[a-z0-9][a-z0-9-]*-[0-9a-f]{16}\.db(-wal|-shm|-witness)?")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of which everything is known: home, working folder and rooms of one server."""
    folder = tmp_path_factory.mktemp("names")
    environment = {**os.environ, **home(folder), "HOME": str(folder / "person"), "TMPDIR": str(folder)}
    server = Server(folder / "server", environment=environment, before=lambda: os.umask(0))
    server.place = folder
    yield server
    server.stop()


def of_rooms(server):
    """The files of rooms, a journal counted as its room's."""
    folder = server.data / "rooms" / "main"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def elsewhere(server):
    """All other files and folders, without the journals that come and go beside what is ours."""
    folder = server.data / "rooms" / "main"
    found = (path for path in server.place.rglob("*") if folder not in path.parents)
    return {str(path) for path in found if path != folder and not path.name.endswith(("-wal", "-shm", "-journal"))}


def knock(server, name):
    """The status of the answer, and whether a room was entered."""
    with Stranger(server, f"/parties/main/{name}") as stranger:
        if stranger.status != 101:
            return stranger.status, False
        stranger.frame(hello())
        heard = stranger.hear()
        return 101, bool(heard) and heard["type"] == "welcome"


def made(server, name):
    """The files that are there since somebody tried to enter a room of that name; nothing else has changed."""
    with Stranger(server, "/parties/main/first") as stranger:  # what the first room of all makes is made
        assert stranger.frame(hello()).hear()["type"] == "welcome"
    before, others = of_rooms(server), elsewhere(server)

    said = knock(server, name)

    after = of_rooms(server)
    assert elsewhere(server) == others
    assert before <= after | {f for f in before if f.endswith(("-wal", "-shm"))}
    assert all(PATTERN.fullmatch(file) for file in after), after
    assert all(len(file) < 80 for file in after)
    return said, {file for file in after - before if file.endswith(".db")}


def label(name):
    return name if len(name) < 40 else f"{name[:12]}… ({len(name)})"


def path_of(server, name):
    """The file for what stands on the wire, decoded once."""
    rooms = SimpleNamespace(folder=server.data / "rooms")
    return Rooms.path(rooms, type("Main", (Party,), {}), unquote(name, errors="strict"))


@pytest.mark.parametrize("name", ROOMS, ids=label)
def test_a_hostile_name_is_one_file_among_the_rooms(place, name):
    """R13. The same name is the same file, and it is decoded once."""
    assert made(place, name)[0] == (101, True)
    assert path_of(place, name).name in of_rooms(place)
    assert made(place, name) == ((101, True), set())


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_names_that_look_alike_are_two_rooms(place, pair):
    """R13. Whatever the file system takes for one name, and whatever the slug has left of it."""
    files = [made(place, name) for name in pair]

    assert [said for said, _ in files] == [(101, True)] * 2
    assert [len(new) for _, new in files] == [1, 1]
    first, second = ({file.lower() for file in new} for _, new in files)
    assert not first & second


@pytest.mark.parametrize("name", REFUSED, ids=label)
def test_what_is_no_name_makes_no_file(place, name):
    """R13."""
    (status, entered), new = made(place, name)

    assert 400 <= status < 500
    assert not entered
    assert new == set()


@pytest.mark.parametrize("name", TURNED)
def test_what_cannot_be_seen_in_a_name_is_not_in_its_file(place, name):
    """R13. Entered or refused; the name of its file is of plain letters either way."""
    (status, entered), new = made(place, name)

    assert entered or 400 <= status < 500
    assert len(new) == entered


def test_no_two_names_share_a_file(start_server):
    """R13. All of them, one after the other, on an empty disk."""
    server = start_server()
    names = [*ROOMS, *(name for pair in PAIRS.values() for name in pair)]
    for name in names:
        assert knock(server, name) == (101, True)

    assert len(server.files()) == len({unquote(name) for name in names})


def wrong_modes(*roots):
    """What others than the owner may read or enter, below the folders."""
    found = [path for root in roots for path in (root, *root.rglob("*"))]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in found}
    return {str(path): oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)}


def test_only_the_owner_may_read_the_rooms(place):
    """R13. With a umask of 0: rooms, their journals, the list of who has access, the lock, and their folders."""
    with Stranger(place, "/parties/main/open") as stranger:
        assert stranger.frame(hello()).hear()["type"] == "welcome"
        names = {path.name for path in place.data.rglob("*")}
        assert {"access.sqlite", "access.sqlite-wal", "server.lock", "server.owner"} <= names
        assert any(PATTERN.fullmatch(name) and name.endswith("-wal") for name in names)
        assert wrong_modes(place.data) == {}


def test_only_the_owner_may_read_the_address_and_the_token(tmp_path, wait_until):
    """R13. With a umask of 0, in folders that the server makes itself."""
    file = tmp_path / "told" / "server.json"
    command = [sys.executable, "-m", "partysync_server", "serve", "--data", str(tmp_path / "rooms")]
    process = subprocess.Popen(
        [*command, "--runtime-file", str(file)],
        env={**os.environ, **home(tmp_path)},
        preexec_fn=lambda: os.umask(0),
    )
    try:
        wait_until(file.exists)
        assert wrong_modes(file.parent, tmp_path / "rooms") == {}
    finally:
        process.terminate()
        process.wait(8)
