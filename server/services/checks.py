"""The state of a service's connections, over the API and as a page. A worker does the check; the caller polls for its
result. The page of a service shows the same part, `_check.html`, which static/pages/check.js keeps up from here."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobs.queue.check_requests import CheckRequests
from server.services.reader import ServiceReader
from server.web import bodies
from server.web.routing import HttpRoute, Render, Role


@dataclass
class Checks:
    _services: ServiceReader
    _requests: CheckRequests
    _render: Render

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("POST /api/services/{service}/check", self.ask, role=Role.OPERATOR),
            HttpRoute("GET /api/services/{service}/check", self.last, role=Role.VIEWER),
            HttpRoute("POST /services/{service}/check", self.ask_from_page, role=Role.OPERATOR),
            HttpRoute("GET /services/{service}/check", self.page, role=Role.VIEWER),
        ]

    async def ask(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        asked_at = await run_in_threadpool(self._requests.ask, service.id)
        return bodies.answer({"service": service.id, "asked_at": asked_at}, 202)

    async def last(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        return bodies.answer(await run_in_threadpool(self._requests.last, service.id))

    async def ask_from_page(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        asked = await run_in_threadpool(self._requests.ask, service.id)
        return RedirectResponse(f"/services/{service.id}/check?asked={quote(asked)}", 303)

    async def page(self, request: Request) -> Response:
        """`?asked=`: when the check that is waited for was requested."""
        service = await self._services.get(request.path_params["service"])
        check = await run_in_threadpool(self._requests.last, service.id)
        asked = request.query_params.get("asked", "")
        # RFC 3339 times sort as text. The result of a later check will do, too.
        waits = bool(asked) and (check.asked_at or "") < asked
        return self._render(request, "service_check.html", service=service, check=check, waits=waits, asked=asked)
