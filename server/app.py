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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp

from jobs.queue.check_requests import CheckRequests
from jobs.queue.requests import Requests
from jobs.services.store import Services
from server.access.auth import Auth
from server.access.gate import Gate
from server.access.origins import Origins
from server.access.tokens import Tokens
from server.api import Api
from server.log.downloads import Downloads
from server.log.hub import Hub
from server.log.live import Live
from server.log.log_reader import LogReader
from server.log.outline import Outlines
from server.log.payload_files import Payloads
from server.log.search import Search
from server.log.summaries import Summaries
from server.pages.overview import FILTERS, Pages
from server.services import schedules
from server.services.actions import Actions
from server.services.check_pages import CheckPages
from server.services.checks import Checks
from server.services.forms import Forms
from server.services.inbound import Inbound
from server.services.reader import ServiceReader
from server.services.toml_files import Bundles
from server.services.trial import Trials
from server.settings import ServerSettings
from server.web import errors
from server.web.assets import Assets
from server.web.headers import SecurityHeaders
from synctail.connect import connect

ROOT = Path(__file__).parent.parent
READS_AT_ONCE = 16
"""Reads of logs and payload files at the same time, of 50 connections."""

_log = logging.getLogger("synctail.server")


class _App(Starlette):
    def build_middleware_stack(self) -> ASGIApp:
        # Around what Starlette puts first: it answers what nobody caught, and that needs the headers as well.
        return SecurityHeaders(super().build_middleware_stack())


def create_app(settings: ServerSettings) -> Starlette:
    client = _redis(settings.jobs.redis_url)
    auth, origins = Auth(client, settings.session_key), Origins(settings.allowed_origins)
    turns = asyncio.Semaphore(READS_AT_ONCE)
    services, summaries = ServiceReader(client), Summaries(client, settings.jobs.retention)
    log = LogReader(client, turns)
    hub = Hub(client.connection_pool, summaries, log)
    search = Search(summaries, log)
    blocking = connect(settings.jobs.redis_url)
    actions = Actions(services, summaries, Requests(settings.jobs, blocking), Services(blocking))
    bundles, checks = Bundles(services, actions), CheckRequests(blocking)
    trials = Trials()
    assets = Assets(ROOT / "static", reload=settings.reload)
    pages = Pages(services, summaries, log, actions, auth, _templates(assets), retention=settings.jobs.retention)

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
            *Forms(services, summaries, actions, bundles, trials, pages.render).routes(),
            *CheckPages(services, checks, pages.render).routes(),
            *pages.routes(),
            *bundles.routes(),
            *trials.routes(),
            *Tokens(client).routes(),
            *schedules.routes(),
            *Api(client, services, summaries, log, actions, search).routes(),
            *search.routes(),
            *Outlines(summaries, log).routes(),
            *Inbound(services, actions).routes(),
            *Checks(services, checks).routes(),
            *Downloads(summaries, log, hub, auth, search).routes(),
            *Payloads(client, summaries, turns).routes(),
            *Live(hub, auth).routes(),
            *assets.routes(),
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
    app.router.middleware_stack = Gate(app.router.middleware_stack, app.routes, auth, origins)
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
    match error:
        case errors.ApiError():
            known = error
        case OutOfMemoryError():
            known = errors.RedisFull()
        case RedisError():
            known = errors.RedisAway()
        case HTTPException():
            known = _unserved(request, error)
        case _:
            known = errors.ApiError("It was our fault, and is in the server's log.")
    person = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    answer = pages.error(request, known) if person else errors.problem(known)
    if known.status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        answer.headers["Connection"] = "close"  # the server closes it after a fault; a next request would be lost
    return answer


def _unserved(request: Request, error: HTTPException) -> errors.ApiError:
    """What Starlette refuses by itself: an address, a method, a form that cannot be read."""
    missing = error.status_code == http.HTTPStatus.NOT_FOUND
    known = errors.ApiError(f"There is nothing at {request.url.path}." if missing else error.detail)
    known.status, known.title = error.status_code, "Not found" if missing else error.detail
    known.headers = error.headers or {}
    return known
