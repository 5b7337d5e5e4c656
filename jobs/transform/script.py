"""A service's script: a Python function over records, run in a process of its own, batch by batch.

    def handle(records, log):
        log(f"{len(records)} records")
        return [{**record, "total": record["net"] * 1.2} for record in records if record["net"]]

`records` is a list of objects (dicts) as they were pulled and filtered, as JSON carries them: a time or a decimal of a
database is text. What it prints, and what it says with `log("…")`, `log.debug`, `log.warning` and `log.error` (each
takes `record=` to name the record it is about) is in the sync's log, with the phase `script`.

**What comes back, and the counts.** `handle` returns a list of records. Each stands for exactly one record of the
batch: for the one it *is* (the same dict, changed or not); a new dict stands for the one with the same value of the
source's key, the first one left if several have it. A record that no returned one stands for was dropped, and counts as
filtered. A returned record that stands for none, added or doubled, is a fault. A fault of any kind fails all records of
the batch: none of it is pushed, the log says why, and the next batch begins in a new process. An earlier sync's pushes
are compared with the record as it was pulled; a script that was changed sees only what changed since. What one batch
leaves in a script's globals may or may not be there for the next.

**The walls** are a fence against accidents and casual abuse. Only admins edit scripts, and they are trusted; Python,
Linux and this code have faults that an attacker will find. A script

- has an interpreter without site-packages and without our modules, an empty environment, no descriptors but its pipes,
  and dies with the worker's process;
- has limited memory, processor time, open files and file size, time for a batch, and bytes and lines to return: see
  `Limits`. It cannot start processes or threads (it can where it is root and there is no seccomp: they end with it, but
  without namespaces not those that made a session of their own);
- on Linux, where the worker is root or any user can make namespaces: sees a read-only file system that holds Python's
  library and the system's (`/lib`, `/usr/lib`), and an empty, writable `/tmp` in memory; no network; no other process.
  Under a worker that is root it is the user 65534; where that root has no CAP_SYS_ADMIN it stays root, without
  capabilities, in a namespace of users;
- on Linux without namespaces, as in most containers: is kept from other files by Landlock, from sockets, processes and
  signals by seccomp, where the kernel has them (seccomp: x86-64 and aarch64). It can see whether a file exists, and its
  size. Under root it is the user 65534 if that one can read Python, else root without capabilities;
- elsewhere, as on macOS: runs as the worker's user, and can read and write and reach what that user can.

The log of each sync names the walls that this system does not offer. No wall keeps a script from using the machine's
processors and kernel, telling the time and the kernel's version, and returning to the destination what it likes.
"""

from __future__ import annotations

import ctypes
import queue
import sys
import threading
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import NamedTuple, Self

from jobs.transform.model import ScriptText
from jobs.transform.script_process import SENSELESS, Closing, Done, End, Failed, Fault, Line, Process, Ready, decoded
from synctail.log.writer import LogWriter
from synctail.model.json_text import Record, as_json, counted, reference
from synctail.model.sync import Level, Phase

NAMED = 100
"""Maximum failed records that one line names."""

_GRACE_S = 1.0
"""What a script has after its time to say where it is."""


@dataclass(frozen=True)
class Limits:
    """Of one script's process. `lines`: for each batch; `output_bytes`: of a batch, each way; `file_bytes`: of one
    file, or of all of them where it has a file system of its own; `start_s`: for Python to come up."""

    memory_bytes: int = 512 << 20
    file_bytes: int = 64 << 20
    output_bytes: int = 32 << 20
    open_files: int = 64
    lines: int = 1000
    start_s: float = 30.0


class Outcome(NamedTuple):
    """What became of a batch. Each of its records is in `kept` or `dropped`, or the whole batch has a `fault`.

    `kept`: each record as pulled and as the script returned it, in the script's order. `fault`: already in the log.
    """

    kept: list[tuple[Record, Record]]
    dropped: list[Record]
    fault: str | None = None


