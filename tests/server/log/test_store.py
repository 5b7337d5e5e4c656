"""The contract of what the server reads, one set of tests over a real Valkey and over fakeredis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import fakeredis
import msgspec
import pytest
import redis
from ulid import ULID

from server import app
from server.log import wire
from server.log.log_reader import FIRST_ENTRIES, READ_BYTES, LogReader
from server.log.summaries import Summaries
from server.services.reader import ServiceReader
from server.web import errors
from synctail.log import lines
from synctail.log.appender import Appender
from synctail.model import keys
from synctail.model.ids import new_sync_id, rfc3339, utc_now
from synctail.model.sync import Status, Summary
from synctail.settings import Settings
from tests.kit.support import immortal_keys, service, store

T = TypeVar("T")

RETENTION = timedelta(hours=24)
UNKNOWN = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
EXPIRED = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Readers(NamedTuple):
    services: ServiceReader
    summaries: Summaries
    log: LogReader


class Backend:
    """One Redis, written to by a plain client and read as the server reads it."""

    def __init__(self, client: redis.Redis, connect: Callable[[], Any]) -> None:
        self.client = client
        self._connect = connect

    def ask(self, question: Callable[[Readers], Awaitable[T]]) -> T:
        async def answer() -> T:
            client = self._connect()
            try:
                return await question(
                    Readers(
                        ServiceReader(client), Summaries(client, RETENTION), LogReader(client, asyncio.Semaphore(16))
                    )
                )
            finally:
                await client.aclose()

        return asyncio.run(answer())


@pytest.fixture(params=["valkey", "fakeredis"])
def backend(request: pytest.FixtureRequest, config: Settings) -> Iterator[Backend]:
    if request.param == "valkey":
        yield Backend(request.getfixturevalue("client"), lambda: app._redis(config.redis_url))
        return
    server = fakeredis.FakeServer()
    with fakeredis.FakeRedis(server=server) as fake:
        yield Backend(fake, lambda: fakeredis.FakeAsyncRedis(server=server))
        assert immortal_keys(fake) == []


def sync(backend: Backend, age: timedelta = timedelta(0), status: Status = Status.RUNNING, of: str = "orders") -> str:
    """A sync that was asked for so long ago."""
    at = utc_now() - age
    summary = Summary(id=str(ULID.from_datetime(at)), service=of, status=status, queued_at=rfc3339(at))
    stored = {name: str(value) for name, value in msgspec.to_builtins(summary).items() if value is not None}
    backend.client.hset(keys.summary(summary.id), mapping={**stored, "attempt": 0, "last": 0})
    backend.client.pexpire(keys.summary(summary.id), 60_000)
    for index in (keys.SYNCS, keys.service_syncs(of)):
        backend.client.zadd(index, {summary.id: int(at.timestamp() * 1000)})
        backend.client.pexpire(index, 60_000)
    return summary.id


def write(backend: Backend, sync_id: str, *chunks: int, size: int = 1) -> None:
    """Chunks of so many lines each."""
    appender = Appender(backend.client, live_ttl_ms=60_000)
    attempt, first = appender.claim(sync_id).attempt, 1
    for count in chunks:
        entries = [lines.Entry(0, "info", f"{n} " + "x" * size) for n in range(first, first + count)]
        encoding, body = lines.pack(lines.encode_lines(first, entries))
        appender.append(sync_id, attempt=attempt, first=first, count=count, encoding=encoding, body=body)
        first += count


def told(parts: list[wire.Chunk | wire.Gap]) -> list[tuple[str, int, int]]:
    """What the parts are, each checked to hold the lines that it says."""
    for part in parts:
        if isinstance(part, wire.Chunk):
            held = [line["n"] for line in msgspec.json.decode(b"[" + part.body + b"]")]
            assert held == list(range(part.first, part.last + 1))
    return [("lines" if isinstance(part, wire.Chunk) else "gap", part.first, part.last) for part in parts]


# --- services -------------------------------------------------------------------------------------------------------


def test_services_come_by_name_and_one_that_cannot_be_read_hides_no_other(backend: Backend) -> None:
    assert backend.ask(lambda one: one.services.all()) == []
    store(backend.client, service("b", name="zebra"), service("a", name="Yak"), service("c", name="ant"))
    backend.client.hset(keys.SERVICES, "bad", "{")
    assert [one.id for one in backend.ask(lambda one: one.services.all())] == ["c", "a", "b"]
    assert backend.ask(lambda one: one.services.get("a")).name == "Yak"
    with pytest.raises(errors.ServiceUnknown):
        backend.ask(lambda one: one.services.get("nobody"))
    with pytest.raises(errors.ServiceUnreadable):
        backend.ask(lambda one: one.services.get("bad"))


def test_the_last_sync_of_a_service_is_its_newest(backend: Backend) -> None:
    sync(backend, timedelta(hours=2))
    newest, other = sync(backend, timedelta(hours=1)), sync(backend, of="other")
    found = backend.ask(lambda one: one.summaries.last_of([service(), service("other"), service("idle")]))
    assert {name: summary.id for name, summary in found.items()} == {"orders": newest, "other": other}
    backend.client.delete(keys.summary(newest))
    assert backend.ask(lambda one: one.summaries.last_of([service()])) == {}


# --- summaries and lists --------------------------------------------------------------------------------------------


def test_an_id_that_never_was_and_one_that_is_over_are_told_apart(backend: Backend) -> None:
    sync_id = sync(backend)
    assert backend.ask(lambda one: one.summaries.get(sync_id)).id == sync_id
    for never in (UNKNOWN, "no-id", ""):
        with pytest.raises(errors.SyncNotFound):
            backend.ask(lambda one, never=never: one.summaries.get(never))  # type: ignore[misc]
    with pytest.raises(errors.SyncExpired):
        backend.ask(lambda one: one.summaries.get(EXPIRED))


def test_lists_are_newest_first_and_old_ones_stay_only_while_they_run(backend: Backend) -> None:
    sync(backend, timedelta(hours=25), Status.COMPLETED)
    running = sync(backend, timedelta(hours=30))
    recent = sync(backend, timedelta(hours=23), Status.FAILED)
    other = sync(backend, of="other", status=Status.QUEUED)

    def listed(service_id: str | None = None, **how: Any) -> list[str]:
        return [one.id for one in backend.ask(lambda one: one.summaries.newest(service_id, **how))]

    assert listed() == [other, recent, running]
    assert listed("orders") == [recent, running]
    assert listed(status=Status.FAILED) == [recent]
    assert listed(q=recent[-8:].lower()) == [recent]
    assert listed(q="*") == []
    assert listed(limit=2) == [other, recent]
    assert listed(limit=2, before=recent) == [running]
    assert listed(before=UNKNOWN) == []


# --- logs -----------------------------------------------------------------------------------------------------------


def test_a_log_is_read_from_any_line_to_any_line(backend: Backend) -> None:
    sync_id = sync(backend)
    write(backend, sync_id, 10, 1, 500, 9)
    for after, until, parts in [
        (0, 520, [(1, 10), (11, 11), (12, 511), (512, 520)]),
        (4, 8, [(5, 8)]),
        (10, 11, [(11, 11)]),
        (100, 513, [(101, 511), (512, 513)]),
        (519, 520, [(520, 520)]),
        (520, 520, []),
    ]:
        found = backend.ask(lambda one, after=after, until=until: one.log.read(sync_id, after, until))  # type: ignore[misc]
        assert told(found) == [("lines", *part) for part in parts]
    assert told(backend.ask(lambda one: one.log.read(sync_id, 511))) == [("lines", 512, 520)]


@pytest.mark.parametrize("limit", [1, 10, 11, 12, 510, 5000])
def test_a_limit_is_a_number_of_lines(backend: Backend, limit: int) -> None:
    sync_id = sync(backend)
    write(backend, sync_id, 10, 1, 500, 9)
    found = backend.ask(lambda one: one.log.read(sync_id, 3, 520, lines=limit))
    assert found[-1].last == min(520, 3 + limit)


def test_a_log_without_lines_and_one_that_has_no_more_are_empty(backend: Backend) -> None:
    sync_id = sync(backend)
    assert backend.ask(lambda one: one.log.read(sync_id, 0)) == []
    write(backend, sync_id, 3)
    assert backend.ask(lambda one: one.log.read(sync_id, 3)) == []
    assert backend.ask(lambda one: one.log.read(sync_id, 7)) == []
    assert backend.ask(lambda one: one.log.read(new_sync_id(), 0)) == []


def test_what_is_missing_is_a_gap_wherever_it_is(backend: Backend) -> None:
    sync_id = sync(backend)
    write(backend, sync_id, *[10] * 6)
    backend.client.xdel(keys.log(sync_id), "10-10", "30-10", "60-10")
    whole = [("gap", 1, 10), ("lines", 11, 20), ("gap", 21, 30), ("lines", 31, 40), ("lines", 41, 50), ("gap", 51, 60)]
    assert told(backend.ask(lambda one: one.log.read(sync_id, 0, 60))) == whole
    assert told(backend.ask(lambda one: one.log.read(sync_id, 0))) == whole
    assert told(backend.ask(lambda one: one.log.read(sync_id, 0, 60, lines=5))) == [("gap", 1, 10), ("lines", 11, 15)]
    assert told(backend.ask(lambda one: one.log.read(sync_id, 22, 28))) == [("gap", 23, 28)]
    assert told(backend.ask(lambda one: one.log.read(sync_id, 55, 60))) == [("gap", 56, 60)]


def test_what_redis_does_not_count_any_more_is_not_called_lost(backend: Backend) -> None:
    """It went back in time after the reader had asked how long the log is; its writer may send the rest again."""
    sync_id = sync(backend)
    write(backend, sync_id, 10, 10)
    backend.client.xdel(keys.log(sync_id), "20-10")
    backend.client.hset(keys.summary(sync_id), "last", 10)
    assert told(backend.ask(lambda one: one.log.read(sync_id, 0, 20))) == [("lines", 1, 10)]
    assert backend.ask(lambda one: one.log.read(sync_id, 10, 20)) == []


@pytest.mark.parametrize(("chunks", "size"), [([50] * 80, 1000), ([1] * 300, 1), ([1] * 40 + [60] * 40, 1000)])
def test_a_read_is_bounded_and_fetches_little_more_than_it_uses(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, chunks: list[int], size: int
) -> None:
    sync_id = sync(backend)
    write(backend, sync_id, *chunks, size=size)
    fetched: list[int] = []
    entries = LogReader._entries

    async def counted(self: LogReader, *asked: Any) -> Any:
        stored, last = await entries(self, *asked)
        fetched.append(len(stored))
        return stored, last

    monkeypatch.setattr(LogReader, "_entries", counted)
    total, cursor = sum(chunks), 0
    while cursor < total:
        fetched.clear()
        parts = backend.ask(lambda one, cursor=cursor: one.log.read(sync_id, cursor, total))  # type: ignore[misc]
        assert parts[0].first == cursor + 1
        cursor = parts[-1].last
        assert sum(len(part.body) for part in parts if isinstance(part, wire.Chunk)) < READ_BYTES + 100_000
        assert sum(fetched) <= len(parts) + max(FIRST_ENTRIES, len(parts))
