"""The only writer of a sync's log and summary while its job runs: what a job calls.

It puts what was logged on a queue, for a thread of its own (`flusher`) to write, and never blocks the job on the
network. It decides nothing about the sync: `close` is told how it ended.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from synctail.log import flusher, lines
from synctail.log.appender import Appender, Claim
from synctail.log.cap import DEFAULT_LIMIT, LogLimit
from synctail.log.flusher import Cause, Flusher
from synctail.log.inbox import Changes, Close, Flush, Inbox
from synctail.log.lines import Entry
from synctail.log.masks import masker
from synctail.model.sync import Level

QUEUE_ITEMS = 200_000
"""Maximum lines that the flusher has not taken yet. It takes them while it waits for Redis too, so this is a burst."""

Fields = Mapping[str, Any] | None

_URGENT = frozenset({Level.WARNING.value, Level.ERROR.value})


class LogWriter:
    """Writes the log and the summary of one attempt of one sync.

    Create it in the process that runs the sync, as its thread does not survive a fork. Always `close` it: until then
    its heartbeats keep the sync running.

    The methods that log, and `set`, may be called from any thread and from signal handlers. They return at once, also
    while Redis is away: lines wait in memory, up to 64 MiB, and the log tells how many did not fit. A quiet log is
    written at once, a busy one every 20 ms. Lines are numbered in the order of the calls, without holes.

    Any value can be logged: it is masked, made readable and cut as needed.
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
        """Start writing.

        Args:
            appender: Writes to Redis.
            sync_id: The sync.
            claim: What `appender.claim(sync_id)` returned: it makes this the sync's only writer.
            secrets: Values that must not appear in the log. They are shown as `••••••`.
            limit: How much of the log is kept.
            interrupt: Called once for each cause, from the writer's thread: with "stop" when a user asked the sync to
                stop, with "fenced" when the log can no longer be written, as the sync was ended from outside.
        """
        self.sync_id = sync_id
        self._inbox = Inbox()
        self._flusher = Flusher(
            self._inbox, appender, sync_id, claim, mask=masker(secrets), limit=limit, interrupt=interrupt
        )
        self._thread = threading.Thread(target=self._flusher.run, name="synctail-flusher", daemon=True)
        self._thread.start()

    def log(
        self,
        level: str,
        text: object,
        phase: str | None = None,
        record: str | None = None,
        fields: Fields = None,
        payload: Fields = None,
    ) -> None:
        """Log one line.

        Args:
            level: "debug", "info", "warning" or "error". The last two are counted in the summary and written at once.
            text: The message: a string, bytes, or anything with a `str()`.
            phase: The phase of the sync, such as "pull".
            record: The key of the record that the line is about.
            fields: More values, by name; they are copied.
            payload: `n`, `kind`, `name` and `bytes` of the payload file that the line announces.
        """
        inbox = self._inbox
        if inbox.size() > QUEUE_ITEMS:
            inbox.refuse()
            return
        # What is not text yet may change after the call, so it is read now.
        string = text if type(text) is str else lines.readable(text)
        about = lines.plain(dict(fields)) if fields else None
        file = dict(payload) if payload else None
        entry = Entry(time.time(), level, string, _text(phase), _text(record), about, file)
        if level in _URGENT:
            inbox.put_urgent(entry)
        else:
            inbox.put(entry)

    def debug(self, text: object, phase: str | None = None, record: str | None = None, fields: Fields = None) -> None:
        """Log a line of level "debug"; see `log`."""
        self.log("debug", text, phase, record, fields)

    def info(self, text: object, phase: str | None = None, record: str | None = None, fields: Fields = None) -> None:
        """Log a line of level "info"; see `log`."""
        self.log("info", text, phase, record, fields)

    def warning(self, text: object, phase: str | None = None, record: str | None = None, fields: Fields = None) -> None:
        """Log a line of level "warning"; see `log`."""
        self.log("warning", text, phase, record, fields)

    def error(self, text: object, phase: str | None = None, record: str | None = None, fields: Fields = None) -> None:
        """Log a line of level "error"; see `log`."""
        self.log("error", text, phase, record, fields)

    def set(self, **fields: object) -> None:
        """Change fields of the summary; None empties one. They are written with the lines logged so far, or soon."""
        self._inbox.put(Changes(_stored(fields)))

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything logged and set so far is in Redis.

        Returns:
            False when that took longer than `seconds`, or can no longer happen, as the sync was ended from outside.
        """
        done: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._inbox.put_urgent(Flush(done))
        try:
            return done.get(timeout=seconds)
        except queue.Empty:
            return False

    def close(self, level: str, text: str, **fields: object) -> bool:
        """Write the last line and the last fields of the summary in one step, and end the thread.

        Waits up to ten minutes for a Redis that is away. What is logged after the call is not written.

        Returns:
            False when the ending could not be written: the sync was ended from outside, or Redis stayed away.
        """
        self._inbox.put_urgent(Close(Entry(time.time(), level, text), _stored(fields)))
        self._thread.join(flusher.CLOSE_S + 10)
        return self._flusher.ended


def _stored(fields: Mapping[str, object]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in fields.items()}


def _text(name: str | None) -> str | None:
    return name if name is None or type(name) is str else lines.readable(name)
