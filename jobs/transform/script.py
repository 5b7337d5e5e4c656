"""A service's script: a Python function over records, run in a process of its own, batch by batch.

    def handle(records, log):
        log(f"{len(records)} records")
        return [{**record, "total": record["net"] * 1.2} for record in records if record["net"]]

`records` is a list of objects (dicts) as they were pulled and filtered, as JSON carries them: a time or a decimal of a
database is text. What it prints, and what it says with `log("…")`, `log.debug`, `log.warning` and `log.error` (each
takes `record=` to name the record it speaks of) is in the sync's log, with the phase `script`.

**What comes back, and the counts.** `handle` returns a list of records. Each stands for exactly one of those given: for
the one it *is* (the same dict, changed or not); a new dict stands for the one with the same value of the source's key,
the first one left if several have it. A given record that nothing stands for was dropped, and counts as filtered. A
returned record that stands for none, one that was added or doubled, is a fault. A fault of any kind fails all records
of the batch: none of it is pushed, the log says why, and the next batch begins in a new process. What an earlier sync
has seen is asked of, and remembered for, the record as it was pulled; a script that was changed sees only what changed
since. What one batch leaves in a script's globals may or may not be there for the next.

**The walls** are a fence against accidents and casual abuse. Only admins edit scripts, and they are trusted; Python,
Linux and this file have faults that somebody who looks for them will find. A script

- has an interpreter without site-packages and without our modules, an empty environment, no descriptors but its pipes,
  and dies with the worker's process;
- has so much memory, processor time, open files and file size, so much time for a batch and so many bytes and lines to
  give back, as `Limits` says; it cannot start processes or threads (it can where it is root and there is no
  seccomp: they end with it, but without namespaces not those that made a session of their own);
- on Linux, where the worker is root or namespaces can be had by anybody: sees a file system that holds Python's library
  and the system's (`/lib`, `/usr/lib`), to be read, and an empty `/tmp` in memory, to be written; no network; no other
  process. Under a worker that is root it is the user 65534; where that root has no CAP_SYS_ADMIN it stays root, without
  capabilities, in a namespace of users;
- on Linux where that cannot be had, as in most containers: is kept from other files by Landlock, from sockets,
  processes and signals by seccomp, where the kernel has them (seccomp: x86-64 and aarch64). It can see whether a file
  is there, and its size. Under root it is the user 65534 if that one can read Python, else root without capabilities;
- elsewhere, as on macOS: runs as the worker's user, and can read and write and reach what that user can.

What of this could not be had is said in the log, once for each sync. What no wall is for: it shares the machine's
processors and the kernel, can tell the time and the kernel's version, and returns to the destination what it likes.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import re
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import msgspec
from msgspec import Struct

from jobs.transform.sandbox import keeper
from jobs.transform.sandbox import messages as inside
from synctail.log.capture import Printed
from synctail.log.writer import LogWriter
from synctail.model.json_text import Record, as_json, counted, reference
from synctail.model.sync import Level, Phase

NAMED = 100
"""So many of the records that a fault fails are named in one line."""

_TICK_S = 0.05
"""How soon a sync that is interrupted lets go of its script."""
_GRACE_S = 1.0
"""After its time a script has so long to say where it is."""
_END_S = 5.0
_PIECE = 1 << 18
_SENSELESS = "its process sent what makes no sense: did it write to descriptors that are not its own?"


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


class Definition(Protocol):
    """What a service says of its script; the language is Python."""

    @property
    def code(self) -> str: ...
    @property
    def timeout_s(self) -> float:
        """For a batch, on the clock."""


class Outcome(NamedTuple):
    """What became of a batch. Every record given is in `kept`, or in `dropped`, or the whole batch has a `fault`.

    `kept`: as it was pulled and, beside it, as the script made it, in the script's order. `fault`: the log has it.
    """

    kept: list[tuple[Record, Record]]
    dropped: list[Record]
    fault: str | None = None


def hide_environment() -> None:
    """Keep this process's memory and environment, secrets and all, from other processes of the same user: as in
    `/proc/PID/environ`. Also those that it forks. For the worker's `main`: it stands where other walls cannot be had.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


