"""A log of your own: one run of any job, with nothing of Synctail around it but Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import redis

from synctail.log.appender import Appender
from synctail.log.endings import ending_fields
from synctail.log.registry import register
from synctail.log.writer import LogWriter
from synctail.model.ids import new_sync_id, rfc3339, utc_now
from synctail.model.sync import Reason, Status, Summary


@contextmanager
def open_log(
    client: redis.Redis, name: str, *, retention: timedelta = timedelta(hours=24), secrets: Iterable[str] = ()
) -> Iterator[LogWriter]:
    """Write the log of one run of a job, live; its id is the writer's `sync_id`.

        with open_log(redis.Redis(), "nightly-report") as log:
            log.info("Reading orders …")

    When the block ends, so does the run: completed, or failed with the exception that left the block.

    Args:
        client: Made without retries, as `synctail.connect.connect` makes it: a write that is repeated may be doubled.
        name: Of the job, as a service is named: lower-case letters, digits and dashes.
        retention: How long the log outlives its end.
        secrets: Values that must not appear in the log.

    Raises:
        redis.exceptions.RedisError: Redis could not be reached at the start. Later the log waits for it.
    """
    now = rfc3339(utc_now())
    summary = Summary(id=new_sync_id(), service=name, status=Status.RUNNING, queued_at=now, started_at=now)
    register(client, summary, retention=retention)
    appender = Appender(client, live_ttl_ms=int(retention / timedelta(milliseconds=1)))
    log = LogWriter(appender, summary.id, appender.claim(summary.id), secrets=secrets)
    try:
        yield log
    except BaseException as error:
        text = f"Failed: {type(error).__name__}: {error}"
        log.close("error", text, **ending_fields(Status.FAILED, Reason.ERROR, retention))
        raise
    log.close("info", "Completed", **ending_fields(Status.COMPLETED, None, retention))
