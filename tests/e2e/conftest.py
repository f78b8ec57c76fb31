"""
A real JupyterLab in a real Chromium: one server and one browser for all tests, notebooks of their own for each.

The Lab has folders of its own for everything, so it finds no server, no setting and no room but its own; what it starts
is stopped by process id.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

SECONDS = 60  # to wait for anything here, at most; a cold Lab on a small machine takes a quarter of that
RESULTS = Path(__file__).parents[2] / "test-results"


@pytest.fixture(scope="session")
def chromium():
    """The browser's path. Where there is none the tests are skipped, except in CI, where that would hide them."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = "No Chromium on this machine: none of chromium, chromium-browser, google-chrome is on the PATH."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@dataclass
class Lab:
    url: str
    token: str
    folder: Path


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    made = Lab(f"http://127.0.0.1:{free_port()}", secrets.token_hex(16), notebooks)
    environment = {
        **os.environ,
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_TOKEN": made.token,  # in the environment, not in the list of processes
        "PARTYSYNC_DATA": str(folder / "rooms"),
    }
    for name in ("PARTYSYNC_URL", "PARTYSYNC_TOKEN", "JPY_PARENT_PID"):
        environment.pop(name, None)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        f"--port={made.url.rpartition(':')[2]}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}",
        "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with (folder / "lab.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            wait_for(f"{made.url}/api?token={made.token}", process, folder / "lab.log")
            yield made
        finally:
            process.send_signal(signal.SIGTERM)  # it stops its kernels, and asks nobody
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            for file in (folder / "runtime").glob("partysync-*.json"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it stopped by itself meanwhile
                    os.kill(json.loads(file.read_text())["pid"], signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)  # nothing announces that a port is open
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


class Notebook:
    """A notebook in a page of its own, with a kernel of its own."""

    def __init__(self, lab, browser, name, cells):
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(made, lab.folder / f"{name}.ipynb")
        self.name = name
        self.context = browser.new_context(viewport={"width": 1100, "height": 800})
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{lab.url}/lab/workspaces/{name}/tree/{name}.ipynb?token={lab.token}&reset")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        # Running at once would open the dialog that asks for a kernel.
        self.page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )

    @property
    def grid(self):
        return self.page.locator(".jp-OutputArea .ps-table").last

    def cell(self, row, column):
        return self.grid.locator(f'[role=row][data-id="{row}"] [role=gridcell][data-column="{column}"]')

    def row(self, row):
        return self.grid.locator(f'[role=row][data-id="{row}"]')

    def run_all(self):
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    def start(self, code):
        """Run code in a new last cell, and do not wait for it."""
        self.page.evaluate(
            """(code) => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.model.sharedModel.addCell({cell_type: "code", source: code});
                notebook.activeCellIndex = notebook.widgets.length - 1;
                window.jupyterapp.commands.execute("notebook:run-cell");
            }""",
            code,
        )

    def run(self, code):
        """What the code prints."""
        self.start(f"{code}\nprint('the end')")
        return self.page.wait_for_function(
            """() => {
                const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
                const outputs = cells[cells.length - 1].toJSON().outputs;
                const said = outputs.map((each) => each.text ?? each.traceback ?? []).flat().join("");
                return said.includes("the end") || outputs.some((each) => each.output_type === "error") ? said : false;
            }"""
        ).json_value()

    def screenshot(self, name):
        RESULTS.mkdir(exist_ok=True)
        self.page.screenshot(path=RESULTS / f"{name}.png")


@pytest.fixture
def notebook(lab, browser):
    """Opens notebooks; each call is another kernel."""
    opened = []

    def notebook(*cells):
        opened.append(Notebook(lab, browser, f"n{secrets.token_hex(4)}", cells))
        return opened[-1]

    yield notebook
    for each in opened:
        errors = [error for error in each.errors if "partysync" in error.lower() or "anywidget" in error.lower()]
        each.page.evaluate("() => window.jupyterapp.shell.currentWidget?.sessionContext.shutdown()")
        each.context.close()
        assert errors == []
