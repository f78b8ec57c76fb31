"""
Edits: what people do in a browser, made in the kernel once, and the word on each.

An edit is a list of changes and one mutation: a paste is kept whole or not at all (R8). Edits are numbered by the page
that made them, so one that is said twice is only answered again (R5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from .blocks import from_browser
from .core.codec import check_value
from .core.errors import MutationRejected
from .receipt import Receipt

if TYPE_CHECKING:
    from .table import Table

ANSWERS = 1_000  # answered edits remembered, for a browser that asks again

Values = dict[str, Any]


class Change(Struct, forbid_unknown_fields=True):
    """One row's part of an edit. ``back`` undoes: what is still as ``after`` says becomes as ``before`` says."""

    op: Literal["insert", "update", "delete", "back"]
    id: str
    values: Values = {}
    before: Values | None = None
    after: Values | None = None
    at: int | None = None  # the position a row had, for one that is put back


class Edit(Struct, omit_defaults=True):
    """``n`` is unique among all edits of all pages; ``draft`` is what the person was seen typing."""

    n: str
    changes: list[Change]
    draft: str = ""


class Edits:
    """The edits of one table's browsers, on the I/O thread. ``refused`` hears of one that is taken back later."""

    def __init__(self, table: Table, refused: Callable[[dict[str, Any]], None]) -> None:
        self._table = table
        self._refused = refused
        self._answers: dict[str, dict[str, Any] | None] = {}  # by number: None taken, else the refusal

    def receive(self, edit: Edit) -> dict[str, Any] | None:
        """Make an edit, unless it is one seen before. None if it was taken, else the refusal."""
        if edit.n not in self._answers:
            self._answers[edit.n] = self._make(edit)
            while len(self._answers) > ANSWERS:
                del self._answers[next(iter(self._answers))]
        return self._answers[edit.n]

    def _make(self, edit: Edit) -> dict[str, Any] | None:
        said: dict[str, Any] = {"n": edit.n, "changes": []}
        try:
            changes = msgspec.to_builtins(edit.changes)
            check_value(changes)  # what no frame can carry could not be said back either
            said["changes"] = changes
            receipt = self._mutate(edit.changes)
        except Exception as error:  # noqa: BLE001 - a party's own mutators raise what they like; the person is told
            return {**said, "why": str(error) or type(error).__name__}
        if edit.draft:
            self._sketch(edit, receipt)
        receipt.when_done(lambda decided: self._decided(said, decided.outcome()[1]))
        return None

    def _mutate(self, changes: list[Change]) -> Receipt:
        undoes = {change.op == "back" for change in changes}
        if undoes == {True, False}:
            raise MutationRejected("bad-arguments", "An edit makes changes, or takes changes back, and not both.")
        if undoes == {True}:
            columns = self._table.columns
            rows = [[c.id, _plain(columns, c.before), _plain(columns, c.after), c.at] for c in changes]
            return self._table.put_back(rows)
        if len(changes) == 1:
            return self._one(changes[0])
        with self._table.room.batch() as batch:
            for change in changes:
                _ = self._one(change)
        return batch.receipt

    def _one(self, change: Change) -> Receipt:
        values = from_browser(self._table.columns, change.values)
        match change.op:
            case "insert":
                return self._table.insert(**{**values, "id": change.id})
            case "update":
                return self._table.update(change.id, **values)
            case _:
                return self._table.delete(change.id)

    def _sketch(self, edit: Edit, receipt: Receipt) -> None:
        """What the person typed is a mutation now: shown to the others until the room has decided it (R11)."""
        columns = self._table.columns
        rows = {
            change.id: None if change.op == "delete" else self._table.wired(from_browser(columns, change.values))
            for change in edit.changes
        }
        self._table.room.connection.draft(edit.draft, self._table.name, rows, mid=receipt.mid)

    def _decided(self, said: dict[str, Any], error: BaseException | None) -> None:
        if error is not None:
            refusal = self._answers[said["n"]] = {**said, "why": str(error)}
            self._refused(refusal)


def _plain(columns: Any, values: Values | None) -> Values | None:
    return None if values is None else from_browser(columns, values)