class Script:
    """One sync's script. Nothing is started before the first batch; leaving the context ends the process.

    An interrupt may come at any moment, in any line of the thread that calls `run`. So a thread that no signal handler
    runs in owns the process, its pipes and its folder; the caller only asks and waits, on its way out for the end.
    """

    def __init__(
        self,
        definition: Definition,
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
        # An interrupt may even come at the door of `__exit__`, before its first line. Nobody waits then, but all goes.
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
        """One batch. Whatever the script does, this returns, with a line in the log for what went wrong."""
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
                said = f"Of these also: {counted(len(names))}"
            self._log.error(said, phase=Phase.SCRIPT.value, fields={"records": names})


# --- the owner ----------------------------------------------------------------------------------------------------


class _Fault(Exception):
    """A batch failed; the text is for the log."""


class _Died(Exception):
    pass


class _TimeUp(Exception):
    pass


class _Closing(Exception):
    pass


class _Ready(Struct, tag="ready", array_like=True):
    missing: list[str]


class _Line(Struct, tag="line", array_like=True):
    level: Level
    text: str
    record: str | None


class _Done(Struct, tag="done", array_like=True):
    records: list[dict[str, Any]]
    places: list[int | None]


class _Failed(Struct, tag="fault", array_like=True):
    says: str
    trace: str


class _End(Struct, tag="end", array_like=True):
    left_out: int
    cpu_s: float


_Message = _Ready | _Line | _Done | _Failed | _End
_decoder: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message)


def _decoded(body: bytes) -> _Message:
    """Raises `_Fault`: whoever is on the other side may have sent anything."""
    try:
        try:
            return _decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # half a surrogate pair, which JSON can name and UTF-8 cannot
            found: _Message = msgspec.convert(json.loads(body), _Message)
            return found
    except (ValueError, RecursionError):
        raise _Fault(_SENSELESS) from None


