"""What is kept beside a sync's log: its options, and records, in compressed batches, one in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, cast

import msgspec
import redis
import zstandard

from jobs.services.model import RunOptions
from synctail.model import keys
from synctail.model.json_text import Record

BATCH_RECORDS = 500
BATCH_BYTES = 1 << 20


def stored_run(client: redis.Redis, sync_id: str) -> RunOptions:
    """The options of this one sync."""
    stored = cast("bytes | None", client.get(keys.run(sync_id)))
    return msgspec.json.decode(stored, type=RunOptions) if stored else RunOptions()


def record_count(client: redis.Redis, sync_id: str) -> int | None:
    """How many records were posted, or kept for this retry; None if the sync pulls from its source."""
    stored = cast("bytes | None", client.hget(keys.summary(sync_id), "given"))
    return None if stored is None else int(stored)


def expire_with(client: redis.Redis, sync_id: str, lives: timedelta) -> None:
    """Set the TTL of the keys that are kept beside a sync's log."""
    with client.pipeline() as pipe:
        for key in keys.kept_beside(sync_id):
            pipe.pexpire(key, lives)
        pipe.execute()


def packed(records: Iterable[bytes], *, at_ms: int = 0) -> Iterator[bytes]:
    """Batches of records that are already JSON. `at_ms`: when they were pulled, if newer forms may be pushed before."""
    batch: list[bytes] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield pack(batch, at_ms)
            batch, size = [], 0
    if batch:
        yield pack(batch, at_ms)


def pack(records: list[bytes], at_ms: int) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(b'{"at":%d,"records":[%s]}' % (at_ms, b",".join(records)))


def unpacked(batch: bytes) -> tuple[int, list[Record]]:
    """`at_ms`, and the records."""
    body = zstandard.ZstdDecompressor().decompress(batch)
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = json.loads(body)
    return found["at"], found["records"]
