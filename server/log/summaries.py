"""Reads summaries of syncs: one, lists of them, and the totals of a day. Every method raises `RedisError`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from redis.asyncio import Redis

from jobs.services.model import Service
from server.web import errors
from synctail.model import keys
from synctail.model.ids import sync_id_time, utc_now
from synctail.model.sync import Day, Status, Summary, day_from_hash, summary_from_hash

SCAN_STEP = 200
NEWEST = 50
"""Running syncs are looked for among this many of a service's syncs, where a total needs them."""


class Summaries:
    def __init__(self, client: Redis, retention: timedelta) -> None:
        self._client = client
        self._retention = retention

    async def get(self, sync_id: str) -> Summary:
        """Raises `SyncNotFound`, or `SyncExpired` where the date in the id says that its time is over."""
        stored = await cast("Any", self._client.hgetall(keys.summary(sync_id)))
        if stored.get(b"status"):
            return summary_from_hash(stored)
        made = sync_id_time(sync_id)
        if made is None:
            raise errors.SyncNotFound(f"{sync_id[:40]!r} is not the id of a sync: those have 26 letters and digits.")
        if utc_now() - made > self._retention:
            raise errors.SyncExpired(
                "Summaries and logs are kept for a limited time after their sync has ended; this one is over."
            )
        raise errors.SyncNotFound(f"There is no sync {sync_id}. The services list theirs, and so does GET /api/syncs.")

    async def newest(
        self,
        service_id: str | None = None,
        *,
        status: Status | None = None,
        q: str = "",
        limit: int = 50,
        before: str = "",
    ) -> list[Summary]:
        """Syncs that run, and those that started within the retention, newest first.

        `before` is the id of the last sync of the previous page; `q` a part of an id.
        """
        index = keys.service_syncs(service_id) if service_id else keys.SYNCS
        since = utc_now() - self._retention
        start = await self._rank_after(index, before)
        step = SCAN_STEP if q or status else min(limit, SCAN_STEP)  # without a filter, no more than needed
        found: list[Summary] = []
        while start is not None and len(found) < limit:
            stored = await cast("Any", self._client.zrange(index, start, start + step - 1, desc=True))
            ids = [one.decode() for one in stored]
            for summary in await self._all([one for one in ids if q.upper() in one]):
                begun = sync_id_time(summary.id)
                recent = begun is not None and begun >= since
                if (recent or not summary.status.ended) and status in (None, summary.status):
                    found.append(summary)
            # From the last one seen, not from its rank: syncs that start meanwhile move the ranks.
            start = await self._rank_after(index, ids[-1]) if len(ids) == step else None
        return found[:limit]

    async def last_of(self, services: list[Service]) -> dict[str, Summary]:
        """The newest sync of each service that has one, by the service's id. Takes two round trips."""
        async with self._client.pipeline(transaction=False) as pipe:
            for service in services:
                pipe.zrange(keys.service_syncs(service.id), 0, 0, desc=True)
            newest = await pipe.execute()
        ids = [one[0].decode() for one in newest if one]
        return {summary.service: summary for summary in await self._all(ids)}

    async def days(self, service_id: str, *, count: int = 14) -> list[Day]:
        """What the service pulled and pushed on each of the last days (UTC), oldest first. Today includes the syncs
        that still run."""
        today = utc_now().date()
        days = [(today - timedelta(days=ago)).isoformat() for ago in reversed(range(count))]
        async with self._client.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hgetall(keys.service_day(service_id, day))
            pipe.zrange(keys.service_syncs(service_id), 0, NEWEST - 1, desc=True)
            *stored, newest = await pipe.execute()
        found = [day_from_hash(day, one) for day, one in zip(days, stored, strict=True)]
        for summary in await self._all([one.decode() for one in newest]):
            if summary.status is Status.RUNNING:
                found[-1] = found[-1].plus(summary)
        return found

    async def _all(self, ids: list[str]) -> list[Summary]:
        async with self._client.pipeline(transaction=False) as pipe:
            for one in ids:
                pipe.hgetall(keys.summary(one))
            stored = await pipe.execute()
        return [summary_from_hash(one) for one in stored if one.get(b"status")]

    async def _rank_after(self, index: str, sync_id: str) -> int | None:
        if not sync_id:
            return 0
        rank = await cast("Any", self._client.zrevrank(index, sync_id))
        return None if rank is None else int(rank) + 1
