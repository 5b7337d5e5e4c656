"""The only reader of what jobs write: services, summaries, and a log's chunks from any line on."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any, Literal, cast

import msgspec
from redis.asyncio import ConnectionPool, Redis

from jobs.services.model import Missed, Service, Unreadable, decode_service
from server.log import wire
from server.web import errors
from synctail.model import keys
from synctail.model.ids import parse_rfc3339, sync_id_time, utc_now
from synctail.model.sync import Day, Payload, Status, Summary, day_from_hash, summary_from_hash

_log = logging.getLogger("synctail.store")

Condition = Literal["ok", "full", "evicts"]

READ_BYTES = 1024 * 1024
"""One read takes entries until it has so many bytes: a reader far behind costs bounded memory."""
FIRST_ENTRIES = 8
"""What a busy log's entries hold is about a tenth of a read; how many more are needed is seen from these."""
MOST_ENTRIES = 128
READS_AT_ONCE = 16
"""Readers that are behind wait for each other, so that all others find a connection to Redis."""
SCAN_STEP = 200
NEWEST = 50
"""Among so many of a service's syncs those that run are looked for, where a sum needs them."""


class Store:
    """Every method raises `RedisError` when Redis is away."""

    def __init__(self, client: Redis, retention: timedelta) -> None:
        self._client = client
        self._retention = retention
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._complained: set[str] = set()

    @property
    def pool(self) -> ConnectionPool:
        """Where a connection of one's own can be made."""
        return self._client.connection_pool

    async def condition(self) -> Condition:
        """What an operator has to know of Redis: "full", it stores nothing that is new; "evicts", it would rather
        forget logs, services and tokens than be full."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.ping()  # refused while it loads its file, as INFO is not
            pipe.info("memory")
            _, memory = await pipe.execute()
        limit = memory["maxmemory"]
        if not limit:
            return "ok"
        if memory["maxmemory_policy"] != "noeviction":
            return "evicts"
        return "full" if memory["used_memory"] - memory["mem_not_counted_for_evict"] > limit else "ok"

    # --- services -----------------------------------------------------------------------------------------------

    async def services(self) -> list[Service]:
        """All services, by name."""
        stored = await cast("Any", self._client.hgetall(keys.SERVICES))
        services = []
        for service_id, definition in stored.items():
            try:
                services.append(decode_service(service_id.decode(), definition))
            except Unreadable as error:  # the others are shown all the same
                self._complain(str(error))
        return sorted(services, key=lambda service: (service.name.lower(), service.id))

    async def service(self, service_id: str) -> Service:
        """Raises `ServiceUnknown`."""
        stored = await cast("Any", self._client.hget(keys.SERVICES, service_id))
        if stored is None:
            raise errors.ServiceUnknown(f"There is no service {service_id!r}. GET /api/services lists them.")
        try:
            return decode_service(service_id, stored)
        except Unreadable as error:
            raise errors.ServiceUnreadable(f"{error}. Correct it, or remove it from the hash `services`.") from None

    async def missed(self, service_id: str) -> list[Missed]:
        """The last scheduled starts that were left out, newest first."""
        stored = await cast("Any", self._client.lrange(keys.service_missed(service_id), 0, -1))
        return [msgspec.json.decode(one, type=Missed) for one in stored]

    def _complain(self, text: str) -> None:
        """In the process's log, once."""
        if text not in self._complained:
            self._complained.add(text)
            _log.error("A service is left out. %s", text)

    # --- summaries ----------------------------------------------------------------------------------------------

    async def summary(self, sync_id: str) -> Summary:
        """Raises `SyncNotFound`, or `SyncExpired` where the id's own date says that it is over."""
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

    async def syncs(
        self,
        service_id: str | None = None,
        *,
        status: Status | None = None,
        q: str = "",
        limit: int = 50,
        before: str = "",
    ) -> list[Summary]:
        """Newest first: syncs that run, and those that started within the retention.

        `before` is the id of the last sync of the page before; `q` a part of an id.
        """
        index = keys.service_syncs(service_id) if service_id else keys.SYNCS
        since = utc_now() - self._retention
        start = await self._rank_after(index, before)
        step = SCAN_STEP if q or status else min(limit, SCAN_STEP)  # where each one found counts, no more than needed
        found: list[Summary] = []
        while start is not None and len(found) < limit:
            stored = await cast("Any", self._client.zrange(index, start, start + step - 1, desc=True))
            ids = [one.decode() for one in stored]
            for summary in await self._summaries([one for one in ids if q.upper() in one]):
                begun = sync_id_time(summary.id)
                recent = begun is not None and begun >= since
                if (recent or not summary.status.ended) and status in (None, summary.status):
                    found.append(summary)
            # From the last one seen, not from its rank: syncs that start meanwhile move the ranks.
            start = await self._rank_after(index, ids[-1]) if len(ids) == step else None
        return found[:limit]

    async def last_syncs(self, services: list[Service]) -> dict[str, Summary]:
        """The newest sync of each service that has one, in two round trips."""
        async with self._client.pipeline(transaction=False) as pipe:
            for service in services:
                pipe.zrange(keys.service_syncs(service.id), 0, 0, desc=True)
            newest = await pipe.execute()
        ids = [one[0].decode() for one in newest if one]
        return {summary.service: summary for summary in await self._summaries(ids)}

    async def days(self, service_id: str, *, count: int = 14) -> list[Day]:
        """What the service moved on each of the last days (UTC), oldest first; today with what its syncs that run have
        moved so far."""
        today = utc_now().date()
        days = [(today - timedelta(days=ago)).isoformat() for ago in reversed(range(count))]
        async with self._client.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hgetall(keys.service_day(service_id, day))
            pipe.zrange(keys.service_syncs(service_id), 0, NEWEST - 1, desc=True)
            *stored, newest = await pipe.execute()
        found = [day_from_hash(day, one) for day, one in zip(days, stored, strict=True)]
        for summary in await self._summaries([one.decode() for one in newest]):
            if summary.status is Status.RUNNING:
                found[-1] = found[-1].plus(summary)
        return found

    async def _summaries(self, ids: list[str]) -> list[Summary]:
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

    # --- logs ---------------------------------------------------------------------------------------------------

    async def read(
        self, sync_id: str, after: int, until: int | None = None, *, lines: int | None = None
    ) -> list[wire.Chunk | wire.Gap]:
        """What a reader who has line `after` gets next, up to line `until` or the log's end: chunks, and gaps where
        lines no longer exist, in order and without a hole. Ends after about `READ_BYTES`, or exactly `lines` lines; the
        reader asks again from the last line it got.

        Empty when the log does not reach beyond `after`: of what Redis has not counted, nothing is called lost.
        """
        chunks: list[wire.Chunk] = []
        cursor, size, count, whole = after, 0, FIRST_ENTRIES, False
        end = 2**53 if until is None else until
        enough = end if lines is None else min(end, after + lines)
        while cursor < enough and size < READ_BYTES and not whole:
            stored, last = await self._entries(sync_id, cursor, count)
            for number, entry in enumerate(stored, 1):
                chunks.append(wire.chunk_from_entry(*entry))
                cursor, size = chunks[-1].last, size + len(chunks[-1].body)
                whole = number == len(stored) < count
                if size >= READ_BYTES:
                    break
            if whole or not stored:
                whole, end = True, min(end, last)
            # No more than what will be used, going by what the entries held so far.
            count = min(MOST_ENTRIES, max(1, (READ_BYTES - size) * len(chunks) // max(1, size)))
        return wire.spans(after, end, chunks, lines=lines, whole=whole)

    async def _entries(self, sync_id: str, after: int, count: int) -> tuple[list[Any], int]:
        """The next `count` entries that end after line `after`, fewer when there are no more. And the number of the
        last line in that moment: a log that Redis took back in time must not be taken for one with lost lines."""
        async with self._reads, self._client.pipeline(transaction=True) as pipe:
            pipe.xrange(keys.log(sync_id), f"({after}-{2**64 - 1}", "+", count)
            pipe.hget(keys.summary(sync_id), "last")
            stored, last = await pipe.execute()
        return stored, int(last or 0)

    # --- payloads -----------------------------------------------------------------------------------------------

    async def payloads(self, sync_id: str, after: int, limit: int) -> list[Payload]:
        """Those numbered from `after` + 1 on, at most `limit`. Raises as `summary` does."""
        summary = await self._with_payloads(sync_id)
        numbers = [str(n) for n in range(after + 1, after + limit + 1)]
        stored = await cast("Any", self._client.hmget(keys.payloads(sync_id), numbers))
        return [_payload(one, summary) for one in stored if one is not None]

    async def payload(self, sync_id: str, number: int) -> tuple[Payload, Summary]:
        """Raises `PayloadNotFound`, and as `summary` does."""
        summary = await self._with_payloads(sync_id)
        stored = await cast("Any", self._client.hget(keys.payloads(sync_id), str(number)))
        if stored is None:
            raise errors.PayloadNotFound(
                f"Sync {sync_id} has no payload {number}. GET /api/syncs/{sync_id}/payloads lists those it has."
            )
        return _payload(stored, summary), summary

    async def _with_payloads(self, sync_id: str) -> Summary:
        summary = await self.summary(sync_id)
        if summary.expires_at and parse_rfc3339(summary.expires_at) <= utc_now():
            raise errors.SyncExpired(f"The payloads of sync {sync_id} expired at {summary.expires_at}.")
        return summary

    async def piece(self, sync_id: str, number: int, index: int) -> bytes:
        """Piece `index` (from 0) of a payload. Raises `SyncExpired`: what was there a moment ago has just ended."""
        async with self._reads:
            stored = await cast("Any", self._client.hget(keys.pieces(sync_id), f"{number}:{index}"))
        if stored is None:
            raise errors.SyncExpired(f"Payload {number} of sync {sync_id} is no longer kept.")
        return wire.unpack(b"zstd", stored)


def _payload(stored: bytes, summary: Summary) -> Payload:
    described = msgspec.json.decode(stored, type=Payload)
    return msgspec.structs.replace(described, expires_at=summary.expires_at)
