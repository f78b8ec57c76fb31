"""
One secret for all servers of these tests, and the search for it where no secret may be (R13).

It is looked for in all that a test printed, logged and raised, in the process list after each test, and at the end of
the session in every file that the tests have left. Where it is found, the test or the session fails, and says where.
"""

import os
import stat

import pytest

from tests.processes import processes, told_of

SENTINEL = os.environ.get("PARTYSYNC_TESTS_SECRET", "a-token-that-no-log-may-hold")
OURS = (b"partysync_server", b"ipykernel", b"jupyter", b"marimo")  # programs that tests themselves write have their own
BLOCK = 1 << 20


def holds(path):
    """Whether the secret stands in the file, plainly."""
    secret, kept = SENTINEL.encode(), b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            if secret in kept + block:
                return True
            kept = block[-len(secret) :]
    return False


def by_design(path):
    """Runtime files: for the kernels of the user, and of nobody else."""
    return path.name.startswith("partysync-") and path.suffix == ".json"


def leaks(folder):
    """Files below a folder that hold the secret."""
    found = []
    for path in folder.rglob("*"):
        try:
            if stat.S_ISREG(path.lstat().st_mode) and not by_design(path) and holds(path):
                found.append(path)
        except OSError:  # gone meanwhile
            continue
    return found


def told():
    """Programs of ours that have the secret on their command line, where all users of the machine see it."""
    for pid in processes():
        command = told_of(pid, "cmdline")
        if SENTINEL.encode() in command and any(name in command for name in OURS):
            yield f"the command line of process {pid}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    said = [(f"its {name.lower()}", text) for name, text in report.sections if name.endswith(call.when)] + [
        ("its report", report.longreprtext)
    ]
    places = [place for place, text in said if SENTINEL in text]
    if call.when == "call":
        places += told()
    if places:
        report.outcome = "failed"
        report.longrepr = f"The secret of the tests is in {', '.join(places)} of {item.nodeid}."
        report.sections = []
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return  # one of several, whose files lie below those of the session that has begun them
    factory = getattr(session.config, "_tmp_path_factory", None)
    base = getattr(factory, "_basetemp", None)  # not made for this question
    found = leaks(base) if base else []
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        for path in found:
            terminal.write_line(f"\nThe secret of the tests is in the file {path.relative_to(base)}.", red=True)
