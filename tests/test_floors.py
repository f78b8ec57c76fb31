"""
The floors of the house, drawn from the imports: arrows point down, and the two columns never meet.

A module may import what stands on a line below its own. A new module gets its place here first.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE, CLIENT, SERVER = "partysync_widget.core", "partysync_widget", "partysync_server"
BENCH = f"{SERVER}.bench"

# From the top down. Modules on one line do not know each other.
FLOORS = {
    CLIENT: [
        "__init__",
        "widget",
        "trait",
        "channel pace",
        "feed preview",
        "edits share_cli windows",
        "entrance",
        "room throttle",
        "table",
        "dataframes inspection query sharing",
        "batch connection where",
        "audience cache dial showing",
        "receipt discovery blocks marimo_cells",
        "autostart",
        "servers",
        "ids io_thread palette",
        "_version",
    ],
    SERVER: [
        "__main__",
        "hub",
        "cli jupyter",
        "health mount rooms_cli",
        "hosting",
        "serving",
        "app",
        "operating example_pages",
        "page_handlers",
        "gate requests",
        "metrics quotas visit",
        "rooms",
        "dialect open_room",
        "bell",
        "host",
        "asks sending sleeping",
        "room",
        "connections deltas ephemera",
        "session",
        "access alarms door lanes phrases snapshot undecided",
        "parts",
        "ledger parties runtime",
        "keeping room_file",
        "asking authors counts logs migrating neighbours pages piece principal",
        "reading records refusal wire witness workers",
        "files folder_claim shape",
        "__init__",
    ],
    BENCH: [
        "__main__",
        "command",
        "page plots",
        "report",
        "plan",
        "workloads",
        "kernel",
        "systems",
        "bare joiner",
        "tongues",
        "crowd peer_pycrdt",
        "line machine process",
        "__init__",
    ],
    CORE: [
        "replica",
        "view",
        "places",
        "store",
        "built_in",
        "straight",
        "guard transaction",
        "stored_table",
        "party",
        "migration",
        "schema",
        "columns",
        "codec hosted response sight",
        "claim effort messages refusals roles",
        "errors",
        "__init__",
    ],
}

# What a column may import of the house beside itself.
BELOW = {CLIENT: {CORE}, SERVER: {CORE}, BENCH: {CORE}, CORE: set()}
VERSION = {f"{CLIENT}.__version__", f"{CLIENT}._version"}  # anybody may ask for it

# The arrows that point up, each with its reason.
UP = {
    (f"{CLIENT}.table", f"{CLIENT}.widget"),  # a table shown in a cell is the grid, which is loaded then and not before
    (f"{SERVER}.__init__", f"{SERVER}.jupyter"),  # Jupyter Server asks the package for its extension
}

# All that the core may import: nothing here can reach a socket, a thread, a clock or chance.
PURE = {
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "dataclasses", "datetime",
    "decimal", "enum", "functools", "hashlib", "heapq", "importlib", "inspect", "itertools", "json", "keyword", "math",
    "operator", "os", "pathlib", "re", "string", "struct", "textwrap", "types", "typing", "unicodedata", "weakref",
    "zlib", "apsw", "msgspec",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "fromtimestamp"}  # of datetime and date, which the core has for their types
OF_OS = {"fspath", "PathLike"}  # not urandom, not getpid, not environ

# What a server process never loads.
HEAVY = {"anywidget", "ipywidgets", "IPython", "ipykernel", "pandas", "polars", "pyarrow", "narwhals"}


def folder(package: str) -> Path:
    return ROOT.joinpath(*(["server"] if package.startswith(SERVER) else []), *package.split("."))


def modules(package: str) -> list[str]:
    """The modules that lie in the package's own folder, by their short names."""
    return sorted(path.stem for path in folder(package).glob("*.py"))


def floor_of(package: str, module: str) -> int:
    """How many lines are below the module's own."""
    for height, names in enumerate(reversed(FLOORS[package])):
        if module in names.split():
            return height
    return pytest.fail(f"{package}.{module} has no floor yet: give it a line in FLOORS, at the top of {__file__}.")


def imports(package: str, module: str) -> Iterator[tuple[str, int]]:
    """Every module imported when the program runs, wherever in the file, as an absolute name and a line number."""
    tree = ast.parse((folder(package) / f"{module}.py").read_text())
    for node in running(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                yield (f"{origin}.{alias.name}" if origin in FLOORS else origin), node.lineno


def running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, without what stands under ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from running(child)


def home(name: str) -> tuple[str, str] | None:
    """(package, module) of a name that is ours."""
    for package in (CORE, CLIENT, BENCH, SERVER):  # the longest first
        if name == package:
            return package, "__init__"
        if name.startswith(f"{package}."):
            module = name.removeprefix(f"{package}.").split(".")[0]
            return package, module if module in modules(package) else "__init__"
    return None


OURS = [(package, module) for package in FLOORS for module in modules(package)]
named = pytest.mark.parametrize(("package", "module"), OURS, ids=[f"{p}.{m}" for p, m in OURS])


@named
def test_every_module_has_a_floor(package, module):
    floor_of(package, module)


@named
def test_arrows_point_down(package, module):
    if module == "__init__" and package == CLIENT:
        return  # the public names, lazily: it stands above everything
    for name, line in imports(package, module):
        target = home(name)
        if target is None or target == (package, module) or name in VERSION:
            continue
        if (f"{package}.{module}", ".".join(target)) in UP:
            continue
        where = f"{package}.{module}, line {line}, imports {name}"
        if target[0] == package:
            assert floor_of(*target) < floor_of(package, module), f"{where}: that is not below it."
        else:
            assert target[0] in BELOW[package], f"{where}: across the house. {package} may import {BELOW[package]}."


@pytest.mark.parametrize("module", modules(CORE))
def test_the_core_is_pure(module):
    for name, line in imports(CORE, module):
        top = name.split(".")[0]
        assert top in PURE or home(name), (
            f"core/{module}.py, line {line}, imports {name}: the core has no sockets, threads, clocks or chance. "
            f"Give it the value from outside, or, if {top} is harmless, add it to PURE."
        )


@pytest.mark.parametrize("module", modules(CORE))
def test_the_core_reads_no_clock(module):
    tree = ast.parse((folder(CORE) / f"{module}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            owner = ast.unparse(node.value)
            assert not re.match(r"(dt|date|datetime)\b", owner), f"core/{module}.py, line {node.lineno}: a clock"


@pytest.mark.parametrize("module", modules(CORE))
def test_the_core_asks_the_system_nothing(module):
    tree = ast.parse((folder(CORE) / f"{module}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
            assert node.attr in OF_OS, f"core/{module}.py, line {node.lineno}: os.{node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert {alias.name for alias in node.names} <= OF_OS, f"core/{module}.py, line {node.lineno}"


@pytest.mark.parametrize("module", [SERVER, f"{SERVER}.app", f"{SERVER}.cli", f"{SERVER}.jupyter"])
def test_a_server_process_loads_nothing_of_the_notebook(module):
    if module.endswith("jupyter"):
        pytest.importorskip("jupyter_server")
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == []


def test_importing_the_client_is_lazy():
    code = f"import sys, partysync_widget; print(*sorted({HEAVY!r} & set(sys.modules)))"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert answer.stdout.split() == []
