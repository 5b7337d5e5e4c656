"""The thread that writes a log: batches what the job hands over, appends it, and retries while Redis is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal

from redis.exceptions import RedisError

from synctail.log.appender import Answer, Appender, Claim
from synctail.log.cap import LogCap, LogLimit
from synctail.log.delivery import Chunk, Delivery, Numbering, Outcome, SummaryFields
from synctail.log.inbox import Changes, Close, Flush, Inbox, Item
from synctail.log.lines import Entry
from synctail.log.masks import Masker
from synctail.log.spool import Spool

WINDOW_S = 0.020
"""A busy log is written this often."""
HEARTBEAT_S = 1.0
"""The longest silence towards Redis, and so how soon a stop request is heard."""
BACKOFF_S = (0.05, 0.5)
CLOSE_S = 600.0
"""How long an ending waits for a Redis that is away. Only this writer has the last lines and knows how the sync ended,
and a worker has nothing else to do without Redis."""

_log = logging.getLogger("synctail.flusher")

Cause = Literal["stop", "fenced"]


class _Stopped(Exception):
    """This writer may no longer write, or no longer tries."""


class Flusher:
    """`run` belongs to one thread; others use the inbox."""

    def __init__(
        self,
        inbox: Inbox,
        appender: Appender,
        sync_id: str,
        claim: Claim,
        *,
        mask: Masker,
        limit: LogLimit,
        interrupt: Callable[[Cause], None],
    ) -> None:
        self._inbox = inbox
        self._appender = appender
        self._sync_id = sync_id
        self._attempt = claim.attempt
        self._interrupt = interrupt
        self._spool = Spool()
        self._cap = LogCap(limit, claim.last)
        self._numbering = Numbering(claim.last, mask, self._cap)
        self._summary = SummaryFields()
        self._delivery = Delivery(claim.attempt, self._summary, lambda text: self._spool.warn(time.time(), text))
        self._flushes: list[Flush] = []
        self._close: Close | None = None
        self._close_by = float("inf")
        self._told: set[Cause] = set()
        self._written_at = 0.0
        self.ended = False
        """The ending is in Redis."""

    def run(self) -> None:
        """Write until the ending is in Redis, or the log can no longer be written."""
        try:
            while not self._close:
                self._wait()
                self._write()
            self._write_ending(self._close)
        except _Stopped:
            self._give_up()
        except Exception:  # noqa: BLE001 - never silently: without a flusher a sync would look alive and log nothing
            _log.exception("The log of sync %s can no longer be written", self._sync_id)
            self._give_up()

    def _give_up(self) -> None:
        """Interrupt the job, and drop what it logs until it closes the log."""
        self._tell("fenced")
        self._spool = Spool()
        while not self._close:
            self._answer_flushes(done=False)
            self._accept([item for item in self._inbox.gather(HEARTBEAT_S) if not isinstance(item, Entry)])
        self._answer_flushes(done=False)

    def _tell(self, cause: Cause) -> None:
        if cause not in self._told and not self._close:
            self._told.add(cause)
            self._interrupt(cause)

    # --- from the inbox -----------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Until something was logged and its window is over, or a heartbeat is due."""
        item = self._inbox.wait(self._written_at + HEARTBEAT_S - time.monotonic())
        if item is not None:
            self._accept([item])
            self._gather(self._written_at + WINDOW_S - time.monotonic())

    def _gather(self, seconds: float) -> None:
        self._accept(self._inbox.gather(seconds))
        self._spool.drop(self._inbox.take_refused())

    def _accept(self, items: Sequence[Item]) -> None:
        entries = [item for item in items if type(item) is Entry]
        self._spool.add(entries)
        if len(entries) < len(items):
            for item in items:
                match item:
                    case Changes(fields):
                        self._summary.set(fields)
                    case Flush():
                        self._flushes.append(item)
                    case Close():
                        self._close = item
                        self._close_by = time.monotonic() + CLOSE_S

    def _answer_flushes(self, *, done: bool) -> None:
        for flush in self._flushes:
            flush.done.put(done)
        self._flushes.clear()

    # --- to Redis -----------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Write all lines and changes that wait; without any, a heartbeat."""
        while True:
            entries = self._spool.take(time.time())
            self._summary.count(entries)
            self._deliver(self._numbering.chunk(self._cap.keep(entries)))
            if not self._spool and not self._summary:
                break
        self._answer_flushes(done=True)

    def _write_ending(self, close: Close) -> None:
        last_lines = self._cap.close(close.line)
        self._summary.count(last_lines)
        self._summary.set(close.fields)
        self._deliver(self._numbering.chunk(last_lines), final=True)
        self.ended = True
        self._answer_flushes(done=True)

    def _deliver(self, chunk: Chunk, *, final: bool = False) -> None:
        """Append until Redis has the chunk. Raises `_Stopped`."""
        self._delivery.begin(chunk, final=final)
        delay, longest = BACKOFF_S
        outcome: Outcome = "again"
        while outcome == "again":
            try:
                answer = self._append()
            except RedisError as error:
                self._delivery.failed()
                if time.monotonic() > self._close_by:
                    _log.error("Sync %s: Redis is away, the clock will end it: %s", self._sync_id, error)
                    raise _Stopped from None
                self._gather(delay)
                delay = min(delay * 2, longest)
            else:
                self._written_at = time.monotonic()
                outcome = self._delivery.answered(answer, self._written_at)
        if outcome == "fenced":
            raise _Stopped
        if answer.stop:
            self._tell("stop")

    def _append(self) -> Answer:
        chunk, fields, lost_before = self._delivery.next
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
