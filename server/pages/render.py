"""Renders the templates: pages, lists that fetch themselves anew, and errors."""

from __future__ import annotations

import http
from datetime import timedelta
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from redis.exceptions import OutOfMemoryError, RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from server.access.auth import Principal
from server.pages.filters import FILTERS, lasting
from server.web import errors, params
from server.web.assets import Assets
from server.web.routing import Role
from synctail.model.ids import rfc3339, utc_now

NOT_KEPT = {"Cache-Control": "no-store"}
"""After signing out, the back button must show nothing."""
THEME = "synctail_theme"
THEMES = ("system", "light", "dark")


class Renderer:
    def __init__(self, folder: Path, assets: Assets, *, retention: timedelta) -> None:
        env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined
        )
        env.filters.update(FILTERS)
        env.globals.update(static=assets.address, imported=assets.imported, retention=lasting(retention))
        self._templates = Jinja2Templates(env=env)

    def page(self, request: Request, template: str, http_status: int = 200, /, **context: Any) -> Response:
        return self._templates.TemplateResponse(
            request, template, {**_shared(request), **context}, http_status, NOT_KEPT
        )

    def list(self, request: Request, template: str, /, **context: Any) -> Response:
        """A page that refreshes every five seconds: 304 while nothing changes. Running durations are no change, because
        the page counts them itself."""
        shared = _shared(request)
        tag = params.tag_of(msgspec.json.encode(({**shared, "now": ""}, context)))
        headers = {"ETag": tag, **NOT_KEPT}
        if params.not_modified(request.headers, tag):
            return Response(status_code=304, headers=headers)
        return self._templates.TemplateResponse(request, template, {**shared, **context}, headers=headers)

    def error(self, request: Request, error: Exception) -> Response:
        """A page for a person, a problem document for a program."""
        known = _known(request, error)
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
            answer = self.page(request, "error.html", known.status, error=known, running=known.extra.get("sync"))
            answer.headers.update(known.headers)
        else:
            answer = errors.problem(known)
        if known.status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
            answer.headers["Connection"] = "close"  # the server closes it after a fault; a next request would be lost
        return answer


def _known(request: Request, error: Exception) -> errors.ApiError:
    match error:
        case errors.ApiError():
            return error
        case OutOfMemoryError():
            return errors.RedisFull()
        case RedisError():
            return errors.RedisAway()
        case HTTPException():  # what Starlette refuses by itself: an address, a method, a form that cannot be read
            missing = error.status_code == http.HTTPStatus.NOT_FOUND
            known = errors.ApiError(f"There is nothing at {request.url.path}." if missing else error.detail)
            known.status, known.title = error.status_code, "Not found" if missing else error.detail
            known.headers = error.headers or {}
            return known
    return errors.ApiError()


def _shared(request: Request) -> dict[str, Any]:
    """The context of every page: the user, their permissions and their theme."""
    who: Principal | None = request.scope.get("principal")
    role = who.role if who else 0
    theme, url = request.cookies.get(THEME, ""), request.url
    return {
        "principal": {"name": who.name, "role": who.role.name.lower()} if who else None,
        "may": {"run": role >= Role.OPERATOR, "change": role >= Role.ADMIN},
        "session": bool(who and who.session),
        "theme": theme if theme in THEMES else "system",
        "next_here": url.path + (f"?{url.query}" if url.query else "") if request.method == "GET" else "/services",
        "now": rfc3339(utc_now()),
    }
