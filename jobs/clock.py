"""The clock process: starts due services, ends lost syncs, trims the lists and completes the daily totals. Any number
of clocks may run.

Every second it claims each due start in Redis, so that two clocks never start one twice. Every four seconds it looks
for syncs whose writer sends no heartbeat and whose job RQ no longer vouches for.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import cast

import msgspec
import redis
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

from jobs.queue.requests import Requests
from jobs.queue.stored import expire_with
from jobs.queue.turns import AlreadyRunning
from jobs.services.model import InboundSource, Missed, Schedule, Service, Unreadable, decode_service
from synctail.connect import RedisOutOfReach, connect, wait_until_ready
from synctail.log.appender import Appender
from synctail.log.day_totals import DayTotals
from synctail.log.endings import end_sync
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.ids import rfc3339
from synctail.model.sync import Reason, Status, Summary, Trigger
from synctail.settings import Settings, SettingsError, load

TICK_S = 1.0
REAP_EVERY = timedelta(seconds=4)
"""With `SILENT` before it, a sync ends at most 25 s after its worker died."""
TRIM_EVERY = timedelta(minutes=1)
CATCH_UP = timedelta(seconds=90)
"""A start that was missed by less (the clock was restarted) is made up for; an older one is not."""
PAUSE = timedelta(minutes=1)
"""No schedule is due twice within it, so a clock that looked more recently has missed nothing."""
SILENT = timedelta(seconds=20)
VOUCHED = timedelta(seconds=15)
ABSENT = timedelta(seconds=10)
"""After this long without Redis, or asleep, the clock waits for `SILENT` before it ends a sync: the writers were cut
off too, and need time for a heartbeat."""

_SECONDS = "%Y-%m-%d %H:%M:%S"

_log = logging.getLogger("synctail.clock")


class Clock:
    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._client = client
        self._retention = settings.retention
        self._requests = Requests(settings, client)
        self._appender = Appender(client, live_ttl_ms=settings.retention_ms)
        self._days = DayTotals(client, settings.retention)
        never = datetime.min.replace(tzinfo=UTC)
        self._reaped = self._trimmed = self._present = self._back = self._looked = never
        self._decoded: dict[bytes, tuple[bytes, Service | None]] = {}

    def tick(self, now: datetime) -> None:
        """One second's work. Raises `RedisError` when Redis is away; the next tick makes up for it."""
        services = self.services()
        self.record_missed(services, now)
        self.start_due(services, now)
        self.start_waiting(services)
        if now - self._present > ABSENT:
            self._back = now
        self._present = now
        if now - self._back >= SILENT and now - self._reaped >= REAP_EVERY:
            self._reaped = now
            self.reap(now)
        if now - self._trimmed >= TRIM_EVERY:
            self._trimmed = now
            self.trim(services, now)

    def services(self) -> list[Service]:
        """All that can be read. A definition is decoded again only when its bytes have changed."""
        before, self._decoded = self._decoded, {}
        for name, stored in cast("dict[bytes, bytes]", self._client.hgetall(keys.SERVICES)).items():
            known = before.get(name)
            self._decoded[name] = known if known and known[0] == stored else (stored, _decode(name.decode(), stored))
        return [service for _, service in self._decoded.values() if service]

    def start_due(self, services: Iterable[Service], now: datetime) -> None:
        for service in services:
            if not service.active or isinstance(service.source, InboundSource):
                continue
            due = next(service.trigger.due_until(now), None)
            if due is None or now - due > CATCH_UP:
                continue
            claim = keys.service_due(service.id, int(due.timestamp()))
            if not self._client.set(claim, "1", nx=True, px=keys.DUE_TTL):
                continue
            try:
                self._requests.start(service, Trigger.SCHEDULE)
            except AlreadyRunning as running:
                _log.warning("%s was due, but its sync %s still runs", service.id, running)
                still = "Its sync {} still ran" if len(running.sync_ids) == 1 else "Its syncs {} still ran"
                allowed = "the service allows no overlap" if service.options.at_once == 1 else "no more may run at once"
                self._record(service, [due], f"{still.format(running)}, and {allowed}.")
            except RedisError:
                with suppress(RedisError):  # release the claim, so that the next tick can make up for it
                    self._client.delete(claim)
                raise

    def record_missed(self, services: Iterable[Service], now: datetime) -> None:
        """Record the starts that came due while no clock looked, without those that `start_due` makes up for."""
        stored = self._client.set(keys.CLOCK_LOOKED, int(now.timestamp() * 1000), px=keys.MISSED_TTL, get=True)
        # A Redis that went back in time knows less than this clock. Of several clocks, only one sees the pause.
        before = max(_from_ms(cast("bytes", stored)) if stored else now, self._looked)
        self._looked = now
        if now - before <= PAUSE:
            return
        because = f"No clock ran, or none reached Redis, from {before:{_SECONDS}} to {now:{_SECONDS}} UTC."
        for service in services:
            missed = _due_between(service.trigger, before, now)
            if missed and service.active and not isinstance(service.source, InboundSource):
                _log.warning("%s missed scheduled starts. %s", service.id, because)
                self._record(service, missed, because)

    def start_waiting(self, services: Iterable[Service]) -> None:
        """Start posted syncs that had to wait because their service was at its limit of concurrent syncs."""
        for service in services:
            if isinstance(service.source, InboundSource):
                self._requests.start_waiting(service)

    def _record(self, service: Service, dues: list[datetime], because: str) -> None:
        """`dues`: oldest first."""
        key = keys.service_missed(service.id)
        with suppress(RedisError), self._client.pipeline() as pipe:
            pipe.lpush(key, *(msgspec.json.encode(Missed(due_at=rfc3339(due), because=because)) for due in dues))
            pipe.ltrim(key, 0, keys.MISSED_CAP - 1)
            pipe.pexpire(key, keys.MISSED_TTL)
            pipe.execute()

    def reap(self, now: datetime) -> None:
        """End each sync whose summary says running or queued, and whose writer and job are gone."""
        for sync_id in self._open(cast("list[bytes]", self._client.zrange(keys.SYNCS, 0, -1))):
            beat = cast("bytes | None", self._client.hget(keys.summary(sync_id), "beat"))
            summary = stored_summary(self._client, sync_id)
            if summary is None or summary.status.ended:
                continue
            heard = _from_ms(beat) if beat else datetime.fromisoformat(summary.queued_at)
            if now - heard < SILENT:
                continue
            if self._vouched_for(summary, now):
                # In place of its writer, which waits in the queue, or hangs in a call that lets no other thread run.
                with self._client.pipeline(transaction=False) as pipe:
                    for key in keys.written(sync_id):
                        pipe.pexpire(key, self._appender.live_ttl_ms)
                    pipe.execute()
                if summary.status is Status.QUEUED:
                    expire_with(self._client, sync_id, self._retention)
                continue
            ended = end_sync(
                self._appender,
                sync_id,
                status=Status.FAILED,
                reason=Reason.LOST,
                text=f"Failed: it sent no heartbeat for {(now - heard).total_seconds():.0f} s and no worker is running "
                "it. Its worker's machine or connection was lost. Run it again",
                retention=self._retention,
            )
            if ended:
                _log.warning("Sync %s was lost and is ended", sync_id)

    def trim(self, services: Iterable[Service], now: datetime) -> None:
        """Remove from the lists the syncs that are older than the retention and have ended."""
        # First the daily totals: a sync that has left the lists cannot be added any more.
        self._days.count_missed(one.decode() for one in cast("list[bytes]", self._client.zrange(keys.SYNCS, 0, -1)))
        before = int((now - self._retention).timestamp() * 1000)
        for index in (keys.SYNCS, *(keys.service_syncs(service.id) for service in services)):
            old = cast("list[bytes]", self._client.zrangebyscore(index, "-inf", before))
            still_open = self._open(old)
            if gone := [one for one in old if one.decode() not in still_open]:
                self._client.zrem(index, *gone)
            if len(gone) < len(old):
                self._client.pexpire(index, keys.index_ttl(self._retention))

    def _open(self, ids: list[bytes]) -> list[str]:
        """The syncs that have not ended, in one round trip."""
        with self._client.pipeline(transaction=False) as pipe:
            for one in ids:
                pipe.hget(keys.summary(one.decode()), "status")
            statuses = cast("list[bytes | None]", pipe.execute())
        known = zip(ids, statuses, strict=True)
        return [one.decode() for one, status in known if status and not Status(status.decode()).ended]

    def _vouched_for(self, summary: Summary, now: datetime) -> bool:
        """Is the sync's job in RQ's queue, or has its worker sent a heartbeat for it within `VOUCHED`? Or is there no
        job yet, because it is a posted sync that waits for earlier ones?"""
        try:
            job = Job.fetch(summary.id, connection=self._client, serializer="json")
        except NoSuchJobError:
            return summary.status is Status.QUEUED and self._requests.waits(summary.service, summary.id)
        state = job.get_status(refresh=False)
        if summary.status is Status.QUEUED and state in (JobStatus.QUEUED, JobStatus.DEFERRED):
            return True
        seen: datetime | None = job.last_heartbeat
        return state == JobStatus.STARTED and seen is not None and now - seen < VOUCHED


