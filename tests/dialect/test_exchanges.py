"""
The conformance suite: conversations with the ancestor's server, recorded, said again to a live server of ours.

In ``exchanges/`` a step is ``[who, "open", connection id]``, ``[who, ">", frame]`` (or ``{"raw": text}``,
``{"binary": hex}``), ``[who, "<", frame]``, ``[who, "quiet"]`` (all has been heard) or ``[who, "close"]``. What is
heard is compared to the letter, the order of its keys too; ``<time>`` is a time as the table has it, ``<sentence>``
some text, ``<newest>`` the newest time that the tab has heard. They follow the transcript in the ancestor's study, part
2; where its server fell silent, or told others nonsense, they hold what ours says (docs/dialect.md).
"""

import json
import re
from pathlib import Path

import pytest

from tests.dialect.tab import Tab
from tests.server.stranger import bystander, sentence

__all__ = ["bystander"]

EXCHANGES = sorted(Path(__file__).with_name("exchanges").glob("*.json"))
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def same(heard, wanted):
    """Whether a frame is what was recorded, letter by letter."""
    if wanted == "<time>":
        return bool(TIME.fullmatch(heard)) if isinstance(heard, str) else isinstance(heard, int) and heard > 1e12
    if wanted == "<sentence>":
        return isinstance(heard, str) and sentence(heard)
    if isinstance(wanted, dict):
        return (
            isinstance(heard, dict) and [*heard] == [*wanted] and all(same(heard[key], wanted[key]) for key in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(heard, list) and len(heard) == len(wanted) and all(map(same, heard, wanted))
    return type(heard) is type(wanted) and heard == wanted


def said(frame, newest):
    if "raw" in frame:
        return frame["raw"]
    if "binary" in frame:
        return bytes.fromhex(frame["binary"])
    return {**frame, "from": newest} if frame.get("from") == "<newest>" else frame


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("path", EXCHANGES, ids=lambda path: path.stem)
def test_a_recorded_exchange(server, path):
    """R13. And nobody else in the server notices."""
    exchange = json.loads(path.read_text())
    tabs, newest = {}, {}

    for number, (who, how, *rest) in enumerate(exchange["steps"], 1):
        where = f"{path.name}, step {number}, {who} {how} {json.dumps(rest)}"
        match how:
            case "open":
                tabs[who] = Tab(server, f"/parties/{exchange['party']}/{path.stem}", *rest)
                tabs[who].newest = newest.get(who)
                assert tabs[who].status == 101, where
            case ">":
                tabs[who].say(said(rest[0], tabs[who].newest))
            case "<":
                heard = tabs[who].hear()
                assert same(heard, rest[0]), f"{where}\nheard instead: {json.dumps(heard)}"
            case "quiet":
                heard = tabs[who].rest()
                assert heard == [], f"{where}\nheard: {json.dumps(heard)}"
            case "close":
                newest[who] = tabs[who].newest
                tabs.pop(who).close()
    for tab in tabs.values():
        tab.close()


def test_every_frame_of_the_format_is_among_them():
    """As the issue and the ancestor's types list them; ``delete-all`` is in ``test_times.py``."""
    steps = [step for path in EXCHANGES for step in json.loads(path.read_text())["steps"]]
    heard = [step[2] for step in steps if step[1] == "<"]
    kinds = {(frame.get("type"), "sync" in frame, "broadcast" in frame) for frame in heard}

    assert kinds == {
        (None, True, False),
        ("success", False, False),
        ("error", False, False),
        ("exception", False, False),
        ("update", False, True),
    }
