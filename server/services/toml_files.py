"""Services in and out as TOML, for programs and as pages. A file is taken whole or not at all: nothing is stored while
any of its definitions has a fault, and then all in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from jobs.services.model import Service
from jobs.services.toml import read_definitions, write_services
from jobs.services.validate import DefinitionFaulty, Fault, read_service
from server.services.actions import Actions, refused_as
from server.services.reader import ServiceReader
from server.web import bodies, errors, params
from server.web.routing import DEFINITION_BYTES, HttpRoute, Render, Role

MOST = 500


class Change(NamedTuple):
    """What a file does to one service; `before` is None for a new one."""

    before: Service | None
    after: Service

    @property
    def kind(self) -> Literal["created", "replaced", "unchanged"]:
        if self.before is None:
            return "created"
        return "unchanged" if self.before == self.after else "replaced"


@dataclass
class TomlFiles:
    _services: ServiceReader
    _actions: Actions
    _render: Render

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("GET /api/services.toml", self.export, role=Role.VIEWER),
            HttpRoute("POST /api/services.toml", self.take, role=Role.ADMIN, body_bytes=DEFINITION_BYTES),
            HttpRoute("GET /services/{service}/export.toml", self.export_one, role=Role.VIEWER),
            HttpRoute("GET /services/import", self.form, role=Role.ADMIN),
            HttpRoute("POST /services/import", self.take_form, role=Role.ADMIN, body_bytes=DEFINITION_BYTES),
        ]

    async def export(self, request: Request) -> Response:
        wanted = request.query_params.getlist("service")
        return _answer([await self._services.get(one) for one in wanted] if wanted else await self._services.all())

    async def export_one(self, request: Request) -> Response:
        answer = _answer([await self._services.get(request.path_params["service"])])
        answer.headers["Content-Disposition"] = f'attachment; filename="{request.path_params["service"]}.toml"'
        return answer

    async def take(self, request: Request) -> Response:
        dry_run = bool(params.whole_number(request.query_params, "dry_run", default=0, most=1))
        changes = await self.plan(_decoded(await request.body()))
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

    async def form(self, request: Request) -> Response:
        return self._page(request)

    async def take_form(self, request: Request) -> Response:
        form = await request.form(max_fields=20, max_files=1)
        text, file = str(form.get("toml") or ""), form.get("file")
        try:
            if isinstance(file, UploadFile) and file.size:
                text = _decoded(await file.read())
            changes = await self.plan(text)
        except (errors.DefinitionRefused, errors.BadRequest) as refused:
            faults = refused.extra.get("errors") or [{"path": "", "says": refused.detail}]
            return self._page(request, 422, text=text, faults=faults)
        if form.get("do") != "apply":
            return self._page(request, text=text, changes=changes)
        await self.carry_out(changes)
        return RedirectResponse(f"/services/{changes[0].after.id}" if len(changes) == 1 else "/services", 303)

    def _page(self, request: Request, status: int = 200, **context: Any) -> Response:
        empty: dict[str, Any] = {"text": "", "faults": [], "changes": None}
        return self._render(request, "service_import.html", status, **{**empty, **context})

    async def plan(self, text: str) -> list[Change]:
        """What applying the file would change, in its order. Raises `DefinitionRefused` with every error."""
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


def _answer(services: list[Service]) -> Response:
    headers = {"Cache-Control": "no-store"}
    return PlainTextResponse(write_services(services), headers=headers, media_type="application/toml; charset=utf-8")


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.BadRequest("This is not TOML: TOML is UTF-8 text.") from None


def _read(text: str) -> list[Service]:
    """Raises `DefinitionFaulty`."""
    definitions = read_definitions(text)
    if len(definitions) > MOST:
        raise DefinitionFaulty([Fault("", f"has {len(definitions)} services; a file may have {MOST}")])
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
            faults.append(Fault(f"{definition.path}.id", f"the service {service.id!r} appears twice"))
        services.append(service)
    if faults:
        raise DefinitionFaulty(faults)
    return services
