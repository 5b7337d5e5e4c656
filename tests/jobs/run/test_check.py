"""Would a service's connections work? Asked over the API, answered by a real worker."""

from __future__ import annotations

import socket
import time
from typing import Any

import httpx2
import msgspec
import pytest
import redis

from jobs.queue.check_requests import CheckRequests
from jobs.run import check as check_module
from jobs.run.check import check
from jobs.services.model import (
    BearerAuth,
    Checked,
    FileDestination,
    HttpSource,
    Secret,
    ServiceCheck,
    SftpDestination,
    SqlDestination,
    SqlSource,
)
from server.access.auth import token_hash
from synctail.model import keys
from synctail.settings import Settings
from tests.kit.support import PATIENCE_S, Process, free_port, service, store, until


def checked(web: httpx2.Client, service_id: str = "orders") -> dict[str, Any]:
    asked = web.post(f"/api/services/{service_id}/check")
    assert asked.status_code == 202
    asked_at = asked.json()["asked_at"]

    def found() -> Any:
        answer = web.get(f"/api/services/{service_id}/check").json()
        return answer if answer["asked_at"] == asked_at else None

    return dict(until(found, "the check is done"))


def test_a_check_tells_of_both_ends(
    web: httpx2.Client, client: redis.Redis, worker: Process, shop: str, shop_auth: BearerAuth
) -> None:
    del worker
    store(client, service(url=f"{shop}/orders", auth=shop_auth))
    before = web.get("/api/services/orders/check").json()
    assert before == {"service": "orders", "asked_at": None, "checked_at": None, "source": None, "destination": None}
    first = checked(web)
    assert first["source"] == {"state": "operational", "reason": "answered 200 OK with 1 record"}
    assert first["destination"]["state"] == "operational"
    assert first["checked_at"] > first["asked_at"]
    store(client, service(url=f"{shop}/orders", auth=BearerAuth(Secret("OTHER"))))
    second = checked(web)
    assert second["source"] == {
        "state": "misconfigured",
        "reason": "The secret OTHER is not set. Set SYNCTAIL_SECRET_OTHER for the worker.",
    }
    assert second["checked_at"] > first["checked_at"]


def test_one_check_at_a_time_is_enough(client: redis.Redis) -> None:
    requests = CheckRequests(client)
    assert requests.ask("orders") == requests.ask("orders")
    assert client.llen("rq:queue:syncs") == 1
    assert 0 < client.pttl(keys.service_check_asked("orders")) <= 60_000
    assert requests.ask("customers")
    assert client.llen("rq:queue:syncs") == 2


def test_viewers_read_a_check_and_start_none(web: httpx2.Client, client: redis.Redis) -> None:
    store(client, service())
    viewer = {"Authorization": "Bearer st_only-a-viewer"}
    client.hset(keys.token(token_hash("st_only-a-viewer")), mapping={"name": "reader", "role": "viewer"})
    assert web.post("/api/services/orders/check", headers=viewer).status_code == 403
    assert web.get("/api/services/orders/check", headers=viewer).status_code == 200
    assert web.get("/api/services/ghost/check").status_code == 404
    assert web.post("/api/services/ghost/check").status_code == 404
    with httpx2.Client(base_url=web.base_url, timeout=PATIENCE_S) as nobody:
        assert nobody.post("/api/services/orders/check").status_code == 401


def test_a_service_that_is_removed_meanwhile_has_no_result(client: redis.Redis, config: Settings) -> None:
    del config
    asked_at = CheckRequests(client).ask("orders")
    assert asked_at
    assert CheckRequests(client).last("orders") == ServiceCheck(service="orders")


# --- what it finds ------------------------------------------------------------------------------------------------


def found(config: Settings, **more: Any) -> tuple[Checked, Checked]:
    made = service(destination=more.pop("destination", None))
    return check(msgspec.structs.replace(made, **more), config)


def test_an_address_where_nothing_listens_is_unreachable(config: Settings) -> None:
    source, destination = found(
        config,
        source=HttpSource(url=f"http://127.0.0.1:{free_port()}/"),
        destination=SftpDestination(host="127.0.0.1", port=free_port(), user="a", path="/x.csv", host_key="SHA256:x"),
    )
    assert source.state == "unreachable"
    assert "refused" in source.reason
    assert destination.state == "misconfigured"  # before anything is asked


def test_a_password_does_not_get_into_a_reason(config: Settings) -> None:
    url = "http://ana:hunter22@127.0.0.1:{port}/?t=the-token-of-the-shop"
    source, destination = found(
        config,
        source=HttpSource(url=url.format(port=free_port())),
        destination=SqlDestination(url="postgresql+psycopg://ana:hunter23@127.0.0.1:1/db", table="t"),
    )
    for one in (source, destination):
        assert one.state == "unreachable"
        assert "hunter" not in one.reason
        assert "the-token" not in one.reason


def test_a_check_ends_also_where_an_answer_does_not(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "LONGEST_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        source, destination = found(
            config,
            source=HttpSource(url=f"http://127.0.0.1:{silent.getsockname()[1]}/"),
            destination=FileDestination("o.csv"),
        )
        assert time.monotonic() - began < 10
    assert source == Checked("unreachable", "no answer within 0 s")
    assert destination.state == "operational"


def test_an_address_that_is_none_is_misconfigured(config: Settings) -> None:
    source, destination = found(
        config, source=SqlSource(url="nosuch://x", table="t"), destination=FileDestination("../out.csv")
    )
    assert source.state == destination.state == "misconfigured"
    assert "leads out of SYNCTAIL_FILES" in destination.reason