class _Owner:
    """What runs on the thread that has the process."""

    def __init__(self, definition: Definition, log: LogWriter, key: str, limits: Limits, without: list[str]) -> None:
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
            "memory_bytes": limits.memory_bytes,
            "file_bytes": limits.file_bytes,
            "output_bytes": limits.output_bytes,
            "open_files": limits.open_files,
            "lines": limits.lines,
            "without": without,
        }
        self._child: _Child | None = None
        self._told = False
        self._lines = 0
        self._left_out = 0
        self._counted = False
        """Did the script live to say how many lines there were?"""

    def _run(self) -> None:
        try:
            while (batch := self.batches.get()) is not None:
                self.outcomes.put(self._outcome(batch))
        except _Closing:
            pass
        except BaseException as error:  # noqa: BLE001 - the caller waits, and must hear of it
            self.outcomes.put(error)
        finally:
            self._end_child()
            # Not `Thread.join`, which takes a thread for ended once it was interrupted in waiting for it. Twice: an
            # interrupt may lose what has been taken already.
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
            done = self._done(batch)
            kept = _paired(batch, done, self._key)
        except _Fault as fault:
            outcome = Outcome([], [], str(fault))
        else:
            taken = {place for place, _ in kept}
            dropped = [record for place, record in enumerate(batch) if place not in taken]
            outcome = Outcome([(batch[place], made) for place, made in kept], dropped)
        if outcome.fault:
            self._end_child()  # whatever it has left behind
        if self._left_out:
            how_many = f"{self._left_out:,} lines more" if self._counted else "More lines"
            text = f"{how_many} of the script were left out: a batch may have {self._limits.lines:,}"
            self._log.warning(text, phase=Phase.SCRIPT.value)
        return outcome

    def _done(self, batch: Sequence[Record]) -> _Done:
        """Raises `_Fault`."""
        try:
            body = b"[" + b",".join(as_json(record) for record in batch) + b"]"
        except (TypeError, ValueError, RecursionError) as error:
            raise _Fault(f"they cannot be given to it: {error}") from None
        if len(body) > self._limits.output_bytes:
            most = f"{self._limits.output_bytes / 1e6:,.1f} MB"
            raise _Fault(
                f"they are {len(body) / 1e6:,.1f} MB; a script is given {most}. Make options.page_size smaller"
            )
        try:
            child = self._ready_child()
            child.send(body)
            return self._answer(child, time.monotonic() + self._timeout_s + _GRACE_S)
        except _TimeUp:
            raise _Fault(f"it took longer than {self._timeout_s:,} s, its time for a batch{self._where()}") from None
        except _Died:
            raise _Fault(self._how_it_died()) from None

    def _answer(self, child: _Child, until: float) -> _Done:
        answer: _Done | _Failed | None = None
        for body in child.messages(until):
            if body.startswith(b'["line"') and self._lines >= self._limits.lines:
                self._left_out += 1
                continue
            match _decoded(body):
                case _Line(level, text, record):
                    self._say(level, text, record)
                case _Done() | _Failed() as answer:
                    pass
                case _End(left_out, cpu_s) if answer:
                    self._left_out += max(0, left_out)
                    self._counted = True
                    if cpu_s > self._cpu_s / 2:  # what is left might not be enough for another batch
                        self._end_child()
                    break
                case _:
                    raise _Fault(_SENSELESS)
        match answer:
            case _Done():
                return answer
            case _Failed(says, trace):
                raise _Fault(f"{says}\n{trace}" if trace else says)
            case None:
                raise _Died

    # --- its process ------------------------------------------------------------------------------------------------

    def _ready_child(self) -> _Child:
        """The process, new where there is none. Raises `_Fault`, `_Died`, `_TimeUp`."""
        if self._child:
            return self._child
        try:
            longest = max(self._limits.output_bytes, 1 << 20) + 1024
            self._child = child = _Child(self._setup, longest, self._say_raw, lambda: self.closing)
        except OSError as error:
            raise _Fault(f"its process could not be started: {error}") from None
        try:
            for body in child.messages(time.monotonic() + self._limits.start_s):
                match _decoded(body):
                    case _Ready(missing):
                        self._say_missing(missing)
                        return child
                    case _:
                        break
        except _TimeUp:
            raise _Fault(f"its process did not come up within {self._limits.start_s:.0f} s") from None
        raise _Died

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child:
            child.end()

    def _where(self) -> str:
        place = re.search(rf'File "{inside.NAME}", line (\d+)', self._child.stack if self._child else "")
        return f"; it was at line {place[1]} of the script" if place else ""

    def _how_it_died(self) -> str:
        child = self._child
        status = child.end() if child else None
        where = self._where()
        if status is None:
            return "its process had to be killed"
        if status in {inside.BROKEN_PIPE, 128 + signal.SIGKILL}:
            # Which one cannot be told: a script that closes our pipes is killed as well.
            why = "out of memory or processor time, or it closed descriptors that are not its own"
            return f"its process broke off: {why}{where}"
        if status < 128:
            return f"its process ended by itself, exit status {status}{where}"
        with suppress(ValueError):
            return f"its process was killed by {signal.Signals(status - 128).name}{where}"
        return f"its process ended with exit status {status}{where}"

    # --- its lines --------------------------------------------------------------------------------------------------

    def _say(self, level: Level, text: str, record: str | None = None, **fields: object) -> None:
        if self._lines >= self._limits.lines:
            self._left_out += 1
            return
        self._lines += 1
        write = {
            Level.DEBUG: self._log.debug,
            Level.INFO: self._log.info,
            Level.WARNING: self._log.warning,
            Level.ERROR: self._log.error,
        }[level]
        write(text, phase=Phase.SCRIPT.value, record=record, fields=fields or None)

    def _say_raw(self, line: bytes, fields: dict[str, str]) -> None:
        """What did not come through Python's `print`."""
        self._say(Level.WARNING, line.decode("utf-8", "backslashreplace"), **fields)

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


def _paired(given: Sequence[Record], done: _Done, key: str) -> list[tuple[int, Record]]:
    """Each returned record behind the place of the one it stands for. Raises `_Fault` for one that stands for none."""
    if len(done.places) != len(done.records):
        raise _Fault(_SENSELESS)
    free = dict.fromkeys(range(len(given)))
    for place in done.places:
        if place is not None and place not in free:
            twice = 0 <= place < len(given)
            raise _Fault(f"it returned {key} {_key_text(given[place], key)} twice" if twice else _SENSELESS)
        if place is not None:
            del free[place]
    by_key: defaultdict[str, deque[int]] = defaultdict(deque)
    if None in done.places:
        for place in free:
            by_key[_key_text(given[place], key)].append(place)
    kept: list[tuple[int, Record]] = []
    for place, made in zip(done.places, done.records, strict=True):
        if place is None:
            same = by_key[_key_text(made, key)]
            if not same:
                raise _Fault(_stands_for_none(made, key))
            kept.append((same.popleft(), made))
        else:
            kept.append((place, made))
    return kept


def _stands_for_none(made: Record, key: str) -> str:
    what = f"with {key} {_key_text(made, key)[:200]}" if key in made else f"without {key!r}"
    return (
        f"it returned a record {what} that stands for none of those it was given. A new record must carry the {key!r} "
        "of the one it was made from, and each may come back once"
    )


