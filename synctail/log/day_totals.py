"""What each service pulled and pushed on each day: totals that outlive the summaries they are made of.

A sync is added to the day on which it ended (UTC), so the totals of a past day no longer change. The process that wrote
its ending adds it, and the clock adds those that were missed. One script checks and adds, so each sync counts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import cast

import redis
from redis.exceptions import RedisError

from synctail import lua
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.sync import Summary, day_counts

_MS = timedelta(milliseconds=1)


class DayTotals:
    def __init__(self, client: redis.Redis, retention: timedelta) -> None:
        self._client = client
        self._add = lua.script(client, __file__, "add_to_day")
        self._counted_ttl = keys.index_ttl(retention)

    def count(self, sync_id: str) -> bool:
        """Add an ended sync to its day. False: it was added already, still runs, or is gone.

        Never raises `RedisError`: an ending must not fail because of a total, and the clock tries again.
        """
        try:
            summary = stored_summary(self._client, sync_id)
            return bool(summary and summary.ended_at and self._add_to_day(summary, summary.ended_at[:10]))
        except RedisError:
            return False

    def count_missed(self, sync_ids: Iterable[str]) -> int:
        """Add those of the syncs that ended and were not added: their writer died or lost Redis right after the ending.

        Returns how many. Takes three round trips, and two for each missed sync. Raises `RedisError`.
        """
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

    def _add_to_day(self, summary: Summary, day: str) -> bool:
        counts = [part for name, more in day_counts(summary).items() if more for part in (name, more)]
        return bool(
            self._add(
                keys=[keys.service_day(summary.service, day), keys.service_day_counted(summary.service, day)],
                args=[summary.id, keys.DAY_TTL // _MS, self._counted_ttl // _MS, *counts],
            )
        )
