"""A rate limit that all threads of a connector share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobs.connectors.retries import LONGEST_WAIT_S


class Pace:
    """`turn` waits until the caller may go on. Without a rate it waits only after a `hold`."""

    def __init__(self, rate_per_s: float | None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._apart_s = 1 / rate_per_s if rate_per_s else 0.0
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._apart_s
        if mine > now:
            self._sleep(mine - now)

    def hold(self, wait_s: float) -> None:
        """Let no turn come before that: the system asked one thread to wait, and means all."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + min(wait_s, LONGEST_WAIT_S))
