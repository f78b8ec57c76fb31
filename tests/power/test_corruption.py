"""
R10: whatever was changed in a room's file or its log is noticed when it is opened, and is not served as truth.

Long: PARTYSYNC_PROOF=1, or PARTYSYNC_DAMAGES=1000 for each kind.
"""

import random
import re
import shutil

import apsw
import pytest

from partysync_server.keeping import copy_closed
from partysync_server.ledger import Ledger
from partysync_server.witness import Damaged
from partysync_widget.core import messages as m
from tests.power.tally import REFUSED, Tally
from tests.proof import extent, note

ROWS, TURNS = 600, 60
TRUTH = ROWS - ROWS // REFUSED
CONTENT = (
    "SELECT * FROM entries",
    "SELECT * FROM people",
    "SELECT * FROM _partysync_rows",
    "SELECT * FROM _partysync_clients",
)


def opened(path, epoch="e"):
    return Ledger(path, Tally, epoch, room="r")


def work(ledger, turns, each=ROWS // TURNS):
    for _ in range(turns):
        ledger.begin()
        for mid in range(ledger.last_mid("c") + 1, ledger.last_mid("c") + each + 1):
            ledger.decide("c", "o", m.Mutation(mid, "enter", {"who": f"person {mid % 7}", "n": mid}))
        ledger.seal()
        ledger.commit()


def killed(ledger):
    """As kill -9 leaves it: the log is not folded in."""
    ledger._witness.close()
    ledger.store.close()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """The files of a room that was closed in good order, and of one that was killed with all in its log."""
    folder = tmp_path_factory.mktemp("healthy")
    (folder / "closed").mkdir()
    (folder / "killed").mkdir()
    ledger = opened(folder / "closed" / "r.db")
    work(ledger, TURNS)
    ledger.close()
    ledger = opened(folder / "killed" / "r.db")
    work(ledger, TURNS)
    killed(ledger)
    return folder


@pytest.fixture
def room(healthy, tmp_path):
    """A new copy at each call: ``room("closed")`` is its file."""

    def copy(which):
        shutil.rmtree(tmp_path / "room", ignore_errors=True)
        shutil.copytree(healthy / which, tmp_path / "room")
        return tmp_path / "room" / "r.db"

    return copy


def content(path):
    """What SQLite reads in it, or that it cannot."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return [connection.execute(query).fetchall() for query in CONTENT]
    except (apsw.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()


def flip(path, chance, first=0):
    raw = bytearray(path.read_bytes())
    raw[chance.randrange(first, len(raw))] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)


def served(path):
    """The rows that a server would show, or None: it says what is wrong, and has changed nothing."""
    before = files_of(path)
    try:
        ledger = opened(path, "later")
    except Damaged as error:
        said = str(error)
    else:
        rows = ledger.store.execute("SELECT count(*), sum(times) FROM entries").fetchall()
        ledger.close()
        return rows
    assert "partysync rooms restore" in said
    assert "Nothing was changed" in said
    assert files_of(path) == before
    return None


def files_of(path):
    """By name; an empty log is none."""
    return {each.name: raw for each in path.parent.iterdir() if (raw := each.read_bytes()) or not each.match("*-wal")}


def test_a_healthy_room_is_served(room):
    for which in ("closed", "killed"):
        assert served(room(which)) == [(TRUTH, TRUTH)]


@pytest.mark.timeout(1800)  # the long way
def test_a_flipped_bit_in_the_database_is_noticed(room):
    chance, many = random.Random(7), extent("damages", 150, 500)
    changing = noticed = by_sqlite = 0
    truth = content(room("closed"))
    for _ in range(many):
        flip(path := room("closed"), chance)
        rows = served(path)
        shutil.copy(path, path.with_name("alone.db"))
        seen = content(path.with_name("alone.db"))
        changing += seen != truth
        noticed += rows is None and seen != truth
        by_sqlite += seen is None
    note(
        "a bit flipped in the database",
        trials=many,
        changed_the_rows=changing,
        noticed=noticed,
        by_sqlite_alone=by_sqlite,
    )
    assert changing > many / 20  # much of a file is empty
    assert noticed >= 0.99 * changing


def test_every_flipped_bit_is_noticed_but_those_of_the_journals_mode(room):
    chance = random.Random(8)
    outcomes = []
    for _ in range(60):
        flip(path := room("closed"), chance, first=100)
        outcomes.append(served(path))
    assert outcomes == [None] * 60


@pytest.mark.timeout(1800)  # the long way
def test_a_flipped_bit_in_the_log_is_noticed(room):
    """SQLite drops all that follows, and says nothing."""
    chance, many, changing, noticed = random.Random(9), extent("damages", 150, 500), 0, 0
    for _ in range(many):
        path = room("killed")
        flip(path.with_name("r.db-wal"), chance)
        rows = served(path)
        changing += rows != [(TRUTH, TRUTH)]
        noticed += rows is None
    note("a bit flipped in the log", trials=many, lost_commits=changing, noticed=noticed)
    assert changing > 0.95 * many
    assert noticed == changing


@pytest.mark.parametrize("which", ["closed", "killed"])
@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("how", ["zeroed", "cut", "noise"])
def test_a_page_of_nothing_and_a_short_file_are_noticed(room, which, suffix, how):
    chance, many = random.Random(f"{which}{suffix}{how}"), extent("damages", 150, 500) // 10
    if which == "closed" and suffix:
        return  # there is no log
    noticed = unchanged = 0
    for _ in range(many):
        path = room(which)
        file = path.with_name(f"r.db{suffix}")
        raw = bytearray(file.read_bytes())
        page = chance.randrange(0, len(raw) // 4096)
        if how == "cut":
            del raw[chance.randrange(0, len(raw)) :]
        else:
            raw[page * 4096 : page * 4096 + 4096] = bytes(4096) if how == "zeroed" else chance.randbytes(4096)
        file.write_bytes(raw)
        rows = served(path)
        noticed += rows is None
        unchanged += rows == [(TRUTH, TRUTH)]
    note(f"{how}, {which}, {suffix or 'database'}", trials=many, noticed=noticed, without_effect=unchanged)
    assert noticed + unchanged == many


def test_who_moves_the_witness_away_goes_on_without_the_rest(room):
    """As the sentence says. Kernels that have seen more are told (R10)."""
    path = room("killed")
    flip(path.with_name("r.db-wal"), random.Random(1), first=100_000)
    with pytest.raises(Damaged, match=r"been told of version 600\..* move r.db-witness away") as error:
        opened(path, "later")
    left = int(re.search(r"after version (\d+) ", str(error.value))[1])
    path.with_name("r.db-witness").unlink()

    ledger = opened(path, "later")
    assert ledger.version == left > 0
    assert ledger.holds("e", left)
    assert not ledger.holds("e", ROWS)
    ledger.close()


def test_the_file_of_another_room_is_not_served_as_this_one(room, tmp_path):
    path = room("closed")
    other = Ledger(tmp_path / "other.db", Tally, "o", room="other")
    work(other, 3)
    other.close()
    shutil.copy(tmp_path / "other.db", path)

    with pytest.raises(Damaged, match="not that of the room 'r'"):
        opened(path, "later")


@pytest.mark.parametrize("bytes_", [b"", b"\0" * 4096, b"This is no database. " * 500])
def test_other_bytes_are_not_served(room, bytes_):
    path = room("closed")
    path.write_bytes(bytes_)

    assert served(path) is None


def test_an_older_copy_put_in_by_hand_is_served_and_is_another_history(room, tmp_path, caplog):
    """R10: kernels that have seen more are told; so is the log."""
    path = room("closed")
    shutil.copy(path, tmp_path / "old.db")
    ledger = opened(path, "later")
    work(ledger, 2)
    ledger.close()
    shutil.copy(tmp_path / "old.db", path)
    again = opened(path, "after")

    assert again.version == ROWS
    assert not again.holds("later", ROWS + 20)
    assert "is not the file that the server left" in caplog.text
    assert "have been told of version 620" in caplog.text
    again.close()
    opened(path, "last").close()


def test_a_room_that_another_program_has_folded_is_served(room):
    """After a crash somebody looks with the sqlite3 tool: it folds the log, and tells no witness."""
    path = room("killed")
    ledger = opened(path, "again")
    work(ledger, 1)
    killed(ledger)
    connection = apsw.Connection(str(path))
    connection.execute("SELECT count(*) FROM entries").fetchall()
    connection.close()
    assert not path.with_name("r.db-wal").exists()

    assert served(path) == [(TRUTH + 10, TRUTH + 10)]


@pytest.mark.parametrize("how", ["gone", "cut", "flipped", "empty"])
def test_a_damaged_witness_condemns_no_healthy_room(room, how):
    chance = random.Random(3)
    for which in ("closed", "killed"):
        for _ in range(10):
            path = room(which)
            witness = path.with_name("r.db-witness")
            match how:
                case "gone":
                    witness.unlink()
                case "cut":
                    witness.write_bytes(witness.read_bytes()[: chance.randrange(700)])
                case "flipped":
                    flip(witness, chance)
                case "empty":
                    witness.write_bytes(b"")
            assert served(path) == [(TRUTH, TRUTH)]
            flip(path, chance, first=5000)
            assert served(path) is None  # and it is made anew


def test_a_room_whose_file_is_gone_is_not_made_anew(room):
    path = room("closed")
    path.unlink()

    with pytest.raises(Damaged, match=r"gone.*rooms delete"):
        opened(path, "later")
    assert not path.exists()


def test_no_backup_is_made_of_a_damaged_room(room, tmp_path):
    (tmp_path / "copy.db").touch()
    path = room("closed")
    copy_closed(path, tmp_path / "copy.db")
    flip(path, random.Random(1), first=5000)

    with pytest.raises(Damaged):
        copy_closed(path, tmp_path / "copy.db")


def test_a_closed_copy_leaves_the_log_as_it_is(room, tmp_path):
    """It would fold it in, and the witness would not know."""
    (tmp_path / "copy.db").touch()
    path = room("killed")
    before = path.with_name("r.db-wal").read_bytes()
    copy_closed(path, tmp_path / "copy.db")

    assert path.with_name("r.db-wal").read_bytes() == before
    assert content(tmp_path / "copy.db") == content(path)
