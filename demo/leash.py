"""What Linux offers so that no process outlives its parent; elsewhere these functions do nothing.

They back up the orderly ways out and replace none: signals are still sent, children still waited for.
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
    """From now on a descendant whose parent dies becomes a child of this process: `end_children` finds it."""
    if _prctl is not None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """Process ids of this process's children; empty where there is no /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            # The command stands in brackets and may hold anything; state and parent follow the last bracket.
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
