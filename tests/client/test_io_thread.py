"""The I/O thread: one per process, never in anybody's way; and the voices, which speak where they were registered."""

import asyncio
import contextvars
import threading
import time

import pytest

from partysync_widget.io_thread import Voice, io_loop, on_io_thread, spawn

cell = contextvars.ContextVar("cell", default="none")


def in_cell(name, function):
    def run():
        cell.set(name)
        return function()

    return contextvars.copy_context().run(run)


def test_there_is_one_loop_on_one_daemon_thread():
    loops = []
    threads = [threading.Thread(target=lambda: loops.append(io_loop())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(8)

    assert len(set(loops)) == 1
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "partysync-io"]
    assert thread.daemon


def test_who_is_on_it_knows():
    async def ask():
        return on_io_thread()

    assert spawn(ask()).result(8) is True
    assert on_io_thread() is False


def test_it_goes_on_while_the_kernel_is_busy():
    """R12. In Python, and in C code that lets go of the interpreter's lock."""

    async def tick():
        ticks = []
        while not done.is_set():
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)
        return ticks

    done = threading.Event()
    ticking = spawn(tick())
    begun = time.monotonic()
    time.sleep(0.5)  # a cell that waits
    slept = time.monotonic()
    while time.monotonic() < slept + 0.5:  # a cell that computes
        sum(range(100))
    ended = time.monotonic()
    done.set()
    ticks = ticking.result(8)

    assert sum(begun < tick < slept for tick in ticks) > 20
    assert sum(slept < tick < ended for tick in ticks) > 10


@pytest.mark.parametrize(("before", "after"), [(0.005, 0.001), (0.0001, 0.0001)])
def test_a_busy_thread_lets_it_in_after_a_millisecond_or_whatever_less_somebody_has_set(run_python, before, after):
    code = "import sys; sys.setswitchinterval(float(sys.argv[1])); from partysync_widget.io_thread import io_loop; "
    said = run_python(code + "io_loop(); print(round(sys.getswitchinterval(), 6))", before)

    assert float(said) == after


def test_a_voice_keeps_order_and_context_where_no_loop_runs(wait_until):
    said = []
    first, second = in_cell("first", Voice), in_cell("second", Voice)
    for n in range(50):
        first.call(lambda n=n: said.append((cell.get(), n)))
        second.call(lambda n=n: said.append((cell.get(), n)))
    wait_until(lambda: len(said) == 100)

    assert said == [(name, n) for n in range(50) for name in ("first", "second")]


def test_a_voice_speaks_on_the_loop_it_was_registered_on():
    """So that what it prints lands in the cell that registered it, and never beside a running cell."""

    async def kernel():
        voice, said, thread = in_cell("a cell", Voice), [], threading.current_thread()
        everything = asyncio.Event()

        def say(n):
            said.append((n, cell.get(), threading.current_thread() is thread))
            if n == 9:
                everything.set()

        speaking = threading.Thread(target=lambda: [voice.call(say, n) for n in range(10)])
        speaking.start()
        speaking.join(8)
        assert said == []  # the cell is still running
        await asyncio.wait_for(everything.wait(), 8)
        return said

    assert asyncio.run(kernel()) == [(n, "a cell", True) for n in range(10)]


def test_a_voice_outlives_its_loop(wait_until):
    """As in a script that ran ``asyncio.run`` once."""

    async def register():
        return Voice()

    voice, said = asyncio.run(register()), []
    voice.call(said.append, "still here")

    wait_until(lambda: said == ["still here"])


def test_a_voice_registered_on_the_io_thread_speaks_elsewhere(wait_until):
    """A person's callback could wait there for itself."""

    async def register():
        return Voice()

    said = []
    spawn(register()).result(8).call(lambda: said.append(on_io_thread()))

    wait_until(lambda: said == [False])


def test_a_context_is_not_entered_twice(wait_until):
    """A callback that waits may be called again meanwhile by another voice of the same cell."""
    said = []

    async def kernel():
        voice, other = in_cell("a cell", lambda: (Voice(), Voice()))
        voice.call(lambda: said.append(cell.get()))
        other.call(lambda: said.append(cell.get()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(kernel())
    wait_until(lambda: said == ["a cell"] * 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_one_callback_is_told_and_not_the_last_word(wait_until, monkeypatch):
    told, said = [], []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    voice = Voice()
    voice.call(lambda: 1 / 0)
    voice.call(said.append, "after")

    wait_until(lambda: said == ["after"])
    assert told == [ZeroDivisionError]


def test_after_a_fork_there_is_a_new_one(run_python):
    said = run_python("""
import os
from partysync_widget.io_thread import io_loop, on_io_thread, spawn, Voice
async def where():
    return on_io_thread()
assert spawn(where()).result(8)
before = io_loop()
if os.fork() == 0:
    heard = []
    assert io_loop() is not before and spawn(where()).result(8)
    Voice().call(lambda: print("child", flush=True))
    while not heard:
        Voice().call(heard.append, 1)
    os._exit(0)
os.wait()
assert io_loop() is before and spawn(where()).result(8)
print("parent")
""")

    assert said == "child\nparent\n"
