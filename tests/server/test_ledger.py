"""The ledger: what is decided once, stays decided, whatever becomes of the process, the file and the disk."""

import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
from random import Random

import apsw
import pytest

from partysync_server import room_file
from partysync_server.ledger import Ledger, Verdict
from partysync_server.room_file import FOLD_BYTES, LOG_BYTES, storage
from partysync_widget.core import messages as m
from partysync_widget.core.errors import SchemaMismatch, StorageFailed
from partysync_widget.core.party import Main, Party
from partysync_widget.core.store import Store
from tests.stage import Todos

DECIDED, DUPLICATE, GAP = Verdict.DECIDED, Verdict.DUPLICATE, Verdict.GAP


@pytest.fixture
def open_ledger(tmp_path):
    """Open the room's file; closed when the test is over."""
    opened = []

    def open_ledger(path=tmp_path / "rooms" / "room.db", party=Todos, epoch=None):
        opened.append(Ledger(path, party, epoch or f"e{len(opened) + 1}", room="a room"))
        return opened[-1]

    yield open_ledger
    for each in opened:
        each.close()


@pytest.fixture
def ledger(open_ledger):
    return open_ledger()


def create(mid, id, text="a"):
    return m.Mutation(mid, "create", {"id": id, "text": text})


def turn(ledger, *mutations, client="c", owner="o"):
    """One turn of one client's mutations; the verdicts."""
    ledger.begin()
    verdicts = [ledger.decide(client, owner, each, user="ada") for each in mutations]
    ledger.seal()
    ledger.commit()
    return verdicts


def ids(ledger):
    return [row[1] for row in ledger.store.rows("todos")]


# --- one order, each once -------------------------------------------------------------------------------------------


def test_every_decided_mutation_takes_the_next_version_a_rejected_one_too(ledger):
    """R1."""
    assert turn(ledger, create(1, "a"), create(2, "a"), create(3, "b")) == [DECIDED] * 3

    assert ledger.version == ledger.store.version == 3
    assert [(each.mid, each.code) for each in ledger.results("true")] == [(1, None), (2, "constraint"), (3, None)]
    assert ids(ledger) == ["a", "b"]


def test_of_a_rejected_mutation_nothing_is_kept(ledger):
    """R6, R8. Whatever it had written before it was refused; those before and after it in the turn stay."""
    steps = [["create", {"id": "half", "text": ""}], ["finish", {"id": "nobody"}]]

    assert turn(ledger, create(1, "a"), m.Mutation(2, "batch", {"steps": steps}), create(3, "b")) == [DECIDED] * 3

    assert ids(ledger) == ["a", "b"]
    assert ledger.store.touched(1) == {"todos": {"b"}}
    assert [each.mid for each in ledger.results("true") if each.code] == [2]


def test_a_mutation_that_comes_again_has_no_second_effect(ledger):
    """R5."""
    turn(ledger, create(1, "a"))
    ledger.begin()
    ledger.store.execute("DELETE FROM todos")
    ledger.commit()

    assert turn(ledger, create(1, "a"), create(1, "a")) == [DUPLICATE] * 2
    assert (ledger.version, ids(ledger)) == (1, [])


def test_a_mutation_that_comes_twice_in_one_turn_has_one_effect(ledger):
    """R5."""
    assert turn(ledger, create(1, "a"), create(1, "b"), create(2, "c")) == [DECIDED, DUPLICATE, DECIDED]
    assert ids(ledger) == ["a", "c"]


def test_a_mutation_whose_predecessor_is_missing_is_not_decided(ledger):
    """R5. Per client, in order."""
    assert turn(ledger, create(2, "b"), create(1, "a"), create(3, "c"), create(2, "b")) == [GAP, DECIDED, GAP, DECIDED]
    assert (ledger.version, ids(ledger)) == (2, ["a", "b"])


