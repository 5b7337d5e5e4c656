"""What is new in each sync that somebody watches: one `Tail` a sync, shared by all its viewers.

The stream is the truth; pub/sub is only the fast path. A viewer is a cursor: at the tail it gets the shared frame,
behind it reads the stream at its own pace and joins when it has caught up. Nothing here grows with a slow reader.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec
import zstandard
from redis.exceptions import RedisError

from server.log import wire
from server.log.store import Store
from server.log.subscriber import Subscriber
from server.web import errors
from server.web.tasks import heed_cancellation
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Summary

CHECK_EVERY_S = 5.0
"""Whatever pub/sub says, the stream is read this often."""
SUMMARY_EVERY_S = 0.5
PUBLISH_EVERY_S = (0.05, 0.1)
"""A busy log's lines gather for so long and go out as one frame; longer, the more this process has to write. A quiet
log's go out at once."""
EASY_WRITES_PER_S = 5000
"""Frames to viewers, that is: each costs the same few microseconds, whatever is in it."""
PACE_S = 0.25
BEAT_EVERY_S = 10.0
TAIL_BYTES = 256 * 1024
CONFIRM_S = 2.0
AWAY_S = 10.0
"""A Redis that is away for longer is told to the viewers: a page must not look live when nothing can come."""
AGAIN_S = 1.0

_log = logging.getLogger("synctail.hub")


class Lane(Protocol):
    """A shorter way to one viewer than the one through ASGI: the server's own protocol, beside the application."""

    def write(self, frame: bytes) -> bool:
        """Hand over a whole websocket frame. False: it cannot be taken now, and nothing of it was."""


class Pace:
    """How long lines gather, by what the process wrote to all its viewers in the last moments."""

    def __init__(self) -> None:
        self.seconds = PUBLISH_EVERY_S[0]
        self._writes = 0
        self._since = 0.0

    def wrote(self, frames: int, now: float) -> None:
        self._writes += frames
        passed = now - self._since
        if passed >= PACE_S:
            shortest, longest = PUBLISH_EVERY_S
            # Halfway there: a longer time means fewer writes, and the two would swing around each other.
            wanted = min(longest, max(shortest, shortest * self._writes / passed / EASY_WRITES_PER_S))
            self.seconds = (self.seconds + wanted) / 2
            self._writes, self._since = 0, now


class Rider:
    """One viewer: its cursor, and the summary it was shown.

    It takes what is due (`Hub.due`) until nothing is, and then rests (`Tail.rest`). While it rests the tail writes to
    its lane, if it has one, and calls `wake` when something is due that cannot go that way. So a viewer who waits needs
    neither a task nor a timer.
    """

    __slots__ = ("cursor", "done", "error", "lane", "rewound", "shown", "silent", "wake")

    def __init__(self, cursor: int, wake: Callable[[], None], lane: Lane | None = None) -> None:
        self.cursor = cursor
        self.wake = wake
        self.lane = lane
        self.shown = ""
        self.silent = False
        """A beat is due."""
        self.rewound = -1
        """Where it stood when Redis went back in time to before that line."""
        self.done = False
        """It has been told the end."""
        self.error: errors.ApiError | None = None

    def fail(self, error: errors.ApiError) -> None:
        """It is told, and leaves."""
        self.error = error
        self.wake()

    def write(self, encoded: bytes) -> bool:
        return self.lane is not None and self.lane.write(encoded)


