"""Would a service's connections work? Asked over HTTP, answered by a worker; who asked polls for the answer."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.queue.check_requests import CheckRequests
from server.access import auth
from server.services.reader import ServiceReader


class Checks:
    def __init__(self, services: ServiceReader, requests: CheckRequests) -> None:
        self._services = services
        self._requests = requests

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/services/{service}/check", self.ask, methods=["POST"]),
            Route("/api/services/{service}/check", self.last, methods=["GET"]),
        ]

    async def ask(self, request: Request) -> Response:
        await auth.require_change(request, auth.Role.OPERATOR)
        service = await self._services.get(request.path_params["service"])
        asked_at = await run_in_threadpool(self._requests.ask, service.id)
        return JSONResponse({"service": service.id, "asked_at": asked_at}, 202)

    async def last(self, request: Request) -> Response:
        auth.require(request, auth.Role.VIEWER)
        service = await self._services.get(request.path_params["service"])
        found = await run_in_threadpool(self._requests.last, service.id)
        return Response(msgspec.json.encode(found), media_type="application/json")
