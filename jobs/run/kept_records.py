"""Records kept in Redis: those that a sync takes in place of its source's (posted, or failed in an earlier sync), and
those that failed in this sync, for a retry. In compressed batches, one in memory at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import redis
import zstandard

from jobs.connectors.base import ConnectorError, Page
from jobs.queue.stored import BATCH_RECORDS, pack, unpacked
from synctail import lua
from synctail.connect import patiently
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.json_text import Record, as_text

FAILED_RECORDS = 100_000
FAILED_BYTES = 32 << 20
"""Of one sync, compressed. Failed records beyond it are counted and named in the log, and not kept."""


class KeptRecords:
    """A source of the records kept with a sync. Raises `ConnectorError` when they are no longer there."""

    def __init__(self, client: redis.Redis, sync_id: str, *, total: int, page_size: int) -> None:
        self._client = client
        self._key = keys.given(sync_id)
        self._page_size = page_size
        self.total = total

    def pages(self) -> Iterator[Page]:
        count = 0
        for number in range(patiently()(self._client.llen, self._key)):
            at_ms, records = self._batch(number)
            count += len(records)
            for start in range(0, len(records), self._page_size):
                yield Page(records[start : start + self._page_size], self.total, pulled_at_ms=at_ms)
        if count != self.total:
            raise ConnectorError(
                f"Of the {self.total:,} records of this sync, {self.total - count:,} are no longer kept. "
                "Post them again, or run the service."
            )

    def _batch(self, number: int) -> tuple[int, list[Record]]:
        stored = cast("bytes | None", patiently()(self._client.lindex, self._key, number))
        if stored is None:
            return 0, []
        try:
            return unpacked(stored)
        except (ValueError, RecursionError, zstandard.ZstdError) as error:
            raise ConnectorError(f"The records kept with this sync cannot be read: {error}.") from None


class Failures:
    """Keeps the failed records of one sync, as they were pulled, for a retry.

    `add` collects; `keep` writes, once per page. A limit that is reached is named in the log.
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
                    f"{self._kept + len(self._waiting):,} failed records are kept for a retry, which is the limit "
                    "(of records or bytes). Records that fail from here on are named, but not kept"
                )
            self._left_out += 1
        else:
            self._waiting.append(as_text(record))

    def keep(self, pulled_at_ms: int = 0) -> None:
        """Write the records added since the last call. `pulled_at_ms`: 0 for now."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), BATCH_RECORDS):
            some = waiting[start : start + BATCH_RECORDS]
            batch = pack(some, pulled_at_ms or int(time.time() * 1000))
            args = [self._kept, self._kept + len(some), batch, self._ttl_ms]
            patiently()(self._script, keys=self._keys, args=args)
            self._kept += len(some)
            self._bytes += len(batch)

    def warn_if_incomplete(self) -> None:
        if self._left_out:
            self._log.warning(f"{self._left_out:,} of the failed records were not kept: retry all records instead")