class Tail:
    """The end of one sync's log: its newest lines as ready frames, bounded, and the newest summary.

    `last` is always the end of a frame, so that a viewer who has read up to it goes on with shared frames.
    """

    def __init__(self, sync_id: str, pace: Pace) -> None:
        self.sync_id = sync_id
        self._pace = pace
        self.summary: Summary | None = None
        self.summary_text = ""
        self.last = 0
        self.error: errors.ApiError | None = None
        self.riders: set[Rider] = set()

        self.confirmed = asyncio.Event()
        self.wake = asyncio.Event()
        self.hole = asyncio.Event()
        self.stale = True
        """The stream has, or may have, lines that did not come by pub/sub."""
        self.summary_stale = True
        """The same of the summary, but for the number of its last line."""
        self._resting: set[Rider] = set()
        self._frames: deque[wire.Frame] = deque()
        self._bytes = 0
        self._fresh: list[wire.Chunk] = []
        self._received = 0
        self._published_at = 0.0
        self._shown_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._spoke_at = self._loop.time()
        self._beat_timer = self._loop.call_later(BEAT_EVERY_S, self._beat)

    def close(self) -> None:
        """Nobody watches any more."""
        self._beat_timer.cancel()
        self._stop_gathering()

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
        now = self._loop.time()
        if not summary.status.ended and now < self._shown_at + SUMMARY_EVERY_S:
            return False
        self.summary, self.summary_text, self._shown_at = summary, text, now
        self._ride_summary()
        return True

    def count(self) -> bool:
        """As `show`, for a summary in which nothing has changed but the number of lines: that is known here."""
        assert self.summary  # noqa: S101
        return self.show(msgspec.structs.replace(self.summary, lines=self._received))

    def take(self, chunk: wire.Chunk) -> bool:
        """A chunk, from pub/sub or the stream: old → dropped, overlapping → cut, next → taken, a hole → False."""
        if chunk.last <= self._received:
            return True
        if chunk.first > self._received + 1:
            return False
        self._add(chunk.after(self._received))
        return True

    def take_from_stream(self, part: wire.Chunk | wire.Gap) -> None:
        """As `take`; but what is missing in the stream is gone."""
        if isinstance(part, wire.Chunk):
            self.take(part)
        elif part.last > self._received:
            self.publish()
            self._keep(wire.gap_frame(self.sync_id, self._received + 1, part.last, part.why))
            self._received = self.last = part.last
            self._wake(list(self._resting))

    def rewind(self, last: int) -> None:
        """Redis went back in time, and its log now ends at line `last`. So does this one: its writer sends again what
        was lost, which viewers have and are not shown twice; or the sync is ended without its writer (`Hub.due`)."""
        self._stop_gathering()
        self._fresh = []
        self._frames.clear()
        self._bytes = 0
        self.last = self._received = last
        self.stale = True
        for rider in self.riders:
            if rider.cursor > last:
                rider.rewound = rider.cursor

    def publish(self) -> None:
        """What has gathered becomes one frame for all."""
        self._stop_gathering()
        if not self._fresh:
            return
        frame = wire.lines_frame(self.sync_id, self._fresh)
        self._fresh = []
        self._keep(frame)
        self.last = frame.last
        self._published_at = self._loop.time()
        self._ride(frame)

    def fail(self, error: errors.ApiError) -> None:
        """All viewers are told, and leave."""
        self.error = error
        self._wake(list(self._resting))

    def is_due(self, rider: Rider) -> bool:
        """Is there anything that the rider has not been told?"""
        return bool(
            self.error
            or rider.error
            or rider.silent
            or (self.summary and (rider.cursor < self.last or rider.shown != self.summary_text or self.ended))
        )

    def rest(self, rider: Rider) -> bool:
        """From here on the tail looks after it, until it is woken. False: something is due."""
        if self.is_due(rider):
            return False
        self._resting.add(rider)
        return True

    def leave(self, rider: Rider) -> None:
        self.riders.discard(rider)
        self._resting.discard(rider)

    def frame_after(self, cursor: int) -> wire.Frame | None:
        """The shared frame that begins right after `cursor`, while it is still kept."""
        for frame in reversed(self._frames):
            if frame.first == cursor + 1:
                return frame
            if frame.first <= cursor:
                return None
        return None

    # --- to those who rest --------------------------------------------------------------------------------------

    def _ride(self, frame: wire.Frame) -> None:
        if not self._resting:
            return
        encoded, late = wire.websocket_frame(frame.text), []
        self._spoke_at = self._published_at
        self._pace.wrote(len(self._resting), self._published_at)
        for rider in self._resting:
            if rider.cursor + 1 == frame.first and rider.write(encoded):
                rider.cursor = frame.last
            elif rider.cursor < frame.last:  # one who is ahead of the log waits for the line after its own
                late.append(rider)
        self._wake(late)

    def _ride_summary(self) -> None:
        if self.ended:  # each gets it, and its end, from its own task
            self._wake(list(self._resting))
            return
        encoded, late = wire.websocket_frame(self.summary_text), []
        self._spoke_at = self._shown_at
        for rider in self._resting:
            # Who has seen none yet may have something else to hear before: its cursor may lie far behind.
            if rider.shown and rider.write(encoded):
                rider.shown = self.summary_text
            else:
                late.append(rider)
        self._wake(late)

    def _beat(self) -> None:
        """One timer and one frame for all who rest. Whoever was told something a moment ago hears it a bit early."""
        now = self._loop.time()
        if now >= self._spoke_at + BEAT_EVERY_S:
            self._spoke_at = now
            encoded, late = wire.websocket_frame(self.beat_text()), []
            for rider in self._resting:
                # To a lane that takes nothing just now nothing is said: it has something to take.
                if not rider.write(encoded) and rider.lane is None:
                    rider.silent = True
                    late.append(rider)
            self._wake(late)
        self._beat_timer = self._loop.call_at(self._spoke_at + BEAT_EVERY_S, self._beat)

    def beat_text(self) -> str:
        return wire.beat_frame(rfc3339(utc_now()), self.last)

    def _wake(self, riders: list[Rider]) -> None:
        self._resting.difference_update(riders)
        for rider in riders:
            rider.wake()

    # --- frames -------------------------------------------------------------------------------------------------

    def _add(self, chunk: wire.Chunk) -> None:
        self._fresh.append(chunk)
        self._received = chunk.last
        due = self._published_at + self._pace.seconds
        if self._loop.time() >= due:
            self.publish()
        elif not self._timer:
            self._timer = self._loop.call_at(due, self.publish)

    def _stop_gathering(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _keep(self, frame: wire.Frame) -> None:
        self._frames.append(frame)
        self._bytes += len(frame.text)
        while self._bytes > TAIL_BYTES and len(self._frames) > 1:
            self._bytes -= len(self._frames.popleft().text)


class Hub:
    """Keeps the tails of what is watched. `run` must be going while it is used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tails: dict[str, Tail] = {}
        self._by_channel: dict[str, Tail] = {}
        self._keepers: dict[Tail, asyncio.Task[None]] = {}
        self._pace = Pace()
        self._subscriber = Subscriber(store.pool, self)
        self._group: asyncio.TaskGroup | None = None
        self._dismissed = False

    async def run(self) -> None:
        """Until cancelled. A task in here that dies takes the process down: one that is deaf must not look well."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._subscriber.run(), name="subscriber")

    def dismiss(self) -> None:
        """The process is about to stop: all who follow are told, and leave; nobody follows any more."""
        self._dismissed = True
        for tail in list(self._tails.values()):
            tail.fail(errors.Restarting())

    # --- viewers ------------------------------------------------------------------------------------------------

    @contextmanager
    def ride(self, sync_id: str, rider: Rider) -> Iterator[Tail]:
        """The tail of a sync, kept while somebody rides. Raises `Restarting`."""
        if self._dismissed:
            raise errors.Restarting
        tail = self._tails.get(sync_id)
        # One that has failed is left to those who have not heard of it yet: a rider who takes nothing would keep all
        # others from a Redis that is back.
        if tail is None or tail.error:
            assert self._group, "the hub is not running"  # noqa: S101
            tail = self._tails[sync_id] = self._by_channel[keys.live(sync_id)] = Tail(sync_id, self._pace)
            self._keepers[tail] = self._group.create_task(self._keep(tail), name=f"tail-{sync_id}")
        tail.riders.add(rider)
        try:
            yield tail
        finally:
            tail.leave(rider)
            if not tail.riders:
                self._forget(tail)

    async def follow(self, sync_id: str, rider: Rider, woken: asyncio.Event) -> AsyncGenerator[str]:
        """The frames of one reader, from its cursor to the end of the sync; `beat` where there is nothing to say.

        `woken` is what the rider's `wake` sets. Raises `SyncNotFound`, `SyncExpired`, or what the rider fails with.
        """
        with self.ride(sync_id, rider) as tail:
            while not rider.done:
                woken.clear()
                async for text in self.due(tail, rider):
                    yield text
                if not rider.done and tail.rest(rider):
                    await woken.wait()

    async def due(self, tail: Tail, rider: Rider) -> AsyncGenerator[str]:
        """What the rider has not been told, until there is nothing more, or the sync has ended and it is `done`."""
        while not rider.done and tail.is_due(rider):
            if error := rider.error or tail.error:
                raise error
            if rider.silent:
                rider.silent = False
                yield tail.beat_text()
            elif not rider.shown:
                rider.shown = tail.summary_text
                yield rider.shown
            elif rider.cursor < tail.last:
                frames = await self._next_frames(tail, rider.cursor)
                for frame in frames:
                    yield frame.text
                    rider.cursor = frame.last
                if not frames:  # Redis is away: the reader keeps its cursor, and hears that we are still here
                    yield tail.beat_text()
                    await asyncio.sleep(AGAIN_S)
            elif rider.shown != tail.summary_text:
                rider.shown = tail.summary_text
                yield rider.shown
            elif tail.summary and tail.ended:
                yield _ending(tail.summary, rider)

    async def _next_frames(self, tail: Tail, cursor: int) -> list[wire.Frame]:
        """The shared frame, or what the stream holds, up to the end of the shared ones; none while Redis is away."""
        shared = tail.frame_after(cursor)
        if shared:
            return [shared]
        try:
            found = await self._store.read(tail.sync_id, cursor, tail.last)
        except RedisError:
            found = []
        heed_cancellation()
        return list(wire.frames(tail.sync_id, found))

    def _forget(self, tail: Tail) -> None:
        tail.close()
        self._keepers.pop(tail).cancel()
        if self._tails.get(tail.sync_id) is tail:
            del self._tails[tail.sync_id], self._by_channel[keys.live(tail.sync_id)]
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
                await self._look(tail)
                away_since = 0.0
            except errors.ApiError as error:
                tail.fail(error)
                return
            except (ValueError, zstandard.ZstdError) as error:  # what is stored is not what we write
                _log.exception("The log of %s cannot be read", tail.sync_id)
                tail.fail(errors.ApiError(f"The log of this sync cannot be read: {error}"))
                return
            except RedisError as error:
                tail.stale = tail.summary_stale = True
                now = asyncio.get_running_loop().time()
                if not away_since:
                    _log.warning("Redis is away: %s", error)
                    away_since = now
                elif now - away_since > AWAY_S:
                    tail.fail(errors.RedisAway())
                    return
            heed_cancellation()
            # The summary at most twice a second, however many messages come; a hole in the lines cannot wait, and a
            # Redis that is away is tried again as soon.
            if await _within(tail.hole, SUMMARY_EVERY_S) or away_since:
                continue
            if not await _within(tail.wake, CHECK_EVERY_S):
                tail.stale = True

    async def _look(self, tail: Tail) -> None:
        if tail.stale or tail.summary_stale:
            await self._refresh(tail)
        elif not tail.count():
            tail.wake.set()

    async def _refresh(self, tail: Tail) -> None:
        received = tail.received
        tail.summary_stale = False
        # The summary first: the lines that it counts are then in the stream for sure.
        summary = await self._store.summary(tail.sync_id)
        if tail.summary is None:
            tail.begin(summary)
        elif summary.lines < received:
            tail.rewind(summary.lines)
        await self._read_on(tail, summary)
        if summary.status.ended:
            tail.publish()
        if not tail.show(summary):
            tail.summary_stale = True
            tail.wake.set()

    async def _read_on(self, tail: Tail, summary: Summary) -> None:
        """What is in the stream and not yet here."""
        while tail.stale or tail.received < summary.lines:
            tail.stale = False
            parts = await self._store.read(tail.sync_id, tail.received)
            for part in parts:
                tail.take_from_stream(part)
            if not parts:  # or Redis went back in time this very moment; the next look will see it
                return

    # --- what the subscriber tells ------------------------------------------------------------------------------

    def subscribed(self, channel: str) -> None:
        tail = self._by_channel.get(channel)
        if tail:
            tail.confirmed.set()
            tail.stale = True
            tail.wake.set()

    def received(self, channel: str, message: bytes) -> None:
        tail = self._by_channel.get(channel)
        if tail is None:
            return
        if tail.summary is None:
            # The first reading of lines comes after this and will hold them; that of the summary may be under way.
            tail.summary_stale = True
            tail.wake.set()
            return
        try:
            chunk = wire.chunk_from_message(message)
            missing = tail.received < wire.last_of_message(message) if chunk is None else not tail.take(chunk)
        except (ValueError, zstandard.ZstdError):  # no message of ours; the stream will tell
            missing = True
        if missing:
            tail.stale = True
            tail.hole.set()
        tail.summary_stale = tail.summary_stale or wire.tells_of_summary(message)
        tail.wake.set()


def _ending(summary: Summary, rider: Rider) -> str:
    """What a rider who has all lines of an ended log is told: the end, or that some of what it has is not in there."""
    stands = wire.stands(rider.cursor, summary, doubtful=rider.cursor == rider.rewound)
    if stands < rider.cursor:
        rider.cursor, rider.rewound = stands, -1
        return wire.rewind_frame(summary.id, stands)
    rider.done = True
    return wire.end_frame(summary)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    # Not `wait_for`: until Python 3.12 it swallows a cancellation that comes in the moment of the event.
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
