"""
A crowd: writers and observers of one room on lines of their own, in one thread.

Every row that is written carries a mark, ``@<nanoseconds since 1970>#``, and every protocol here carries text as UTF-8
bytes, so an observer of any system counts rows and their delays without decoding a frame.
"""

from __future__ import annotations

import re
import selectors
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from .line import Cut, Line
from .process import Failed

MARK = re.compile(rb"@(\d{19})#")
WAIT = 5.0  # seconds for the rest to arrive, when nothing more is written
MOST_UNSENT = 1 << 20  # bytes on a line, before its writer waits


def text(number: int) -> str:
    """The text of a row: a mark, and what a short note has."""
    return f"@{time.time_ns()}#row {number} of many"


class Tongue(Protocol):
    """How one client of a system talks. An instance is one client in one room."""

    path: str
    binary: bool

    def open(self, port: int) -> Line:
        """The line, and what is to be said first is said."""

    def hear(self, message: bytes) -> list[bytes]:
        """What to answer, until ``ready``."""

    @property
    def ready(self) -> bool:
        """Whether it is in step with the room: rows may be written, and are seen."""

    def write(self, count: int) -> list[bytes]:
        """Messages that write so many new rows, in the system's own idiom."""


class Writer(Protocol):
    """Whoever writes rows."""

    def write(self, count: int) -> None: ...

    @property
    def busy(self) -> bool:
        """Whether it has enough to send for the moment."""


class Member:
    """Somebody in the room on a line. As an observer it counts; as a writer it does not listen."""

    def __init__(self, tongue: Tongue, port: int, *, watching: bool) -> None:
        self.tongue = tongue
        self.watching = watching
        self.line = tongue.open(port)
        self.frames = 0  # with rows in them
        self.rows = 0

    def write(self, count: int) -> None:
        for message in self.tongue.write(count):
            self.line.send(message, binary=self.tongue.binary)

    @property
    def busy(self) -> bool:
        return self.line.waiting > MOST_UNSENT


@dataclass(frozen=True)
class Flow:
    """What came of writing as fast as it goes: ``rows`` that one observer has seen, ``deliveries`` of rows and
    ``frames`` to all of them, in so many seconds. ``arrived``: which share of what was written.
    """

    rows: int
    deliveries: int
    frames: int
    seconds: float
    arrived: float


