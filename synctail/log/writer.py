"""The only writer of a sync's log and summary while its job runs.

`info()` and its sisters only put a tuple on a queue; a flusher thread numbers, encodes and appends. A quiet log is
written at once, a busy one in chunks. It never blocks the job on the network, and keeps what it could not write yet.
It decides nothing about the sync: `close()` is told how it ended.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from redis.exceptions import RedisError

from synctail.log import lines
from synctail.log.appender import Answer, Appender, Claim
from synctail.log.cap import DEFAULT_LIMIT, LogCap, LogLimit
from synctail.log.lines import Entry
from synctail.log.masks import masker
from synctail.model.sync import Level

WINDOW_S = 0.020
"""A busy log is written this often."""
BEAT_S = 1.0
"""The longest silence towards Redis: a sign of life, and how soon a wish to stop is heard."""
CHUNK_LINES = 500
CHUNK_BYTES = 64 * 1024
KEPT_S = 10.0
"""Acknowledged chunks are kept this long, to be sent again when a failover took Redis back in time."""
SPOOL_BYTES = 64 * 1024 * 1024
"""What may wait for Redis; lines over that are dropped, and the log says how many."""
QUEUE_ITEMS = 200_000
"""What the flusher has not taken yet, at most: it takes while it waits for Redis, so this is a burst."""
BACKOFF_S = (0.05, 0.5)
CLOSE_S = 600.0
"""How long `close` waits for a Redis that is away before it leaves the ending to others. Nobody but this writer has the
last lines, or knows how the sync ended; and a worker without Redis has nothing else to do."""

_log = logging.getLogger("synctail.logwriter")

Cause = Literal["stop", "fenced"]


class _Set(NamedTuple):
    fields: dict[str, str]


class _Flush(NamedTuple):
    done: queue.SimpleQueue[bool]


class _Close(NamedTuple):
    line: Entry
    fields: dict[str, str]


class _Chunk(NamedTuple):
    first: int
    line_count: int
    encoding: str = "json"
    body: bytes = b""

    @property
    def last(self) -> int:
        return self.first + self.line_count - 1


class LogWriter:
    """Writes one attempt of one sync. Make it inside the job (threads do not survive RQ's fork); always `close` it.

    `interrupt(cause)` is called on the flusher's thread, once for each cause: "stop" when somebody asked the sync to
    stop, "fenced" when somebody else has ended it.
    """

    def __init__(
        self,
        appender: Appender,
        sync_id: str,
        claim: Claim,
        *,
        secrets: Iterable[str] = (),
        limit: LogLimit = DEFAULT_LIMIT,
        interrupt: Callable[[Cause], None] = lambda _: None,
    ) -> None:
        self._appender = appender
        self._sync_id = sync_id
        self._attempt = claim.attempt
        self._mask = masker(secrets)
        self._interrupt = interrupt
        # SimpleQueue.put cannot be torn by a signal handler that raises; a lock could be left held.
        self._queue: queue.SimpleQueue[Entry | _Set | _Flush | _Close] = queue.SimpleQueue()
        self._hurry: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._turned_away: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._written = False

        # From here on the flusher's own.
        self._next = claim.last + 1
        self._waiting: deque[Entry] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._kept: deque[tuple[float, _Chunk]] = deque()
        self._changes: dict[str, str] = {}
        self._summary: dict[str, str] = {}
        self._cap = LogCap(limit, claim.last)
        self._counts = {Level.WARNING.value: 0, Level.ERROR.value: 0}
        self._flushes: list[_Flush] = []
        self._ending: _Close | None = None
        self._close_by = float("inf")
        self._told: set[Cause] = set()
        self._told_lost = (0, 0)
        self._dead = False
        self._sent_at = 0.0
        self._thread = threading.Thread(target=self._run, name="synctail-flusher", daemon=True)
        self._thread.start()

    # --- the job's side -----------------------------------------------------------------------------------------

    def debug(
        self,
        text: object,
        phase: str | None = None,
        record: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self._put(Level.DEBUG.value, text, phase, record, fields)

    def info(
        self,
        text: object,
        phase: str | None = None,
        record: str | None = None,
        fields: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        """One line. `phase`: where in the sync; `record`: reference of the record it speaks of; `fields`: a dict;
        `payload`: `n`, `kind`, `name` and `bytes` of a payload file that is kept by now."""
        self._put(Level.INFO.value, text, phase, record, fields, payload)

    def warning(
        self,
        text: object,
        phase: str | None = None,
        record: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self._put(Level.WARNING.value, text, phase, record, fields)
        self._hurry.put(None)

    def error(
        self,
        text: object,
        phase: str | None = None,
        record: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self._put(Level.ERROR.value, text, phase, record, fields)
        self._hurry.put(None)

    def set(self, **fields: object) -> None:
        """Changes of the summary, written together with the lines logged so far; None empties a field."""
        self._queue.put(_Set({name: "" if value is None else str(value) for name, value in fields.items()}))

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was logged before is in Redis; False when that took too long, or can no longer be."""
        done: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._queue.put(_Flush(done))
        self._hurry.put(None)
        try:
            return done.get(timeout=seconds)
        except queue.Empty:
            return False

    def close(self, level: str, text: str, **fields: object) -> bool:
        """Write the last line and the summary's last fields in one step, and end the flusher.

        Returns False when the ending could not be written: somebody else has ended the sync, or Redis was away for
        more than `CLOSE_S`.
        """
        stored = {name: "" if value is None else str(value) for name, value in fields.items()}
        self._queue.put(_Close(Entry(time.time(), level, text), stored))
        self._hurry.put(None)
        self._thread.join(CLOSE_S + 10)
        return self._written

    def _put(
        self,
        level: str,
        text: object,
        phase: str | None,
        record: str | None,
        fields: Mapping[str, Any] | None,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        if self._queue.qsize() > QUEUE_ITEMS:
            self._turned_away.put(None)
            return
        # What is not text yet may change after the call, so it is read now.
        string = text if type(text) is str else lines.readable(text)
        about = lines.plain(dict(fields)) if fields else None
        file = dict(payload) if payload else None
        self._queue.put(Entry(time.time(), level, string, _text(phase), _text(record), about, file))

    # --- the flusher's side -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._ending:
                self._wait_for_work()
                self._write_waiting()
                self._answer_flushes()
            if not self._dead:
                self._write_ending(self._ending)
        except Exception:  # noqa: BLE001 - never silently: without a flusher a sync would look alive and say nothing
            _log.exception("The log of sync %s can no longer be written", self._sync_id)
            self._tell("fenced")
            self._die()

    def _wait_for_work(self) -> None:
        """Until something was logged and its window is over, or a sign of life is due."""
        try:
            self._accept(self._queue.get(timeout=max(0.0, self._sent_at + BEAT_S - time.monotonic())))
        except queue.Empty:
            return
        self._pause(self._sent_at + WINDOW_S - time.monotonic())

    def _pause(self, seconds: float) -> None:
        """Let lines gather for so long, or until one of them is urgent; then take them all."""
        if seconds > 0:
            with suppress(queue.Empty):
                self._hurry.get(timeout=seconds)
        while not self._hurry.empty():
            self._hurry.get()
        for _ in range(self._queue.qsize()):
            self._accept(self._queue.get())

    def _accept(self, item: Entry | _Set | _Flush | _Close) -> None:
        match item:
            case Entry():
                self._accept_line(item)
            case _Set(fields):
                self._changes.update(fields)
            case _Flush():
                self._flushes.append(item)
            case _Close():
                self._ending = item
                self._close_by = time.monotonic() + CLOSE_S

    def _accept_line(self, entry: Entry) -> None:
        if self._dead:
            return
        size = _size(entry)
        if self._waiting_bytes + size > SPOOL_BYTES:
            self._lost += 1
            return
        if self._lost or not self._turned_away.empty():
            self._say_what_was_lost()
        self._waiting.append(entry)
        self._waiting_bytes += size

    def _say_what_was_lost(self) -> None:
        for _ in range(self._turned_away.qsize()):
            self._turned_away.get()
            self._lost += 1
        if self._lost:
            text = f"{self._lost:,} lines lost: they came faster than Redis could take them, and the spool was full"
            self._lost = 0
            self._waiting.append(Entry(time.time(), Level.WARNING.value, text))

    def _write_waiting(self) -> None:
        """All lines that wait, in chunks; or, when there are none, a sign of life."""
        if self._dead:
            self._waiting.clear()
            self._sent_at = time.monotonic()
            return
        self._say_what_was_lost()
        while True:
            self._deliver(self._next_chunk())
            if not self._waiting or self._dead:
                return

    def _next_chunk(self) -> _Chunk:
        """Number and encode the next lines. From here on they are never dropped."""
        taken: list[Entry] = []
        size = 0
        while self._waiting and len(taken) < CHUNK_LINES and size < CHUNK_BYTES:
            entry = self._waiting.popleft()
            cost = _size(entry)
            self._waiting_bytes = max(0, self._waiting_bytes - cost)
            self._count(entry)
            taken += self._cap.pass_on(entry)
            size += cost
        return self._number(taken)

    def _number(self, entries: list[Entry]) -> _Chunk:
        first = self._next
        if not entries:
            return _Chunk(first, 0)
        self._next += len(entries)
        body = lines.encode_lines(first, entries, self._mask)
        self._cap.wrote(len(body))
        return _Chunk(first, len(entries), *lines.pack_body(body))

    def _count(self, entry: Entry) -> None:
        level = entry.level
        if level in self._counts:
            self._counts[level] += 1
            self._changes[f"{level}s"] = str(self._counts[level])

    def _write_ending(self, ending: _Close) -> None:
        self._write_waiting()
        if self._dead:
            return
        last_words = [ending.line]
        if self._cap.left_out:
            text = f"{self._cap.left_out:,} lines more were logged, and not kept"
            last_words.insert(0, Entry(ending.line.at, Level.WARNING.value, text))
        for entry in last_words:
            self._count(entry)
        self._changes.update(ending.fields)
        self._written = self._deliver(self._number(last_words))
        self._answer_flushes()

    def _deliver(self, chunk: _Chunk) -> bool:
        """Append until Redis has answered. True: it is there. False: this writer may not write any more."""
        self._summary.update(self._changes)
        fields, self._changes = self._changes, {}
        lost_before = False
        delay, longest = BACKOFF_S
        while True:
            try:
                answer = self._append(chunk, fields, lost_before=lost_before)
                if answer.verdict in ("ok", "have") and answer.last < chunk.last and not lost_before:
                    answer = answer._replace(verdict="gap")  # a sign of life that found an older Redis
                if answer.verdict == "gap":
                    self._send_again(answer.last, chunk)
                    fields, lost_before = dict(self._summary), True
                    continue
            except RedisError as error:
                if time.monotonic() > self._close_by:
                    _log.error("Sync %s: Redis is away, its ending is left to the clock: %s", self._sync_id, error)
                    return self._die()
                lost_before = False  # it may come back older still
                self._pause(delay)
                delay = min(delay * 2, longest)
                continue
            return self._settle(chunk, answer)

    def _append(self, chunk: _Chunk, fields: dict[str, str], *, lost_before: bool) -> Answer:
        return self._appender.append(
            self._sync_id,
            attempt=self._attempt,
            first=chunk.first,
            count=chunk.line_count,
            encoding=chunk.encoding,
            body=chunk.body,
            lost_before=lost_before,
            fields=fields,
        )

    def _send_again(self, last: int, chunk: _Chunk) -> None:
        """Redis went back to line `last` (a failover, an older file): give it what was kept."""
        again = [kept for _, kept in self._kept if kept.last > last]
        self._say_what_redis_lost(last + 1, (again[0].first if again else chunk.first) - 1)
        for kept in again:
            self._append(kept, {}, lost_before=True)

    def _say_what_redis_lost(self, first: int, last: int) -> None:
        """Once: until a chunk is there again, each append finds the same hole."""
        told_first, told_last = self._told_lost
        if first > last or told_first <= first <= last <= told_last:
            return
        self._told_lost = (first, last)
        text = f"Redis went back in time and lost lines {first:,} to {last:,}"
        self._waiting.append(Entry(time.time(), Level.WARNING.value, text))

    def _settle(self, chunk: _Chunk, answer: Answer) -> bool:
        now = self._sent_at = time.monotonic()
        # A fence that stands at our own last line is our own ending: the reply to it was lost, and it was sent again.
        own_ending = answer.verdict == "fenced" and answer.attempt == self._attempt and answer.last == chunk.last
        if answer.verdict in ("fenced", "gone") and not (own_ending and self._ending):
            self._tell("fenced")
            return self._die()
        if chunk.line_count:
            self._kept.append((now, chunk))
        while self._kept and self._kept[0][0] < now - KEPT_S:
            self._kept.popleft()
        if answer.stop:
            self._tell("stop")
        return True

    def _tell(self, cause: Cause) -> None:
        if cause not in self._told and not self._ending:
            self._told.add(cause)
            self._interrupt(cause)

    def _die(self) -> bool:
        self._dead = True
        self._waiting.clear()
        self._answer_flushes()
        return False

    def _answer_flushes(self) -> None:
        for flush in self._flushes:
            flush.done.put(not self._dead)
        self._flushes.clear()


def _size(entry: Entry) -> int:
    """About so many bytes in memory, and on the wire."""
    return len(entry.text) + 64 + (len(str(entry.fields)) if entry.fields else 0)


def _text(name: str | None) -> str | None:
    return name if name is None or type(name) is str else lines.readable(name)
