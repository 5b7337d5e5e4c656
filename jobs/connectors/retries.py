"""One way to try again: what may pass is tried up to `max_attempts` times, with growing waits, each of them logged."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from jobs.connectors.base import Context
from synctail.model.sync import Phase

T = TypeVar("T")

LONGEST_WAIT_S = 300.0
LONGEST_BACKOFF_S = 30.0


class Transient(Exception):
    """Worth another try, after `wait_s` where the system said so. `answered`: it did answer, only not well."""

    def __init__(self, what: str, wait_s: float | None = None, *, answered: bool = False) -> None:
        super().__init__(what)
        self.wait_s = wait_s
        self.answered = answered


class Retries:
    def __init__(
        self, context: Context, phase: Phase, *, name: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`name`: what is said first in each line. `sleep`: for threads, which must not outlive the sync."""
        self.attempts = context.max_attempts
        self._log = context.log
        self._phase = phase.value
        self._before = f"{name}: " if name else ""
        self._sleep = sleep

    def __call__(self, act: Callable[[], T]) -> T:
        """What `act` returns. Raises the last `Transient` after so many attempts, and anything else at once."""
        retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(self.attempts),
            wait=wait,
            before_sleep=self._say,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(act)

    def failed_with(self, error: Transient) -> str:
        """What is said of the last one: `failed 4 times, last with: 503 Service Unavailable`."""
        times = f"{self.attempts} times, last with" if self.attempts > 1 else "once, with"
        return f"failed {times}: {error}"

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0
        self._log.warning(
            f"{self._before}{error}: attempt {state.attempt_number} of {self.attempts}, next one in {wait_s:.1f} s",
            phase=self._phase,
        )


def wait(state: RetryCallState) -> float:
    """What the system asked for; else 0.5 s, 1 s, 2 s … with jitter, so that many readers do not come back as one."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait_s if isinstance(error, Transient) else None
    if asked is not None:
        return min(asked, LONGEST_WAIT_S)
    backoff = min(0.5 * 2.0 ** (state.attempt_number - 1), LONGEST_BACKOFF_S)
    return backoff * random.uniform(0.5, 1.5)  # noqa: S311
