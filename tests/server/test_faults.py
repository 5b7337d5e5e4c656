"""What surrounds us fails: Redis hangs, a definition is nonsense, clients send or ask for too much at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
import redis
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosedError

from demo import valkey
from jobs.queue.requests import Requests
from synctail.connect import connect
from synctail.log.appender import Appender
from synctail.log.endings import ending_fields
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.sync import Status, Trigger
from synctail.settings import Settings
from tests.kit.following import BEARER, Logs, Reader, live_url, open_socket
from tests.kit.support import OWN_PAGE, PATIENCE_S, Process, free_port, service, store, until


@pytest.fixture
def hung(environ: dict[str, str], tmp_path: Path) -> Iterator[tuple[httpx2.Client, valkey.Server]]:
    """A web process of the test's own, on a Redis of the test's own."""
    server = valkey.start(tmp_path)
    own = {**environ, "REDIS_URL": server.url, "PORT": str(free_port())}
    try:
        with (
            Process("server", own, ready="Synctail listens"),
            httpx2.Client(base_url=f"http://127.0.0.1:{own['PORT']}", headers=BEARER, timeout=PATIENCE_S) as web,
        ):
            until(lambda: web.get("/readyz").status_code == 200, "it is ready")
            yield web, server
    finally:
        if server.process.poll() is None:
            os.kill(server.process.pid, signal.SIGCONT)
        server.stop()


@pytest.mark.slow
def test_a_redis_that_hangs_is_a_503_within_seconds_and_all_is_well_after(
    hung: tuple[httpx2.Client, valkey.Server],
) -> None:
    web, server = hung
    os.kill(server.process.pid, signal.SIGSTOP)

    def ask(path: str, kind: str = "application/problem+json") -> str:
        began = time.monotonic()
        answer = web.get(path, headers={"Accept": kind})
        assert answer.status_code == 503, path
        assert answer.headers["content-type"].startswith(kind)
        assert time.monotonic() - began < 10
        return answer.text

    with ThreadPoolExecutor() as together:
        asked = [together.submit(ask, "/readyz"), together.submit(ask, "/api/syncs")]
        page = together.submit(ask, "/services", "text/html")
        assert web.get("/healthz").status_code == 200
    assert "Redis" in page.result()
    assert all("Redis" in one.result() for one in asked)
    os.kill(server.process.pid, signal.SIGCONT)
    until(lambda: web.get("/readyz").status_code == 200, "it is ready again")


def test_a_redis_that_is_full_is_told_as_that_and_is_still_read(hung: tuple[httpx2.Client, valkey.Server]) -> None:
    web, server = hung
    with connect(server.url) as client:
        store(client, service("orders"))
        client.config_set("maxmemory", "100kb")  # less than an empty one takes
        assert web.get("/readyz").json() == {"status": "full"}
        assert [one["id"] for one in web.get("/api/services").json()] == ["orders"]
        refused = web.post("/api/services/orders/syncs")
        assert (refused.status_code, refused.json()["title"]) == (503, "Redis is full")
        assert "maxmemory" in refused.json()["detail"]
        client.config_set("maxmemory", "1gb")
        assert web.get("/readyz").json() == {"status": "ok"}
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert web.get("/readyz").json() == {"status": "evicts"}


def test_a_definition_that_cannot_be_read_hides_no_other_service(web: httpx2.Client, client: redis.Redis) -> None:
    store(client, service("good"))
    client.hset(keys.SERVICES, "bad", b'{"nonsense": true}')
    client.hset(keys.SERVICES, "moved", b'{"id": "elsewhere"}')
    assert [one["id"] for one in web.get("/api/services").json()] == ["good"]
    assert web.get("/services", headers={"Accept": "text/html"}).status_code == 200
    answer = web.get("/api/services/bad")
    assert answer.status_code == 409
    assert "cannot be read" in answer.json()["detail"]
    assert web.post("/api/services/bad/syncs").status_code == 409


def test_a_log_that_cannot_be_read_harms_no_other(
    web: httpx2.Client, client: redis.Redis, requests: Requests, appender: Appender, config: Settings
) -> None:
    spoilt = requests.start(service("spoilt"), Trigger.MANUAL).id
    fine = Logs(requests, appender, config.retention).written(5, of=service("fine"))
    with open_socket(web, spoilt) as watching:
        assert "summary" in str(watching.recv(timeout=PATIENCE_S))
        client.publish(keys.live(spoilt), b"not a message of ours")
        client.publish(keys.live(spoilt), b"1-1 zstd\nnor this one")
        client.xadd(keys.log(spoilt), {"zstd": b"nor this"}, "1-1")
        client.pexpire(keys.log(spoilt), 60_000)
        client.hset(keys.summary(spoilt), "last", 1)
        with pytest.raises(ConnectionClosedError, match="cannot be read"):
            list(watching)
    reader = Reader(fine)
    assert reader.watch(web) == 1000
    assert reader.numbers == [1, 2, 3, 4, 5]
    assert web.get("/healthz").status_code == 200


def test_a_body_that_is_too_large_is_a_413_before_it_is_read(web: httpx2.Client, client: redis.Redis) -> None:
    store(client, service("orders"))
    with socket.create_connection((web.base_url.host, web.base_url.port or 0)) as raw:
        raw.sendall(
            b"POST /api/services/orders/syncs HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n"
            b"Authorization: " + BEARER["Authorization"].encode() + b"\r\n\r\n"
        )
        raw.settimeout(PATIENCE_S)
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_length_is_cut_off_when_it_is_too_large(web: httpx2.Client, client: redis.Redis) -> None:
    store(client, service("orders"))

    def endless() -> Iterator[bytes]:
        for _ in range(10):
            yield b"x" * 10_000

    answer = web.post("/api/services/orders/syncs", content=endless())
    assert answer.status_code == 413


@pytest.mark.slow
def test_three_hundred_readers_of_one_old_log_all_get_all_of_it(
    web: httpx2.Client, requests: Requests, appender: Appender, config: Settings
) -> None:
    sync_id = requests.start(service(), Trigger.MANUAL).id
    log = LogWriter(appender, sync_id, appender.claim(sync_id))
    for _ in range(5000):
        log.info("one of many")
    assert log.close("info", "end", **ending_fields(Status.COMPLETED, None, config.retention))

    async def read() -> tuple[int, int | None]:
        frame: str | bytes = b""
        async with open_websocket(
            live_url(web, sync_id), additional_headers=BEARER, max_size=None, open_timeout=30, proxy=None
        ) as socket:
            async for frame in socket:  # noqa: B007 - the last one is the end
                pass
        return json.loads(frame)["last"], socket.close_code

    async def read_all() -> list[tuple[int, int | None]]:
        return await asyncio.gather(*(read() for _ in range(300)))

    assert asyncio.run(read_all()) == [(5001, 1000)] * 300


def test_a_session_that_was_signed_out_is_over_wherever_its_cookie_is(web: httpx2.Client) -> None:
    with httpx2.Client(base_url=web.base_url, timeout=PATIENCE_S) as browser:
        browser.post("/sign-in", data={"token": BEARER["Authorization"].split()[1], "next": "/services"})
        cookies = dict(browser.cookies)
        assert browser.post("/sign-out", headers=OWN_PAGE).status_code == 303
    with httpx2.Client(base_url=web.base_url, cookies=cookies, timeout=PATIENCE_S) as thief:
        assert thief.get("/api/services").status_code == 401


def test_a_redis_that_is_away_is_a_page_for_a_person(hung: tuple[httpx2.Client, valkey.Server]) -> None:
    web, server = hung
    server.stop()
    answer = web.get("/services", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    with connect(server.url) as client, pytest.raises(Exception, match="connecting"):
        client.ping()