def test_each_client_counts_for_itself(ledger):
    turn(ledger, create(1, "a"), client="c")
    turn(ledger, create(1, "b"), create(2, "c"), client="d")

    assert (ledger.last_mid("c"), ledger.last_mid("d"), ledger.last_mid("nobody")) == (1, 2, 0)
    assert ledger.acks(0) == {"c": 1, "d": 2}
    assert ledger.acks(1) == {"d": 2}


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_told_is_what_the_file_says(open_ledger, ledger, seed):
    """R5, R6: what is known of the last turn without a question, and what is asked for, also after an opening."""
    chance, mids, room = Random(seed), dict.fromkeys("cde", 0), ledger
    for n in range(30):
        room.begin()
        for client in chance.choices("cde", k=chance.randrange(4)):
            mids[client] += chance.random() < 0.9
            room.decide(client, "o", create(mids[client], chance.choice("ab") if chance.random() < 0.4 else f"r{n}"))
        room.seal()
        room.commit()
        for base in range(room.version + 1):
            told, since = room.delta(base), "SELECT id, last_mid FROM _partysync_clients WHERE version > ?"
            assert told.acks == dict(room.store.execute(since, (base,)).fetchall())
            assert told.results == room.results("version > ?", base)
        if n == 15:
            room.close()
            room = open_ledger()


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_what_was_decided_is_decided_after_the_process_has_ended(open_ledger, ledger, how):
    """R5, R9."""
    turn(ledger, create(1, "a"), create(2, "a"))
    again = come_back(open_ledger, ledger, how)

    assert (again.version, ids(again), again.last_mid("c")) == (2, ["a"], 2)
    assert turn(again, create(1, "a"), create(2, "a"), create(3, "c")) == [DUPLICATE, DUPLICATE, DECIDED]


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_what_was_not_committed_is_not_there_after_the_process_has_ended(open_ledger, ledger, how):
    """R9."""
    turn(ledger, create(1, "a"))
    ledger.begin()
    ledger.decide("c", "o", create(2, "b"))
    ledger.seal()
    again = come_back(open_ledger, ledger, how)

    assert (again.version, ids(again), again.last_mid("c")) == (1, ["a"], 1)
    assert turn(again, create(2, "b")) == [DECIDED]


def come_back(open_ledger, ledger, how, *party):
    """A new process on the file: after an end in good order, or with what a killed one leaves."""
    path = ledger.path
    if how == "restart":
        ledger.close()
        return open_ledger(path, *party)
    copy = path.with_name("killed.db")
    for suffix in ("", "-wal", "-witness"):
        shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    return open_ledger(copy, *party)


# --- what is told of it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_rejection_is_kept_until_its_author_has_seen_it(open_ledger, ledger, how):
    """R6."""
    turn(ledger, create(1, "a"), create(2, "a"))
    again = come_back(open_ledger, ledger, how)

    kept = again.results("client = ?", "c")
    assert [(each.mid, each.value, each.code) for each in kept] == [
        (1, "created by ada", None),
        (2, None, "constraint"),
    ]
    assert "row with this id" in kept[1].message

    again.begin()
    again.forget_results("c", 1)
    again.seal()
    again.commit()
    assert [each.mid for each in again.results("client = ?", "c")] == [2]


def test_an_accepted_mutation_without_a_value_needs_no_result(ledger):
    turn(ledger, create(1, "a"), m.Mutation(2, "clear", {}))

    assert [each.mid for each in ledger.results("true")] == [1]


def test_a_delta_is_everything_after_a_version(open_ledger, tmp_path):
    """R2, F10, V7."""
    ledger = open_ledger(tmp_path / "main.db", Main)
    table = {"name": "todos", "columns": [{"name": "text", "type": "text"}]}
    turn(ledger, m.Mutation(1, "create_table", table))
    turn(
        ledger,
        m.Mutation(2, "insert", {"table": "todos", "id": "a", "values": {"text": "x"}}),
        m.Mutation(3, "nothing", {}),
    )
    turn(ledger, m.Mutation(1, "delete", {"table": "todos", "id": "a"}), client="d")

    whole = ledger.delta(0)
    assert (whole.epoch, whole.base, whole.version) == ("e1", 0, 4)
    assert [spec.name for spec in whole.schema] == ["todos"]
    assert [(change.table, change.put, change.gone) for change in whole.tables] == [("todos", [], ["a"])]
    assert whole.acks == {"c": 3, "d": 1}
    assert [(each.client, each.mid, each.code) for each in whole.results] == [("c", 3, "unknown-mutator")]

    assert ledger.delta(3) == m.Delta("e1", 3, 4, [m.TableChange("todos", ["text"], [], ["a"])], [], {"d": 1})
    assert ledger.delta(4) == m.Delta("e1", 4, 4)


# --- whose history this is ------------------------------------------------------------------------------------------


