"""What RQ calls: one sync from claim to ending. Whatever happens, the last line says how it ended and why."""

from __future__ import annotations

import os

from jobs.queue.requests import stored_summary
from jobs.run.attempt import _Run
from jobs.run.check import check_service
from jobs.services.model import Unreadable
from jobs.services.store import ServiceNotFound, Services
from synctail.connect import connect
from synctail.log.appender import Appender, SyncEnded
from synctail.settings import load

__all__ = ["check_service", "run_sync"]


def run_sync(sync_id: str) -> None:
    """Run a queued sync. Returns without a word when it was ended, or is gone, before it began."""
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
    service, why_not = None, ""
    try:
        service = Services(client).read(summary.service)
    except ServiceNotFound:
        why_not = f"the service {summary.service!r} was removed"
    except Unreadable as error:
        why_not = str(error)
    _Run(settings, client, appender, claim, summary, service, why_not).run()
