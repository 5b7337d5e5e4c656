"""Runs honcho as a child: forwards its output without the noise, tracks which processes started and which ended first,
and kills what is left at the end.

honcho restarts nothing, and stops everything when one process ends. The launcher decides which processes to run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from demo.leash import adopt_orphans, die_with_parent, end_children
from demo.runner import COLOUR_VARIABLE

STARTED_SECONDS = 3.0
HONCHO_ENDS_SECONDS = 6.5
"""honcho itself sends SIGKILL five seconds after SIGTERM."""

_EVENT = re.compile(r"[0-9:]{8} system +\| (?P<name>[\w-]+) (?P<what>started|stopped) \(\w+=(?P<number>-?\d+)\)")
_OVERCOMMIT = "WARNING Memory overcommit must be enabled!"
"""Valkey's advice for production servers; a demo should not follow it."""
_KILLING = re.compile(r"[0-9:]{8} system +\| (sending SIGKILL to .+)")


class Noise:
    """Tells whether a line is noise: Valkey's advice for production, or what honcho repeats ten times a second."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, line: str) -> bool:
        if _OVERCOMMIT in line:
            return True
        if not (killing := _KILLING.match(line)):
            return False
        again = killing[1] in self._said
        self._said.add(killing[1])
        return again


class Ended(NamedTuple):
    name: str
    exit_code: int

    def __str__(self) -> str:
        # honcho starts a shell, which reports a signal as 128 plus its number.
        by_signal = -self.exit_code if self.exit_code < 0 else self.exit_code - 128
        with suppress(ValueError):
            return f"{self.name} ended ({signal.Signals(by_signal).name})"
        return f"{self.name} ended (exit code {self.exit_code})"


class Processes:
    """The processes of the Procfile listed in `names`. The creator calls `stop`."""

    def __init__(self, procfile: Path, names: Sequence[str], environ: Mapping[str, str]) -> None:
        self._wanted = len(names)
        self._pids: list[int] = []
        self._all_started = threading.Event()
        self.first_ended: Ended | None = None
        adopt_orphans()
        self._honcho = subprocess.Popen(
            [sys.executable, "-m", "demo.runner", str(procfile), *names],
            cwd=procfile.parent,
            env={**environ, **({COLOUR_VARIABLE: "1"} if sys.stdout.isatty() else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # Ctrl-C reaches only the launcher: honcho cannot handle signals before its processes run.
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call; no thread has been started yet
        )
        assert self._honcho.stdout is not None  # noqa: S101 - a pipe was asked for
        self._reader = threading.Thread(target=self._read, args=(self._honcho.stdout,), daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        return self.first_ended is None and self._honcho.poll() is None

    def stop(self) -> None:
        """Stops everything, in order if time allows, and returns when all processes have ended."""
        if self._honcho.poll() is None and self.first_ended is None:
            self._all_started.wait(STARTED_SECONDS)
            self._honcho.terminate()
        try:
            self._honcho.wait(HONCHO_ENDS_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        end_children(patience_seconds=1)
        self._reader.join(1)

    def kill(self) -> None:
        """Kills everything at once, in no order, because honcho did not stop in time."""
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._honcho.kill()
        self._honcho.wait()

    def _read(self, output: IO[bytes]) -> None:
        is_noise = Noise()
        for raw in output:
            line = raw.decode(errors="replace")
            if is_noise(line):
                continue
            with suppress(OSError):  # the reader of our output is gone; the processes must not notice
                sys.stdout.write(line)
                sys.stdout.flush()
            if event := _EVENT.match(line):
                self._note(event["name"], event["what"], int(event["number"]))

    def _note(self, name: str, what: str, number: int) -> None:
        if what == "started":
            self._pids.append(number)
            if len(self._pids) == self._wanted:
                self._all_started.set()
        elif self.first_ended is None:
            self.first_ended = Ended(name, number)
