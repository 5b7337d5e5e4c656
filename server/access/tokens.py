"""Create, list and remove access tokens over the API. A token is shown once, when it is created. Only its SHA-256 is
stored; the first characters of that are its id."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.access import auth
from server.web import bodies, errors
from server.web.routing import HttpRoute, Role
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.settings import parse_duration

ID_LENGTH = 12
LONGEST_NAME = 60
MOST = 10_000
"""Maximum tokens that are read. More than that means a leak elsewhere."""
_NAME = re.compile(rf"[^/]{{1,{LONGEST_NAME}}}")
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")
SEND = 'Send {"name": "grafana", "role": "viewer", "expires": "90d"}.'
ROLES = [role.name.lower() for role in Role]


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    role: str = ""
    expires: str | None = None


class Described(msgspec.Struct, frozen=True):
    """`id`: the first characters of the token's SHA-256."""

    id: str
    name: str
    role: str
    created_at: str | None
    created_by: str | None
    expires_at: str | None


class Made(Described, frozen=True):
    token: str


class Tokens:
    def __init__(self, client: Redis) -> None:
        self._client = client

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /api/tokens", self.listed, role=Role.ADMIN),
            HttpRoute("POST /api/tokens", self.make, role=Role.ADMIN),
            HttpRoute("GET /api/tokens/self", self.own, role=Role.VIEWER),
            HttpRoute("DELETE /api/tokens/{token}", self.remove, role=Role.ADMIN),
        ]

    async def listed(self, _request: Request) -> Response:
        return bodies.answer(await self._all())

    async def own(self, request: Request) -> Response:
        """The token of this request: its role and its expiry."""
        who = auth.principal(request)
        [described] = await self._described([who.token])
        return bodies.answer(described)

    async def make(self, request: Request) -> Response:
        who = auth.principal(request)
        name, role, lasts = _checked(await bodies.read(request, _Wanted, SEND))
        if any(one.name == name for one in await self._all()):
            raise errors.Conflict(f"The token {name!r} already exists. Choose another name, or remove it first.")
        token = auth.new_token()
        hashed = auth.token_hash(token)
        fields = {"name": name, "role": role, "created_at": rfc3339(utc_now()), "created_by": who.name}
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.hset(keys.token(hashed), mapping=cast("Any", fields))
            if lasts:
                pipe.pexpire(keys.token(hashed), lasts)
            await pipe.execute()
        [described] = await self._described([hashed])
        return bodies.answer(Made(**msgspec.structs.asdict(described), token=token), 201, {"Cache-Control": "no-store"})

    async def remove(self, request: Request) -> Response:
        """Connections with the token are closed within seconds."""
        who = auth.principal(request)
        wanted = request.path_params["token"]
        found = [one.id for one in await self._all() if wanted in (one.id, one.name)]
        if not found:
            raise errors.TokenUnknown(f"There is no token {wanted!r}. GET /api/tokens lists them.")
        hashes = [one for one in await self._hashes() if one[:ID_LENGTH] in found]
        if len(hashes) > 1:
            raise errors.Conflict(f"Several tokens are called {wanted!r}. Choose one by its id.")
        if who.token in hashes:
            raise errors.Conflict("You are using this token. Remove it with another one, or you will be locked out.")
        await cast("Any", self._client.delete(*map(keys.token, hashes)))
        return Response(status_code=204)

    async def _hashes(self) -> list[str]:
        found: list[str] = []
        prefix = keys.token("")
        async for key in self._client.scan_iter(f"{prefix}*", count=1000):
            found.append(key.decode()[len(prefix) :])
            if len(found) >= MOST:
                break
        return sorted(set(found))

    async def _all(self) -> list[Described]:
        described = await self._described(await self._hashes())
        return sorted(described, key=lambda one: (one.name.lower(), one.id))

    async def _described(self, hashes: list[str]) -> list[Described]:
        async with self._client.pipeline(transaction=False) as pipe:
            for one in hashes:
                pipe.hgetall(keys.token(one))
                pipe.pttl(keys.token(one))
            answers = await pipe.execute()
        now = utc_now()
        return [
            Described(
                id=one[:ID_LENGTH],
                name=stored[b"name"].decode(),
                role=stored[b"role"].decode(),
                created_at=stored.get(b"created_at", b"").decode() or None,
                created_by=stored.get(b"created_by", b"").decode() or None,
                expires_at=rfc3339(now + timedelta(milliseconds=lasts)) if lasts >= 0 else None,
            )
            for one, stored, lasts in zip(hashes, answers[::2], answers[1::2], strict=True)
            if b"name" in stored and b"role" in stored
        ]


def _checked(given: _Wanted) -> tuple[str, str, timedelta | None]:
    """Raises `DefinitionRefused` with every error."""
    faults = []
    name = given.name.strip()
    # A name must not look like an id, and must fit into an address.
    if not _NAME.fullmatch(name) or not name.isprintable() or _ID.fullmatch(name):
        says = f"takes 1 to {LONGEST_NAME} printable characters without a slash, got {name[:80]!r}"
        faults.append(("name", says))
    if given.role not in ROLES:
        faults.append(("role", f"takes one of {', '.join(ROLES)}, got {given.role[:40]!r}"))
    lasts = None
    if given.expires:
        try:
            lasts = parse_duration(given.expires)
        except ValueError:
            says = f"takes a duration such as 90m, 24h or 90d, got {given.expires[:40]!r}"
            faults.append(("expires", says))
    if faults:
        raise errors.DefinitionRefused.of(faults)
    return name, given.role, lasts
