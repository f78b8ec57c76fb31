"""
What somebody has who knows nothing of us: a new environment with the wheel and JupyterLab, and no configuration.

Two notebooks type ``ps.connect("x")``, and are in one room, of one server: Jupyter's own.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.e2e.conftest import LAB, Jupyter, Notebook, write
from tests.processes import processes, told_of

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

TOP = Path(__file__).parents[2]
ENTER = "import partysync_widget as ps\nroom = ps.connect('x')\nt = room.table('t', text=str)"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A new environment, with the versions that we have tested; what pip asks for it is what everybody gets."""
    folder = tmp_path_factory.mktemp("fresh")
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(hatchling, cwd=TOP, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    pinned = re.findall(r"(?m)^([a-z0-9.-]+==.*?) ?\\?$", (TOP / "requirements" / "dev.txt").read_text())
    (folder / "pinned.txt").write_text("\n".join(pinned))
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", folder / "pinned.txt"]
    done = subprocess.run([*pip, wheel, "jupyterlab"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"pip could not install the wheel and jupyterlab:\n{done.stderr}"
    return folder


def everything_in(home):
    """The environment of a person whose home is new, and who has set nothing."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


def servers_of(home):
    """Our own commands that run for whoever has this home."""
    found = []
    for pid in processes():
        of_home = f"HOME={home}\0".encode() in told_of(pid, "environ") + b"\0"
        command = told_of(pid, "cmdline").decode().split("\0")
        if of_home and "partysync_server" in command:
            found.append(command)
    return found


def test_two_notebooks_are_in_one_room_of_one_server_and_nobody_configured_it(fresh, serving, free_port, context):
    programs, home = fresh / "venv" / "bin", fresh / "home"
    (home / "work").mkdir(parents=True)
    here = subprocess.run([programs / "python", "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    for name in ("pytest", "playwright", "pandas", "jupyterhub"):  # nothing of a working copy has come along
        assert f"\n{name} " not in here
    port, token = free_port(), secrets.token_hex(16)
    lab = Jupyter(f"http://127.0.0.1:{port}", token, home / "work", everything_in(home))
    command = [
        programs / "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--port={port}",
        "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    answers = f"{lab.url}/api?token={token}"
    with serving(command, {**lab.environment, "JUPYTER_TOKEN": token}, home / "work", answers) as server:
        a, b = (Notebook(lab, LAB, context, write(home / "work" / f"{name}.ipynb", [ENTER, "t"])) for name in "ab")
        try:
            for each in (a, b):
                each.run_all()
            for each in (a, b):
                expect(each.grid.locator(".ps-status")).to_have_text("live", timeout=60_000)
            a.run("t.insert(id='r1', text='from A').result(10)")
            expect(b.cell("r1", "text")).to_have_text("from A", timeout=15_000)
            b.cell("r1", "text").dblclick()
            b.page.keyboard.press("Control+a")
            b.page.keyboard.type("from B")
            b.page.keyboard.press("Enter")
            expect(a.cell("r1", "text")).to_have_text("from B", timeout=15_000)

            [file] = (home / ".local" / "share" / "jupyter" / "runtime").glob("partysync-*.json")
            assert json.loads(file.read_text())["pid"] == server.pid
            assert servers_of(home) == []
            where = b.run("from partysync_widget.where import WhereApp; WhereApp().start()")
            assert f"→ the Jupyter Server that started this kernel (process {server.pid})" in where
        finally:
            a.end()
            b.end()
    assert [path.name for path in home.rglob("*partysync*") if path.suffix != ".json"] == ["partysync"]
