"""What a page names ahead is what a browser loads for it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route

from tests.kit.browser import OwnSync, Visits

AHEAD = re.compile(r'<link rel="modulepreload" href="([^"]+)">')
MODULE = re.compile(r'<script type="module" src="([^"]+)">')


@pytest.mark.parametrize(
    "path",
    [
        "/services",
        "/services/new",
        "/services/orders",
        "/services/orders/check",
        "/services/orders/run",
        "/syncs/{id}",
        "/syncs/01ARZ3NDEKTSV4RRFFQ69G5FAV",  # expired
        "/sign-in",
        "/nowhere",
    ],
)
def test_a_page_names_all_modules_that_it_loads(page: Page, visits: Visits, own_sync: OwnSync, path: str) -> None:
    visits.forgive("Failed to load resource", "WebSocket")  # two are pages of errors; a log is left while it connects
    named: list[str] = []
    loaded: set[str] = set()

    def without_names(route: Route) -> None:
        answer = route.fetch()
        html = answer.text()
        named.extend(AHEAD.findall(html) + MODULE.findall(html))
        route.fulfill(response=answer, body=AHEAD.sub("", html))

    page.route(path := path.format(id=own_sync.id), without_names)
    page.on("request", lambda one: loaded.add(one.url) if one.resource_type == "script" else None)
    page.goto(path)
    assert named
    assert sorted(named) == sorted("/" + url.split("/", 3)[3] for url in loaded)
