"""What a job's threads hand to the flusher: lines, changes of the summary, flushes, the ending. It decides nothing."""

from __future__ import annotations

import queue
from contextlib import suppress
from typing import NamedTuple

from synctail.log.lines import Entry


class Changes(NamedTuple):
    """New values of fields of the summary."""

    fields: dict[str, str]


class Flush(NamedTuple):
    """A thread waits at `done` until everything before is in Redis; False: it can no longer be written."""

    done: queue.SimpleQueue[bool]


class Close(NamedTuple):
    """The last line, and the last fields of the summary."""

    line: Entry
    fields: dict[str, str]


Item = Entry | Changes | Flush | Close


class Inbox:
    """Any thread puts, one thread takes.

    All of it is `SimpleQueue`: its `put` never blocks, and a signal handler that raises in the middle cannot tear it. A
    lock could be left held.
    """

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._urgent: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._refused: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Not methods: a call of `log.info` costs about a microsecond, and one more frame would show.
        self.put = self._items.put
        self.size = self._items.qsize

    def put_urgent(self, item: Item) -> None:
        """The flusher takes it, and all before it, without letting more gather."""
        self._items.put(item)
        self._urgent.put(None)

    def refuse(self) -> None:
        """Count a line that was not put, because too many wait."""
        self._refused.put(None)

    def wait(self, seconds: float) -> Item | None:
        """The next item, or None after this many seconds without one."""
        try:
            return self._items.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None

    def gather(self, seconds: float) -> list[Item]:
        """All items, after more have gathered for this many seconds, or until one is urgent."""
        if seconds > 0:
            with suppress(queue.Empty):
                self._urgent.get(timeout=seconds)
        while not self._urgent.empty():
            self._urgent.get()
        return [self._items.get() for _ in range(self._items.qsize())]

    def take_refused(self) -> int:
        """How many lines were refused since the last call."""
        count = self._refused.qsize()
        for _ in range(count):
            self._refused.get()
        return count
