"""
The ledger: the one place where a decision becomes one, in a room's file.

::

    begin ─▶ decide, decide, … ─▶ seal ─▶ commit          (fsync; the only call that waits for the disk)
                                            └─ fails: unknown, never rejected. Close, open again, look (R9)
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected, StorageFailed
from partysync_widget.core.party import Party
from partysync_widget.core.sight import EVERYTHING, Sight
from partysync_widget.core.store import Store
from partysync_widget.core.straight import Series
from partysync_widget.core.transaction import Statement, Transaction

from .authors import Authors
from .files import FILES, Files
from .pages import Action
from .piece import Piece
from .room_file import DISK_ERRORS, RoomFile, storage, storage_failed

log = logging.getLogger("partysync.server")

KEPT_VERSIONS = 20_000  # tombstones this far back are kept; an older cursor gets a snapshot
SIGNED_ROWS = 256  # of a table in one delta, each with its own author; of more by several nobody is told
KNOWN_CLIENTS = 5_000  # that are kept in mind
RUN = 64  # mutations at most that share a savepoint
MOST_RESULT = 1 << 20  # bytes of what a mutator returned: everybody is sent it
MOST_MESSAGE = 2_000  # characters of why one was rejected


class Verdict(enum.Enum):
    """What ``decide`` did with a mutation."""

    DECIDED = "decided"
    DUPLICATE = "duplicate"  # decided before; whoever asks has been told, or is told by the catch-up (R5)
    GAP = "gap"  # one before it is missing


class Asked(NamedTuple):
    """A mutation, the version it takes, and who asks for it."""

    version: int
    client: str
    mutation: m.Mutation
    user: str
    role: str
    sight: Sight
    refusal: MutationRejected | None  # it is not run, and this is why
    action: Action | None  # as which it came in the ancestor's dialect, if it did
    piece: Piece | None  # of the party's on_action, if that decides it


class TurnLost(StorageFailed):
    """A mutation was stopped while it wrote, and the transaction, which is everybody's, is gone.

    The others are decided again, and that one is rejected with ``refusal``.
    """

    def __init__(self, client: str, mutation: m.Mutation, refusal: MutationRejected) -> None:
        super().__init__(f"The turn was taken back with {mutation.name}, which was stopped: {refusal.message}")
        self.mutation = (client, mutation.mid)
        self.refusal = refusal


class Ledger(RoomFile):
    """Of one room. Not thread-safe, and not usable while ``commit`` or ``checkpoint`` runs elsewhere."""

    def __init__(
        self,
        path: Path,
        party: type[Party],
        epoch: str,
        *,
        room: str = "",
        make: bool = True,  # whether it may be new
        files: Files = FILES,
    ) -> None:
        super().__init__(path, party, epoch, room=room, make=make, files=files)
        self._before = self.version  # that the open turn has begun with
        self.rejected = 0  # mutations, since it was opened
        self.alarm_moved = True  # since somebody has looked at it
        self._authors = Authors()
        self._last: dict[str, int] = {}  # last mid by client, as the file or the open turn has it
        self._turn: dict[str, str] = {}  # clients of the open turn, and their owners
        self._decided: dict[str, int] = {}  # those of the last turn that was sealed, and how far each is
        self._resulted = self.version  # after this one no result is kept
        self._run: list[Asked] = []  # decided in the savepoint that is open
        self._wary = 0  # mutations to decide each in its own, after one was refused

    # --- a turn ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        with storage("beginning a turn"):
            self.store.execute("BEGIN IMMEDIATE")
        self._before, self._decided = self.version, {}

    def decide(
        self,
        client: str,
        owner: str,
        mutation: m.Mutation,
        *,
        user: str = "",
        role: str = "owner",
        sight: Sight = EVERYTHING,
        action: Action | None = None,
        instead: MutationRejected | Piece | None = None,
    ) -> Verdict:
        """Run one mutation and give it the next version, accepted or rejected (R1, R6).

        An ``action`` is known by its own id, and is no duplicate of anything else (R5). ``instead`` of a mutator a
        piece is run, or nothing, and that is why. Raises TurnLost; then nothing of the turn is decided.
        """
        piece = instead if isinstance(instead, Piece) else None
        refusal = instead if isinstance(instead, MutationRejected) else None
        if (verdict := self.known(client, mutation.mid, action)) is not None:
            return verdict
        version = self.version + 1
        asked = Asked(version, client, mutation, user, role, sight, refusal, action, piece)
        try:
            if piece is not None:  # it can be run once, and no run of others may be undone with it
                self._end_run()
                self._decide_alone(asked)
            elif self._wary:
                self._wary -= 1
                self._decide_alone(asked)
            else:
                self._decide_in_run(asked)
        except DISK_ERRORS as error:
            raise storage_failed(f"{mutation.name} ran", error) from error
        self.version = version
        self._authors.add(version, client)
        self._last[client] = mutation.mid
        self._turn[client] = owner
        return Verdict.DECIDED

    def decide_series(
        self, client: str, owner: str, first: m.Mutation, others: Iterable[m.Mutation], *, role: str, sight: Sight
    ) -> int:
        """Decide ``first`` and as many of the client's others as are like it, all accepted, in a few steps; how many.

        0: it takes ``decide``, which knows everything that may be wrong with it.
        """
        if self._wary or first.mid != self.last_mid(client) + 1:
            return 0
        found = self.store.series(first, others, role=role, sight=sight)
        if found is None or (count := len(found.values)) == 1:
            return 0
        try:
            self._end_run()
            self.store.savepoint("series")
            refused = self._refused(found)
            if refused:  # nobody knows which of them
                self.store.undo("series")
                self._wary = RUN
            self.store.release("series")
        except DISK_ERRORS as error:
            raise storage_failed(f"{first.name} ran", error) from error
        if refused:
            return 0
        self._authors.add(self.version + 1, client)
        self.version += count
        self._last[client] = first.mid + count - 1
        self._turn[client] = owner
        return count

    def _refused(self, found: Series) -> bool:
        """Whether a rule stands against any of it."""
        try:
            self.store.write_series(found, self.version + 1)
        except (MutationRejected, apsw.ConstraintError):
            return True
        return False

    def known(self, client: str, mid: int, action: Action | None) -> Verdict | None:
        """Why a mutation is not to be decided now; None if it is (R5)."""
        if action is not None and self.pages.outcome(action.page, action.id) is not None:
            return Verdict.DUPLICATE
        last = self._last.get(client)
        if last is None:
            last = self.last_mid(client)
        if mid <= last:
            return Verdict.DUPLICATE
        return Verdict.GAP if mid > last + 1 else None

    # Mutations share a savepoint, a *run*, until one of them is refused: then the run is undone, and each of it is
    # decided again in a savepoint of its own. Nobody has been told meanwhile, and most runs are not undone. A plain
    # edit is one statement, which SQLite takes back by itself: outside of a run it needs no savepoint at all.

    def _decide_in_run(self, asked: Asked) -> None:
        straight = None
        if asked.refusal is None:
            straight = self.store.straight(asked.mutation.name, asked.mutation.args, role=asked.role, sight=asked.sight)
        if straight is not None and asked.action is None and not self._run:
            try:
                self._write(asked.version, straight)
            except (MutationRejected, apsw.ConstraintError):
                self._decide_alone(asked)
            return
        if not self._run:
            self.store.savepoint("run")
        self._run.append(asked)
        try:
            if straight is not None:
                self._write(asked.version, straight)
            else:
                self._execute(asked, check=False)
            self._note(asked)
        except MutationRejected as error:
            self._check_turn(asked, error)
            self._undo_run()
        except apsw.ConstraintError:  # by a statement alone; its mutator has the sentence
            self._undo_run()
        else:
            if len(self._run) == RUN:
                self._end_run()

    def _write(self, version: int, straight: Statement) -> None:
        self.store.version = version
        self.store.write(straight)

    def _end_run(self) -> None:
        if not self._run:
            return
        try:
            self.store.check_rows(self._run[0].version - 1)
        except DISK_ERRORS:
            raise
        except Exception:  # noqa: BLE001  # a row of it cannot be told, and whose it is shows when each is alone
            self._undo_run()
        else:
            self.store.release("run")
            self._run.clear()

    def _undo_run(self) -> None:
        run, self._run = self._run, []
        self.store.undo("run")
        self.store.release("run")
        for asked in run:
            self._decide_alone(asked)
        self._wary = RUN

    def _decide_alone(self, asked: Asked) -> None:
        self.store.savepoint("mutation")
        try:
            value = self._execute(asked, check=True)
            self._note(asked, value)
            if asked.piece is not None:
                asked.piece.kept = True
        except MutationRejected as error:
            self._check_turn(asked, error)
            self.store.undo("mutation")
            self.store.version = asked.version
            if asked.action is None:
                self._keep(asked, m.Result(asked.client, asked.mutation.mid, None, error.code, _message(error)))
            else:
                self.pages.rejected(asked.action, asked.version, _message(error))
            self.rejected += 1
        self.store.release("mutation")

    def _check_turn(self, asked: Asked, refusal: MutationRejected) -> None:
        """Whoever is refused may have taken the turn along."""
        if not self.store.in_transaction:
            raise TurnLost(asked.client, asked.mutation, refusal) from None

    def _execute(self, asked: Asked, *, check: bool) -> Any:
        mutation, piece = asked.mutation, asked.piece
        self.store.version = asked.version
        if asked.refusal is not None:
            raise asked.refusal
        tx = Transaction(self.store, user=asked.user, role=asked.role, sight=asked.sight)
        if piece is None:
            value = self.store.perform(tx, mutation.name, mutation.args, check=check, clock=time.thread_time)
        else:
            value = self.store.perform(tx, piece.label, {}, work=piece.run, clock=time.thread_time)
        if not self.store.in_transaction:  # SQL of the party's own has ended it, and what came before with it
            raise StorageFailed(f"The transaction was gone after {mutation.name}.")
        if value is not None and asked.action is None:
            self._keep(asked, m.Result(asked.client, mutation.mid, value))
        return value

    def _note(self, asked: Asked, value: Any = None) -> None:
        """An action has run. Raises MutationRejected if there is no such channel as it names."""
        if asked.action is not None:
            look_up(self.store, asked.action.channel, asked.sight)
            ids = named(value) if asked.piece is not None else None
            self.pages.accepted(asked.action, asked.version, ids)

    def _keep(self, asked: Asked, result: m.Result) -> None:
        self._resulted = asked.version
        self.store.execute(
            "INSERT INTO _partysync_results (client, mid, version, result) VALUES (?, ?, ?, ?)",
            (result.client, result.mid, asked.version, _written(asked.mutation.name, result)),
        )

    def seal(self) -> None:
        """The last statements of a turn: how far each client is, in the transaction with what it did (R5)."""
        with storage("ending a turn"):
            self._end_run()
            if self.version > self._before:
                self.pages.ended(self.version)
            self._decided = {client: self._last[client] for client in self._turn}
            self.store.connection.executemany(
                "INSERT INTO _partysync_clients (id, owner, last_mid, version) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET last_mid = excluded.last_mid, version = excluded.version",
                [(client, self._turn[client], mid, self.version) for client, mid in self._decided.items()],
            )
        self._turn.clear()
        if len(self._last) > KNOWN_CLIENTS:  # the file knows them
            self._last.clear()

    def commit(self) -> None:
        """Make the turn durable. Waits for the disk; run it off the event loop. An error means *unknown*.

        Raises Moved if what was committed is not in the file that the next opening would find.
        """
        with storage("committing"):
            self._connection.execute("COMMIT")
            self.check_place()
        self._witness.tell(self.version)

    def own(self, piece: Piece) -> None:
        """Run a hook that nobody's mutation has called: its SQL is a decision of the room itself (R1).

        It takes a version if it has touched any row. Raises MutationRejected, and nothing of it is kept. In a turn.
        """
        self._end_run()
        version = self.version + 1
        self.store.savepoint("own")
        try:
            self.store.version = version
            tx = Transaction(self.store)  # what the hook returns need not be plain data: it goes to whoever called it
            self.store.perform(tx, piece.label, {}, work=lambda tx: (piece.run(tx), None)[1], clock=time.thread_time)
            if not any(self.store.touched(self.version).values()):
                self.store.version = self.version
                version = self.version
            piece.kept = True
        except MutationRejected as error:
            if not self.store.in_transaction:
                raise TurnLost("", m.Mutation(0, piece.label, {}), error) from None
            self.store.undo("own")
            raise
        except DISK_ERRORS as error:
            raise storage_failed(f"{piece.label} ran", error) from error
        finally:
            if self.store.in_transaction:
                self.store.release("own")
        if version > self.version:
            self.version = version
            self._authors.add(version, "")

    @property
    def alarm(self) -> int | None:
        """When the party's alarm is set for, in milliseconds since 1970. Raises StorageFailed."""
        with storage("looking for its alarm"):
            at: int | None = self.store.meta("alarm")
        return at

    def set_alarm(self, at: int | None) -> None:
        """Part of a turn."""
        self.alarm_moved = True
        if at is None:
            self.store.execute("DELETE FROM _partysync_meta WHERE key = 'alarm'")
        else:
            self.store.set_meta("alarm", at)

    def aside(self, work: Callable[[], None]) -> None:
        """Write something of ours that is no decision, durably, between two turns."""
        self.begin()
        try:
            work()
            self.commit()
        except BaseException:  # an interrupt too: undone, and raised again
            if self.store.in_transaction:
                self.store.rollback()
            raise

    def purge(self) -> None:
        """Let go of rows whose time is over that were deleted and kept. A decision of the room itself (R1). In a turn.

        It takes a version, for with those rows others may go that everybody sees.
        """
        with storage("letting go of deleted rows"):
            self._end_run()
            self.store.savepoint("purge")
            try:
                self.store.version = self.version + 1
                if self.store.purge(self.store.party.keep_deleted):
                    self.version += 1
                    self._authors.add(self.version, "")
                else:
                    self.store.version = self.version
            except apsw.ConstraintError as error:  # a row that others still name; the rest waits for it
                log.warning("room %s: rows that are deleted cannot be let go of: %s", self.path.name, error)
                self.store.undo("purge")
            self.store.release("purge")

    @property
    def keeps(self) -> bool:
        """Whether it has a table whose deleted rows are kept."""
        return any(entry.keeps for entry in self.store.tables.values())

    def forget_results(self, client: str, mid: int) -> None:
        """The client has seen its results up to ``mid``. Part of a turn."""
        self._end_run()
        self.store.execute("DELETE FROM _partysync_results WHERE client = ? AND mid <= ?", (client, mid))

    def compact(self, keep: int = KEPT_VERSIONS) -> None:
        """Forget which rows changed, and which are gone, more than ``keep`` versions ago. Part of a turn (R4)."""
        horizon = self.version - keep
        if horizon <= self.horizon:
            return
        self._end_run()
        for entry in self.store.tables.values():
            self.store.execute("DELETE FROM _partysync_rows WHERE tbl = ? AND version <= ?", (entry.key, horizon))
        self.store.set_meta("horizon", horizon)
        self.pages.forget(horizon)
        self.horizon = horizon

    def needs_compaction(self, keep: int = KEPT_VERSIONS) -> bool:
        return self.version - self.horizon > 2 * keep

    # --- looking --------------------------------------------------------------------------------------------------

    def last_mid(self, client: str) -> int:
        """The last mutation of this client that is decided; 0 for a client that this history does not know."""
        if client not in self._last:
            found = self.store.execute("SELECT last_mid FROM _partysync_clients WHERE id = ?", (client,)).get
            if found is None:  # not kept in mind: anybody may say hello, with any name
                return 0
            self._last[client] = found
        return self._last[client]

    def owner(self, client: str) -> str | None:
        found: str | None = self.store.execute("SELECT owner FROM _partysync_clients WHERE id = ?", (client,)).get
        return found

    def holds(self, epoch: str, version: int) -> bool:
        """Whether this history contains that version of that epoch (R10).

        An epoch's versions end where the next begins; in a file that was put back from a copy, earlier.
        """
        began = self.store.execute("SELECT rowid, version FROM _partysync_epochs WHERE epoch = ?", (epoch,)).fetchone()
        if began is None:
            return False
        ended = self.store.execute("SELECT min(version) FROM _partysync_epochs WHERE rowid > ?", (began[0],)).get
        return version <= (self.version if ended is None else ended)

    def delta(self, base: int) -> m.Delta:
        """Everything decided after ``base``, as one frame. The caller has compared ``base`` with the horizon."""
        tables = self.store.changes_since(base)
        for change in tables:
            change.by = self._by(change, base)
        return m.Delta(
            epoch=self.epoch,
            base=base,
            version=self.version,
            tables=tables,
            schema=self.store.schema_since(base),
            acks=self.acks(base),
            results=self.results("version > ?", base) if base < self._resulted else [],
        )

    def _by(self, change: m.TableChange, base: int) -> list[str]:
        """Who wrote the rows that were put, as ``TableChange.by`` has it."""
        if not change.put:
            return []
        if alone := self._authors.of_all_after(base):
            return [alone]
        if len(change.put) > SIGNED_ROWS or not self._authors.of(self.version):
            return []
        query = "SELECT id, version FROM _partysync_rows WHERE tbl = ? AND version > ? AND dead = 0"
        versions = dict(self.store.execute(query, (self.store.table(change.table).key, base)))
        by = [self._authors.of(versions[row[1]]) for row in change.put]
        if len(set(by)) > 1:
            return by
        return by[:1] if by[0] else []

    def acks(self, base: int) -> dict[str, int]:
        """How far each client is whose mutations were decided after ``base``."""
        if self._before <= base:  # in the last turn, which most are told of; the others have been there before
            return dict(self._decided) if base < self.version else {}
        rows: list[Any] = self.store.execute(
            "SELECT id, last_mid FROM _partysync_clients WHERE version > ?", (base,)
        ).fetchall()
        return dict(rows)

    def results(self, where: str, *args: Any) -> list[m.Result]:
        """Results that are kept: by version, or of one client."""
        query = f"SELECT result FROM _partysync_results WHERE {where} ORDER BY version"  # noqa: S608  # ours
        rows = self.store.execute(query, args)
        return [msgspec.json.decode(result, type=m.Result) for (result,) in rows]

    def forget(self) -> None:
        """Once it is closed: give the memory back. Where it was, its epoch and its version are still known."""
        self._last, self._turn, self._decided, self._authors = {}, {}, {}, Authors()
        del self.store, self.pages, self._witness, self._connection


