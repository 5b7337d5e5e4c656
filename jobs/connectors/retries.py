"""How often and how fast a system is asked.

One retry policy: what may pass is tried up to `max_attempts` times, with growing waits, and each retry is logged.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from jobs.connectors.base import Context, Unreachable
from synctail.model.sync import Phase

T = TypeVar("T")
Sleep = Callable[[float], None]

LONGEST_WAIT_S = 300.0
LONGEST_BACKOFF_S = 30.0


class Transient(Exception):
    """Worth a retry, after `wait_s` where the system asked for that. `answered`: it did answer, with an error."""

    def __init__(self, what: str, wait_s: float | None = None, *, answered: bool = False) -> None:
        super().__init__(what)
        self.wait_s = wait_s
        self.answered = answered


class Retries:
    def __init__(self, context: Context, phase: Phase, *, name: str = "", sleep: Sleep = time.sleep) -> None:
        """`name`: of the system, at the start of each line. `sleep`: for threads, which must not outlive the sync."""
        self._attempts = context.max_attempts
        self._log = context.log
        self._phase = phase.value
        self._name = name
        self._sleep = sleep

    def __call__(self, act: Callable[[], T], name: str = "") -> T:
        """What `act` returns. Raises `Unreachable` after the last attempt, and anything but `Transient` at once.

        `name`: of the system in that error, in place of the usual one.
        """
        try:
            return self.attempt(act)
        except Transient as error:
            raise Unreachable(f"{name or self._name} {self.failed(error)}.") from None

    def attempt(self, act: Callable[[], T]) -> T:
        """As a call, but raises the last `Transient`."""
        retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(self._attempts),
            wait=_wait_s,
            before_sleep=self._log_retry,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(act)

    def failed(self, error: Transient) -> str:
        """What to say of the last error: `failed after 4 attempts: 503 Service Unavailable`."""
        return f"failed after {self._attempts} attempts: {error}" if self._attempts > 1 else f"failed: {error}"

    def _log_retry(self, state: RetryCallState) -> None:
        name = f"{self._name}: " if self._name else ""
        wait_s = state.next_action.sleep if state.next_action else 0
        attempt = f"attempt {state.attempt_number + 1} of {self._attempts}"
        self._log.warning(f"{name}{_error(state)}. Retrying in {wait_s:.1f} s ({attempt})", phase=self._phase)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _wait_s(state: RetryCallState) -> float:
    """What the system asked for; else 0.5 s, 1 s, 2 s … with jitter, so that many readers do not come back as one."""
    error = _error(state)
    if isinstance(error, Transient) and error.wait_s is not None:
        return min(error.wait_s, LONGEST_WAIT_S)
    backoff = min(0.5 * 2.0 ** (state.attempt_number - 1), LONGEST_BACKOFF_S)
    return backoff * random.uniform(0.5, 1.5)  # noqa: S311


class Pace:
    """A rate limit that threads share: `turn` waits until the caller may go on. Without a rate it waits only after a
    `hold`."""

    def __init__(self, rate_per_s: float | None, *, sleep: Sleep = time.sleep) -> None:
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
