"""What docs/protocol.md says, as a program can use it: its rules by id, its tables of fields, its conversation."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATH = ROOT / "docs" / "protocol.md"

LETTERS = "RSHFELVBADMCP"  # promises, socket, handshake, frames, errors, limits, values, …
ID = rf"[{LETTERS}][1-9][0-9]?"
_RULE = re.compile(rf"^- \*\*({ID})\b(.*)", re.MULTILINE)
_TABLE = re.compile(r"^- \*\*(?:([A-Z]\d+) )?`(\w+)`\*\*.*\n(?:  [^|].*\n)*\n((?:  \|.*\n)+)", re.MULTILINE)


def text():
    return PATH.read_text()


def rules(document=None):
    """``{id: the line it begins with}``; a rule that is there twice is an error."""
    found = {}
    for id, rest in _RULE.findall(text() if document is None else document):
        assert id not in found, f"docs/protocol.md has two rules {id}."
        found[id] = rest.strip()
    return found


def fields():
    """What the tables of frames say: ``{(rule or "", name): {field: "type = default"}}``."""
    found = {}
    for rule, name, table in _TABLE.findall(text()):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()[2:]]
        found[rule, name] = {
            field.strip("`"): type_.removeprefix("one of ").replace("`", "") + _default(default)
            for field, type_, default, *_ in rows
        }
    return found


def _default(cell):
    return "" if cell == "required" else f" = {cell.strip('`')}"


def conversation():
    """The worked conversation: (">" or "<", frame), in order."""
    section = text().partition("## A conversation")[2].partition("\n## ")[0]
    return [(line[0], json.loads(line[2:])) for line in section.splitlines() if line[:2] in ("> ", "< ")]
