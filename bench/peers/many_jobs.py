"""Sends the appends of many quiet jobs from one thread, in one round trip.

Two hundred real writers are two hundred processes on other machines; here they would use up the viewers' core. Redis
and the web process get the same: one chunk per line, as from a log that is written every 50 ms.
"""

from __future__ import annotations

from typing import Any, cast

import redis
from redis.client import Pipeline

from synctail.log.appender import Appender


class _Script:
    """Queues a script on the pipeline and returns at once; `send` checks Redis's answers."""

    def __init__(self, pipe: Pipeline, sha: str) -> None:
        self._pipe = pipe
        self._sha = sha

    def __call__(self, keys: list[str], args: list[Any] = []) -> list[Any]:  # noqa: B006 - as in redis-py
        self._pipe.evalsha(self._sha, len(keys), *keys, *args)
        return [b"ok", 0, b""]


class _Gathering:
    """Stands in for the client of an `Appender`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.pipe = client.pipeline(transaction=False)

    def register_script(self, source: str) -> _Script:
        return _Script(self.pipe, self._client.script_load(source))


class ManyJobs:
    def __init__(self, client: redis.Redis, appender: Appender, sync_ids: list[str]) -> None:
        self._gathering = _Gathering(client)
        self._appender = Appender(cast("redis.Redis", self._gathering), live_ttl_ms=appender.live_ttl_ms)
        self._ids = sync_ids
        self._attempts = [appender.claim(sync_id).attempt for sync_id in sync_ids]
        self._last = [0] * len(sync_ids)

    def add(self, lines: list[bytes], log: int) -> None:
        """Adds lines as JSON, numbered after the log's last line."""
        for body in lines:
            self._last[log] += 1
            self._appender.append(
                self._ids[log], attempt=self._attempts[log], first=self._last[log], count=1, body=body
            )

    def send(self) -> None:
        """Raises `ConnectionError` if Redis refused an append."""
        refused = [answer for answer in self._gathering.pipe.execute() if answer[0] != b"ok"]
        if refused:
            raise ConnectionError(f"Redis refused an append: {refused[0]}")
