"""JSON over HTTP: services, syncs, and the poll, which carries the very frames a websocket would have carried."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jobs.queue.requests import Only
from jobs.services.model import Service
from server.access import auth
from server.log import query, wire
from server.log.log_reader import LogReader
from server.log.search import Search
from server.log.summaries import Summaries
from server.services.actions import Actions, checked_run
from server.services.reader import ServiceReader
from server.web import bodies, errors, health, params
from server.web.routing import DEFINITION_BYTES, OPEN, HttpRoute, Role
from synctail.model.sync import Summary

LISTED = 50
LISTED_AT_MOST = 500
POLLED = 1000
POLLED_AT_MOST = 5000
SEND_DEFINITION = "Send a service's definition."


class Asked(NamedTuple):
    """The lines after `after`, at most `limit`; of a range, those up to `last`."""

    after: int
    limit: int
    last: int | None = None


class _Retry(msgspec.Struct, forbid_unknown_fields=True):
    only: Only = "all"


class Api:
    def __init__(
        self,
        client: Redis,
        services: ServiceReader,
        summaries: Summaries,
        log: LogReader,
        actions: Actions,
        search: Search,
    ) -> None:
        self._client = client
        self._services = services
        self._summaries = summaries
        self._log = log
        self._actions = actions
        self._search = search

    def routes(self) -> list[BaseRoute]:
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
            HttpRoute("GET /api/syncs/{sync}/log", self.log, role=Role.VIEWER),
        ]

    async def healthz(self, _request: Request) -> Response:
        return bodies.answer({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        return bodies.answer({"status": await health.condition(self._client)})

    async def services(self, _request: Request) -> Response:
        services = await self._services.all()
        last = await self._summaries.last_of(services)
        return bodies.answer([_with_last(service, last.get(service.id)) for service in services])

    async def service(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        last = await self._summaries.last_of([service])
        missed = await self._services.missed(service.id)
        return bodies.answer({**_with_last(service, last.get(service.id)), "missed": msgspec.to_builtins(missed)})

    async def create(self, request: Request) -> Response:
        service = await self._actions.create(await bodies.read(request, object, SEND_DEFINITION))
        return bodies.answer(_with_last(service, None), 201, {"Location": f"/api/services/{service.id}"})

    async def replace(self, request: Request) -> Response:
        definition = await bodies.read(request, object, SEND_DEFINITION)
        service = await self._actions.replace(request.path_params["service"], definition)
        last = await self._summaries.last_of([service])
        return bodies.answer(_with_last(service, last.get(service.id)))

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
        given = await bodies.read(request, object, "Send none, or what this sync shall do otherwise.", empty=b"{}")
        summary = await self._actions.start(request.path_params["service"], checked_run(given))
        return _started(summary)

    async def sync(self, request: Request) -> Response:
        return bodies.answer(await self._summaries.get(request.path_params["sync"]))

    async def stop(self, request: Request) -> Response:
        who = auth.principal(request)
        await self._actions.stop(request.path_params["sync"], who)
        return bodies.answer(await self._summaries.get(request.path_params["sync"]), 202)

    async def retry(self, request: Request) -> Response:
        given = await bodies.read(request, object, 'Send none, or {"only": "failed"}.', empty=b"{}")
        try:
            asked = msgspec.convert(given, _Retry)
        except msgspec.ValidationError as error:
            raise errors.OptionsRefused(f'{error}. Send none, {{"only": "all"}} or {{"only": "failed"}}.') from None
        return _started(await self._actions.retry(request.path_params["sync"], asked.only))

    async def log(self, request: Request) -> Response:
        """The poll: what a reader at `after` has not seen, as frames, and where the log stands. Or a range of lines, or
        what a search finds."""
        if wanted := query.asked(request.query_params):
            return await self._search.answer(request, wanted)
        asked = _asked(request.query_params)
        # The summary first: the lines that it counts are then in the stream for sure.
        summary = await self._summaries.get(request.path_params["sync"])
        state = f"{asked}{wire.summary_frame(summary)}"
        tag = f'"{hashlib.blake2b(state.encode(), digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if params.not_modified(request.headers, tag):
            return Response(status_code=304, headers=headers)
        frames = [frame async for frame in self._frames(summary, asked)]
        body = f'{{"frames":[{",".join(frames)}],"last":{summary.lines},"status":"{summary.status}"}}'
        return Response(body, media_type="application/json", headers=headers)

    async def _frames(self, summary: Summary, asked: Asked) -> AsyncIterator[str]:
        """A range has lines and gaps only: it says nothing of how far its reader follows."""
        cursor, until = asked.after, summary.lines
        if asked.last is not None:
            until = min(asked.last, until)
        else:
            yield wire.summary_frame(summary)
            if (valid := wire.valid_cursor(cursor, summary)) < cursor:
                yield wire.rewind_frame(summary.id, valid)
                cursor = valid
        if cursor < until:
            found = await self._log.read(summary.id, cursor, until, lines=asked.limit)
            for frame in wire.frames(summary.id, found):
                yield frame.text
                cursor = frame.last
        if asked.last is None and summary.status.ended and cursor >= summary.lines:
            yield wire.end_frame(summary)


def _asked(query: QueryParams) -> Asked:
    """Raises `BadRequest`."""
    if not query.get("first") and not query.get("last"):
        after = params.whole_number(query, "after", default=0)
        return Asked(after, params.whole_number(query, "limit", default=POLLED, least=1, most=POLLED_AT_MOST))
    for one, other in (("first", "last"), ("last", "first")):
        if not query.get(one):
            raise errors.BadRequest(f"{one}: is missing; a range takes both first and last, and got {other}")
    for name in ("after", "limit"):
        if name in query:
            raise errors.BadRequest(
                f"{name}: does not go with first and last; a range ends at {POLLED_AT_MOST:,} lines"
            )
    first = params.whole_number(query, "first", default=1, least=1)
    return Asked(first - 1, POLLED_AT_MOST, params.whole_number(query, "last", default=first, least=first))


def _started(summary: Summary) -> Response:
    return bodies.answer(summary, 202, {"Location": f"/api/syncs/{summary.id}"})


def _with_last(service: Service, last: Summary | None) -> dict[str, Any]:
    return {**msgspec.to_builtins(service), "last_sync": msgspec.to_builtins(last)}
