"""The end of one sync's log: its newest lines as ready frames, bounded, and the newest summary.

Pure: chunks and summaries in, frames out, and no clock: callers pass the time.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from server.log import wire
from synctail.model.sync import Summary

TAIL_BYTES = 256 * 1024
SUMMARY_EVERY_S = 0.5


class Tail:
    """`last` is always the end of a frame, so a viewer who has read up to it continues with shared frames.

    Lines gather until `publish` makes one frame of them; `received` is the last of those.
    """

    def __init__(self, sync_id: str) -> None:
        self.sync_id = sync_id
        self.last = self.received = 0
        self.summary: Summary | None = None
        self.summary_text = ""
        self._shown_at = 0.0
        self.gathered: list[wire.Chunk] = []
        self._frames: deque[wire.Frame] = deque()
        self._bytes = 0

    @property
    def ended(self) -> bool:
        """The sync has ended and all its lines are here: nothing more will come."""
        return self.summary is not None and self.summary.status.ended and self.last >= self.summary.lines

    def show(self, summary: Summary, now: float) -> Literal["new", "same", "later"]:
        """Take a summary. "later": too soon after the one before, try again; an ending is never too soon.

        `now` is a monotonic time in seconds.
        """
        text = wire.summary_frame(summary)
        if text == self.summary_text:
            return "same"
        if not summary.status.ended and now < self._shown_at + SUMMARY_EVERY_S:
            return "later"
        self.summary, self.summary_text, self._shown_at = summary, text, now
        return "new"

    def take(self, chunk: wire.Chunk) -> bool:
        """Gather a chunk: an old one is dropped, one that overlaps is cut. False: lines before it are missing."""
        if chunk.last <= self.received:
            return True
        if chunk.first > self.received + 1:
            return False
        self.gathered.append(chunk.cut(self.received, chunk.last))
        self.received = chunk.last
        return True

    def publish(self) -> wire.Frame | None:
        """The lines that gathered, as one frame."""
        if not self.gathered:
            return None
        frame = wire.lines_frame(self.sync_id, self.gathered)
        self.gathered = []
        self._keep(frame)
        return frame

    def skip(self, gap: wire.Gap) -> None:
        """Continue after lines that no longer exist. `publish` comes first."""
        self._keep(wire.gap_frame(self.sync_id, self.received + 1, gap.last, gap.why))
        self.received = gap.last

    def restart(self, last: int) -> None:
        """Continue from line `last`, where the log ends now; viewers who are further back read the stream."""
        self.gathered = []
        self._frames.clear()
        self._bytes = 0
        self.last = self.received = last

    def frame_after(self, cursor: int) -> wire.Frame | None:
        """The frame that begins right after `cursor`, while it is still kept."""
        for frame in reversed(self._frames):
            if frame.first == cursor + 1:
                return frame
            if frame.first <= cursor:
                return None
        return None

    def _keep(self, frame: wire.Frame) -> None:
        self.last = frame.last
        self._frames.append(frame)
        self._bytes += len(frame.text)
        while self._bytes > TAIL_BYTES and len(self._frames) > 1:
            self._bytes -= len(self._frames.popleft().text)
