"""Ask for a sync, or for its stop: the only way to either, for the server, the clock and scripts alike.

It names the job by its dotted name, so that who asks needs to import nothing of what runs.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import msgspec
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from jobs import keys
from jobs.appender import Appender
from jobs.connect import connect
from jobs.endings import end_sync
from jobs.records import (
    Reason,
    Service,
    Status,
    Summary,
    Trigger,
    new_sync_id,
    rfc3339,
    summary_from_hash,
    utc_now,
)

if TYPE_CHECKING:
    import redis

    from jobs.settings import Settings

QUEUE = "syncs"
TASK = "jobs.tasks.run_sync"
GRACE_S = 60
"""RQ's own time limit comes this much after ours: it is the last resort, ours says why."""


class ServiceInactive(Exception):
    """The service is switched off."""


class AlreadyRunning(Exception):
    """The service forbids overlap, and the sync named by `sync_id` has not ended."""

    def __init__(self, sync_id: str) -> None:
        super().__init__(sync_id)
        self.sync_id = sync_id


class NotRunning(Exception):
    """The sync has ended, or there is no such sync."""


_TAKE_OVER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

# Only on a sync that has not ended: a bare HSET could bring an expired key back, for ever.
_ASK_TO_STOP = """
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'queued' or status == 'running' then
  redis.call('HSET', KEYS[1], 'stop', ARGV[1])
end
return status
"""


class Requests:
    """Asks on behalf of one process. Calls block on Redis for milliseconds and raise `RedisError` when it is away."""

    def __init__(self, settings: Settings, client: redis.Redis | None = None) -> None:
        self._client = client or connect(settings.redis_url)
        self._retention = settings.retention
        self._appender = Appender(self._client, live_ttl_ms=settings.retention_ms)
        self._queue = Queue(QUEUE, connection=self._client, serializer="json")
        self._take_over = self._client.register_script(_TAKE_OVER)
        self._ask_to_stop = self._client.register_script(_ASK_TO_STOP)
        # RQ's Queue is not made for threads, and the server calls from a pool of them.
        self._lock = threading.Lock()

    def start(self, service: Service, trigger: Trigger) -> Summary:
        """Queue a sync and return its summary. Raises `ServiceInactive` or `AlreadyRunning`."""
        if not service.active:
            raise ServiceInactive(service.id)
        summary = Summary(
            id=new_sync_id(),
            service=service.id,
            status=Status.QUEUED,
            trigger=trigger,
            queued_at=rfc3339(utc_now()),
        )
        self._store(summary)
        # Before the turn: a sync that has it and never reaches the queue must be where the clock finds and ends it.
        self._list(summary)
        if not service.options.overlap:
            self._take_turn(summary)
        with self._lock:
            self._queue.enqueue_call(
                TASK,
                args=(summary.id,),
                job_id=summary.id,
                timeout=service.options.timeout_s + GRACE_S,
                result_ttl=int(self._retention.total_seconds()),
                failure_ttl=int(self._retention.total_seconds()),
                description=f"sync {summary.id} of {service.id}",
            )
        return summary

    def stop(self, sync_id: str, who: str) -> None:
        """Ask a sync to stop; one that has not begun ends at once. Raises `NotRunning`."""
        status = self._ask_to_stop(keys=[keys.summary(sync_id)], args=[who])
        # A worker that takes it in this moment is fenced, and has done nothing yet.
        if status == b"queued" and end_sync(
            self._appender,
            sync_id,
            status=Status.STOPPED,
            reason=Reason.STOPPED_BY_USER,
            text=f"Stopped by {who} before it started.",
            retention=self._retention,
        ):
            return
        if status != b"running":
            raise NotRunning(sync_id)
        # Its writer hears of it within a second. Its worker hears at once, and sees to it that it does stop.
        with suppress(NoSuchJobError, InvalidJobOperation):
            send_stop_job_command(self._client, sync_id, serializer="json")

    def _store(self, summary: Summary) -> None:
        stored = {k: v for k, v in msgspec.to_builtins(summary).items() if v is not None and k != "lines"}
        with self._client.pipeline() as pipe:
            pipe.hset(keys.summary(summary.id), mapping={**stored, "attempt": 0, "last": 0})
            pipe.pexpire(keys.summary(summary.id), self._appender.live_ttl_ms)
            pipe.execute()

    def _take_turn(self, summary: Summary) -> None:
        """Of a service that forbids overlap, one sync has the turn until it has ended; nobody needs to give it back."""
        turn, ttl = keys.service_turn(summary.service), keys.TURN_TTL
        while not self._client.set(turn, summary.id, nx=True, px=ttl):
            holder = cast("bytes | None", self._client.get(turn))
            if holder is None:
                continue
            status = cast("bytes | None", self._client.hget(keys.summary(holder.decode()), "status"))
            if status in (b"queued", b"running"):
                self._forget(summary)
                raise AlreadyRunning(holder.decode())
            if self._take_over(keys=[turn], args=[holder, summary.id, int(ttl / timedelta(milliseconds=1))]):
                return

    def _list(self, summary: Summary) -> None:
        score = int(utc_now().timestamp() * 1000)
        with self._client.pipeline() as pipe:
            for index in (keys.SYNCS, keys.service_syncs(summary.service)):
                pipe.zadd(index, {summary.id: score})
                pipe.pexpire(index, keys.index_ttl(self._retention))
            pipe.execute()

    def _forget(self, summary: Summary) -> None:
        with self._client.pipeline() as pipe:
            for index in (keys.SYNCS, keys.service_syncs(summary.service)):
                pipe.zrem(index, summary.id)
            pipe.delete(keys.summary(summary.id))
            pipe.execute()


def stored_summary(client: redis.Redis, sync_id: str) -> Summary | None:
    """What is known of a sync; None when it is gone."""
    stored = cast("dict[bytes, bytes]", client.hgetall(keys.summary(sync_id)))
    return summary_from_hash(stored) if stored.get(b"status") else None
