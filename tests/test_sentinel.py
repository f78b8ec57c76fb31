"""The search for the secret finds it wherever it is planted; and what a person may look at does not hold it."""

import os
import subprocess
import sys

import pytest

import partysync_widget as ps
from partysync_widget.widget import TableWidget
from tests.sentinel import SENTINEL

ANOTHER = "another-that-no-log-may-hold"  # or a test that ends beside this one would find it
PLANTED = f"""
import logging, subprocess, sys, sqlite3
S = {ANOTHER!r}
def test_printed(): print(S)
def test_logged(): logging.getLogger("x").warning("to %s", S)
def test_raised(): raise ValueError(S)
def test_listed(request):
    command = [sys.executable, "-c", "import time; time.sleep(60)", "partysync_server", S]
    process = subprocess.Popen(command)
    request.addfinalizer(lambda: (process.kill(), process.wait()))
    while S not in open(f"/proc/{{process.pid}}/cmdline").read(): pass
def test_saved(tmp_path): (tmp_path / "saved.ipynb").write_text("x" * ((1 << 20) - 5) + S)
def test_kept(tmp_path):
    base = sqlite3.connect(tmp_path / "kept.sqlite")
    base.execute("CREATE TABLE t AS SELECT ? AS x", [S])
    base.commit()
def test_by_design(tmp_path): (tmp_path / "partysync-1.json").write_text(S)
"""


def test_the_secret_is_found_wherever_it_is_planted(tmp_path):
    """R13. Or that it was found nowhere would prove nothing."""
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED.replace(repr(ANOTHER), f"{ANOTHER[:9]!r} + {ANOTHER[9:]!r}"))
    command = [sys.executable, "-m", "pytest", "-p", "tests.sentinel", "-p", "no:cacheprovider", "-q", str(planted)]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "base")],
        cwd=tmp_path, env={**os.environ, "PARTYSYNC_TESTS_SECRET": ANOTHER},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stdout

    assert done.returncode == 1, said + done.stderr
    assert ANOTHER not in said
    for place in (
        "its captured stdout call of test_planted.py::test_printed.",
        "its captured log call",
        "its report of test_planted.py::test_raised.",
        "the command line of process",
        "saved.ipynb.",
        "kept.sqlite.",
    ):
        assert place in said, said
    assert "partysync-1.json" not in said
    assert "4 failed, 3 passed" in said


def test_what_a_person_may_look_at_does_not_hold_the_secret(server, enter, run_python):
    """R13. Texts of objects, the state of a widget as a notebook saves it, a refusal, and what `where` says."""
    room = enter()
    table = room.table("t", x=int)
    table.insert(x=1).result(8)
    widget = TableWidget(table)
    with pytest.raises(ps.PermissionDenied) as refused:
        enter("x", token=SENTINEL + "-not")
    environment = {**os.environ, "PARTYSYNC_URL": server.url, "PARTYSYNC_TOKEN": SENTINEL}
    where = run_python("from partysync_server.cli import main; main(['where'])", environment=environment)
    shown = [room, room.connection, vars(room), vars(room.connection), table, widget, widget.get_state(), refused.value]

    assert server.url in where
    assert SENTINEL not in where
    assert not [type(each) for each in shown if SENTINEL in repr(each) + str(each)]
