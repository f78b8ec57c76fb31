"""
What must hold after every step, each against the model or the book of who did what.

::

    R1  one order        check_file, check_order            R7   view            check_replica, check_refusal
    R2  one frame        wire._check_decided, check_base,   R8   whole           check_replica, check_sums,
                         check_settled, check_sums                               check_changed
    R3  consecutive      wire._check, check_barrier,        R9   durable         wire._check, check_left,
                         check_end, check_rest                                   check_lineage
    R4  catch-up         check_base, check_replica          R10  no rewind       wire._check_welcome, check_push,
    R5  once             check_file, check_settled                               check_lineage
    R6  settled          check_settled, check_rest,         R11  ephemera        drafts, check_peers, wire.check_told
                         wire._check_results                R12  nobody waits    wire.check_told

The room's file is looked at when it was opened, and when a turn is told or has failed (``check_file``); what the room
says, as it leaves (``wire``); a kernel's base, view, pending edits and what its observers are told, after every step of
its own. Only ``check_rest`` waits for the end. R13 has tests of its own (tests/server/test_roles.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from partysync_server.ledger import Ledger
from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected, OutcomeUnknown
from partysync_widget.core.party import ROW_MUTATORS
from partysync_widget.core.replica import Settled, Step
from partysync_widget.core.store import Store
from tests.convergence.model import History, Refused, Row, State, execute
from tests.convergence.workshop import TOTAL

if TYPE_CHECKING:
    from tests.convergence.host import Host
    from tests.convergence.kernel import Edit, Kernel

View = dict[str, dict[str, Row]]
Ids = dict[str, set[str]]


class Broken(AssertionError):
    """A promise was not kept."""


def hold(kept: object, promise: str, text: str, *values: object) -> None:
    if not kept:
        shown = "".join(f"\n    {value!r:.1500}" for value in values)
        raise Broken(f"{promise}: {text}{shown}")


class Shown(NamedTuple):
    """Every row of a store by table and id, tables in their order, and the names of the columns."""

    rows: View
    columns: dict[str, list[str]]


def look(store: Store) -> Shown:
    tables = store.tables
    rows = {name: {row[1]: row for row in store.rows(name)} for name in tables}
    return Shown(rows, {name: entry.names for name, entry in tables.items()})


def check_same(promise: str, text: str, shown: Shown, state: State) -> None:
    """The same tables with the same columns in the same order, and the same rows in the same places."""
    hold(list(shown.rows) == list(state), promise, f"{text}: the tables", list(shown.rows), list(state))
    for name, table in state.items():
        hold(shown.rows[name] == table.rows, promise, f"{text}: {name}", shown.rows[name], table.rows)
        columns = [column.name for column in table.columns]
        hold(shown.columns[name] == columns, promise, f"{text}: {name}'s columns", shown.columns[name], columns)


# --- the room -------------------------------------------------------------------------------------------------------


def check_file(host: Host) -> None:
    """R1, R5, R9: the file is the model at its last durable version, and has counted everybody's edits as the model."""
    ledger, history = host.room.ledger, host.history
    hold(ledger.version == history.version, "R1", "versions are dense", ledger.version, history.log[-5:])
    check_same("R1", "the file", look(ledger.store), history.states[-1])
    for client, mid in history.last.items():
        hold(ledger.last_mid(client) == mid, "R5", f"how far {client} is", ledger.last_mid(client), mid)
    edits = [edit for _, _, edit in history.log if edit >= 0]
    hold(len(edits) == len(set(edits)), "R5", "an edit was decided twice", history.log)


def check_order(arrived: tuple[str, int], client: str, mid: int) -> None:
    """R1: what came first is decided first, so whatever was acknowledged before it was made comes before it."""
    hold(arrived == (client, mid), "R1", "decided out of turn", arrived, (client, mid))


def check_left(ledger: Ledger, kept: set[int]) -> None:
    """R9: a room that was opened again is at one of these versions, and its file is whole."""
    hold(ledger.version in kept, "R9", "a room that was opened again is at another version", ledger.version, kept)
    said = ledger.store.connection.execute("PRAGMA integrity_check(1)").get
    hold(said == "ok", "R9", "a file that was left is torn", said)


