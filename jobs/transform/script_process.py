"""The process of a script, as the worker sees it: its start, its pipes, what it sends, and its end.

Knows neither records nor the log. All of a `Process` belongs to one thread.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from jobs.transform.sandbox import keeper
from jobs.transform.sandbox.messages import BROKEN_PIPE, NAME, TEXT_LIMIT
from synctail.log.capture import Printed
from synctail.model.sync import Level

SENSELESS = "its process sent what makes no sense: did it write to descriptors that are not its own?"

_TICK_S = 0.05
"""How soon a sync that is interrupted leaves its script."""
_END_S = 5.0
_PIECE = 1 << 18


class Fault(Exception):
    """A batch failed; the text is for the log."""


class Closing(Exception):
    """The sync is leaving."""


class Ready(Struct, tag="ready", array_like=True):
    missing: list[str]


class Line(Struct, tag="line", array_like=True):
    level: Level
    text: str
    record: str | None


class Done(Struct, tag="done", array_like=True):
    records: list[dict[str, Any]]
    places: list[int | None]


class Failed(Struct, tag="fault", array_like=True):
    says: str
    trace: str


class End(Struct, tag="end", array_like=True):
    left_out: int
    cpu_s: float


_Message = Ready | Line | Done | Failed | End
_decoder: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message)


def decoded(body: bytes) -> _Message:
    """Raises `Fault`: a script can write anything to our pipe."""
    try:
        try:
            return _decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # half a surrogate pair, which JSON can name and UTF-8 cannot
            found: _Message = msgspec.convert(json.loads(body), _Message)
            return found
    except (ValueError, RecursionError):
        raise Fault(SENSELESS) from None


def _started(folder: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
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
        shutil.rmtree(folder, ignore_errors=True)
        raise


class Process:
    """The two processes of `sandbox`, their pipes and their folder."""

    def __init__(
        self,
        setup: dict[str, Any],
        longest: int,
        say: Callable[[str, dict[str, str]], None],
        closing: Callable[[], bool],
    ) -> None:
        """Start the process and queue its setup.

        Args:
            setup: as `sandbox.messages.Setup` has it, without the folder.
            longest: maximum bytes of a message.
            say: gets each line of standard output that did not come through Python's `print`.
            closing: asked while waiting; True raises `Closing`.
        """
        self._stack = ""
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
        self._process = _started(self._folder)
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
        self._in_stack, self._stack = False, ""
        waits = bool(self._out)
        self._out = memoryview(bytes(self._out) + struct.pack(">I", len(body)) + body)
        if not waits:
            self._selector.register(self._requests, selectors.EVENT_WRITE)

    def message(self, until: float, late: str) -> bytes:
        """The next message. Raises `Fault`, which says `late` at `until` (monotonic), or how the process ended."""
        while (body := self._whole_message()) is None:
            if self._closing():
                raise Closing
            left = until - time.monotonic()
            if left <= 0:
                raise Fault(f"{late}{self._where()}")
            for ready, _ in self._selector.select(min(left, _TICK_S)):
                if ready.fd == self._requests:
                    self._write()
                elif ready.fd == self._prints:
                    self._read_prints()
                elif not self._read_answers():
                    self._read_prints()
                    raise Fault(self._how_it_ended())
        return body

    def _whole_message(self) -> bytes | None:
        if len(self._in) < 4:
            return None
        (size,) = struct.unpack_from(">I", self._in)
        if size > self._longest:
            raise Fault(SENSELESS)
        if len(self._in) < 4 + size:
            return None
        body = bytes(self._in[4 : 4 + size])
        del self._in[: 4 + size]
        return body

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
            self._say(line.decode("utf-8", "backslashreplace"), fields)
        elif len(self._stack) < TEXT_LIMIT:
            self._stack += line.decode("utf-8", "backslashreplace") + "\n"

    def _where(self) -> str:
        place = re.search(rf'File "{NAME}", line (\d+)', self._stack)
        return f"; it was at line {place[1]} of the script" if place else ""

    def _how_it_ended(self) -> str:
        status = self.end()
        where = self._where()
        if status is None:
            return "its process had to be killed"
        if status in {BROKEN_PIPE, 128 + signal.SIGKILL}:
            # Which one cannot be told: a script that closes our pipes is killed as well.
            why = "out of memory or processor time, or it closed descriptors that are not its own"
            return f"its process broke off: {why}{where}"
        if status < 128:
            return f"its process ended by itself, exit status {status}{where}"
        with suppress(ValueError):
            return f"its process was killed by {signal.Signals(status - 128).name}{where}"
        return f"its process ended with exit status {status}{where}"

    def end(self) -> int | None:
        """In any state: processes, pipes and folder are gone when this returns.

        Returns:
            The exit status, 128 and more for signals, as in shells; None when the process did not end by itself.
        """
        if self._process.returncode is not None:
            return self._status
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        # With its pipe closed the keeper kills the cage, removes the folder and goes. Killing the keeper first would
        # leave the cage to the process that inherits orphans, which does not always reap them.
        try:
            self._status = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the cage dies with it
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        return self._status
