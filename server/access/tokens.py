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

from server.access import auth
from server.web import bodies, errors
from server.web.routing import HttpRoute, Role
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.settings import parse_duration

ID_LENGTH = 12
LONGEST_NAME = 60
MOST = 10_000  # tokens that are looked at; more than that are a leak elsewhere
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
    created_at: str | None = None
    created_by: str | None = None
    expires_at: str | None = None


class Tokens:
    def __init__(self, client: Redis) -> None:
        self._client = client

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("GET /api/tokens", self.listed, role=Role.ADMIN),
            HttpRoute("POST /api/tokens", self.make, role=Role.ADMIN),
            HttpRoute("GET /api/tokens/self", self.own, role=Role.VIEWER),
            HttpRoute("DELETE /api/tokens/{token}", self.remove, role=Role.ADMIN),
        ]

    async def listed(self, _request: Request) -> Response:
        found = (await self._all()).values()
        return bodies.answer(sorted(found, key=lambda one: (one.name.lower(), one.id)))

    async def own(self, request: Request) -> Response:
        """The token of this request: its role and its expiry."""
        [described] = (await self._described([auth.principal(request).token])).values()
        return bodies.answer(described)

    async def make(self, request: Request) -> Response:
        who = auth.principal(request)
        name, role, lasts = _checked(await bodies.read(request, _Wanted, SEND))
        if any(one.name == name for one in (await self._all()).values()):
            raise errors.Conflict(f"The token {name!r} already exists. Choose another name, or remove it first.")
        token = auth.new_token()
        hashed = auth.token_hash(token)
        fields: Any = {"name": name, "role": role, "created_at": rfc3339(utc_now()), "created_by": who.name}
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.hset(keys.token(hashed), mapping=fields)
            if lasts:
                pipe.pexpire(keys.token(hashed), lasts)
            await pipe.execute()
        described = await self._described([hashed])
        made = {**msgspec.to_builtins(described[hashed]), "token": token}
        return bodies.answer(made, 201, {"Cache-Control": "no-store"})

    async def remove(self, request: Request) -> Response:
        """Those connected with it are disconnected within seconds."""
        wanted = request.path_params["token"]
        hashes = [hashed for hashed, one in (await self._all()).items() if wanted in (one.id, one.name)]
        if not hashes:
            raise errors.TokenUnknown(f"There is no token {wanted!r}. GET /api/tokens lists them.")
        if len(hashes) > 1:
            raise errors.Conflict(f"Several tokens are called {wanted!r}. Choose one by its id.")
        if auth.principal(request).token in hashes:
            raise errors.Conflict("You are using this token. Remove it with another one, or you will be locked out.")
        await cast("Any", self._client.delete(*map(keys.token, hashes)))
        return Response(status_code=204)

    async def _all(self) -> dict[str, Described]:
        hashes: set[str] = set()
        async for key in self._client.scan_iter(keys.token("*"), count=1000):
            hashes.add(key.decode().removeprefix(keys.token("")))
            if len(hashes) >= MOST:
                break
        return await self._described([*hashes])

    async def _described(self, hashes: list[str]) -> dict[str, Described]:
        """By hash."""
        async with self._client.pipeline(transaction=False) as pipe:
            for one in hashes:
                pipe.hgetall(keys.token(one))
                pipe.pttl(keys.token(one))
            answers = await pipe.execute()
        found = {}
        for one, stored, lasts in zip(hashes, answers[::2], answers[1::2], strict=True):
            if b"name" in stored and b"role" in stored:
                fields = {name.decode(): text.decode() for name, text in stored.items()}
                expires_at = rfc3339(utc_now() + timedelta(milliseconds=lasts)) if lasts >= 0 else None
                found[one] = msgspec.convert({**fields, "id": one[:ID_LENGTH], "expires_at": expires_at}, Described)
        return found


def _checked(wanted: _Wanted) -> tuple[str, str, timedelta | None]:
    """Raises `DefinitionRefused` with every error."""
    faults = []
    name = wanted.name.strip()
    # Neither what looks like an id, nor what cannot be part of an address.
    if not _NAME.fullmatch(name) or not name.isprintable() or _ID.fullmatch(name):
        faults.append(("name", f"takes 1 to {LONGEST_NAME} printable characters without a slash, got {name[:80]!r}"))
    if wanted.role not in ROLES:
        faults.append(("role", f"takes one of {', '.join(ROLES)}, got {wanted.role[:40]!r}"))
    lasts = None
    try:
        lasts = parse_duration(wanted.expires) if wanted.expires else None
    except ValueError:
        faults.append(("expires", f"takes a duration such as 90m, 24h or 90d, got {str(wanted.expires)[:40]!r}"))
    if faults:
        raise errors.DefinitionRefused.of(faults)
    return name, wanted.role, lasts