def check_push(host: Host, frame: m.Up, queued: int) -> None:
    """R10: a push for another incarnation of the room is not for this one."""
    if isinstance(frame, m.Push):
        hold(frame.epoch == host.epoch or queued == 0, "R10", "a push for another incarnation", frame.epoch, host.epoch)


# --- a kernel -------------------------------------------------------------------------------------------------------


def guessable(kernel: Kernel, name: str) -> bool:
    return kernel.ruled or name in ROW_MUTATORS


def expected_view(kernel: Kernel) -> State:
    """R7: the base, with what is undecided replayed over it; what raises shows nothing."""
    state = kernel.history.states[kernel.at]
    for edit in kernel.undecided.values():
        if guessable(kernel, edit.name):
            try:
                state, _ = execute(state, edit.name, edit.args, ruled=kernel.ruled)
            except Refused:
                continue
    return state


def refusal(kernel: Kernel, name: str, args: dict[str, Any]) -> str | None:
    """The code with which an edit is refused when it is made; None if it is not."""
    if guessable(kernel, name):
        try:
            execute(expected_view(kernel), name, args, ruled=kernel.ruled)
        except Refused as why:
            return str(why)
    return None


def check_refusal(kernel: Kernel, name: str, args: dict[str, Any], expected: str | None, got: str | None) -> None:
    hold(expected == got, "R7", f"{kernel.label} makes {name}({args})", expected, got)


def check_replica(kernel: Kernel) -> None:
    """R2, R7, R8: base and view are what the book says, and what is undecided is what the room has not decided."""
    replica, history = kernel.replica, kernel.history
    tickets = [pending.ticket for pending in replica.pending]
    hold(tickets == list(kernel.undecided), "R6", f"{kernel.label}'s undecided edits", tickets, kernel.undecided)
    mids = [pending.mutation.mid for pending in replica.pending]
    hold(mids == [edit.mid for edit in kernel.undecided.values()], "R5", f"{kernel.label}'s mids", mids)
    if not kernel.rewound:
        for edit in kernel.undecided.values():
            outcome = history.outcomes.get((edit.client, edit.mid))
            hold(outcome is None or outcome.version > kernel.at, "R2", f"{kernel.label} was not told of", edit, outcome)
    check_same("R7", f"{kernel.label}'s view", kernel.shown, expected_view(kernel))
    check_sums(kernel)


def check_base(kernel: Kernel, base: Shown) -> None:
    """R2: what the replica itself took for its base when it replayed what is pending over it."""
    check_same("R2", f"{kernel.label}'s base", base, kernel.history.states[kernel.at])


def check_sums(kernel: Kernel) -> None:
    """R8: money is neither made nor lost. R2: a person's own counter is what they counted, at every moment."""
    if accounts := kernel.shown.rows.get("accounts"):
        hold(sum(row[2] for row in accounts.values()) == TOTAL, "R8", f"{kernel.label} sees half a transfer", accounts)
    if kernel.ruled and not kernel.ever_rewound and "counters" in kernel.shown.rows:
        own = kernel.shown.rows["counters"].get(f"own-{kernel.label}", (0, "", 0))[2]
        hold(own == kernel.increments, "R2", f"{kernel.label}'s own counter", own, kernel.increments)


def check_lineage(kernel: Kernel, history: History, version: int) -> None:
    """R10: a base goes forward within its history, or to another one after that was announced."""
    hold(version <= history.durable, "R9", f"{kernel.label} was told of what is not durable", version, history.durable)
    if kernel.based and not kernel.rewound:
        hold(version >= kernel.at, "R10", f"{kernel.label} went back in silence", kernel.at, version)
        same = kernel.history.states[kernel.at] is history.states[kernel.at]
        hold(same, "R10", f"{kernel.label} was given another history in silence", kernel.at)


