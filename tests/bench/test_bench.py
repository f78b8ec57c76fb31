"""The benchmark: it measures what it says, says it the right way round, and leaves nothing behind."""

import json
import os
import socket
import subprocess
import sys
import threading

import psutil
import pytest

from partysync_server.bench.crowd import MARK, text
from partysync_server.bench.line import Cut, Line
from partysync_server.bench.plan import Cell
from partysync_server.bench.process import Failed, Process, stop_all
from partysync_server.bench.report import ratio
from partysync_server.bench.workloads import WORKLOADS, Metric, Sample, shown


def bench(folder, *options):
    command = [sys.executable, "-m", "partysync_server", "bench", "--out", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_quick_run_measures_and_leaves_nothing(tmp_path, isolated):
    done = bench(tmp_path, "--quick", "--only", "write,rebase,start", "--systems", "ours,bare,sqlite")

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "performance.json").read_text())
    measured = {(each["workload"], each["system"]) for each in results["results"] if each["rounds"]}
    assert {
        ("write", "ours"),
        ("write", "bare"),
        ("write", "sqlite"),
        ("rebase", "ours"),
        ("start", "bare"),
    } <= measured
    assert all(each["durable"] for each in results["results"])
    assert results["machine"]["cores"]
    assert results["software"]["sqlite"]
    page = (tmp_path / "performance.md").read_text()
    assert "| PartySync |" in page
    assert "COMMIT with synchronous=FULL" in page
    assert "frame" in done.stdout
    ours = [
        each
        for each in psutil.process_iter(["cmdline", "ppid"])
        if str(tmp_path) in " ".join(each.info["cmdline"] or [])
    ]
    assert not ours


def test_the_list_names_every_workload_and_system():
    said = subprocess.run(
        [sys.executable, "-m", "partysync_server", "bench", "--list"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip

    assert all(name in said for name in (*WORKLOADS, "ours", "bare", "pycrdt", "tinybase", "y-websocket", "sqlite"))


def test_a_name_that_there_is_not_is_told_with_those_that_there_are(tmp_path):
    done = bench(tmp_path, "--only", "wirte")

    assert done.returncode == 1
    assert "wirte" in done.stderr
    assert "write-alone" in done.stderr


def test_a_ratio_above_one_is_ahead_whichever_way_the_metric_goes():
    def cell(system, value):
        return Cell(WORKLOADS["write"], 0, system, [Sample({"n": value})])

    assert ratio(cell("ours", 300.0), cell("bare", 100.0), Metric("n", "a second", more=True)) == 3
    assert ratio(cell("ours", 3.0), cell("bare", 1.0), Metric("n", "ms")) == pytest.approx(1 / 3)
    assert ratio(None, cell("bare", 1.0), Metric("n", "ms")) is None


def test_figures_are_shown_with_three_digits():
    assert [shown(value) for value in (None, 0.12345, 12.345, 123456.0)] == ["failed", "0.123", "12.3", "123,000"]


def test_every_row_is_marked_once():
    (mark,) = MARK.findall(text(7).encode())

    assert len(mark) == 19


@pytest.fixture
def wire():
    """A line, and the socket of a server at its other end that has said yes."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        ends = []

        def answer():
            end, _ = door.accept()
            end.recv(1 << 16)
            end.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            ends.append(end)

        thread = threading.Thread(target=answer)
        thread.start()
        line = Line(door.getsockname()[1], "/")
        thread.join()
        yield line, ends[0]
        line.close()
        ends[0].close()


def frame(payload, opcode=1):
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 1 << 16:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


@pytest.mark.parametrize("piece", [1, 7, 1000, 1 << 20])
def test_a_line_cuts_what_comes_in_into_messages_wherever_it_is_torn(wire, wait_until, piece):
    line, end = wire
    sizes = (0, 1, 125, 126, 300) if piece == 1 else (0, 1, 125, 126, 65_535, 65_536, 100_000)
    sent = [b"x" * size for size in sizes]
    raw = b"".join(frame(payload) for payload in sent)
    got = []

    for at in range(0, len(raw), piece):
        end.sendall(raw[at : at + piece])
        got += line.receive()
    wait_until(lambda: got.extend(line.receive()) or len(got) == len(sent))

    assert got == sent


def test_a_line_answers_pings_and_says_when_it_is_cut(wire, wait_until):
    line, end = wire
    end.sendall(frame(b"are you there", 9))
    wait_until(lambda: line.receive() or line.received > 0)
    pong = end.recv(100)
    end.sendall(frame(b"\x03\xe8bye", 8))

    assert pong == bytes([0x8A, 0x80 | 13, 0, 0, 0, 0]) + b"are you there"
    with pytest.raises(Cut, match="bye"):
        wait_until(line.receive)


def test_what_was_started_is_stopped(tmp_path):
    process = Process([sys.executable, "-c", "print('here', flush=True); input()"], tmp_path / "log")
    assert process.heard() == "here"
    pid = process._popen.pid

    stop_all()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_what_was_started_ends_when_the_benchmark_is_killed(tmp_path, isolated, wait_until):
    command = [sys.executable, "-m", "partysync_server", "bench", "--only", "delay", "--systems", "ours"]
    environment = {**isolated, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=environment) as run:
        (server,) = wait_until(psutil.Process(run.pid).children, 30)
        run.kill()

        wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_a_system_that_does_not_start_says_why(tmp_path):
    process = Process([sys.executable, "-c", "import sys; sys.exit('no disk today')"], tmp_path / "log")

    with pytest.raises(Failed, match="no disk today"):
        process.heard()
    process.stop()
