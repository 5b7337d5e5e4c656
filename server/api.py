"""JSON over HTTP: services, syncs, and the poll, which carries the very frames a websocket would have carried."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server import auth, errors, params, wire

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from jobs.records import Service, Summary
    from server.actions import Actions
    from server.store import Store

LISTED = 50
LISTED_AT_MOST = 500
POLLED = 1000
POLLED_AT_MOST = 5000


class Api:
    def __init__(self, store: Store, actions: Actions) -> None:
        self._store = store
        self._actions = actions

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/api/services", self.services),
            Route("/api/services/{service}", self.service),
            Route("/api/services/{service}/syncs", self.syncs, methods=["GET"]),
            Route("/api/services/{service}/syncs", self.start, methods=["POST"]),
            Route("/api/syncs", self.syncs),
            Route("/api/syncs/{sync}", self.sync),
            Route("/api/syncs/{sync}/stop", self.stop, methods=["POST"]),
            Route("/api/syncs/{sync}/log", self.log),
        ]

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        await self._store.ping()
        return JSONResponse({"status": "ok"})

    async def services(self, request: Request) -> Response:
        auth.require(request, auth.Role.VIEWER)
        services = await self._store.services()
        last = await self._store.last_syncs(services)
        return _json([_with_last(service, last.get(service.id)) for service in services])

    async def service(self, request: Request) -> Response:
        auth.require(request, auth.Role.VIEWER)
        service = await self._store.service(request.path_params["service"])
        last = await self._store.last_syncs([service])
        return _json(_with_last(service, last.get(service.id)))

    async def syncs(self, request: Request) -> Response:
        auth.require(request, auth.Role.VIEWER)
        service_id = request.path_params.get("service")
        if service_id is not None:
            await self._store.service(service_id)
        query = request.query_params
        found = await self._store.syncs(
            service_id,
            status=params.status(query),
            q=query.get("q", ""),
            limit=params.whole_number(query, "limit", default=LISTED, least=1, most=LISTED_AT_MOST),
            before=query.get("before", ""),
        )
        return _json(found)

    async def start(self, request: Request) -> Response:
        body = await request.body()  # first: what was read once can be read again, by whoever looks for a form
        await auth.require_change(request, auth.Role.OPERATOR)
        if body.strip() and not request.headers.get("content-type", "").startswith("application/x-www-form"):
            _no_options(body)
        summary = await self._actions.start(request.path_params["service"])
        return _json(summary, 202, {"Location": f"/api/syncs/{summary.id}"})

    async def sync(self, request: Request) -> Response:
        auth.require(request, auth.Role.VIEWER)
        return _json(await self._store.summary(request.path_params["sync"]))

    async def stop(self, request: Request) -> Response:
        who = await auth.require_change(request, auth.Role.OPERATOR)
        await self._actions.stop(request.path_params["sync"], who)
        return _json(await self._store.summary(request.path_params["sync"]), 202)

    async def log(self, request: Request) -> Response:
        """The poll: what a reader at `after` has not seen, as frames, and where the log stands."""
        auth.require(request, auth.Role.VIEWER)
        sync_id = request.path_params["sync"]
        after = params.whole_number(request.query_params, "after", default=0)
        limit = params.whole_number(request.query_params, "limit", default=POLLED, least=1, most=POLLED_AT_MOST)
        # The summary first: the lines that it counts are then in the stream for sure.
        summary = await self._store.summary(sync_id)
        shown = wire.summary_frame(summary)
        tag = f'"{hashlib.blake2b(f"{after}:{limit}:{shown}".encode(), digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        frames, cursor = [shown], after
        until = min(after + limit, summary.lines)
        chunks = await self._store.read(sync_id, after, lines=limit) if after < until else []
        for frame in wire.frames(sync_id, after, [chunk.until(until) for chunk in chunks if chunk.first <= until]):
            frames.append(frame.text)
            cursor = frame.last
        if cursor == after < until:
            cursor = chunks[0].first - 1 if chunks else summary.lines
            frames.append(wire.gap_frame(sync_id, after + 1, cursor, "they are no longer kept").text)
        if summary.status.ended and cursor >= summary.lines:
            frames.append(wire.end_frame(summary))
        body = f'{{"frames":[{",".join(frames)}],"last":{summary.lines},"status":"{summary.status}"}}'
        return Response(body, media_type="application/json", headers=headers)


def _no_options(body: bytes) -> None:
    try:
        given: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.BadRequest(f"The body is not JSON: {error}. Send none, or an empty object.") from None
    if given != {}:
        raise errors.BadRequest("The body takes no options. Send none, or an empty object.")


def _with_last(service: Service, last: Summary | None) -> dict[str, Any]:
    return {**msgspec.to_builtins(service), "last_sync": msgspec.to_builtins(last)}


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:  # noqa: ANN401
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
