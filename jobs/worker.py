"""The worker process: RQ's worker, which also ends a sync properly when its process is killed or has to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Any, cast

import redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.command import parse_payload
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.utils import now
from rq.worker import WorkerStatus

import jobs.tasks  # noqa: F401 - load before the fork, so that a sync starts in milliseconds (not SFTP: half of the time)
from jobs.die_with_parent import die_with_parent
from jobs.queue.job_queue import JobQueue
from jobs.transform.script import hide_environment
from synctail.connect import RedisOutOfReach, connect, wait_until_ready
from synctail.log.appender import Appender
from synctail.log.endings import end_sync
from synctail.model import keys
from synctail.model.sync import Reason, Status
from synctail.settings import Settings, SettingsError, load

STOP_GRACE_S = 1.5
"""How long a sync has to end after a stop request, before it is killed."""
DRAIN = signal.SIGUSR2
MONITOR_S = 5
"""RQ's heartbeat for a running job. The clock ends the job's sync after three missed ones."""

_log = logging.getLogger("synctail.worker")


class SyncWorker(Worker):
    """On shutdown it makes its running sync end at once, with a last line in its log, instead of waiting for it."""

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Runs in the sync's process, which dies with its worker: without one, nothing sends RQ's heartbeat."""
        die_with_parent()
        signal.signal(DRAIN, signal.SIG_IGN)  # a supervisor may signal all processes of a unit
        if os.getppid() != self.pid:  # the worker has died already
            os._exit(1)
        super().main_work_horse(job, queue)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Signal the sync's process alone. RQ signals its process group, which is still ours just after the fork."""
        pid = self.horse_pid
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, sig)

    def handle_payload(self, message: dict[str, Any]) -> None:
        """Runs on the thread for RQ's commands. On a stop request RQ kills the job; a sync may log its end first."""
        payload = parse_payload(message)
        if payload["command"] != "stop-job":
            super().handle_payload(message)  # type: ignore[no-untyped-call]
        elif self.get_current_job_id() == payload["job_id"]:
            self.kill_horse(signal.SIGUSR1)
            timer = threading.Timer(STOP_GRACE_S, self._kill_if_running, [self.horse_pid])
            timer.daemon = True
            timer.start()

    def _kill_if_running(self, pid: int) -> None:
        """For a sync that handles no signal, such as one in C code that does not return."""
        if self.horse_pid == pid:
            self.kill_horse()

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        """Check for a shutdown before waiting for a job: RQ checks earlier, and a signal in between would go unnoticed
        for up to seven minutes. Once the worker is idle, a signal ends the waiting."""
        self.set_state(WorkerStatus.IDLE)
        if self._stop_requested:
            raise StopRequested
        return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """RQ's worker exits when Redis does not take its heartbeat, and the sync would die with it."""
        try:
            super().maintain_heartbeats(job, execution)
        except RedisError as error:
            _log.warning("Redis is away (%s); sync %s continues", error, job.id)

    def handle_warm_shutdown_request(self) -> None:
        self.kill_horse(signal.SIGTERM)

    def drain(self, *_: object) -> None:
        """Signal handler: take no more syncs, and exit when the running one has ended."""
        self._shutdown_requested_date = now()
        self._shutdown()  # type: ignore[no-untyped-call]


def end_killed(settings: Settings, client: redis.Redis, job: Job, _pid: int, status: int, usage: Any) -> None:
    """End a sync whose process died without writing an ending: by `kill -9`, or out of memory. Called by RQ."""
    who = cast("bytes | None", client.hget(keys.summary(job.id), "stop"))
    how = _how_it_died(status, usage, insisted=bool(who))
    if who:
        ending, reason = Status.STOPPED, Reason.STOPPED_BY_USER
        text = f"Stopped by {who.decode()}. It did not stop by itself: {how}"
    else:
        ending, reason, text = Status.FAILED, Reason.KILLED, f"Failed: {how}. Run it again"
    appender = Appender(client, live_ttl_ms=settings.retention_ms)
    end_sync(appender, job.id, status=ending, reason=reason, text=text, retention=settings.retention)


def _how_it_died(status: int, usage: Any, *, insisted: bool) -> str:
    """`insisted`: this worker killed it, as it did not stop when it was asked to."""
    peak = f"; it used {usage.ru_maxrss // 1024:,} MiB at most" if usage and sys.platform == "linux" else ""
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        memory = ", as the system does when memory runs out" if number == signal.SIGKILL and not insisted else ""
        return f"its process was killed by {name}{memory}{peak}"
    return f"its process exited without writing an ending, exit status {os.waitstatus_to_exitcode(status or 0)}{peak}"


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    # A sync lowers the root logger to INFO for its own log; the worker's stderr keeps to warnings.
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
        [JobQueue(for_rq)],
        connection=for_rq,
        serializer="json",
        job_monitoring_interval=MONITOR_S,
        work_horse_killed_handler=partial(end_killed, settings, client),
    )
    hide_environment()
    signal.signal(DRAIN, worker.drain)
    # A sync that was just forked has no handler yet: a stop request must kill neither it nor the worker.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    with suppress(StopRequested):  # a shutdown before the first job
        print("Worker ready", flush=True)  # noqa: T201
        worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