def hide_environment() -> None:
    """Hide this process's memory and environment, with its secrets, from other processes of the same user, as in
    `/proc/PID/environ`; also those of its forks. For the worker's `main`: it holds where other walls are missing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


class Script:
    """One sync's script. Nothing is started before the first batch; leaving the context ends the process.

    An interrupt may come at any moment, in any line of the thread that calls `run`. So a thread that no signal handler
    runs in owns the process, its pipes and its folder; the caller only asks and waits, on leaving for the end.
    """

    def __init__(
        self,
        definition: ScriptText,
        log: LogWriter,
        *,
        key: str = "id",
        name: Callable[[Record], str] | None = None,
        limits: Limits | None = None,
        without: Sequence[str] = (),
    ) -> None:
        """`key`: the source's. `name`: how a record is named in the log. `without`: walls to be left out
        (`namespaces`, `files`, `user`, `landlock`, `calls`), for tests of the others."""
        self._log = log
        self._name = name or (lambda record: reference(record, key))
        self._owner = _Owner(definition, log, key, limits or Limits(), list(without))
        self._started = False
        # An interrupt may come even before the first line of `__exit__`. The process then ends without being awaited.
        weakref.finalize(self, self._owner.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._leave()
        except BaseException:  # an interrupt that came right here: there is only one
            self._leave()
            raise

    def _leave(self) -> None:
        self._owner.close()
        if self._started:
            self._owner.ended.get()

    def run(self, records: Sequence[Record]) -> Outcome:
        """One batch. Whatever the script does, this returns, and the log says what went wrong."""
        if not records:
            return Outcome([], [])
        if not self._started:
            self._owner.thread.start()
            self._started = True
        self._owner.batches.put(records)
        outcome = self._owner.outcomes.get()
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome.fault:
            self._say_fault(records, outcome)
        elif outcome.dropped:
            self._log.info(f"{counted(len(outcome.dropped))} dropped by the script", phase=Phase.SCRIPT.value)
        return outcome

    def _say_fault(self, records: Sequence[Record], outcome: Outcome) -> None:
        for start in range(0, len(records), NAMED):
            names = [self._name(record)[:200] for record in records[start : start + NAMED]]
            said = f"{counted(len(records))} failed in the script: {outcome.fault}"
            if start:
                said = f"And {counted(len(names), 'more record')}"
            self._log.error(said, phase=Phase.SCRIPT.value, fields={"records": names})


# --- the owner ----------------------------------------------------------------------------------------------------


class _Owner:
    """Runs on the thread that owns the process."""

    def __init__(self, definition: ScriptText, log: LogWriter, key: str, limits: Limits, without: list[str]) -> None:
        self.batches: queue.SimpleQueue[Sequence[Record] | None] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        self.ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.closing = False
        self.thread = threading.Thread(target=self._run, name="synctail-script", daemon=True)
        self._log = log
        self._key = key
        self._limits = limits
        self._timeout_s = definition.timeout_s
        self._cpu_s = int(max(60, 4 * definition.timeout_s))
        self._setup = {
            "code": definition.code,
            "key": key,
            "timeout_s": definition.timeout_s,
            "cpu_s": self._cpu_s,
            "without": without,
            **asdict(limits),
        }
        self._process: Process | None = None
        self._told = False
        self._lines = 0
        self._left_out = 0
        self._counted = False
        """Did the script live to say how many lines there were?"""

    def _run(self) -> None:
        try:
            while (batch := self.batches.get()) is not None:
                self.outcomes.put(self._outcome(batch))
        except Closing:
            pass
        except BaseException as error:  # noqa: BLE001 - the caller waits, and must hear of it
            self.outcomes.put(error)
        finally:
            self._end_process()
            # Not `Thread.join`, which takes a thread for ended once an interrupt broke its wait. Twice: an interrupt
            # may lose the first after `get` took it.
            self.ended.put(None)
            self.ended.put(None)

    def close(self) -> None:
        """Ask for the end; any thread may, any number of times."""
        self.closing = True
        self.batches.put(None)

    def _outcome(self, batch: Sequence[Record]) -> Outcome:
        self._lines = self._left_out = 0
        self._counted = False
        try:
            body = _encoded(batch, self._limits.output_bytes)
            process = self._ready_process()
            process.send(body)
            outcome = _paired(batch, self._answer(process), self._key)
        except Fault as fault:
            outcome = Outcome([], [], str(fault))
            self._end_process()  # with all that it left behind
        if self._left_out:
            how_many = f"{self._left_out:,} lines more" if self._counted else "More lines"
            text = f"{how_many} of the script were left out: a batch may have {self._limits.lines:,}"
            self._log.warning(text, phase=Phase.SCRIPT.value)
        return outcome

    def _answer(self, process: Process) -> Done:
        """Raises `Fault`."""
        until = time.monotonic() + self._timeout_s + _GRACE_S
        late = f"it took longer than {self._timeout_s:,} s, its time for a batch"
        answer: Done | Failed | None = None
        while True:
            body = process.message(until, late)
            if body.startswith(b'["line"') and self._lines >= self._limits.lines:
                self._left_out += 1
                continue
            match decoded(body):
                case Line(level, text, record):
                    self._say(level, text, record)
                case Done() | Failed() as answer:
                    pass
                case End(left_out, cpu_s) if answer:
                    self._left_out += max(0, left_out)
                    self._counted = True
                    if cpu_s > self._cpu_s / 2:  # what is left might not be enough for another batch
                        self._end_process()
                    if isinstance(answer, Failed):
                        raise Fault(f"{answer.says}\n{answer.trace}" if answer.trace else answer.says)
                    return answer
                case _:
                    raise Fault(SENSELESS)

    def _ready_process(self) -> Process:
        """The process, new where there is none. Raises `Fault`."""
        if self._process:
            return self._process
        try:
            longest = max(self._limits.output_bytes, 1 << 20) + 1024
            self._process = process = Process(self._setup, longest, self._say_printed, lambda: self.closing)
        except OSError as error:
            raise Fault(f"its process could not be started: {error}") from None
        start_s = self._limits.start_s
        late = f"its process did not come up within {start_s:.0f} s"
        match decoded(process.message(time.monotonic() + start_s, late)):
            case Ready(missing):
                self._say_missing(missing)
                return process
            case _:
                raise Fault(SENSELESS)

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process:
            process.end()

    def _say(self, level: Level, text: str, record: str | None = None, fields: dict[str, str] | None = None) -> None:
        if self._lines >= self._limits.lines:
            self._left_out += 1
            return
        self._lines += 1
        self._log.log(level.value, text, phase=Phase.SCRIPT.value, record=record, fields=fields)

    def _say_printed(self, text: str, fields: dict[str, str]) -> None:
        self._say(Level.WARNING, text, fields=fields)

    def _say_missing(self, missing: list[str]) -> None:
        if missing and not self._told:
            self._told = True
            known = {
                "network": "it can reach the network",
                "files": "it can read and write what the worker's user can",
                "processes": "it can signal other processes of its user",
                "user": "it runs as root",
            }
            says = "; ".join(known.get(one, one) for one in missing)
            text = f"This system does not offer all walls that a script is meant to have: {says}"
            self._log.warning(text, phase=Phase.SCRIPT.value)


def _encoded(batch: Sequence[Record], most_bytes: int) -> bytes:
    """Raises `Fault`."""
    try:
        body = b"[" + b",".join(as_json(record) for record in batch) + b"]"
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault(f"they cannot be given to it: {error}") from None
    if len(body) > most_bytes:
        most = f"{most_bytes / 1e6:,.1f} MB"
        raise Fault(f"they are {len(body) / 1e6:,.1f} MB; a script is given {most}. Make options.page_size smaller")
    return body


def _paired(batch: Sequence[Record], done: Done, key: str) -> Outcome:
    """Each returned record beside the one it stands for. Raises `Fault` for one that stands for none."""
    if len(done.places) != len(done.records):
        raise Fault(SENSELESS)
    free = dict.fromkeys(range(len(batch)))
    for place in done.places:
        if place is not None and place not in free:
            twice = 0 <= place < len(batch)
            raise Fault(f"it returned {key} {_key_text(batch[place], key)} twice" if twice else SENSELESS)
        if place is not None:
            del free[place]
    by_key: defaultdict[str, deque[int]] = defaultdict(deque)
    if None in done.places:
        for place in free:
            by_key[_key_text(batch[place], key)].append(place)

    def first_free(made: Record) -> int:
        if same := by_key[_key_text(made, key)]:
            del free[same[0]]
            return same.popleft()
        what = f"with {key} {_key_text(made, key)[:200]}" if key in made else f"without {key!r}"
        raise Fault(
            f"it returned a record {what} that stands for none of those it was given. A new record must carry the "
            f"{key!r} of the one it was made from, and each may come back once"
        )

    places = [
        first_free(made) if place is None else place for place, made in zip(done.places, done.records, strict=True)
    ]
    kept = [(batch[place], made) for place, made in zip(places, done.records, strict=True)]
    return Outcome(kept, [batch[place] for place in free])


def _key_text(record: Record, key: str) -> str:
    return as_json(record.get(key)).decode()
