"""
``make demo``: JupyterLab on two notebooks, side by side, that share one room of penguins.

Starts a Lab of its own in a folder of its own (settings, notebooks, room: all gone when it stops), runs each notebook
once in a kernel of that Lab, and opens the browser on both. Lab finds the kernels running and shows their grids live,
so nobody has to click Run first. ``--check`` makes an edit on each side, sees it on the other, and stops.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from tornado.httpclient import HTTPClient

HERE = Path(__file__).parent
NOTEBOOKS = ("02-two-kernels-a.ipynb", "02-two-kernels-b.ipynb")
START = 90  # seconds; a first start on a cold machine compiles a good deal of Python
CELL = 60  # seconds; no cell of the demo takes a tenth of that


class DemoFailed(Exception):
    """Something that should work on every machine did not; the message says what."""


@dataclass
class Lab:
    """A running JupyterLab and how to talk to it."""

    folder: Path
    url: str
    token: str

    @property
    def address(self) -> str:
        return f"{self.url}lab/workspaces/partysync?{urlencode({'token': self.token})}"

    def call(self, method: str, path: str, content: object = None) -> Any:
        """What the REST API answers."""
        client = HTTPClient()
        try:
            answer = client.fetch(
                f"{self.url}{path}",
                method=method,
                headers={"Authorization": f"token {self.token}"},
                body=None if content is None else json.dumps(content),
                allow_nonstandard_methods=True,
            )
        finally:
            client.close()
        return json.loads(answer.body) if answer.body else None

    def open(self, name: str) -> Kernel:
        """The kernel of a notebook, started as Lab starts it: Lab will find it under the notebook's path."""
        kernel = {"name": "python3"}
        session = self.call("POST", "api/sessions", {"path": name, "name": name, "type": "notebook", "kernel": kernel})
        client = BlockingKernelClient(
            connection_file=str(self.folder / "runtime" / f"kernel-{session['kernel']['id']}.json")
        )
        client.load_connection_file()
        client.start_channels()
        wait_for_kernel(client)
        return Kernel(name, client)

    def save(self, name: str, notebook: nbformat.NotebookNode) -> None:
        """Save a notebook as trusted, or Lab would not draw its widgets."""
        for cell in notebook.cells:
            if cell.cell_type == "code":  # the mark on any other cell would be signed, and spoil the signature
                cell.metadata["trusted"] = True
        self.call("PUT", f"api/contents/{name}", {"type": "notebook", "content": notebook})


def wait_for_kernel(client: BlockingKernelClient) -> None:
    """Until it answers. To the client a heart that is a second late has stopped: on a busy machine, ask again."""
    deadline = time.monotonic() + START
    while True:
        try:
            return client.wait_for_ready(timeout=deadline - time.monotonic())
        except RuntimeError:
            if time.monotonic() > deadline:
                raise


