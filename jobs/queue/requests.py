"""Ask for a sync, for one again, or for a stop: the only way to each, for the server, the clock and scripts alike.

It names the job by its dotted name, so that who asks needs to import nothing of what runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Literal, NamedTuple, cast

import msgspec
import redis
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from jobs.queue.batches import packed
from jobs.services.model import InboundSource, RunOptions, Service
from synctail.connect import connect
from synctail.log.appender import Appender
from synctail.log.endings import end_sync
from synctail.model import keys
from synctail.model.ids import new_sync_id, rfc3339, utc_now
from synctail.model.sync import Reason, Status, Summary, Trigger, summary_from_hash
from synctail.settings import Settings

QUEUE = "syncs"
TASK = "jobs.tasks.run_sync"
GRACE_S = 60
"""RQ's own time limit comes this much after ours: it is the last resort, ours says why."""


BATCHES_AT_ONCE = 16
WAITING_CAP = 100
"""So many posted syncs of a service may wait for those before them."""

Only = Literal["all", "failed"]


class ServiceInactive(Exception):
    """The service is switched off."""


class AlreadyRunning(Exception):
    """As many syncs of the service as may run at once have not ended: `sync_ids`."""

    def __init__(self, sync_ids: Sequence[str]) -> None:
        super().__init__(", ".join(sync_ids))
        self.sync_ids = list(sync_ids)


class TooManyWait(Exception):
    """`WAITING_CAP` posted syncs of the service wait already."""


class NotRunning(Exception):
    """The sync has ended, or there is no such sync."""


class NoRetry(Exception):
    """The sync cannot be tried again so: a sentence that says why, and what can be done."""


_TAKE_OVER = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
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

_LINK = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'retried_by', ARGV[1])
end
"""


class _Asked(NamedTuple):
    """`given` records, in `batches`, are given to the sync in place of its source's; None: none are."""

    trigger: Trigger
    run: RunOptions
    given: int | None = None
    batches: Iterable[bytes] = ()
    retry_of: str | None = None


