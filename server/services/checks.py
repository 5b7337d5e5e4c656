"""Connection checks over HTTP: a worker runs the check, and the client polls for the result."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jobs.queue.check_requests import CheckRequests
from server.services.reader import ServiceReader
from server.web import bodies
from server.web.routing import HttpRoute, Role


class Checks:
    def __init__(self, services: ServiceReader, requests: CheckRequests) -> None:
        self._services = services
        self._requests = requests

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("POST /api/services/{service}/check", self.ask, role=Role.OPERATOR),
            HttpRoute("GET /api/services/{service}/check", self.last, role=Role.VIEWER),
        ]

    async def ask(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        asked_at = await run_in_threadpool(self._requests.ask, service.id)
        return bodies.answer({"service": service.id, "asked_at": asked_at}, 202)

    async def last(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        return bodies.answer(await run_in_threadpool(self._requests.last, service.id))
