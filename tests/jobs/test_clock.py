"""The clock, told what time it is: what it starts, what it ends as lost, what it leaves alone, what it trims."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest
import redis
from rq.job import Job, JobStatus

from jobs.clock import CATCH_UP, SILENT, VOUCHED, Clock
from jobs.queue.requests import Requests
from jobs.services.model import InboundSource, Options, Schedule, Service
from server.log import wire
from synctail.log.appender import Appender
from synctail.log.endings import end_sync
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.ids import utc_now
from synctail.model.sync import Reason, Status, Summary, Trigger
from synctail.settings import Settings
from tests.kit.support import PATIENCE_S, service, store

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURLY = Schedule("0 * * * *")


@pytest.fixture
def clock(config: Settings, client: redis.Redis) -> Clock:
    return Clock(config, client)


def syncs(client: redis.Redis) -> list[Summary]:
    ids = cast("list[bytes]", client.zrange(keys.SYNCS, 0, -1))
    return [summary for one in ids if (summary := stored_summary(client, one.decode()))]


def known(client: redis.Redis, sync_id: str) -> Summary:
    summary = stored_summary(client, sync_id)
    assert summary
    return summary


def job_of(client: redis.Redis, sync_id: str) -> Job:
    return Job.fetch(sync_id, connection=client, serializer="json")


def forget_job(client: redis.Redis, sync_id: str) -> None:
    job_of(client, sync_id).delete()


def queued(requests: Requests, one: Service | None = None) -> str:
    return requests.start(one or service(options=Options(overlap=True, concurrency=1000)), Trigger.MANUAL).id


def running(requests: Requests, appender: Appender) -> str:
    sync_id = queued(requests)
    claim = appender.claim(sync_id)
    appender.append(sync_id, attempt=claim.attempt, first=1, fields={"status": "running"})
    return sync_id


def lost(client: redis.Redis, sync_id: str) -> bool:
    """Whether it was ended as lost; then the log's last line says so."""
    summary = known(client, sync_id)
    if summary.status is not Status.FAILED:
        return False
    assert summary.reason is Reason.LOST
    [entry] = cast("list[Any]", client.xrevrange(keys.log(sync_id), count=1))
    last = json.loads(b"[" + wire.chunk_from_entry(*entry).body + b"]")[-1]
    assert last["n"] == summary.lines
    assert last["level"] == "error"
    assert "no worker is running it" in last["text"]
    return True


# --- starts -------------------------------------------------------------------------------------------------------


def test_two_clocks_start_a_due_service_once(client: redis.Redis, config: Settings) -> None:
    store(client, service(trigger=HOURLY, options=Options(overlap=True, concurrency=1000)))
    once = threading.Barrier(2)

    def look(_: int) -> None:
        clock = Clock(config, client)
        once.wait(PATIENCE_S)
        for second in range(3):
            clock.start_due(clock.services(), NOON + timedelta(seconds=second))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(look, range(2)))
    [summary] = syncs(client)
    assert (summary.trigger, summary.status) == (Trigger.SCHEDULE, Status.QUEUED)


def test_each_due_moment_starts_a_sync(client: redis.Redis, clock: Clock) -> None:
    store(client, service(trigger=HOURLY, options=Options(overlap=True, concurrency=1000)))
    for hour in range(3):
        clock.start_due(clock.services(), NOON + timedelta(hours=hour))
    assert len(syncs(client)) == 3


@pytest.mark.parametrize(
    "one",
    [
        service(trigger=HOURLY, active=False),
        service(trigger=Schedule("30 * * * *")),
        service(),
    ],
    ids=["inactive", "due at another time", "without a schedule"],
)
def test_what_is_not_due_is_not_started(client: redis.Redis, clock: Clock, one: Service) -> None:
    store(client, one)
    clock.start_due(clock.services(), NOON)
    assert syncs(client) == []


