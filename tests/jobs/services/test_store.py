"""Services over the API: who may store them, what is refused and why, and that what is stored counts at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import msgspec
import pytest
import redis

from jobs.queue.requests import Requests
from jobs.services.model import decode_service
from jobs.services.store import ServiceExists, ServiceNotFound, Services
from server.access.auth import token_hash
from synctail.model import keys
from synctail.model.sync import Trigger
from tests.kit.support import service, store

ORDERS: dict[str, Any] = msgspec.to_builtins(service("orders"))


@pytest.fixture
def services(client: redis.Redis) -> Services:
    return Services(client)


def test_a_stored_service_is_read_and_another_is_not(services: Services) -> None:
    services.create(service())
    assert services.read("orders") == service()
    with pytest.raises(ServiceNotFound, match="ghost"):
        services.read("ghost")


def test_of_many_that_create_one_service_one_does(services: Services) -> None:
    def create(name: str) -> bool:
        try:
            services.create(service(name=name))
        except ServiceExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, "abcdefgh")) == 1


def test_replacing_does_not_bring_a_removed_service_back(services: Services) -> None:
    services.create(service())
    services.remove("orders")
    with pytest.raises(ServiceNotFound):
        services.replace(service())
    with pytest.raises(ServiceNotFound):
        services.remove("orders")


def test_a_service_is_created_and_listed_and_can_run(
    web: httpx2.Client, client: redis.Redis, requests: Requests
) -> None:
    created = web.post("/api/services", json={name: ORDERS[name] for name in ("id", "name", "source", "destination")})
    assert created.status_code == 201
    assert created.headers["location"] == "/api/services/orders"
    assert created.json() == {**ORDERS, "last_sync": None}
    assert [one["id"] for one in web.get("/api/services").json()] == ["orders"]
    assert web.post("/api/services/orders/syncs").status_code == 202
    assert decode_service("orders", client.hget(keys.SERVICES, "orders") or b"") == service("orders")  # type: ignore[arg-type]
    del requests


def test_a_second_service_of_the_same_id_is_refused(web: httpx2.Client, client: redis.Redis) -> None:
    store(client, service("orders", name="The first"))
    again = web.post("/api/services", json=ORDERS)
    assert again.status_code == 409
    assert "already" in again.json()["detail"]
    assert web.get("/api/services/orders").json()["name"] == "The first"


def test_a_service_is_replaced_whole_and_shows_its_last_sync(
    web: httpx2.Client, client: redis.Redis, requests: Requests
) -> None:
    store(client, service("orders", notes="old"))
    sync = requests.start(service("orders"), Trigger.MANUAL)
    replaced = web.put("/api/services/orders", json={**ORDERS, "name": "Renamed", "active": False})
    assert replaced.status_code == 200
    assert (replaced.json()["name"], replaced.json()["notes"]) == ("Renamed", "")
    assert replaced.json()["last_sync"]["id"] == sync.id
    assert web.post("/api/services/orders/syncs").status_code == 409


def test_every_fault_of_a_definition_is_listed(web: httpx2.Client, client: redis.Redis) -> None:
    wrong = {**ORDERS, "mapping": [{"to": "a", "with": [["lowr"]]}], "filters": [{"field": "a..b", "op": "="}]}
    answer = web.post("/api/services", json=wrong)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [
        {"path": "filters[0].field", "says": "'a..b' is not JMESPath: it breaks at character 3"},
        {"path": "mapping[0].with[0]", "says": 'unknown function "lowr"; did you mean "lower"?'},
    ]
    assert not client.exists(keys.SERVICES)


def test_an_id_cannot_be_changed(web: httpx2.Client, client: redis.Redis) -> None:
    store(client, service("orders"))
    answer = web.put("/api/services/orders", json={**ORDERS, "id": "others"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "id"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_400(web: httpx2.Client, body: bytes) -> None:
    answer = web.post("/api/services", content=body)
    assert answer.status_code == 400
    assert "definition" in answer.json()["detail"]


def test_a_definition_may_hold_large_tables_and_no_larger_ones(web: httpx2.Client) -> None:
    table = {str(n): "x" * 50 for n in range(10_000)}
    assert web.post("/api/services", json={**ORDERS, "lookups": {"t": table}}).status_code == 201
    assert web.put("/api/services/orders", content=b"x" * 1_100_000).status_code == 413


def test_a_removed_service_is_gone_with_what_it_remembered(
    web: httpx2.Client, client: redis.Redis, requests: Requests
) -> None:
    store(client, service("orders"))
    sync = requests.start(service("orders"), Trigger.MANUAL)
    client.hset(keys.service_seen("orders"), "key", "print")
    client.expire(keys.service_seen("orders"), 60)
    assert web.delete("/api/services/orders").status_code == 204
    assert web.get("/api/services/orders").status_code == 404
    assert web.delete("/api/services/orders").status_code == 404
    assert web.put("/api/services/orders", json=ORDERS).status_code == 404
    assert not client.exists(keys.service_seen("orders"), keys.service_turns("orders"))
    assert web.get(f"/api/syncs/{sync.id}").status_code == 200


@pytest.mark.parametrize("role", ["viewer", "operator", None])
def test_only_an_admin_may_change_services(web: httpx2.Client, client: redis.Redis, role: str | None) -> None:
    store(client, service("orders"))
    headers = {"Authorization": "Bearer st_another-token-of-the-tests"}
    if role:
        client.hset(keys.token(token_hash("st_another-token-of-the-tests")), mapping={"name": "x", "role": role})
    refused = 403 if role else 401
    assert web.post("/api/services", json={**ORDERS, "id": "b"}, headers=headers).status_code == refused
    assert web.put("/api/services/orders", json=ORDERS, headers=headers).status_code == refused
    assert web.delete("/api/services/orders", headers=headers).status_code == refused
    assert [one["id"] for one in web.get("/api/services").json()] == ["orders"]


def test_services_of_a_file_are_stored_all_at_once_or_none(client: redis.Redis, services: Services) -> None:
    services.put([service("one")], [])
    before = client.hgetall(keys.SERVICES)
    with pytest.raises(ServiceExists, match="one"):  # made since somebody looked
        services.put([service("two"), service("one", name="Other")], [])
    with pytest.raises(ServiceNotFound, match="three"):  # removed since then
        services.put([service("two")], [service("one", name="Other"), service("three")])
    assert client.hgetall(keys.SERVICES) == before
    services.put([service("two")], [service("one", name="Other")])
    assert [services.read(name).name for name in ("one", "two")] == ["Other", "Two"]
