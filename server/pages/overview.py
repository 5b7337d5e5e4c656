"""Server-rendered HTML, readable without JavaScript; the modules in `static/` make it live."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.templating import Jinja2Templates

from jobs.services.model import Schedule, Service
from server.access import auth
from server.log import wire
from server.log.log_reader import LogReader
from server.log.summaries import Summaries
from server.log.terminal_text import shown
from server.pages.charts import chart
from server.services import schedules
from server.services.actions import Actions
from server.services.reader import ServiceReader
from server.web import errors, params
from server.web.routing import OPEN, HttpRoute, Role
from synctail.model import keys
from synctail.model.ids import parse_rfc3339, rfc3339, utc_now
from synctail.model.sync import Summary

LISTED = 50
LINES_WITHOUT_SCRIPT = 500
LOOKED_AT = 16_384  # characters of a text that are processed
SIGN_IN_LIMIT_BYTES = 4096
DUES_KEPT = 10_000
NOT_KEPT = {"Cache-Control": "no-store"}
"""After signing out, the back button must show nothing."""

THEME = "synctail_theme"
THEMES = ("system", "light", "dark")
THEME_S = 400 * 24 * 3600
"""400 days: the longest that browsers keep a cookie."""


class Row(NamedTuple):
    service: Service
    last: Summary | None
    due: str | None


class Pages:
    def __init__(
        self,
        services: ServiceReader,
        summaries: Summaries,
        log: LogReader,
        actions: Actions,
        who: auth.Auth,
        templates: Jinja2Templates,
        *,
        retention: timedelta,
    ) -> None:
        self._services = services
        self._summaries = summaries
        self._log = log
        self._actions = actions
        self._auth = who
        self._templates = templates
        self._retention = lasting(retention)
        self._dues = Dues()

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /", self.home, role=Role.VIEWER),
            HttpRoute("GET /sign-in", self.sign_in_form, role=OPEN),
            HttpRoute("POST /sign-in", self.sign_in, role=OPEN),
            HttpRoute("POST /sign-out", self.sign_out, role=Role.VIEWER),
            HttpRoute("POST /theme", self.theme, role=Role.VIEWER),
            HttpRoute("GET /services", self.services, role=Role.VIEWER),
            HttpRoute("GET /services/{service}", self.service, role=Role.VIEWER),
            HttpRoute("GET /syncs/{sync}", self.sync, role=Role.VIEWER),
            HttpRoute("POST /syncs/{sync}/stop", self.stop, role=Role.OPERATOR),
            HttpRoute("POST /syncs/{sync}/retry", self.retry, role=Role.OPERATOR),
        ]

    async def home(self, _request: Request) -> Response:
        return RedirectResponse("/services", 303)

    # --- signing in ---------------------------------------------------------------------------------------------

    async def sign_in_form(self, request: Request) -> Response:
        return self._page(request, "sign_in.html", next=_own_path(request.query_params.get("next", "")), error=None)

    async def sign_in(self, request: Request) -> Response:
        if int(request.headers.get("content-length") or SIGN_IN_LIMIT_BYTES + 1) > SIGN_IN_LIMIT_BYTES:
            raise errors.BadRequest("This is not a token: a token has a few dozen characters.")
        form = await request.form(max_fields=10, max_files=0)
        target = _own_path(str(form.get("next", "")))
        cookie = await self._auth.sign_in(str(form.get("token", "")))
        if cookie is None:
            error = "Unknown token. Copy all of it, or ask your administrator for one."
            return self._page(request, "sign_in.html", 401, next=target, error=error)
        answer = RedirectResponse(target, 303)
        answer.set_cookie(
            auth.COOKIE,
            cookie,
            max_age=auth.SESSION_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        who = auth.principal(request)
        if who.session:
            await self._auth.sign_out(who)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(auth.COOKIE)
        return answer

    async def theme(self, request: Request) -> Response:
        """Sets the theme as a cookie, so that even the first paint is right."""
        form = await request.form(max_fields=10, max_files=0)
        theme = str(form.get("theme", ""))
        if theme not in THEMES:
            raise errors.BadRequest(f"theme: got {theme[:40]!r}; takes one of {', '.join(THEMES)}")
        answer = RedirectResponse(_own_path(str(form.get("next", ""))), 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(THEME, theme, max_age=THEME_S, httponly=True, samesite="lax", secure=secure)
        return answer

    # --- services and syncs -------------------------------------------------------------------------------------

    async def services(self, request: Request) -> Response:
        stored = await self._services.all()
        q = request.query_params.get("q", "")
        found = [one for one in stored if q.lower() in f"{one.name.lower()} {one.id}"]
        last = await self._summaries.last_of(found)
        now = utc_now()
        rows = [Row(one, last.get(one.id), self._dues.next(one, now)) for one in found]
        return self._list(request, "services.html", rows=rows, stored=len(stored), q=q)

    async def service(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        query = request.query_params
        before = query.get("before", "")
        syncs = await self._summaries.newest(
            service.id, status=params.status(query), q=query.get("q", ""), limit=LISTED + 1, before=before
        )
        return self._list(
            request,
            "service.html",
            service=service,
            due=self._dues.next(service, utc_now()),
            missed=await self._services.missed(service.id),
            missed_cap=keys.MISSED_CAP,
            chart=chart(await self._summaries.days(service.id)),
            syncs=syncs[:LISTED],
            status=query.get("status", ""),
            q=query.get("q", ""),
            before=before,
            older=syncs[LISTED - 1].id if len(syncs) > LISTED else None,
        )

    async def sync(self, request: Request) -> Response:
        summary = await self._summaries.get(request.path_params["sync"])
        try:
            service = await self._services.get(summary.service)
        except errors.ServiceUnknown:
            service = None
        lines = await self._newest(summary)
        return self._page(request, "sync.html", summary=summary, service=service, lines=lines)

    async def _newest(self, summary: Summary) -> list[dict[str, Any]]:
        """The end of a log. Large lines take more than one read."""
        lines: list[dict[str, Any]] = []
        cursor = max(0, summary.lines - LINES_WITHOUT_SCRIPT)
        while cursor < summary.lines:
            for part in await self._log.read(summary.id, cursor, summary.lines):
                if isinstance(part, wire.Chunk):
                    lines.extend(msgspec.json.decode(b"[" + part.body + b"]"))
                cursor = part.last
        return lines

    async def stop(self, request: Request) -> Response:
        who = auth.principal(request)
        await self._actions.stop(request.path_params["sync"], who)
        return RedirectResponse(f"/syncs/{request.path_params['sync']}", 303)

    async def retry(self, request: Request) -> Response:
        match str((await request.form()).get("only", "all")):
            case "all" | "failed" as only:
                summary = await self._actions.retry(request.path_params["sync"], only)
            case other:
                raise errors.BadRequest(f"only: got {other[:40]!r}; takes one of all, failed")
        return RedirectResponse(f"/syncs/{summary.id}", 303)

    # --- rendering ----------------------------------------------------------------------------------------------

    def error(self, request: Request, error: errors.ApiError) -> Response:
        answer = self._page(request, "error.html", error.status, error=error, running=error.extra.get("sync"))
        answer.headers.update(error.headers)
        return answer

    def _list(self, request: Request, template: str, /, **context: Any) -> Response:
        """A page that refreshes every five seconds: 304 while nothing changes. Running durations are no change, because
        the page counts them itself."""
        asker = self._shared(request)
        told = msgspec.json.encode(({**asker, "now": ""}, context))
        tag = f'"{hashlib.blake2b(told, digest_size=12).hexdigest()}"'
        if params.not_modified(request.headers, tag):
            return Response(status_code=304, headers={"ETag": tag, **NOT_KEPT})
        return self._templates.TemplateResponse(
            request, template, {**asker, **context}, headers={"ETag": tag, **NOT_KEPT}
        )

    def _page(self, request: Request, template: str, http_status: int = 200, /, **context: Any) -> Response:
        return self._templates.TemplateResponse(
            request, template, {**self._shared(request), **context}, http_status, NOT_KEPT
        )

    def _shared(self, request: Request) -> dict[str, Any]:
        """The context of every page: the user, their permissions and their theme."""
        who = auth.maybe_principal(request)
        role = who.role if who else 0
        theme = request.cookies.get(THEME, "")
        return {
            "principal": {"name": who.name, "role": who.role.name.lower()} if who else None,
            "may": {"run": role >= Role.OPERATOR, "change": role >= Role.ADMIN},
            "session": bool(who and who.session),
            "theme": theme if theme in THEMES else "system",
            "next_here": _address(request),
            "now": rfc3339(utc_now()),
            "retention": self._retention,
        }

    def render(self, request: Request, template: str, http_status: int = 200, /, **context: Any) -> Response:
        """For other modules with pages."""
        return self._page(request, template, http_status, **context)


def _address(request: Request) -> str:
    """Where to return to this page."""
    if request.method != "GET":
        return "/services"
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _own_path(target: str) -> str:
    """The target if it is a path of ours. Another site's address must not misuse our sign-in page."""
    own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if own else "/services"


