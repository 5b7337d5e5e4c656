"""The demo shop: paging that survives growth, its refusals, and records that never change."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from demo import goods
from demo.shop import TOO_MANY_EVERY, birth, create_app, main
from tests.kit.support import PATIENCE_S, free_port

BORN_AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
TOKEN = "only-for-tests"
DEADLINE_SECONDS = 20.0


class Clock:
    def __init__(self) -> None:
        self.now = BORN_AT

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def ask(action: Callable[[httpx2.AsyncClient], Awaitable[None]], clock: Clock | None = None) -> None:
    """Runs the action with a signed-in client of a shop without latency."""

    async def run() -> None:
        app = create_app(token=TOKEN, born_at=BORN_AT, latency=timedelta(0), now=clock or Clock())
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
            await action(client)

    asyncio.run(run())


async def get(client: httpx2.AsyncClient, url: str, **params: str | int) -> httpx2.Response:
    """As a patient client does: asked to come back, it comes back."""
    response = await client.get(url, params=params or None)
    return await client.get(url, params=params or None) if response.status_code == 429 else response


async def all_pages(
    client: httpx2.AsyncClient, url: str, name: str, between: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    while url:
        response = await get(client, url)
        assert response.status_code == 200, response.text
        records += response.json()[name]
        url = response.links.get("next", {}).get("url", "")
        between()
    return records


def test_orders_that_arrive_during_paging_are_neither_repeated_nor_skipped() -> None:
    clock = Clock()

    async def action(client: httpx2.AsyncClient) -> None:
        orders = await all_pages(client, "/orders?limit=7", "orders", lambda: clock.forward(seconds=5))
        numbers = [order["number"] for order in orders]
        assert len(numbers) > goods.ORDERS_AT_BIRTH
        assert numbers == [f"SO-{10_001 + each}" for each in range(len(numbers))]

    ask(action, clock)


def test_orders_that_leave_the_list_during_paging_are_still_on_the_next_page() -> None:
    clock = Clock()
    clock.forward(days=1)

    async def action(client: httpx2.AsyncClient) -> None:
        first = await get(client, "/orders", limit=2)
        assert first.headers["X-Total-Count"] == str(goods.ORDERS_LISTED)
        clock.forward(minutes=10)
        second = await get(client, first.links["next"]["url"])
        ids = [order["id"] for response in (first, second) for order in response.json()["orders"]]
        start = goods.orders_so_far(BORN_AT, BORN_AT + timedelta(days=1)) - goods.ORDERS_LISTED + 1
        assert ids == [f"O-{number:06d}" for number in range(start, start + 4)]

    ask(action, clock)


def test_all_products_and_customers_can_be_paged_through() -> None:
    async def action(client: httpx2.AsyncClient) -> None:
        products = await all_pages(client, "/products?limit=1000", "products")
        assert len({product["id"] for product in products}) == len(products) == goods.PRODUCTS
        assert 0 < sum(product["price"] < 0 for product in products) < goods.PRODUCTS / 200
        customers = await all_pages(client, "/customers", "customers")
        assert len({customer["id"] for customer in customers}) == len(customers) == goods.CUSTOMERS

    ask(action)


def test_the_next_page_is_announced_in_the_link_header_alone() -> None:
    async def action(client: httpx2.AsyncClient) -> None:
        response = await get(client, "/products", limit=3)
        assert list(response.json()) == ["products"]
        assert response.headers["X-Total-Count"] == str(goods.PRODUCTS)
        assert response.headers["Link"].startswith("<http://shop/products?limit=3&cursor=")
        assert response.headers["Link"].endswith('>; rel="next"')
        assert response.links["next"]["url"].count("cursor=") == 1

    ask(action)


def test_without_the_right_token_the_shop_tells_nothing() -> None:
    async def action(client: httpx2.AsyncClient) -> None:
        for given in ("", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer gr\u00fcn"):
            response = await client.get("/orders", headers={b"Authorization": given.encode()})
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert list(response.json()) == ["error"]
        assert (await client.get("/", headers={"Authorization": ""})).status_code == 200

    ask(action)


def test_a_wrong_limit_or_cursor_is_named() -> None:
    async def action(client: httpx2.AsyncClient) -> None:
        for limit in ("0", "1001", "-1", "ten", "", "1e2", "\u0663"):
            response = await get(client, "/orders", limit=limit)
            assert response.status_code == 400, limit
            assert response.json()["error"] == f"limit: got {limit!r}; takes a whole number from 1 to 1000"
        other = (await get(client, "/products")).links["next"]["url"].partition("cursor=")[2]
        for cursor in (other, "", "x", "\u00fc", "b3JkZXJzOjA", "b3JkZXJzOjk5OTk5OTk"):
            response = await get(client, "/orders", cursor=cursor)
            assert response.status_code == 400, cursor
            assert response.json()["error"].startswith("cursor: got ")

    ask(action)


def test_every_23rd_request_is_asked_to_come_back_later() -> None:
    async def action(client: httpx2.AsyncClient) -> None:
        answers = [await client.get("/customers", params={"limit": 1}) for _ in range(2 * TOO_MANY_EVERY)]
        late = [number for number, answer in enumerate(answers, 1) if answer.status_code == 429]
        assert late == [TOO_MANY_EVERY, 2 * TOO_MANY_EVERY]
        assert answers[TOO_MANY_EVERY - 1].headers["Retry-After"] == "1"

    ask(action)


def test_a_record_follows_from_its_number() -> None:
    for make in (goods.order, goods.customer, goods.product):
        assert [make(number, BORN_AT) for number in range(1, 50)] == [make(number, BORN_AT) for number in range(1, 50)]


def test_about_one_order_in_sixty_is_wrong_in_a_way_the_warehouse_refuses() -> None:
    wrong = {"total": 0, "email": 0, "status": 0}
    for number in range(1, 3_001):
        order: dict[str, Any] = goods.order(number, BORN_AT)
        wrong["total"] += order["total"] < 0
        wrong["email"] += "email" not in order["customer"]
        wrong["status"] += "status" not in order
    assert min(wrong.values()) > 5
    assert 25 < sum(wrong.values()) < 100


def test_there_are_as_many_orders_as_the_time_since_birth_says() -> None:
    def count(seconds: float) -> int:
        return goods.orders_so_far(BORN_AT, BORN_AT + timedelta(seconds=seconds))

    assert [count(0), count(2.9), count(3), count(60), count(-5)] == [240, 240, 241, 260, 240]


def test_a_restart_continues_the_same_shop(tmp_path: Path) -> None:
    born_at = birth(tmp_path / "data")
    assert birth(tmp_path / "data") == born_at


@contextmanager
def shop_process(data: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.shop"],
        env={**os.environ, "SYNCTAIL_DATA": str(data), "SYNCTAIL_SECRET_SHOP_TOKEN": TOKEN, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_shop_serves_where_it_was_told_to_and_says_so_in_one_line(tmp_path: Path) -> None:
    port = free_port()
    with shop_process(tmp_path, SHOP_PORT=str(port), SHOP_LATENCY_MS="0") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"The demo shop is open at http://127.0.0.1:{port}\n"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx2.get(f"http://127.0.0.1:{port}/orders?limit=1", headers=headers, timeout=PATIENCE_S)
        assert answer.links["next"]["url"].startswith(f"http://127.0.0.1:{port}/orders?limit=1&cursor=")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=DEADLINE_SECONDS)
        assert rest + errors == ""  # no access log, no traceback


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with shop_process(tmp_path, SHOP_PORT=port) as process:
            output, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(f"The demo shop cannot listen on port {port}: Address already in use.")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SHOP_PORT", "http", "SHOP_PORT: got 'http'; takes a port from 1 to 65535"),
        ("SHOP_LATENCY_MS", "-1", "SHOP_LATENCY_MS: got '-1'; takes"),
        ("SYNCTAIL_SECRET_SHOP_TOKEN", "", "SYNCTAIL_SECRET_SHOP_TOKEN: not set; takes"),
    ],
)
def test_a_wrong_setting_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: str, expected: str
) -> None:
    assert main({"SYNCTAIL_DATA": str(tmp_path), "SYNCTAIL_SECRET_SHOP_TOKEN": TOKEN, name: value}) == 1
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    assert errors.startswith(expected)