def named(value: Any) -> list[str] | None:
    """Of records that an on_action returned, their ids: dicts with an id, or lists that begin with it. None if none."""
    if not isinstance(value, list):
        return None
    ids = [
        each.get("id") if isinstance(each, dict) else each[0] if isinstance(each, list) and each else None
        for each in value
    ]
    return [id for id in ids if isinstance(id, str)] if all(isinstance(id, str) for id in ids) else None


def look_up(store: Store, channel: str, sight: Sight) -> None:
    """Raise MutationRejected unless there is such a table, and it may be seen (R13)."""
    shown = [name for name in store.tables if not sight.hides(name)]
    if channel not in shown:
        known = ", ".join(shown) or "none yet"
        raise MutationRejected("unknown-table", f"There is no channel {channel!r:.100} in this room. It has: {known}.")


def _written(name: str, result: m.Result) -> str:
    """``result`` as it is kept. Raises MutationRejected for one that is too large."""
    written = msgspec.json.encode(result)
    if len(written) > MOST_RESULT:
        text = (
            f"{name} returned {len(written):,} bytes, and the room takes {MOST_RESULT:,}, for everybody is sent them. "
            f"Let it return less, and read rows with room.sql."
        )
        raise MutationRejected("too-large", text)
    return written.decode()


def _message(error: MutationRejected) -> str:
    """Why it was rejected, as text that can travel: a mutator may have raised anything."""
    text = error.message.encode(errors="backslashreplace").decode()
    return text if len(text) <= MOST_MESSAGE else f"{text[:MOST_MESSAGE]} …"
