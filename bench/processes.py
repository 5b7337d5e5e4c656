"""Processes and their resources: cores, CPU time, memory, ports. Knows no peer."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
INSTALLED = ROOT / ".bench"
"""Where `install-peers.sh` installs what our environment lacks."""

SERVER_CORE = 0
CLIENT_CORE = 1


def on_the_clients_core() -> None:
    """Pins this process and its later children (publishers, viewers, Redis) to the clients' core."""
    os.sched_setaffinity(0, {CLIENT_CORE})


def pinned(*command: str, **kwargs: object) -> subprocess.Popen[bytes]:
    """Starts a server on the servers' core."""
    return subprocess.Popen(["taskset", "-c", str(SERVER_CORE), *command], **kwargs)  # type: ignore[call-overload,no-any-return]


def stop(process: subprocess.Popen[bytes], *, seconds: float = 5) -> None:
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of these processes so far, including threads that have ended."""
    # The process's CPU clock (clock_getcpuclockid(3)), not `stat` in /proc, which rounds down to 10 ms.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def memory_kib(pids: Iterable[int], kind: str = "Pss") -> int:
    """`Pss`: resident, with shared pages split among processes. `Rss`: resident, as in `ps`, and cheaper to read."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(next(line for line in rollup.splitlines() if line.startswith(f"{kind}:")).split()[1])
    return total


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None = None, *, seconds: float = 30) -> None:
    """Raises `TimeoutError`, or `ChildProcessError` if the process has ended."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process and process.poll() is not None:
            raise ChildProcessError(f"{process.args!r} ended with exit code {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port}")
        time.sleep(0.05)