@dataclass
class Kernel:
    name: str
    client: BlockingKernelClient

    def run(self, code: str) -> list[nbformat.NotebookNode]:
        """The outputs of a piece of code. Raises DemoFailed, with the traceback, if it raises."""
        outputs: list[nbformat.NotebookNode] = []

        def keep(message: dict[str, Any]) -> None:
            if message["header"]["msg_type"] in {"stream", "display_data", "execute_result", "error"}:
                outputs.append(nbformat.v4.output_from_msg(message))  # type: ignore[no-untyped-call]

        reply = self.client.execute_interactive(code, output_hook=keep, allow_stdin=False, timeout=CELL)
        if reply["content"]["status"] != "ok":
            raise DemoFailed(f"{self.name}:\n" + "\n".join(reply["content"].get("traceback", ["interrupted"])))
        return outputs

    def run_notebook(self, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
        """The notebook, with outputs."""
        count = 0
        for cell in notebook.cells:
            if cell.cell_type == "code":
                count += 1
                cell.outputs, cell.execution_count = self.run(cell.source), count
        return notebook

    def ask(self, expression: str) -> str:
        """The repr of what an expression gives once everything decided has arrived."""
        outputs = self.run(f"room.sync(10)\n{expression}")
        return str(outputs[-1]["data"]["text/plain"]) if outputs else ""


@contextlib.contextmanager
def running_lab(port: int | None = None) -> Iterator[Lab]:
    """A JupyterLab that shares nothing with the user's own, stopped and swept away on exit."""
    with tempfile.TemporaryDirectory(prefix="partysync-demo-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        work = folder / "notebooks"
        work.mkdir()
        settings = folder / "config" / "labconfig"
        settings.mkdir(parents=True)
        quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        (settings / "page_config.json").write_text(json.dumps(quiet))
        token = secrets.token_hex(24)
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "JUPYTER_TOKEN": token,  # not an argument: those are for every user of the machine to read
            "PARTYSYNC_DATA": str(folder / "rooms"),
        }
        environment.pop("PARTYSYNC_URL", None)  # this demo starts its own server
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.root_dir={work}", f"--ServerApp.port={port or 8888}"]
        if port is None:
            command += ["--ServerApp.port_retries=200"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command += ["--allow-root"]
        with (folder / "lab.log").open("w") as log:
            process = subprocess.Popen(
                command, env=environment, cwd=work, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us; we stop Lab in order
            )  # fmt: skip
        try:
            yield Lab(folder, wait_for_url(process, folder), token)
        finally:
            stop(process, folder / "runtime")


def wait_for_url(process: subprocess.Popen[bytes], folder: Path) -> str:
    file = folder / "runtime" / f"jpserver-{process.pid}.json"  # written when the port is bound
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # not there yet, or not whole yet
            return str(json.loads(file.read_text())["url"])
        time.sleep(0.05)
    raise DemoFailed("JupyterLab did not start. Its last words:\n" + (folder / "lab.log").read_text()[-2000:])


def stop(lab: subprocess.Popen[bytes], runtime: Path) -> None:
    """Stop Lab, which stops its kernels, and then the room server that a kernel started."""
    lab.terminate()
    try:
        lab.wait(timeout=20)
    except subprocess.TimeoutExpired:
        lab.kill()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # none was started, or it stopped by itself
        server = json.loads((runtime / "partysync-local.json").read_text())["pid"]
        os.kill(server, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:  # it closes its rooms: the folder must not go before
            os.kill(server, 0)
            time.sleep(0.02)


def side_by_side() -> dict[str, Any]:
    """A Lab workspace: the notebooks left and right, the side bars folded."""
    tabs = [f"notebook:{name}" for name in NOTEBOOKS]
    areas = [{"type": "tab-area", "currentIndex": 0, "widgets": [tab]} for tab in tabs]
    dock = {"type": "split-area", "orientation": "horizontal", "sizes": [0.5, 0.5], "children": areas}
    folded = {"collapsed": True, "visible": True, "widgets": []}
    layout = {
        "main": {"dock": dock, "current": tabs[0]},
        "left": folded,
        "right": folded,
        "relativeSizes": [0, 1, 0],
    }
    opened = {tab: {"data": {"path": name, "factory": "Notebook"}} for tab, name in zip(tabs, NOTEBOOKS, strict=True)}
    return {"data": {"layout-restorer:data": layout, **opened}, "metadata": {"id": "partysync"}}


@contextlib.contextmanager
def running_demo(port: int | None = None) -> Iterator[tuple[Lab, Kernel, Kernel]]:
    """The demo, ready to be looked at: Lab, and the kernels of the two notebooks, which have run."""
    with running_lab(port) as lab:
        kernels = []
        for name in NOTEBOOKS:
            notebook = nbformat.read(HERE / name, as_version=4)  # type: ignore[no-untyped-call]
            lab.save(name, notebook)
            kernel = lab.open(name)
            lab.save(name, kernel.run_notebook(notebook))
            kernels.append(kernel)
        lab.call("PUT", "lab/api/workspaces/partysync", side_by_side())
        a, b = kernels
        yield lab, a, b


def check(a: Kernel, b: Kernel) -> None:
    """Raises DemoFailed unless each notebook shows what the other did."""
    rows = a.ask("len(penguins)")
    expect(b.ask("len(penguins)") == rows and int(rows) >= 344, f"A has {rows} penguins, B {b.ask('len(penguins)')}")
    a.run("penguins.insert(id='checked', species='Rockhopper', island='made by A').result(10)")
    expect(b.ask("penguins['checked']['island']") == "'made by A'", "B does not see the row A inserted")
    b.run("penguins.update('checked', island='changed by B').result(10)")
    expect(a.ask("penguins['checked']['island']") == "'changed by B'", "A does not see the edit B made")
    b.run("penguins.delete('checked').result(10)")
    expect(a.ask("'checked' in penguins") == "False", "A still has the row B deleted")
    expect(a.ask("penguins.records") == b.ask("penguins.records"), "the two tables differ")


def expect(fact: bool, otherwise: str) -> None:  # noqa: FBT001 - the fact is the point of the call
    if not fact:
        raise DemoFailed(otherwise)


def show(address: str, *, browser: bool) -> None:
    """Open the address in the user's browser if there is one to open; say it in any case."""
    screen = sys.platform in {"win32", "darwin"} or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    opened = browser and screen and webbrowser.open(address)
    print(f"\n  {'Opened in your browser' if opened else 'Open in a browser'}: {address}\n")
    print("  Two notebooks, two kernels, one table. Edit a cell on one side and watch the other; change a code cell")
    print("  and run it again. Ctrl-C here stops everything and removes the demo's folder.\n", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make demo", description="Two notebooks that share one room of penguins.")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.add_argument("--port", type=int, help="the port of JupyterLab (default: the first free one from 8888)")
    parser.add_argument("--check", action="store_true", help="see that each notebook saw the other's edits, and stop")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leave through the finally clauses
    print("Starting JupyterLab and running both notebooks ...", flush=True)
    try:
        with running_demo(options.port) as (lab, a, b):
            if options.check:
                check(a, b)
                print(f"The demo works: {a.ask('len(penguins)')} penguins in two notebooks, edits seen both ways.")
            else:
                show(lab.address, browser=not options.no_browser)
                signal.pause()
    except DemoFailed as error:
        print(f"The demo failed. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
