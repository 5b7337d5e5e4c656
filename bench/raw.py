"""Raw broadcasters, as a ceiling: `broadcast` (websockets) and `picows`. No history, no names, no safety.

`python -m bench.raw KIND FEED_PORT PORT`: what comes on the feed (four bytes of length, then the bytes) goes to all.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from websockets.asyncio.server import ServerConnection, broadcast, serve

Send = Callable[[bytes], None]


async def websockets_broadcast(port: int) -> Send:
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()
        connections.discard(connection)

    await serve(handler, "127.0.0.1", port, compression=None)
    return lambda message: broadcast(connections, message.decode())


async def picows_broadcast(port: int) -> Send:
    transports: set[WSTransport] = set()

    class Listener(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            transports.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            transports.discard(transport)

    def factory(_request: WSUpgradeRequest) -> WSListener:
        return Listener()

    server = await ws_create_server(factory, "127.0.0.1", port)
    await server.start_serving()

    def send(message: bytes) -> None:
        for transport in transports:
            transport.send(WSMsgType.TEXT, message)

    return send


async def main(kind: str, feed_port: int, port: int) -> None:
    send = await (websockets_broadcast if kind == "broadcast" else picows_broadcast)(port)

    async def feed(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                length = int.from_bytes(await reader.readexactly(4), "big")
                send(await reader.readexactly(length))
            except asyncio.IncompleteReadError:
                return

    server = await asyncio.start_server(feed, "127.0.0.1", feed_port, limit=2**24)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
