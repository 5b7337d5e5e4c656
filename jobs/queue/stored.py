"""What is kept beside a sync's log: its options, how many records it works on, and the syncs before it."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import msgspec
import redis

from jobs.services.model import RunOptions
from synctail.model import keys
from synctail.model.sync import Status, Summary, summary_from_hash


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


def completed_before(client: redis.Redis, sync: Summary, *, most: int = 10) -> list[Summary]:
    """The last syncs of the same service that have completed, newest first."""
    ids = cast("list[bytes]", client.zrange(keys.service_syncs(sync.service), 0, 3 * most, desc=True))
    with client.pipeline(transaction=False) as pipe:
        for one in ids:
            pipe.hgetall(keys.summary(one.decode()))
        found = [summary_from_hash(stored) for stored in pipe.execute() if stored.get(b"status")]
    done = (Status.COMPLETED, Status.COMPLETED_WITH_ERRORS)
    return [one for one in found if one.id != sync.id and one.status in done][:most]
