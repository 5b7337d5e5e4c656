"""Reads a log from any line on: chunks as the job encoded them, and gaps where lines no longer exist."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Any

from redis.asyncio import Redis

from server.log import wire
from server.web import errors
from synctail.model import keys

READ_BYTES = 1024 * 1024
"""One read takes entries up to this size: a reader far behind costs bounded memory."""
FIRST_ENTRIES = 8
"""In a busy log these are about a tenth of a read, and their size tells how many more are needed."""
MOST_ENTRIES = 128
BREATH_S = 0.002


class LogReader:
    """Raises `RedisError` when Redis is away.

    `turns` bounds how many reads go on at once: readers that are behind wait for each other, so that everything else
    finds a connection to Redis.
    """

    def __init__(self, client: Redis, turns: asyncio.Semaphore) -> None:
        self._client = client
        self._turns = turns

    async def read(
        self, sync_id: str, after: int, until: int | None = None, *, lines: int | None = None
    ) -> list[wire.Chunk | wire.Gap]:
        """What a reader with line `after` gets next, up to line `until` or the end of the log: chunks and gaps, in
        order and without a hole between them.

        Returns after about `READ_BYTES`, or exactly `lines` lines; the reader asks again from the last line it got.
        Empty when the log does not reach beyond `after`: what Redis has not counted is not called lost.
        """
        chunks: list[wire.Chunk] = []
        cursor, size, count, whole = after, 0, FIRST_ENTRIES, False
        end = 2**53 if until is None else until
        enough = end if lines is None else min(end, after + lines)
        while cursor < enough and size < READ_BYTES and not whole:
            stored, last = await self._entries(sync_id, cursor, count)
            for entry in stored:
                chunks.append(wire.chunk_from_entry(*entry))
                cursor, size = chunks[-1].last, size + len(chunks[-1].body)
                if size >= READ_BYTES:
                    break
            else:
                whole = len(stored) < count
                end = min(end, last) if whole else end
            # No more than will be used, judging by the entries so far.
            count = min(MOST_ENTRIES, max(1, (READ_BYTES - size) * len(chunks) // max(1, size)))
        return wire.spans(after, end, chunks, lines=lines, whole=whole)

    async def read_counted(self, sync_id: str, after: int, until: int) -> list[wire.Chunk | wire.Gap]:
        """As `read`, of lines that a summary counts: empty only when there are none. Raises `RedisAway`."""
        parts = await self.read(sync_id, after, until)
        if not parts and after < until:
            raise errors.RedisAway("Redis went back in time while the log was read. Ask again.")
        return parts

    async def _entries(self, sync_id: str, after: int, count: int) -> tuple[list[Any], int]:
        """The next `count` entries that end after line `after`, fewer when there are no more.

        And the number of the last line at that moment: a log that Redis took back in time must not be mistaken for one
        that lost lines.
        """
        async with self._turns, self._client.pipeline(transaction=True) as pipe:
            pipe.xrange(keys.log(sync_id), f"({after}-{2**64 - 1}", "+", count)
            pipe.hget(keys.summary(sync_id), "last")
            stored, last = await pipe.execute()
        return stored, int(last or 0)


def breathing(parts: Iterable[wire.Chunk | wire.Gap]) -> Iterator[wire.Chunk | wire.Gap]:
    """For threads that work through a log: pauses now and then, as viewers need the interpreter too."""
    breathed = time.perf_counter()
    for part in parts:
        yield part
        if time.perf_counter() > breathed + BREATH_S:
            time.sleep(0.00005)
            breathed = time.perf_counter()
