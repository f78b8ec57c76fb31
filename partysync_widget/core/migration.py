"""
Migrations: how a room that an older schema has made comes to the party's present one.

A party lists them in order, and never takes one back: the first leads from version 1 of its schema to version 2. The
room's server runs those that a room lacks, in one transaction, when it opens the room's file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import SchemaMismatch
from .schema import check_schema

if TYPE_CHECKING:
    from .store import Store


class Migration:
    """The way from one version of a party's schema to the next: SQL, functions of ``tx``, or both, in order.

    ``Migration("ALTER TABLE todos ADD COLUMN due TEXT", fill_in, keeps_clients=True)``. SQL changes tables and rows; a
    function moves data that SQL alone cannot, with ``tx.sql``. With no steps only types or mutators have changed.

    ``keeps_clients`` is a promise: kernels that have the party as it was before may stay in the room. What they read is
    still there, and the mutators that they call still take the arguments that they took.
    """

    def __init__(self, *steps: str | Callable[[Mover], Any], keeps_clients: bool = False) -> None:
        for step in steps:
            if isinstance(step, str):
                check_schema(step)
            elif not callable(step):
                raise SchemaMismatch(f"A step of a migration is SQL or a function of tx, and {step!r:.80} is neither.")
        self.steps = steps
        self.keeps_clients = keeps_clients

    def run(self, store: Store) -> None:
        """Take every step, in the transaction that is open. Raises what they raise."""
        for step in self.steps:
            if isinstance(step, str):
                store.build(step)
            else:
                step(Mover(store))


class Mover:
    """The ``tx`` of a migration: SQL on the tables as they are in the middle of it, and nothing else.

    What a mutator has beside ``sql`` would look at the columns of the party as it is today. A migration is older than
    that, and must do in a year what it does now.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def sql(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """Run SQL on this room's rows; ``?`` takes the arguments. Rows as dicts, for a query."""
        return self._store.guarded(query, args, write=True)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the tx of a migration has sql, and no {name}: write it in SQL, which will not change")