class Crowd:
    """See the module. ``with Crowd() as crowd`` closes every line at the end."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.delays: list[int] = []  # nanoseconds, of rows that were observed while ``timing``
        self.timing = False
        self._selector = selectors.DefaultSelector()
        self._last: tuple[bytes, list[bytes]] = (b"", [])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.line.close()
        self._selector.close()

    def enter(self, tongue: Tongue, port: int, *, watching: bool) -> Member:
        """One more, who is not in step yet."""
        try:
            member = Member(tongue, port, watching=watching)
        except (Cut, OSError) as error:
            raise Failed(str(error)) from error
        self.members.append(member)
        self._selector.register(member.line, selectors.EVENT_READ, member)
        self._hear(member)
        return member

    @property
    def observers(self) -> list[Member]:
        return [member for member in self.members if member.watching]

    def in_step(self, seconds: float) -> None:
        """Wait until all are."""
        self.until(lambda: all(member.tongue.ready for member in self.members), seconds, "everybody to be in step")

    def poll(self, seconds: float = 0.0, after_first: Callable[[], None] | None = None) -> None:
        """Hear what there is to hear. ``after_first``: to be done when the first observer has heard, before the rest.

        A writer does not wait until the others have read: they are not in its process anywhere but here.
        """
        first = next((member for member in self.members if member.watching), None)
        for key, _ in self._selector.select(seconds):
            self._hear(key.data)
            if after_first is not None and key.data is first:
                after_first()
        for member in self.members:
            if member.line.waiting:
                member.line.flush()

    def until(self, there: Callable[[], bool], seconds: float, what: str) -> None:
        """Poll until ``there()``. Raises Failed after so many seconds."""
        deadline = time.monotonic() + seconds
        while not there():
            self.poll(0.005)
            if time.monotonic() > deadline:
                raise Failed(f"Waited {seconds:.0f} s for {what}, in vain.")

    def _hear(self, member: Member) -> None:
        try:
            messages = member.line.receive()
        except Cut as error:
            raise Failed(f"A line was cut: {error}") from error
        for message in messages:
            if not member.tongue.ready:
                for answer in member.tongue.hear(message):
                    member.line.send(answer, binary=member.tongue.binary)
            elif member.watching:
                self._observe(member, message)

    def _observe(self, member: Member, message: bytes) -> None:
        if message == self._last[0]:  # the same bytes to many: looked into once
            marks = self._last[1]
        else:
            marks = MARK.findall(message)
            self._last = (message, marks)
        if marks:
            member.frames += 1
            member.rows += len(marks)
            if self.timing:
                now = time.time_ns()
                self.delays += [now - int(mark) for mark in marks]

    # --- work -----------------------------------------------------------------------------------------------------

    def pipelined(
        self, writers: Sequence[Writer], seconds: float, *, window: int, burst: int, most: int = 1 << 30
    ) -> Flow:
        """Write in bursts for so long, ``window`` rows of them under way at a time, and wait for the last to arrive.

        What is under way is what the first observer has not seen. Who is slow is not waited for without end: then the
        flow says how much had arrived.
        """
        watched = self.observers
        first, before = watched[0], watched[0].rows
        rows, frames = self._seen()
        began = time.perf_counter()
        written, turn, passed = 0, 0, 0.0

        def write() -> None:
            nonlocal written, turn
            while written < most and written - (first.rows - before) < window:
                writer = writers[turn % len(writers)]
                if writer.busy:
                    break
                writer.write(burst)
                written, turn = written + burst, turn + 1

        while written < most and ((passed := time.perf_counter() - began) < seconds or not written):
            write()
            self.poll(0.002, after_first=write)
        owed = written * len(watched)
        while (seen := self._seen()[0] - rows) < owed and (passed := time.perf_counter() - began) < seconds + WAIT:
            self.poll(0.005)
        passed = time.perf_counter() - began if seen == owed else passed
        if not seen:
            raise Failed(f"Nothing of {written:,} rows had arrived after {passed:.0f} s.")
        return Flow(first.rows - before, seen, self._seen()[1] - frames, passed, seen / owed)

    def _seen(self) -> tuple[int, int]:
        watched = self.observers
        return sum(member.rows for member in watched), sum(member.frames for member in watched)

    def one_by_one(self, writer: Writer, seconds: float) -> list[float]:
        """Each row when the observer has seen the one before, for so long; what each took."""
        (observer,) = self.observers
        times: list[float] = []
        began = now = time.perf_counter()
        while now - began < seconds:
            want = observer.rows + 1
            writer.write(1)
            self.until(lambda want=want: observer.rows >= want, seconds + WAIT, "one row to arrive")  # type: ignore[misc]
            before, now = now, time.perf_counter()
            times.append(now - before)
        return times

    def paced(self, writer: Writer, per_second: float, rows: int, seconds: float) -> list[float]:
        """Rows at a steady rate; for each and each observer, the seconds from its writing to its arrival, sorted."""
        watched = self.observers
        target = [member.rows + rows for member in watched]
        self.delays, self.timing = [], True
        began = time.perf_counter()
        for number in range(rows):
            due = began + number / per_second
            while (wait := due - time.perf_counter()) > 0:
                self.poll(wait)
            writer.write(1)
        try:
            self.until(
                lambda: all(m.rows >= want for m, want in zip(watched, target, strict=True)), seconds, "the last row"
            )
        finally:
            self.timing = False
        return sorted(delay / 1e9 for delay in self.delays)
