"""The page with the state of a service's connections. The service's page includes the same `_check.html`, which
static/pages/check.js refreshes from here."""

from __future__ import annotations

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from jobs.queue.check_requests import CheckRequests
from server.services.forms import Render
from server.services.reader import ServiceReader
from server.web.routing import HttpRoute, Role


class CheckPages:
    def __init__(self, services: ServiceReader, requests: CheckRequests, render: Render) -> None:
        self._services = services
        self._requests = requests
        self._render = render

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /services/{service}/check", self.last, role=Role.VIEWER),
            HttpRoute("POST /services/{service}/check", self.ask, role=Role.OPERATOR),
        ]

    async def last(self, request: Request) -> Response:
        """`?asked=` is the time of the check that the page waits for."""
        service = await self._services.get(request.path_params["service"])
        check = await run_in_threadpool(self._requests.last, service.id)
        asked = request.query_params.get("asked", "")
        # RFC 3339 times sort as text. The result of a later check will do, too.
        waits = bool(asked) and (check.asked_at or "") < asked
        return self._render(request, "service_check.html", service=service, check=check, waits=waits, asked=asked)

    async def ask(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        asked = await run_in_threadpool(self._requests.ask, service.id)
        return RedirectResponse(f"/services/{service.id}/check?asked={quote(asked)}", 303)
