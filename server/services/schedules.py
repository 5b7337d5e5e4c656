"""Explains a schedule to the person who types it: in words, and by its next starts."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from jobs.services.model import Schedule
from jobs.services.validate import DefinitionFaulty, Fault
from server.services.actions import refused_as
from server.web import bodies, errors
from server.web.routing import HttpRoute, Role
from synctail.model.ids import rfc3339, utc_now

SHOWN = 5


def routes() -> list[HttpRoute]:
    return [HttpRoute("GET /api/schedule", _schedule, role=Role.VIEWER)]


async def _schedule(request: Request) -> Response:
    query = request.query_params
    with refused_as(errors.DefinitionRefused):
        said = await run_in_threadpool(read_back, query.get("schedule", ""), query.get("timezone", "UTC"))
    return bodies.answer(said)


def read_back(schedule: str, timezone: str, now: datetime | None = None) -> dict[str, Any]:
    """`{"words", "next": [{"local", "utc"}]}`. Raises `DefinitionFaulty`."""
    try:
        trigger = Schedule(schedule, timezone)
    except ValueError as error:
        raise DefinitionFaulty([Fault("timezone", str(error).removeprefix("timezone: "))]) from None
    if trigger.fault:
        raise DefinitionFaulty([Fault("schedule", trigger.fault)])
    zone = ZoneInfo(timezone)
    dues = islice(trigger.due_after(now or utc_now()), SHOWN)
    shown = [{"local": due.astimezone(zone).isoformat(), "utc": rfc3339(due)} for due in dues]
    return {"words": describe(trigger), "next": shown}


@lru_cache(maxsize=1024)
def describe(trigger: Schedule) -> str:
    """`Every 15th minute of every hour`; empty without a valid schedule."""
    return CronSim(trigger.schedule, utc_now()).explain() if trigger.schedule and not trigger.fault else ""


@lru_cache(maxsize=1)
def zones() -> list[str]:
    """The time zones to choose from."""
    return sorted(name for name in available_timezones() if "/" in name or name == "UTC")
