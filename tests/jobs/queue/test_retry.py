"""A sync run again: all of it, or only what failed; what is kept for that, for how long, and when it is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import redis
from redis.exceptions import RedisError

from jobs.connectors.base import ConnectorError
from jobs.queue.requests import NoRetry, Requests
from jobs.queue.stored import packed, stored_run, unpacked
from jobs.run import kept_records
from jobs.run.kept_records import Failures, KeptRecords
from jobs.run.pushed_before import PushedBefore
from jobs.services.model import FileDestination, Options, RunOptions, Service, SqlDestination
from jobs.transform.model import Filter, MappedField, ScriptText
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.sync import Status, Summary, Trigger
from tests.kit.following import Logs
from tests.kit.sources import Paged, paged
from tests.kit.support import Process, service, store
from tests.kit.syncs import ended, lines_of


@pytest.fixture
def source() -> Iterator[Paged]:
    with paged([{"id": n, "price": n} for n in range(1, 251)]) as source:
        yield source


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, price INTEGER)")
    return path


def rows(path: Path) -> dict[int, int]:
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT id, price FROM things").fetchall())


@contextmanager
def refusing(path: Path, what: str) -> Iterator[None]:
    """While inside, the table refuses such rows."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON things WHEN {what} BEGIN SELECT RAISE(ABORT, 'not these'); END"
        )
        yield
        db.execute("DROP TRIGGER refuse")


def things(source: Paged, path: Path, **more: Any) -> Service:
    return service(
        "things",
        url=source.url,
        records="records",
        destination=SqlDestination(url=f"sqlite:///{path}", table="things"),
        **more,
    )


def texts(client: redis.Redis, sync_id: str) -> list[str]:
    return [line["text"] for line in lines_of(client, sync_id)]


def test_only_what_failed_is_tried_again_as_it_was_pulled(
    client: redis.Redis, requests: Requests, worker: Process, source: Paged, table: Path
) -> None:
    del worker
    one = things(source, table, filters=[Filter("price", ">", 10)], options=Options(page_size=50))
    store(client, one)
    with refusing(table, "NEW.id % 20 = 0"):
        first = ended(client, requests.start(one, Trigger.MANUAL).id)
    assert (first.status, first.pulled, first.filtered) == (Status.COMPLETED_WITH_ERRORS, 250, 10)
    assert (first.pushed, first.failed) == (228, 12)
    source.records = []  # it is not asked again
    asked = source.asked
    again = ended(client, requests.retry(one, first, "failed").id)
    assert (again.status, again.trigger, again.retry_of) == (Status.COMPLETED, Trigger.RETRY, first.id)
    assert (again.pulled, again.pushed, again.failed, again.progress) == (12, 12, 0, 1.0)
    assert rows(table) == {n: n for n in range(11, 251)}
    assert source.asked == asked
    assert cast("Summary", stored_summary(client, first.id)).retried_by == again.id
    said = texts(client, again.id)
    assert said[0] == f"Sync of 'Things' started as a retry of {first.id}"
    assert said[1].startswith("From 12 records that failed before, as they were pulled, to sql ")
    assert "In this run only: nothing is filtered: the records passed the filters before" in said


def test_what_fails_again_can_be_tried_a_third_time(
    client: redis.Redis, requests: Requests, worker: Process, source: Paged, table: Path
) -> None:
    del worker
    one = things(source, table)
    store(client, one)
    with refusing(table, "NEW.id <= 20"):
        first = ended(client, requests.start(one, Trigger.MANUAL).id)
    with refusing(table, "NEW.id <= 5"):
        second = ended(client, requests.retry(one, first, "failed").id)
    third = ended(client, requests.retry(one, second, "failed").id)
    assert [(sync.pulled, sync.pushed, sync.failed) for sync in (first, second, third)] == [
        (250, 230, 20),
        (20, 15, 5),
        (5, 5, 0),
    ]
    assert len(rows(table)) == 250


