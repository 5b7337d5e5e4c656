"""One attempt at one sync, from claim to ending. Whatever happens, the last line says how it ended and why."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, cast

import redis
from redis.exceptions import RedisError

from jobs.connectors.base import ConnectorError, Context
from jobs.queue.requests import Requests
from jobs.queue.stored import expire_with, record_count, stored_run
from jobs.run.interrupts import Interrupted, Interrupts, Why
from jobs.run.kept_records import Failures, KeptRecords
from jobs.run.opening import opening_lines
from jobs.run.pushed_before import PushedBefore
from jobs.run.sync import LogLost, Sync, TooManyErrors
from jobs.services.ends import passwords
from jobs.services.model import RunOptions, Service, Unreadable
from jobs.services.store import ServiceNotFound, Services
from synctail.connect import connect, patiently
from synctail.log.appender import Appender, Claim, SyncEnded
from synctail.log.cap import LogLimit
from synctail.log.capture import captured
from synctail.log.day_totals import DayTotals
from synctail.log.endings import ending_fields, last_line
from synctail.log.payload_files import PayloadLimit, Payloads
from synctail.log.registry import stored_summary
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Level, Phase, Reason, Status, Summary
from synctail.settings import Settings, load

COMPLETED = (Status.COMPLETED, Status.COMPLETED_WITH_ERRORS)
FEW = 3
"""Fewer earlier syncs do not show what is usual."""

_logger = logging.getLogger("synctail")


class Ending(NamedTuple):
    status: Status
    reason: Reason | None
    text: str

    @property
    def level(self) -> Level:
        if self.status is Status.FAILED:
            return Level.ERROR
        return Level.INFO if self.status is Status.COMPLETED else Level.WARNING


def run_sync(sync_id: str) -> None:
    """Run a queued sync. Returns at once if it has already ended, or is gone. Called by RQ."""
    settings = load(os.environ)
    client = connect(settings.redis_url)
    appender = Appender(client, live_ttl_ms=settings.retention_ms)
    try:
        claim = appender.claim(sync_id)
    except SyncEnded:
        return
    if summary := stored_summary(client, sync_id):
        Attempt(settings, client, appender, claim, summary).run()


class Attempt:
    def __init__(
        self, settings: Settings, client: redis.Redis, appender: Appender, claim: Claim, summary: Summary
    ) -> None:
        self._settings = settings
        self._client = client
        self._summary = summary
        self._attempt = claim.attempt
        self._sync: Sync | None = None
        service, self._fault = None, ""
        try:
            service = Services(client).read(summary.service)
        except ServiceNotFound:
            self._fault = f"the service {summary.service!r} was removed"
        except Unreadable as error:
            self._fault = str(error)
        self._service = service
        self._secrets = [*settings.secrets.values(), *passwords(service)]
        self._interrupts = Interrupts(service.options.timeout_s if service else 60)
        self._log = LogWriter(
            appender,
            summary.id,
            claim,
            secrets=self._secrets,
            limit=LogLimit(settings.log_lines, settings.log_bytes),
            interrupt=self._interrupts.ask,
        )

    def run(self) -> None:
        ending: Ending | None = None
        try:
            with captured(self._log):
                ending = self._outcome()
        finally:
            # Whatever was raised: a sync without an ending looks as if it were still running.
            ending = ending or Ending(Status.FAILED, Reason.ERROR, "Failed: the sync's process was interrupted")
            written = self._log.close(
                ending.level.value,
                last_line(ending.text, self._sync.counts.written if self._sync else 0),
                **ending_fields(ending.status, ending.reason, self._settings.retention),
            )
            if written:
                DayTotals(self._client, self._settings.retention).count(self._summary.id)
            self._clean_up(ending)

    def _outcome(self) -> Ending:
        try:
            with self._interrupts:
                return self._work()
        except Interrupted as interrupted:
            return self._interrupted(interrupted.why)
        except TooManyErrors as error:
            return Ending(Status.FAILED, Reason.TOO_MANY_ERRORS, f"Failed: {error}")
        except (ConnectorError, LogLost) as error:
            return Ending(Status.FAILED, Reason.ERROR, f"Failed: {error}")
        except RedisError as error:
            return Ending(Status.FAILED, Reason.ERROR, f"Failed: Redis did not answer for too long: {error}")
        except Exception as error:
            _logger.exception("Unexpected: a fault in Synctail or one of its libraries")
            return Ending(Status.FAILED, Reason.ERROR, f"Failed: {type(error).__name__}: {error}")

    def _work(self) -> Ending:
        self._log.set(status=Status.RUNNING.value, started_at=rfc3339(utc_now()))
        if self._service is None:
            return Ending(Status.FAILED, Reason.ERROR, f"Failed: {self._fault}")
        run, records = self._request(self._service)
        for text in opening_lines(self._service, run, self._summary, records):
            self._log.info(text)
        self._sync = self._prepare(run.applied_to(self._service), records)
        counts = self._sync.run()
        if counts.pulled == 0 and records is None:
            self._warn_if_unusual()
        if counts.failed:
            text = f"Completed with errors: {counts.failed:,} of {counts.pulled:,} records were not pushed"
            return Ending(Status.COMPLETED_WITH_ERRORS, None, text)
        return Ending(Status.COMPLETED, None, f"Completed: {counts.pushed:,} pushed, {counts.skipped:,} skipped")

    def _prepare(self, service: Service, records: int | None) -> Sync:
        context = Context(
            log=self._log,
            secrets=self._settings.secrets,
            files=self._settings.files,
            page_size=service.options.page_size,
            max_attempts=service.options.max_attempts,
            sync_id=self._summary.id,
            keep_raw=service.store.pull,
        )
        payloads = Payloads(
            self._client,
            context.sync_id,
            self._attempt,
            self._log,
            service.store,
            limit=PayloadLimit(self._settings.payload_bytes, self._settings.payload_total),
            ttl_ms=self._settings.retention_ms,
            secrets=self._secrets,
        )
        kept = None
        if records is not None:
            kept = KeptRecords(self._client, context.sync_id, total=records, page_size=context.page_size)
        return Sync(
            service,
            context,
            PushedBefore(self._client, service),
            Failures(self._client, context.sync_id, self._log, lives=self._lives(service)),
            payloads,
            kept,
            uninterrupted=self._interrupts.held,
        )

    def _request(self, service: Service) -> tuple[RunOptions, int | None]:
        """The options of this sync, and how many records it takes in place of its source's."""
        sync_id = self._summary.id
        patiently()(expire_with, self._client, sync_id, self._lives(service))
        return patiently()(stored_run, self._client, sync_id), patiently()(record_count, self._client, sync_id)

    def _lives(self, service: Service) -> timedelta:
        """How long the keys beside the log are kept from its start: for longer than the sync may run."""
        return self._settings.retention + timedelta(seconds=service.options.timeout_s)

    def _warn_if_unusual(self) -> None:
        """Warn if no record came from a source that always had some: it, or the way to it, may have changed."""
        ids = cast("list[bytes]", self._client.zrange(keys.service_syncs(self._summary.service), 0, 30, desc=True))
        syncs = (stored_summary(self._client, one.decode()) for one in ids if one.decode() != self._summary.id)
        before = [one.pulled for one in syncs if one and one.status in COMPLETED][:10]
        if len(before) >= FEW and all(before):
            usual = f"{min(before):,}" + (f" to {max(before):,}" if max(before) > min(before) else "")
            self._log.warning(
                f"Nothing was pulled, and the last {len(before)} syncs of this service pulled {usual} each. "
                "Has the source changed?",
                phase=Phase.PULL.value,
            )

    def _clean_up(self, ending: Ending) -> None:
        """Let the keys beside the log expire with it, and start the next sync that waits."""
        try:
            if ending.status is Status.COMPLETED:
                self._client.delete(keys.given(self._summary.id))
            expire_with(self._client, self._summary.id, self._settings.retention)
            if self._service is not None:
                Requests(self._settings, self._client).start_waiting(self._service)
        except RedisError as error:  # all keys have a TTL, and the clock starts the next sync
            _logger.warning("Sync %s has ended, but could not clean up: %s", self._summary.id, error)

    def _interrupted(self, why: Why) -> Ending:
        match why:
            case "timeout":
                limit = self._service.options.timeout_s if self._service else 0
                text = f"Failed: it took longer than {limit:,} s, the service's time limit"
                return Ending(Status.FAILED, Reason.TIMEOUT, text)
            case "shutdown":
                text = "Failed: its worker was shut down. Run it again"
                return Ending(Status.FAILED, Reason.KILLED, text)
            case "stop":
                return Ending(Status.STOPPED, Reason.STOPPED_BY_USER, f"Stopped by {self._stop_requested_by()}")
            case "fenced":  # there is an ending already, and the fence keeps this one out
                return Ending(Status.FAILED, Reason.LOST, "Failed: it was ended from outside")

    def _stop_requested_by(self) -> str:
        with suppress(RedisError):
            who = self._client.hget(keys.summary(self._summary.id), "stop")
            return who.decode() if isinstance(who, bytes) else "a user"
        return "a user"
