"""How fast a job can log, what `log.info` costs it, and what a log costs Redis.

    .venv/bin/python -m bench.writer --lines 200000

Each round measures, in turn: `logging.FileHandler` (the call alone), `log.info` (the call alone), the same lines until
Redis has acknowledged the last one, and one XADD per line from a plain client. Then it writes logs of realistic lines
(see `realistic.py`) at several rates, because faster logs compress better; once each, because their size does not vary.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import cast

import msgspec
from redis import Redis

from bench import processes, realistic, redis, report
from bench.peers.synctail import bench_service
from bench.report import Reading
from demo.valkey import Server
from jobs.queue.requests import Requests
from synctail.connect import connect
from synctail.log.appender import Appender
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.sync import Trigger
from synctail.settings import load

TEXT = "Pushed SO-%d, one of the records of a sync that is worth watching"
BURST = 1000
RATES = (10_000, 1000, 100, 10)
"""Lines per second: a sync that pushes in bulk, two typical ones, and one that waits for its systems."""
TICK_S = 0.01


class Logs:
    """Creates logs on one server."""

    def __init__(self, server: Server) -> None:
        settings = load({"REDIS_URL": server.url})
        self.client: Redis = connect(server.url)
        self._requests = Requests(settings, self.client)
        self._appender = Appender(self.client, live_ttl_ms=settings.retention_ms)

    def new(self) -> tuple[str, LogWriter]:
        sync_id = self._requests.start(bench_service(), Trigger.MANUAL).id
        return sync_id, LogWriter(self._appender, sync_id, self._appender.claim(sync_id))

    def memory_bytes(self, sync_id: str) -> int:
        return cast("int", self.client.memory_usage(keys.log(sync_id), samples=0))


def file_handler(folder: Path, lines: int) -> float:
    """µs per call."""
    logger = logging.Logger("bench")  # noqa: LOG001 - one without a parent
    handler = logging.FileHandler(folder / "log.txt")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    began = time.perf_counter()
    for n in range(lines):
        logger.info(TEXT, n)
    took = time.perf_counter() - began
    handler.close()
    return took / lines * 1e6


def log_writer(logs: Logs, lines: int) -> tuple[float, float]:
    """µs per call, and lines per second until the last is acknowledged. Raises `ConnectionError` if it is not."""
    logs.client.flushall()
    _, log = logs.new()
    calls = 0.0
    began = time.perf_counter()
    # In bursts, like a sync: in between, the job waits for its systems while the flusher works.
    for start in range(0, lines, BURST):
        burst = time.perf_counter()
        for n in range(start, start + BURST):
            text = TEXT % n
            log.info(text, phase="push")
        calls += time.perf_counter() - burst
    written = log.flush(120)
    took = time.perf_counter() - began
    log.close("info", "over", status="completed")
    if not written:
        raise ConnectionError("the log was not acknowledged in time")
    return calls / lines * 1e6, lines / took


def one_xadd_per_line(client: Redis, lines: int) -> float:
    """Lines per second."""
    client.flushall()
    began = time.perf_counter()
    for n in range(lines):
        client.xadd("log", {"line": TEXT % n})
    return lines / (time.perf_counter() - began)


def one_round(folder: Path, logs: Logs, lines: int) -> Reading:
    handler = file_handler(folder, lines)
    call, rate = log_writer(logs, lines)
    return {"handler": handler, "call": call, "rate": rate, "xadd": one_xadd_per_line(logs.client, lines // 10)}


def kept(logs: Logs, rate: int, seconds: float, found: dict[int, tuple[int, int, int]]) -> None:
    """Lines, bytes in Redis and bytes as NDJSON of a log written at that rate."""
    sync_id, log = logs.new()
    count = max(1, int(rate * seconds))
    source = realistic.lines(count, seed=rate)
    began, done, ndjson = time.monotonic(), 0, 0
    while done < count:
        due = min(count, int((time.monotonic() - began) * rate))
        for _ in range(due - done):
            done += 1
            line = next(source)
            realistic.log(log, line)
            ndjson += _ndjson_bytes(done, line)
        time.sleep(TICK_S)
    log.flush(60)
    found[rate] = done, logs.memory_bytes(sync_id), ndjson
    log.close("info", "over", status="completed")


def _ndjson_bytes(n: int, line: realistic.Line) -> int:
    about = {name: value for name, value in line._asdict().items() if value is not None}
    return len(msgspec.json.encode({"n": n, "time": "2026-01-31T09:30:00.125Z", **about})) + 1


def kept_at_all_rates(logs: Logs, seconds: float) -> dict[int, tuple[int, int, int]]:
    """Runs them all at once, because each mostly waits for its next line."""
    found: dict[int, tuple[int, int, int]] = {}
    threads = [threading.Thread(target=kept, args=(logs, rate, seconds, found)) for rate in RATES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {rate: found[rate] for rate in RATES}


def arguments() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=30, help="how long the logs are whose memory is looked at")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The writer on one core, Valkey on the other, as they are on two machines in production.
        server = redis.start(folder)
        os.sched_setaffinity(server.process.pid, {processes.SERVER_CORE})
        processes.on_the_clients_core()
        logs = Logs(server)
        try:
            found = report.in_turn(options.rounds, ["writer"], lambda _: one_round(folder, logs, options.lines))
            memory = kept_at_all_rates(logs, options.seconds)
        finally:
            logs.client.close()
            server.stop()
    report.headline(f"Writing {options.lines:,} lines")
    row = found["writer"]
    report.table(
        ["measure", ""],
        [
            ["`logging.FileHandler`, per call", f"{row['handler']:.1f} µs"],
            ["`log.info`, per call", f"{row['call']:.1f} µs ({report.times(row['call'], row['handler'])})"],
            ["one XADD per line", f"{row['xadd']:,.0f} lines/s"],
            [
                "written and acknowledged",
                f"{row['rate']:,.0f} lines/s ({row['rate'] / row['xadd']:.1f} {report.TIMES})",
            ],
        ],
    )
    report.table(
        ["realistic lines, at", "lines", "as NDJSON", "in Redis", "part of its NDJSON"],
        [
            [
                f"{rate:,} per second",
                f"{lines:,}",
                f"{ndjson / 1024:,.0f} KiB",
                f"{stored / 1024:,.0f} KiB",
                report.times(stored, ndjson),
            ]
            for rate, (lines, stored, ndjson) in memory.items()
        ],
    )


if __name__ == "__main__":
    main()
