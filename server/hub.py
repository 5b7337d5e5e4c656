"""What is new in each sync that somebody watches: one `Tail` a sync, shared by all its viewers.

The stream is the truth; pub/sub is only the fast path. A viewer is a cursor: at the tail it gets the shared frame,
behind it reads the stream at its own pace and joins when it has caught up. Nothing here grows with a slow reader.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import zstandard
from redis.exceptions import RedisError

from jobs import keys
from jobs.records import rfc3339, utc_now
from server import errors, wire
from server.subscriber import Subscriber, heed_cancellation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from jobs.records import Summary
    from server.store import Store

CHECK_EVERY_S = 5.0
"""Whatever pub/sub says, the stream is read this often."""
SUMMARY_EVERY_S = 0.5
PUBLISH_EVERY_S = 0.05
"""A busy log's lines gather for so long and go out as one frame; a quiet log's go out at once."""
BEAT_EVERY_S = 10.0
TAIL_BYTES = 256 * 1024
CONFIRM_S = 2.0
AWAY_S = 10.0
"""A Redis that is away for longer is told to the viewers: a page must not look live when nothing can come."""

_log = logging.getLogger("synctail.hub")


class Lane(Protocol):
    """A shorter way to one viewer than the one through ASGI: the server's own protocol, beside the application."""

    def write(self, frame: bytes) -> bool:
        """Hand over a whole websocket frame. False: it cannot be taken now, and nothing of it was."""


class Rider:
    """One viewer: its cursor, and the summary it was shown. While it has a lane, is at the tail and waits, the tail
    writes to the lane, and no task needs to wake up for that."""

    def __init__(self, lane: Lane | None, cursor: int) -> None:
        self.lane = lane
        self.cursor = cursor
        self.shown = ""
        self.wrote_at = 0.0
        self.woken = asyncio.Event()
        """Set when its own task is to go on: it fell behind, or something came that is not a line."""

    def write(self, encoded: bytes) -> bool:
        return self.lane is not None and self.lane.write(encoded)


