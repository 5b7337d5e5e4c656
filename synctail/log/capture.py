"""Captures Python's `logging`, and what is printed, in a sync's log.

So the warnings of a library appear among the sync's own lines. What native code writes to the file descriptors 1 and 2
goes to the worker's output instead.
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

_OWN = ("synctail.flusher", "redis", "rq")
"""Loggers of the writer itself and of RQ: writing their lines to the log would cause more of them."""


class LogHandler(logging.Handler):
    """Passes records of level INFO and above to a log."""

    def __init__(self, log: LogWriter) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] in _OWN or record.name in _OWN:
            return
        if record.levelno < logging.WARNING and record.name.split(".")[0] in ("httpx2", "httpcore2"):
            return  # a line for each request, which the connector logs in better words
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a broken format string must not break the sync
            text = f"{readable(record.msg)} {readable(record.args)}"
        self._log.log(_level(record.levelno), text, fields={"logger": record.name})


def _level(levelno: int) -> str:
    if levelno >= logging.ERROR:
        return Level.ERROR.value
    return Level.WARNING.value if levelno >= logging.WARNING else Level.INFO.value


class Printed(io.RawIOBase):
    """A stream that logs each line printed to it; a very long one in pieces."""

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
        """Log what was printed last, without a line break."""
        if self._begun:
            self.write(b"\n")


@contextmanager
def captured(log: LogWriter) -> Iterator[None]:
    """Inside the block, everything that is logged or printed in this process is written to `log`.

    What is logged also reaches the other handlers, what is printed does not reach the terminal.
    """
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
    # Written at each line break, not with each of the pieces that `print` writes.
    return io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", newline="\n", line_buffering=True)
