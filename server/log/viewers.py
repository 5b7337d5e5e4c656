"""One viewer of one sync, as the hub knows it; and how often viewers are written to."""

from __future__ import annotations

from collections.abc import Callable

from server.web import errors
from server.web.protocols import Socket

PUBLISH_EVERY_S = (0.05, 0.1)
"""Lines of a busy log gather this long before they go out as one frame, longer the more this process has to write.
Those of a quiet log go out at once."""
EASY_WRITES_PER_S = 5000
"""Frames to viewers: each costs the same few microseconds, whatever it contains."""
PACE_S = 0.25


class Viewer:
    """A cursor, the number of the last line that the viewer has, and the summary it was shown.

    A viewer takes what is due (`Broadcast.due`) until nothing is, and is then parked (`Broadcast.park`). While it is
    parked, the broadcast writes to `direct`, if there is one, a shorter way than through ASGI, and calls `wake` when
    something is due that cannot go that way. So a waiting viewer needs neither a task nor a timer.
    """

    __slots__ = ("cursor", "direct", "done", "error", "needs_beat", "rewound", "shown", "wake")

    def __init__(self, cursor: int, wake: Callable[[], None], direct: Socket | None = None) -> None:
        self.cursor = cursor
        self.wake = wake
        self.direct = direct
        self.shown = ""
        self.needs_beat = False
        self.rewound = -1
        """Its cursor when Redis went back in time to before that line."""
        self.done = False
        """It was sent the end."""
        self.error: errors.ApiError | None = None

    def fail(self, error: errors.ApiError) -> None:
        """Disconnect the viewer, with this error."""
        self.error = error
        self.wake()


class Pace:
    """How long lines gather, by how many frames the process wrote to all its viewers in the last moments."""

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
