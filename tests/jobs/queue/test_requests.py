"""Asking for a sync, and for its stop: whose turn it is, what is stored, and that refusals leave nothing behind."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.job import Job, JobStatus

from jobs.clock import SILENT, Clock
from jobs.queue.job_queue import QUEUE
from jobs.queue.requests import GRACE_S, TASK, NotRunning, Requests, ServiceInactive
from jobs.queue.turns import AlreadyRunning
from jobs.services.model import Options
from server.log import wire
from synctail.log.appender import Appender
from synctail.log.endings import end_sync
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.ids import new_sync_id, utc_now
from synctail.model.sync import Reason, Status, Trigger
from synctail.settings import Settings
from tests.kit.support import PATIENCE_S, service


def texts(client: redis.Redis, sync_id: str) -> list[str]:
    entries = cast("list[Any]", client.xrange(keys.log(sync_id)))
    return [line["text"] for entry in entries for line in json.loads(b"[" + wire.chunk_from_entry(*entry).body + b"]")]


def names(client: redis.Redis) -> set[str]:
    return {key.decode() for key in cast("list[bytes]", client.keys("*"))}


def end(appender: Appender, sync_id: str) -> bool:
    return end_sync(
        appender,
        sync_id,
        status=Status.FAILED,
        reason=Reason.LOST,
        text="Failed: lost",
        retention=timedelta(hours=1),
    )


def fetch(client: redis.Redis, sync_id: str) -> Job:
    return Job.fetch(sync_id, connection=client, serializer="json")


def test_an_inactive_service_is_refused_and_leaves_nothing(client: redis.Redis, requests: Requests) -> None:
    before = names(client)
    with pytest.raises(ServiceInactive, match="orders"):
        requests.start(service(active=False), Trigger.MANUAL)
    assert names(client) == before


def test_what_is_stored_is_what_is_returned_and_nothing_lives_for_ever(
    client: redis.Redis, requests: Requests, config: Settings
) -> None:
    summary = requests.start(service(), Trigger.INBOUND)
    assert (summary.status, summary.trigger, summary.service) == (Status.QUEUED, Trigger.INBOUND, "orders")
    assert stored_summary(client, summary.id) == summary
    assert 0 < client.pttl(keys.summary(summary.id)) <= config.retention_ms
    for index in (keys.SYNCS, keys.service_syncs("orders")):
        assert client.zrange(index, 0, -1) == [summary.id.encode()]
        longest = keys.index_ttl(config.retention).total_seconds()
        assert config.retention.total_seconds() < client.ttl(index) <= longest
    assert client.hgetall(keys.service_turns("orders")) == {b"0": summary.id.encode()}
    assert 0 < client.ttl(keys.service_turns("orders")) <= keys.TURN_TTL.total_seconds()


def test_the_job_in_rq_has_limits_and_json_for_data(client: redis.Redis, requests: Requests, config: Settings) -> None:
    summary = requests.start(service(options=Options(timeout_s=7)), Trigger.MANUAL)
    job = fetch(client, summary.id)
    retention_s = int(config.retention.total_seconds())
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (7 + GRACE_S, retention_s, retention_s)
    assert (job.origin, job.get_status()) == (QUEUE, JobStatus.QUEUED)
    assert json.loads(job.data) == [TASK, None, [summary.id], {}]
    assert client.lrange(f"rq:queue:{QUEUE}", 0, -1) == [summary.id.encode()]


def test_of_twenty_that_ask_at_once_one_gets_the_turn_and_the_others_leave_nothing(
    client: redis.Redis, config: Settings
) -> None:
    once = threading.Barrier(20)

    def ask(_: int) -> str | AlreadyRunning:
        own = Requests(config, client)
        once.wait(PATIENCE_S)
        try:
            return own.start(service(), Trigger.MANUAL).id
        except AlreadyRunning as refused:
            return refused

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(ask, range(20)))
    [started] = [answer for answer in answers if isinstance(answer, str)]
    refused = [answer.sync_ids for answer in answers if isinstance(answer, AlreadyRunning)]
    assert refused == [[started]] * 19
    assert {name for name in names(client) if name.startswith("sync:")} == {keys.summary(started)}
    for index in (keys.SYNCS, keys.service_syncs("orders")):
        assert client.zrange(index, 0, -1) == [started.encode()]
    assert client.lrange(f"rq:queue:{QUEUE}", 0, -1) == [started.encode()]


def test_the_turn_passes_on_when_its_holder_has_ended(
    client: redis.Redis, requests: Requests, appender: Appender
) -> None:
    first = requests.start(service(), Trigger.MANUAL)
    with pytest.raises(AlreadyRunning, match=first.id):
        requests.start(service(), Trigger.MANUAL)
    assert end(appender, first.id)
    second = requests.start(service(), Trigger.MANUAL)
    assert client.hgetall(keys.service_turns("orders")) == {b"0": second.id.encode()}


def test_the_turn_passes_on_when_its_holder_is_gone(client: redis.Redis, requests: Requests) -> None:
    first = requests.start(service(), Trigger.MANUAL)
    client.delete(keys.summary(first.id))
    second = requests.start(service(), Trigger.MANUAL)
    assert client.hgetall(keys.service_turns("orders")) == {b"0": second.id.encode()}


def test_the_turn_of_an_ended_holder_goes_to_one_of_twenty(
    client: redis.Redis, requests: Requests, config: Settings, appender: Appender
) -> None:
    end(appender, requests.start(service(), Trigger.MANUAL).id)
    once = threading.Barrier(20)

    def ask(_: int) -> bool:
        own = Requests(config, client)
        once.wait(PATIENCE_S)
        try:
            own.start(service(), Trigger.MANUAL)
        except AlreadyRunning:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(ask, range(20))) == 1


def test_another_service_has_a_turn_of_its_own(client: redis.Redis, requests: Requests) -> None:
    del client
    requests.start(service("orders"), Trigger.MANUAL)
    requests.start(service("customers"), Trigger.MANUAL)


def test_where_overlap_is_allowed_so_many_run_at_once_and_no_more(
    client: redis.Redis, requests: Requests, appender: Appender
) -> None:
    del client
    orders = service(options=Options(overlap=True, concurrency=3))
    started = [requests.start(orders, Trigger.MANUAL).id for _ in range(3)]
    with pytest.raises(AlreadyRunning) as refused:
        requests.start(orders, Trigger.MANUAL)
    assert set(refused.value.sync_ids) == set(started)
    end(appender, started[1])
    requests.start(orders, Trigger.MANUAL)
    with pytest.raises(AlreadyRunning):
        requests.start(orders, Trigger.MANUAL)


def test_of_twenty_that_ask_at_once_as_many_start_as_may_run(client: redis.Redis, config: Settings) -> None:
    once = threading.Barrier(20)

    def ask(_: int) -> bool:
        own = Requests(config, client)
        once.wait(PATIENCE_S)
        try:
            own.start(service(options=Options(overlap=True, concurrency=7)), Trigger.MANUAL)
        except AlreadyRunning:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(ask, range(20))) == 7
    assert client.llen(f"rq:queue:{QUEUE}") == client.zcard(keys.SYNCS) == 7


def test_where_fewer_may_run_than_before_those_that_run_count(client: redis.Redis, requests: Requests) -> None:
    del client
    for _ in range(3):
        requests.start(service(options=Options(overlap=True, concurrency=3)), Trigger.MANUAL)
    with pytest.raises(AlreadyRunning):
        requests.start(service(), Trigger.MANUAL)


def test_a_queued_sync_stops_at_once_with_a_last_line(
    client: redis.Redis, requests: Requests, appender: Appender
) -> None:
    sync_id = requests.start(service(), Trigger.MANUAL).id
    requests.stop(sync_id, "ana")
    summary = stored_summary(client, sync_id)
    assert summary
    assert (summary.status, summary.reason, summary.lines) == (Status.STOPPED, Reason.STOPPED_BY_USER, 1)
    assert summary.ended_at
    assert texts(client, sync_id) == ["Stopped by ana before it started."]
    assert not end(appender, sync_id), "it has one ending"
    requests.start(service(), Trigger.MANUAL)  # and the turn is free


def test_a_running_sync_is_only_asked_to_stop(client: redis.Redis, requests: Requests, appender: Appender) -> None:
    sync_id = requests.start(service(), Trigger.MANUAL).id
    claim = appender.claim(sync_id)
    appender.append(sync_id, attempt=claim.attempt, first=1, fields={"status": "running"})
    requests.stop(sync_id, "ana")
    assert client.hget(keys.summary(sync_id), "stop") == b"ana"
    assert client.hget(keys.summary(sync_id), "status") == b"running"
    assert appender.append(sync_id, attempt=claim.attempt, first=1).stop == "ana"
    assert texts(client, sync_id) == []


def test_an_ended_sync_cannot_be_stopped(client: redis.Redis, requests: Requests, appender: Appender) -> None:
    sync_id = requests.start(service(), Trigger.MANUAL).id
    end(appender, sync_id)
    before = client.hgetall(keys.summary(sync_id))
    with pytest.raises(NotRunning, match=sync_id):
        requests.stop(sync_id, "ana")
    assert client.hgetall(keys.summary(sync_id)) == before


def test_stopping_an_unknown_sync_brings_no_key_back(client: redis.Redis, requests: Requests) -> None:
    before = names(client)
    with pytest.raises(NotRunning):
        requests.stop(new_sync_id(), "ana")
    assert names(client) == before


def test_a_sync_that_never_reaches_the_queue_is_where_the_clock_finds_it(
    client: redis.Redis, requests: Requests, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("the connection broke")

    monkeypatch.setattr(requests._queue, "enqueue_call", fail)
    with pytest.raises(RedisConnectionError):
        requests.start(service(), Trigger.MANUAL)
    holder = cast("bytes", client.hget(keys.service_turns("orders"), "0")).decode()
    Clock(config, client).reap(utc_now() + SILENT)
    summary = stored_summary(client, holder)
    assert summary
    assert summary.reason is Reason.LOST
    Requests(config, client).start(service(), Trigger.MANUAL)  # the turn is free


def test_a_sync_whose_turn_cannot_be_taken_is_found_too(
    client: redis.Redis, requests: Requests, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RedisConnectionError("the connection broke, and nobody knows whether before or after")

    monkeypatch.setattr(requests, "_take_turn", fail)
    with pytest.raises(RedisConnectionError):
        requests.start(service(), Trigger.MANUAL)
    [sync_id] = cast("list[bytes]", client.zrange(keys.SYNCS, 0, -1))
    Clock(config, client).reap(utc_now() + SILENT)
    summary = stored_summary(client, sync_id.decode())
    assert summary
    assert summary.reason is Reason.LOST


def test_a_worker_that_takes_a_sync_while_it_is_stopped_is_fenced(
    client: redis.Redis, requests: Requests, monkeypatch: pytest.MonkeyPatch, appender: Appender
) -> None:
    sync_id = requests.start(service(), Trigger.MANUAL).id
    end, claims = requests._appender.end, []

    def end_too_late(*args: Any) -> Any:
        claims.append(appender.claim(sync_id))
        return end(*args)

    monkeypatch.setattr(requests._appender, "end", end_too_late)
    requests.stop(sync_id, "ana")
    assert client.hget(keys.summary(sync_id), "status") == b"stopped"
    fields = {"status": "running"}
    assert appender.append(sync_id, attempt=claims[0].attempt, first=1, fields=fields).verdict == "fenced"


def test_what_ended_while_it_was_stopped_is_not_running(
    client: redis.Redis, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_id = requests.start(service(), Trigger.MANUAL).id
    end = requests._appender.end

    def end_twice(*args: Any) -> Any:
        end(*args)
        return end(*args)

    monkeypatch.setattr(requests._appender, "end", end_twice)
    with pytest.raises(NotRunning):
        requests.stop(sync_id, "ana")
    assert client.hget(keys.summary(sync_id), "status") == b"stopped"
