"""
Takes docs/images/page.png anew: a page on the wall, in the Chromium of this machine, while somebody edits in a kernel.

``.venv/bin/python docs/page_screenshot.py [file.png]``
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import palmerpenguins
from playwright.sync_api import expect, sync_playwright

import partysync_widget as ps

PICTURE = Path(__file__).parent / "images" / "page.png"
WAIT = 60_000  # milliseconds
TOKEN = "of-this-picture-alone"  # noqa: S105  # its server ends with it


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("No Chromium on this machine (apt install chromium).")
    picture = Path(sys.argv[1]) if sys.argv[1:] else PICTURE
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "partysync_server", "serve", "--pages", "--data", folder, "--token", TOKEN]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
        try:
            said = server.stdout.readline() if server.stdout else ""
            take(said.removeprefix("Rooms at ").strip(), chromium, picture)
        finally:
            server.terminate()
            server.wait()


def take(url: str, chromium: str, picture: Path) -> None:
    penguins = palmerpenguins.load_penguins()
    with ps.connect("field-work", url=url, token=TOKEN, user="Ada Lovelace") as room, sync_playwright() as playwright:
        birds = room.table("birds", **ps.columns_of(penguins))
        birds.insert_many(penguins).result(30)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": 1060, "height": 420})
        page.goto(room.share("viewer").page_url("birds"))
        expect(page.locator(".ps-row").nth(2)).to_be_visible(timeout=WAIT)
        third = birds.records[2]["id"]
        birds.update(third, island="Dream").result(8)
        expect(page.locator(f'[data-id="{third}"] [data-column=island]')).to_have_class(re.compile("ps-flash"))
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
