"""
Planted faults of real processes: one rule taken out of the server, or of the clients, that a history is of.

The server imports this file for its party (``--party faulty:Lists``), the clients are it (``faulty.py url …``). Which
rule is missing is said by PARTYSYNC_TEST_FAULT, and each side plants only what is its own.
"""

import functools
import os
import sys
import time

import lists  # the folder of this file is on the path of both
from lists import Lists

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.replica import Replica
from partysync_widget.core.store import Store
from partysync_widget.core.view import Pending, View

__all__ = ["Lists"]


# --- of the server ----------------------------------------------------------------------------------------------------


def what_was_decided_is_done_again():
    """R5: duplicate-effect. The disk is slow and cuts are many, so that they find mutations that wait for a turn."""
    from partysync_server.ledger import Ledger

    decide, keep, commit = Ledger.decide, Ledger._keep, Ledger.commit

    def forgetful(ledger, client, owner, mutation, **who):
        if mutation.mid <= ledger.last_mid(client):
            ledger._last[client] = mutation.mid - 1
        return decide(ledger, client, owner, mutation, **who)

    def over(ledger, asked, result):  # the key of this table is a second rule that holds the same promise
        ledger.store.execute("DELETE FROM _partysync_results WHERE client = ? AND mid = ?", (result.client, result.mid))
        keep(ledger, asked, result)

    def slow(ledger):
        time.sleep(0.02)
        commit(ledger)

    Ledger.decide, Ledger._keep, Ledger.commit = forgetful, over, slow


def a_turn_is_told_before_it_is_durable():
    """R9: lost-acked-write."""
    from partysync_server.ledger import Ledger

    begin, commit, close = Ledger.begin, Ledger.commit, Ledger.close
    turns = 0

    def late(ledger):
        if ledger._connection.in_transaction:
            commit(ledger)

    def seldom(ledger):
        nonlocal turns
        turns += 1
        if turns % 20 == 0:
            late(ledger)

    def unless_open(ledger):
        if not ledger._connection.in_transaction:
            begin(ledger)

    def at_the_end(ledger):
        late(ledger)
        close(ledger)

    Ledger.commit, Ledger.begin, Ledger.close = seldom, unless_open, at_the_end
    Ledger.checkpoint = lambda ledger: None


def a_rejected_mutation_leaves_its_rows():
    """R6: G1a."""
    undo = Store.undo
    Store.undo = lambda store, name: None if name == "mutation" else undo(store, name)


def now_and_then_an_old_list_is_read():
    """R1: G-single."""
    mutator = Lists.mutators["transact"]
    transact, calls = mutator.function, 0

    @functools.wraps(transact)  # the clients must find the arguments as they know them
    def old(tx, steps, refuse=False):
        nonlocal calls
        calls += 1
        read = transact(tx, steps, refuse)
        if calls % 10 == 0 and not any(what == "append" for what, _, _ in steps):
            return [each[:-4] for each in read]
        return read

    mutator.function = old


# --- of the clients ---------------------------------------------------------------------------------------------------


def a_retry_is_a_new_mutation():
    """R5: duplicate-effect."""
    opened = Replica.opened

    def forgetful(replica, spare, line=0):
        replica.client, replica.settled_mid = spare + "x", 0
        replica.pending = [
            Pending(each.ticket, m.Mutation(mid, each.mutation.name, each.mutation.args), each.size)
            for mid, each in enumerate(replica.pending, 1)
        ]
        return opened(replica, spare, line)

    Replica.opened = forgetful


def own_edits_are_not_replayed():
    """R7: read-your-writes."""
    View._replay = lambda view: None


def an_edit_that_was_rejected_is_said_to_be_accepted():
    """R6: lost-acked-write."""
    decide = View._decide

    def hopeful(view, decided, step):
        decide(view, decided, step)
        step.settled = [
            type(each)(each.ticket, each.mid, [[] for _ in range(4)])
            if isinstance(each.error, MutationRejected)
            else each
            for each in step.settled
        ]

    View._decide = hopeful


def _cut_often():
    lists.ON_THE_WAY, lists.CUT = (16,), (4,)


OF_THE_SERVER = (
    what_was_decided_is_done_again,
    a_turn_is_told_before_it_is_durable,
    a_rejected_mutation_leaves_its_rows,
    now_and_then_an_old_list_is_read,
)
OF_THE_CLIENTS = (
    a_retry_is_a_new_mutation,
    own_edits_are_not_replayed,
    an_edit_that_was_rejected_is_said_to_be_accepted,
)

FAULT = os.environ.get("PARTYSYNC_TEST_FAULT")

if __name__ == "__main__":
    for plant in OF_THE_CLIENTS:
        if plant.__name__ == FAULT:
            plant()
    if what_was_decided_is_done_again.__name__ == FAULT:
        _cut_often()
    lists.main(*sys.argv[1:])
elif "partysync_server.cli" in sys.modules:
    for plant in OF_THE_SERVER:
        if plant.__name__ == FAULT:
            plant()
