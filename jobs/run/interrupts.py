"""Interrupts a running sync: at its time limit, on a stop request, when its worker shuts down.

Each is a signal that raises `Interrupted` in the job's main thread, whatever it is doing: a sync that hangs in a read
stops as promptly as one that logs.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Why = Literal["timeout", "stop", "fenced", "shutdown"]


class Interrupted(BaseException):
    """Not an `Exception`, so that code which catches every `Exception` does not catch this."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


class Interrupts:
    """A context in which interrupts are raised. For the main thread of a job's process.

    An interrupt that comes before `with` is raised when it begins; one that comes after it is ignored.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._armed = False
        self._asked: Why | None = None
        # Here and not in `__enter__`: a signal without a handler would kill the process before the sync has an ending.
        signal.signal(signal.SIGUSR1, lambda *_: self._raise(self._asked or "stop"))
        signal.signal(signal.SIGTERM, lambda *_: self._raise("shutdown"))
        signal.signal(signal.SIGALRM, lambda *_: self._raise("timeout"))

    def ask(self, why: Why) -> None:
        """Interrupt the main thread, from any thread."""
        self._asked = why
        os.kill(os.getpid(), signal.SIGUSR1)

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._timeout_s)
        self._armed = True
        if self._asked:
            self._raise(self._asked)

    def __exit__(self, *_: object) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A context in which nothing is raised. An interrupt that came meanwhile is raised at its end."""
        armed, self._armed = self._armed, False
        try:
            yield
        finally:
            self._armed = armed
        if self._armed and self._asked:
            self._raise(self._asked)

    def _raise(self, why: Why) -> None:
        if self._armed:
            self._armed = False  # only once: the ending must not be interrupted
            raise Interrupted(why)
        self._asked = self._asked or why  # raised when `with` begins, or `held` ends
