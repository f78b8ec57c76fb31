"""The built package: what is in it, and that the guide's example of a plain page runs."""

import json
import re
import subprocess

from tests.conftest import names
from tests.web.conftest import ROOT, node

DIST = ROOT / "js" / "web" / "dist"
MODULES = ROOT / "js" / "node_modules"

# A page of a list and a button, in a browser that is none: its socket does not say from where it comes.
BEFORE = """
import {{ Window }} from "{modules}/happy-dom/lib/index.js";
import {{ WebSocket }} from "{modules}/ws/wrapper.mjs";
globalThis.document = new Window().document;
document.body.innerHTML = "<ul></ul><button>Add</button>";
globalThis.WebSocket = WebSocket;
"""
AFTER = """
document.querySelector("button").onclick();
console.log(document.querySelector("ul").textContent);
await room.sync();
console.log(document.querySelector("ul").textContent);
room.close();
process.exit();
"""


def run(code, **environment):
    done = subprocess.run(
        [node(), "--input-type=module", "-e", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_entry_points_are_there_with_their_types(built):
    said = run(f"import({str(DIST / 'index.js')!r}).then((all) => console.log(Object.keys(all).join()))")

    assert {"connect", "Room", "MutationRejected"} <= set(said.strip().split(","))
    assert {path.name for path in DIST.iterdir()} >= {"index.js", "index.d.ts", "react.js", "react.d.ts"}


def test_what_it_exports_is_what_was_built(built):
    exports = json.loads((DIST.parent / "package.json").read_text())["exports"]

    assert all((DIST.parent / path).exists() for entry in exports.values() for path in entry.values())


def test_the_plain_page_of_the_guide_runs(built, server, enter):
    name = f"guide-{next(names)}"
    todos = enter(name).table("todos", text=str, done=bool)
    (example,) = re.findall(r"^```js\n(.*?)^```$", (ROOT / "docs" / "web.md").read_text(), re.MULTILINE | re.DOTALL)
    place = f"{server.url}/parties/main/{name}#{server.token}"
    code = re.sub(r'"https://rooms[^"]*"', lambda _: json.dumps(place), example)
    code = code.replace('"partysync-web"', json.dumps(str(DIST / "index.js")))
    ready = "\nwhile (room.status !== 'live') await new Promise((then) => room.subscribe(then));\n"

    said = run(BEFORE.format(modules=MODULES) + code + ready + AFTER)

    assert said.splitlines() == ["feed the yeast …", "feed the yeast"]
    assert [row["text"] for row in todos.records] == ["feed the yeast"]
