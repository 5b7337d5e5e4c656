"""Records on their way through Redis: in batches, compressed, one of them in memory at a time. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import zstandard

from synctail.model.json_text import Record

BATCH_RECORDS = 500
BATCH_BYTES = 1 << 20


def packed(records: Iterable[bytes], *, at_ms: int = 0) -> Iterator[bytes]:
    """Batches of records that are already JSON. `at_ms`: when they were pulled, if newer forms may be pushed before."""
    batch: list[bytes] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield _pack(batch, at_ms)
            batch, size = [], 0
    if batch:
        yield _pack(batch, at_ms)


def _pack(records: list[bytes], at_ms: int) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(b'{"at":%d,"records":[%s]}' % (at_ms, b",".join(records)))


def unpacked(batch: bytes) -> tuple[int, list[Record]]:
    """`at_ms`, and the records."""
    body = zstandard.ZstdDecompressor().decompress(batch)
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = json.loads(body)
    return found["at"], found["records"]