def _decode(service_id: str, stored: bytes) -> Service | None:
    """None for a definition that cannot be read: the other services start all the same."""
    try:
        service = decode_service(service_id, stored)
    except Unreadable as error:
        _log.error("A service is left out. %s", error)
        return None
    if service.trigger.fault:
        _log.error("%s does not start by its schedule: %s", service_id, service.trigger.fault)
    return service


def _due_between(trigger: Schedule, before: datetime, now: datetime) -> list[datetime]:
    """The newest starts after `before`, as many as are kept, oldest first; not one that `start_due` makes up for."""
    newest_first = takewhile(lambda due: due > before, trigger.due_until(now))
    found = list(islice(newest_first, keys.MISSED_CAP + 1))
    made_up_for = 1 if found and now - found[0] <= CATCH_UP else 0
    return found[made_up_for:][: keys.MISSED_CAP][::-1]


def redis_time(client: redis.Redis) -> datetime:
    """One clock for all machines: heartbeats carry Redis's time too."""
    seconds, micros = client.time()
    return datetime.fromtimestamp(seconds + micros / 1e6, UTC)


def _from_ms(ms: bytes) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load(os.environ)
        client = connect(settings.redis_url)
        wait_until_ready(client, settings.redis_url)
    except (SettingsError, RedisOutOfReach) as error:
        sys.exit(str(error))
    clock = Clock(settings, client)
    print("Clock ready", flush=True)  # noqa: T201
    away = False
    while not stop.wait(TICK_S):
        try:
            clock.tick(redis_time(client))
            away = False
        except RedisError as error:
            if not away:
                _log.warning("Redis is away, the clock waits for it: %s", error)
            away = True
    client.close()


if __name__ == "__main__":
    main()
