"""Pages to create, change, run and remove services. They work without JavaScript: adding a row or changing a kind is a
submit button, answered with the same form and everything that was typed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobs.services.model import RunOptions, Service
from jobs.services.validate import Fault
from server.access import auth
from server.log.summaries import Summaries
from server.services import fields, schedules, service_form
from server.services.actions import Actions, checked_run
from server.services.fields import Typed
from server.services.reader import ServiceReader
from server.services.trial import Trials
from server.web import errors
from server.web.routing import DEFINITION_BYTES, HttpRoute, Render, Role

MOST_INPUTS = 20_000
RECORD = "try.record"
"""The input for a record on which filters and mapping are tried."""


class Sheet(NamedTuple):
    """One form of a service: where it leads, and the service that fills it."""

    mode: str
    title: str
    action: str
    leave: str
    service: Service | None = None


@dataclass
class Forms:
    _services: ServiceReader
    _summaries: Summaries
    _actions: Actions
    _trials: Trials
    _render: Render

    def routes(self) -> list[HttpRoute]:
        one = "/services/{service}"
        return [
            HttpRoute("GET /services/new", self.new, role=Role.ADMIN),
            HttpRoute("POST /services/new", self.create, role=Role.ADMIN, body_bytes=DEFINITION_BYTES),
            HttpRoute(f"GET {one}/edit", self.edit, role=Role.ADMIN),
            HttpRoute(f"POST {one}/edit", self.replace, role=Role.ADMIN, body_bytes=DEFINITION_BYTES),
            HttpRoute(f"GET {one}/clone", self.clone, role=Role.ADMIN),
            HttpRoute(f"POST {one}/activate", partial(self._change, active=True), role=Role.ADMIN),
            HttpRoute(f"POST {one}/deactivate", partial(self._change, active=False), role=Role.ADMIN),
            HttpRoute(f"GET {one}/notes", self.notes, role=Role.ADMIN),
            HttpRoute(f"POST {one}/notes", self.write_notes, role=Role.ADMIN),
            HttpRoute(f"GET {one}/remove", self.ask_to_remove, role=Role.ADMIN),
            HttpRoute(f"POST {one}/remove", self.remove, role=Role.ADMIN),
            HttpRoute(f"GET {one}/run", self.run_form, role=Role.OPERATOR),
            HttpRoute(f"POST {one}/run", self.run, role=Role.OPERATOR),
        ]

    # --- making and changing ------------------------------------------------------------------------------------------

    async def new(self, request: Request) -> Response:
        return await self._form(request, _new_sheet(), {})

    async def clone(self, request: Request) -> Response:
        service = await self._service(request)
        typed = {**service_form.typed_of(service), "id": "", "name": f"{service.name} (copy)", "active": "off"}
        return await self._form(request, _new_sheet(service), typed)

    async def edit(self, request: Request) -> Response:
        service = await self._service(request)
        return await self._form(request, _edit_sheet(service), service_form.typed_of(service))

    async def create(self, request: Request) -> Response:
        typed, do = await _posted(request)
        return await self._submitted(request, _new_sheet(), typed, do)

    async def replace(self, request: Request) -> Response:
        typed, do = await _posted(request)
        service = await self._service(request)
        return await self._submitted(request, _edit_sheet(service), {**typed, "id": service.id}, do)

    async def _submitted(self, request: Request, sheet: Sheet, typed: Typed, do: str) -> Response:
        if do != "save":  # the form again, with a row more or less, another kind, or a record tried
            typed = _with_rows(fields.tidied(typed, Service, drop_blank=False), do)
            tried = await self._try(typed) if do == "try" else None
            return await self._form(request, sheet, typed, tried=tried, done=do)
        before, actions = sheet.service, self._actions
        typed = fields.tidied(typed, Service, drop_blank=True)
        definition, faults = await run_in_threadpool(service_form.definition_of, typed)
        if faults:
            return await self._form(request, sheet, typed, faults, status=422)
        if before and typed.get("version") != _version(before):
            # The form does not show the other version; saving again replaces it knowingly.
            return await self._form(request, sheet, {**typed, "version": _version(before)}, status=409, changed=True)
        try:
            service = await (actions.replace(before.id, definition) if before else actions.create(definition))
        except errors.Conflict:
            faults = [Fault("id", "is already taken; choose another")]
            return await self._form(request, sheet, typed, faults, status=422)
        return RedirectResponse(f"/services/{service.id}", 303)

    async def _form(
        self,
        request: Request,
        sheet: Sheet,
        typed: Typed,
        faults: Sequence[Fault] = (),
        *,
        status: int = 200,
        tried: dict[str, Any] | None = None,
        changed: bool = False,
        done: str = "",
    ) -> Response:
        context = {
            # In a thread: other requests must not wait for a definition of a thousand rows.
            **await run_in_threadpool(service_form.view, typed, faults),
            "sheet": sheet,
            "version": typed.get("version") or (_version(sheet.service) if sheet.service else ""),
            "record": typed.get(RECORD, ""),
            "tried": tried,
            "changed": changed,
            "done": done,
            "zones": schedules.zones(),
            "functions": service_form.FUNCTIONS,
        }
        return await run_in_threadpool(self._render, request, "service_form.html", status, **context)

    async def _try(self, typed: Typed) -> dict[str, Any]:
        """The answer of `server.services.trial`, with what cannot be read among its errors."""
        typed = fields.tidied(typed, Service, drop_blank=True)
        definition, faults = fields.definition_of(typed, Service)
        about = ("filters", "mapping", "lookups")
        unread = [fault._asdict() for fault in faults if fault.path.startswith(about)]
        try:
            record = msgspec.json.decode(typed.get(RECORD, ""))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            unread.append({"path": "record", "says": f"is not JSON: {error}"})
        if unread:
            return {"errors": unread}
        try:
            answer = await self._trials.run({"record": record, **{name: definition.get(name) for name in about}})
        except errors.Busy as busy:
            return {"errors": [{"path": "", "says": busy.detail}]}
        if answer.get("result") is not None:
            answer["shown"] = msgspec.json.format(msgspec.json.encode(answer["result"])).decode()
        return answer

    # --- small changes ------------------------------------------------------------------------------------------------

    async def notes(self, request: Request) -> Response:
        return self._render(request, "service_notes.html", service=await self._service(request))

    async def write_notes(self, request: Request) -> Response:
        typed, _ = await _posted(request)
        return await self._change(request, notes=typed.get("notes", ""))

    async def _change(self, request: Request, **changes: Any) -> Response:
        service = await self._service(request)
        changed = msgspec.structs.replace(service, **changes)
        if changed != service:
            await self._actions.replace(service.id, msgspec.to_builtins(changed))
        return RedirectResponse(f"/services/{service.id}", 303)

    async def ask_to_remove(self, request: Request) -> Response:
        service = await self._service(request)
        running = [one for one in await self._summaries.newest(service.id, limit=50) if not one.status.ended]
        return self._render(request, "service_remove.html", service=service, running=running)

    async def remove(self, request: Request) -> Response:
        await self._actions.remove(request.path_params["service"])
        return RedirectResponse("/services", 303)

    # --- running otherwise --------------------------------------------------------------------------------------------

    async def run_form(self, request: Request) -> Response:
        service = await self._service(request)
        return self._run_page(request, service, service_form.typed_of(service_form.options_of(service)))

    async def run(self, request: Request) -> Response:
        """A button elsewhere sends none of the form, and starts a plain run."""
        typed, do = await _posted(request)
        if "page_size" not in typed:
            return await self._started(request.path_params["service"])
        service = await self._service(request)
        if do not in ("run", "save", ""):
            typed = _with_rows(fields.tidied(typed, RunOptions, drop_blank=False), do)
            return self._run_page(request, service, typed)
        typed = fields.tidied(typed, RunOptions, drop_blank=True)
        options, faults = fields.definition_of(typed, RunOptions)
        try:
            run = checked_run(options)
        except errors.OptionsRefused as refused:
            faults += [Fault(**one) for one in refused.extra["errors"]]  # type: ignore[attr-defined]
        if faults:
            return self._run_page(request, service, typed, faults, 422)
        if do == "save":
            auth.require(auth.principal(request), Role.ADMIN)
            await self._actions.replace(service.id, msgspec.to_builtins(run.applied_to(service)))
            return await self._started(service.id)
        return await self._started(service.id, service_form.otherwise(run, service))

    async def _started(self, service_id: str, run: RunOptions | None = None) -> Response:
        summary = await self._actions.start(service_id, run)
        return RedirectResponse(f"/syncs/{summary.id}", 303)

    def _run_page(
        self, request: Request, service: Service, typed: Typed, faults: Sequence[Fault] = (), status: int = 200
    ) -> Response:
        items = fields.items_of(typed, RunOptions)
        complaints, by_name = fields.put_faults(items, faults), {one.path: one for one in items}
        return self._render(request, "service_run.html", status, service=service, items=by_name, complaints=complaints)

    async def _service(self, request: Request) -> Service:
        return await self._services.get(request.path_params["service"])


def _new_sheet(copied: Service | None = None) -> Sheet:
    title = f"A copy of {copied.name}" if copied else "New service"
    return Sheet("new", title, "/services/new", f"/services/{copied.id}" if copied else "/services")


def _edit_sheet(service: Service) -> Sheet:
    here = f"/services/{service.id}"
    return Sheet("edit", service.name or service.id, f"{here}/edit", here, service)


def _version(service: Service) -> str:
    """Changes with the definition, so that saving notices a change made meanwhile."""
    return hashlib.sha256(msgspec.json.encode(service)).hexdigest()[:16]


async def _posted(request: Request) -> tuple[Typed, str]:
    """What was typed, and which button was pressed."""
    form = await request.form(max_fields=MOST_INPUTS, max_files=0)
    # The last of a name: before each check box is a hidden input, for when it is not ticked.
    typed = {name: value.replace("\r\n", "\n") for name, value in form.multi_items() if isinstance(value, str)}
    return typed, typed.pop("do", "")


def _with_rows(typed: Typed, do: str) -> Typed:
    """`add:filters`, `remove:filters:2`, `up:filters:2`, `down:filters:2`."""
    act, _, rest = do.partition(":")
    path, _, place = rest.partition(":")
    if not path:
        return typed
    order: list[int | None] = [*fields.row_numbers(typed, path)]
    if act == "add" and len(order) < fields.MOST_ROWS:
        return fields.renumbered(typed, path, [*order, None])
    at = int(place) if place.isascii() and place.isdigit() and len(place) < 6 else -1
    if not 0 <= at < len(order):
        return typed
    if act == "remove":
        del order[at]
    elif act in ("up", "down"):
        to = min(max(at + (-1 if act == "up" else 1), 0), len(order) - 1)
        order[at], order[to] = order[to], order[at]
    return fields.renumbered(typed, path, order)
