"""Takes the screenshots for the docs from a running `make run`. Start that first, and pass its sign-in link:

.venv/bin/python docs/take_screenshots.py 'http://127.0.0.1:8000/sign-in#TOKEN'

The screenshots show a real run. Only the totals of past days are made up, in that run's Redis, because no demo has run
for two weeks.
"""

from __future__ import annotations

import os
import random
import re
import sys
from datetime import timedelta
from pathlib import Path

import redis
from playwright.sync_api import Browser, Page, expect, sync_playwright

from synctail.connect import connect
from synctail.model import keys
from synctail.model.ids import utc_now
from tests.kit.browser import launch

IMAGES = Path(__file__).parent / "images"
OWN_REDIS = f"unix://{Path('.data/valkey.sock').resolve()}"
BUSY = "orders-to-warehouse"
LARGE = "products-to-warehouse"
SHOWN = {"x": 0, "y": 0, "width": 1280, "height": 800}

SEES_AN_ERROR = """() => [...document.querySelectorAll(".line[data-level=error]")].some((row) => {
  const { top, bottom } = row.getBoundingClientRect();
  return top > 200 && bottom < innerHeight - 40;
})"""


def remember_two_weeks(client: redis.Redis) -> None:
    """Adds totals for the days before today, if they have none."""
    chance = random.Random(14)  # noqa: S311
    for ago in range(1, 14):
        day = utc_now().date() - timedelta(days=ago)
        key = keys.service_day(BUSY, day.isoformat())
        pulled = chance.randrange(2600, 3400) if day.weekday() < 5 else chance.randrange(900, 1300)
        failed, skipped = pulled // chance.randrange(60, 90), pulled // chance.randrange(8, 12)
        sums = {"syncs": 1440, "pulled": pulled, "pushed": pulled - failed - skipped, "failed": failed}
        if not client.exists(key):
            client.hset(key, mapping={**sums, "skipped": skipped})
            client.pexpire(key, keys.DAY_TTL)


def visit(browser: Browser, link: str, scheme: str) -> Page:
    page = browser.new_page(
        viewport={"width": SHOWN["width"], "height": SHOWN["height"]}, device_scale_factor=2, color_scheme=scheme
    )
    page.goto(link)
    page.wait_for_url("**/services")
    return page


def main(link: str) -> None:
    remember_two_weeks(connect(os.environ.get("REDIS_URL", OWN_REDIS)))
    origin, _, _ = link.partition("/sign-in")
    with sync_playwright() as playwright, launch(playwright) as browser:
        light, dark = visit(browser, link, "light"), visit(browser, link, "dark")
        light.goto(f"{origin}/services/{LARGE}")
        light.get_by_role("button", name="Run", exact=True).first.click()
        light.wait_for_url("**/syncs/*")
        dark.goto(light.url)
        expect(light.locator("[data-count=failed]")).to_have_text(re.compile("[1-9][0-9]"))
        for page, name in ((light, "log.png"), (dark, "log-dark.png")):
            page.keyboard.press("E")  # to the previous error; new lines are only counted
            page.wait_for_function(SEES_AN_ERROR)
            expect(page.locator("#pill")).to_be_visible()
            expect(page.locator("#connection")).to_have_text("Live")
            page.screenshot(path=IMAGES / name)
        light.goto(f"{origin}/services/{BUSY}")
        light.get_by_role("button", name="Check now").click()
        expect(light.locator("#check [role=status]")).to_have_text("Checked just now")
        for page, name in ((light, "service.png"), (dark, "service-dark.png")):
            page.goto(f"{origin}/services/{BUSY}")
            expect(page.locator("#check[data-state=known] [data-state=operational]")).to_have_count(2)
            page.screenshot(path=IMAGES / name)
        light.goto(f"{origin}/services")
        end = light.locator(".list").evaluate("(list) => list.getBoundingClientRect().bottom")
        light.screenshot(path=IMAGES / "services.png", clip={**SHOWN, "height": end + 40})


if __name__ == "__main__":
    main(sys.argv[1])
