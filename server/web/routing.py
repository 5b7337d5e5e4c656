"""What a line of the route table says: method and path, the least role that may use it, how large a body it takes.

It only says so: `server.access.gate` holds every request and websocket to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import IntEnum

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

BODY_BYTES = 64 * 1024
DEFINITION_BYTES = 1024 * 1024
"""A service may hold tables."""
RECORDS_BYTES = 8 * 1024 * 1024


Render = Callable[..., Response]
"""Makes a page: `render(request, template, status, **context)`. The status may be left out."""


class Role(IntEnum):
    """Each role may do what those before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


OPEN = None
"""In place of a role: no token is needed."""


class HttpRoute(Route):
    """`POST /api/services/{service}/syncs`. `role`: the least that may use it, or `OPEN`."""

    def __init__(
        self,
        address: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        role: Role | None,
        body_bytes: int = BODY_BYTES,
    ) -> None:
        method, _, path = address.partition(" ")
        super().__init__(path, endpoint, methods=[method])
        self.role = role
        self.body_bytes = body_bytes


class SocketRoute(WebSocketRoute):
    """A websocket. `endpoint` is an ASGI application: what Starlette wraps around a function would stay as long as the
    viewer."""

    def __init__(self, path: str, endpoint: ASGIApp, *, role: Role) -> None:
        super().__init__(path, endpoint)
        self.role = role


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # the client may have left in the meantime
        # A close frame holds 123 bytes of reason (RFC 6455, 5.5).
        await websocket.close(code, reason.encode()[:120].decode("utf-8", "ignore"))