def test_a_ledger_holds_its_own_versions_and_no_others(ledger):
    """R10."""
    turn(ledger, create(1, "a"), create(2, "b"))

    assert ledger.holds("e1", 0)
    assert ledger.holds("e1", 2)
    assert not ledger.holds("e1", 3)
    assert not ledger.holds("another", 0)


def test_an_earlier_epoch_is_held_as_far_as_it_went(open_ledger, ledger):
    """R10, C9, H7."""
    turn(ledger, create(1, "a"), create(2, "b"))
    ledger.close()
    second = open_ledger()
    turn(second, create(3, "c"))
    second.close()
    third = open_ledger()
    turn(third, create(4, "d"))

    assert [third.holds("e1", version) for version in (2, 3)] == [True, False]
    assert [third.holds("e2", version) for version in (2, 3, 4)] == [True, True, False]
    assert [third.holds("e3", version) for version in (3, 4, 5)] == [True, True, False]


def test_a_copy_of_the_file_that_went_on_apart_is_another_history(open_ledger, ledger):
    """R10. A backup that was put back, or two servers on two copies."""
    turn(ledger, create(1, "a"))
    copy = come_back(open_ledger, ledger, "kill")
    turn(ledger, create(2, "b"), create(3, "c"))
    turn(copy, create(2, "x"), create(3, "y"), create(4, "z"))

    assert copy.holds("e1", 1)
    assert not copy.holds("e1", 2)
    assert not ledger.holds("e2", 2)
    ledger.close()
    assert not open_ledger(ledger.path, epoch="e9").holds("e2", 1)


def test_a_file_that_is_opened_again_in_the_same_epoch_goes_on_with_it(open_ledger, ledger):
    """After a failed commit: nobody has been told anything that is not in the file."""
    turn(ledger, create(1, "a"))
    ledger.close()
    again = open_ledger(epoch="e1")
    turn(again, create(2, "b"))

    assert again.holds("e1", 2)


def test_a_client_belongs_to_who_made_its_first_mutation(ledger):
    """H3."""
    turn(ledger, create(1, "a"), owner="ada")

    assert ledger.owner("c") == "ada"
    assert ledger.owner("nobody") is None


# --- what is forgotten ----------------------------------------------------------------------------------------------


def test_tombstones_are_forgotten_behind_the_horizon_and_rows_never(ledger):
    """R4."""
    turn(ledger, create(1, "a"), create(2, "b"), m.Mutation(3, "delete", {"table": "todos", "id": "a"}), create(4, "c"))
    assert not ledger.needs_compaction(2)
    turn(ledger, create(5, "d"))
    assert ledger.needs_compaction(2)

    ledger.begin()
    ledger.compact(2)
    ledger.seal()
    ledger.commit()

    assert (ledger.horizon, ledger.store.meta("horizon"), ids(ledger)) == (3, 3, ["b", "c", "d"])
    assert [change.gone for change in ledger.store.changes_since(0)] == [[]]
    assert [[row[1] for row in change.put] for change in ledger.store.changes_since(3)] == [["c", "d"]]
    assert not ledger.needs_compaction(2)


def test_compacting_again_changes_nothing(ledger):
    turn(ledger, *(create(n, f"r{n}") for n in range(1, 10)))
    ledger.begin()
    ledger.compact(3)
    ledger.compact(3)
    ledger.compact(100)
    ledger.commit()

    assert (ledger.horizon, ledger.last_mid("c")) == (6, 9)


def test_the_horizon_survives(open_ledger, ledger):
    turn(ledger, *(create(n, f"r{n}") for n in range(1, 10)))
    ledger.begin()
    ledger.compact(3)
    ledger.commit()
    ledger.close()

    assert open_ledger().horizon == 6


# --- the file -------------------------------------------------------------------------------------------------------


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_its_owner_can_read_a_rooms_file(ledger):
    before = os.umask(0)
    try:
        turn(ledger, create(1, "a"))
        assert [mode(path) for path in sorted(ledger.path.parent.iterdir())] == [0o600] * 3
        assert mode(ledger.path.parent) == 0o700
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="symbolic links are POSIX's")
@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_is_not_followed(tmp_path, open_ledger, there):
    """R13."""
    target = tmp_path / "somebody-elses.db"
    if there:
        apsw.Connection(str(target)).close()
    (tmp_path / "room.db").symlink_to(target)

    with pytest.raises(StorageFailed, match="while opening"):
        open_ledger(tmp_path / "room.db")


