"""Lines that wait for Redis: in order, bounded, and with a note in place of those that did not fit. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from synctail.log.lines import Entry
from synctail.model.json_text import counted
from synctail.model.sync import Level

CHUNK_LINES = 500
CHUNK_BYTES = 64 * 1024
SPOOL_BYTES = 64 * 1024 * 1024


class Spool:
    """Holds up to `SPOOL_BYTES`. A line beyond that is dropped, and a line of the log says how many were."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._dropped = 0

    def __bool__(self) -> bool:
        return bool(self._entries or self._dropped)

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            size = _size(entry)
            if self._bytes + size > SPOOL_BYTES:
                self._dropped += 1
                continue
            if self._dropped:
                self._report_dropped(entry.at)
            self._entries.append(entry)
            self._bytes += size

    def drop(self, lines: int) -> None:
        """Count lines that were lost before they came here."""
        self._dropped += lines

    def warn(self, at: float, text: str) -> None:
        """Add a line of the writer's own. It always fits."""
        entry = Entry(at, Level.WARNING.value, text)
        self._entries.append(entry)
        self._bytes += _size(entry)

    def take(self, at: float) -> list[Entry]:
        """The lines of the next chunk. `at` is the Unix time of a note about dropped ones."""
        if self._dropped:
            self._report_dropped(at)
        taken: list[Entry] = []
        size = 0
        while self._entries and len(taken) < CHUNK_LINES and size < CHUNK_BYTES:
            entry = self._entries.popleft()
            taken.append(entry)
            size += _size(entry)
        self._bytes -= size
        return taken

    def _report_dropped(self, at: float) -> None:
        count, self._dropped = self._dropped, 0
        self.warn(
            at, f"{counted(count, 'line')} lost: they came faster than Redis could take them, and the spool was full"
        )


def _size(entry: Entry) -> int:
    """Approximate bytes, in memory and on the wire."""
    return len(entry.text) + 64 + (len(str(entry.fields)) if entry.fields else 0)
