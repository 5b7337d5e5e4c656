"""How much of a sync's log is kept: a sync that runs wild fills its log, not Redis. Pure: entries in, entries out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from synctail.log.lines import Entry
from synctail.model.json_text import counted
from synctail.model.sync import Level

ERRORS_PART = 10
"""A full log takes a tenth more for errors: what went wrong must be found there, whatever else was logged."""


class LogLimit(NamedTuple):
    """`bytes` counts lines as readers receive them, not as Redis stores them compressed."""

    lines: int
    bytes: int


DEFAULT_LIMIT = LogLimit(lines=2_000_000, bytes=1 << 30)


class LogCap:
    """Keeps lines up to a limit, then only errors, then none; a line says so each time."""

    def __init__(self, limit: LogLimit, lines_already: int) -> None:
        self._limit = limit
        self._lines_left = limit.lines - lines_already
        self._bytes_left = limit.bytes
        self._errors_only = self._closed = False
        self._left_out = 0

    def keep(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries that are kept, with a line before the first one that is not."""
        if len(entries) <= self._lines_left and self._bytes_left > 0 and not self._errors_only:
            self._lines_left -= len(entries)
            return entries
        return [kept for entry in entries for kept in self._keep(entry)]

    def _keep(self, entry: Entry) -> Iterator[Entry]:
        if self._closed or (self._errors_only and entry.level != Level.ERROR):
            self._left_out += 1
            return
        if self._lines_left > 0 and self._bytes_left > 0:
            self._lines_left -= 1
            yield entry
            return
        if self._errors_only:
            self._closed = True
            text = "Too many errors: further ones are counted but not kept"
        else:
            self._errors_only = True
            self._lines_left = self._limit.lines // ERRORS_PART
            self._bytes_left = self._limit.bytes // ERRORS_PART
            text = (
                f"The log is full: it reached {self._limit.lines:,} lines or {self._limit.bytes:,} bytes, the limit of "
                "one sync (SYNCTAIL_LOG_LINES, SYNCTAIL_LOG_BYTES). The sync continues; counts and errors are kept"
            )
        yield Entry(entry.at, Level.WARNING.value, text)
        yield from self._keep(entry)

    def close(self, last: Entry) -> Sequence[Entry]:
        """The last line, which is always kept, with a line before it when others were not."""
        if not self._left_out:
            return [last]
        text = f"{counted(self._left_out, 'more line')} logged, but not kept"
        return [Entry(last.at, Level.WARNING.value, text), last]

    def wrote(self, size_bytes: int) -> None:
        """Count the bytes of lines that were kept."""
        self._bytes_left -= size_bytes
