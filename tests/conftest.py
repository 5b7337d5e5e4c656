"""Fixtures, and the marks of tests. Redis is emptied before each test that uses it, and checked for keys without expiry
afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import hypothesis
import pytest
import redis
from playwright.sync_api import Browser, Page, sync_playwright

from demo import valkey
from jobs.queue.requests import Requests
from jobs.services.model import BearerAuth, Secret
from server.access.auth import token_hash
from synctail import settings
from synctail.connect import connect
from synctail.log.appender import Appender
from synctail.model import keys
from synctail.model.ids import utc_now
from tests.kit.browser import OwnSync, Visits, launch
from tests.kit.chaos import journeys, stack
from tests.kit.following import Logs
from tests.kit.support import (
    ADMIN_TOKEN,
    Process,
    Workers,
    free_port,
    http_client,
    immortal_keys,
    service,
    store,
    unreconciled,
)
from tests.kit.syncs import hanging
from tests.kit.systems import postgres, postgres_session, sftp, sftp_session

__all__ = ["hanging", "journeys", "postgres", "postgres_session", "sftp", "sftp_session", "stack"]  # fixtures


# The same examples each time, without a deadline: what was green stays green. With --hypothesis-profile=default they
# are others each time.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("steady"), max_examples=20)
hypothesis.settings.load_profile("steady")

MARKED_BY = {
    "chromium": "browser",
    "journeys": "chaos",
    "stack": "chaos",
    "postgres_session": "systems",
    "sftp_session": "systems",
}
"""A test that uses such a fixture, directly or through another one, gets the marker. "slow" is set by hand."""

SECONDS = {"chaos": 10, "slow": 5, "own_worker": 2, "worker": 1, "chromium": 1}
"""About how long a test with that marker or fixture takes; others take next to nothing."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its fixtures, before `-m` selects, and sort the files: the longest comes first, so that no
    worker is left with one while the others have nothing to do."""
    seconds: Counter[Path] = Counter()
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for fixture in fixtures & MARKED_BY.keys():
            item.add_marker(MARKED_BY[fixture])
        names = fixtures | {marker.name for marker in item.iter_markers()}
        seconds[item.path] += max(SECONDS.get(name, 0) for name in {"", *names})
    items.sort(key=lambda item: -seconds[item.path])


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Server]:
    server = valkey.start(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def environ(valkey_server: valkey.Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of our processes."""
    data = tmp_path_factory.mktemp("data")
    return {
        "REDIS_URL": valkey_server.url,
        "SYNCTAIL_DATA": str(data),
        "SYNCTAIL_FILES": str(data / "files"),
        "SYNCTAIL_ADMIN_TOKEN": ADMIN_TOKEN,
        "SYNCTAIL_SECRET_SHOP_TOKEN": "the-token-of-the-shop",
        "PORT": str(free_port()),
        "SHOP_PORT": str(free_port()),
        "SHOP_LATENCY_MS": "0",
    }


@pytest.fixture
def config(environ: dict[str, str]) -> settings.Settings:
    return settings.load(environ)


@pytest.fixture
def client(valkey_server: valkey.Server, workers: Workers, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """An empty Redis with one admin token. Fails the test when a key was left without an expiry, or a sync with counts
    that do not add up."""
    if "web" in request.fixturenames:
        request.getfixturevalue("web_process")  # before Redis is filled: it stores its admin token at its start
    if "worker" not in request.fixturenames:
        workers.stop()  # it would take the syncs whose logs the test writes itself
    with connect(valkey_server.url) as client:
        client.flushall()
        client.hset(keys.token(token_hash(ADMIN_TOKEN)), mapping={"name": "tests", "role": "admin"})
        yield client
        assert immortal_keys(client) == [], "these keys have no TTL and would be left for ever"
        by_workers = not {"worker", "own_worker"}.isdisjoint(request.fixturenames)
        assert unreconciled(client, whole=by_workers) == [], "the counts of these do not add up"


@pytest.fixture
def requests(config: settings.Settings, client: redis.Redis) -> Requests:
    return Requests(config, client)


@pytest.fixture
def appender(config: settings.Settings, client: redis.Redis) -> Appender:
    return Appender(client, live_ttl_ms=config.retention_ms)


@pytest.fixture
def logs(requests: Requests, appender: Appender, config: settings.Settings) -> Logs:
    """Writes logs without a worker."""
    return Logs(requests, appender, config.retention)


@pytest.fixture
def one_day() -> None:
    """Delays a test that depends on the date, so that it does not run over midnight."""
    while utc_now().date() != (utc_now() + timedelta(seconds=30)).date():
        time.sleep(0.5)


@pytest.fixture
def files(environ: dict[str, str]) -> Path:
    return Path(environ["SYNCTAIL_FILES"])


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def web_process(environ: dict[str, str]) -> Iterator[Process]:
    with Process("server", environ, ready="Synctail listens") as process:
        with http_client(f"http://127.0.0.1:{environ['PORT']}") as http:
            http.get("/healthz")  # answered once it has started, and has stored the admin token under its own name
        yield process


@pytest.fixture
def web(web_process: Process, client: redis.Redis, environ: dict[str, str]) -> Iterator[httpx2.Client]:
    """A client of a real web process, with the admin token. `web.base_url` is the address."""
    del web_process, client
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    with http_client(f"http://127.0.0.1:{environ['PORT']}", headers=headers) as http:
        yield http


@pytest.fixture(scope="session")
def workers(environ: dict[str, str]) -> Iterator[Workers]:
    workers = Workers(environ)
    yield workers
    workers.stop()


@pytest.fixture
def worker(workers: Workers, client: redis.Redis) -> Process:
    """A real worker process that tests share. A test that harms it takes `own_worker` instead."""
    del client
    return workers.shared()


@pytest.fixture
def own_worker(workers: Workers, client: redis.Redis) -> Iterator[Process]:
    """A private worker, which the test may kill."""
    del client
    workers.stop()
    with workers.own() as process:
        yield process


@pytest.fixture(scope="session")
def shop(environ: dict[str, str]) -> Iterator[str]:
    """The address of the demo shop."""
    with Process("demo.shop", environ, ready="The demo shop is open"):
        yield f"http://127.0.0.1:{environ['SHOP_PORT']}"


@pytest.fixture
def shop_auth() -> BearerAuth:
    return BearerAuth(Secret("SHOP_TOKEN"))


# --- browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser per file, not per session: while Playwright is open, its event loop counts as running in this thread,
    and no other test could run one."""
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest.fixture
def visits(chromium: Browser, web: httpx2.Client) -> Iterator[Visits]:
    """Visitors of the web process. Fails the test when a page complained."""
    visits = Visits(chromium, str(web.base_url))
    yield visits
    visits.leave()


@pytest.fixture
def page(visits: Visits) -> Page:
    """A page of a visitor who is signed in."""
    return visits.signed_in()


@pytest.fixture
def own_sync(config: settings.Settings, client: redis.Redis, appender: Appender) -> Iterator[OwnSync]:
    """A running sync of the service "orders", whose log the test writes itself."""
    orders = service()
    store(client, orders)
    sync = OwnSync(config, client, appender, orders)
    yield sync
    sync.end()
