"""What Linux offers so that a child does not outlive its parent; elsewhere this does nothing."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1

# Loaded at import: between fork and exec a child should do as little as possible.
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """The process that calls this gets SIGTERM when the *thread* that started it ends."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
