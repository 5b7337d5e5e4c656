"""On Linux, makes sure that no process outlives its parent. On other systems, these functions do nothing.

A safety net only: callers still send signals and wait for their children.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from jobs.die_with_parent import die_with_parent

__all__ = ["adopt_orphans", "children", "die_with_parent", "end_children"]

PR_SET_CHILD_SUBREAPER = 36

_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """Makes this process the new parent of orphaned descendants, so that `end_children` finds them."""
    if _prctl is not None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """Process ids of this process's children; empty without /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            # The command is in brackets and may contain anything; state and parent follow the last bracket.
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(stat.parent.name))
    return found


def end_children(*, patience_seconds: float) -> None:
    """SIGTERM to every child, and SIGKILL to those still there after `patience_seconds`."""
    deadline = time.monotonic() + patience_seconds
    asked: set[int] = set()
    while left := children():
        late = time.monotonic() > deadline
        for pid in left:
            if late or pid not in asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked.update(left)
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.02)