class Tail:
    """The end of one sync's log: its newest lines as ready frames, bounded, and the newest summary.

    `last` is always the end of a frame, so that a viewer who has read up to it goes on with shared frames.
    """

    def __init__(self, sync_id: str) -> None:
        self.sync_id = sync_id
        self.summary: Summary | None = None
        self.summary_text = ""
        self.last = 0
        self.error: errors.ApiError | None = None
        self.viewers = 0
        self.changed = asyncio.Event()
        """Set, and replaced by a new one, each time there is something for the viewers."""

        self.confirmed = asyncio.Event()
        self.wake = asyncio.Event()
        self.hole = asyncio.Event()
        self.stale = True
        """The stream has, or may have, lines that did not come by pub/sub."""
        self.riders: set[Rider] = set()
        self._frames: deque[wire.Frame] = deque()
        self._bytes = 0
        self._fresh: list[wire.Chunk] = []
        self._received = 0
        self._published_at = 0.0
        self._shown_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def received(self) -> int:
        return self._received

    @property
    def ended(self) -> bool:
        """The sync has an ending and all its lines are here: nothing will come any more."""
        return self.summary is not None and self.summary.status.ended and self.last >= self.summary.lines

    def begin(self, summary: Summary) -> None:
        """Viewers who are further back read the stream; this one starts at the end."""
        self.last = self._received = summary.lines
        self.show(summary)

    def show(self, summary: Summary) -> bool:
        """False: too soon after the one before; the next try will show it. An ending is shown at once."""
        text = wire.summary_frame(summary)
        if text == self.summary_text:
            return True
        now = asyncio.get_running_loop().time()
        if not summary.status.ended and now < self._shown_at + SUMMARY_EVERY_S:
            return False
        self.summary, self.summary_text, self._shown_at = summary, text, now
        self._ride_summary()
        self.notify()
        return True

    def take(self, chunk: wire.Chunk) -> bool:
        """A chunk, from pub/sub or the stream: old → dropped, overlapping → cut, next → taken, a hole → False."""
        if chunk.last <= self._received:
            return True
        if chunk.first > self._received + 1:
            return False
        self._add(chunk.after(self._received))
        return True

    def take_from_stream(self, chunk: wire.Chunk) -> None:
        """As `take`; but a hole in the stream is the truth, and is told as a gap."""
        if not self.take(chunk):
            self.lose(chunk.first - 1, "they were lost when Redis went back in time")
            self._add(chunk)

    def lose(self, last: int, why: str) -> None:
        """The lines up to `last` that are not here will never come."""
        self.publish()
        self._keep(wire.gap_frame(self.sync_id, self._received + 1, last, why))
        self._received = self.last = last
        self.wake_riders()
        self.notify()

    def publish(self) -> None:
        """What has gathered becomes one frame for all."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._fresh:
            return
        frame = wire.lines_frame(self.sync_id, self._fresh)
        self._fresh = []
        self._keep(frame)
        self.last = frame.last
        self._published_at = asyncio.get_running_loop().time()
        self._ride(frame)
        self.notify()

    def notify(self) -> None:
        """Wake the viewers without a lane; those with one are woken only when there is no other way."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def fail(self, error: errors.ApiError) -> None:
        """All viewers are told, and leave."""
        self.error = error
        self.wake_riders()
        self.notify()

    def wake_riders(self) -> None:
        for rider in self.riders:
            rider.woken.set()

    def _ride(self, frame: wire.Frame) -> None:
        if not self.riders:
            return
        encoded, now = wire.websocket_frame(frame.text), self._published_at
        for rider in self.riders:
            if rider.cursor + 1 == frame.first and rider.write(encoded):
                rider.cursor, rider.wrote_at = frame.last, now
            else:
                rider.woken.set()

    def _ride_summary(self) -> None:
        encoded = wire.websocket_frame(self.summary_text)
        for rider in self.riders:
            if not self.ended and rider.write(encoded):
                rider.shown, rider.wrote_at = self.summary_text, self._shown_at
            else:
                rider.woken.set()

    async def news(self, rider: Rider, changed: asyncio.Event) -> bool:
        """Wait until there is something for the rider's own task. False: nothing was sent to it for long."""
        if not rider.lane or not self.summary:
            return await _within(changed, BEAT_EVERY_S)
        if changed.is_set() and (self.error or rider.cursor < self.last or rider.shown != self.summary_text):
            return True  # it came while the last frame was sent
        rider.woken.clear()
        self.riders.add(rider)
        try:
            woken = await _within(rider.woken, BEAT_EVERY_S)
        finally:
            self.riders.discard(rider)
        return woken or rider.wrote_at > asyncio.get_running_loop().time() - BEAT_EVERY_S

    def frame_after(self, cursor: int) -> wire.Frame | None:
        """The shared frame that begins right after `cursor`, while it is still kept."""
        for frame in reversed(self._frames):
            if frame.first == cursor + 1:
                return frame
            if frame.first <= cursor:
                return None
        return None

    def _add(self, chunk: wire.Chunk) -> None:
        self._fresh.append(chunk)
        self._received = chunk.last
        loop = asyncio.get_running_loop()
        due = self._published_at + PUBLISH_EVERY_S
        if loop.time() >= due:
            self.publish()
        elif not self._timer:
            self._timer = loop.call_at(due, self.publish)

    def _keep(self, frame: wire.Frame) -> None:
        self._frames.append(frame)
        self._bytes += len(frame.text)
        while self._bytes > TAIL_BYTES and len(self._frames) > 1:
            self._bytes -= len(self._frames.popleft().text)


