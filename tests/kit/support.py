"""What all tests share: waiting for a condition, our processes, services, and checks of what is left in Redis."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, cast

import httpx2
import msgspec
import redis

from jobs.services.model import FileDestination, HttpSource, Service, SqlDestination
from synctail.model import keys
from synctail.model.sync import Status, Summary, summary_from_hash

ROOT = Path(__file__).parents[2]
ADMIN_TOKEN = "st_the-admin-of-the-tests"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a request by a page of ours."""
PATIENCE_S = 20.0
"""How long a test waits for what must happen, on a busy machine. Only a test that fails waits that long."""
PORTS = range(20_000, 32_000)
"""Below the ports that the system hands out by itself, for connections of other tests as well."""


def until(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE_S) -> Any:
    """Wait for a condition and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)
    return found


def in_time(seconds: float, attempt: Callable[[], float], *, times: int = 3) -> None:
    """Check a promise to do something within some seconds. One of a few attempts, which return how long it took, must
    keep it: a machine may be busy for a moment, but what is late each time is late."""
    took: list[float] = []
    while not took or took[-1] > seconds:
        assert len(took) < times, f"promised within {seconds} s; it took {took}"
        took.append(attempt())


_RUNNER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Other runners and other test runs begin elsewhere, a thousand ports away.
_next_port = itertools.count((os.getppid() * 61 + _RUNNER * 1000) % len(PORTS))


def free_port() -> int:
    """A port that stays free until a process has started on it, and while it is restarted."""
    for number in _next_port:
        port = PORTS[number % len(PORTS)]
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def http_client(address: str, **options: Any) -> httpx2.Client:
    """A client of a server on this machine. It has no TLS: reading the certificates of all authorities takes 40 ms."""
    return httpx2.Client(base_url=address, timeout=PATIENCE_S, verify=False, **options)


class Process:
    """One of our processes (`python -m MODULE`), without settings from outside. Its output is read as it appears."""

    def __init__(self, module: str, environ: Mapping[str, str], *, ready: str = "") -> None:
        ours = ("REDIS_URL", "SYNCTAIL_", "HOST", "PORT", "SHOP_")
        outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**outside, "PYTHONUNBUFFERED": "1", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if ready:
            self.wait_for(re.escape(ready))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until its output matches; fails if it ends before."""
        found = re.compile(pattern, re.MULTILINE)

        def look() -> re.Match[str] | None:
            match = found.search(self.output)
            assert match or self.process.poll() is None, f"it ended with {self.process.returncode}: {self.output}"
            return match

        return cast("re.Match[str]", until(look, f"{pattern} is said", seconds=40))

    def ends(self, *, seconds: float = 40) -> int:
        """Wait until it ends by itself, and return the exit code."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 15) -> int:
        """Send a signal, wait until it has ended, and return the exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join(5)
            cast("Any", self.process.stdout).close()

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


class Workers:
    """At most one worker runs: a second one would take jobs of the first."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._shared: Process | None = None

    def shared(self) -> Process:
        if self._shared is None or self._shared.process.poll() is not None:
            self._shared = self.own()
        return self._shared

    def own(self) -> Process:
        return Process("jobs.worker", self._environ, ready="Worker ready")

    def stop(self) -> None:
        if self._shared:
            self._shared.stop()
            self._shared = None


WITHOUT_TTL = ("services", "token:", "rq:")
"""Prefixes of the keys that may have no expiry: what people create, and RQ's own book-keeping."""


def immortal_keys(client: redis.Redis) -> list[str]:
    """Keys that would stay for ever: those without an expiry that are not named as exceptions."""
    return [
        name
        for key in cast("list[bytes]", client.keys("*"))
        if not (name := key.decode()).startswith(WITHOUT_TTL) and client.pttl(key) == -1
    ]


def unreconciled(client: redis.Redis, *, whole: bool) -> list[Summary]:
    """Syncs whose counts do not add up. `whole`: nothing may be pending in one that has completed, which holds for
    syncs of workers, but not for summaries that tests write themselves."""
    stored = [client.hgetall(key) for key in cast("list[bytes]", client.keys("sync:{*}"))]
    summaries = [summary_from_hash(one) for one in cast("list[dict[bytes, bytes]]", stored) if one.get(b"id")]
    completed = (Status.COMPLETED, Status.COMPLETED_WITH_ERRORS)
    return [one for one in summaries if not reconciles(one) or (whole and one.status in completed and one.pending > 0)]


def reconciles(one: Summary) -> bool:
    """`pulled = pushed + skipped + filtered + failed + pending`, none is negative, and what is written is pending."""
    counts = (one.pulled, one.pushed, one.skipped, one.filtered, one.failed, one.pending)
    return min(counts) >= 0 and 0 <= one.written <= one.pending


def service(
    service_id: str = "orders",
    *,
    url: str = "http://127.0.0.1:9/orders",
    destination: SqlDestination | FileDestination | None = None,
    **more: Any,
) -> Service:
    """A service, which writes to a file by default."""
    source = HttpSource(url=url, records=more.pop("records", "orders"), auth=more.pop("auth", None))
    return Service(
        id=service_id,
        name=more.pop("name", service_id.capitalize()),
        source=source,
        destination=destination or FileDestination(path=f"{service_id}.ndjson"),
        **more,
    )


def store(client: redis.Redis, *services: Service) -> None:
    for one in services:
        client.hset(keys.SERVICES, one.id, msgspec.json.encode(one))


GOOD: dict[str, Any] = {
    "id": "orders",
    "name": "Orders",
    "source": {
        "kind": "http",
        "url": "https://shop.example/orders",
        "auth": {"kind": "bearer", "token": {"secret": "T"}},
    },
    "filters": [{"field": "updated_at", "op": ">=", "value": "-1h"}],
    "mapping": [{"from": "customer.email", "to": "email", "with": [["lower"]]}],
    "destination": {"kind": "sql", "url": "sqlite:///x.db", "table": "orders"},
    "trigger": {"schedule": "*/15 * * * *", "timezone": "Europe/London"},
}
