"""
A real Jupyter in a real Chromium: one server and one browser for all tests, notebooks and kernels for each its own.

The server serves JupyterLab and Notebook 7, and has folders of its own for everything, so it finds no server, setting
or room but its own; what it starts is stopped by process id. A test runs in Lab, or in each front end that it names:

    @pytest.mark.front_ends("lab", "notebook7")
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
LAB = "/lab/workspaces/{tab}/tree/{file}?reset&token={token}"
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


def pytest_configure(config):
    config.addinivalue_line("markers", "front_ends(*names): run in each of them, lab and notebook7, instead of in lab")


def pytest_generate_tests(metafunc):
    if "front_end" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("front_ends")
        metafunc.parametrize("front_end", mark.args if mark else ["lab"], indirect=True)


@dataclass
class Jupyter:
    url: str
    token: str
    folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="session")
def jupyter(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_TOKEN": token,  # in the environment, not in the list of processes
        "PARTYSYNC_DATA": str(folder / "rooms"),
    }
    for name in ("PARTYSYNC_URL", "PARTYSYNC_TOKEN", "JPY_PARENT_PID"):
        environment.pop(name, None)
    made = Jupyter(f"http://127.0.0.1:{free_port()}", token, notebooks, environment)
    command = [
        sys.executable, "-m", "notebook", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        f"--port={made.url.rpartition(':')[2]}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}",
        "--JupyterNotebookApp.expose_app_in_browser=True", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with serving(command, environment, folder, f"{made.url}/api?token={token}"):
        yield made


@contextlib.contextmanager
def serving(command, environment, folder, url):
    """A server that runs in ``folder`` and answers at ``url``; the room server of its kernels ends with it."""
    log = folder / "server.log"
    with log.open("w") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, cwd=folder)
        try:
            wait_for(url, process, log)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)  # Jupyter stops its kernels, and asks nobody
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
    pytest.fail(f"The server did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session", name="serving")
def _serving(chromium):
    """For servers beside Jupyter."""
    return serving


@pytest.fixture(scope="session", name="free_port")
def _free_port():
    return free_port


@pytest.fixture(scope="session")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def context(browser):
    """What the pages share is the browser's cache; without it each of them would load all of Lab anew."""
    made = browser.new_context(viewport={"width": 1100, "height": 800})
    made.new_page()
    yield made
    made.close()


@pytest.fixture
def front_end(request):
    """``lab`` or ``notebook7``: the address of a notebook in it."""
    return LAB if request.param == "lab" else "/notebooks/{file}?token={token}"


class Notebook:
    """A notebook in a page of its own. It loads while the test goes on, until the first thing that needs it loaded."""

    def __init__(self, jupyter, front_end, context, file):
        self.file = file
        # A window of its own: of the tabs of one window Chromium draws only that in front, the others once a second.
        with context.expect_page() as opened:
            context.pages[0].evaluate("() => { open('about:blank', '', 'popup') }")
        self.page = opened.value
        self.page.set_default_timeout(SECONDS * 1000)
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        path = front_end.format(tab=secrets.token_hex(4), file=file.name, token=jupyter.token)
        self.page.goto(jupyter.url + path, wait_until="commit")

    def loaded(self):
        """Wait for the notebook and for its kernel: running at once would open the dialog that asks for one."""
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.wait_for_function(
            "['idle', 'busy'].includes(window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status)"
        )

    @property
    def grid(self):
        return self.page.locator(".jp-OutputArea .ps-table").last

    def cell(self, row, column):
        return self.grid.locator(f'[role=row][data-id="{row}"] [role=gridcell][data-column="{column}"]')

    def row(self, row):
        return self.grid.locator(f'[role=row][data-id="{row}"]')

    def command(self, name):
        """Give a command of the front end's, and do not wait for its end."""
        self.loaded()
        self.page.evaluate("(name) => { window.jupyterapp.commands.execute(name) }", name)

    def run_all(self):
        self.command("notebook:run-all-cells")

    def save(self):
        self.loaded()
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def start(self, code):
        """Run code in a new last cell, and do not wait for it."""
        self.loaded()
        self.page.evaluate(
            """(code) => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.model.sharedModel.addCell({cell_type: "code", source: code});
                notebook.activeCellIndex = notebook.widgets.length - 1;
                window.lastRun = window.jupyterapp.commands.execute("notebook:run-cell");
            }""",
            code,
        )

    def run(self, code):
        """What the code prints. Lab has done with it then: when a run ends it may take the focus."""
        self.start(f"{code}\nprint('the end')")
        self.page.evaluate("() => window.lastRun")
        return self.page.wait_for_function(
            """() => {
                const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
                const outputs = cells[cells.length - 1].toJSON().outputs;
                const said = outputs.map((each) => each.text ?? each.traceback ?? []).flat().join("");
                return said.includes("the end") || outputs.some((each) => each.output_type === "error") ? said : false;
            }"""
        ).json_value()

    def end(self):
        """End the kernel, and close the page."""
        if not self.page.is_closed():
            self.page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext.shutdown()")
            self.page.close()

    def screenshot(self, name):
        RESULTS.mkdir(exist_ok=True)
        self.page.screenshot(path=RESULTS / f"{name}.png")


def write(file, cells):
    """A notebook of code cells: sources, or cells that have outputs already."""
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    )
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, file)
    return file


@pytest.fixture
def notebook(jupyter, front_end, context):
    """Opens notebooks: a new one, on a new kernel, of the cells given; or one more tab on a ``file``."""
    opened = []

    def notebook(*cells, file=None):
        file = file or write(jupyter.folder / f"n{secrets.token_hex(4)}.ipynb", cells)
        opened.append(Notebook(jupyter, front_end, context, file))
        return opened[-1]

    yield notebook
    errors = []
    for each in opened:
        errors += [error for error in each.errors if "partysync" in error.lower() or "anywidget" in error.lower()]
        each.end()
    assert errors == []


@pytest.fixture(scope="module")
def module_notebook(jupyter, context):
    """As ``notebook``, in Lab, for tests that share one because they leave no trace in it."""
    opened = []

    def notebook(*cells):
        file = write(jupyter.folder / f"n{secrets.token_hex(4)}.ipynb", cells)
        opened.append(Notebook(jupyter, LAB, context, file))
        return opened[-1]

    yield notebook
    for each in opened:
        each.end()
