"""Start, retry and stop syncs: the only way to do so, for the server, the clock and scripts alike.

RQ gets the job by its dotted name, so callers import nothing of the code that runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Literal, cast

import msgspec
import redis
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from jobs.queue.job_queue import JobQueue
from jobs.queue.stored import packed, record_count, stored_run
from jobs.queue.turns import AlreadyRunning, Turns
from jobs.services.model import InboundSource, RunOptions, Service
from synctail import lua
from synctail.connect import connect
from synctail.log.appender import Appender
from synctail.log.endings import end_sync
from synctail.log.registry import forget, register
from synctail.model import keys
from synctail.model.ids import new_sync_id, rfc3339, utc_now
from synctail.model.sync import Reason, Status, Summary, Trigger
from synctail.settings import Settings

TASK = "jobs.tasks.run_sync"
GRACE_S = 60
"""RQ's time limit comes this much after ours: it is the last resort, as only ours says why in the log."""
BATCHES_AT_ONCE = 16
WAITING_CAP = 100
"""Maximum posted syncs of a service that wait for earlier ones."""

Only = Literal["all", "failed"]


class ServiceInactive(Exception):
    """The service is switched off."""


class TooManyWait(Exception):
    """`WAITING_CAP` posted syncs of the service are waiting already."""


class NotRunning(Exception):
    """The sync has ended, or there is no such sync."""


class NoRetry(Exception):
    """The sync cannot be retried this way: a sentence that says why, and what to do instead."""


