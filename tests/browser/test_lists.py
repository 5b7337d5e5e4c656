"""The lists of services and of syncs in a real browser: they keep themselves fresh, and disturb nobody."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from playwright.sync_api import Locator, Page, expect

from jobs.services.model import Options
from synctail.log.appender import Appender
from synctail.model.sync import Status
from synctail.settings import Settings
from tests.kit.browser import OwnSync, Visits
from tests.kit.support import service, store

REFRESH_MS = 5_000


@pytest.fixture
def another_sync(config: Settings, client: redis.Redis, appender: Appender) -> Iterator[Callable[[], OwnSync]]:
    """Starts further syncs of a service that lets them overlap."""
    orders = service(options=Options(overlap=True, concurrency=1000))
    store(client, orders)
    started: list[OwnSync] = []

    def start() -> OwnSync:
        started.append(OwnSync(config, client, appender, orders))
        started[-1].writer.flush()
        return started[-1]

    yield start
    for one in started:
        one.end()


def rows(page: Page) -> Locator:
    return page.locator("[data-live] tr[data-row]")


def test_the_list_of_services_follows_a_sync_by_itself(page: Page, own_sync: OwnSync) -> None:
    page.clock.install()
    own_sync.write(1)
    page.goto("/services")
    expect(rows(page).locator(".status")).to_have_text("Running")
    expect(page.locator("#refresh-state")).to_have_text("Updates every 5 s")
    for pulled in (100, 12_345):
        own_sync.writer.set(pulled=pulled, pushed=pulled - 50)
        own_sync.writer.flush()
        page.clock.fast_forward(REFRESH_MS)
        expect(rows(page).locator("[data-label=Pulled]")).to_have_text(f"{pulled:,}")
        expect(rows(page).locator("[data-label=Pushed]")).to_have_text(f"{pulled - 50:,}")
    own_sync.end(Status.FAILED, "Failed")
    page.clock.fast_forward(REFRESH_MS)
    expect(rows(page).locator(".status")).to_have_text("Failed")


def test_the_list_of_syncs_shows_new_ones_by_itself(page: Page, another_sync: Callable[[], OwnSync]) -> None:
    page.clock.install()
    page.goto("/services/orders")
    expect(page.get_by_text("No syncs in the last 24 hours")).to_be_visible()
    first = another_sync()
    page.clock.fast_forward(REFRESH_MS)
    expect(rows(page)).to_have_count(1)
    second = another_sync()
    first.end()
    page.clock.fast_forward(REFRESH_MS)
    expect(rows(page)).to_have_count(2)
    expect(rows(page).nth(0).locator("code")).to_have_text(f"…{second.id[-8:]}")
    expect(rows(page).nth(0).locator(".status")).to_have_text("Running")
    expect(rows(page).nth(1).locator(".status")).to_have_text("Completed")


def test_an_open_menu_stays_open_while_the_list_is_refreshed(page: Page, client: redis.Redis) -> None:
    store(client, service("orders"))
    page.clock.install()
    page.goto("/services")
    page.get_by_label("Menu of Orders").click()
    menu = page.locator("[data-live] details.menu")
    store(client, service("customers"))
    for _ in range(2):
        with page.expect_response("**/services"):
            page.clock.fast_forward(REFRESH_MS)
        expect(menu.get_by_role("link", name="View logs")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    page.locator("h1").click()
    expect(menu).not_to_have_attribute("open", "")
    page.clock.fast_forward(REFRESH_MS)
    expect(rows(page)).to_have_count(2)


def test_a_closed_menu_no_longer_holds_the_list_back(page: Page, client: redis.Redis) -> None:
    store(client, service("orders"))
    page.clock.install()
    page.goto("/services")
    page.get_by_label("Menu of Orders").click()
    page.keyboard.press("Escape")
    store(client, service("customers"))
    page.clock.fast_forward(REFRESH_MS)
    expect(rows(page)).to_have_count(2)
    expect(page.get_by_label("Menu of Orders")).to_be_focused()


def test_an_unchanged_list_is_not_sent_again(page: Page, client: redis.Redis) -> None:
    store(client, service("orders"))
    page.clock.install()
    page.goto("/services")

    def refreshed() -> int:
        with page.expect_response("**/services") as told:
            page.clock.fast_forward(REFRESH_MS)
        return told.value.status

    assert refreshed() == 200
    assert refreshed() == 304
    # What came while somebody was not to be disturbed is asked for until it stands there.
    page.get_by_label("Menu of Orders").click()
    store(client, service("customers"))
    assert refreshed() == 200
    assert refreshed() == 200
    page.keyboard.press("Escape")
    assert refreshed() == 200
    expect(rows(page)).to_have_count(2)
    assert refreshed() == 304
    expect(page.locator("#refresh-state")).to_have_text("Updates every 5 s")
    expect(rows(page)).to_have_count(2)


def test_only_one_menu_is_open_and_a_click_elsewhere_closes_it(page: Page, client: redis.Redis) -> None:
    store(client, service("orders"), service("customers"))
    page.goto("/services")
    page.get_by_label("Menu of Orders").click()
    page.get_by_label("Menu of Customers").click()
    expect(page.locator("details.menu[open]")).to_have_count(1)
    expect(page.locator("details.menu[open]").get_by_label("Menu of Customers")).to_be_visible()
    page.locator("h1").click()
    expect(page.locator("details.menu[open]")).to_have_count(0)


@pytest.mark.usefixtures("one_day")
def test_counts_of_a_running_sync_run_up_to_what_the_server_said(visits: Visits, own_sync: OwnSync) -> None:
    page = visits.signed_in(reduced_motion="no-preference")
    page.clock.install()
    own_sync.write(1)
    page.goto("/services/orders")
    pulled = page.locator(f'[data-count="{own_sync.id} pulled"]')
    own_sync.writer.set(pulled=10_000)
    own_sync.writer.flush()
    with page.expect_response("**/services/orders"):
        page.clock.fast_forward(REFRESH_MS)
    expect(page.locator(".chart .today .column")).to_have_attribute("aria-label", re.compile("10,000 pulled"))
    seen = [0]
    while seen[-1] < 10_000:  # in five seconds of the page's clock, which goes on between these steps
        seen.append(int(pulled.inner_text().replace(",", "")))
        page.clock.run_for(400)
    assert seen == sorted(seen)
    assert len({one for one in seen if 0 < one < 10_000}) >= 2


def test_the_duration_of_a_running_sync_ticks(page: Page, own_sync: OwnSync) -> None:
    page.clock.install()
    own_sync.write(1)
    page.goto("/services/orders")
    duration = page.locator("[data-since]")
    expect(duration).to_have_text(re.compile(r"^\d s$"))
    began = time.monotonic()
    before = int(duration.inner_text().removesuffix(" s"))
    page.clock.run_for(3_000)
    after = int(duration.inner_text().removesuffix(" s"))
    assert before + 2 <= after <= before + 4 + time.monotonic() - began


@pytest.mark.usefixtures("one_day")
def test_the_chart_follows_by_itself_and_keeps_its_table_open(page: Page, own_sync: OwnSync) -> None:
    own_sync.writer.set(pulled=1, pushed=1)
    own_sync.write(1)
    page.clock.install()
    page.goto("/services/orders")
    page.get_by_text("Show as a table").click()
    today = page.get_by_role("row", name=re.compile("(today)"))
    expect(today.locator("[data-label=Pulled]")).to_have_text("1")
    own_sync.writer.set(pulled=77, pushed=70, failed=7)
    own_sync.writer.flush()
    page.clock.fast_forward(REFRESH_MS)
    expect(today.locator("[data-label=Pulled]")).to_have_text("77")
    expect(today.locator("[data-label=Failed]")).to_be_visible()


@pytest.mark.usefixtures("one_day")
def test_each_day_of_the_chart_tells_its_numbers_to_mouse_and_keys(page: Page, own_sync: OwnSync) -> None:
    own_sync.writer.set(pulled=77, pushed=70, failed=7)
    own_sync.write(1)
    page.goto("/services/orders")
    days = page.locator(".day")
    expect(days).to_have_count(14)
    days.nth(0).hover()
    expect(days.nth(0).locator(".tip")).to_be_visible()
    expect(days.nth(13).locator(".tip")).to_be_hidden()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.className === 'column'"):
            break
    expect(days.nth(13).locator(".column")).to_be_focused()
    expect(days.nth(13).locator(".tip")).to_contain_text("Pulled77")
    page.keyboard.press("ArrowLeft")
    expect(days.nth(12).locator(".column")).to_be_focused()
    expect(days.nth(12).locator(".tip")).to_be_visible()
    page.keyboard.press("Home")
    expect(days.nth(0).locator(".column")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#chart-table summary")).to_be_focused()


def test_a_list_says_when_the_server_cannot_be_reached_and_when_it_can_again(
    visits: Visits, page: Page, client: redis.Redis
) -> None:
    visits.forgive("ERR_INTERNET_DISCONNECTED")
    store(client, service("orders"))
    page.clock.install()
    page.goto("/services")
    page.context.set_offline(offline=True)
    page.clock.fast_forward(REFRESH_MS)
    expect(page.locator("#refresh-state")).to_have_text(re.compile("^The server cannot be reached"))
    expect(rows(page)).to_have_count(1)
    page.context.set_offline(offline=False)
    store(client, service("customers"))
    page.clock.fast_forward(REFRESH_MS)
    expect(page.locator("#refresh-state")).to_have_text("Updates every 5 s")
    expect(rows(page)).to_have_count(2)


def test_syncs_are_found_by_status_and_by_a_part_of_their_id(page: Page, another_sync: Callable[[], OwnSync]) -> None:
    done, failed, running = another_sync(), another_sync(), another_sync()
    done.end()
    failed.end(Status.FAILED, "Failed")
    page.goto("/services/orders")
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Status", exact=True).select_option("Failed")
    page.get_by_role("button", name="Filter").click()
    expect(rows(page)).to_have_count(1)
    expect(rows(page).locator("code")).to_have_text(f"…{failed.id[-8:]}")
    page.get_by_label("Status", exact=True).select_option("Any status")
    page.get_by_label("Part of an id").fill(running.id[-6:].lower())
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    rows(page).get_by_label(f"Menu of sync {running.id[-8:]}").click()
    page.get_by_role("link", name="More details").click()
    page.wait_for_url(f"**{running.path}")


def test_a_search_that_finds_nothing_says_so_and_offers_the_way_back(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(1)
    page.goto("/services/orders?q=ZZZZZZ&status=stopped")
    expect(page.get_by_text("is “stopped” and has “ZZZZZZ” in its id")).to_be_visible()
    page.get_by_role("link", name="Show all syncs").click()
    expect(rows(page)).to_have_count(1)


def test_without_a_service_the_page_says_where_services_come_from(page: Page) -> None:
    page.goto("/services")
    expect(page.get_by_role("heading", name="No services yet")).to_be_visible()
    expect(page.get_by_text("make run creates a few to try")).to_be_visible()


MARKUP = '<img src=x onerror="window.hacked = 1"></a></table></title><script>window.hacked = 2</script>'


def test_markup_in_a_service_stays_text(page: Page, client: redis.Redis, another_sync: Callable[[], OwnSync]) -> None:
    sync = another_sync()
    store(client, service(name=MARKUP, notes=MARKUP, url="http://127.0.0.1:9/<b>x</b>"))
    page.clock.install()
    for address in ("/services", "/services/orders", sync.path):
        page.goto(address)
        expect(page.locator("main")).to_contain_text(MARKUP)
        if address != sync.path:  # also what is swapped in
            store(client, service(f"customers-{len(address)}"))
            with page.expect_response(f"**{address}"):
                page.clock.fast_forward(REFRESH_MS)
        assert page.locator("main img, main script, main b").count() == 0
        assert page.evaluate("() => window.hacked") is None
    assert MARKUP in page.title()