class Requests:
    """Asks on behalf of one process. Calls block on Redis for milliseconds and raise `RedisError` when it is away."""

    def __init__(self, settings: Settings, client: redis.Redis | None = None) -> None:
        self._client = client or connect(settings.redis_url)
        self._retention = settings.retention
        self._appender = Appender(self._client, live_ttl_ms=settings.retention_ms)
        self._queue = Queue(QUEUE, connection=self._client, serializer="json")
        self._take_over = self._client.register_script(_TAKE_OVER)
        self._ask_to_stop = self._client.register_script(_ASK_TO_STOP)
        self._link = self._client.register_script(_LINK)
        # RQ's Queue is not made for threads, and the server calls from a pool of them.
        self._lock = threading.Lock()

    def start(self, service: Service, trigger: Trigger, run: RunOptions | None = None) -> Summary:
        """Queue a sync and return its summary. Raises `ServiceInactive` or `AlreadyRunning`."""
        summary = self._begin(service, _Asked(trigger, run or RunOptions()))
        self._take_turn(service, summary.id)
        self._enqueue(service, summary.id)
        return summary

    def post(self, service: Service, records: Sequence[bytes]) -> Summary:
        """A sync of these records, each as JSON. Where it may not run yet it waits for those before it: what was
        posted is never refused because a sync runs. Raises `ServiceInactive` or `TooManyWait`."""
        if service.active and self._client.llen(keys.service_waiting(service.id)) >= WAITING_CAP:
            raise TooManyWait(service.id)
        summary = self._begin(service, _Asked(Trigger.INBOUND, RunOptions(), len(records), packed(records)))
        waiting = keys.service_waiting(service.id)
        with self._client.pipeline() as pipe:
            pipe.rpush(waiting, summary.id)
            pipe.pexpire(waiting, keys.TURN_TTL)
            pipe.execute()
        self.start_waiting(service)
        return summary

    def retry(self, service: Service, sync: Summary, only: Only = "all") -> Summary:
        """The same again, or only the records that failed, as they were pulled. Raises `NoRetry`, and what `start`
        raises."""
        if not sync.status.ended:
            raise NoRetry(f"The sync is {sync.status}. Wait for its end, or stop it.")
        run, given = stored_run(self._client, sync.id), given_count(self._client, sync.id)
        if only == "failed":
            count = self._count_failed(service, sync)
            again = keys.failed(sync.id)
            run = msgspec.structs.replace(run, filters=[])  # they have passed; a relative time would pass others now
        elif given is not None:
            count, again = given, keys.given(sync.id)
            if count and not self._client.exists(again):
                raise NoRetry("The records that this sync was given are no longer kept. Post them again.")
        elif isinstance(service.source, InboundSource):
            raise NoRetry("The service takes records that are posted by now; there is nothing to pull again.")
        else:
            count, again = None, ""
        batches = self._batches(again) if again else ()
        summary = self._begin(service, _Asked(Trigger.RETRY, run, count, batches, sync.id))
        self._take_turn(service, summary.id)
        self._link(keys=[keys.summary(sync.id)], args=[summary.id])
        self._enqueue(service, summary.id)
        return summary

    def start_waiting(self, service: Service) -> None:
        """Queue the posted syncs that wait, in their order, as far as they may run. Any process may call it at any
        time: who takes one from the list queues it, so none is queued twice."""
        waiting = keys.service_waiting(service.id)
        while (head := cast("bytes | None", self._client.lindex(waiting, 0))) is not None:
            sync_id = head.decode()
            if self._client.hget(keys.summary(sync_id), "status") == b"queued":
                try:
                    self._take_turn(service, sync_id, forget=False)
                except AlreadyRunning:
                    return
                if self._client.lrem(waiting, 1, sync_id):
                    self._enqueue(service, sync_id)
            else:  # stopped while it waited
                self._client.lrem(waiting, 1, sync_id)

    def waits(self, service_id: str, sync_id: str) -> bool:
        """Is it among the posted syncs that wait for those before them?"""
        return self._client.lpos(keys.service_waiting(service_id), sync_id) is not None

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

    def _begin(self, service: Service, asked: _Asked) -> Summary:
        """A sync that is all there, but for its place in the queue."""
        if not service.active:
            raise ServiceInactive(service.id)
        summary = Summary(
            id=new_sync_id(),
            service=service.id,
            status=Status.QUEUED,
            trigger=asked.trigger,
            queued_at=rfc3339(utc_now()),
            retry_of=asked.retry_of,
        )
        self._store(summary, asked)
        # Before the turn: a sync that has it and never reaches the queue must be where the clock finds and ends it.
        self._list(summary)
        return summary

    def _enqueue(self, service: Service, sync_id: str) -> None:
        with self._lock:
            self._queue.enqueue_call(
                TASK,
                args=(sync_id,),
                job_id=sync_id,
                timeout=service.options.timeout_s + GRACE_S,
                result_ttl=int(self._retention.total_seconds()),
                failure_ttl=int(self._retention.total_seconds()),
                description=f"sync {sync_id} of {service.id}",
            )

    def _store(self, summary: Summary, asked: _Asked) -> None:
        """First what it works on, then the summary: who finds a summary finds all of it."""
        stored = {k: v for k, v in msgspec.to_builtins(summary).items() if v is not None and k != "lines"}
        if asked.given is not None:
            stored["given"] = asked.given
        ttl_ms, given = self._appender.live_ttl_ms, keys.given(summary.id)
        for batch in asked.batches:
            with self._client.pipeline() as pipe:
                pipe.rpush(given, batch)
                pipe.pexpire(given, ttl_ms)
                pipe.execute()
        with self._client.pipeline() as pipe:
            if asked.run != RunOptions():
                pipe.set(keys.run(summary.id), msgspec.json.encode(asked.run), px=ttl_ms)
            pipe.hset(keys.summary(summary.id), mapping={**stored, "attempt": 0, "last": 0})
            pipe.pexpire(keys.summary(summary.id), ttl_ms)
            pipe.execute()

    def _take_turn(self, service: Service, sync_id: str, *, forget: bool = True) -> None:
        """A service has as many places as syncs of it may run at once. A sync has its place until it has ended; nobody
        needs to give it back. Raises `AlreadyRunning`; then the sync is forgotten, if it may not wait."""
        turns, ttl_ms = keys.service_turns(service.id), int(keys.TURN_TTL / timedelta(milliseconds=1))
        while True:
            holders = {
                int(place): holder.decode()
                for place, holder in cast("dict[bytes, bytes]", self._client.hgetall(turns)).items()
            }
            live = self._live(holders)
            if sync_id in live.values():
                return
            if len(live) >= service.options.at_once:
                if forget:
                    self._forget(service.id, sync_id)
                raise AlreadyRunning(list(live.values()))
            place = next(number for number in count() if number not in live)
            if self._take_over(keys=[turns], args=[place, holders.get(place, ""), sync_id, ttl_ms]):
                return

    def _live(self, holders: dict[int, str]) -> dict[int, str]:
        """Those that have not ended, by their places."""
        ordered = sorted(holders.items())
        with self._client.pipeline(transaction=False) as pipe:
            for _, holder in ordered:
                pipe.hget(keys.summary(holder), "status")
            statuses = pipe.execute()
        return {
            place: holder
            for (place, holder), status in zip(ordered, statuses, strict=True)
            if status in (b"queued", b"running")
        }

    def _count_failed(self, service: Service, sync: Summary) -> int:
        """How many records failed, all of them kept. Raises `NoRetry`."""
        if not sync.failed:
            raise NoRetry("No record of this sync failed. Retry all of it, or run the service.")
        if service.makes_anew:
            raise NoRetry(
                "Each sync of this service replaces its file, and one of the failed records alone would leave out the "
                "others. Retry all of it."
            )
        kept = cast("bytes | None", self._client.hget(keys.summary(sync.id), "kept"))
        if int(kept or 0) != sync.failed:
            raise NoRetry(f"Of the {sync.failed:,} records that failed, {int(kept or 0):,} are kept. Retry all of it.")
        if not self._client.exists(keys.failed(sync.id)):
            raise NoRetry(f"The {sync.failed:,} records that failed are no longer kept. Retry all of it.")
        return sync.failed

    def _batches(self, key: str) -> Iterator[bytes]:
        for start in range(0, self._client.llen(key), BATCHES_AT_ONCE):
            yield from cast("list[bytes]", self._client.lrange(key, start, start + BATCHES_AT_ONCE - 1))

    def _list(self, summary: Summary) -> None:
        score = int(utc_now().timestamp() * 1000)
        with self._client.pipeline() as pipe:
            for index in (keys.SYNCS, keys.service_syncs(summary.service)):
                pipe.zadd(index, {summary.id: score})
                pipe.pexpire(index, keys.index_ttl(self._retention))
            pipe.execute()

    def _forget(self, service_id: str, sync_id: str) -> None:
        with self._client.pipeline() as pipe:
            for index in (keys.SYNCS, keys.service_syncs(service_id)):
                pipe.zrem(index, sync_id)
            pipe.delete(keys.summary(sync_id), *keys.kept_beside(sync_id))
            pipe.execute()


# --- what is stored of a sync ---------------------------------------------------------------------------------------


def stored_summary(client: redis.Redis, sync_id: str) -> Summary | None:
    """What is known of a sync; None when it is gone."""
    stored = cast("dict[bytes, bytes]", client.hgetall(keys.summary(sync_id)))
    return summary_from_hash(stored) if stored.get(b"status") else None


def stored_run(client: redis.Redis, sync_id: str) -> RunOptions:
    """What the sync does otherwise than its service says."""
    stored = cast("bytes | None", client.get(keys.run(sync_id)))
    return msgspec.json.decode(stored, type=RunOptions) if stored else RunOptions()


def given_count(client: redis.Redis, sync_id: str) -> int | None:
    """How many records it works on in place of its source's; None: on its source's."""
    stored = cast("bytes | None", client.hget(keys.summary(sync_id), "given"))
    return None if stored is None else int(stored)


def expire_with(client: redis.Redis, sync_id: str, lives: timedelta) -> None:
    """Give what is kept beside a sync's log so long to live."""
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
