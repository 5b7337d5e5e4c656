"""The processes of `make run`: starts them, passes their output on, and ends them all. None outlives the launcher.

Which ones there are, and when they should end, is the launcher's business.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jobs.die_with_parent import die_with_parent, prctl

PROCFILE = Path(__file__).resolve().parent.parent / "Procfile.dev"
GRACE_SECONDS = 5.0
PR_SET_CHILD_SUBREAPER = 36

_COLOURS = (36, 33, 32, 35, 31, 34)
_OVERCOMMIT = "WARNING Memory overcommit must be enabled!"
"""Valkey's advice for a production server: nothing that a demo could or should do."""


class Processes:
    """The caller of `start` calls `stop`, also when `start` raised."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._readers: list[threading.Thread] = []

    def start(self, names: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start the processes of the Procfile that `names` lists."""
        if prctl:  # a process whose parent dies becomes a child of this one, so that `_end_children` finds it
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        commands = dict(line.split(": ") for line in PROCFILE.read_text(encoding="utf-8").splitlines())
        for name in names:
            self._processes[name] = subprocess.Popen(
                commands[name].split(),
                cwd=PROCFILE.parent,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the launcher alone
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call; no thread has been started yet
            )
        for (name, process), colour in zip(self._processes.items(), _COLOURS, strict=False):
            _say("system", f"{name} started (pid={process.pid})")
            reader = threading.Thread(target=pass_on, args=(name, process.stdout, colour), daemon=True)
            reader.start()
            self._readers.append(reader)

    def first_ended(self) -> str:
        """Which process has ended, and how; empty while all run."""
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None:
                return f"{name} ended ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
        return ""

    def stop(self) -> None:
        """End the processes that still run, by force after `GRACE_SECONDS`. Return when all are gone."""
        deadline = time.monotonic() + GRACE_SECONDS
        for name, process in self._processes.items():
            if process.poll() is None:
                _send(signal.SIGTERM, name, process)
        for name, process in self._processes.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _send(signal.SIGKILL, name, process)
            _say("system", f"{name} stopped (rc={process.wait()})")
        _end_children(patience_seconds=1)
        for reader in self._readers:
            reader.join(1)


def pass_on(name: str, output: Iterable[bytes], colour: int = 0) -> None:
    for raw in output:
        for line in raw.decode(errors="replace").splitlines():
            if _OVERCOMMIT not in line:
                _say(name, line, colour)


def _say(name: str, text: str, colour: int = 0) -> None:
    prefix = f"{time.strftime('%H:%M:%S')} {name:<7} | "
    if colour and sys.stdout.isatty():
        prefix = f"\033[{colour}m{prefix}\033[0m"
    with suppress(OSError):  # the reader of our output has left: the processes are not to notice
        sys.stdout.write(f"{prefix}{text}\n")
        sys.stdout.flush()


def _send(number: signal.Signals, name: str, process: subprocess.Popen[bytes]) -> None:
    _say("system", f"sending {number.name} to {name} (pid {process.pid})")
    with suppress(OSError):  # it has just ended
        os.killpg(process.pid, number)


def _children() -> list[int]:
    """Process ids of this process's children; empty without /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            # The command is in brackets and may hold anything; state and parent follow the last bracket.
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(stat.parent.name))
    return found


def _end_children(*, patience_seconds: float) -> None:
    """SIGTERM to every child, and SIGKILL to those that remain after `patience_seconds`."""
    deadline = time.monotonic() + patience_seconds
    asked: set[int] = set()
    while left := _children():
        late = time.monotonic() > deadline
        for pid in left:
            if late or pid not in asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked.update(left)
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.02)