# --- what templates call ----------------------------------------------------------------------------------------


def clock(time: str) -> str:
    """`12:30:01.125`, from an RFC 3339 time."""
    return time[11:23]


def logged(text: object) -> str:
    """Logged text as a terminal would show it, made safe. line.js shows the same.

    Only the start of a long text is processed: the page shows no more without a script.
    """
    return shown(str(text)[:LOOKED_AT])


def field(value: object) -> str:
    """A field's value: text as it is, anything else as JSON."""
    return logged(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def thousands(number: int) -> str:
    return f"{number:,}"


def elapsed(summary: Summary, now: str) -> str:
    """`1 m 12 s`, `850 ms`: a sync's duration, in whole seconds while it runs; empty before it started."""
    if not summary.started_at:
        return ""
    took = max(timedelta(), parse_rfc3339(summary.ended_at or now) - parse_rfc3339(summary.started_at))
    if summary.ended_at and took < timedelta(seconds=10):
        ms = took // timedelta(milliseconds=1)
        return f"{ms} ms" if ms < 1000 else f"{ms // 100 / 10:.1f} s"
    seconds = int(took.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60} s"
    return f"{seconds // 3600} h {seconds // 60 % 60} m"


def kind(connector: object) -> str:
    """The kind of system, as definitions name it."""
    return str(getattr(type(connector), "__struct_config__").tag)  # noqa: B009 - no part of a struct's type


class Dues:
    """The next scheduled start of each service, cached until it is due: computing it takes a millisecond."""

    def __init__(self) -> None:
        self._found: dict[Schedule, datetime] = {}

    def next(self, service: Service, now: datetime) -> str | None:
        """As RFC 3339; None if there is no next start."""
        trigger = service.trigger
        if not service.active or not trigger.schedule or kind(service.source) == "inbound":
            return None
        due = self._found.get(trigger)
        if due is None or due <= now:
            due = next(trigger.due_after(now), None)
            if due is None:
                return None
            if len(self._found) >= DUES_KEPT:
                self._found.clear()
            self._found[trigger] = due
        return rfc3339(due)


def lasting(time: timedelta) -> str:
    """`24 hours`, `7 days`, `90 minutes`: in the largest unit that divides it; a single day in hours."""
    minutes = max(1, time // timedelta(minutes=1))
    count, unit = minutes, "minute"
    if minutes % 60 == 0:
        count, unit = minutes // 60, "hour"
    if minutes % 1440 == 0 and minutes > 1440:
        count, unit = minutes // 1440, "day"
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def words(value: str | None) -> str:
    """`Completed with errors`, from `completed_with_errors`."""
    return (value or "").replace("_", " ").capitalize()


TRIGGERS = {"manual": "by hand", "schedule": "on schedule", "inbound": "posted", "retry": "retry"}
REASONS = {
    "error": "with an error",
    "timeout": "time limit reached",
    "killed": "process killed",
    "lost": "worker lost",
    "stopped_by_user": "by a user",
}
"""Why a sync ended; shown after its status."""

FILTERS = {
    "kind": kind,
    "schedule_words": schedules.describe,
    "trigger_word": lambda trigger: TRIGGERS.get(trigger, str(trigger)),
    "clock": clock,
    "field": field,
    "logged": logged,
    "thousands": thousands,
    "elapsed": elapsed,
    "status_word": words,
    "reason_word": lambda value: REASONS.get(value, words(value).lower()),
}