def check_settled(kernel: Kernel, settled: Settled, edit: Edit | None, *, rewound: bool) -> None:
    """R6: once, with the room's own outcome, and not before the version that holds it."""
    hold(edit is not None, "R6", f"{kernel.label} was told twice", settled)
    assert edit is not None
    hold(edit.number not in kernel.settled, "R6", f"{kernel.label} was told twice", edit)
    if isinstance(settled.error, OutcomeUnknown):
        hold(rewound and edit.sent, "R6", f"{kernel.label} is told that nobody knows of", edit)
        return
    outcome = kernel.history.outcomes.get((edit.client, edit.mid))
    hold(outcome is not None, "R6", f"{kernel.label} was told of what the room has not decided", edit, settled)
    assert outcome is not None
    hold(outcome.version <= kernel.at, "R2", f"{kernel.label} was told before its base is there", edit, outcome)
    decided = kernel.history.log[outcome.version - 1]
    hold(decided[2] == edit.number, "R5", f"{kernel.label} was told of another edit's outcome", edit, decided)
    code = settled.error.code if isinstance(settled.error, MutationRejected) else None
    told, want = (settled.value, code), (outcome.value, outcome.code)
    hold(told == want and settled.mid == edit.mid, "R6", f"{kernel.label} was told wrongly of {edit}", told, want)


def check_changed(kernel: Kernel, step: Step, before: View, touched: Ids, *, edited: bool, exact: bool) -> None:
    """A step names the rows whose view changed, and else only those that began or ceased to be pending."""
    now = kernel.shown.rows
    for name in before.keys() | now.keys():
        old, new, named = before.get(name, {}), now.get(name, {}), step.changed.get(name, set())
        differ = {id for id in old.keys() | new.keys() if old.get(id) != new.get(id)}
        must = differ
        if step.reset:  # columns came: the rows that only grew need no name
            must = {id for id in differ if id not in old or id not in new or new[id][: len(old[id])] != old[id]}
        hold(must <= named, "Step.changed", f"{kernel.label} was not told of rows of {name}", must, named)
        was, is_now = touched.get(name, set()), kernel.touched.get(name, set())
        may = is_now if edited else was ^ is_now
        if exact:
            hold(named <= differ | may, "Step.changed", f"{kernel.label} was told of too many of {name}", named, differ)


def check_barrier(kernel: Kernel, barrier: m.Barrier) -> None:
    """Everything that was sent before it is decided, and everything decided is here."""
    mid = kernel.barriers.pop(barrier.n, None)
    if mid is not None:
        late = [edit for edit in kernel.undecided.values() if edit.mid <= mid]
        hold(not late and kernel.at >= barrier.version, "R3", f"{kernel.label}'s barrier came early", barrier, late)


def check_end(kernel: Kernel, step: Step) -> None:
    """The room ends a conversation only so that it can be taken up again."""
    hold(step.failed is None, "R3", f"{kernel.label} gave up", step.failed)
    hold(getattr(step.ended, "retry", "now") != "never", "R6", f"{kernel.label} was sent away", step.ended)


# --- at rest --------------------------------------------------------------------------------------------------------


def check_peers(kernels: list[Kernel]) -> None:
    """R11: everybody knows who is there, and what they show of themselves."""
    for kernel in kernels:
        there = {each.replica.client: each.line.state for each in kernels if each is not kernel and each.line}
        told = {client: peer.state for client, peer in kernel.replica.peers.items()}
        hold(told == there, "R11", f"{kernel.label} sees others than there are", told, there)


def check_rest(host: Host, kernels: list[Kernel]) -> None:
    """R6, R7: everybody has the room's last version, and nothing is undecided."""
    for kernel in kernels:
        hold(not kernel.undecided, "R6", f"{kernel.label} was never told of", kernel.undecided)
        hold(kernel.at == host.history.version, "R3", f"{kernel.label} is not at the last version", kernel.at)
        hold(kernel.history is host.history, "R10", f"{kernel.label} is in another history")
        hold(not kernel.barriers, "R3", f"{kernel.label}'s barriers were never answered", kernel.barriers)