def test_a_file_has_one_owner(open_ledger, ledger):
    with pytest.raises(StorageFailed, match=r"Another process has the room's file room\.db open"):
        open_ledger(ledger.path)
    turn(ledger, create(1, "a"))


HOLD = """
import sys
from pathlib import Path
from partysync_server.ledger import Ledger
from partysync_widget.core.party import Main
try:
    Ledger(Path(sys.argv[1]), Main, "e")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_another_process_is_told_so_too(tmp_path, open_ledger):
    open_ledger(tmp_path / "room.db", Main)

    answer = subprocess.run(
        [sys.executable, "-c", HOLD, str(tmp_path / "room.db")], capture_output=True, text=True, check=True, timeout=60
    )

    assert answer.stdout == "StorageFailed Another process has the room's file room.db open.\n"


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path, open_ledger):
    (tmp_path / "room.db").write_bytes(b"This is no database. " * 500)

    with pytest.raises(StorageFailed, match="while opening: file is not a database"):
        open_ledger(tmp_path / "room.db")
    assert (tmp_path / "room.db").read_bytes().startswith(b"This is no database.")


def test_a_folder_in_its_place_is_refused_with_a_sentence(tmp_path, open_ledger):
    (tmp_path / "room.db").mkdir()

    with pytest.raises(StorageFailed, match="while opening"):
        open_ledger(tmp_path / "room.db")


def test_a_file_where_its_folder_should_be_is_refused_with_a_sentence(tmp_path, open_ledger):
    (tmp_path / "rooms").write_text("")

    with pytest.raises(StorageFailed, match="while opening"):
        open_ledger(tmp_path / "rooms" / "room.db")


def test_an_empty_file_becomes_a_room(tmp_path, open_ledger):
    """The process may have ended between making it and writing to it."""
    (tmp_path / "room.db").touch()

    ledger = open_ledger(tmp_path / "room.db")

    assert turn(ledger, create(1, "a")) == [DECIDED]
    assert ledger.store.meta("room") == "a room"


def test_a_schema_that_is_refused_leaves_a_file_that_can_be_used(tmp_path, open_ledger):
    bad = type("Todos", (Party,), {"schema": "CREATE TABLE todos (id TEXT)"})

    with pytest.raises(SchemaMismatch, match="STRICT"):
        open_ledger(tmp_path / "room.db", bad)

    assert turn(open_ledger(tmp_path / "room.db"), create(1, "a")) == [DECIDED]


def test_a_room_of_another_schema_is_not_opened(open_ledger, ledger):
    ledger.close()
    other = type("Todos", (Todos,), {"schema": Todos.schema.replace("< 20", "< 30")})

    with pytest.raises(SchemaMismatch, match="'a room' was made by an earlier schema of the party 'todos'"):
        open_ledger(ledger.path, other)
    assert turn(open_ledger(ledger.path), create(1, "a")) == [DECIDED]


def test_new_mutators_are_no_new_schema(open_ledger, ledger):
    ledger.close()

    open_ledger(ledger.path, type("Todos", (Todos,), {"built_in": ()}))


@pytest.mark.parametrize(("durability", "level"), [("power", 2), ("process", 1)])
def test_a_commit_waits_for_the_disk_unless_the_party_says_otherwise(tmp_path, open_ledger, durability, level):
    """R9."""
    ledger = open_ledger(tmp_path / "room.db", type("Quick", (Party,), {"durability": durability}))

    assert ledger.store.execute("PRAGMA synchronous").get == level
    assert ledger.store.execute("PRAGMA journal_mode").get == "wal"
    assert ledger.store.execute("PRAGMA locking_mode").get == "exclusive"
    assert ledger.store.execute("PRAGMA wal_autocheckpoint").get == 0


# --- the log --------------------------------------------------------------------------------------------------------


def log_of(ledger):
    return ledger.path.with_name(ledger.path.name + "-wal")


def fill(ledger, mid, megabytes):
    """A turn that makes the log so much longer."""
    rows = [[f"{mid}-{n}", "x" * 50_000] for n in range(20 * megabytes)]
    turn(ledger, m.Mutation(mid, "insert_rows", {"table": "t", "columns": ["id", "x"], "rows": rows}))


def create_wide(ledger):
    turn(ledger, m.Mutation(1, "create_table", {"name": "t", "columns": [{"name": "x", "type": "text"}]}))


def test_the_log_is_folded_into_the_file_when_it_is_long(open_ledger, tmp_path):
    ledger = open_ledger(tmp_path / "room.db", Main)
    create_wide(ledger)
    assert not ledger.needs_checkpoint(waited_for=False)
    fill(ledger, 2, megabytes=5)
    assert log_of(ledger).stat().st_size > FOLD_BYTES
    assert ledger.needs_checkpoint(waited_for=False)

    ledger.checkpoint()

    assert not ledger.needs_checkpoint(waited_for=False)
    shutil.copy(ledger.path, tmp_path / "alone.db")
    assert open_ledger(tmp_path / "alone.db", Main).version == 2


@pytest.mark.parametrize("size", [room_file.PAGE_BYTES, 4_096])
def test_a_file_keeps_the_size_of_its_pages_and_its_log_counts_in_bytes(open_ledger, tmp_path, monkeypatch, size):
    """Files of earlier servers have larger ones."""
    with monkeypatch.context() as patch:
        patch.setattr(room_file, "PAGE_BYTES", size)
        made = open_ledger(tmp_path / "room.db", Main)
        create_wide(made)
        made.close()
    ledger = open_ledger(tmp_path / "room.db", Main)
    assert ledger.store.execute("PRAGMA page_size").get == size

    for mid in itertools.count(2):
        fill(ledger, mid, megabytes=1)
        if ledger.needs_checkpoint(waited_for=False):
            break

    assert FOLD_BYTES < log_of(ledger).stat().st_size < FOLD_BYTES + (2 << 20)


def test_while_somebody_waits_the_log_may_be_longer_but_not_for_ever(open_ledger, tmp_path):
    ledger = open_ledger(tmp_path / "room.db", Main)
    create_wide(ledger)
    fill(ledger, 2, megabytes=5)
    assert not ledger.needs_checkpoint(waited_for=True)

    fill(ledger, 3, megabytes=15)

    assert ledger.needs_checkpoint(waited_for=True)


def test_a_folded_log_is_written_over_from_its_beginning(open_ledger, tmp_path):
    """A commit that makes no file longer waits less; and what is left of a long one is given back."""
    ledger = open_ledger(tmp_path / "room.db", Main)
    create_wide(ledger)
    fill(ledger, 2, megabytes=5)
    ledger.checkpoint()
    size = log_of(ledger).stat().st_size

    fill(ledger, 3, megabytes=1)

    assert log_of(ledger).stat().st_size == size
    assert not ledger.needs_checkpoint(waited_for=False)
    fill(ledger, 4, megabytes=30)
    ledger.checkpoint()
    fill(ledger, 5, megabytes=1)
    assert log_of(ledger).stat().st_size <= LOG_BYTES


@pytest.mark.parametrize("later", [0, 1, 5])
def test_a_process_that_ends_after_a_fold_leaves_nothing_to_doubt(open_ledger, tmp_path, later):
    """What is left of the log before is no damage, and undoes nothing (R9)."""
    ledger = open_ledger(tmp_path / "room.db", Main)
    create_wide(ledger)
    fill(ledger, 2, megabytes=5)
    ledger.checkpoint()
    for mid in range(3, 3 + later):
        fill(ledger, mid, megabytes=1)

    again = come_back(open_ledger, ledger, "kill", Main)

    assert again.version == 2 + later
    assert again.store.count("t") == 100 + 20 * later


def test_a_ledger_without_a_log_needs_no_checkpoint(ledger):
    log_of(ledger).unlink(missing_ok=True)

    assert not ledger.needs_checkpoint(waited_for=False)


def test_a_log_that_was_left_is_folded_in_at_the_opening(open_ledger, ledger):
    """An fsync that failed may have lied; what depends on the log is written again (Rebello et al.)."""
    turn(ledger, create(1, "a"))
    again = come_back(open_ledger, ledger, "kill")

    assert log_of(again).stat().st_size < 10 * 4096
    shutil.copy(again.path, again.path.with_name("alone.db"))
    assert ids(open_ledger(again.path.with_name("alone.db"))) == ["a"]


def test_a_closed_ledger_leaves_its_file_and_the_witness(ledger):
    turn(ledger, create(1, "a"))

    ledger.close()

    assert sorted(path.name for path in ledger.path.parent.iterdir()) == ["room.db", "room.db-witness"]


# --- a disk that fails ----------------------------------------------------------------------------------------------


def test_a_full_disk_is_no_rejection(ledger, open_ledger):
    """R9. Free some space, and it is decided."""
    turn(ledger, create(1, "a"))
    full = ledger.store.execute("PRAGMA page_count").get
    ledger.store.execute(f"PRAGMA max_page_count = {full}")
    rows = [[f"r{n}", "x" * 19] for n in range(2000)]
    big = m.Mutation(2, "insert_rows", {"table": "todos", "columns": ["id", "text"], "rows": rows})

    ledger.begin()
    with pytest.raises(StorageFailed, match=r"while insert_rows ran: .*full"):
        ledger.decide("c", "o", big)
    ledger.close()

    again = open_ledger(epoch="e1")
    assert (again.version, ids(again)) == (1, ["a"])
    assert turn(again, big) == [DECIDED]


FILL = """
import json, resource, signal, sys
from pathlib import Path
from partysync_server.ledger import Ledger
from partysync_widget.core import messages as m
from partysync_widget.core.errors import StorageFailed
from tests.stage import Todos

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledger(Path(sys.argv[1]), Todos, "e1")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
committed = 0
try:
    while committed < 5_000:
        ledger.begin()
        for mid in range(committed + 1, committed + 21):
            ledger.decide("c", "o", m.Mutation(mid, "create", {"id": f"r{mid}", "text": "x" * 19}))
        ledger.seal()
        ledger.commit()
        committed += 20