class Hub:
    """Keeps the tails of what is watched. `run` must be going while `follow` is used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tails: dict[str, Tail] = {}
        self._by_channel: dict[str, Tail] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._subscriber = Subscriber(store.pool, self)
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled. A task in here that dies takes the process down: one that is deaf must not look well."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._subscriber.run(), name="subscriber")

    # --- viewers ------------------------------------------------------------------------------------------------

    async def follow(self, sync_id: str, after: int, lane: Lane | None = None) -> AsyncGenerator[str]:
        """The frames of one reader, from its cursor to the end of the sync; `beat` where there is nothing to say.

        With a lane, what is new while the reader is at the tail goes there instead, in the same order. Raises
        `SyncNotFound` or `SyncExpired`.
        """
        async with self._watch(sync_id) as tail:
            rider = Rider(lane, after)
            while True:
                # Taken before looking: what changes from here on sets this very event.
                changed = tail.changed
                if tail.error:
                    raise tail.error
                if not rider.shown and tail.summary:
                    rider.shown = tail.summary_text
                    yield rider.shown
                while rider.cursor < tail.last:
                    found = await self._next_frames(tail, rider.cursor)
                    heed_cancellation()
                    for frame in found:
                        yield frame.text
                        rider.cursor = frame.last
                    if not found:  # Redis is away: the reader keeps its cursor, and hears that we are still here
                        yield wire.beat_frame(rfc3339(utc_now()), tail.last)
                        await asyncio.sleep(1)
                if tail.summary and tail.summary_text != rider.shown:
                    rider.shown = tail.summary_text
                    yield rider.shown
                if tail.summary and tail.ended and rider.cursor >= tail.last:
                    yield wire.end_frame(tail.summary)
                    return
                if not await tail.news(rider, changed):
                    yield wire.beat_frame(rfc3339(utc_now()), tail.last)

    async def _next_frames(self, tail: Tail, cursor: int) -> list[wire.Frame]:
        """The shared frame, or what the stream holds, up to the end of the shared ones; none while Redis is away."""
        shared = tail.frame_after(cursor)
        if shared:
            return [shared]
        until = tail.last
        try:
            chunks = await self._store.read(tail.sync_id, cursor)
        except RedisError:
            return []
        found = list(wire.frames(tail.sync_id, cursor, [c.until(until) for c in chunks if c.first <= until]))
        return found or [wire.gap_frame(tail.sync_id, cursor + 1, until, "they are no longer kept")]

    @asynccontextmanager
    async def _watch(self, sync_id: str) -> AsyncIterator[Tail]:
        tail = self._tails.get(sync_id)
        if tail is None:
            assert self._group, "the hub is not running"  # noqa: S101
            tail = self._tails[sync_id] = self._by_channel[keys.live(sync_id)] = Tail(sync_id)
            self._keepers[sync_id] = self._group.create_task(self._keep(tail), name=f"tail-{sync_id}")
        tail.viewers += 1
        try:
            yield tail
        finally:
            tail.viewers -= 1
            if not tail.viewers:
                self._forget(tail)

    def _forget(self, tail: Tail) -> None:
        del self._tails[tail.sync_id], self._by_channel[keys.live(tail.sync_id)]
        self._keepers.pop(tail.sync_id).cancel()
        self._subscriber.drop(keys.live(tail.sync_id))

    # --- keeping a tail -----------------------------------------------------------------------------------------

    async def _keep(self, tail: Tail) -> None:
        """Subscribe, wait until Redis confirms, then read; and again whenever something may have been missed."""
        self._subscriber.want(keys.live(tail.sync_id))
        if not await _within(tail.confirmed, CONFIRM_S):
            _log.warning("Redis does not confirm subscriptions; logs are read every %.0f s meanwhile", CHECK_EVERY_S)
        away_since = 0.0
        while True:
            tail.wake.clear()
            tail.hole.clear()
            try:
                await self._refresh(tail)
                away_since = 0.0
            except errors.ApiError as error:
                tail.fail(error)
                return
            except (ValueError, zstandard.ZstdError) as error:  # what is stored is not what we write
                _log.exception("The log of %s cannot be read", tail.sync_id)
                tail.fail(errors.ApiError(f"The log of this sync cannot be read: {error}"))
                return
            except RedisError as error:
                tail.stale = True
                now = asyncio.get_running_loop().time()
                if not away_since:
                    _log.warning("Redis is away: %s", error)
                    away_since = now
                elif now - away_since > AWAY_S:
                    tail.fail(errors.RedisAway())
                    return
            heed_cancellation()
            # The summary at most twice a second, however many messages come; a hole in the lines cannot wait.
            if not await _within(tail.hole, SUMMARY_EVERY_S) and not await _within(tail.wake, CHECK_EVERY_S):
                tail.stale = True

    async def _refresh(self, tail: Tail) -> None:
        # The summary first: the lines that it counts are then in the stream for sure.
        summary = await self._store.summary(tail.sync_id)
        if tail.summary is None:
            tail.begin(summary)
        while tail.stale or tail.received < summary.lines:
            tail.stale = False
            chunks = await self._store.read(tail.sync_id, tail.received)
            for chunk in chunks:
                tail.take_from_stream(chunk)
            if not chunks:
                # Nobody writes to an ended sync any more: what is not there now will never be.
                if summary.status.ended and tail.received < summary.lines:
                    tail.lose(summary.lines, "they are no longer kept")
                break
            tail.stale = tail.stale or tail.received < summary.lines
        if summary.status.ended:
            tail.publish()
        if not tail.show(summary):
            tail.wake.set()

    # --- what the subscriber tells ------------------------------------------------------------------------------

    def subscribed(self, channel: str) -> None:
        tail = self._by_channel.get(channel)
        if tail:
            tail.confirmed.set()
            tail.stale = True
            tail.wake.set()

    def received(self, channel: str, message: bytes) -> None:
        tail = self._by_channel.get(channel)
        if tail is None or tail.summary is None:
            return  # not begun: the first reading comes after the confirmation, so it will hold this
        try:
            chunk = wire.chunk_from_message(message)
            missing = tail.received < wire.last_of_message(message) if chunk is None else not tail.take(chunk)
        except (ValueError, zstandard.ZstdError):  # no message of ours; the stream will tell
            missing = True
        if missing:
            tail.stale = True
            tail.hole.set()
        tail.wake.set()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    # Not `wait_for`: until Python 3.12 it swallows a cancellation that comes in the moment of the event.
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