def test_a_service_whose_sync_still_runs_is_not_started_again(
    client: redis.Redis, clock: Clock, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    orders = service(trigger=HOURLY)
    store(client, orders)
    sync_id = queued(requests, orders)
    clock.start_due(clock.services(), NOON)
    assert [summary.id for summary in syncs(client)] == [sync_id]
    assert f"its sync {sync_id} still runs" in caplog.text
    [missed] = cast("list[bytes]", client.lrange(keys.service_missed("orders"), 0, -1))
    assert json.loads(missed) == {
        "due_at": "2026-03-02T12:00:00.000Z",
        "because": f"Its sync {sync_id} still ran, and the service allows no overlap.",
    }


def test_across_a_change_of_the_clocks_and_restarts_each_moment_starts_one_sync(
    client: redis.Redis, config: Settings
) -> None:
    """London, 25 October 2026: 01:30 comes twice, and 29 March: it does not come at all."""
    at_night = Schedule("30 1 * * *", timezone="Europe/London")
    store(client, service(trigger=at_night, options=Options(overlap=True, concurrency=100)))
    for day, starts in ((datetime(2026, 10, 25, tzinfo=UTC), 1), (datetime(2026, 3, 29, tzinfo=UTC), 1)):
        client.delete(keys.SYNCS)
        for minute in range(4 * 60):
            clock = Clock(config, client)  # a new one each time
            clock.start_due(clock.services(), day + timedelta(minutes=minute))
        assert client.zcard(keys.SYNCS) == starts


def test_an_inbound_service_is_never_due(client: redis.Redis, clock: Clock) -> None:
    stored = msgspec.structs.replace(service(trigger=HOURLY), source=InboundSource())
    store(client, stored)
    clock.start_due(clock.services(), NOON)
    assert syncs(client) == []


@pytest.mark.parametrize(("late", "starts"), [(timedelta(), 1), (CATCH_UP, 1), (CATCH_UP + timedelta(seconds=1), 0)])
def test_a_missed_start_is_made_up_for_only_a_short_while(
    client: redis.Redis, clock: Clock, late: timedelta, starts: int
) -> None:
    store(client, service(trigger=HOURLY))
    clock.start_due(clock.services(), NOON + late)
    assert len(syncs(client)) == starts


def looks(config: Settings, client: redis.Redis, at: datetime) -> None:
    """A clock that was started then, for one look."""
    Clock(config, client).tick(at)


def missed(client: redis.Redis) -> list[dict[str, str]]:
    return [json.loads(one) for one in cast("list[bytes]", client.lrange(keys.service_missed("orders"), 0, -1))]


def test_what_was_due_while_no_clock_ran_is_told_once_and_only_the_newest_is_made_up_for(
    client: redis.Redis, config: Settings
) -> None:
    store(
        client,
        service(trigger=HOURLY, options=Options(overlap=True, concurrency=1000)),
        service("idle", trigger=HOURLY, active=False),
    )
    looks(config, client, NOON - timedelta(seconds=30))
    assert (missed(client), syncs(client)) == ([], []), "nothing is known of the time before the first clock"
    for _ in range(2):  # two clocks come back
        looks(config, client, NOON + timedelta(hours=3, seconds=60))
    assert len(syncs(client)) == 1
    because = "No clock ran, or none reached Redis, from 2026-03-02 11:59:30 to 2026-03-02 15:01:00 UTC."
    assert missed(client) == [{"due_at": f"2026-03-02T{hour}:00:00.000Z", "because": because} for hour in (14, 13, 12)]
    assert client.exists(keys.service_missed("idle")) == 0
    looks(config, client, NOON + timedelta(hours=4, minutes=30))
    assert len(syncs(client)) == 1, "no start is made up for that is older than a moment"
    assert [one["due_at"][11:13] for one in missed(client)] == ["16", "14", "13", "12"]


def test_after_weeks_without_a_clock_ten_starts_are_told_and_none_floods(client: redis.Redis, config: Settings) -> None:
    store(client, service(trigger=Schedule("* * * * *"), options=Options(overlap=True, concurrency=1000)))
    looks(config, client, NOON)
    looks(config, client, NOON + timedelta(days=20, seconds=5))
    assert len(syncs(client)) == 2
    assert len(missed(client)) == keys.MISSED_CAP
    assert missed(client)[0]["due_at"] == "2026-03-22T11:59:00.000Z"


def test_a_clock_that_looks_each_second_misses_nothing(client: redis.Redis, clock: Clock) -> None:
    store(client, service(trigger=Schedule("* * * * *"), options=Options(overlap=True, concurrency=1000)))
    for second in range(150):
        clock.tick(NOON + timedelta(seconds=second))
    assert (len(syncs(client)), missed(client)) == (3, [])


def test_a_definition_is_decoded_once_until_it_changes(client: redis.Redis, clock: Clock) -> None:
    store(client, service(), service("stock"))
    first = clock.services()
    assert [one is known for one, known in zip(clock.services(), first, strict=True)] == [True, True]
    store(client, service(name="Other"))
    assert [(one.name, one is known) for one, known in zip(clock.services(), first, strict=True)] == [
        ("Other", False),
        ("Stock", True),
    ]
    client.hdel(keys.SERVICES, "orders")
    assert clock.services() == first[1:]


def test_a_stored_schedule_that_cannot_be_read_keeps_no_other_service_from_starting(
    client: redis.Redis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store(client, service("broken", trigger=Schedule("0 22-2 * * *")), service(trigger=HOURLY))
    for second in range(3):
        clock.tick(NOON + timedelta(seconds=second))
    clock.tick(NOON + timedelta(hours=3))
    assert {summary.service for summary in syncs(client)} == {"orders"}
    assert client.exists(keys.service_missed("broken")) == 0
    assert caplog.text.count("broken does not start by its schedule") == 1
    assert "'0 22-2 * * *'" in caplog.text


def test_a_definition_that_cannot_be_read_keeps_no_other_service_from_starting(
    client: redis.Redis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    client.hset(keys.SERVICES, "broken", b"{")
    store(client, service(trigger=HOURLY))
    clock.start_due(clock.services(), NOON)
    clock.start_due(clock.services(), NOON + timedelta(seconds=1))
    assert len(syncs(client)) == 1
    assert caplog.text.count("cannot be read") == 1


# --- what is lost -------------------------------------------------------------------------------------------------


def test_a_silent_sync_without_a_job_ends_as_lost(
    client: redis.Redis, clock: Clock, requests: Requests, appender: Appender
) -> None:
    sync_id = running(requests, appender)
    forget_job(client, sync_id)
    clock.reap(utc_now() + SILENT / 2)
    assert known(client, sync_id).status is Status.RUNNING
    clock.reap(utc_now() + SILENT)
    assert lost(client, sync_id)


def test_a_silent_sync_that_rq_vouches_for_is_left_alone(
    client: redis.Redis, clock: Clock, requests: Requests, appender: Appender
) -> None:
    sync_id = running(requests, appender)
    client.pexpire(keys.summary(sync_id), 30_000)
    now = utc_now() + timedelta(minutes=10)
    job = job_of(client, sync_id)
    job.set_status(JobStatus.STARTED)
    job.heartbeat(now - VOUCHED / 2, 60)
    clock.reap(now)
    assert known(client, sync_id).status is Status.RUNNING
    assert client.pttl(keys.summary(sync_id)) > 30_000
    clock.reap(now + VOUCHED)
    assert lost(client, sync_id)


@pytest.mark.parametrize("status", [JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.QUEUED])
def test_a_silent_running_sync_whose_job_is_not_at_work_is_lost(
    client: redis.Redis, clock: Clock, requests: Requests, appender: Appender, status: JobStatus
) -> None:
    sync_id = running(requests, appender)
    now = utc_now() + timedelta(minutes=1)
    job = job_of(client, sync_id)
    job.set_status(status)
    job.heartbeat(now, 60)
    clock.reap(now)
    assert lost(client, sync_id)


def test_a_sync_that_waits_in_the_queue_for_long_is_left_alone(
    client: redis.Redis, clock: Clock, requests: Requests
) -> None:
    sync_id = queued(requests)
    client.pexpire(keys.summary(sync_id), 30_000)
    clock.reap(utc_now() + timedelta(hours=20))
    assert known(client, sync_id).status is Status.QUEUED
    assert client.pttl(keys.summary(sync_id)) > 30_000


def test_a_queued_sync_whose_job_is_gone_is_lost(client: redis.Redis, clock: Clock, requests: Requests) -> None:
    sync_id = queued(requests)
    forget_job(client, sync_id)
    clock.reap(utc_now() + SILENT)
    assert lost(client, sync_id)


def test_a_job_with_nothing_left_but_a_heartbeat_does_not_stop_the_clock(
    client: redis.Redis, clock: Clock, requests: Requests, appender: Appender
) -> None:
    sync_id = running(requests, appender)
    job = job_of(client, sync_id)
    job.delete()
    now = utc_now() + timedelta(minutes=1)
    job.heartbeat(now, 60)  # as a worker does that has not noticed yet
    clock.reap(now)
    assert lost(client, sync_id)


def test_an_ended_sync_is_not_touched(
    client: redis.Redis, clock: Clock, requests: Requests, appender: Appender, config: Settings
) -> None:
    sync_id = running(requests, appender)
    forget_job(client, sync_id)
    end_sync(
        appender,
        sync_id,
        status=Status.STOPPED,
        reason=Reason.STOPPED_BY_USER,
        text="Stopped",
        retention=config.retention,
    )
    before = client.hgetall(keys.summary(sync_id))
    clock.reap(utc_now() + timedelta(hours=1))
    assert client.hgetall(keys.summary(sync_id)) == before
    assert client.xlen(keys.log(sync_id)) == 1


def test_a_clock_that_was_away_gives_the_others_time_to_speak(
    client: redis.Redis, clock: Clock, requests: Requests, appender: Appender
) -> None:
    sync_id = running(requests, appender)
    forget_job(client, sync_id)
    back = utc_now() + timedelta(minutes=5)
    for seconds in range(0, int(SILENT.total_seconds()), 5):
        clock.tick(back + timedelta(seconds=seconds))
        assert known(client, sync_id).status is Status.RUNNING
    clock.tick(back + SILENT)
    assert lost(client, sync_id)


# --- the lists ----------------------------------------------------------------------------------------------------


def test_old_syncs_leave_the_lists_and_running_ones_stay(
    client: redis.Redis, clock: Clock, requests: Requests, appender: Appender, config: Settings
) -> None:
    store(client, service())
    waits, runs, ended, expired = queued(requests), running(requests, appender), queued(requests), queued(requests)
    requests.stop(ended, "ana")
    client.delete(keys.summary(expired))
    lists = (keys.SYNCS, keys.service_syncs("orders"))
    for index in lists:
        client.expire(index, 60)
    soon = utc_now() + config.retention - timedelta(seconds=5)
    clock.trim(clock.services(), soon)
    assert [client.zcard(index) for index in lists] == [4, 4]
    clock.trim(clock.services(), soon + timedelta(seconds=10))
    for index in lists:
        assert {one.decode() for one in cast("list[bytes]", client.zrange(index, 0, -1))} == {waits, runs}
        assert client.ttl(index) > 60, "a list with a sync that still runs lives on"


def test_what_is_trimmed_on_a_tick_is_trimmed_once_a_minute(
    client: redis.Redis, clock: Clock, requests: Requests, config: Settings
) -> None:
    now = utc_now() + config.retention + timedelta(minutes=1)
    clock.tick(now)
    sync_id = queued(requests)
    requests.stop(sync_id, "ana")
    clock.tick(now + timedelta(seconds=59))
    assert client.zcard(keys.SYNCS) == 1
    clock.tick(now + timedelta(seconds=60))
    assert client.zcard(keys.SYNCS) == 0