class Requests:
    """Calls block on Redis for milliseconds and raise `RedisError` when it is away. Safe for threads."""

    def __init__(self, settings: Settings, client: redis.Redis | None = None) -> None:
        self._client = client or connect(settings.redis_url)
        self._retention = settings.retention
        self._appender = Appender(self._client, live_ttl_ms=settings.retention_ms)
        self._queue: Queue = JobQueue(self._client)
        self._turns = Turns(self._client)
        self._ask_to_stop = lua.script(self._client, __file__, "request_stop")
        self._link = lua.script(self._client, __file__, "link_retry")

    def start(self, service: Service, trigger: Trigger, run: RunOptions | None = None) -> Summary:
        """Queue a sync and return its summary. Raises `ServiceInactive` or `AlreadyRunning`."""
        summary = self._begin(service, trigger, run)
        self._take_turn(service, summary.id)
        self._enqueue(service, summary.id)
        return summary

    def post(self, service: Service, records: Sequence[bytes]) -> Summary:
        """Queue a sync of these records, each as JSON; at the service's limit of concurrent syncs it waits for the
        earlier ones. Raises `ServiceInactive` or `TooManyWait`."""
        if service.active and self._client.llen(keys.service_waiting(service.id)) >= WAITING_CAP:
            raise TooManyWait(service.id)
        summary = self._begin(service, Trigger.INBOUND, None, len(records), packed(records))
        waiting = keys.service_waiting(service.id)
        with self._client.pipeline() as pipe:
            pipe.rpush(waiting, summary.id)
            pipe.pexpire(waiting, keys.TURN_TTL)
            pipe.execute()
        self.start_waiting(service)
        return summary

    def retry(self, service: Service, sync: Summary, only: Only = "all") -> Summary:
        """Queue the same sync again, or one of only its failed records, as they were pulled. Raises `NoRetry`, and what
        `start` raises."""
        if not sync.status.ended:
            raise NoRetry(f"The sync is {sync.status}. Wait for its end, or stop it.")
        run, records = stored_run(self._client, sync.id), record_count(self._client, sync.id)
        batches: Iterable[bytes] = ()
        if only == "failed":
            records, batches = self._count_failed(service, sync), self._batches(keys.failed(sync.id))
            run = msgspec.structs.replace(run, filters=[])  # they have passed; a relative time would pass others now
        elif records is not None:
            if records and not self._client.exists(keys.given(sync.id)):
                raise NoRetry("The records of this sync are no longer kept. Post them again.")
            batches = self._batches(keys.given(sync.id))
        elif isinstance(service.source, InboundSource):
            raise NoRetry("The service now takes posted records, so there is nothing to pull again.")
        summary = self._begin(service, Trigger.RETRY, run, records, batches, sync.id)
        self._take_turn(service, summary.id)
        self._link(keys=[keys.summary(sync.id)], args=[summary.id])
        self._enqueue(service, summary.id)
        return summary

    def start_waiting(self, service: Service) -> None:
        """Queue the posted syncs that wait, in their order, up to the service's limit of concurrent syncs. Safe to call
        from any process at any time: the one that takes a sync from the list queues it, so none is queued twice."""
        waiting = keys.service_waiting(service.id)
        while (head := cast("bytes | None", self._client.lindex(waiting, 0))) is not None:
            sync_id = head.decode()
            if self._client.hget(keys.summary(sync_id), "status") == b"queued":
                try:
                    self._turns.take(service, sync_id)
                except AlreadyRunning:
                    return
                if self._client.lrem(waiting, 1, sync_id):
                    self._enqueue(service, sync_id)
            else:  # stopped while it waited
                self._client.lrem(waiting, 1, sync_id)

    def waits(self, service_id: str, sync_id: str) -> bool:
        """Is it a posted sync that waits for earlier ones?"""
        return self._client.lpos(keys.service_waiting(service_id), sync_id) is not None

    def stop(self, sync_id: str, who: str) -> None:
        """Send a stop request; a sync that is still queued ends at once. Raises `NotRunning`."""
        status = self._ask_to_stop(keys=[keys.summary(sync_id)], args=[who])
        # A worker that takes it at this moment is fenced, and has done nothing yet.
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
        # The writer sees the request with its next heartbeat. The worker hears at once, and kills what does not stop.
        with suppress(NoSuchJobError, InvalidJobOperation):
            send_stop_job_command(self._client, sync_id, serializer="json")

    def _begin(
        self,
        service: Service,
        trigger: Trigger,
        run: RunOptions | None,
        records: int | None = None,
        batches: Iterable[bytes] = (),
        retry_of: str | None = None,
    ) -> Summary:
        """Store and list a new sync, everything but its job. `records`: how many the `batches` hold, which the sync
        takes in place of its source's; None: it pulls."""
        if not service.active:
            raise ServiceInactive(service.id)
        summary = Summary(
            id=new_sync_id(),
            service=service.id,
            status=Status.QUEUED,
            trigger=trigger,
            queued_at=rfc3339(utc_now()),
            retry_of=retry_of,
        )
        # The records first: a reader who finds a sync finds it complete.
        key = keys.given(summary.id)
        for batch in batches:
            with self._client.pipeline() as pipe:
                pipe.rpush(key, batch)
                pipe.pexpire(key, self._retention)
                pipe.execute()
        if run and run != RunOptions():
            self._client.set(keys.run(summary.id), msgspec.json.encode(run), px=self._retention)
        count = {} if records is None else {"given": records}
        register(self._client, summary, retention=self._retention, **count)
        return summary

    def _take_turn(self, service: Service, sync_id: str) -> None:
        """Raises `AlreadyRunning`; the sync is gone then."""
        try:
            self._turns.take(service, sync_id)
        except AlreadyRunning:
            forget(self._client, service.id, sync_id)
            raise

    def _enqueue(self, service: Service, sync_id: str) -> None:
        self._queue.enqueue_call(
            TASK,
            args=(sync_id,),
            job_id=sync_id,
            timeout=service.options.timeout_s + GRACE_S,
            result_ttl=int(self._retention.total_seconds()),
            failure_ttl=int(self._retention.total_seconds()),
            description=f"sync {sync_id} of {service.id}",
        )

    def _count_failed(self, service: Service, sync: Summary) -> int:
        """How many records failed. Raises `NoRetry` unless all of them are kept and may be pushed alone."""
        if not sync.failed:
            raise NoRetry("No record of this sync failed. Retry all of it, or run the service.")
        if service.makes_anew:
            raise NoRetry(
                "Each sync of this service replaces its file, and the failed records alone would leave out the others. "
                "Retry all of it."
            )
        kept = cast("bytes | None", self._client.hget(keys.summary(sync.id), "kept"))
        if int(kept or 0) != sync.failed:
            raise NoRetry(f"Of the {sync.failed:,} failed records, {int(kept or 0):,} are kept. Retry all of it.")
        if not self._client.exists(keys.failed(sync.id)):
            raise NoRetry(f"The {sync.failed:,} failed records are no longer kept. Retry all of it.")
        return sync.failed

    def _batches(self, key: str) -> Iterator[bytes]:
        for start in range(0, self._client.llen(key), BATCHES_AT_ONCE):
            yield from cast("list[bytes]", self._client.lrange(key, start, start + BATCHES_AT_ONCE - 1))
