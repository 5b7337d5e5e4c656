"""Who is asking, and may they? Tokens (bearer, or behind a signed session cookie), roles, CSRF and `Origin`.

Nothing is open unless it is in `OPEN`. A token is stored only as its SHA-256; a session names that hash, so it ends
with the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, cast
from urllib.parse import quote, urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.web import errors
from server.web.tasks import heed_cancellation
from synctail.model import keys

Over = Callable[[errors.ApiError], None]

OPEN = ("/healthz", "/readyz", "/sign-in", "/static/", "/favicon.ico")
COOKIE = "synctail_session"
SESSION_S = 30 * 24 * 3600
TOKEN_PREFIX = "st_"  # noqa: S105
CHECK_EVERY_S = 5.0
"""How soon those who are connected notice that their token, or their session, is over."""
CHECKED_AT_ONCE = 200
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Role(IntEnum):
    """Each role may do what those before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True)
class Principal:
    name: str
    role: Role
    csrf: str = ""
    """Names the session, and is what its forms must carry; empty for a bearer token, which no foreign page sends."""
    token: str = ""
    """The token's SHA-256."""
    until: float = math.inf
    """When the session ends by itself (Unix time)."""


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(24)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()


class Auth:
    def __init__(self, client: Redis, session_key: str, allowed_origins: Sequence[str]) -> None:
        self._client = client
        self._signer = URLSafeTimedSerializer(session_key, salt="synctail-session")
        self._allowed_origins = frozenset(allowed_origins)
        self._held: dict[Principal, set[Over]] = {}

    # --- tokens and sessions ------------------------------------------------------------------------------------

    async def ensure_admin(self, known: str) -> str | None:
        """Store the known admin token; without one, make one if there is none yet and return it, to be shown once."""
        if known:
            await self._store_token(known, "admin")
            return None
        async for key in self._client.scan_iter(keys.token("*"), count=1000):
            if await cast("Any", self._client.hget(key, "role")) == b"admin":
                return None
        token = new_token()
        await self._store_token(token, "admin")
        return token

    async def _store_token(self, token: str, name: str) -> None:
        fields = {"name": name, "role": Role.ADMIN.name.lower()}
        await cast("Any", self._client.hset(keys.token(token_hash(token)), mapping=cast("Any", fields)))

    async def sign_in(self, token: str) -> str | None:
        """The session cookie's value; None when the token is not known."""
        hashed = token_hash(token.strip())
        if await self._token(hashed) is None:
            return None
        return str(self._signer.dumps({"t": hashed, "c": secrets.token_urlsafe(16)}))

    async def sign_out(self, who: Principal) -> None:
        """End the session, wherever its cookie may still be."""
        await cast("Any", self._client.set(keys.signed_out(who.csrf), "1", ex=SESSION_S))

    async def _token(self, hashed: str, csrf: str = "", until: float = math.inf) -> Principal | None:
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.token(hashed))
            pipe.exists(keys.signed_out(csrf))
            stored, signed_out = await pipe.execute()
        if not stored or (csrf and signed_out):
            return None
        role = Role[stored[b"role"].decode().upper()]
        return Principal(stored[b"name"].decode(), role, csrf, hashed, until)

    # --- those who stay -----------------------------------------------------------------------------------------

    @contextmanager
    def held(self, who: Principal, over: Over) -> Iterator[None]:
        """While somebody stays connected, `over` is called when their token or session has come to its end."""
        calls = self._held.setdefault(who, set())
        calls.add(over)
        try:
            yield
        finally:
            calls.discard(over)
            if not calls and self._held.get(who) is calls:
                del self._held[who]

    async def run(self) -> None:
        """Looks after those who stay, until cancelled: one question for each token or session, however many use it."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                ended = await self._ended(list(self._held))
            except RedisError:  # who was let in stays until Redis says otherwise
                ended = []
            heed_cancellation()
            error = errors.SignInNeeded("The token was revoked or has expired, or the session is over. Sign in again.")
            for who in ended:
                for over in list(self._held.get(who, ())):
                    over(error)

    async def _ended(self, held: list[Principal]) -> list[Principal]:
        """Those of them whose token or session is no more."""
        now = time.time()
        ended = [who for who in held if who.until < now]
        for start in range(0, len(held), CHECKED_AT_ONCE):
            some = held[start : start + CHECKED_AT_ONCE]
            async with self._client.pipeline(transaction=False) as pipe:
                for who in some:
                    pipe.exists(keys.token(who.token))
                    pipe.exists(keys.signed_out(who.csrf))
                answers = await pipe.execute()
            for who, known, signed_out in zip(some, answers[::2], answers[1::2], strict=True):
                if not known or (who.csrf and signed_out):
                    ended.append(who)
        return ended

    # --- who is asking ------------------------------------------------------------------------------------------

    async def identify(self, connection: HTTPConnection) -> Principal | None:
        """Whose token stands in the `Authorization` header or behind the session cookie; None: nobody's."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme:
            return await self._token(token_hash(token.strip())) if scheme.lower() == "bearer" else None
        cookie = connection.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            session, signed_at = self._signer.loads(cookie, max_age=SESSION_S, return_timestamp=True)
            return await self._token(session["t"], session["c"], signed_at.timestamp() + SESSION_S)
        except (BadSignature, KeyError, TypeError):
            return None

    # --- Origin -------------------------------------------------------------------------------------------------

    def check_origin(self, connection: HTTPConnection) -> None:
        """A browser names the page that opens a websocket; only our own pages, and those allowed, may. Raises
        `Forbidden`. Programs that are no browsers send no `Origin`."""
        origin = connection.headers.get("origin")
        if origin is None or origin in self._allowed_origins:
            return
        if _host(origin) != connection.headers.get("host", "").lower():
            raise errors.Forbidden(
                f"Pages of {origin[:200]} may not connect. A proxy must pass on Host; else name them in "
                "SYNCTAIL_ALLOWED_ORIGINS."
            )


