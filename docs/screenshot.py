"""
Takes docs/images/two-notebooks.png anew: the demo, in the Chromium of this machine, while somebody types on the right.

``.venv/bin/python docs/screenshot.py [file.png]``
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

from notebooks.demo import running_demo

PICTURE = Path(__file__).parent / "images" / "two-notebooks.png"
WAIT = 60_000  # milliseconds; Lab is slow to start on a cold machine


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("No Chromium on this machine (apt install chromium).")
    picture = Path(sys.argv[1]) if sys.argv[1:] else PICTURE
    picture.parent.mkdir(parents=True, exist_ok=True)
    with running_demo() as (lab, _, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": 1360, "height": 820}, device_scale_factor=1.5)
        page.goto(lab.address)
        for panel in range(2):
            expect(cell(page, panel, "island")).to_have_text("Torgersen", timeout=WAIT)
        cell(page, 0, "island").dblclick()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("Dream")
        page.keyboard.press("Enter")
        for panel in range(2):
            expect(cell(page, panel, "island")).to_have_text("Dream", timeout=WAIT)
        page.evaluate("() => window.getSelection().removeAllRanges()")
        cell(page, 1, "species", bird=3).click()
        page.keyboard.type("Adelie, I th")
        expect(cell(page, 0, "species", bird=3)).to_have_class(re.compile("ps-typing"), timeout=WAIT)
        page.screenshot(path=picture)
        browser.close()


def cell(page: Page, panel: int, column: str, bird: int = 2) -> Locator:
    """A bird's cell of a column in the left (0) or the right (1) notebook."""
    row = page.locator(".jp-NotebookPanel").nth(panel).locator(".ps-row").nth(bird)
    return row.locator(f"[data-column={column}]")


if __name__ == "__main__":
    main()
