"""Reads the payload files of a sync: their descriptions, and their pieces. Every method raises `RedisError`."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from server.log import wire
from server.log.summaries import Summaries
from server.web import errors
from synctail.model import keys
from synctail.model.ids import parse_rfc3339, utc_now
from synctail.model.sync import Payload, Summary


class PayloadReader:
    """`turns` bounds how many pieces are read at once, together with logs."""

    def __init__(self, client: Redis, summaries: Summaries, turns: asyncio.Semaphore) -> None:
        self._client = client
        self._summaries = summaries
        self._turns = turns

    async def page(self, sync_id: str, after: int, limit: int) -> list[Payload]:
        """The payloads numbered from `after` + 1 on, at most `limit`. Raises as `Summaries.get` does."""
        summary = await self._summary(sync_id)
        numbers = [str(n) for n in range(after + 1, after + limit + 1)]
        stored = await cast("Any", self._client.hmget(keys.payloads(sync_id), numbers))
        return [_payload(one, summary) for one in stored if one is not None]

    async def get(self, sync_id: str, number: int) -> tuple[Payload, Summary]:
        """Raises `PayloadNotFound`, and as `Summaries.get` does."""
        summary = await self._summary(sync_id)
        stored = await cast("Any", self._client.hget(keys.payloads(sync_id), str(number)))
        if stored is None:
            raise errors.PayloadNotFound(
                f"Sync {sync_id} has no payload {number}. GET /api/syncs/{sync_id}/payloads lists those it has."
            )
        return _payload(stored, summary), summary

    async def piece(self, sync_id: str, number: int, index: int) -> bytes:
        """Piece `index` of a payload, from 0. Raises `SyncExpired` when it expired since `get`."""
        async with self._turns:
            stored = await cast("Any", self._client.hget(keys.pieces(sync_id), f"{number}:{index}"))
        if stored is None:
            raise errors.SyncExpired(f"Payload {number} of sync {sync_id} is no longer kept.")
        return wire.unpack(b"zstd", stored)

    async def _summary(self, sync_id: str) -> Summary:
        summary = await self._summaries.get(sync_id)
        if summary.expires_at and parse_rfc3339(summary.expires_at) <= utc_now():
            raise errors.SyncExpired(f"The payloads of sync {sync_id} expired at {summary.expires_at}.")
        return summary


def _payload(stored: bytes, summary: Summary) -> Payload:
    described = msgspec.json.decode(stored, type=Payload)
    return msgspec.structs.replace(described, expires_at=summary.expires_at)
