"""Records that wait in Redis: what a sync was given in place of its source's (posted, or failed in another), and those
that failed in this one, kept for a retry. In batches, compressed; one of them in memory at a time.

It knows nothing of services, and asks nobody whether a retry is wise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import redis
import zstandard

from jobs.connectors.base import ConnectorError, Page
from jobs.queue.batches import BATCH_RECORDS, _pack, unpacked
from synctail import lua
from synctail.connect import patiently
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.json_text import Record, as_text

FAILED_RECORDS = 100_000
FAILED_BYTES = 32 << 20
"""Of one sync, compressed: what failed beyond is counted and named in the log, and not kept."""


class Given:
    """A source: the records that a sync was given. Raises `ConnectorError` when they are no longer there."""

    def __init__(self, client: redis.Redis, sync_id: str, *, total: int, page_size: int) -> None:
        self._client = client
        self._key = keys.given(sync_id)
        self._page_size = page_size
        self.total = total

    def pages(self) -> Iterator[Page]:
        count = 0
        for number in range(self._batches()):
            at_ms, records = self._batch(number)
            count += len(records)
            for start in range(0, len(records), self._page_size):
                yield Page(records[start : start + self._page_size], self.total, pulled_at_ms=at_ms)
        if count != self.total:
            raise ConnectorError(
                f"Of the {self.total:,} records that this sync was given, {self.total - count:,} are no longer kept. "
                "Post them again, or run the service."
            )

    def _batches(self) -> int:
        for attempt in patiently():
            with attempt:
                found = self._client.llen(self._key)
        return found

    def _batch(self, number: int) -> tuple[int, list[Record]]:
        for attempt in patiently():
            with attempt:
                stored = cast("bytes | None", self._client.lindex(self._key, number))
        if stored is None:
            return 0, []
        try:
            return unpacked(stored)
        except (ValueError, RecursionError, zstandard.ZstdError) as error:
            raise ConnectorError(f"The records that this sync was given cannot be read: {error}.") from None


class Failures:
    """Keeps the records that fail in one sync, as they were pulled, so that a retry can take them up.

    `add` only collects; `keep` writes, once for each page. Its bounds are said in the log where they are met.
    """

    def __init__(self, client: redis.Redis, sync_id: str, log: LogWriter, *, lives: timedelta) -> None:
        self._keys = [keys.summary(sync_id), keys.failed(sync_id)]
        self._script = lua.script(client, __file__, "keep_failed")
        self._log = log
        self._ttl_ms = int(lives / timedelta(milliseconds=1))
        self._waiting: list[bytes] = []
        self._kept = self._bytes = self._left_out = 0

    def add(self, record: Record) -> None:
        if self._kept + len(self._waiting) >= FAILED_RECORDS or self._bytes >= FAILED_BYTES:
            if not self._left_out:
                self._log.warning(
                    f"{self._kept + len(self._waiting):,} failed records are kept for a retry, the most there may be "
                    "(records or bytes). Those that fail from here on are named, and not kept"
                )
            self._left_out += 1
        else:
            self._waiting.append(as_text(record))

    def keep(self, pulled_at_ms: int = 0) -> None:
        """Write what was added since; `pulled_at_ms`: when it was pulled, 0 for now."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), BATCH_RECORDS):
            some = waiting[start : start + BATCH_RECORDS]
            batch = _pack(some, pulled_at_ms or int(time.time() * 1000))
            for attempt in patiently():
                with attempt:
                    self._script(keys=self._keys, args=[self._kept, self._kept + len(some), batch, self._ttl_ms])
            self._kept += len(some)
            self._bytes += len(batch)

    def say_what_is_not_kept(self) -> None:
        if self._left_out:
            self._log.warning(
                f"{self._left_out:,} of the records that failed are not kept: only all can be tried again"
            )
