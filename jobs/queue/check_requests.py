"""Ask for a check of a service's connections, and read its result. A worker runs it: only workers have the secrets."""

from __future__ import annotations

from typing import cast

import msgspec
import redis

from jobs.queue.job_queue import JobQueue
from jobs.services.model import ServiceCheck
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now

TASK = "jobs.tasks.check_service"
LONGEST_S = 30
"""RQ's time limit; the check's own is 10 s."""


class CheckRequests:
    """Calls block on Redis for milliseconds and raise `RedisError` when it is away."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._queue = JobQueue(client)

    def ask(self, service_id: str) -> str:
        """Queue a check, unless one is under way, and return the `asked_at` that its result will have."""
        asked_at = rfc3339(utc_now())
        key = keys.service_check_asked(service_id)
        if not self._client.set(key, asked_at, nx=True, px=keys.CHECK_ASKED_TTL):
            before = cast("bytes | None", self._client.get(key))
            if before:
                return before.decode()
            self._client.set(key, asked_at, px=keys.CHECK_ASKED_TTL)
        self._queue.enqueue_call(
            TASK,
            args=(service_id, asked_at),
            timeout=LONGEST_S,
            result_ttl=0,
            failure_ttl=60,
            at_front=True,  # a person waits for it
            description=f"check of {service_id}",
        )
        return asked_at

    def last(self, service_id: str) -> ServiceCheck:
        stored = cast("bytes | None", self._client.get(keys.service_check(service_id)))
        return msgspec.json.decode(stored, type=ServiceCheck) if stored else ServiceCheck(service=service_id)
