"""The browser side of notebook 06 in a real Chromium: it draws a table's rows, and a click or a key is an edit."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "06-your-own-widget.ipynb"

# A table as js/src/table.ts describes it to authors, `LiveTable`, with the room's word left out.
PAGE = """<!doctype html><meta charset="utf-8"><div id="el"></div><pre id="seen"></pre><script type="module">
const rows = new Map();
const listeners = new Set();
const tell = () => listeners.forEach((listener) => listener({ ids: new Set(), reset: false }));
const put = (row) => { rows.set(row.id, row); tell(); };
const table = {
  rows: { get size() { return rows.size; }, [Symbol.iterator]: () => rows.values() },
  subscribe(listener) { listeners.add(listener); return () => listeners.delete(listener); },
  insert(values) { put({ id: "new", ...values }); return "new"; },
  update(id, values) { put({ ...rows.get(id), ...values }); },
  pending: (id) => id === "fig",
  rejected: (id) => (id === "tea" ? { why: "there is no tea" } : undefined),
};
put({ id: "fig", title: "<b>figs</b>", lane: "to do" });
put({ id: "tea", title: "tea", lane: "done" });
put({ id: "new-in-grid", title: "no lane yet", lane: null });

const el = document.getElementById("el");
const seen = [];
const look = () => seen.push([...el.querySelectorAll("section")].map((lane) =>
  [lane.firstChild.textContent, ...[...lane.querySelectorAll("button")].map((card) => card.textContent)]));
const card = (title) => [...el.querySelectorAll("button")].find((button) => button.textContent === title);
const end = new AbortController();
const host = { getWidget: async (reference) => ({ exports: { table: reference === "the reference" && table } }) };
const model = { get: (name) => (name === "tasks" ? "the reference" : undefined) };
try {
  const widget = await import(`data:text/javascript,${encodeURIComponent(SOURCE)}`);
  await widget.default.render({ model, el, host, signal: end.signal });
  look();
  seen.push([card("<b>figs</b>").className, card("tea").title, el.querySelectorAll("b").length]);
  card("<b>figs</b>").click();
  look();
  const input = el.querySelector("input");
  for (const [value, key] of [["ja", "j"], ["jam", "Enter"], ["", "Enter"]]) {
    input.value = value || input.value;
    input.dispatchEvent(new KeyboardEvent("keydown", { key }));
  }
  look();
  put({ id: "tea", title: "black tea", lane: "doing" });  // somebody else
  look();
  end.abort();
  seen.push(listeners.size);
} catch (error) {
  seen.push(String(error));
}
document.getElementById("seen").textContent = JSON.stringify(seen);
</script>"""


@pytest.fixture
def chromium():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = "No Chromium on this machine: none of chromium, chromium-browser, google-chrome is on the PATH."
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return found


def test_the_board_draws_the_rows_and_makes_edits(chromium, tmp_path):
    (source,) = re.findall(
        r'_esm = """(.*?)"""',
        "\n".join(cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells),
        flags=re.DOTALL,
    )
    page = tmp_path / "board.html"
    page.write_text(PAGE.replace("SOURCE", json.dumps(source)))
    command = [chromium, "--headless", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}/profile"]
    command += ["--virtual-time-budget=5000", "--dump-dom", page.as_uri()]

    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    (seen,) = re.findall(r'<pre id="seen">(.*?)</pre>', dom)
    assert json.loads(seen.replace("&lt;", "<").replace("&gt;", ">")) == [
        [["to do", "<b>figs</b>", "no lane yet"], ["doing"], ["done", "tea"]],
        ["pending", "there is no tea", 0],  # undecided, refused; and a title is text, never HTML
        [["to do", "no lane yet"], ["doing", "<b>figs</b>"], ["done", "tea"]],
        [["to do", "no lane yet", "jam"], ["doing", "<b>figs</b>"], ["done", "tea"]],
        [["to do", "no lane yet", "jam"], ["doing", "<b>figs</b>", "black tea"], ["done"]],
        0,
    ]
