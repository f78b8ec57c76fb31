"""``throttled``: a few calls a second, and the last state among them."""

import asyncio
import contextvars
import threading
import time

import pytest

from partysync_widget import TableChange, throttled

cell = contextvars.ContextVar("cell", default="none")


class Dashboard:
    """Keeps what it was told, and when each call began and ended."""

    def __init__(self, seconds, takes=0.0):
        self.rows, self.heard, self.calls = {}, [], []
        self._takes = takes
        self.redraw = throttled(seconds)(self._draw)

    def _draw(self, change):
        begun = time.monotonic()
        threading.Event().wait(self._takes)
        self.heard.append(change)
        self.rows.update(change.rows)
        self.calls.append((begun, time.monotonic()))


def change(table="birds", **rows):
    return TableChange(table, {id: row and {"id": id, "n": row} for id, row in rows.items()})


def test_the_first_change_is_told_at_once_and_the_rest_together(wait_until):
    dashboard = Dashboard(0.1)

    dashboard.redraw(change(a=1))
    assert dashboard.heard == [change(a=1)]

    for told in (change(a=2, b=1), change(b=2), change(c=1), change(c=None)):
        dashboard.redraw(told)
    assert len(dashboard.heard) == 1

    wait_until(lambda: len(dashboard.heard) > 1)
    assert dashboard.heard[1:] == [change(a=2, b=2, c=None)]


def test_a_stream_is_told_a_few_times_a_second_and_its_end_always(wait_until):
    dashboard = Dashboard(0.1, takes=0.05)
    until = time.monotonic() + 0.6
    n = 0
    while time.monotonic() < until:
        n += 1
        dashboard.redraw(change(a=n))

    wait_until(lambda: dashboard.rows["a"]["n"] == n)
    assert n > 100
    assert 3 <= len(dashboard.calls) <= 6
    for (_, ended), (begun, _) in zip(dashboard.calls, dashboard.calls[1:], strict=False):
        assert begun - ended >= 0.1


def test_after_a_rest_in_which_nothing_came_a_change_is_told_at_once_again(wait_until):
    dashboard = Dashboard(0.02)
    dashboard.redraw(change(a=1))
    wait_until(lambda: not dashboard.redraw._busy)

    dashboard.redraw(change(a=2))

    assert dashboard.heard == [change(a=1), change(a=2)]


def test_tables_are_not_mixed_up(wait_until):
    dashboard = Dashboard(0.02)
    for told in (change(a=1), change("nests", a=7), change(a=2)):
        dashboard.redraw(told)

    wait_until(lambda: len(dashboard.heard) == 3)
    assert sorted(dashboard.heard[1:], key=lambda each: each.table) == [change(a=2), change("nests", a=7)]


def test_of_anything_else_it_is_told_the_last(wait_until):
    heard = []
    tell = throttled(0.02)(heard.append)
    for each in (1, 2, 3):
        tell(each)

    wait_until(lambda: heard == [1, 3])


def test_a_call_that_fails_does_not_silence_the_next(wait_until):
    heard = []

    @throttled(0.02)
    def fail_first(change):
        heard.append(change)
        if len(heard) == 1:
            raise ValueError("a mistake in a cell")

    with pytest.raises(ValueError, match="a mistake in a cell"):
        fail_first(1)
    fail_first(2)

    wait_until(lambda: heard == [1, 2])


def test_what_comes_late_is_told_on_the_same_loop_and_prints_into_the_same_cell():
    heard = []

    @throttled(0.02)
    def tell(change):
        heard.append((change, cell.get(), threading.current_thread()))
        if len(heard) == 2:
            told.set()

    async def kernel():
        cell.set("cell 7")
        tell(1)
        tell(2)
        await asyncio.wait_for(told.wait(), 8)

    told = asyncio.Event()
    asyncio.run(kernel())
    assert heard == [(n, "cell 7", threading.current_thread()) for n in (1, 2)]


def test_a_table_fed_by_somebody_else_ends_in_the_same_state(enter, wait_until):
    here, there = enter(), enter()
    birds = there.table("birds", n=int)
    here.sync(8)
    dashboard = Dashboard(0.05)
    watching = here.table("birds").observe(dashboard.redraw)

    for n in range(300):
        birds.upsert(str(n % 40), n=n)
    birds.delete("7")
    there.sync(8)

    # Whoever comes late may never have heard of 7: what came and went in one delta is no change.
    wait_until(lambda: dashboard.rows.get("7") is None and dashboard.rows.get("19", {}).get("n") == 299)
    assert {id: row for id, row in dashboard.rows.items() if row} == dict(birds)
    assert len(dashboard.calls) < 100
    watching.close()
