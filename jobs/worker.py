"""The worker process: RQ's own worker, with a true ending for a sync whose process was killed or must go."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rq import Queue, Worker

import jobs.connectors.file
import jobs.connectors.http
import jobs.connectors.sql
import jobs.tasks  # noqa: F401 - loaded before the fork, so that a sync starts in milliseconds
from jobs.appender import Appender
from jobs.connect import RedisOutOfReach, connect, wait_until_ready
from jobs.endings import end_sync
from jobs.enqueue import QUEUE
from jobs.leash import die_with_parent
from jobs.records import Reason, Status
from jobs.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    import redis
    from rq.job import Job

MONITOR_S = 5
"""How often RQ says that a job still runs; the clock believes it for three times as long."""


class SyncWorker(Worker):
    """Told to go, it asks its running sync to end at once and say so, instead of waiting an hour for it."""

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """In the sync's own process. It goes with its worker: nobody else would say that it still runs."""
        die_with_parent()
        if os.getppid() != self.pid:  # it died in the meantime
            os._exit(1)
        super().main_work_horse(job, queue)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """The sync's process alone: RQ's own way signals its group, which a moment after the fork is still ours."""
        with suppress(ProcessLookupError):
            os.kill(self.horse_pid, sig)

    def handle_warm_shutdown_request(self) -> None:
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)


class KilledHandler:
    """RQ calls this when a sync's process died without a word: `kill -9`, or out of memory."""

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._retention = settings.retention
        self._appender = Appender(client, live_ttl_ms=settings.retention_ms)

    def __call__(self, job: Job, _pid: int, status: int, usage: Any) -> None:  # noqa: ANN401 - resource.struct_rusage
        end_sync(
            self._appender,
            job.id,
            status=Status.FAILED,
            reason=Reason.KILLED,
            text=f"Failed: {_how_it_died(status, usage)}. Run it again",
            retention=self._retention,
        )


def _how_it_died(status: int, usage: Any) -> str:  # noqa: ANN401
    peak = f"; it used {usage.ru_maxrss // 1024:,} MiB at most" if usage and sys.platform == "linux" else ""
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        memory = ", as the system does when memory runs out" if number == signal.SIGKILL else ""
        return f"its process was killed by {name}{memory}{peak}"
    return f"its process ended without an ending, exit status {os.waitstatus_to_exitcode(status or 0)}{peak}"


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    # A sync lowers the root logger to INFO for its own log; the process's log stays as it is.
    logging.getLogger().handlers[0].setLevel(logging.WARNING)
    try:
        settings = load(os.environ)
        client = connect(settings.redis_url)
        wait_until_ready(client, settings.redis_url)
    except (SettingsError, RedisOutOfReach) as error:
        sys.exit(str(error))
    for_rq = connect(settings.redis_url, patient=True)
    settings.files.mkdir(parents=True, exist_ok=True)
    worker = SyncWorker(
        [Queue(QUEUE, connection=for_rq, serializer="json")],
        connection=for_rq,
        serializer="json",
        job_monitoring_interval=MONITOR_S,
        work_horse_killed_handler=KilledHandler(settings, client),
    )
    print("Worker ready", flush=True)  # noqa: T201
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
