"""Brings what the rest of the process says into a sync's log: Python's `logging`, and what is printed.

A library's warnings stand beside the sync's own lines. What a program of another language writes to the file
descriptors 1 and 2 goes where the worker's output goes.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from typing_extensions import Buffer

from synctail.log.lines import TEXT_LIMIT_BYTES, readable
from synctail.log.writer import LogWriter
from synctail.model.sync import Level

_OWN = ("synctail.logwriter", "redis", "rq")
"""Loggers that speak of writing the log, or of RQ: in the log they would chase their own tail."""


class LogHandler(logging.Handler):
    def __init__(self, log: LogWriter) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] in _OWN or record.name in _OWN:
            return
        if record.levelno < logging.WARNING and record.name.split(".")[0] in ("httpx2", "httpcore2"):
            return  # one line for each request: the connector says that better
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a broken format string must not break the sync
            text = f"{readable(record.msg)} {readable(record.args)}"
        write = {
            Level.DEBUG: self._log.debug,
            Level.INFO: self._log.info,
            Level.WARNING: self._log.warning,
            Level.ERROR: self._log.error,
        }[_level(record.levelno)]
        write(text, fields={"logger": record.name})


def _level(levelno: int) -> Level:
    if levelno >= logging.ERROR:
        return Level.ERROR
    if levelno >= logging.WARNING:
        return Level.WARNING
    return Level.INFO if levelno >= logging.INFO else Level.DEBUG


class Printed(io.RawIOBase):
    """Where a stream's bytes become lines of the log, one for each that is printed; a long one in pieces."""

    def __init__(self, write: Callable[..., None], stream: str) -> None:
        self._write = write
        self.name = stream
        self._fields = {"stream": stream}
        self._begun = b""

    def writable(self) -> bool:
        return True

    def write(self, printed: Buffer) -> int:
        added = bytes(printed)
        *whole, begun = (self._begun + added).split(b"\n")
        while len(begun) >= TEXT_LIMIT_BYTES:
            whole.append(begun[:TEXT_LIMIT_BYTES])
            begun = begun[TEXT_LIMIT_BYTES:]
        self._begun = begun
        for line in whole:
            self._write(line.removesuffix(b"\r"), fields=self._fields)
        return len(added)

    def end(self) -> None:
        """What was printed last, without a line break."""
        if self._begun:
            self.write(b"\n")


@contextmanager
def captured(log: LogWriter) -> Iterator[None]:
    """While inside, what is logged or printed anywhere in this process is in the sync's log: logged there too, printed
    there only."""
    root = logging.getLogger()
    handler = LogHandler(log)
    root.addHandler(handler)
    level = root.level
    root.setLevel(min(level or logging.WARNING, logging.INFO))
    out, err = Printed(log.info, "stdout"), Printed(log.warning, "stderr")
    try:
        with redirect_stdout(_text(out)), redirect_stderr(_text(err)):
            yield
    finally:
        out.end()
        err.end()
        root.removeHandler(handler)
        root.setLevel(level)


def _text(raw: Printed) -> io.TextIOWrapper:
    # Text goes on at each line break, not with each of the pieces that `print` writes.
    return io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", newline="\n", line_buffering=True)
