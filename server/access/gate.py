"""Who may come in. Each request and websocket is held to its line of the route table before anything of it runs: who
asks, which page made them ask, their role, and how much they send.

Without a token a client does not learn what exists: a path that does not exist is 401, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

from redis.exceptions import RedisError
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from server.access.auth import Auth, require
from server.access.origins import SAFE_METHODS, Origins
from server.web import errors
from server.web.routing import BODY_BYTES, RECORDS_BYTES, HttpRoute, SocketRoute, close

R = TypeVar("R", HttpRoute, SocketRoute)


class Gate:
    """Around Starlette's router, within its handling of errors. Raises `TypeError` for a route that says no role."""

    def __init__(self, router: ASGIApp, routes: Sequence[BaseRoute], auth: Auth, origins: Origins) -> None:
        self._router = router
        self._auth = auth
        self._origins = origins
        self._http = [route for route in routes if isinstance(route, HttpRoute)]
        self._sockets = [route for route in routes if isinstance(route, SocketRoute)]
        for route in routes:
            if not isinstance(route, HttpRoute | SocketRoute):
                raise TypeError(f"{route!r} says no role. Make it a server.web.routing.HttpRoute or SocketRoute.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        match, route = _found(self._http, scope)
        asking = HTTPConnection(scope)
        who = None
        if route is None or route.role:
            who = scope["principal"] = await self._auth.identify(asking)
            if who is None:
                await _sign_in_first(asking)(scope, receive, send)
                return
        if route and match is Match.FULL:  # another method is 405 for every role
            if scope["method"] not in SAFE_METHODS and (who is None or who.session):
                self._origins.check_change(asking.headers, session=who is not None)
            if who and route.role:
                require(who, route.role)
        receive = _limited(receive, asking.headers, route.body_bytes if route else BODY_BYTES)
        await (route.handle if route else self._router)(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, route = _found(self._sockets, scope)
        if route is None:
            await self._router(scope, receive, send)
        elif refusal := await self._refusal(scope, route):
            # Accepted before it is closed: a browser can read a close code, but not the status of a refused handshake.
            websocket = WebSocket(scope, receive, send)
            await websocket.accept(next(iter(scope.get("subprotocols", [])), None))
            await close(websocket, refusal.close_code, refusal.detail)
        else:
            await route.handle(scope, receive, send)

    async def _refusal(self, scope: Scope, route: SocketRoute) -> errors.ApiError | None:
        """Apart from its caller, which stays as long as the viewer: nothing of this does."""
        asking = HTTPConnection(scope)
        try:
            who = scope["principal"] = await self._auth.identify(asking)
            if who is None:
                return errors.SignInNeeded(_how(asking))
            require(who, route.role)
            self._origins.check_socket(asking.headers)
        except RedisError:
            return errors.RedisAway()
        except errors.ApiError as error:
            return error
        return None


def _found(routes: Iterable[R], scope: Scope) -> tuple[Match, R | None]:
    """As Starlette's router has it: the first route that takes the request, or else the first of another method."""
    best, found = Match.NONE, None
    for route in routes:
        match, matched = route.matches(scope)
        if match.value > best.value:
            best, found = match, route
            scope.update(matched)
        if best is Match.FULL:
            break
    return best, found


def _limited(receive: Receive, headers: Mapping[str, str], most: int) -> Receive:
    """Raises `TooLarge`: at once where the length is known, and else while the body is read."""
    parts = " Post the records in several parts." if most == RECORDS_BYTES else ""
    too_large = errors.TooLarge(f"The body is too large: the limit here is {most // 1024:,} KiB.{parts}")
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > most:
        raise too_large
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise too_large
        return message

    return counted


def _sign_in_first(asking: HTTPConnection) -> Response:
    """A person is shown the way to sign in; a program gets 401."""
    scope, headers = asking.scope, asking.headers
    if scope["method"] in SAFE_METHODS and "text/html" in headers.get("accept", ""):
        target = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        return RedirectResponse(f"/sign-in?next={quote(target, safe='/')}", 303)
    return errors.problem(errors.SignInNeeded(_how(asking)))


def _how(asking: HTTPConnection) -> str:
    if "authorization" in asking.headers:
        return "The token that was sent is not known, or has expired. Send another: 'Authorization: Bearer TOKEN'."
    return "Send 'Authorization: Bearer TOKEN', or sign in at /sign-in."
