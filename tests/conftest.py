"""What tests are given. Redis is emptied before each test that uses it, and looked over for immortal keys after."""

from __future__ import annotations

import time
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
from tests.kit.following import Logs
from tests.kit.support import ADMIN_TOKEN, PATIENCE_S, Process, free_port, immortal_keys, service, store, unreconciled
from tests.kit.systems import postgres, postgres_session, sftp, sftp_session

__all__ = ["postgres", "postgres_session", "sftp", "sftp_session"]  # fixtures of another file


# The same examples each time, however long each takes: what was green is green again. With --hypothesis-profile=default
# they are others each time, for whoever wants to look further.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

LONGEST = (
    *("make_run", "browser_access", "browser_view", "run", "live", "browser_log", "browser_network", "chaos_redis"),
    *("chaos_endings", "browser_finder", "browser_lines", "script", "chaos_readers", "browser_services", "faults"),
    *("browser_lists", "whole_way", "cli"),
)
"""Begun first, so that no file is left to one worker while the others have nothing to do any more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    turns = {f"test_{name}": turn for turn, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turns.get(item.path.stem, len(turns)))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Server]:
    server = valkey.start(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def environ(valkey_server: valkey.Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that our processes get."""
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
    """An empty Redis that knows one admin token. Ends the test as failed when a key was left without an expiry, or a
    sync with counts that do not add up."""
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
    """Writes logs in place of a worker."""
    return Logs(requests, appender, config.retention)


@pytest.fixture
def one_day() -> None:
    """What a test moves and looks up under today is of one day: no such test begins shortly before midnight."""
    while utc_now().date() != (utc_now() + timedelta(seconds=30)).date():
        time.sleep(0.5)


@pytest.fixture
def files(environ: dict[str, str]) -> Path:
    return Path(environ["SYNCTAIL_FILES"])


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def web_process(environ: dict[str, str]) -> Iterator[Process]:
    with Process("server", environ, ready="Synctail listens") as process:
        yield process


@pytest.fixture
def web(web_process: Process, client: redis.Redis, environ: dict[str, str]) -> Iterator[httpx2.Client]:
    """A real web process, and a client of it that bears the admin token. `web.base_url` says where it is."""
    del web_process, client
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{environ['PORT']}", headers=headers, timeout=PATIENCE_S) as http:
        yield http


class Workers:
    """At most one worker runs: a second one would take the jobs of the first."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._shared: Process | None = None

    def shared(self) -> Process:
        if self._shared is None or self._shared.process.poll() is not None:
            self._shared = self.own()
        return self._shared

    def own(self) -> Process:
        return Process("jobs.worker", self._environ, ready="Worker ready")

    def stop(self) -> None:
        if self._shared:
            self._shared.stop()
            self._shared = None


@pytest.fixture(scope="session")
def workers(environ: dict[str, str]) -> Iterator[Workers]:
    workers = Workers(environ)
    yield workers
    workers.stop()


@pytest.fixture
def worker(workers: Workers, client: redis.Redis) -> Process:
    """RQ's own worker, as a process that tests share; whoever harms it takes `own_worker` instead."""
    del client
    return workers.shared()


@pytest.fixture
def own_worker(workers: Workers, client: redis.Redis) -> Iterator[Process]:
    """A worker of the test's own, to be killed at will."""
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
def browser() -> Iterator[Browser]:
    """One for each file of tests. Not for the session: while Playwright is open, its event loop counts as running in
    this thread, and no other test could run one."""
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest.fixture
def visits(browser: Browser, web: httpx2.Client) -> Iterator[Visits]:
    """People who visit the web process. Ends the test as failed when a page complained."""
    visits = Visits(browser, str(web.base_url))
    yield visits
    visits.leave()


@pytest.fixture
def page(visits: Visits) -> Page:
    """A page of somebody who has signed in."""
    return visits.signed_in()


@pytest.fixture
def own_sync(config: settings.Settings, client: redis.Redis, appender: Appender) -> Iterator[OwnSync]:
    """A running sync of the service "orders", whose log the test writes."""
    orders = service()
    store(client, orders)
    sync = OwnSync(config, client, appender, orders)
    yield sync
    sync.end()
