"""Workers: what is run off the event loop comes back to it, whatever becomes of it, and many at a time."""

import asyncio
import gc
import threading

import pytest

from partysync_server import workers
from partysync_server.workers import on_worker


def names():
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("partysync-worker")}


def test_what_it_gives_comes_back_to_whoever_waits():
    assert asyncio.run(on_worker(lambda: (threading.current_thread() is threading.main_thread(), 7))) == (False, 7)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_what_it_raises_is_raised_there(kind):
    async def story():
        def fail():
            raise kind("no")

        with pytest.raises(kind):
            await on_worker(fail)
        return await on_worker(lambda: "and goes on")

    assert asyncio.run(story()) == "and goes on"


def test_what_follows_from_it_is_done_on_the_loop_before_whoever_waits_goes_on():
    async def story():
        loop, went = asyncio.get_running_loop(), []

        def then():
            went.append(asyncio.get_running_loop() is loop)
            loop.call_soon(went.append, "a round")

        went.append(await on_worker(lambda: "the piece", then))
        return went

    assert asyncio.run(story()) == [True, "a round", "the piece"]


def test_nothing_follows_from_a_piece_that_failed():
    async def story():
        went = []
        with pytest.raises(ZeroDivisionError):
            await on_worker(lambda: 1 / 0, lambda: went.append("then"))
        return went

    assert asyncio.run(story()) == []


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_what_follows_may_fail_and_that_is_raised_there(kind):
    """Or whoever waits would wait for ever."""

    async def story():
        def fail():
            raise kind("no")

        with pytest.raises(kind):
            async with asyncio.timeout(8):
                await on_worker(lambda: "the piece", fail)
        return await on_worker(lambda: "and goes on")

    assert asyncio.run(story()) == "and goes on"


def test_the_loop_goes_on_meanwhile_and_so_do_others():
    """As many as there are threads, at the same time."""

    async def story():
        meet = threading.Barrier(workers.MOST_THREADS, timeout=8)
        return await asyncio.gather(*(on_worker(meet.wait) for _ in range(workers.MOST_THREADS)))

    assert sorted(asyncio.run(story())) == list(range(workers.MOST_THREADS))


def test_more_than_there_are_threads_wait_their_turn():
    async def story():
        return await asyncio.gather(*(on_worker(lambda n=n: n) for n in range(200)))

    assert asyncio.run(story()) == list(range(200))


def test_whoever_is_cancelled_harms_nobody():
    async def story():
        go = threading.Event()
        waiting = asyncio.ensure_future(on_worker(go.wait))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        return [await on_worker(lambda n=n: n) for n in range(20)]

    assert asyncio.run(story()) == list(range(20))


def test_they_end_with_their_loop(wait_until):
    asyncio.run(on_worker(lambda: None))
    gc.collect()
    wait_until(lambda: not names(), what="the end of the threads")


def test_one_after_the_other_needs_one_thread(wait_until):
    gc.collect()
    wait_until(lambda: not names())

    async def story():
        for _ in range(50):
            await on_worker(lambda: None)
        return names()

    assert len(asyncio.run(story())) == 1


def test_a_piece_that_outlives_its_loop_is_nobodys_error(monkeypatch, wait_until):
    went_wrong, go = [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", went_wrong.append)

    async def story():
        waiting = asyncio.ensure_future(on_worker(go.wait))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(story())
    go.set()
    wait_until(lambda: not names(), what="the end of the thread")
    assert not went_wrong
