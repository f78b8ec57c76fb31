"""
The pace of a kernel: how fast it takes rows from a room and tells them to its browser. For the benchmark, as a process.

``python -m partysync_widget.pace URL ROOM TABLE``, the token in PARTYSYNC_TOKEN. It says ``ready`` when its browser
has the snapshot. After a line ``tell <rows>``, when so many have been told: ``<rows> <messages> <seconds>``, the time
from the first to the last. After ``edit <count>``, when it has made so many edits, one by one: ``<shown> <decided>``,
median seconds. Everything is a kernel's own but the comm, which is a counter.
"""

from __future__ import annotations

import re
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from .entrance import connect
from .feed import Feed

if TYPE_CHECKING:
    from .table import Table

MARK = re.compile(rb"@\d{19}#")  # each row of the benchmark has one
SECONDS = 120.0


class Browser:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.heard = threading.Condition()
        self.rows = self.messages = 0
        self.first = self.last = 0.0

    def post(self, content: dict[str, Any], buffer: bytes | None) -> None:
        if content["k"] == "snapshot":
            self.there.set()
        elif marks := MARK.findall(buffer or b""):
            with self.heard:
                self.last = time.perf_counter()
                self.first = self.first or self.last
                self.rows += len(marks)
                self.messages += 1
                self.heard.notify_all()


def main(url: str, name: str, table: str) -> None:
    browser = Browser()
    room = connect(name, url=url)
    feed = Feed(room.table(table), browser.post)
    feed.call(feed.receive, {"k": "hello", "for": "the benchmark"})
    browser.there.wait(SECONDS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    what, _, count = sys.stdin.readline().partition(" ")
    if what == "edit":
        shown, decided = edits(room.table(table), int(count))
        sys.stdout.write(f"{shown} {decided}\n")
        room.close()
        return
    rows = int(count)
    with browser.heard:
        browser.heard.wait_for(lambda: browser.rows >= rows, SECONDS)
        seconds = max(browser.last - browser.first, 1e-9)
        sys.stdout.write(f"{browser.rows} {browser.messages} {seconds}\n")
    room.close()


def edits(table: Table, count: int) -> tuple[float, float]:
    """Medians, in seconds: until an edit shows here, and until it is decided."""
    shown, decided = [], []
    for number in range(count):
        began = time.perf_counter()
        receipt = table.insert(text=f"edit {number}")
        shown.append(time.perf_counter() - began)
        receipt.result(SECONDS)
        decided.append(time.perf_counter() - began)
    return statistics.median(shown), statistics.median(decided)


if __name__ == "__main__":
    main(*sys.argv[1:4])
