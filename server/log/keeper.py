"""Keeps one broadcast in step with Redis: pub/sub brings what is new, the stream whatever pub/sub lost."""

from __future__ import annotations

import asyncio
import logging

import zstandard
from redis.exceptions import RedisError

from server.log import wire
from server.log.broadcast import Broadcast
from server.log.log_reader import LogReader
from server.log.summaries import Summaries
from server.log.tail import SUMMARY_EVERY_S
from server.web import errors
from server.web.tasks import heed_cancellation, within
from synctail.model.sync import Summary

CHECK_EVERY_S = 5.0
"""The stream is read this often, whatever pub/sub brings."""
CONFIRM_S = 2.0
AWAY_S = 10.0
"""After this long without Redis the viewers are disconnected: a page must not look live when nothing can come."""

_log = logging.getLogger("synctail.keeper")


class Keeper:
    """`run` is a task of the hub; the subscriber calls `subscribed` and `received`."""

    def __init__(self, broadcast: Broadcast, summaries: Summaries, log: LogReader) -> None:
        self.broadcast = broadcast
        self._tail = broadcast.tail
        self._summaries = summaries
        self._reader = log
        self._wake = asyncio.Event()
        self._hole = asyncio.Event()
        self._stale = True
        """The stream has, or may have, lines that did not come by pub/sub."""
        self._summary_stale = True
        """The same for the summary, except for the number of its last line."""

    async def run(self) -> None:
        """Wait until Redis confirms the subscription, then read; and again whenever something may have been missed."""
        if not await within(self._wake, CONFIRM_S):
            _log.warning("Redis does not confirm subscriptions; reading logs every %.0f s meanwhile", CHECK_EVERY_S)
        away_since = 0.0
        while True:
            self._wake.clear()
            self._hole.clear()
            try:
                await self._look()
                away_since = 0.0
            except errors.ApiError as error:
                self.broadcast.fail(error)
                return
            except (ValueError, zstandard.ZstdError) as error:  # what is stored is not what we write
                _log.exception("The log of %s cannot be read", self._tail.sync_id)
                self.broadcast.fail(errors.ApiError(f"The log of this sync cannot be read: {error}"))
                return
            except RedisError as error:
                self._stale = self._summary_stale = True
                now = asyncio.get_running_loop().time()
                if not away_since:
                    _log.warning("Redis is away: %s", error)
                    away_since = now
                elif now - away_since > AWAY_S:
                    self.broadcast.fail(errors.RedisAway())
                    return
            heed_cancellation()
            # The summary at most twice a second, however many messages come. A hole in the lines cannot wait, and a
            # Redis that is away is tried again as soon.
            if await within(self._hole, SUMMARY_EVERY_S) or away_since:
                continue
            if not await within(self._wake, CHECK_EVERY_S):
                self._stale = True

    async def _look(self) -> None:
        if not (self._stale or self._summary_stale):
            if not self.broadcast.count():
                self._wake.set()
            return
        received = self._tail.received
        self._summary_stale = False
        # The summary first: the lines that it counts are then in the stream for sure.
        summary = await self._summaries.get(self._tail.sync_id)
        if self._tail.summary is None:
            self._tail.restart(summary.lines)
            self.broadcast.show(summary)
        elif summary.lines < received:
            self.broadcast.rewind(summary.lines)
            self._stale = True
        await self._read_on(summary)
        if summary.status.ended:
            self.broadcast.publish()
        if not self.broadcast.show(summary):
            self._summary_stale = True
            self._wake.set()

    async def _read_on(self, summary: Summary) -> None:
        """Read what is in the stream and not in the tail."""
        while self._stale or self._tail.received < summary.lines:
            self._stale = False
            parts = await self._reader.read(self._tail.sync_id, self._tail.received)
            for part in parts:
                if isinstance(part, wire.Chunk):
                    self.broadcast.take(part)
                else:
                    self.broadcast.skip(part)
            if not parts:  # or Redis went back in time this very moment; the next look will see it
                return

    def subscribed(self) -> None:
        """Redis has confirmed: from now on nothing is missed, but earlier messages may have been."""
        self._stale = True
        self._wake.set()

    def received(self, message: bytes) -> None:
        self._wake.set()
        if self._tail.summary is None:
            # The first reading of lines comes after this and will find them; that of the summary may be under way.
            self._summary_stale = True
            return
        try:
            last, chunk, changed = wire.read_message(message)
            missing = last > self._tail.received if chunk is None else not self.broadcast.take(chunk)
        except (ValueError, zstandard.ZstdError):  # not a message of ours; the stream will tell
            missing = changed = True
        if missing:
            self._stale = True
            self._hole.set()
        if changed:
            self._summary_stale = True
