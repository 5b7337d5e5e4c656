"""JSON over HTTP: services, syncs, and the health of Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from jobs.queue.requests import Only
from jobs.services.model import Service
from server.access import auth
from server.log.summaries import Summaries
from server.services.actions import Actions, checked_run
from server.services.reader import ServiceReader
from server.web import bodies, errors, params
from server.web.routing import DEFINITION_BYTES, OPEN, HttpRoute, Role
from synctail.model.sync import Summary

LISTED = 50
LISTED_AT_MOST = 500
SEND_DEFINITION = "Send a service's definition."


class _Retry(msgspec.Struct, forbid_unknown_fields=True):
    only: Only = "all"


@dataclass
class Api:
    _client: Redis
    _services: ServiceReader
    _summaries: Summaries
    _actions: Actions

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("GET /healthz", self.healthz, role=OPEN),
            HttpRoute("GET /readyz", self.readyz, role=OPEN),
            HttpRoute("GET /api/services", self.services, role=Role.VIEWER),
            HttpRoute("POST /api/services", self.create, role=Role.ADMIN, body_bytes=DEFINITION_BYTES),
            HttpRoute("GET /api/services/{service}", self.service, role=Role.VIEWER),
            HttpRoute("PUT /api/services/{service}", self.replace, role=Role.ADMIN, body_bytes=DEFINITION_BYTES),
            HttpRoute("DELETE /api/services/{service}", self.remove, role=Role.ADMIN),
            HttpRoute("GET /api/services/{service}/syncs", self.syncs, role=Role.VIEWER),
            HttpRoute("POST /api/services/{service}/syncs", self.start, role=Role.OPERATOR),
            HttpRoute("GET /api/services/{service}/days", self.days, role=Role.VIEWER),
            HttpRoute("GET /api/syncs", self.syncs, role=Role.VIEWER),
            HttpRoute("GET /api/syncs/{sync}", self.sync, role=Role.VIEWER),
            HttpRoute("POST /api/syncs/{sync}/stop", self.stop, role=Role.OPERATOR),
            HttpRoute("POST /api/syncs/{sync}/retry", self.retry, role=Role.OPERATOR),
        ]

    async def healthz(self, _request: Request) -> Response:
        return bodies.answer({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """ "full": Redis stores nothing new; "evicts": rather than be full, it drops logs, services and tokens."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.ping()  # refused while it loads its file, as INFO is not
            pipe.info("memory")
            _, memory = await pipe.execute()
        limit = memory["maxmemory"]
        evicts = limit and memory["maxmemory_policy"] != "noeviction"
        full = limit and memory["used_memory"] - memory["mem_not_counted_for_evict"] > limit
        return bodies.answer({"status": "evicts" if evicts else "full" if full else "ok"})

    async def services(self, _request: Request) -> Response:
        return bodies.answer(await self._with_last(await self._services.all()))

    async def service(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        [described] = await self._with_last([service])
        return bodies.answer({**described, "missed": await self._services.missed(service.id)})

    async def create(self, request: Request) -> Response:
        service = await self._actions.create(await bodies.read(request, object, SEND_DEFINITION))
        described = {**msgspec.to_builtins(service), "last_sync": None}
        return bodies.answer(described, 201, {"Location": f"/api/services/{service.id}"})

    async def replace(self, request: Request) -> Response:
        definition = await bodies.read(request, object, SEND_DEFINITION)
        service = await self._actions.replace(request.path_params["service"], definition)
        [described] = await self._with_last([service])
        return bodies.answer(described)

    async def remove(self, request: Request) -> Response:
        await self._actions.remove(request.path_params["service"])
        return Response(status_code=204)

    async def syncs(self, request: Request) -> Response:
        service_id = request.path_params.get("service")
        if service_id is not None:
            await self._services.get(service_id)
        query = request.query_params
        found = await self._summaries.newest(
            service_id,
            status=params.status(query),
            q=query.get("q", ""),
            limit=params.whole_number(query, "limit", default=LISTED, least=1, most=LISTED_AT_MOST),
            before=query.get("before", ""),
        )
        return bodies.answer(found)

    async def days(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        count = params.whole_number(request.query_params, "count", default=14, least=1, most=35)
        return bodies.answer(await self._summaries.days(service.id, count=count))

    async def start(self, request: Request) -> Response:
        body = await bodies.read(request, object, "Send no body, or the options to change for this sync.", empty=b"{}")
        return _started(await self._actions.start(request.path_params["service"], checked_run(body)))

    async def sync(self, request: Request) -> Response:
        return bodies.answer(await self._summaries.get(request.path_params["sync"]))

    async def stop(self, request: Request) -> Response:
        await self._actions.stop(request.path_params["sync"], auth.principal(request))
        return bodies.answer(await self._summaries.get(request.path_params["sync"]), 202)

    async def retry(self, request: Request) -> Response:
        body = await bodies.read(request, object, 'Send none, or {"only": "failed"}.', empty=b"{}")
        try:
            asked = msgspec.convert(body, _Retry)
        except msgspec.ValidationError as error:
            raise errors.OptionsRefused(f'{error}. Send none, {{"only": "all"}} or {{"only": "failed"}}.') from None
        return _started(await self._actions.retry(request.path_params["sync"], asked.only))

    async def _with_last(self, services: list[Service]) -> list[dict[str, Any]]:
        last = await self._summaries.last_of(services)
        return [{**msgspec.to_builtins(one), "last_sync": last.get(one.id)} for one in services]


def _started(summary: Summary) -> Response:
    return bodies.answer(summary, 202, {"Location": f"/api/syncs/{summary.id}"})
