"""Builds the web application: the only place that makes objects and hands them to each other."""

from __future__ import annotations

import asyncio
import http
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jinja2
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp

from jobs.queue.check_requests import CheckRequests
from jobs.queue.requests import Requests
from jobs.services.store import Services
from server.access.auth import Auth, AuthMiddleware
from server.access.tokens import Tokens
from server.api import Api
from server.log.downloads import Downloads
from server.log.hub import Hub
from server.log.live import Live
from server.log.outline import Outlines
from server.log.payload_files import Payloads
from server.log.search import Search
from server.log.store import Store
from server.pages.overview import FILTERS, Pages
from server.services import schedules
from server.services.actions import Actions
from server.services.check_pages import CheckPages
from server.services.checks import Checks
from server.services.forms import Forms
from server.services.inbound import Inbound
from server.services.toml_files import Bundles
from server.services.trial import Trials
from server.settings import ServerSettings
from server.web import errors
from server.web.assets import Assets
from server.web.headers import SecurityHeaders
from server.web.limits import BodyLimit
from synctail.connect import connect

ROOT = Path(__file__).parent.parent

_log = logging.getLogger("synctail.server")


class _App(Starlette):
    def build_middleware_stack(self) -> ASGIApp:
        # Around what Starlette puts first: it answers what nobody caught, and that needs the headers as well.
        return SecurityHeaders(super().build_middleware_stack())


def create_app(settings: ServerSettings) -> Starlette:
    client = _redis(settings.jobs.redis_url)
    auth = Auth(client, settings.session_key, settings.allowed_origins)
    store = Store(client, settings.jobs.retention)
    hub = Hub(store)
    search = Search(store)
    blocking = connect(settings.jobs.redis_url)
    actions = Actions(store, Requests(settings.jobs, blocking), Services(blocking))
    bundles, checks = Bundles(store, actions), CheckRequests(blocking)
    trials = Trials()
    assets = Assets(ROOT / "static", reload=settings.reload)
    pages = Pages(store, actions, auth, _templates(assets), retention=settings.jobs.retention)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        shown_once = await auth.ensure_admin(settings.admin_token)
        if shown_once:
            print(f"An admin token was made. It is shown this once: {shown_once}", flush=True)  # noqa: T201
        task = asyncio.create_task(_in_background(hub, auth), name="background")
        task.add_done_callback(_end_the_process)
        try:
            yield
        finally:
            task.remove_done_callback(_end_the_process)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.aclose()

    def on_error(request: Request, error: Exception) -> Response:
        return _answer(pages, request, error)

    app = _App(
        routes=[
            *Forms(store, actions, bundles, trials, pages.render).routes(),
            *CheckPages(store, checks, pages.render).routes(),
            *pages.routes(),
            *bundles.routes(),
            *trials.routes(),
            *Tokens(client).routes(),
            *schedules.routes(),
            *Api(store, actions, search).routes(),
            *search.routes(),
            *Outlines(store).routes(),
            *Inbound(store, actions).routes(),
            *Checks(store, checks).routes(),
            *Downloads(store, hub, auth, search).routes(),
            *Payloads(store).routes(),
            *Live(hub, auth).routes(),
            *assets.routes(),
        ],
        middleware=[
            Middleware(BodyLimit),
            Middleware(AuthMiddleware, auth=auth, answer=on_error),
        ],
        exception_handlers={
            errors.ApiError: on_error,
            HTTPException: on_error,
            RedisError: on_error,
            ClientDisconnect: _nobody,
            Exception: on_error,
        },
        lifespan=lifespan,
    )
    app.state.dismiss = hub.dismiss
    return app


async def _in_background(hub: Hub, auth: Auth) -> None:
    """Until cancelled. Neither is expected to end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.run(), name="hub")
        group.create_task(auth.run(), name="auth")


def _nobody(_request: Request, _error: Exception) -> Response:
    """The client left in the middle of its request: there is nobody to answer, and nothing to report."""
    return Response(status_code=400)


def _redis(url: str) -> Redis:
    """Reads only, so each may be tried twice: the first call after Redis came back finds a dead connection.

    RESP2, because RESP3 makes text of each pub/sub message before anybody asks for it.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 1),
        socket_timeout=2,
        socket_connect_timeout=3,
        # No health checks: redis-py nests them into connecting, and a Redis that hangs would take minutes to notice.
        max_connections=50,
        timeout=10,
    )
    return Redis.from_pool(pool)


def _templates(assets: Assets) -> Jinja2Templates:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    env.filters.update(FILTERS)
    env.globals.update(static=assets.address, imported=assets.imported)
    return Jinja2Templates(env=env)


def _end_the_process(task: asyncio.Task[None]) -> None:
    """A server whose hub is dead would look well and deliver nothing; better that it is started anew."""
    if not task.cancelled():
        _log.critical("What runs in the background died; this process ends", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


def _answer(pages: Pages, request: Request, error: Exception) -> Response:
    """One table for all errors: a page for a person, a problem document for a program."""
    extra: dict[str, object] = {}
    match error:
        case errors.ApiError():
            status, title, detail, extra = error.status, error.title, error.detail, error.extra
        case RedisError():
            away = errors.RedisFull() if isinstance(error, OutOfMemoryError) else errors.RedisAway()
            status, title, detail = away.status, away.title, away.detail
        case HTTPException(status_code=404):
            status, title, detail = 404, "Not found", f"There is nothing at {request.url.path}."
        case HTTPException():
            status, title, detail = error.status_code, error.detail, error.detail
        case _:
            status, title, detail = 500, "Something went wrong", "It was our fault, and is in the server's log."
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
        answer = pages.error(request, status, title, detail, extra)
    else:
        answer = errors.problem(status, title, detail, extra)
    if status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        answer.headers["Connection"] = "close"  # the server closes it after a fault; a next request would be lost
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer
