"""Puts a sync where readers and the clock find it, and takes it away: its summary, and the lists it is in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import msgspec
import redis

from synctail.model import keys
from synctail.model.ids import parse_rfc3339
from synctail.model.sync import Summary, summary_from_hash


def register(client: redis.Redis, summary: Summary, *, retention: timedelta, **fields: str | int) -> None:
    """Store a new sync and list it, in one step: every sync that is stored can be found, and ended by the clock.

    `fields` are stored beside the summary. All of it lives for `retention` after the last append.
    """
    known = {k: v for k, v in msgspec.to_builtins(summary).items() if v is not None and k != "lines"}
    stored: Any = {**known, **fields, "attempt": 0, "last": 0}
    score = int(parse_rfc3339(summary.queued_at).timestamp() * 1000)
    with client.pipeline() as pipe:
        pipe.hset(keys.summary(summary.id), mapping=stored)
        pipe.pexpire(keys.summary(summary.id), retention)
        for index in _lists(summary.service):
            pipe.zadd(index, {summary.id: score})
            pipe.pexpire(index, keys.index_ttl(retention))
        pipe.execute()


def forget(client: redis.Redis, service_id: str, sync_id: str) -> None:
    """Remove a sync that never began, with what it was to work on."""
    with client.pipeline() as pipe:
        for index in _lists(service_id):
            pipe.zrem(index, sync_id)
        pipe.delete(keys.summary(sync_id), *keys.kept_beside(sync_id))
        pipe.execute()


def stored_summary(client: redis.Redis, sync_id: str) -> Summary | None:
    """None when the sync is gone."""
    stored = cast("dict[bytes, bytes]", client.hgetall(keys.summary(sync_id)))
    return summary_from_hash(stored) if stored.get(b"status") else None


def _lists(service_id: str) -> tuple[str, str]:
    return keys.SYNCS, keys.service_syncs(service_id)
