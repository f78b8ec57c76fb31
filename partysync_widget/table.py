"""
Tables, as a notebook holds them: a mapping from id to row that everybody in the room shares.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from .audience import Changes, Subscription
from .core import messages as m
from .core.columns import coerce, present, wire
from .core.errors import MutationRejected, PartySyncError
from .core.store import Store
from .core.stored_table import StoredTable
from .ids import new_id
from .io_thread import Voice
from .receipt import Receipt, Receipts

if TYPE_CHECKING:
    from .room import Room

CHUNK_ROWS, CHUNK_BYTES = 1_000, 200_000  # of one mutation of a load
UNDECIDED_CHUNKS = 3  # of a load, on the way at a time: the more, the more is replayed with each answer
PROGRESS_ROWS = 20_000  # from this many rows on, a load shows a progress bar


@dataclass(frozen=True)
class TableChange:
    """What an observer is told: ``rows`` that changed, by id, as they are now; None for one that is gone."""

    table: str
    rows: dict[str, dict[str, Any] | None]


class Table(Mapping[str, dict[str, Any]]):
    """One table of a room: ``todos["a1"]``, ``"a1" in todos``, ``len(todos)``, iteration in the order of insertion.

    Rows are copies; change them with ``insert``, ``update`` and ``delete``. Shown in a cell, it is the live grid.
    """

    def __init__(self, room: Room, name: str) -> None:
        self.room = room
        self.name = name
        self._records: tuple[int, list[dict[str, Any]]] = (-1, [])
        self._nested: list[str] = []  # columns of lists and dicts, which must be copied too
        self._widget: Any = None

    # --- rows -----------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[m.Column, ...]:
        """Its columns, ``id`` not among them."""
        with self._lock:
            return self._entry.spec.columns

    def __getitem__(self, id: str) -> dict[str, Any]:
        with self._lock:
            row = self._view.fetch(self.name, [id]).get(id)
            if row is None:
                raise KeyError(f"There is no row {id!r} in {self.name}.")
            return _row(self._entry.spec.columns, row)

    def __contains__(self, id: object) -> bool:
        with self._lock:
            return isinstance(id, str) and bool(self._view.fetch(self.name, [id]))

    def __len__(self) -> int:
        with self._lock:
            return self._view.count(self.name)

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            ids = [row[1] for row in self._view.rows(self.name)]
        return iter(ids)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def records(self) -> list[dict[str, Any]]:
        """All rows, in the order of insertion. Built when asked for, and kept until the table changes."""
        with self._lock:
            generation = self.room.connection.generation
            if self._records[0] != generation:
                columns, rows = self.window()
                self._records = (generation, [_row(columns, row) for row in rows])
                self._nested = [column.name for column in columns if column.type == "json"]
            records = [dict(row) for row in self._records[1]]
            nested = self._nested
        for name in nested:
            for record in records:
                record[name] = copy.deepcopy(record[name])
        return records

    def df(self, kind: str | None = None) -> Any:
        """The rows as a DataFrame: ``kind`` "pandas", "polars" or "arrow"; by default the first that is installed."""
        from .dataframes import make_frame

        columns, rows = self.window()
        return make_frame(columns, rows, kind)

    # --- edits ----------------------------------------------------------------------------------------------------

    def insert(self, /, **values: Any) -> Receipt:
        """A new row. ``receipt.id`` is its id, made up unless given."""
        id = values.pop("id", None)
        if id is None:
            id = new_id()
        return self._mutate("insert", id, values)

    def update(self, id: str, /, **values: Any) -> Receipt:
        """Change some columns of a row. The others keep what anybody else writes to them."""
        return self._mutate("update", id, values)

    def upsert(self, id: str, /, **values: Any) -> Receipt:
        """Insert the row, or change these columns of it."""
        return self._mutate("upsert", id, values)

    def delete(self, id: str, /) -> Receipt:
        """Delete a row. Raises MutationRejected if it is not there."""
        if id not in self and not self.room.batching:
            raise MutationRejected("unknown-row", f"There is no row {id!r} in {self.name}, so it cannot be deleted.")
        return self.room.make("delete", {"table": self.name, "id": id}, id=id)

    def act(self, name: str, payload: Any = None, /) -> Receipt:
        """Send an action about this table to the room's party, as ``room.act`` does."""
        return self.room.act(self.name, name, payload)

    def _mutate(self, verb: str, id: Any, values: dict[str, Any]) -> Receipt:
        with self._lock:
            entry = self._entry
        stored = coerce(entry.column("id"), id)
        if not stored:
            raise MutationRejected("missing-value", f"A row of {self.name} needs an id, which is text and not empty.")
        args = {"table": self.name, "id": stored, "values": _wire(entry, values)}
        return self.room.make(verb, args, id=str(stored))

    def insert_many(self, data: Any, *, progress: bool | None = None) -> Receipt:
        """Insert many rows: a DataFrame (pandas, polars, Arrow, whatever narwhals knows) or dicts. One receipt.

        A long load goes in several mutations and shows a progress bar (``progress=False``: never). Each mutation is
        whole; the load as such is not, unless it stands in ``room.batch()``. The receipt's result is how many rows.
        All rows are checked before the first is sent.
        """
        from .dataframes import rows_of_data

        with self._lock:
            entry = self._entry
        names, rows = rows_of_data(data, entry)
        whole = self.room.batching
        receipts: list[Receipt] = []
        with _progress(len(rows), self.name, wanted=progress) as advance:
            for chunk in [rows] if whole and rows else _chunks(rows):
                args = {"table": self.name, "columns": names, "rows": chunk}
                receipts.append(self.room.make("insert_rows", args))
                if self.room.status == "live" and len(receipts) >= UNDECIDED_CHUNKS and not whole:
                    _wait_a_while(self.room, receipts[-UNDECIDED_CHUNKS])
                advance(len(chunk))
        return Receipts("insert_many", receipts, len(rows))

    def put_back(self, rows: Iterable[Sequence[Any]]) -> Receipt:
        """For widgets: undo edits of one's own, ``(id, before, after, position)`` each; see ``built_in.put_back``."""
        with self._lock:
            entry = self._entry
        made = [
            [id, *(None if values is None else _wire(entry, values) for values in (before, after)), position]
            for id, before, after, position in rows
        ]
        return self.room.make("put_back", {"table": self.name, "rows": made})

    # --- following ------------------------------------------------------------------------------------------------

    def observe(self, function: Callable[[TableChange], object]) -> Subscription:
        """Call ``function(change)`` with the rows that changed, or whose edit was decided, whoever made it.

        It runs on the kernel's loop between cells, and prints into the cell that registered it; the changes come in
        order. It keeps the room open, until ``subscription.close()`` or ``room.close()``.
        """
        voice = Voice()

        def say(changes: Changes) -> None:
            if changes.ids:
                voice.call(function, TableChange(self.name, self.rows_now(changes.ids)))

        return self.room.connection.audience.follow(self.name, say)

    def rows_now(self, ids: Iterable[str]) -> dict[str, dict[str, Any] | None]:
        """These rows as they are now, None for those that are gone.

        With them come those of edits that nobody has been told of yet: half a mutation must not show (R8).
        """
        with self._lock:
            ids = {*ids, *self.room.connection.untold(self.name)}
            known = self.name in self._view.tables
            rows = self._view.fetch(self.name, ids) if known else {}
            columns = self._entry.spec.columns if known else ()
        return {id: _row(columns, rows[id]) if id in rows else None for id in ids}

    def follow(self, function: Callable[[Changes], object]) -> Subscription:
        """For widgets: call ``function`` with the ids that changed, on the I/O thread. It must be quick."""
        return self.room.connection.audience.follow(self.name, function)

    @property
    def exists(self) -> bool:
        """For widgets: whether it is there; its making may have been refused."""
        with self._lock:
            return self.name in self._view.tables

    def window(self) -> tuple[tuple[m.Column, ...], list[tuple[Any, ...]]]:
        """For widgets: the columns, and ``(position, id, *stored values)`` of each row in order."""
        with self._lock:
            if self.name not in self._view.tables:  # its making was refused
                return (), []
            return self._entry.spec.columns, self._view.rows(self.name)

    def first(self, most: int) -> list[dict[str, Any]]:
        """For widgets: the first rows, as dicts, however many there are."""
        with self._lock:
            if self.name not in self._view.tables:
                return []
            return [_row(self._entry.spec.columns, row) for row in self._view.rows(self.name, most=most)]

    def wired(self, values: dict[str, Any]) -> dict[str, Any]:
        """For widgets: values checked by their columns, as they travel."""
        with self._lock:
            return _wire(self._entry, values)

    def rows_of(self, ids: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        """For widgets: ``(position, id, *stored values)`` of those rows that are there."""
        with self._lock:
            return self._view.fetch(self.name, ids) if self.name in self._view.tables else {}

    def pending_ids(self) -> set[str]:
        """Ids of the rows that your undecided edits touch."""
        with self._lock:
            return self.room.connection.replica.pending_rows().get(self.name, set())

    # --- shown ----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Table {self.name!r} of room {self.room.name!r}: {len(self)} rows, {self.room.status}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self._grid()._repr_mimebundle_(**kwargs)

    def _ipython_display_(self) -> None:
        self._grid()._ipython_display_()

    def _display_(self) -> Any:
        """What marimo shows: a grid for each cell, where it ends with the cell."""
        from .widget import TableWidget

        return TableWidget(self)._display_()  # ours

    def _grid(self) -> Any:
        from .widget import TableWidget

        if self._widget is None or self._widget.comm is None:  # closed
            self._widget = TableWidget(self)
        return self._widget

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def _lock(self) -> Any:
        return self.room.connection.lock

    @property
    def _view(self) -> Store:
        return self.room.connection.replica.view

    @property
    def _entry(self) -> StoredTable:
        return self._view.table(self.name)


def _row(columns: tuple[m.Column, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    values = zip(columns, row[2:], strict=True)
    return {"id": row[1], **{column.name: present(column, value) for column, value in values}}


def _wire(entry: StoredTable, values: dict[str, Any]) -> dict[str, Any]:
    """Values checked and as they travel."""
    made = {}
    for name, value in values.items():
        column = entry.column(name)
        made[name] = wire(column, coerce(column, value))
    return made


def _chunks(rows: list[list[Any]]) -> Iterator[list[list[Any]]]:
    """Rows in pieces of at most CHUNK_ROWS, and of about CHUNK_BYTES: each is a mutation, and fits into a frame."""
    chunk: list[list[Any]] = []
    size = 0
    for row in rows:
        weight = len(msgspec.json.encode(row))
        if chunk and (len(chunk) == CHUNK_ROWS or size + weight > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += weight
    if chunk:
        yield chunk


def _wait_a_while(room: Room, receipt: Receipt) -> None:
    """Until the room has decided this one, or the line is cut: then the rest is made without it."""
    while room.status == "live" and not receipt.done():
        try:
            receipt.result(0.2)
        except PartySyncError:  # not yet, or refused, which its own receipt says
            continue


class _progress:  # noqa: N801  # used as a function
    """A tqdm bar for a long load, or nothing."""

    def __init__(self, rows: int, name: str, *, wanted: bool | None) -> None:
        self._bar: Any = None
        if rows and (wanted if wanted is not None else rows >= PROGRESS_ROWS):
            from tqdm.auto import tqdm  # type: ignore[import-untyped]

            self._bar = tqdm(total=rows, desc=name, unit=" rows")

    def __enter__(self) -> Callable[[int], object]:
        return self._bar.update if self._bar is not None else lambda _: None

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
