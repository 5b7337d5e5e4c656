"""Which syncs may run now: a service has as many places as it may have concurrent syncs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import cast

import redis

from jobs.services.model import Service
from synctail import lua
from synctail.model import keys


class AlreadyRunning(Exception):
    """The service is at its limit of concurrent syncs: `sync_ids`."""

    def __init__(self, sync_ids: Sequence[str]) -> None:
        super().__init__(", ".join(sync_ids))
        self.sync_ids = list(sync_ids)


class Turns:
    """Calls block on Redis for milliseconds and raise `RedisError` when it is away. Safe for threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._take_over = lua.script(client, __file__, "take_turn")

    def take(self, service: Service, sync_id: str) -> None:
        """Take one of the service's places. A sync holds it until it has ended, so none has to be released. Raises
        `AlreadyRunning`."""
        turns, ttl_ms = keys.service_turns(service.id), int(keys.TURN_TTL / timedelta(milliseconds=1))
        while True:
            stored = cast("dict[bytes, bytes]", self._client.hgetall(turns))
            holders = {int(place): holder.decode() for place, holder in stored.items()}
            live = self._live(holders)
            if sync_id in live.values():
                return
            if len(live) >= service.options.at_once:
                raise AlreadyRunning(list(live.values()))
            place = next(number for number in count() if number not in live)
            if self._take_over(keys=[turns], args=[place, holders.get(place, ""), sync_id, ttl_ms]):
                return

    def _live(self, holders: dict[int, str]) -> dict[int, str]:
        """The syncs that have not ended, by their places."""
        places = sorted(holders)
        with self._client.pipeline(transaction=False) as pipe:
            for place in places:
                pipe.hget(keys.summary(holders[place]), "status")
            found = zip(places, pipe.execute(), strict=True)
        return {place: holders[place] for place, status in found if status in (b"queued", b"running")}
