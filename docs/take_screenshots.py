"""Takes the pictures of the docs from a running `make run`: start it, then give this the sign-in link it printed.

.venv/bin/python docs/take_screenshots.py 'http://127.0.0.1:8000/sign-in#TOKEN'
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser import launch

IMAGES = Path(__file__).parent / "images"


def main(link: str) -> None:
    origin, _, _ = link.partition("/sign-in")
    with sync_playwright() as playwright, launch(playwright) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 760}, device_scale_factor=2)
        page.goto(link)
        page.wait_for_url("**/services")
        page.goto(f"{origin}/services/products-to-warehouse")
        page.get_by_role("button", name="Run").first.click()
        page.wait_for_url("**/syncs/*")
        page.locator(".line[data-level=error]").nth(3).wait_for()
        expect(page.locator("#connection")).to_have_text("Live")
        page.screenshot(path=IMAGES / "log.png")
        page.goto(f"{origin}/services")
        page.screenshot(path=IMAGES / "services.png")


if __name__ == "__main__":
    main(sys.argv[1])
