"""A schedule read back to the person who types it: in words, and as its next moments. It decides nothing: what is due
is what `Schedule.last_due` says, and the moments shown are found by asking it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from cron_descriptor import CasingTypeEnum, ExpressionDescriptor, Options
from croniter import CroniterError, croniter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jobs.services.model import Schedule
from server.web import bodies, errors
from server.web.routing import HttpRoute, Role
from synctail.model.ids import rfc3339, utc_now

SHOWN = 5
LONGEST = 200
"""Characters of an expression: a list of all sixty minutes has 169."""
SECOND = timedelta(seconds=1)

_WORDS = Options(
    casing_type=CasingTypeEnum.Sentence,
    use_24hour_time_format=True,
    locale_code="en_US",
    day_of_week_start_index_zero=True,
)


def routes() -> list[BaseRoute]:
    return [HttpRoute("GET /api/schedule", _schedule, role=Role.VIEWER)]


async def _schedule(request: Request) -> Response:
    query = request.query_params
    try:
        said = await run_in_threadpool(read_back, query.get("schedule", ""), query.get("timezone", "UTC"))
    except ScheduleFault as fault:
        raise errors.DefinitionRefused.of([(fault.path, fault.says)]) from None
    return bodies.answer(said)


class ScheduleFault(ValueError):
    def __init__(self, path: str, says: str) -> None:
        super().__init__(f"{path}: {says}")
        self.path = path
        self.says = says


def read_back(schedule: str, timezone: str, now: datetime | None = None) -> dict[str, Any]:
    """`{"words", "next": [{"local", "utc"}]}`. Takes some milliseconds. Raises `ScheduleFault`."""
    if len(schedule) > LONGEST or len(timezone) > LONGEST:
        raise ScheduleFault("schedule", f"takes at most {LONGEST} characters")
    try:
        given = msgspec.convert({"schedule": schedule, "timezone": timezone}, Schedule)
    except msgspec.ValidationError as error:
        path, _, says = str(error).split(" - at `$")[0].partition(": ")
        raise ScheduleFault(path, says) from None
    moments = next_due(given, now or utc_now())
    zone = ZoneInfo(given.timezone)
    shown = [{"local": one.astimezone(zone).isoformat(), "utc": rfc3339(one)} for one in moments]
    return {"words": words(given.schedule), "next": shown}


def words(schedule: str) -> str:
    """`Every 15 minutes`; empty without a schedule, and for one that has no words."""
    if not schedule:
        return ""
    try:
        return str(ExpressionDescriptor(schedule.upper(), _WORDS).get_description())
    except Exception:  # noqa: BLE001 - it knows less of cron than croniter, and says so in many ways
        return ""


def next_due(given: Schedule, now: datetime, count: int = SHOWN) -> list[datetime]:
    """The next moments (UTC) at which a service with this schedule starts, soonest first; fewer where no more come."""
    found: list[datetime] = []
    while given.schedule and len(found) < count:
        following = _after(given, found[-1] if found else now)
        if following is None:
            break
        found.append(following)
    return found


def _after(given: Schedule, moment: datetime) -> datetime | None:
    """The first moment after this one that `last_due` names. croniter's own next one may differ from it where clocks
    change, so it only says how far to look."""
    for candidate in _candidates(given, moment):
        due = given.last_due(candidate)
        if due is None or due <= moment:
            continue
        while (before := given.last_due(due - SECOND)) is not None and before > moment:
            due = before
        return due
    return None


def _candidates(given: Schedule, moment: datetime) -> Iterator[datetime]:
    times = croniter(given.schedule, moment.astimezone(ZoneInfo(given.timezone)))
    try:
        for _ in range(100):
            candidate: datetime = times.get_next(datetime)
            yield candidate
    except CroniterError:  # it never comes again
        return


@lru_cache(maxsize=1)
def zones() -> list[str]:
    """The time zones that can be chosen."""
    return sorted(name for name in available_timezones() if "/" in name or name == "UTC")
