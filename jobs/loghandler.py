"""Brings Python's `logging` into a sync's log: a library's warnings stand beside the sync's own lines."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.lines import readable
from jobs.records import Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.logwriter import LogWriter

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


@contextmanager
def captured(log: LogWriter) -> Iterator[None]:
    """While inside, what is logged anywhere in this process is in the sync's log too."""
    root = logging.getLogger()
    handler = LogHandler(log)
    root.addHandler(handler)
    level = root.level
    root.setLevel(min(level or logging.WARNING, logging.INFO))
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
