"""Pages to create, change, run and remove services. They work without JavaScript: adding a row or changing a kind is a
submit button, answered with the same form and everything that was typed."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, Protocol

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.services.model import RunOptions, Service
from jobs.services.validate import Fault
from server.access import auth
from server.log.store import Store
from server.services import fields, schedules, service_form, toml_files
from server.services.actions import Actions, checked_run
from server.services.fields import Typed
from server.services.toml_files import Bundles
from server.services.trial import Trials
from server.web import errors

MOST_INPUTS = 20_000
RECORD = "try.record"
"""The input for a record on which filters and mapping are tried."""


class Render(Protocol):
    def __call__(self, request: Request, template: str, http_status: int = 200, /, **context: Any) -> Response: ...


class Sheet(NamedTuple):
    """One form of a service: where it leads, and the service that fills it."""

    mode: str
    title: str
    action: str
    leave: str
    service: Service | None = None


class Forms:
    def __init__(self, store: Store, actions: Actions, bundles: Bundles, trials: Trials, render: Render) -> None:
        self._store = store
        self._actions = actions
        self._bundles = bundles
        self._trials = trials
        self._render = render

    def routes(self) -> list[BaseRoute]:
        one = "/services/{service}"
        return [
            Route("/services/new", self.new, methods=["GET"]),
            Route("/services/new", self.create, methods=["POST"]),
            Route("/services/import", self.import_form, methods=["GET"]),
            Route("/services/import", self.take, methods=["POST"]),
            Route(f"{one}/edit", self.edit, methods=["GET"]),
            Route(f"{one}/edit", self.replace, methods=["POST"]),
            Route(f"{one}/clone", self.clone, methods=["GET"]),
            Route(f"{one}/activate", self.activate, methods=["POST"]),
            Route(f"{one}/deactivate", self.deactivate, methods=["POST"]),
            Route(f"{one}/notes", self.notes, methods=["GET"]),
            Route(f"{one}/notes", self.write_notes, methods=["POST"]),
            Route(f"{one}/remove", self.ask_to_remove, methods=["GET"]),
            Route(f"{one}/remove", self.remove, methods=["POST"]),
            Route(f"{one}/export.toml", self.export, methods=["GET"]),
            Route(f"{one}/run", self.run_form, methods=["GET"]),
            Route(f"{one}/run", self.run, methods=["POST"]),
        ]

    # --- making and changing ------------------------------------------------------------------------------------------

    async def new(self, request: Request) -> Response:
        auth.require(request, auth.Role.ADMIN)
        return await self._form(request, _new_sheet(), {})

    async def clone(self, request: Request) -> Response:
        auth.require(request, auth.Role.ADMIN)
        service = await self._service(request)
        typed = {**service_form.typed_of(service), "id": "", "name": f"{service.name} (copy)", "active": "off"}
        return await self._form(request, _new_sheet(service), typed)

    async def edit(self, request: Request) -> Response:
        auth.require(request, auth.Role.ADMIN)
        service = await self._service(request)
        return await self._form(request, _edit_sheet(service), service_form.typed_of(service))

    async def create(self, request: Request) -> Response:
        typed, do = await _posted(request, auth.Role.ADMIN)
        sheet = _new_sheet()
        if do != "save":
            return await self._other(request, sheet, typed, do)
        typed = fields.tidied(typed, Service, drop_blank=True)
        definition, faults = await run_in_threadpool(service_form.definition_of, typed)
        if not faults:
            try:
                service = await self._actions.create(definition)
            except errors.Conflict:
                faults = [Fault("id", "is already taken; choose another")]
            else:
                return RedirectResponse(f"/services/{service.id}", 303)
        return await self._form(request, sheet, typed, faults, status=422)

    async def replace(self, request: Request) -> Response:
        typed, do = await _posted(request, auth.Role.ADMIN)
        service = await self._service(request)
        sheet = _edit_sheet(service)
        typed["id"] = service.id
        if do != "save":
            return await self._other(request, sheet, typed, do)
        typed = fields.tidied(typed, Service, drop_blank=True)
        definition, faults = await run_in_threadpool(service_form.definition_of, typed)
        if faults:
            return await self._form(request, sheet, typed, faults, status=422)
        if typed.get("version") != _version(service):
            # The form does not show the other version; saving again replaces it knowingly.
            return await self._form(request, sheet, {**typed, "version": _version(service)}, status=409, changed=True)
        await self._actions.replace(service.id, definition)
        return RedirectResponse(f"/services/{service.id}", 303)

    async def _other(self, request: Request, sheet: Sheet, typed: Typed, do: str) -> Response:
        """Any button but save: the form again, with a row more or less, another kind, or a record tried."""
        typed = _with_rows(fields.tidied(typed, Service, drop_blank=False), do)
        tried = None
        if do == "try":
            tried = await self._try(typed)
        return await self._form(request, sheet, typed, tried=tried, done=do)

    async def _form(
        self,
        request: Request,
        sheet: Sheet,
        typed: Typed,
        faults: list[Fault] | None = None,
        *,
        status: int = 200,
        tried: dict[str, Any] | None = None,
        changed: bool = False,
        done: str = "",
    ) -> Response:
        # In a thread: other requests must not wait for a definition of a thousand rows.
        view = await run_in_threadpool(service_form.view, typed, faults or [])
        schedule, zone = typed.get("trigger.schedule", ""), typed.get("trigger.timezone", "UTC")
        due, due_fault = None, None
        if schedule:
            try:
                due = await run_in_threadpool(schedules.read_back, schedule, zone)
            except schedules.ScheduleFault as fault:
                due_fault = fault.says
        version = typed.get("version") or (_version(sheet.service) if sheet.service else "")
        return await run_in_threadpool(
            self._render,
            request,
            "service_form.html",
            status,
            sheet=sheet,
            view=view,
            version=version,
            record=typed.get(RECORD, ""),
            tried=tried,
            changed=changed,
            due=due,
            due_fault=due_fault,
            zones=schedules.zones(),
            functions=service_form.functions(),
            done=done,
        )

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

    async def activate(self, request: Request) -> Response:
        return await self._change(request, active=True)

    async def deactivate(self, request: Request) -> Response:
        return await self._change(request, active=False)

    async def notes(self, request: Request) -> Response:
        auth.require(request, auth.Role.ADMIN)
        return self._render(request, "service_notes.html", service=await self._service(request))

    async def write_notes(self, request: Request) -> Response:
        typed, _ = await _posted(request, auth.Role.ADMIN)
        return await self._change(request, notes=typed.get("notes", ""))

    async def _change(self, request: Request, **changes: Any) -> Response:
        await auth.require_change(request, auth.Role.ADMIN)
        service = await self._service(request)
        changed = msgspec.structs.replace(service, **changes)
        if changed != service:
            await self._actions.replace(service.id, msgspec.to_builtins(changed))
        return RedirectResponse(f"/services/{service.id}", 303)

    async def ask_to_remove(self, request: Request) -> Response:
        auth.require(request, auth.Role.ADMIN)
        service = await self._service(request)
        running = [one for one in await self._store.syncs(service.id, limit=50) if not one.status.ended]
        return self._render(request, "service_remove.html", service=service, running=running)

    async def remove(self, request: Request) -> Response:
        await auth.require_change(request, auth.Role.ADMIN)
        await self._actions.remove(request.path_params["service"])
        return RedirectResponse("/services", 303)

    # --- as TOML ------------------------------------------------------------------------------------------------------

    async def export(self, request: Request) -> Response:
        auth.require(request, auth.Role.VIEWER)
        service = await self._service(request)
        return toml_files.answer([service], file=f"{service.id}.toml")

    async def import_form(self, request: Request) -> Response:
        auth.require(request, auth.Role.ADMIN)
        return self._import_page(request)

    async def take(self, request: Request) -> Response:
        auth.require(request, auth.Role.ADMIN)
        form = await request.form(max_fields=20, max_files=1)
        await auth.require_change(request, auth.Role.ADMIN)
        text = str(form.get("toml") or "")
        try:
            file = form.get("file")
            if isinstance(file, UploadFile) and file.size:
                text = toml_files.decoded(await file.read())
            changes = await self._bundles.plan(text)
        except (errors.DefinitionRefused, errors.BadRequest) as refused:
            faults = refused.extra.get("errors") or [{"path": "", "says": refused.detail}]
            return self._import_page(request, 422, text=text, faults=faults)
        if form.get("do") != "apply":
            return self._import_page(request, text=text, changes=changes)
        await self._bundles.carry_out(changes)
        only = changes[0].after.id if len(changes) == 1 else None
        return RedirectResponse(f"/services/{only}" if only else "/services", 303)

    def _import_page(self, request: Request, status: int = 200, **context: Any) -> Response:
        return self._render(
            request, "service_import.html", status, **{"text": "", "faults": [], "changes": None, **context}
        )

    # --- running otherwise --------------------------------------------------------------------------------------------

    async def run_form(self, request: Request) -> Response:
        auth.require(request, auth.Role.OPERATOR)
        service = await self._service(request)
        return self._run_page(request, service, service_form.run_typed_of(service))

    async def run(self, request: Request) -> Response:
        """Without anything of the form, a plain run."""
        typed, do = await _posted(request, auth.Role.OPERATOR)
        service_id = request.path_params["service"]
        if not typed:
            return await self._started(service_id)
        service = await self._service(request)
        if do not in ("run", "save", ""):
            typed = _with_rows(fields.tidied(typed, RunOptions, drop_blank=False), do)
            return self._run_page(request, service, typed)
        typed = fields.tidied(typed, RunOptions, drop_blank=True)
        given, faults = fields.definition_of(typed, RunOptions)
        try:
            run = checked_run(given)
        except errors.OptionsRefused as refused:
            faults += [Fault(**one) for one in refused.extra["errors"]]  # type: ignore[attr-defined]
        if faults:
            return self._run_page(request, service, typed, faults, 422)
        if do == "save":
            await auth.require_change(request, auth.Role.ADMIN)
            await self._actions.replace(service.id, msgspec.to_builtins(run.applied_to(service)))
            return await self._started(service_id)
        return await self._started(service_id, service_form.otherwise(run, service))

    async def _started(self, service_id: str, run: Any = None) -> Response:
        summary = await self._actions.start(service_id, run)
        return RedirectResponse(f"/syncs/{summary.id}", 303)

    def _run_page(
        self, request: Request, service: Service, typed: Typed, faults: list[Fault] | None = None, status: int = 200
    ) -> Response:
        items, complaints = service_form.run_view(typed, faults or [])
        return self._render(request, "service_run.html", status, service=service, items=items, complaints=complaints)

    async def _service(self, request: Request) -> Service:
        return await self._store.service(request.path_params["service"])


def _new_sheet(copied: Service | None = None) -> Sheet:
    title = f"A copy of {copied.name}" if copied else "New service"
    return Sheet("new", title, "/services/new", f"/services/{copied.id}" if copied else "/services")


def _edit_sheet(service: Service) -> Sheet:
    here = f"/services/{service.id}"
    return Sheet("edit", service.name or service.id, f"{here}/edit", here, service)


def _version(service: Service) -> str:
    """Changes with the definition, so that saving notices a change made meanwhile."""
    return hashlib.sha256(msgspec.json.encode(service)).hexdigest()[:16]


async def _posted(request: Request, role: auth.Role) -> tuple[Typed, str]:
    """What was typed, and which button was pressed. Raises what `auth.require_change` does."""
    auth.require(request, role)  # before anything is read
    form = await request.form(max_fields=MOST_INPUTS, max_files=0)
    await auth.require_change(request, role)
    # The last of a name: a box that is not ticked is told by what stands before it.
    typed = {name: value.replace("\r\n", "\n") for name, value in form.multi_items() if isinstance(value, str)}
    typed.pop("csrf", None)
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
