"""One attempt at a sync, from claim to ending, as an RQ job. Its last line always says how it ended and why."""

from __future__ import annotations

import os

from jobs.run.attempt import Attempt
from jobs.run.check import check_service
from jobs.services.model import Unreadable
from jobs.services.store import ServiceNotFound, Services
from synctail.connect import connect
from synctail.log.appender import Appender, SyncEnded
from synctail.log.registry import stored_summary
from synctail.settings import load

__all__ = ["check_service", "run_sync"]


def run_sync(sync_id: str) -> None:
    """Run a queued sync. Returns at once if it has already ended, or is gone. Called by RQ."""
    settings = load(os.environ)
    client = connect(settings.redis_url)
    appender = Appender(client, live_ttl_ms=settings.retention_ms)
    try:
        claim = appender.claim(sync_id)
    except SyncEnded:
        return
    summary = stored_summary(client, sync_id)
    if summary is None:
        return
    service, fault = None, ""
    try:
        service = Services(client).read(summary.service)
    except ServiceNotFound:
        fault = f"the service {summary.service!r} was removed"
    except Unreadable as error:
        fault = str(error)
    Attempt(settings, client, appender, claim, summary, service, fault).run()
