"""The lists of services and syncs, and the page of one sync: readable without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobs.services.model import Schedule, Service
from server.access import auth
from server.log import wire
from server.log.log_reader import LogReader
from server.log.summaries import Summaries
from server.pages.charts import chart
from server.pages.filters import kind
from server.pages.render import Renderer
from server.services.actions import Actions
from server.services.reader import ServiceReader
from server.web import errors, params
from server.web.routing import HttpRoute, Role
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Summary

LISTED = 50
LINES_WITHOUT_SCRIPT = 500
DUES_KEPT = 10_000


class Dues:
    """The next scheduled start of each service, cached until it is due: computing it takes a millisecond."""

    def __init__(self) -> None:
        self._found: dict[Schedule, datetime] = {}

    def next(self, service: Service, now: datetime) -> str | None:
        """As RFC 3339; None if there is no next start."""
        trigger = service.trigger
        if not service.active or not trigger.schedule or kind(service.source) == "inbound":
            return None
        due = self._found.get(trigger)
        if due is None or due <= now:
            due = next(trigger.due_after(now), None)
            if due is None:
                return None
            if len(self._found) >= DUES_KEPT:
                self._found.clear()
            self._found[trigger] = due
        return rfc3339(due)


@dataclass
class Overview:
    _services: ServiceReader
    _summaries: Summaries
    _log: LogReader
    _actions: Actions
    _render: Renderer
    _dues: Dues = field(default_factory=Dues)

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("GET /", self.home, role=Role.VIEWER),
            HttpRoute("GET /services", self.services, role=Role.VIEWER),
            HttpRoute("GET /services/{service}", self.service, role=Role.VIEWER),
            HttpRoute("GET /syncs/{sync}", self.sync, role=Role.VIEWER),
            HttpRoute("POST /syncs/{sync}/stop", self.stop, role=Role.OPERATOR),
            HttpRoute("POST /syncs/{sync}/retry", self.retry, role=Role.OPERATOR),
        ]

    async def home(self, _request: Request) -> Response:
        return RedirectResponse("/services", 303)

    async def services(self, request: Request) -> Response:
        stored = await self._services.all()
        q = request.query_params.get("q", "")
        found = [one for one in stored if q.lower() in f"{one.name.lower()} {one.id}"]
        last = await self._summaries.last_of(found)
        now = utc_now()
        rows = [{"service": one, "last": last.get(one.id), "due": self._dues.next(one, now)} for one in found]
        return self._render.list(request, "services.html", rows=rows, stored=len(stored), q=q)

    async def service(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        query = request.query_params
        before = query.get("before", "")
        syncs = await self._summaries.newest(
            service.id, status=params.status(query), q=query.get("q", ""), limit=LISTED + 1, before=before
        )
        return self._render.list(
            request,
            "service.html",
            service=service,
            due=self._dues.next(service, utc_now()),
            missed=await self._services.missed(service.id),
            missed_cap=keys.MISSED_CAP,
            chart=chart(await self._summaries.days(service.id)),
            syncs=syncs[:LISTED],
            status=query.get("status", ""),
            q=query.get("q", ""),
            before=before,
            older=syncs[LISTED - 1].id if len(syncs) > LISTED else None,
        )

    async def sync(self, request: Request) -> Response:
        summary = await self._summaries.get(request.path_params["sync"])
        try:
            service = await self._services.get(summary.service)
        except errors.ServiceUnknown:
            service = None
        return self._render.page(
            request, "sync.html", summary=summary, service=service, lines=await self._newest(summary)
        )

    async def _newest(self, summary: Summary) -> list[dict[str, Any]]:
        """The end of a log. Large lines take more than one read."""
        lines: list[dict[str, Any]] = []
        cursor = max(0, summary.lines - LINES_WITHOUT_SCRIPT)
        while parts := await self._log.read_counted(summary.id, cursor, summary.lines):
            for part in parts:
                if isinstance(part, wire.Chunk):
                    lines.extend(msgspec.json.decode(b"[" + part.body + b"]"))
            cursor = parts[-1].last
        return lines

    async def stop(self, request: Request) -> Response:
        await self._actions.stop(request.path_params["sync"], auth.principal(request))
        return RedirectResponse(f"/syncs/{request.path_params['sync']}", 303)

    async def retry(self, request: Request) -> Response:
        match str((await request.form()).get("only", "all")):
            case "all" | "failed" as only:
                summary = await self._actions.retry(request.path_params["sync"], only)
            case other:
                raise errors.BadRequest(f"only: got {other[:40]!r}; takes one of all, failed")
        return RedirectResponse(f"/syncs/{summary.id}", 303)
