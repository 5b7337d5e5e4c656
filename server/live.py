"""The websocket of one sync: `/api/syncs/{sync}/live?after=N`. It only moves frames from the hub to the socket."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from server import auth, errors, params, wire
from server.socket import LANE

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

    from server.hub import Hub


class _Left(Exception):
    """The client has gone; no error."""


class Live:
    def __init__(self, hub: Hub, who: auth.Auth) -> None:
        self._hub = hub
        self._auth = who

    def routes(self) -> list[BaseRoute]:
        return [WebSocketRoute("/api/syncs/{sync}/live", self.sync, name="live")]

    async def sync(self, websocket: WebSocket) -> None:
        # Accepted before it is judged: a browser can read a close code, but not the status of a refused handshake.
        offered = websocket.scope.get("subprotocols", [])
        await websocket.accept(wire.SUBPROTOCOL if wire.SUBPROTOCOL in offered else None)
        try:
            if websocket.scope.get("redis_away"):
                raise errors.RedisAway("Redis does not answer.")
            auth.require(websocket, auth.Role.VIEWER)
            self._auth.check_origin(websocket)
            after = params.whole_number(websocket.query_params, "after", default=0)
            await self._serve(websocket, after)
        except errors.ApiError as error:
            await _close(websocket, error.close_code, error.detail)
        except _Left:
            pass

    async def _serve(self, websocket: WebSocket, after: int) -> None:
        """Send until the end. Beside it something must always receive: a client's message, unread, would stop the
        reading of its pongs, and a healthy client would be cut off."""
        receiving = asyncio.create_task(_receive(websocket), name="live-receive")
        sending = asyncio.create_task(self._send(websocket, after), name="live-send")
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
                await _close(websocket, 1000, "ended")
            else:
                await receiving
        finally:
            receiving.cancel()
            sending.cancel()
            await asyncio.gather(receiving, sending, return_exceptions=True)

    async def _send(self, websocket: WebSocket, after: int) -> None:
        lane = websocket.scope.get("extensions", {}).get(LANE, {}).get("lane")
        async with aclosing(self._hub.follow(websocket.path_params["sync"], after, lane)) as frames:
            async for text in frames:
                try:
                    await websocket.send_text(text)
                except (WebSocketDisconnect, RuntimeError):
                    raise _Left from None


async def _receive(websocket: WebSocket) -> None:
    """A client of this endpoint has nothing to say; what it says all the same is a mistake it should hear of."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise _Left
    raise errors.BadRequest("This websocket only sends. To follow a sync from a line on, open it with ?after=N.")


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # it may have gone in the meantime
        # A close frame holds 123 bytes of reason (RFC 6455, 5.5).
        await websocket.close(code, reason.encode()[:120].decode("utf-8", "ignore"))
