"""
Takes docs/images/todo.png anew: the todo page of a server of its own, while an entry waits for the room.

``.venv/bin/python docs/screenshot_todo.py [file.png]``
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

import partysync_widget as ps

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "todo.png"
TOKEN = "of-a-server-that-lives-for-one-picture"  # noqa: S105
ENTRIES = {"Feed the yeast": True, "Pour plates for Thursday": False, "Order agar": False}


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("No Chromium on this machine (apt install chromium).")
    picture = Path(sys.argv[1]) if sys.argv[1:] else PICTURE
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        command = [sys.executable, "-m", "partysync_server", "serve", "--data", data, "--token", TOKEN]
        server = subprocess.Popen(  # noqa: S603  # our own
            [*command, "--party", "todo:Todos", "--pages"], cwd=ROOT / "notebooks", stdout=subprocess.PIPE, text=True
        )
        try:
            url = server.stdout.readline().removeprefix("Rooms at ").strip() if server.stdout else ""
            with ps.connect("groceries", url=url, token=TOKEN, party="todos") as room:
                for n, (text, completed) in enumerate(ENTRIES.items()):
                    room.mutate("create", id=str(n), text=text, completed=completed).result(10)
                link = room.share("editor").link
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 560, "height": 540}, device_scale_factor=1.5)
            page.goto(link.replace("/parties/todos/", "/examples/todo/"))
            expect(page.locator(".todo-item")).to_have_count(len(ENTRIES))
            server.send_signal(signal.SIGSTOP)  # it decides nothing now
            page.locator(".todo-input").fill("Label the new tubes")
            page.keyboard.press("Enter")
            expect(page.locator(".todo-item").last).to_have_css("opacity", "0.5")
            page.screenshot(path=picture)
            server.send_signal(signal.SIGCONT)
            browser.close()
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
