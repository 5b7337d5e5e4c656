"""How fast a job can log, what `log.info` costs it, and what a kept log costs Redis.

    .venv/bin/python -m bench.writer --lines 200000 --rounds 5

Each round measures, in turn: `logging.FileHandler` (the call alone), `log.info` (the call alone), the same lines until
Redis has acknowledged the last one, and one XADD per line from a plain client.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers import bench_service
from demo import valkey
from jobs import keys
from jobs.appender import Appender
from jobs.connect import connect
from jobs.enqueue import Requests
from jobs.logwriter import LogWriter
from jobs.records import Trigger
from jobs.settings import load

if TYPE_CHECKING:
    import redis


TEXT = "Pushed SO-%d, one of the records of a sync that is worth watching"


def file_handler(folder: Path, lines: int) -> float:
    """µs per call."""
    logger = logging.Logger("bench")  # noqa: LOG001 - one that has no parent
    handler = logging.FileHandler(folder / "log.txt")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    began = time.perf_counter()
    for n in range(lines):
        logger.info(TEXT, n)
    took = time.perf_counter() - began
    handler.close()
    return took / lines * 1e6


def log_writer(client: redis.Redis, requests: Requests, appender: Appender, lines: int) -> dict[str, float]:
    client.flushall()
    sync_id = requests.start(bench_service(), Trigger.MANUAL).id
    log = LogWriter(appender, sync_id, appender.claim(sync_id))
    calls = 0.0
    began = time.perf_counter()
    # In bursts, as a sync logs: between them the job waits for its systems, and the flusher works.
    for start in range(0, lines, 1000):
        burst = time.perf_counter()
        for n in range(start, start + 1000):
            text = TEXT % n
            log.info(text, phase="push")
        calls += time.perf_counter() - burst
    log.flush(120)
    took = time.perf_counter() - began
    line = '{"n":%d,"time":"2026-01-31T09:30:00.125Z","level":"info","text":"%s","phase":"push"}\n'
    body = sum(len(line % (n, TEXT % n)) for n in range(lines))
    stored = client.memory_usage(keys.log(sync_id), samples=0)
    log.close("info", "over", status="completed")
    return {"call": calls / lines * 1e6, "rate": lines / took, "memory": (stored or 0) / body}


def one_xadd_per_line(client: redis.Redis, lines: int) -> float:
    """Lines per second."""
    client.flushall()
    began = time.perf_counter()
    for n in range(lines):
        client.xadd("log", {"line": TEXT % n})
    return lines / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = valkey.start(folder)
        settings = load({"REDIS_URL": server.url})
        client = connect(server.url)
        requests, appender = Requests(settings, client), Appender(client, live_ttl_ms=settings.retention_ms)
        for _ in range(arguments.rounds):
            found.setdefault("logging.FileHandler, µs per call", []).append(file_handler(folder, arguments.lines))
            written = log_writer(client, requests, appender, arguments.lines)
            found.setdefault("log.info, µs per call", []).append(written["call"])
            found.setdefault("written and acknowledged, lines/s", []).append(written["rate"])
            xadds = one_xadd_per_line(client, arguments.lines // 10)
            found.setdefault("one XADD per line, lines/s", []).append(xadds)
            found.setdefault("Redis memory of the log, part of its NDJSON", []).append(written["memory"])
        client.close()
        server.stop()
    print(f"{arguments.lines:,} lines, medians of {arguments.rounds} rounds\n\n| measure | |\n| --- | --- |")
    for measure, values in found.items():
        print(f"| {measure} | {statistics.median(values):,.2f} |")


if __name__ == "__main__":
    main()
