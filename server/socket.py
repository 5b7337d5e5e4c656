"""uvicorn's websocket protocol, with two things more: a lane for ready frames, and a reader that stalls is let go.

`transport.close()` waits for a flush that never comes when the other side has stopped reading, so a stalled reader
would hold its buffers, its task, and the shutdown of the process, for ever. Here it is aborted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    import asyncio

LANE = "synctail.lane"
"""The key of the ASGI scope's extension."""
STALLED_S = 30.0
"""A reader that has not taken a byte for so long, while some wait for it, is aborted."""
LOOK_EVERY_S = 5.0
FLUSH_S = 1.0
"""How long a connection that is being closed may take for what is still to be sent."""


class Socket(WebSocketsSansIOProtocol):
    _watch: asyncio.TimerHandle | None = None
    _left = 0
    _moved_at = 0.0

    async def run_asgi(self) -> None:
        # How the application finds the lane; under another server, or behind another protocol, it is not there.
        self.scope["extensions"][LANE] = {"lane": self}
        await super().run_asgi()

    def write(self, frame: bytes) -> bool:
        """A whole frame, straight to the transport. False: the reader has not taken what came before, or leaves."""
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._moved_at = self.loop.time()
        self._left = self.transport.get_write_buffer_size()
        self._watch = self.loop.call_later(LOOK_EVERY_S, self._look)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_soon()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_soon()

    def _look(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left < self._left:
            self._moved_at = self.loop.time()
        self._left = left
        if self.loop.time() - self._moved_at >= STALLED_S:
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(LOOK_EVERY_S, self._look)

    def _stop_watching(self) -> None:
        if self._watch:
            self._watch.cancel()
            self._watch = None

    def _abort_soon(self) -> None:
        """On a connection that is closed by then this does nothing."""
        self.loop.call_later(FLUSH_S, self.transport.abort)
