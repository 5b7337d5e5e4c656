"""How much of a sync's log is kept: a sync that runs wild fills its log, not Redis. Pure: entries in, entries out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from synctail.log.lines import Entry
from synctail.model.sync import Level

ERRORS_PART = 10
"""Of a full log a tenth more is kept for errors: what went wrong must be found there, whatever else was logged."""


class LogLimit(NamedTuple):
    """`bytes` are those of the lines as they are sent to readers, not as they are compressed in Redis."""

    lines: int
    bytes: int


DEFAULT_LIMIT = LogLimit(lines=2_000_000, bytes=1 << 30)


class LogCap:
    """Passes on what is kept. Where it ends a line says so; errors go on for a while; where they end another does."""

    def __init__(self, limit: LogLimit, lines_already: int) -> None:
        self._limit = limit
        self._lines_left = limit.lines - lines_already
        self._bytes_left = limit.bytes
        self._errors_only = self._closed = False
        self.left_out = 0

    def pass_on(self, entry: Entry) -> Sequence[Entry]:
        """The entry; nothing; or before the first one that is left out, a line that says so."""
        if self._closed or (self._errors_only and entry.level != Level.ERROR):
            self.left_out += 1
            return ()
        if self._lines_left > 0 and self._bytes_left > 0:
            self._lines_left -= 1
            return (entry,)
        if self._errors_only:
            self._closed = True
            said = "Errors are no longer kept either: there were too many of them. The counts go on"
        else:
            self._errors_only = True
            self._lines_left = self._limit.lines // ERRORS_PART
            self._bytes_left = self._limit.bytes // ERRORS_PART
            said = (
                f"The log is full: it has {self._limit.lines:,} lines or {self._limit.bytes:,} bytes, the most that is "
                "kept of one sync (SYNCTAIL_LOG_LINES, SYNCTAIL_LOG_BYTES). The sync, its counts and its errors go on"
            )
        return (Entry(entry.at, Level.WARNING.value, said), *self.pass_on(entry))

    def wrote(self, size_bytes: int) -> None:
        """So much of what was passed on became bytes."""
        self._bytes_left -= size_bytes
