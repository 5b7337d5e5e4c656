"""Connection checks over HTTP: a worker runs the check, and the client polls for the result."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.queue.check_requests import CheckRequests
from server.access import auth
from server.log.store import Store


class Checks:
    def __init__(self, store: Store, requests: CheckRequests) -> None:
        self._store = store
        self._requests = requests

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/services/{service}/check", self.ask, methods=["POST"]),
            Route("/api/services/{service}/check", self.last, methods=["GET"]),
        ]

    async def ask(self, request: Request) -> Response:
        await auth.require_change(request, auth.Role.OPERATOR)
        service = await self._store.service(request.path_params["service"])
        asked_at = await run_in_threadpool(self._requests.ask, service.id)
        return JSONResponse({"service": service.id, "asked_at": asked_at}, 202)

    async def last(self, request: Request) -> Response:
        auth.require(request, auth.Role.VIEWER)
        service = await self._store.service(request.path_params["service"])
        found = await run_in_threadpool(self._requests.last, service.id)
        return Response(msgspec.json.encode(found), media_type="application/json")
