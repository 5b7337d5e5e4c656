"""Signing in and out, and the theme: what a browser keeps in cookies."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.access import auth
from server.pages.render import THEME, THEMES
from server.web import errors
from server.web.routing import OPEN, HttpRoute, Render, Role

SIGN_IN_LIMIT_BYTES = 4096
THEME_S = 400 * 24 * 3600
"""The longest that browsers keep a cookie."""


@dataclass
class SignIn:
    _auth: auth.Auth
    _render: Render

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("GET /sign-in", self.form, role=OPEN),
            HttpRoute("POST /sign-in", self.sign_in, role=OPEN),
            HttpRoute("POST /sign-out", self.sign_out, role=Role.VIEWER),
            HttpRoute("POST /theme", self.theme, role=Role.VIEWER),
        ]

    async def form(self, request: Request) -> Response:
        return self._render(request, "sign_in.html", next=_own_path(request.query_params.get("next", "")), error=None)

    async def sign_in(self, request: Request) -> Response:
        if int(request.headers.get("content-length") or SIGN_IN_LIMIT_BYTES + 1) > SIGN_IN_LIMIT_BYTES:
            raise errors.BadRequest("This is not a token: a token has a few dozen characters.")
        form = await request.form(max_fields=10, max_files=0)
        target = _own_path(str(form.get("next", "")))
        session = await self._auth.sign_in(str(form.get("token", "")))
        if session is None:
            error = "Unknown token. Copy all of it, or ask your administrator for one."
            return self._render(request, "sign_in.html", 401, next=target, error=error)
        return _with_cookie(request, target, auth.COOKIE, session, auth.SESSION_S)

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
        return _with_cookie(request, _own_path(str(form.get("next", ""))), THEME, theme, THEME_S)


def _with_cookie(request: Request, target: str, name: str, value: str, seconds: int) -> Response:
    answer = RedirectResponse(target, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=secure)
    return answer


def _own_path(target: str) -> str:
    """The target if it is a path of ours. Another site's address must not misuse our sign-in page."""
    own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if own else "/services"