def test_an_older_form_does_not_replace_a_newer_one_that_came_by_meanwhile(
    client: redis.Redis, requests: Requests, worker: Process, source: Paged, table: Path
) -> None:
    del worker
    one = things(source, table)
    store(client, one)
    with refusing(table, "NEW.id <= 2"):
        first = ended(client, requests.start(one, Trigger.MANUAL).id)
    source.records = [{"id": 1, "price": 99}]
    ended(client, requests.start(one, Trigger.MANUAL).id)
    again = ended(client, requests.retry(one, first, "failed").id)
    assert (again.pulled, again.pushed, again.skipped) == (2, 1, 1)
    assert (rows(table)[1], rows(table)[2]) == (99, 2)
    assert "1 record skipped: a later sync pushed a newer form" in texts(client, again.id)


def test_records_without_a_key_and_of_any_kind_are_tried_again(
    client: redis.Redis, requests: Requests, worker: Process, source: Paged, files: Path
) -> None:
    del worker
    source.records = [{"name": "no key"}, {"id": None, "name": "half \ud800"}, {"id": [1], "deep": {"a": [1.5, None]}}]
    one = service(
        "any",
        url=source.url,
        records="records",
        destination=FileDestination(path="any.ndjson", mode="append"),
        script=ScriptText("def handle(records, log):\n    raise ValueError('never')"),
    )
    store(client, one)
    first = ended(client, requests.start(one, Trigger.MANUAL).id)
    assert (first.pulled, first.failed) == (3, 3)
    mended = service(
        "any",
        url=source.url,
        records="records",
        destination=FileDestination(path="any.ndjson", mode="append"),
        mapping=[MappedField("name", "name"), MappedField("deep", "deep")],
    )
    store(client, mended)
    again = ended(client, requests.retry(mended, first, "failed").id)
    assert (again.pulled, again.pushed, again.failed) == (3, 3, 0)
    assert len((files / "any.ndjson").read_text().splitlines()) == 3


def test_all_of_a_sync_is_run_again_with_its_filters_and_options(
    client: redis.Redis, requests: Requests, worker: Process, source: Paged, table: Path
) -> None:
    del worker
    one = things(source, table)
    store(client, one)
    run = RunOptions(filters=[Filter("id", "<=", 100)], page_size=200)
    first = ended(client, requests.start(one, Trigger.MANUAL, run).id)
    assert (first.pulled, first.pushed, first.filtered) == (250, 100, 150)
    again = ended(client, requests.retry(one, first).id)
    assert (again.pulled, again.skipped, again.filtered, again.trigger) == (250, 100, 150, Trigger.RETRY)
    assert stored_run(client, again.id) == run
    for sync in (first, again):
        said = texts(client, sync.id)
        assert "Filters: id <= 100" in said
        assert "In this run only: these filters in place of none; pages of 200, not 100" in said
        assert any(text.startswith("Page 2: 50 records pulled in ") for text in said)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "running"}, "is running"),
        ({"failed": 0}, "No record of this sync failed"),
        ({"failed": 3, "kept": 2}, "Of the 3 failed records, 2 are kept"),
        ({"failed": 3, "kept": 3}, "no longer kept"),
    ],
)
def test_what_cannot_be_tried_again_is_refused_with_a_sentence(
    client: redis.Redis, requests: Requests, logs: Logs, changes: dict[str, Any], says: str
) -> None:
    one = service(destination=FileDestination(path="a", mode="append"))
    sync_id = logs.written(2, of=one)
    stored: Any = {"pulled": 5, "pushed": 5 - changes.get("failed", 0), **changes}
    client.hset(keys.summary(sync_id), mapping=stored)
    before = set(cast("list[bytes]", client.keys("*")))
    with pytest.raises(NoRetry, match=says):
        requests.retry(one, cast("Summary", stored_summary(client, sync_id)), "failed")
    assert set(cast("list[bytes]", client.keys("*"))) == before
    client.hset(keys.summary(sync_id), "status", "completed")


def test_a_file_that_each_sync_replaces_is_not_replaced_by_a_few_records(
    client: redis.Redis, requests: Requests, logs: Logs
) -> None:
    sync_id = logs.written(2)
    client.hset(keys.summary(sync_id), mapping={"pulled": 5, "pushed": 2, "failed": 3, "kept": 3})
    with pytest.raises(NoRetry, match="replaces its file"):
        requests.retry(service(), cast("Summary", stored_summary(client, sync_id)), "failed")


