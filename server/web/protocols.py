"""uvicorn's two protocols, with what they lack: readers that stall and clients that send no request, or an endless one,
are disconnected, and ready frames are written directly.

`transport.close()` waits for a flush that never happens when the other side has stopped reading, so a stalled reader
would hold its buffers, its task and the shutdown of the process for ever. Here it is aborted.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from server.web import errors
from server.web.headers import SECURITY

DIRECT = "synctail.direct"
"""The key of a websocket's scope extension: `{"direct": …}`, a `Socket`."""
CUT = "synctail.cut"
"""The key of a request's scope extension: `{"cut": …}`, a function that breaks the answer off, visibly for clients."""
STALLED_S = 30.0
"""A reader that takes no byte for this long, while bytes wait for it, is disconnected."""
LOOK_EVERY_S = 5.0
UNASKED_S = 30.0
"""Maximum time for the head of a request, and of silence in the middle of a body."""
HEAD_BYTES = 64 * 1024
"""Maximum size of the head of a request: room for tokens and cookies, and little memory before a client is known."""
FLUSH_S = 1.0
"""Maximum time for the rest of what is sent to a connection that is being closed."""


class _Watched(asyncio.Protocol):
    """Disconnects a reader that stalls. It watches while more bytes wait than the transport likes to hold."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    stalled_s = STALLED_S
    look_every_s = LOOK_EVERY_S
    _watch: asyncio.TimerHandle | None = None
    _left = 0
    _moved_at = 0.0

    def pause_writing(self) -> None:
        super().pause_writing()
        self._moved_at = self.loop.time()
        self._left = self.transport.get_write_buffer_size()
        self._watch = self.loop.call_later(self.look_every_s, self._look)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _look(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left < self._left:
            self._moved_at = self.loop.time()
        self._left = left
        if self.loop.time() - self._moved_at >= self.stalled_s:
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(self.look_every_s, self._look)

    def _stop_watching(self) -> None:
        if self._watch:
            self._watch.cancel()
            self._watch = None

    def _abort_soon(self) -> None:
        """Does nothing if the connection is closed by then."""
        self.loop.call_later(FLUSH_S, self.transport.abort)


class Socket(_Watched, WebSocketsSansIOProtocol):
    async def run_asgi(self) -> None:
        # The application finds `write` here; under another server, or behind another protocol, it goes through ASGI.
        self.scope["extensions"][DIRECT] = {"direct": self}
        await super().run_asgi()

    def write(self, frame: bytes) -> bool:
        """Write a whole frame to the transport. False: earlier bytes still wait, or the connection is closing."""
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True

    def start_keepalive(self) -> None:
        """The handshake is over: drop its request, which would be kept as long as the viewer stays."""
        super().start_keepalive()
        self.request.headers.clear()  # websockets' parser holds the request as well
        del self.request, self.response

    def send_receive_event_to_app(self) -> None:
        """Pass invalid text on as bytes: the application rejects messages anyway, and uvicorn would log a traceback for
        each."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.curr_msg_data_type = "bytes"
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_soon()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_soon()


class Http(_Watched, HttpToolsProtocol):
    _unasked: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _upgraded = False
    unasked_s = UNASKED_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_client()

    def data_received(self, data: bytes) -> None:
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self._refuse(f"Request headers are limited to {HEAD_BYTES // 1024} KiB.")
        if self._is_idle:
            # An empty line ends uvicorn's own wait for the next request without beginning one.
            self._wait_for_client()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CUT: {"cut": self._cut}}
        self._in_head, self._head_bytes = True, 0
        self._wait_for_client()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self._wait_for_client()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._wait_for_client()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop_waiting_for_client()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting_for_client()
        self._upgraded = True
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting_for_client()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Invalid HTTP never reaches the application, but is answered in the same form."""
        self._refuse(f"{msg} Send HTTP/1.1.")

    def _refuse(self, detail: str) -> None:
        answer = errors.problem(errors.BadRequest(detail))
        answer.headers.update({**SECURITY, "Connection": "close"})
        head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%s\r\n%s" % (head, bytes(answer.body)))
        self.transport.close()
        self._abort_soon()

    @property
    def _is_idle(self) -> bool:
        """No answer is in the making, and no timer waits for the next request."""
        answered = self.cycle is None or self.cycle.response_complete
        timers = self._unasked or self.timeout_keep_alive_task
        return answered and not timers and not self._upgraded and not self.transport.is_closing()

    def _wait_for_client(self) -> None:
        self._stop_waiting_for_client()
        self._unasked = self.loop.call_later(self.unasked_s, self._give_up)

    def _stop_waiting_for_client(self) -> None:
        if self._unasked:
            self._unasked.cancel()
            self._unasked = None

    def _give_up(self) -> None:
        if self.flow.read_paused:  # it is this side that does not read
            self._wait_for_client()
        else:
            self.transport.abort()

    def _cut(self) -> None:
        """Close without the last chunk: of an answer of unknown length, every client can tell that it was cut off."""
        self.transport.close()
        self._abort_soon()
