"""Builds the web application: the only place that makes objects and hands them to each other."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
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
from server.log.poll import Poll
from server.log.search import Search
from server.log.summaries import Summaries
from server.pages.overview import Overview
from server.pages.render import Renderer
from server.pages.sign_in import SignIn
from server.services import schedules
from server.services.actions import Actions
from server.services.checks import Checks
from server.services.forms import Forms
from server.services.inbound import Inbound
from server.services.reader import ServiceReader
from server.services.toml_files import TomlFiles
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
        # Around what Starlette puts first: its answer to an exception that was not caught needs the headers as well.
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
    assets, trials = Assets(ROOT / "static", reload=settings.reload), Trials()
    render = Renderer(ROOT / "templates", assets, retention=settings.jobs.retention)
    routed = (  # where two take an address, the first is asked
        assets,  # a page asks for some fifty files at once
        Forms(services, summaries, actions, trials, render.page),
        TomlFiles(services, actions, render.page),
        SignIn(auth, render.page),
        Overview(services, summaries, log, actions, render),
        trials,
        Tokens(client),
        schedules,
        Api(client, services, summaries, actions),
        Poll(summaries, log, search),
        search,
        Outlines(summaries, log),
        Inbound(services, actions),
        Checks(services, CheckRequests(blocking), render.page),
        Downloads(summaries, log, hub, auth, search),
        Payloads(client, summaries, turns),
        Live(hub, auth),
    )
    app = _App(
        routes=[route for one in routed for route in one.routes()],
        exception_handlers={
            **dict.fromkeys((errors.ApiError, HTTPException, RedisError, Exception), render.error),
            ClientDisconnect: _gone,
        },
        lifespan=lambda _app: _running(client, hub, auth, settings.admin_token),
    )
    app.router.middleware_stack = Gate(app.router.middleware_stack, app.routes, auth, origins)
    app.state.dismiss = hub.dismiss
    return app


@asynccontextmanager
async def _running(client: Redis, hub: Hub, auth: Auth, admin_token: str) -> AsyncIterator[None]:
    shown_once = await auth.ensure_admin(admin_token)
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


async def _in_background(hub: Hub, auth: Auth) -> None:
    """Until cancelled. Neither is expected to end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.run(), name="hub")
        group.create_task(auth.run(), name="auth")


def _gone(_request: Request, _error: Exception) -> Response:
    """The client left in the middle of its request: nothing to answer, and nothing to report."""
    return Response(status_code=400)


def _redis(url: str) -> Redis:
    """Reads only, so each may be tried twice: the first call after Redis came back finds a dead connection.

    RESP2, because RESP3 decodes each pub/sub message, needed or not.
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


def _end_the_process(task: asyncio.Task[None]) -> None:
    """A server whose hub is dead would look well and deliver nothing; better that it is started anew."""
    if not task.cancelled():
        _log.critical("A background task failed; the process exits", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)
