"""Who is asking? Tokens (bearer, or behind a signed session cookie), and the principals that they name.

A token is stored only as its SHA-256; a session names that hash, so it ends with the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from itsdangerous import BadSignature, URLSafeTimedSerializer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import HTTPConnection

from server.web import errors
from server.web.routing import Role
from server.web.tasks import heed_cancellation
from synctail.model import keys

Over = Callable[[errors.ApiError], None]

COOKIE = "synctail_session"
SESSION_S = 30 * 24 * 3600
TOKEN_PREFIX = "st_"  # noqa: S105
CHECK_EVERY_S = 5.0
"""How soon those who are connected notice that their token, or their session, is over."""
CHECKED_AT_ONCE = 200


@dataclass(frozen=True)
class Principal:
    name: str
    role: Role
    session: str = ""
    """The session's id; empty for a bearer token."""
    token: str = ""
    """The token's SHA-256."""
    until: float = math.inf
    """When the session ends by itself (Unix time)."""


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(24)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()


class Auth:
    def __init__(self, client: Redis, session_key: str) -> None:
        self._client = client
        self._signer = URLSafeTimedSerializer(session_key, salt="synctail-session")
        self._held: defaultdict[Principal, set[Over]] = defaultdict(set)

    async def ensure_admin(self, known: str) -> str | None:
        """Store the known admin token; without one, make one if there is none yet and return it, to be shown once."""
        if not known:
            async for key in self._client.scan_iter(keys.token("*"), count=1000):
                if await cast("Any", self._client.hget(key, "role")) == b"admin":
                    return None
        token = known or new_token()
        fields: Any = {"name": "admin", "role": "admin"}
        await cast("Any", self._client.hset(keys.token(token_hash(token)), mapping=fields))
        return None if known else token

    async def sign_in(self, token: str) -> str | None:
        """The session cookie's value; None when the token is not known."""
        hashed = token_hash(token.strip())
        if await self._token(hashed) is None:
            return None
        return str(self._signer.dumps({"t": hashed, "c": secrets.token_urlsafe(16)}))

    async def sign_out(self, who: Principal) -> None:
        """End the session, wherever its cookie may still be."""
        await cast("Any", self._client.set(keys.signed_out(who.session), "1", ex=SESSION_S))

    async def _token(self, hashed: str, session: str = "", until: float = math.inf) -> Principal | None:
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.token(hashed))
            pipe.exists(keys.signed_out(session))
            stored, signed_out = await pipe.execute()
        if not stored or (session and signed_out):
            return None
        role = Role[stored[b"role"].decode().upper()]
        return Principal(stored[b"name"].decode(), role, session, hashed, until)

    @contextmanager
    def held(self, who: Principal, over: Over) -> Iterator[None]:
        """Calls `over` when the token or session of a connected client ends."""
        self._held[who].add(over)
        try:
            yield
        finally:
            self._held[who].discard(over)
            if not self._held[who]:
                del self._held[who]

    async def run(self) -> None:
        """Until cancelled: one question for each token or session, however many clients use it."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                ended = await self._ended(list(self._held))
            except RedisError:  # they stay connected until Redis says otherwise
                ended = []
            heed_cancellation()
            error = errors.SignInNeeded("The token was revoked or has expired, or the session is over. Sign in again.")
            for who in ended:
                for over in list(self._held.get(who, ())):
                    over(error)

    async def _ended(self, held: list[Principal]) -> list[Principal]:
        """Those whose token or session has ended."""
        now = time.time()
        ended = [who for who in held if who.until < now]
        for start in range(0, len(held), CHECKED_AT_ONCE):
            some = held[start : start + CHECKED_AT_ONCE]
            async with self._client.pipeline(transaction=False) as pipe:
                for who in some:
                    pipe.exists(keys.token(who.token))
                    pipe.exists(keys.signed_out(who.session))
                answers = await pipe.execute()
            for who, known, signed_out in zip(some, answers[::2], answers[1::2], strict=True):
                if not known or (who.session and signed_out):
                    ended.append(who)
        return ended

    async def identify(self, connection: HTTPConnection) -> Principal | None:
        """By the token in the `Authorization` header or behind the session cookie; None if it is not known."""
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


def principal(connection: HTTPConnection) -> Principal:
    """Who is asking, as the gate found out; of an open route that is not known."""
    return cast("Principal", connection.scope["principal"])


def require(who: Principal, role: Role) -> None:
    """Raises `Forbidden`."""
    if who.role < role:
        raise errors.Forbidden(
            f"This needs the role {role.name.lower()}; the token {who.name!r} is {who.role.name.lower()}."
        )
