"""
A process that is there and does nothing (SIGSTOP), as on a laptop that sleeps or a machine that swaps.

R5, R6, R12: the others go on, whoever was stopped goes on when it may, and nothing is lost or doubled.
"""

import contextlib
import signal
import time

import pytest

import partysync_widget as ps
from tests.faults.people import Reckoning
from tests.proof import extent, note

STOPS = extent("stops", 3, 10)
PING = 1  # seconds, of the server
CLOSING = 5  # seconds that Tornado waits for an answer to its goodbye


def last(room, who):
    """How far somebody is, as ``room`` sees it."""
    found = room.sql("SELECT max(n) AS last FROM entries WHERE who = ?", who)
    return found[0]["last"] or 0


@pytest.fixture
def impatient(monkeypatch):
    """Kernels of this process ask after 0.6 s of silence, and try again at once."""
    monkeypatch.setattr("partysync_widget.connection.PING_SECONDS", 0.6)
    monkeypatch.setattr("partysync_widget.connection.SILENCE_SECONDS", 0.6)
    monkeypatch.setattr("partysync_widget.connection.FIRST_DELAY", 0.05)


def watch(enter, server):
    from tests.faults.tally import Tally

    return enter("tally", at=server, party=Tally)


@pytest.mark.timeout(60 + 20 * STOPS)
def test_a_server_that_stops_is_noticed_and_goes_on_where_it_was(tally_server, come, enter, impatient, wait_until):
    server = tally_server(f"--ping={PING}")
    people = come(server, "ann", "bob")  # with their usual patience: they wait until it goes on
    watcher = watch(enter, server)  # with little
    noticed, back = [], []
    for _ in range(STOPS):
        wait_until(lambda: watcher.status == "live", 20)
        before = last(watcher, "ann")
        wait_until(lambda before=before: last(watcher, "ann") > before, 20, "work going on")
        server.signal(signal.SIGSTOP)
        begun = time.monotonic()
        wait_until(lambda: "stopped answering" in watcher.trouble, 20, "noticing that nothing comes")
        noticed.append(time.monotonic() - begun)
        assert watcher.sql("SELECT count(*) AS n FROM entries")[0]["n"] > 0  # what is here can be read
        server.signal(signal.SIGCONT)
        begun = time.monotonic()
        watcher.sync(20)
        back.append(time.monotonic() - begun)
    watcher.close()
    found = Reckoning(server, people)

    note(
        "server stopped",
        stops=STOPS,
        acknowledged=len(found.accepted),
        lost=len(found.lost),
        doubled=len(found.doubled),
        noticed_max_s=round(max(noticed), 2),
        back_max_s=round(max(back), 2),
    )
    found.check()


@pytest.mark.timeout(60 + 20 * STOPS)
def test_a_kernel_that_stops_is_let_go_holds_up_nobody_and_comes_back(tally_server, come, enter, wait_until):
    server = tally_server(f"--ping={PING}")
    ann, bob = come(server, "ann", "bob")
    watcher = watch(enter, server)
    let_go, made = [], []
    for _ in range(STOPS):
        before = last(watcher, "ann")
        wait_until(lambda before=before: last(watcher, "ann") > before, 20, "ann's work")
        wait_until(lambda: len(watcher.peers) == 2, 20, "everybody's being there")
        ann.stop()
        begun = time.monotonic()
        waits = []
        while len(watcher.peers) == 2:
            edit = time.monotonic()
            made.append(len(made) + 1)
            with contextlib.suppress(ps.MutationRejected):
                watcher.mutate("enter", who="watcher", n=len(made)).result(8)
            waits.append(time.monotonic() - edit)
            assert time.monotonic() - begun < 2 * PING + CLOSING + 3
        let_go.append(time.monotonic() - begun)
        assert max(waits) < PING + CLOSING  # nobody waited for ann
        ann.wake()
    watcher.close()
    found = Reckoning(server, [ann, bob], watcher=made)

    note(
        "kernel stopped",
        stops=STOPS,
        acknowledged=len(found.accepted),
        lost=len(found.lost),
        doubled=len(found.doubled),
        let_go_max_s=round(max(let_go), 2),
    )
    found.check()
