"""
R5, R9: whichever operation of the disk fails, and however, nothing acknowledged is lost and nothing is done twice.

Long: PARTYSYNC_PROOF=1, or PARTYSYNC_FAULT_POINTS=100000 for all there are.
"""

import itertools
import random

import apsw
import pytest

from partysync_server.files import Files
from partysync_server.ledger import Ledger
from partysync_server.open_room import OpenRoom
from partysync_server.witness import Witness
from tests.convergence.room_faults import a_failed_commit_is_taken_for_a_rejection, what_comes_twice_is_run_twice
from tests.power import faults
from tests.power.disk import Disk
from tests.power.faults import points, starts, wrong
from tests.power.ledgers import FILES, POWER
from tests.power.losses import pull
from tests.proof import extent, note

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # apsw tells twice


@pytest.fixture(autouse=True)
def _short_log(monkeypatch):
    """So that it is folded in in the middle of things."""
    monkeypatch.setattr("partysync_server.room_file.FOLD_BYTES", 120_000)


def in_turn(every):
    """One of each kind, and again, so that the first few are of all kinds."""
    random.Random(5).shuffle(every)
    kinds = [[each for each in every if each[0].kind == kind] for kind in faults.HITS]
    return [each for row in itertools.zip_longest(*kinds) for each in row if each is not None]


@pytest.mark.timeout(1800)  # the long way
def test_whichever_operation_fails_nothing_is_lost_and_nothing_is_done_twice():
    """R5, R9: once, twice and from then on; in a new room, and in one that was killed."""
    every = [(fault, start) for start in starts() for fault in points(start)]
    chosen = in_turn(every)[: extent("fault_points", 160, 3200)]
    given_up, kinds = 0, set()
    for fault, start in chosen:
        said, story = wrong(fault, start)
        assert not said, said
        given_up += story.given_up > 0
        kinds.add((fault.kind, fault.times))

    note("disk faults", fault_points=len(chosen), of=len(every), rooms_given_up_and_opened_again=given_up, wrong=0)
    assert given_up > len(chosen) / 4
    assert len(kinds) == len(faults.TIMES) * len(faults.HITS)


def found(kinds, *, times=1, most=60):
    """The first thing that is wrong, if failures of these kinds befall a room."""
    for start in starts():
        every = [fault for fault in points(start) if fault.kind in kinds and fault.times == times]
        for fault in random.Random(1).sample(every, min(most, len(every))):
            if said := wrong(fault, start)[0]:
                return said
    return ""


# --- traps: each is harmless while the rule stands, and found when it is taken out ----------------------------------


def test_a_log_that_is_trusted_after_a_failed_sync_is_found(monkeypatch):
    """R9: if an opening neither renews the log nor folds it, a sync that failed and then says all is well loses a turn.

    The witness was told of that turn, so the loss is noticed when the room is opened.
    """
    fold = Witness.fold

    def not_at_the_opening(witness, connection, **how):
        if hasattr(witness, "opened") or witness.sums is None:
            fold(witness, connection, **how)
        witness.opened = True

    monkeypatch.setattr(Witness, "fold", not_at_the_opening)
    monkeypatch.setattr(Witness, "renew_log", lambda witness: None)
    monkeypatch.setattr(Ledger, "close", lambda ledger: ledger.store.close())  # it would fold it, too
    said = found({"clean"})
    assert "cannot be read, and people have been told" in said


def test_a_failed_commit_that_happened_is_found_when_it_is_done_again(monkeypatch):
    """R5: it is unknown; the file says that it is there."""
    what_comes_twice_is_run_twice(monkeypatch)
    assert "ran out of turn" in found({"fsync"}, times=2)


def test_a_failed_commit_that_is_taken_for_a_rejection_is_found(monkeypatch):
    """R6, R9: nobody hears of those mutations again."""
    monkeypatch.setattr(faults, "SECONDS", 1.0)
    a_failed_commit_is_taken_for_a_rejection(monkeypatch)
    assert "TimeoutError" in found({"eio", "fsync"})


def test_a_room_that_goes_on_with_the_connection_that_failed_is_found(monkeypatch):
    """R9: the file is opened again, for what the connection thinks of it may be wrong."""
    monkeypatch.setattr(faults, "SECONDS", 1.0)

    async def go_on(place):
        ledger = place.room.ledger
        if ledger._connection.in_transaction:
            ledger._connection.execute("ROLLBACK")
        place.room.recover(ledger)

    monkeypatch.setattr(OpenRoom, "_recover", go_on)
    assert found({"eio", "fsync"})


def test_folders_that_are_not_synced_are_found(monkeypatch):
    """R9: the first room of a party, in a folder whose name is not durable."""
    monkeypatch.setattr(Files, "make_folders", lambda files, folder: files._make_folder(folder))
    assert pull(300).wrong["lost"]


def written_by_a_commit(many):
    """Names of the files that a COMMIT has written to, of so many."""
    POWER.disk = disk = Disk()
    ledger = Ledger(faults.PATH, faults.Tally, "e", files=FILES)
    names = []
    for mid in range(1, many + 1):
        ledger.begin()
        ledger.decide("c", "o", faults.m.Mutation(mid, "enter", {"who": "c", "n": mid}))
        ledger.seal()
        disk.before = lambda what, name: names.append(name)
        ledger._connection.execute("COMMIT")
        disk.before = lambda what, name: None
    ledger.close()
    return set(names)


def test_no_checkpoint_runs_inside_a_commit(monkeypatch):
    """R9: an error there would come after the commit has happened (sqlite.org/c3ref/wal_hook.html)."""
    log = {f"{faults.PATH}-wal", f"{faults.PATH.parent}/"}
    assert written_by_a_commit(400) <= log  # SQLite's own habit is every 1,000 pages

    begin = Ledger.begin
    monkeypatch.setattr(Ledger, "begin", lambda ledger: (ledger._connection.wal_autocheckpoint(1000), begin(ledger)))
    assert not written_by_a_commit(400) <= log


def test_a_log_that_is_emptied_before_the_witness_is_written_is_found(monkeypatch, caplog):
    """After a crash between the two the witness knows an older file, and is of no use."""
    fold = Witness.fold

    def too_early(witness, connection, **how):
        write = witness._write

        def late(sums):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            write(sums)

        witness._write = late
        fold(witness, connection, **how)
        del witness._write

    monkeypatch.setattr(Witness, "fold", too_early)
    pull(200)
    assert "is not the file that the server left" in caplog.text


def test_a_version_that_is_told_before_it_is_durable_is_found(monkeypatch):
    """The witness is never ahead of the file."""
    seal = Ledger.seal
    monkeypatch.setattr(Ledger, "seal", lambda ledger: (seal(ledger), ledger._witness.tell(ledger.version)))
    assert pull(300).wrong["corrupt"]
