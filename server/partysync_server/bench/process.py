"""
Processes that the benchmark starts: each on its own, watched while it works, and gone when the benchmark is.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

START_SECONDS = 20.0
STOP_SECONDS = 5.0

_running: set[Process] = set()


class Failed(Exception):
    """A system could not be measured; the sentence says why, and goes into the report."""


class Process:
    """One program, and what it has used of the machine."""

    def __init__(self, command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self.began = time.perf_counter()
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                env={**os.environ, **(environment or {})},
                preexec_fn=_child if os.name == "posix" else None,  # noqa: PLW1509  # this process has no threads
            )
        _running.add(self)
        self._watched = psutil.Process(self._popen.pid)

    def say(self, line: str) -> None:
        """A line to its standard input."""
        if self._popen.stdin is None:
            raise TypeError("Its standard input is not ours.")
        self._popen.stdin.write(line.encode() + b"\n")
        self._popen.stdin.flush()

    def heard(self) -> str:
        """Its next line. Raises Failed when it has ended instead."""
        if self._popen.stdout is None:
            raise TypeError("Its standard output is not ours.")
        line = self._popen.stdout.readline().decode()
        if not line:
            raise Failed(f"{self._popen.args!r:.200} ended: {self.last_words()}")
        return line.strip()

    def last_words(self) -> str:
        """The end of what it said to its log."""
        return self.log.read_text(errors="replace")[-400:].strip() or "it said nothing"

    def answers(self, port: int) -> None:
        """Wait until it listens there."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            if self._popen.poll() is not None:
                raise Failed(f"It ended: {self.last_words()}")
            if time.monotonic() > deadline:
                raise Failed(f"It did not listen within {START_SECONDS:.0f} s: {self.last_words()}")
            time.sleep(0.003)

    def cpu(self) -> float:
        """Seconds of processor time so far, its threads together."""
        with contextlib.suppress(psutil.Error):
            times = self._watched.cpu_times()
            return float(times.user + times.system)
        return 0.0

    def memory(self) -> int:
        """Bytes that would be free if it ended."""
        with contextlib.suppress(psutil.Error):
            return int(self._watched.memory_full_info().uss)
        return 0

    def stop(self) -> None:
        """In good order, or else at once."""
        _running.discard(self)
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def stop_all() -> None:
    """Whatever still runs of what was started here."""
    for each in list(_running):
        each.stop()


atexit.register(stop_all)


def free_port() -> int:
    """A port of the loopback interface on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _child() -> None:
    """In the new process: it may have as many files as it is allowed, and ends when the benchmark is killed."""
    import resource  # noqa: PLC0415  # there is none on Windows

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
