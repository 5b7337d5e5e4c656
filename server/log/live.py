"""The websocket of one sync: `/api/syncs/{sync}/live?after=N`. It only moves frames from the hub to the socket."""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import aclosing

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.access import auth
from server.log import wire
from server.log.broadcast import Broadcast
from server.log.hub import Hub
from server.log.viewers import Viewer
from server.web import errors, params
from server.web.protocols import DIRECT
from server.web.routing import Role, SocketRoute, close

SPARE_FILES = 200
"""Of the files that the process may open, these are for polls, pages and Redis."""


def most_viewers() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if files == resource.RLIM_INFINITY else max(1, files - SPARE_FILES)


class _Left(Exception):
    """The client disconnected, which is no error."""


class _Ended(Exception):
    """The client was sent everything."""


class Live:
    def __init__(self, hub: Hub, who: auth.Auth) -> None:
        self._hub = hub
        self._auth = who
        self._viewers = 0

    def routes(self) -> list[BaseRoute]:
        return [SocketRoute("/api/syncs/{sync}/live", self, role=Role.VIEWER)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        # Accepted before anything is looked up: a browser can read a close code, but not the status of a refused
        # handshake.
        offered = scope.get("subprotocols", [])
        await websocket.accept(wire.SUBPROTOCOL if wire.SUBPROTOCOL in offered else None)
        try:
            after = params.whole_number(HTTPConnection(scope).query_params, "after", default=0)
            # What the handshake said is not needed any more, and a viewer stays for hours.
            scope["headers"] = []
            await self._serve(websocket, auth.principal(websocket), after)
        except errors.ApiError as error:
            await close(websocket, error.close_code, error.detail)
        except _Ended:
            await close(websocket, 1000, "ended")
        except _Left:
            pass

    async def _serve(self, websocket: WebSocket, who: auth.Principal, after: int) -> None:
        """Until the end, which is always an exception: `_Ended`, `_Left`, or an error of ours.

        The task that receives always runs: an unread message would block the client's pongs, and a healthy client would
        be disconnected. The task that sends exists only while there is something to send.
        """
        most = most_viewers()
        if self._viewers >= most:
            raise errors.Crowded(
                f"This server has reached its limit of {most:,} viewers. Poll instead, or reconnect later."
            )
        self._viewers += 1
        sync_id = websocket.path_params["sync"]
        try:
            sender = _Sender(websocket, after)
            viewer = sender.viewer
            # Around the tasks: what still sends must not park a viewer that was detached.
            with self._hub.attach(sync_id, viewer) as sender.broadcast, self._auth.held(who, viewer.fail):
                async with asyncio.TaskGroup() as group:
                    sender.begin(group)
                    await _receive(websocket)
        except BaseExceptionGroup as ending:
            raise ending.exceptions[0] from None
        finally:
            self._viewers -= 1


class _Sender:
    """Sends what is due to a viewer, in a task that lives only as long as something is."""

    __slots__ = ("_group", "_sending", "_websocket", "broadcast", "viewer")
    broadcast: Broadcast
    _group: asyncio.TaskGroup

    def __init__(self, websocket: WebSocket, after: int) -> None:
        direct = websocket.scope.get("extensions", {}).get(DIRECT, {}).get("direct")
        self.viewer = Viewer(after, self.wake, direct)
        self._websocket = websocket
        self._sending = True  # nothing wakes it before it has begun

    def begin(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        group.create_task(self._send(), name="live-send")

    def wake(self) -> None:
        if not self._sending:
            self._sending = True
            self._group.create_task(self._send(), name="live-send")

    async def _send(self) -> None:
        """Raises `_Ended`, `_Left`, or what the viewer fails with: then the websocket's other task ends as well."""
        while not self.broadcast.park(self.viewer):
            async with aclosing(self.broadcast.due(self.viewer)) as frames:
                async for text in frames:
                    try:
                        await self._websocket.send_text(text)
                    except (WebSocketDisconnect, RuntimeError):
                        raise _Left from None
            if self.viewer.done:
                raise _Ended
        self._sending = False


async def _receive(websocket: WebSocket) -> None:
    """Until the client disconnects. It has nothing to send; a message is a mistake that it is told of."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise _Left
    raise errors.BadRequest("This websocket only sends. To follow a sync from a line on, open it with ?after=N.")
