"""What each service moved on each day: every sync that ended is in the sum of its day, and in it once."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError

from jobs.clock import Clock
from synctail.log.appender import Appender
from synctail.log.day_totals import DayTotals
from synctail.log.endings import end_sync
from synctail.model import keys
from synctail.model.ids import utc_now
from synctail.model.sync import Day, Reason, Status, Summary
from synctail.settings import Settings
from tests.kit.following import Logs
from tests.kit.support import service, store

RETENTION = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("one_day")


@pytest.fixture
def days(client: redis.Redis) -> DayTotals:
    return DayTotals(client, RETENTION)


def today() -> str:
    return utc_now().date().isoformat()


def sums(web: httpx2.Client, service_id: str = "orders", count: int = 14) -> list[dict[str, object]]:
    answer = web.get(f"/api/services/{service_id}/days", params={"count": count})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()
    return found


def moved(logs: Logs, status: Status = Status.COMPLETED, **counts: int) -> str:
    """A sync that has ended with these counts, and that nobody has added to its day."""
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.set(**counts)
        logs.end(story, status)
    return sync_id


def test_a_sync_that_ended_is_in_the_sum_of_its_day(
    web: httpx2.Client, logs: Logs, days: DayTotals, client: redis.Redis
) -> None:
    store(client, service())
    first = moved(logs, pulled=100, pushed=90, skipped=4, filtered=3, failed=3)
    second = moved(logs, Status.FAILED, pulled=10, failed=1)
    assert days.count(first)
    assert days.count(second)
    *before, last = sums(web)
    assert last == {
        "day": today(), "syncs": 2, "failed_syncs": 1,
        "pulled": 110, "pushed": 90, "skipped": 4, "filtered": 3, "failed": 4,
    }  # fmt: skip
    assert [one["syncs"] for one in before] == [0] * 13
    assert [one["day"] for one in before] == sorted(str(one["day"]) for one in before)


def test_a_sync_counts_once_however_often_it_is_added(logs: Logs, days: DayTotals, client: redis.Redis) -> None:
    sync_id = moved(logs, pulled=7, pushed=7)
    assert [days.count(sync_id) for _ in range(3)] == [True, False, False]
    assert days.count_missed([sync_id]) == 0
    assert client.hget(keys.service_day("orders", today()), "pulled") == b"7"


def test_what_runs_or_is_gone_is_not_added(logs: Logs, days: DayTotals) -> None:
    running = logs.start()
    assert not days.count(running)
    assert not days.count("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert days.count_missed([running, "01ARZ3NDEKTSV4RRFFQ69G5FAV"]) == 0


def test_a_sync_ended_from_outside_is_added_as_well(logs: Logs, appender: Appender, client: redis.Redis) -> None:
    sync_id = logs.start()
    for _ in range(2):
        end_sync(
            appender, sync_id, status=Status.FAILED, reason=Reason.KILLED, text="Failed: killed", retention=RETENTION
        )
    assert client.hget(keys.service_day("orders", today()), "syncs") == b"1"
    assert client.hget(keys.service_day("orders", today()), "failed_syncs") == b"1"


def test_a_sum_that_cannot_be_written_harms_no_ending_and_the_clock_makes_up_for_it(
    logs: Logs, days: DayTotals, client: redis.Redis, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_id = moved(logs, pulled=5, pushed=5)

    def away(*_: object) -> None:
        raise RedisConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(client, "hgetall", away)
        assert not days.count(sync_id)
    for _ in range(2):
        Clock(config, client).trim([], utc_now())
    assert client.hgetall(keys.service_day("orders", today())) == {b"syncs": b"1", b"pulled": b"5", b"pushed": b"5"}


def test_a_sync_that_runs_is_in_the_sum_of_today_as_far_as_it_came(
    web: httpx2.Client, logs: Logs, client: redis.Redis
) -> None:
    store(client, service())
    with logs.writing(logs.start()) as story:
        assert sums(web)[-1]["pulled"] == 0
        story.set(pulled=50, pushed=20)
        story.flush()
        assert sums(web)[-1] == {
            "day": today(), "syncs": 1, "failed_syncs": 0,
            "pulled": 50, "pushed": 20, "skipped": 0, "filtered": 0, "failed": 0,
        }  # fmt: skip


def test_the_days_asked_for_are_limited(web: httpx2.Client, client: redis.Redis) -> None:
    store(client, service())
    assert len(sums(web, count=35)) == 35
    assert web.get("/api/services/orders/days", params={"count": 36}).status_code == 400
    assert web.get("/api/services/nobody/days").status_code == 404


def test_a_day_with_one_sync_more_says_so() -> None:
    sync = Summary(id="x", service="orders", status=Status.FAILED, queued_at="", pulled=3, failed=3)
    assert Day(day="2026-01-31", syncs=1, pulled=2, pushed=2).plus(sync) == Day(
        day="2026-01-31", syncs=2, failed_syncs=1, pulled=5, pushed=2, failed=3
    )
