"""The documents tell the truth: what they show runs, what they name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import partysync_widget

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]
PUBLIC = {
    "connect", "Room", "Table", "Receipt", "SyncedTable", "TableWidget", "Party", "mutator", "Migration",
    "PartySyncError", "MutationRejected", "ProtocolError", "NotConnected", "PermissionDenied", "SchemaMismatch",
    "OutcomeUnknown", "Response",
}  # fmt: skip


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_exported(name):
    assert name in partysync_widget.__all__
    assert name in dir(partysync_widget)
    assert getattr(partysync_widget, name).__doc__, f"{name} has no docstring"


def test_the_python_of_the_readme_runs(isolated):
    code = "\n".join(blocks(ROOT / "README.md", "python"))

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=isolated, timeout=60, check=False
    )

    assert answer.returncode == 0, answer.stderr


def test_the_commands_of_the_readme_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = {target for path in DOCUMENTS for target in re.findall(r"`make ([a-z-]+)", path.read_text())}
    typed = set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))

    assert {"demo", "test"} <= typed
    assert shown | typed <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_changelog_has_an_entry_for_the_version():
    versions = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert versions[0] == partysync_widget.__version__
