"""
Receipts: what an edit gives back at once, and where the room's word on it is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from .core.errors import NotConnected, PartySyncError
from .io_thread import on_io_thread

SLICE = 0.2  # seconds; ipykernel delivers an interrupt during an await only when its loop wakes


class Receipt:
    """An edit that shows already and waits for the room. ``id`` is the row's; ``mid`` the mutation's number."""

    def __init__(self, name: str, *, id: str | None = None) -> None:
        self.name = name
        self.id = id
        self.mid = 0
        self._future: Future[Any] = Future()

    def done(self) -> bool:
        """Whether the room has decided."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the room: what the mutator returned.

        Raises MutationRejected if it was refused, OutcomeUnknown if
        nobody can say any more, NotConnected if there is no word within ``timeout`` seconds (the edit stays).
        """
        if on_io_thread() and not self.done():
            raise RuntimeError("receipt.result() was called on PartySync's I/O thread, which would wait for itself.")
        try:
            return self._future.result(timeout)
        except FutureTimeout:
            if self._future.done():
                raise
            raise NotConnected(
                f"The room has not decided {self.name} within {timeout} s. The edit is kept and sent again by itself."
            ) from None

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        waiting = asyncio.wrap_future(self._future)
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=SLICE)
        return waiting.result()

    def when_done(self, function: Callable[[Receipt], object]) -> None:
        """For this library: call ``function`` when the room has decided, on the I/O thread; at once if it has."""
        self._future.add_done_callback(lambda _: function(self))

    def follow(self, other: Receipt) -> None:
        """For this library: be decided as ``other`` is."""
        self.mid = other.mid
        other.when_done(lambda _: self.settle(*other.outcome()))

    def outcome(self) -> tuple[Any, PartySyncError | None]:
        """For this library: of one that is done, its value and its error."""
        error = self._future.exception()
        if error is not None and not isinstance(error, PartySyncError):
            raise error
        return (None, error) if error is not None else (self._future.result(), None)

    def settle(self, value: Any, error: PartySyncError | None) -> None:
        """For this library: the room's word. Only the first counts."""
        if self._future.done():
            return
        if error is None:
            self._future.set_result(value)
        else:
            self._future.set_exception(error)

    def __repr__(self) -> str:
        if not self.done():
            state = "pending"
        elif error := self._future.exception():
            state = f"rejected: {error}"
        else:
            state = "accepted"
        return f"<Receipt {self.name}{f' of {self.id!r}' if self.id else ''}: {state}>"


class Receipts(Receipt):
    """The receipts of one load that went in several mutations, as one. ``result`` is the number of rows."""

    def __init__(self, name: str, receipts: list[Receipt], rows: int) -> None:
        super().__init__(name)
        self.receipts = receipts
        self.rows = rows
        self._waiting = set(receipts)  # whose discard is safe from two threads
        if not receipts:
            self.settle(0, None)
        for receipt in receipts:
            receipt.when_done(self._one_done)

    def _one_done(self, receipt: Receipt) -> None:
        self._waiting.discard(receipt)
        _, error = receipt.outcome()
        if error is not None:
            self.settle(None, error)
        elif not self._waiting:
            self.settle(self.rows, None)
