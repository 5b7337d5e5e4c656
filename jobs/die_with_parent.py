"""Makes a child process die with its parent, on Linux. Elsewhere it does nothing."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1

# Load at import: between fork and exec a child should do as little as possible.
prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Have the calling process sent SIGTERM when the *thread* that started it ends."""
    if prctl:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