except StorageFailed as error:
    said = str(error)
ledger.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
again = Ledger(Path(sys.argv[1]), Todos, "e1")
print(json.dumps([committed, said, again.last_mid("c"), again.version, again.store.count("todos")]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE as Linux has it")
@pytest.mark.parametrize("limit", [200_000, 333_333])
def test_a_disk_that_fails_in_the_middle_loses_nothing_that_was_committed(tmp_path, limit):
    """R9. The turn whose commit failed is there as a whole or not at all, and the file says which."""
    answer = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "room.db"), str(limit)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr

    committed, said, last, version, count = json.loads(answer.stdout)
    assert said.startswith("The room's file failed while ")
    assert committed > 0
    assert last in (committed, committed + 20)
    assert last == version == count


def test_closing_after_a_failed_turn_takes_it_back(ledger, open_ledger):
    ledger.begin()
    ledger.decide("c", "o", create(1, "a"))
    ledger.close()

    assert ids(open_ledger()) == []


def test_closing_twice_is_fine(ledger):
    """The driver closes it when a turn has failed; if it cannot be opened again, the room is closed with it."""
    ledger.close()
    ledger.close()


def test_closing_is_quiet_when_the_disk_fails_then_too(ledger):
    """The next opening folds the log, or says why not."""
    turn(ledger, create(1, "a"))
    log_of(ledger).write_bytes(b"")
    ledger.path.unlink()

    ledger.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (apsw.FullError("database or disk is full"), "disk of the room server is full"),
        (apsw.IOError("disk I/O error"), "failed while testing: disk I/O error"),
        (apsw.CorruptError("malformed"), "failed while testing: malformed"),
        (PermissionError(13, "Permission denied"), "failed while testing: .*Permission denied"),
    ],
)
def test_what_the_disk_did_is_one_sentence(error, said):
    with pytest.raises(StorageFailed, match=said) as failed, storage("testing"):
        raise error

    assert failed.value.__cause__ is error


def test_what_is_not_the_disks_fault_is_not_called_so():
    with pytest.raises(apsw.SQLError), storage("testing"):
        raise apsw.SQLError("no such table")


def test_a_transaction_that_is_gone_is_noticed(ledger, monkeypatch):
    """R9. What came before in the turn has gone with it; nothing of it may be called decided."""

    def roll_back(tx):
        tx._store.execute("ROLLBACK")

    monkeypatch.setattr(Todos.mutators["clear"], "function", roll_back)
    ledger.begin()
    ledger.decide("c", "o", create(1, "a"))

    with pytest.raises(StorageFailed):
        ledger.decide("c", "o", m.Mutation(2, "clear", {}))


def test_a_ledger_is_a_store_that_keeps_its_tables(ledger):
    assert isinstance(ledger.store, Store)
    assert list(ledger.store.tables) == ["todos"]