def _host(origin: str) -> str | None:
    """The host that an `Origin` names, with its port where it is not the usual one; None: it names none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def principal(connection: HTTPConnection) -> Principal | None:
    """Who is asking, as the middleware found out."""
    return cast("Principal | None", connection.scope.get("principal"))


def require(connection: HTTPConnection, role: Role) -> Principal:
    """Raises `SignInNeeded` or `Forbidden`."""
    who = principal(connection)
    if who is None:
        raise errors.SignInNeeded(_how(connection.headers))
    if who.role < role:
        raise errors.Forbidden(
            f"This needs the role {role.name.lower()}; the token {who.name!r} is {who.role.name.lower()}."
        )
    return who


async def require_change(request: Request, role: Role) -> Principal:
    """As `require`, for a request that changes something: one with a session also carries its CSRF token."""
    who = require(request, role)
    if who.csrf:
        sent = request.headers.get("x-csrf-token")
        if sent is None:
            sent = str((await request.form()).get("csrf", ""))
        if not hmac.compare_digest(sent.encode("utf-8", "backslashreplace"), who.csrf.encode()):
            raise errors.Forbidden("The form is out of date. Load the page again and repeat what you did.")
    return who


class AuthMiddleware:
    """Finds out who is asking, and lets nobody else in. Websockets go on to their endpoint, which closes with 4401:
    a browser cannot see the status of a refused handshake."""

    def __init__(self, app: ASGIApp, auth: Auth, answer: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._auth = auth
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            scope["principal"] = await self._auth.identify(HTTPConnection(scope))
        except RedisError:
            scope["principal"] = None
            if scope["type"] == "http":
                await self._answer(Request(scope), errors.RedisAway())(scope, receive, send)
                return
            scope["redis_away"] = True
        if scope["type"] == "http" and scope["principal"] is None:
            await _refusal(scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return any(path == known or (known.endswith("/") and path.startswith(known)) for known in OPEN)


def _refusal(scope: Scope) -> Response:
    """A person is shown the way to sign in; a program gets 401."""
    headers = Headers(scope=scope)
    if scope["method"] in SAFE_METHODS and "text/html" in headers.get("accept", ""):
        target = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        return RedirectResponse(f"/sign-in?next={quote(target, safe='/')}", 303)
    needed = errors.SignInNeeded
    return errors.problem(needed.status, needed.title, _how(headers))


def _how(headers: Headers) -> str:
    if "authorization" in headers:
        return "The token that was sent is not known, or has expired. Send another: 'Authorization: Bearer TOKEN'."
    return "Send 'Authorization: Bearer TOKEN', or sign in at /sign-in."