def _key_text(record: Record, key: str) -> str:
    return as_json(record.get(key)).decode()


# --- a process ----------------------------------------------------------------------------------------------------


class _Child:
    """The two processes of `sandbox`, their pipes and their folder. All of it belongs to one thread."""

    def __init__(
        self, setup: dict[str, Any], longest: int, say: Callable[..., None], closing: Callable[[], bool]
    ) -> None:
        """`longest`: a message, in bytes. `say`: hears each line of standard output that did not come through Python's.
        `closing`: is asked while waiting; when it says so, `_Closing` is raised."""
        self.stack = ""
        """Where the script was, in the words of Python's `faulthandler`."""
        self._say = say
        self._closing = closing
        self._longest = longest
        self._status: int | None = None
        self._out = memoryview(b"")
        self._in = bytearray()
        self._text = Printed(self._one_line, "output")
        self._in_stack = False
        self._folder = tempfile.mkdtemp(prefix="synctail-script-")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", keeper.PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd="/",
                env={},
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._requests, self._answers, self._prints = (
            stream.fileno()
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
            if stream is not None
        )
        self._selector = selectors.DefaultSelector()
        for fd in (self._answers, self._prints):
            self._selector.register(fd, selectors.EVENT_READ)
        for fd in (self._requests, self._answers, self._prints):
            os.set_blocking(fd, False)
        self.send(json.dumps({**setup, "folder": self._folder}).encode())

    def send(self, body: bytes) -> None:
        """Nothing is written yet: that is done while waiting for the answer."""
        self._in_stack, self.stack = False, ""
        waits = bool(self._out)
        self._out = memoryview(bytes(self._out) + struct.pack(">I", len(body)) + body)
        if not waits:
            self._selector.register(self._requests, selectors.EVENT_WRITE)

    def messages(self, until: float) -> Iterator[bytes]:
        """What comes, as it comes. Raises `_TimeUp` when it is `until` (monotonic), `_Died` when no more can come."""
        while True:
            yield from self._whole_ones()
            if self._closing():
                raise _Closing
            left = until - time.monotonic()
            if left <= 0:
                raise _TimeUp
            for ready, _ in self._selector.select(min(left, _TICK_S)):
                if ready.fd == self._requests:
                    self._write()
                elif ready.fd == self._prints:
                    self._read_prints()
                elif not self._read_answers():
                    self._read_prints()
                    raise _Died

    def _whole_ones(self) -> Iterator[bytes]:
        while len(self._in) >= 4:
            (size,) = struct.unpack_from(">I", self._in)
            if size > self._longest:
                raise _Fault(_SENSELESS)
            if len(self._in) < 4 + size:
                return
            body = bytes(self._in[4 : 4 + size])
            del self._in[: 4 + size]
            yield body

    def _write(self) -> None:
        try:
            self._out = self._out[os.write(self._requests, self._out[:_PIECE]) :]
        except BlockingIOError:
            return
        except OSError:  # it has gone: reading will say so
            self._out = memoryview(b"")
        if not self._out:
            self._selector.unregister(self._requests)

    def _read_answers(self) -> bool:
        try:
            piece = os.read(self._answers, _PIECE)
        except BlockingIOError:
            return True
        self._in += piece
        return bool(piece)

    def _read_prints(self) -> None:
        with suppress(BlockingIOError):
            piece = os.read(self._prints, _PIECE)
            if piece:
                self._text.write(piece)
            elif self._prints in self._selector.get_map():
                self._selector.unregister(self._prints)

    def _one_line(self, line: bytes, fields: dict[str, str]) -> None:
        if line.endswith(b"(most recent call first):"):
            self._in_stack = True
        if not self._in_stack:
            self._say(line, fields)
        elif len(self.stack) < inside.TEXT_LIMIT:
            self.stack += line.decode("utf-8", "backslashreplace") + "\n"

    def end(self) -> int | None:
        """However it stands with it: processes, pipes and folder are gone when this returns. The exit status: 128 and
        more for signals, as shells have it; None when it did not end by itself."""
        if self._process.returncode is not None:
            return self._status
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        # With its pipe closed the keeper kills the cage, removes the folder and goes. Killing the keeper first would
        # leave the cage to whoever inherits orphans, and not everybody reaps them.
        try:
            self._status = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the cage dies with it
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        return self._status
