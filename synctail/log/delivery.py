"""Brings chunks to Redis in order, whatever it answers: what to append next, and what an answer means. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from synctail.log import lines
from synctail.log.appender import Answer
from synctail.log.cap import LogCap
from synctail.log.lines import Entry
from synctail.log.masks import Masker
from synctail.model.sync import Level

KEPT_S = 10.0
"""Acknowledged chunks are kept this long, to be sent again when a failover takes Redis back in time."""

Outcome = Literal["again", "written", "fenced"]


class Chunk(NamedTuple):
    """Encoded lines from number `first` on. A chunk without lines is a heartbeat."""

    first: int
    line_count: int = 0
    encoding: str = "json"
    body: bytes = b""

    @property
    def last(self) -> int:
        return self.first + self.line_count - 1


class Numbering:
    """Numbers and encodes lines. A line that has a number is never dropped."""

    def __init__(self, last: int, mask: Masker, cap: LogCap) -> None:
        """`last` is the number of the last line in the log."""
        self._next = last + 1
        self._mask = mask
        self._cap = cap

    def chunk(self, entries: Sequence[Entry]) -> Chunk:
        first = self._next
        if not entries:
            return Chunk(first)
        self._next += len(entries)
        body = lines.encode_lines(first, entries, self._mask)
        self._cap.wrote(len(body))
        return Chunk(first, len(entries), *lines.pack(body))


class SummaryFields:
    """The fields of the summary that a writer sets: those that changed since the last append, and all of them."""

    def __init__(self) -> None:
        self._counts = {Level.WARNING.value: 0, Level.ERROR.value: 0}
        self._changed: dict[str, str] = {}
        self.all: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._changed)

    def set(self, fields: Mapping[str, str]) -> None:
        self._changed.update(fields)

    def count(self, entries: Iterable[Entry]) -> None:
        """Count warnings and errors."""
        for entry in entries:
            level = entry.level
            if level in self._counts:
                self._counts[level] += 1
                self._changed[f"{level}s"] = str(self._counts[level])

    def take(self) -> dict[str, str]:
        """What changed since the last call."""
        changed, self._changed = self._changed, {}
        self.all.update(changed)
        return changed


class Append(NamedTuple):
    """One call of the appender."""

    chunk: Chunk
    fields: dict[str, str]
    lost_before: bool = False


class Delivery:
    """Delivers one chunk at a time: `begin`, then append `next` and pass on what came of it, until it is settled.

    A lost reply is harmless, as Redis recognises a chunk that it has. A Redis that went back in time is sent again what
    it acknowledged in the last `KEPT_S` seconds; `warn` is called with a text about lines that cannot be sent again.
    """

    def __init__(self, attempt: int, summary: SummaryFields, warn: Callable[[str], None]) -> None:
        self._attempt = attempt
        self._summary = summary
        self._warn = warn
        self._kept: deque[tuple[float, Chunk]] = deque()
        self._pending: deque[Append] = deque()
        self._final = False
        self._reported = (0, 0)

    def begin(self, chunk: Chunk, *, final: bool = False) -> None:
        """`final`: the changes of the summary are the sync's ending."""
        self._pending = deque([Append(chunk, self._summary.take())])
        self._final = final

    @property
    def next(self) -> Append:
        return self._pending[0]

    def failed(self) -> None:
        """Redis did not answer. It may come back older still, so nothing is taken for lost yet."""
        self._pending = deque([self._pending[-1]._replace(lost_before=False)])

    def answered(self, answer: Answer, now: float) -> Outcome:
        """Returns "again" when `next` is to be appended, "fenced" when this writer may no longer write.

        `now` is a monotonic time in seconds.
        """
        chunk, _, lost_before = self._pending[0]
        if answer.verdict in ("fenced", "gone"):
            # Our own ending: the reply to it was lost, and now the fence is at our own last line.
            own = self._final and answer.attempt == self._attempt and answer.last == chunk.last
            return "written" if own else "fenced"
        # A heartbeat is never a gap: it finds an older Redis by the number of its last line.
        if answer.verdict == "gap" or (answer.last < chunk.last and not lost_before):
            self._send_again(answer.last, self._pending[-1].chunk)
            return "again"
        self._pending.popleft()
        if self._pending:
            return "again"
        if chunk.line_count:
            self._kept.append((now, chunk))
        while self._kept and self._kept[0][0] < now - KEPT_S:
            self._kept.popleft()
        return "written"

    def _send_again(self, last: int, chunk: Chunk) -> None:
        """Redis went back to line `last`."""
        self._pending = deque(Append(kept, {}) for _, kept in self._kept if kept.last > last)
        self._pending.append(Append(chunk, dict(self._summary.all)))
        first = self._pending[0].chunk.first
        if first != last + 1:
            # Only here: a Redis that goes back once more must not hide what it loses then.
            self._pending[0] = self._pending[0]._replace(lost_before=True)
            self._report(last + 1, first - 1)

    def _report(self, first: int, last: int) -> None:
        """Lines that are lost for good, once: each append finds the same hole until a chunk follows it."""
        reported_first, reported_last = self._reported
        if first <= last and not reported_first <= first <= last <= reported_last:
            self._reported = (first, last)
            self._warn(f"Redis went back in time and lost lines {first:,} to {last:,}")
