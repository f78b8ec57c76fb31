"""The wheel holds both packages and all they read; the lock pins all that is asked for, and names no registry."""

import gzip
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = "".join((ROOT / "requirements" / name).read_text() for name in ("dev.txt", "bench.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

BUNDLES = 45 * 1024  # bytes of the browser side, compressed
PAGE, PAGE_BYTES = ("page.js", "page.css"), 48 * 1024


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_every_file_of_both_packages(wheel):
    def files(folder: Path) -> set[str]:
        return {
            path.relative_to(folder.parent).as_posix()
            for path in folder.glob("**/*")
            if path.is_file() and "__pycache__" not in path.parts and path.name != ".sources"
        }

    inside = {name for name in wheel.namelist() if ".dist-info/" not in name and ".data/" not in name}

    assert inside == files(ROOT / "partysync_widget") | files(ROOT / "server" / "partysync_server")
    assert {"partysync_widget/py.typed", "partysync_server/py.typed"} <= inside
    assert {f"partysync_widget/static/{name}" for name in ("channel.js", "grid.js", "grid.css", "page.js")} <= inside


def test_the_wheel_enables_the_extension_of_jupyter_server(wheel):
    """Installing it is all that has to be done; the file is the one that the tests of the extension use."""
    (name,) = (name for name in wheel.namelist() if ".data/" in name)

    assert name.endswith(".data/data/etc/jupyter/jupyter_server_config.d/partysync_server.json")
    assert json.loads(wheel.read(name)) == {"ServerApp": {"jpserver_extensions": {"partysync_server": True}}}
    assert wheel.read(name) == (ROOT / "jupyter-config" / "partysync_server.json").read_bytes()


def test_the_browser_side_is_small(wheel):
    """It travels in every comm_open and is kept in every saved notebook."""
    names = ("channel.js", "grid.js", "grid.css")
    sizes = {name: len(gzip.compress(wheel.read(f"partysync_widget/static/{name}"), 9)) for name in names}

    assert sum(sizes.values()) <= BUNDLES, sizes


def test_a_page_is_small(wheel):
    """It is the grid and the web client, and little more: it loads on a wall's own slow line."""
    sizes = {name: len(gzip.compress(wheel.read(f"partysync_widget/static/{name}"), 9)) for name in PAGE}

    assert sum(sizes.values()) <= PAGE_BYTES, sizes


def test_the_wheel_installs_the_command(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))

    assert "partysync = partysync_server.cli:main" in wheel.read(name).decode()


def test_the_lock_names_no_registry_and_hashes_everything():
    assert "://" not in LOCK
    assert "--index" not in LOCK
    requirements = re.split(r"(?m)^(?=[a-z0-9])", LOCK)[1:]
    assert all("--hash=sha256:" in requirement for requirement in requirements)


def test_the_lock_pins_all_that_the_project_asks_for():
    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9_.-]", requirement)[0].replace("_", "-").lower() for requirement in requirements}

    asked = names(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        asked |= names(extra)

    assert asked - {PROJECT["name"]} <= set(re.findall(r"(?m)^([a-z0-9.-]+)==", LOCK))


def test_the_two_locks_agree():
    """Both are installed into one environment: after `make lock UPGRADE=--upgrade` comes `make bench-lock`."""

    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"(?m)^([a-z0-9.-]+)==([^ ;]+)", (ROOT / "requirements" / name).read_text()))

    dev, bench = pins("dev.txt"), pins("bench.txt")

    assert {name: bench[name] for name in dev.keys() & bench.keys()} == {
        name: dev[name] for name in dev.keys() & bench.keys()
    }
