"""One watched sync: its tail, its viewers, and the timers between them. From Redis it reads only their backlogs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

import msgspec
from redis.exceptions import RedisError

from server.log import wire
from server.log.log_reader import LogReader
from server.log.tail import Tail
from server.log.viewers import Pace, Viewer
from server.web import errors
from server.web.tasks import heed_cancellation
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Summary

BEAT_EVERY_S = 10.0
AGAIN_S = 1.0


class Broadcast:
    """Sends what is new to parked viewers, and gives each other viewer what it lacks. Needs a running loop."""

    def __init__(self, sync_id: str, log: LogReader, pace: Pace) -> None:
        self.tail = Tail(sync_id)
        self.viewers: set[Viewer] = set()
        self.error: errors.ApiError | None = None
        self._log = log
        self._pace = pace
        self._parked: set[Viewer] = set()
        self._loop = asyncio.get_running_loop()
        self._published_at = 0.0
        self._gathering: asyncio.TimerHandle | None = None
        self._sent_at = self._loop.time()
        self._beat_timer = self._loop.call_later(BEAT_EVERY_S, self._beat)

    def close(self) -> None:
        """The last viewer has left."""
        self._beat_timer.cancel()
        self._stop_gathering()

    def take(self, chunk: wire.Chunk) -> bool:
        """Take the next lines. False: lines before them are missing."""
        taken = self.tail.take(chunk)
        if self.tail.gathered and not self._gathering:
            due = self._published_at + self._pace.seconds
            if self._loop.time() >= due:
                self.publish()
            else:
                self._gathering = self._loop.call_at(due, self.publish)
        return taken

    def skip(self, gap: wire.Gap) -> None:
        """Continue after lines that no longer exist."""
        if gap.last > self.tail.received:
            self.publish()
            self.tail.skip(gap)
            self._wake(self._parked)

    def publish(self) -> None:
        """Send the lines that gathered, as one frame for all."""
        self._stop_gathering()
        frame = self.tail.publish()
        if frame:
            self._published_at = self._loop.time()
        if frame and self._parked:
            self._send(frame)

    def show(self, summary: Summary) -> bool:
        """Send a summary that changed. False: too soon after the one before; the next try will send it."""
        shown = self.tail.show(summary, self._loop.time())
        if shown == "new":
            self._send_summary()
        return shown != "later"

    def count(self) -> bool:
        """As `show`, for a summary in which only the number of lines changed: that is known here."""
        assert self.tail.summary  # noqa: S101
        return self.show(msgspec.structs.replace(self.tail.summary, lines=self.tail.received))

    def rewind(self, last: int) -> None:
        """Redis went back to line `last`. Its writer sends again what was lost, which viewers have and are not shown
        twice; or the sync is ended without its writer, which viewers are told at the end."""
        self._stop_gathering()
        self.tail.restart(last)
        for viewer in self.viewers:
            if viewer.cursor > last:
                viewer.rewound = viewer.cursor

    def fail(self, error: errors.ApiError) -> None:
        """Disconnect all viewers, with this error."""
        self.error = error
        self._wake(self._parked)

    def park(self, viewer: Viewer) -> bool:
        """Send to the viewer from now on, until it is woken. False: something is due."""
        if self._is_due(viewer):
            return False
        self._parked.add(viewer)
        return True

    def detach(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        self._parked.discard(viewer)

    async def due(self, viewer: Viewer) -> AsyncGenerator[str]:
        """The frames that the viewer lacks, until there are no more, or the sync has ended and it is `done`."""
        tail = self.tail
        while not viewer.done and self._is_due(viewer):
            if error := viewer.error or self.error:
                raise error
            if viewer.needs_beat:
                viewer.needs_beat = False
                yield self._beat_text()
            elif not viewer.shown or (viewer.cursor >= tail.last and viewer.shown != tail.summary_text):
                viewer.shown = tail.summary_text
                yield viewer.shown
            elif viewer.cursor < tail.last:
                frames = await self._next_frames(viewer.cursor)
                for frame in frames:
                    yield frame.text
                    viewer.cursor = frame.last
                if not frames:  # Redis is away: the viewer keeps its cursor, and a beat says that we are still here
                    yield self._beat_text()
                    await asyncio.sleep(AGAIN_S)
            elif tail.summary and tail.ended:
                yield _ending(tail.summary, viewer)

    def _is_due(self, viewer: Viewer) -> bool:
        tail = self.tail
        return bool(
            self.error
            or viewer.error
            or viewer.needs_beat
            or (tail.summary and (viewer.cursor < tail.last or viewer.shown != tail.summary_text or tail.ended))
        )

    async def _next_frames(self, cursor: int) -> list[wire.Frame]:
        """The shared frame, or what the stream has up to the end of the shared ones; none while Redis is away."""
        shared = self.tail.frame_after(cursor)
        if shared:
            return [shared]
        try:
            found = await self._log.read(self.tail.sync_id, cursor, self.tail.last)
        except RedisError:
            found = []
        heed_cancellation()
        return list(wire.frames(self.tail.sync_id, found))

    def _send(self, frame: wire.Frame) -> None:
        encoded, late = wire.websocket_frame(frame.text), []
        self._sent_at = self._published_at
        self._pace.wrote(len(self._parked), self._published_at)
        for viewer in self._parked:
            if viewer.cursor + 1 == frame.first and viewer.direct and viewer.direct.write(encoded):
                viewer.cursor = frame.last
            elif viewer.cursor < frame.last:  # one that is ahead of the log waits for the line after its own
                late.append(viewer)
        self._wake(late)

    def _send_summary(self) -> None:
        if self.tail.ended:  # each viewer gets it, and its end, in its own task
            self._wake(self._parked)
            return
        text = self.tail.summary_text
        encoded, late = wire.websocket_frame(text), []
        self._sent_at = self._loop.time()
        for viewer in self._parked:
            # A viewer that has seen none may need other frames first: its cursor may be far behind.
            if viewer.shown and viewer.direct and viewer.direct.write(encoded):
                viewer.shown = text
            else:
                late.append(viewer)
        self._wake(late)

    def _beat(self) -> None:
        """One timer and one frame for all parked viewers. One that was sent something just now gets it a bit early."""
        now = self._loop.time()
        if now >= self._sent_at + BEAT_EVERY_S:
            self._sent_at = now
            encoded, late = wire.websocket_frame(self._beat_text()), []
            for viewer in self._parked:
                if viewer.direct:  # one that cannot take the frame now needs no beat: it still has bytes to take
                    viewer.direct.write(encoded)
                else:
                    viewer.needs_beat = True
                    late.append(viewer)
            self._wake(late)
        self._beat_timer = self._loop.call_at(self._sent_at + BEAT_EVERY_S, self._beat)

    def _beat_text(self) -> str:
        return wire.beat_frame(rfc3339(utc_now()), self.tail.last)

    def _wake(self, viewers: Iterable[Viewer]) -> None:
        woken = list(viewers)
        self._parked.difference_update(woken)
        for viewer in woken:
            viewer.wake()

    def _stop_gathering(self) -> None:
        if self._gathering:
            self._gathering.cancel()
            self._gathering = None


def _ending(summary: Summary, viewer: Viewer) -> str:
    """For a viewer who has all lines of an ended log: the end, or that some of its lines are not in the log."""
    valid = wire.valid_cursor(viewer.cursor, summary, doubtful=viewer.cursor == viewer.rewound)
    if valid < viewer.cursor:
        viewer.cursor, viewer.rewound = valid, -1
        return wire.rewind_frame(summary.id, valid)
    viewer.done = True
    return wire.end_frame(summary)
