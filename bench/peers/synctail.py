"""Synctail end to end: a job's writer, Valkey, the web process.

A `LogWriter` writes a single log and numbers its lines; for many logs, see `many_jobs.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import processes, redis
from bench.peers import Watch
from bench.peers.many_jobs import ManyJobs
from jobs.queue.requests import Requests
from jobs.services.model import FileDestination, HttpSource, Options, Service
from synctail.connect import connect
from synctail.log.appender import Appender
from synctail.log.writer import LogWriter
from synctail.model.sync import Trigger
from synctail.settings import load

SELF_WRITTEN = 20
"""Maximum logs that get their own `LogWriter`."""
TOKEN = "st_the-token-of-the-bench"  # noqa: S105


def bench_service() -> Service:
    """A service whose syncs no worker runs; the bench writes their logs."""
    return Service(
        id="bench",
        name="Bench",
        source=HttpSource(url="http://127.0.0.1/"),
        destination=FileDestination(path="bench"),
        options=Options(overlap=True, concurrency=1000),
    )


class Synctail:
    name = "synctail"
    stamps = False

    def __init__(self, folder: Path, logs: int = 1) -> None:
        self.folder = folder
        self.port = processes.free_port()
        self.valkey = redis.start(folder)
        self.environ = {
            "REDIS_URL": self.valkey.url,
            "SYNCTAIL_DATA": str(folder),
            "SYNCTAIL_ADMIN_TOKEN": TOKEN,
            "PORT": str(self.port),
            "PATH": "/usr/bin:/bin",
        }
        self.start_web()
        self.helpers = [self.valkey.process.pid]
        settings = load(self.environ)
        self.client = connect(self.valkey.url)
        self.requests = Requests(settings, self.client)
        self.appender = Appender(self.client, live_ttl_ms=settings.retention_ms)
        self.ids = [self.requests.start(bench_service(), Trigger.MANUAL).id for _ in range(logs)]
        self.logs: list[LogWriter] = []
        self.many: ManyJobs | None = None
        if logs > SELF_WRITTEN:
            self.many = ManyJobs(self.client, self.appender, self.ids)
        else:
            self.logs = [LogWriter(self.appender, sync_id, self.appender.claim(sync_id)) for sync_id in self.ids]
        self.numbers = self.many is None

    @property
    def watches(self) -> list[Watch]:
        return [self.watch(sync_id) for sync_id in self.ids]

    def watch(self, sync_id: str, after: int = 0) -> Watch:
        # The first frame is the summary, sent once the tail is subscribed.
        url = f"ws://127.0.0.1:{self.port}/api/syncs/{sync_id}/live?after={after}"
        return Watch(url, welcome='{"type"', token=TOKEN)

    def start_web(self) -> None:
        command = [sys.executable, "-m", "server"]
        self.process = processes.pinned(*command, cwd=processes.ROOT, env=self.environ, stdout=subprocess.DEVNULL)
        processes.wait_for_port(self.port, self.process)
        self.pids = [self.process.pid]

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        if self.many:
            self.many.add(list(lines), log)
            return
        info = self.logs[log].info
        for line in lines:
            info(line.decode())

    def flush(self) -> None:
        """Sends this tick's lines. A `LogWriter` does that by itself."""
        if self.many:
            self.many.send()

    def stop(self) -> None:
        for log in self.logs:
            log.close("info", "over", status="completed")
        self.client.close()
        processes.stop(self.process)
        self.valkey.stop()
