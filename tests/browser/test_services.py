"""Making and running a service in a real browser: what happens in place, what is never lost, what axe says of it."""

from __future__ import annotations

import re

import msgspec
import redis
from playwright.sync_api import Locator, Page, expect

from jobs.services.model import Options, RunOptions, decode_service
from jobs.transform.model import Filter, MappedField
from synctail.model import keys
from tests.kit.browser import Visits, axe
from tests.kit.support import service, store

HOSTILE = '<img src=x onerror="alert(1)">'


def field(page: Page, path: str) -> Locator:
    return page.locator(f'[id="in-{path}"]')


def test_a_service_is_made_in_place_and_tried_as_one_types(page: Page, client: redis.Redis, visits: Visits) -> None:
    visits.forgive("422")
    page.goto("/services/new")
    page.get_by_label("Name").first.fill("Órders & more")
    expect(field(page, "id")).to_have_value("orders-more")
    field(page, "source.url").fill("http://shop.example/orders")

    page.get_by_role("button", name="Add a field").click()
    expect(field(page, "mapping[0].from")).to_be_focused()
    field(page, "mapping[0].from").fill("customer.email")
    field(page, "mapping[0].to").fill("email")
    field(page, "mapping[0].with").focus()
    page.get_by_label("Find a function").fill("white space from both")
    page.get_by_role("button", name="Use trim").click()
    expect(field(page, "mapping[0].with")).to_have_value("trim")
    field(page, "mapping[0].with").fill("trim | lowr")
    page.get_by_label("A record, as JSON").fill(f'{{"customer": {{"email": " ANA{HOSTILE.replace(chr(34), "")} "}}}}')
    expect(page.locator(".tried")).to_contain_text('did you mean "lower"')
    field(page, "mapping[0].with").fill("trim | lower")
    expect(page.locator(".tried pre")).to_contain_text("ana<img")
    assert page.locator(".tried img").count() == 0

    field(page, "trigger.schedule").fill("*/15 * * * *")
    expect(page.locator("[data-due] .words")).to_have_text("Every 15th minute of every hour")
    expect(page.locator("[data-due] tbody tr")).to_have_count(5)
    field(page, "trigger.timezone").fill("Moon")
    expect(page.locator("[data-due]")).to_contain_text("takes a name such as")
    field(page, "trigger.timezone").fill("Europe/London")
    expect(page.locator("[data-due] .words")).to_have_text("Every 15th minute of every hour")

    field(page, "destination.kind").select_option("file")
    expect(field(page, "destination.path")).to_be_visible()
    expect(field(page, "destination.kind")).to_be_focused()
    expect(field(page, "source.url")).to_have_value("http://shop.example/orders")
    assert page.url.endswith("/services/new"), "all of it happened in place"
    assert axe(page, "light") == []

    page.keyboard.press("Control+s")
    expect(page.locator("#faults")).to_be_focused()
    assert axe(page) == []
    page.get_by_role("link", name=re.compile("Destination, Path")).click()
    expect(field(page, "destination.path")).to_be_focused()
    page.keyboard.type("orders.ndjson")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Órders & more")
    stored = client.hget(keys.SERVICES, "orders-more")
    assert isinstance(stored, bytes)
    made = decode_service("orders-more", stored)
    assert made.mapping == [MappedField(to="email", from_="customer.email", with_=[["trim"], ["lower"]])]


def test_rows_move_and_go_by_the_keyboard_alone_on_a_small_screen(visits: Visits, client: redis.Redis) -> None:
    store(client, service(filters=[Filter("a", "="), Filter("b", "=")], options=Options(overlap=True)))
    page = visits.signed_in(viewport={"width": 360, "height": 740})
    for path in ("/services/orders/edit", "/services/orders/run", "/services/orders/remove", "/services/import"):
        page.goto(path)
        assert page.evaluate("() => document.documentElement.scrollWidth") == 360, path
        assert axe(page, "dark") == [], path
    page.goto("/services/orders/run")
    page.get_by_role("button", name="Move filter 1 down").press("Enter")
    expect(field(page, "filters[0].field")).to_have_value("b")
    page.get_by_role("button", name="Remove filter 2").press("Enter")
    expect(field(page, "filters[1].field")).to_have_count(0)
    expect(page.get_by_role("button", name="Remove filter 1")).to_be_focused()
    field(page, "filters[0].field").fill("total")
    field(page, "filters[0].value").fill("5")
    page.get_by_role("button", name="Run", exact=True).last.click()
    page.wait_for_url("**/syncs/*")
    run = client.get(keys.run(page.url.rpartition("/")[2]))
    assert isinstance(run, bytes)
    assert RunOptions(filters=[Filter("total", "=", 5)]) == msgspec.json.decode(run, type=RunOptions)
