"""Daily totals of what each service moved. They outlive the summaries that they are made of.

A sync counts on the day on which it ended (UTC), so the totals of a day that is over do not change. The process that
writes the ending adds the sync; the clock adds those that were missed. One script checks and adds, so each counts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import cast

import redis
from redis.exceptions import RedisError

from synctail.model import keys
from synctail.model.sync import Summary, day_counts, summary_from_hash

_MS = timedelta(milliseconds=1)

# KEYS  1 the day's totals, 2 the syncs in them
# ARGV  1 the sync, 2 and 3 the TTL of each key (ms), 4.. field, amount
_ADD = """
if redis.call('SADD', KEYS[2], ARGV[1]) == 0 then return 0 end
for i = 4, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
"""


class Days:
    def __init__(self, client: redis.Redis, retention: timedelta) -> None:
        self._client = client
        self._add = client.register_script(_ADD)
        self._counted_ttl = keys.index_ttl(retention)

    def count(self, sync_id: str) -> bool:
        """Add a sync that has ended to its day. False if it was added before, has not ended, or is gone.

        Never raises `RedisError`: an ending must not fail because of a total, and the clock makes up for it.
        """
        try:
            stored = cast("dict[bytes, bytes]", self._client.hgetall(keys.summary(sync_id)))
            return bool(stored.get(b"ended_at")) and self._add_to_day(summary_from_hash(stored))
        except RedisError:
            return False

    def count_missed(self, sync_ids: Iterable[str]) -> int:
        """Add the syncs that have ended and were not added, because their writer died or lost Redis right after the
        ending. Takes two round trips, and two more for each sync missed. Raises `RedisError`."""
        with self._client.pipeline(transaction=False) as pipe:
            listed = list(sync_ids)
            for sync_id in listed:
                pipe.hmget(keys.summary(sync_id), "service", "ended_at")
            found = cast("list[list[bytes | None]]", pipe.execute())
            ended = [
                (sync_id, service.decode(), ended_at.decode()[:10])
                for sync_id, (service, ended_at) in zip(listed, found, strict=True)
                if service and ended_at
            ]
            for sync_id, service_id, day in ended:
                pipe.sismember(keys.service_day_counted(service_id, day), sync_id)
            counted = cast("list[int]", pipe.execute())
        return sum(self.count(one) for (one, _, _), known in zip(ended, counted, strict=True) if not known)

    def _add_to_day(self, summary: Summary) -> bool:
        day = (summary.ended_at or "")[:10]
        counts = [part for name, more in day_counts(summary).items() if more for part in (name, more)]
        return bool(
            self._add(
                keys=[keys.service_day(summary.service, day), keys.service_day_counted(summary.service, day)],
                args=[summary.id, keys.DAY_TTL // _MS, self._counted_ttl // _MS, *counts],
            )
        )
