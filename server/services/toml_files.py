"""Services in and out as TOML: for programs here, for people through the forms. A bundle is taken whole or not
at all: nothing is stored while any of its definitions has a fault, and then all in one step."""

from __future__ import annotations

from typing import Literal, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from jobs.services.model import Service
from jobs.services.toml import read_definitions, write_services
from jobs.services.validate import DefinitionFaulty, Fault, read_service
from server.services.actions import Actions, refused_as
from server.services.reader import ServiceReader
from server.web import bodies, errors, params
from server.web.routing import DEFINITION_BYTES, HttpRoute, Role

MEDIA = "application/toml"
MOST = 500


class Change(NamedTuple):
    """What a bundle does to one service: what it was before, None where it is new, and what it is then."""

    before: Service | None
    after: Service

    @property
    def kind(self) -> Literal["created", "replaced", "unchanged"]:
        if self.before is None:
            return "created"
        return "unchanged" if self.before == self.after else "replaced"


class Bundles:
    def __init__(self, services: ServiceReader, actions: Actions) -> None:
        self._services = services
        self._actions = actions

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /api/services.toml", self.export, role=Role.VIEWER),
            HttpRoute("POST /api/services.toml", self.take, role=Role.ADMIN, body_bytes=DEFINITION_BYTES),
        ]

    async def export(self, request: Request) -> Response:
        wanted = request.query_params.getlist("service")
        services = [await self._services.get(one) for one in wanted] if wanted else await self._services.all()
        return answer(services)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        dry_run = bool(params.whole_number(request.query_params, "dry_run", default=0, most=1))
        changes = await self.plan(decoded(body))
        if not dry_run:
            await self.carry_out(changes)
        said = [
            {
                "id": one.after.id,
                "change": one.kind,
                "before": write_services([one.before]) if one.before else None,
                "after": write_services([one.after]),
            }
            for one in changes
        ]
        return bodies.answer({"applied": not dry_run, "services": said})

    async def plan(self, text: str) -> list[Change]:
        """What applying it would do, in its order. Raises `DefinitionRefused` with every fault."""
        with refused_as(errors.DefinitionRefused):
            services = await run_in_threadpool(_read, text)
        changes = []
        for service in services:
            try:
                before = await self._services.get(service.id)
            except errors.ServiceUnknown:
                before = None
            changes.append(Change(before, service))
        return changes

    async def carry_out(self, changes: list[Change]) -> None:
        created = [one.after for one in changes if one.before is None]
        await self._actions.put(created, [one.after for one in changes if one.before and one.kind != "unchanged"])


def answer(services: list[Service], *, file: str = "") -> Response:
    headers = {"Cache-Control": "no-store"}
    if file:
        headers["Content-Disposition"] = f'attachment; filename="{file}"'
    return PlainTextResponse(write_services(services), media_type=f"{MEDIA}; charset=utf-8", headers=headers)


def decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.BadRequest("This is no TOML: TOML is text in UTF-8.") from None


def _read(text: str) -> list[Service]:
    """Raises `DefinitionFaulty`."""
    definitions = read_definitions(text)
    if len(definitions) > MOST:
        raise DefinitionFaulty([Fault("", f"has {len(definitions)} services; one file takes {MOST}")])
    services: list[Service] = []
    faults: list[Fault] = []
    for definition in definitions:
        faults += definition.faults
        try:
            service = read_service(definition.body)
        except DefinitionFaulty as faulty:
            faults += [Fault(f"{definition.path}.{path}".strip("."), says) for path, says in faulty.faults]
            continue
        if any(service.id == other.id for other in services):
            faults.append(Fault(f"{definition.path}.id", f"there are two services {service.id!r}"))
        services.append(service)
    if faults:
        raise DefinitionFaulty(faults)
    return services
