"""
A view: the rows as a person should see them, base with pending replayed over it (R7).

::

    base     the rows at (epoch, cursor), committed in the store
    pending  edits that the room has not decided, in one open savepoint over the base,
             rolled back before the base moves and replayed over the new one

An exception between two lines (a kernel's interrupt) leaves ``_whole`` false, and the next use rebuilds the view from
base and pending: what is shown is derived, and can always be made again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import apsw
import msgspec

from . import messages as m
from .codec import check_value
from .columns import wire
from .errors import FrameTooLarge, MutationRejected, PartySyncError, ProtocolError
from .party import ACT, Party
from .places import ORDERLY, Places
from .store import Store
from .stored_table import StoredTable
from .straight import TAKES
from .transaction import Statement, Transaction

Rows = dict[str, dict[str, tuple[Any, ...]]]

FRAME_OVERHEAD = 256  # bytes of a push beside its one mutation, generously
TOO_SLOW = "too-slow"  # code of what was stopped: the room may be quicker, and decides
ARGUMENTS_ALONE = ("bad-arguments", "unknown-mutator")  # codes of what is wrong whatever the tables are
COMPARED_ROWS = 2_000  # of a larger change every row counts as changed: to look would cost more than to tell


@dataclass
class Pending:
    """A mutation that the room has not decided. ``ticket`` stays the same when ``mid`` must change."""

    ticket: int
    mutation: m.Mutation
    size: int  # bytes in a frame
    sent: bool = False  # on this connection
    tried: bool = False  # on any connection: the room may have it
    shown: bool = True  # False: it raised in the last replay, shows nothing, and waits for the room (R7)
    slow: bool = False  # its guess was stopped here: it is not tried again, and waits for the room
    statements: list[Statement] = field(default_factory=list, repr=False)  # all that it does, whatever the rows are
    by: tuple[str, str] = ("", "")  # whoever, and as what, it did that
    tables: dict[str, StoredTable] | None = field(default=None, repr=False)  # in which it did that
    stamp: int = 0  # the version that its rows have in the view
    repeated: bool = False  # by its statements alone, so that others may have the same stamp


@dataclass(frozen=True)
class Settled:
    """One of our mutations, decided: ``value``, or the error it is to raise."""

    ticket: int
    mid: int
    value: Any = None
    error: PartySyncError | None = None


@dataclass
class Step:
    """What came of one call."""

    send: list[m.Up] = field(default_factory=list)
    changed: dict[str, set[str]] = field(default_factory=dict)  # rows whose view, or whose being pending, changed
    reset: bool = False  # tables or columns changed, or the whole base
    settled: list[Settled] = field(default_factory=list)
    based: list[m.Delta] = field(default_factory=list)  # how the base moved, for a copy on disk
    rebased: bool = False  # the base was replaced as a whole
    renumbered: bool = False  # what is pending has got other mids
    peers: bool = False
    drafts: bool = False
    authors: dict[str, dict[str, str]] = field(default_factory=dict)  # by table and row: which other wrote it
    barriers: list[m.Barrier] = field(default_factory=list)
    answers: list[m.Answer] = field(default_factory=list)
    rewound: str = ""  # why the room's history is not the one we knew (R10)
    ended: m.Error | m.Bye | None = None
    failed: PartySyncError | None = None  # the conversation cannot go on, now or ever


def weight(name: str, args: dict[str, Any]) -> int:
    """Bytes of a mutation in a frame, at most, whichever format it takes."""
    try:
        return max(len(msgspec.json.encode(args)), len(msgspec.msgpack.encode(args))) + len(name) + FRAME_OVERHEAD
    except (ValueError, TypeError, OverflowError):
        check_value(args)  # it says which value it is
        raise


def _wired(spec: m.TableSpec, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column.name: wire(column, value) for column, value in zip(spec.columns, row[2:], strict=True)}


class View:
    """Base, pending, and the edits that are made. Not thread-safe: its owner holds a lock around every call."""

    def __init__(self, party: type[Party], client: str, *, user: str = "", typed: bool = True) -> None:
        self.party = party
        self.client = client
        self.user = user
        self.role = "owner"  # in the room, as far as is known
        self.typed = typed  # False: the party's class is not known here, so its mutators cannot be guessed
        self.shape = party  # which party makes the stores: this one, or a bare one with the tables as the room says
        self.store = Store.memory(party)
        self.epoch = ""
        self.cursor = 0
        self.settled_mid = 0  # every mutation of ours up to this one is decided
        self.limits = m.Limits(frame=1 << 20, mutations=256)
        self.mutators: frozenset[str] | None = None  # what the room takes; None before it said so
        self.pending: list[Pending] = []
        self.clock: Callable[[], float] | None = None  # by which a guess may take too long; None: none does
        self._tickets = 0
        self._lasts: dict[tuple[int, int], dict[str, tuple[Pending, bool]]] = {}  # what ``_last_of`` has found
        self._touched: dict[str, set[str]] | None = None  # what ``_pending_now`` has found, until something moves
        self._whole = True

    # --- looking and editing --------------------------------------------------------------------------------------

    @property
    def view(self) -> Store:
        """The rows as a person should see them: base, with pending replayed over it."""
        if not self._whole:
            self._rebuild()
        return self.store

    def pending_rows(self) -> dict[str, set[str]]:
        """Ids of the rows that an undecided edit of ours touches, by table."""
        return self.view.touched(self.cursor) if self.pending else {}

    def rows_of(self, pending: Pending, most: int) -> dict[str, dict[str, dict[str, Any] | None]]:
        """The rows that an undecided edit was the last to touch, by table and id, as they would be: at most so many.

        Values by column, as they travel; None for a row that it deletes. Nothing if it shows nothing.
        """
        store, found = self.view, {}
        for name, entry in store.tables.items():
            ids = self._touched_last(pending, entry, most)
            rows = store.fetch(name, ids)
            if ids:
                found[name] = {id: _wired(entry.spec, rows[id]) if id in rows else None for id in ids}
        return found

    def _touched_last(self, pending: Pending, entry: StoredTable, most: int) -> list[str]:
        """Rows of a table that an edit was the last to touch, at most so many. The view is whole."""
        query = "SELECT id FROM _partysync_rows WHERE tbl = ? AND version = ?"
        if not pending.repeated:
            return [id for (id,) in self.store.execute(f"{query} LIMIT ?", (entry.key, pending.stamp, most))]
        mine = (id for id, (last, _) in self._last_of(pending.stamp, entry).items() if last is pending)
        stays = (id for id in mine if self.store.execute(f"{query} AND id = ?", (entry.key, pending.stamp, id)).get)
        return [*itertools.islice(stays, most)]

    def _last_of(self, stamp: int, entry: StoredTable) -> dict[str, tuple[Pending, bool]]:
        """Of edits with one stamp: which has touched a row last, by id, and whether it is gone by that."""
        last = self._lasts.get((stamp, entry.key))
        if last is None:
            last = self._lasts[stamp, entry.key] = {}
            for each in self.pending:
                for one in each.statements if each.repeated and each.stamp == stamp else ():
                    gone = one.sql == entry.delete_sql
                    if one.entry is entry and not (gone and last.get(one.id, (None, False))[1]):
                        last[one.id] = (each, gone)
        return last

    def index(self, name: str, table: str, expression: str) -> None:
        """Make sorting ``table`` by an expression quick, from now on. Kept with the base, so no rebase takes it away.

        Not while an edit of ours that made the table, or a column of it, is undecided: the base has nothing to index.
        """
        if self.view.has_index(name) or self.view.table(table).version > self.cursor:
            return
        with self._moving():
            self._to_base()
            self.store.make_index(name, table, expression)
            self._replay()

    @property
    def verbs(self) -> list[str]:
        """Names of the mutators that the room takes, as far as is known."""
        return sorted(self.mutators if self.mutators is not None else [*self.party.mutators, *self.party.built_in])

    @property
    def next_mid(self) -> int:
        """Derived, so that an interrupt cannot leave it wrong."""
        return (self.pending[-1].mutation.mid if self.pending else self.settled_mid) + 1

    def mutate(self, name: str, args: dict[str, Any]) -> tuple[Pending, Step]:
        """Make an edit: it shows in the view at once and waits for the room.

        Raises MutationRejected, or FrameTooLarge, and then nothing is queued and nothing shown (R7).
        """
        size = weight(name, args)
        if size > self.limits.frame:
            raise FrameTooLarge(size, self.limits.frame)
        if self.mutators is not None and name not in self.mutators:
            if name in (*self.party.mutators, *self.party.built_in) or (name == ACT and self.party.acts()):
                self.party.require(self.role, name)
            raise MutationRejected(
                "unknown-mutator", f"The room has no mutator {name!r:.100}. It has: {', '.join(sorted(self.mutators))}."
            )
        with self._moving():
            self._touched = None
            specs = self._specs()
            made = Pending(self._tickets + 1, m.Mutation(self.next_mid, name, args), size)
            if self._guessable(name, args, self._known()):
                try:
                    self._guess(made, len(self.pending))
                except MutationRejected as error:
                    made.slow = error.code == TOO_SLOW
                    if not made.slow and (self.shape is self.party or error.code in ARGUMENTS_ALONE):
                        raise
                    made.shown = False  # the tables here are not those that it was written for: the room decides
                    if not self.store.in_transaction:
                        self._replay()
            self._tickets = made.ticket
            self.pending.append(made)
            changed = self.store.touched(self.cursor + len(self.pending) - 1)
        return made, Step(changed=changed, reset=self._specs() != specs)

    def _known(self) -> set[str]:
        """Mutators of which this kernel has the code: not of a party that only the server knows, or a later version of.

        What an ``on_action`` would do nobody can guess.
        """
        known = set(self.party.built_in)
        return known | self.party.mutators.keys() if self.typed else known

    def _guessable(self, name: str, args: dict[str, Any], known: set[str]) -> bool:
        if self.typed and self.shape is self.party:
            return name != ACT
        return name in known and (name != "batch" or all(step[0] in known for step in args["steps"]))

    def _guess(self, pending: Pending, place: int) -> None:
        """Run a mutation over the view, as number ``place`` of the pending ones; on error nothing of it stays."""
        if not self.store.connection.in_transaction:
            self.store.savepoint("pending")
        self.store.savepoint("mutation")
        try:
            self._run(pending, place)
        except BaseException:  # an interrupt too: undone, and raised again
            if self.store.in_transaction:
                self.store.undo("mutation")
            else:  # it was stopped while it wrote, which took what is pending before it along, down to the base
                self.store.rest()
                self.store.look_again()
            raise
        finally:
            if self.store.in_transaction:
                self.store.release("mutation")

    def _run(self, pending: Pending, place: int, again: Sequence[Statement] = (), *, check: bool = True) -> None:
        self.store.version = pending.stamp = self.cursor + 1 + place
        pending.repeated = False
        tx = Transaction(self.store, user=self.user, role=self.role, guess=True)
        self.store.perform(tx, pending.mutation.name, pending.mutation.args, check=check, clock=self.clock, again=again)
        pending.statements, pending.by, pending.tables = tx.statements or [], (self.user, self.role), self.store.tables

    def _replay(self) -> None:
        """All that is pending, over the base: together, and if one of them raises, each anew in its own savepoint."""
        known, guessable, tables = self._known(), [], self.store.tables
        for place, pending in enumerate(self.pending):
            pending.shown = False
            if pending.slow:
                continue
            guessed = pending.statements and pending.tables is tables  # as it was before, in these very tables
            if guessed or self._guessable(pending.mutation.name, pending.mutation.args, known):
                guessable.append((place, pending))
        if not guessable or self._replay_together(guessable):
            return
        while not self._replayed(guessable):
            pass

    def _replay_together(self, guessable: list[tuple[int, Pending]]) -> bool:
        """False, and nothing of it stays, if one raises.

        An edit that has looked at nothing does again what it did, for the same person and in the same tables.
        """
        store, by, tables = self.store, (self.user, self.role), self.store.tables
        self._stamp(guessable, by)
        store.savepoint("pending")
        try:
            alike: list[Statement] = []  # of those that are only repeated, one after the other
            for place, pending in guessable:
                if pending.repeated:
                    if not alike:
                        store.version = pending.stamp
                    alike += pending.statements
                else:
                    store.write_again(alike)
                    alike.clear()
                    again = pending.statements if pending.tables is tables and pending.by == by else ()
                    self._run(pending, place, again, check=False)
            store.write_again(alike)
            store.check_rows(self.cursor)
        # One of them is refused, or has written a row that no frame can carry.
        except (MutationRejected, apsw.ConstraintError, UnicodeDecodeError):
            self._to_base()
            return False
        for _, pending in guessable:
            pending.shown = True
        return True

    def _stamp(self, guessable: list[tuple[int, Pending]], by: tuple[str, str]) -> None:
        """Those that only repeat what they wrote have one stamp with all such that follow at once: the last one's.

        To tell the store another version for each would cost as much as what they write. Where a trigger of the
        party's acts, which might not end, none is only repeated.
        """
        tables, plain, stamp, first = self.store.tables, self.store.plain, 0, self.cursor + 1
        self._lasts.clear()
        for place, pending in reversed(guessable):
            if plain and pending.statements and pending.tables is tables and pending.by == by:
                pending.repeated, stamp = True, stamp or first + place
                pending.stamp = stamp
            else:
                pending.repeated, stamp = False, 0
                pending.stamp = first + place

    def _replayed(self, guessable: list[tuple[int, Pending]]) -> bool:
        """Replay each by itself; false if one has taken those before it along: it is passed over from then on."""
        for place, pending in guessable:
            pending.shown = False
            if pending.slow:
                continue
            try:
                self._guess(pending, place)
                pending.shown = True
            except MutationRejected as error:  # it shows nothing and stays pending: the room decides (R7)
                if not self.store.in_transaction:
                    pending.slow = True
                    return False
                pending.slow = error.code == TOO_SLOW
        return True

    def _to_base(self) -> None:
        self._touched = None
        self.store.rest()
        if self.store.in_transaction:
            self.store.rollback()

    def _rebuild(self) -> None:
        """After an exception out of the middle: base and pending are whole, so the view can be made again."""
        self._to_base()
        self._replay()
        self._whole = True

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """The view is being changed. Any exception but our own, at any point, and it is rebuilt before its next use."""
        if not self._whole:
            self._rebuild()
        self._whole = False
        try:
            yield
        except MutationRejected:
            self._whole = self.store.in_transaction or not self.pending
            raise
        self._whole = True

    # --- the base moves ---------------------------------------------------------------------------------------------

    def advance(self, deltas: list[m.Delta], step: Step) -> bool:
        """Move the base: roll pending back, put the rows, drop what is acknowledged, replay the rest.

        False, and nothing has moved, if these rows do not fit this copy.
        """
        with self._moving():
            specs = self._specs()
            was_pending, edits = self._pending_now(), self._plain_edits()
            orderly = bool(edits) and edits <= ORDERLY
            ids = self._moving_with(deltas, was_pending, plain=bool(edits), orderly=orderly)
            few = sum(map(len, ids.values())) <= COMPARED_ROWS
            before = self._rows_of(ids) if few else {}
            self._to_base()
            places = Places(self.store, self.pending if orderly else [])
            try:
                self._commit(deltas)
            except ProtocolError:
                self._rebuild()
                return False
            places.based(self.store)
            alike = all(each.shown for each in self.pending)
            self._decide([(delta.acks, delta.results) for delta in deltas], step)
            self._replay()
            alike = alike and orderly and not step.settled
            alike = alike and all(each.shown and each.repeated for each in self.pending)
            self._touched = was_pending if alike else None  # the same rows are made and changed
            is_pending = self._pending_now()
            after = self._rows_of(ids) if few else {}
        step.based += deltas
        step.reset = step.reset or self._specs() != specs
        for name, moved in places.moved(None if alike else self.pending).items():
            step.changed.setdefault(name, set()).update(moved)
        if few:
            self._tell(before, after, was_pending, is_pending, step)
        else:
            for name in ids.keys() | was_pending.keys() | is_pending.keys():
                pending = was_pending.get(name, set()) | is_pending.get(name, set())
                step.changed.setdefault(name, set()).update(ids.get(name, set()), pending)
        return True

    def _plain_edits(self) -> set[str]:
        """Names of the pending edits, if what each of them makes of a row follows from that row alone; else none.

        So it is of edits of one statement, in tables without rules between rows.
        """
        names = {each.mutation.name for each in self.pending}
        plain = not self.store.party.schema and names <= TAKES.keys() and all(each.statements for each in self.pending)
        return names if plain else set()

    def _moving_with(
        self, deltas: list[m.Delta], pending: dict[str, set[str]], *, plain: bool, orderly: bool
    ) -> dict[str, set[str]]:
        """Ids of the rows that these deltas may change in the view, of those there are: by table.

        They are the rows in the deltas and those that pending edits touch. ``plain`` ones leave a row as it was when
        neither the deltas touch it nor the edits that they decide; but for its place, if they insert it, which
        ``Places`` tells of ``orderly`` ones.
        """
        ids: dict[str, set[str]] = {}
        for change in (change for delta in deltas for change in delta.tables):
            ids.setdefault(change.table, set()).update(change.gone, (row[1] for row in change.put))
        acked = max((delta.acks.get(self.client, 0) for delta in deltas), default=0)
        if not plain:
            for name, found in pending.items():
                ids.setdefault(name, set()).update(found)
            return ids
        for each in self.pending:
            if each.mutation.mid <= acked or (not orderly and each.mutation.name == "insert"):
                for one in each.statements:
                    ids.setdefault(one.entry.spec.name, set()).add(one.id)
        return ids

    def replace(self, building: Store, epoch: str, end: m.End, step: Step) -> None:
        """Take a whole new base, and tell how the view differs from what it was (R4)."""
        with self._moving():
            before, was_pending = self._everything(), self._pending_now()
            self._touched = None
            building.version = end.version
            building.release("building")
            self.store.close()
            self.store, self.epoch, self.cursor = building, epoch, end.version
            self._decide([(end.acks, end.results)], step)
            self._replay()
            first = not any(before.values())
            after = {} if first else self._everything()
            is_pending = self._pending_now()
        step.reset = step.rebased = True
        self._tell({} if first else before, after, was_pending, is_pending, step)
        if first:  # whatever the rows are, each of them has come
            for name in self.store.tables:
                if ids := self.store.ids(name):
                    step.changed.setdefault(name, set()).update(ids)

    def _commit(self, deltas: list[m.Delta]) -> None:
        self.store.savepoint("base")
        try:
            for delta in deltas:
                self.store.apply(delta.tables, delta.schema)
            self.store.version = deltas[-1].version
        except BaseException:  # an interrupt too: undone, and raised again
            self.store.undo("base")
            raise
        finally:
            self.store.release("base")
        self.epoch, self.cursor = deltas[-1].epoch, deltas[-1].version

    def _decide(self, decided: list[tuple[dict[str, int], list[m.Result]]], step: Step) -> None:
        """Drop what the room has decided; its rows are in the base already, so nothing flickers (R2)."""
        results = {result.mid: result for _, found in decided for result in found if result.client == self.client}
        acked = max(acks.get(self.client, 0) for acks, _ in decided)
        decided_now = [pending for pending in self.pending if pending.mutation.mid <= acked]
        del self.pending[: len(decided_now)]
        for pending in decided_now:
            mid = pending.mutation.mid
            result = results.get(mid)
            error = MutationRejected(result.code, result.message or "") if result and result.code else None
            step.settled.append(Settled(pending.ticket, mid, result.value if result else None, error))
        self.settled_mid = max(self.settled_mid, acked)
        if results:
            step.send.append(m.Seen(self.settled_mid))

    # --- a copy on disk -------------------------------------------------------------------------------------------

    def adopt_base(self, source: apsw.Connection) -> None:
        """Begin with the rows that ``copy_base`` has written. Raises, and changes nothing, if they are no such copy."""
        copy = apsw.Connection(":memory:")
        with copy.backup("main", source, "main") as backup:
            backup.step()
        store = Store(copy, self.party)
        if store.meta("shape") != self._name_of_shape():  # until a welcome says what the room's tables are
            store.party = self.party.bare()
        self.epoch, self.cursor, self.shape = str(store.meta("epoch") or ""), store.version, store.party
        self.store.close()
        self.store = store

    def adopt_pending(self, client: str, settled: int, mutations: list[m.Mutation]) -> None:
        """Go on as the client that made these. The room may have them already (R5)."""
        self.client, self.settled_mid = client, settled
        for mutation in mutations:
            self._tickets += 1
            size = weight(mutation.name, mutation.args)
            self.pending.append(Pending(self._tickets, mutation, size, tried=True))
        self._rebuild()

    def copy_base(self, target: apsw.Connection) -> None:
        """Write the base, without what is pending, into another database."""
        with self._moving():
            self._to_base()
            self.store.set_meta("epoch", self.epoch)
            self.store.set_meta("shape", self._name_of_shape())
            with target.backup("main", self.store.connection, "main") as backup:
                backup.step()
            self._replay()

    def _name_of_shape(self) -> str:
        """In a copy: whose tables it has."""
        return self.party.declared_schema() if self.shape is self.party else "bare"

    # --- what changed ---------------------------------------------------------------------------------------------

    def _pending_now(self) -> dict[str, set[str]]:
        if self._touched is None:
            self._touched = self.store.touched(self.cursor) if self.pending else {}
        return self._touched

    def _specs(self) -> list[m.TableSpec]:
        return [entry.spec for entry in self.store.tables.values()]

    def _rows_of(self, ids: dict[str, set[str]]) -> Rows:
        known = self.store.tables
        return {name: self.store.fetch(name, found) if name in known else {} for name, found in ids.items()}

    def _everything(self) -> Rows:
        return {name: {row[1]: row for row in self.store.rows(name)} for name in self.store.tables}

    @staticmethod
    def _tell(before: Rows, after: Rows, was: dict[str, set[str]], now: dict[str, set[str]], step: Step) -> None:
        for name in before.keys() | after.keys() | was.keys() | now.keys():
            old, new = before.get(name, {}), after.get(name, {})
            changed = {id for id in old.keys() | new.keys() if old.get(id) != new.get(id)}
            changed |= was.get(name, set()) ^ now.get(name, set())
            if changed:
                step.changed.setdefault(name, set()).update(changed)
