"""The speed and memory of a whole sync: HTTP to SQLite, run by the real worker, with its log.

    .venv/bin/python -m bench.engine --records 10000 1000000

The bench's own source serves pages of records of about 200 bytes, as fast as they are requested. The sync fingerprints
every record, pushes it and names it in the log. Time is from the sync's start to its ending; memory is the peak
resident size of its process, including what it shares with its worker.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import re
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple, cast

import msgspec

from bench import processes, redis, report
from bench.report import Reading
from demo.valkey import Server
from jobs.queue.requests import Requests
from jobs.services.model import HttpSource, Options, Service, SqlDestination
from synctail.connect import connect
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.ids import parse_rfc3339
from synctail.model.sync import Status, Trigger
from synctail.settings import load

LOOK_S = 0.05
LONGEST_S = 1800.0


class Case(NamedTuple):
    records: int
    page_size: int


# --- the source ---------------------------------------------------------------------------------------------------


class Source(asyncio.Protocol):
    """Answers `GET /?total=N&limit=M&start=S` on a keep-alive connection. There are no other requests."""

    _asked = re.compile(rb"GET /\?total=(\d+)(?:&start=(\d+))?&limit=(\d+)(?:&start=(\d+))? ")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            found = self._asked.match(head)
            if found is None:
                self._transport.close()
                return
            total, limit, start = int(found[1]), int(found[3]), int(found[2] or found[4] or 0)
            self._transport.write(_answer(total, start, limit))


def _answer(total: int, start: int, limit: int) -> bytes:
    end = min(total, start + limit)
    body = b'{"records":[%s]}' % b",".join(_record(n) for n in range(start, end))
    link = b'Link: </?total=%d&start=%d&limit=%d>; rel="next"\r\n' % (total, end, limit) if end < total else b""
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Total-Count: %d\r\n%sContent-Length: %d\r\n\r\n%s"
        % (
            total,
            link,
            len(body),
            body,
        )
    )


def _record(n: int) -> bytes:
    return (
        b'{"id":%d,"number":"SO-%08d","email":"customer.%d@example.org","name":"Ana Lima","town":"Porto",'
        b'"country":"PT","total":%d.5,"currency":"EUR","paid":true,"updated_at":"2026-01-31T09:30:00Z"}'
    ) % (n, n, n % 5000, n % 977)


def serve(port: int) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Source, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(forever())


# --- a sync -------------------------------------------------------------------------------------------------------


class Engine:
    """A worker with everything it needs, and one service at a time."""

    def __init__(self, folder: Path, valkey: Server, port: int) -> None:
        self._folder = folder
        self._port = port
        environ = {"REDIS_URL": valkey.url, "SYNCTAIL_DATA": str(folder), "PATH": "/usr/bin:/bin"}
        self.client = connect(valkey.url)
        self._requests = Requests(load(environ), self.client)
        self._log = (folder / "worker.log").open("wb")
        self.worker: Popen[bytes] = processes.pinned(
            sys.executable, "-m", "jobs.worker", cwd=processes.ROOT, env=environ, stdout=self._log, stderr=self._log
        )

    def stop(self) -> None:
        processes.stop(self.worker)
        self._log.close()

    def run(self, case: Case) -> Reading:
        """Raises `OSError` if a record is missing or the sync did not complete."""
        for key in (*self.client.scan_iter("service:*"), *self.client.scan_iter("sync:*")):
            self.client.delete(key)
        database = self._folder / "warehouse.db"
        database.unlink(missing_ok=True)
        with closing(sqlite3.connect(database)) as db:
            db.execute(
                "CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT, email TEXT, name TEXT, town TEXT, "
                "country TEXT, total NUMERIC, currency TEXT, paid INTEGER, updated_at TEXT)"
            )
        service = Service(
            id="bench",
            name="Bench",
            source=HttpSource(url=f"http://127.0.0.1:{self._port}/?total={case.records}", records="records"),
            destination=SqlDestination(url=f"sqlite:///{database}", table="orders"),
            options=Options(page_size=case.page_size),
        )
        self.client.hset(keys.SERVICES, service.id, msgspec.json.encode(service))
        sync_id = self._requests.start(service, Trigger.MANUAL).id
        reading = self._follow(sync_id)
        with closing(sqlite3.connect(database)) as db:
            (rows,) = db.execute("SELECT count(*) FROM orders").fetchone()
        if rows != case.records:
            raise OSError(f"{rows:,} of {case.records:,} records arrived")
        reading["kept"] = cast("int", self.client.memory_usage(keys.log(sync_id), samples=0)) / case.records
        return reading

    def _follow(self, sync_id: str) -> Reading:
        deadline = time.monotonic() + LONGEST_S
        horse, peak_kib, cpu_s = 0, 0, 0.0
        while time.monotonic() < deadline:
            summary = stored_summary(self.client, sync_id)
            if summary is not None and summary.status.ended:
                break
            with suppress(OSError):  # the process has just ended
                horse = next(iter(processes.children(self.worker.pid)), horse)
                if horse:
                    peak_kib, cpu_s = _peak_kib(horse), processes.cpu_s([horse])
            time.sleep(LOOK_S)
        if summary is None or summary.status is not Status.COMPLETED:
            raise OSError(f"the sync did not complete: {summary}")
        took = parse_rfc3339(summary.ended_at or "") - parse_rfc3339(summary.started_at or "")
        return {
            "rate": summary.pushed / took.total_seconds(),
            "cpu_us": cpu_s / summary.pushed * 1e6,
            "peak_kib": peak_kib,
            "lines": summary.lines,
        }


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def arguments() -> argparse.Namespace:
    parser = report.parser(__doc__, rounds=3)
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--page-sizes", type=int, nargs="+", default=[100, 1000])
    return parser.parse_args()


def main() -> None:
    options = arguments()
    processes.on_the_clients_core()
    cases = [Case(records, size) for records in options.records for size in options.page_sizes]
    port = processes.free_port()
    source = multiprocessing.get_context("spawn").Process(target=serve, args=(port,), daemon=True)
    source.start()
    with tempfile.TemporaryDirectory() as made:
        valkey = redis.start(Path(made))
        engine = Engine(Path(made), valkey, port)
        try:
            processes.wait_for_port(port)
            found = report.in_turn(options.rounds, cases, engine.run)
        finally:
            engine.stop()
            valkey.stop()
            source.terminate()
    report.headline("## A whole sync, HTTP to SQLite")
    report.table(
        ("records", "page", "records per second", "CPU per record", "peak memory", "lines", "log in Redis", "counts"),
        (
            (
                f"{case.records:,}",
                f"{case.page_size:,}",
                f"{reading['rate']:,.0f}",
                f"{reading['cpu_us']:.0f} µs",
                f"{reading['peak_kib'] / 1024:.0f} MiB",
                f"{reading['lines']:,.0f}",
                f"{reading['kept']:.0f} bytes per record",
                report.verdict(reading),
            )
            for case, reading in found.items()
        ),
    )


if __name__ == "__main__":
    main()