def test_what_is_kept_is_bounded_and_the_log_says_what_is_not(
    client: redis.Redis, requests: Requests, logs: Logs, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del requests
    monkeypatch.setattr(kept_records, "FAILED_RECORDS", 700)
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        failures = Failures(client, sync_id, story, lives=config.retention)
        for page in range(3):
            for n in range(300):
                failures.add({"id": page * 300 + n})
            failures.keep(page)
        failures.warn_if_incomplete()
    batches = [unpacked(one) for one in cast("list[bytes]", client.lrange(keys.failed(sync_id), 0, -1))]
    assert [record["id"] for _, records in batches for record in records] == list(range(700))
    assert [at for at, _ in batches][1:] == [1, 2]
    assert client.hget(keys.summary(sync_id), "kept") == b"700"
    said = texts(client, sync_id)
    assert said[0].startswith("700 failed records are kept for a retry, which is the limit")
    assert said[1].startswith("200 of the failed records were not kept")


def test_a_batch_whose_reply_was_lost_is_kept_once(
    client: redis.Redis, logs: Logs, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        failures = Failures(client, sync_id, story, lives=config.retention)
        send = failures._script
        lost = [True]

        def losing(**more: Any) -> None:
            send(**more)
            if lost:
                lost.clear()
                raise RedisError("the reply was lost")

        monkeypatch.setattr(failures, "_script", losing)
        failures.add({"id": 1})
        failures.keep()
    assert client.llen(keys.failed(sync_id)) == 1
    assert client.hget(keys.summary(sync_id), "kept") == b"1"


def test_given_records_come_in_pages_and_in_their_order(client: redis.Redis) -> None:
    for batch in packed([b'{"id":%d}' % n for n in range(1203)], at_ms=7):
        client.rpush(keys.given("X"), batch)
    client.expire(keys.given("X"), 60)
    pages = list(KeptRecords(client, "X", total=1203, page_size=200).pages())
    assert [record["id"] for page in pages for record in page.records] == list(range(1203))
    assert {(page.total, page.pulled_at_ms) for page in pages} == {(1203, 7)}
    assert max(len(page.records) for page in pages) == 200
    client.rpop(keys.given("X"))
    with pytest.raises(ConnectorError, match=r"Of the 1,203 records .* 203 are no longer kept"):
        list(KeptRecords(client, "X", total=1203, page_size=200).pages())


def test_seen_knows_what_was_pushed_after_a_record_was_pulled(client: redis.Redis) -> None:
    seen = PushedBefore(client, service(destination=FileDestination(path="a", mode="append")))
    seen.add([{"id": 1, "price": 9}])
    [at] = [at for _, at in cast("Any", client.zrange(keys.service_seen_times("orders"), 0, -1, withscores=True))]
    records = [{"id": 1, "price": 1}, {"id": 2}]
    assert seen.overtaken(records, int(at) - 1, int(at) + 1) == [True, False]
    assert seen.overtaken(records, int(at), int(at) + 1) == [False, False], "it was pulled after that"
    assert seen.overtaken(records, int(at) - 1, int(at)) == [False, False], "it is this sync's own"


# --- over HTTP ----------------------------------------------------------------------------------------------------


def test_a_retry_is_asked_for_over_http_and_linked_both_ways(
    client: redis.Redis, web: httpx2.Client, logs: Logs
) -> None:
    store(client, service())
    sync_id = logs.written(2)
    answer = web.post(f"/api/syncs/{sync_id}/retry", json={"only": "all"})
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert (again["trigger"], again["retry_of"], again["status"]) == ("retry", sync_id, "queued")
    assert answer.headers["location"] == f"/api/syncs/{again['id']}"
    assert web.get(f"/api/syncs/{sync_id}").json()["retried_by"] == again["id"]
    refused = web.post(f"/api/syncs/{again['id']}/retry")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "The sync is queued. Wait for its end, or stop it.",
    )
    nothing = web.post(f"/api/syncs/{sync_id}/retry", json={"only": "failed"})
    assert (nothing.status_code, "No record of this sync failed" in nothing.json()["detail"]) == (409, True)
    running = web.post(f"/api/syncs/{sync_id}/retry")
    assert (running.status_code, running.json()["sync"]) == (409, again["id"])
    wrong = web.post(f"/api/syncs/{sync_id}/retry", json={"only": "some"})
    assert wrong.status_code == 422
    assert "'some'" in wrong.json()["detail"]
    client.hdel(keys.SERVICES, "orders")
    assert web.post(f"/api/syncs/{sync_id}/retry").status_code == 404
