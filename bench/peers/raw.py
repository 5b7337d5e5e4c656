"""Raw broadcasters, as a ceiling: `broadcast` (websockets) and `picows`. No history, no names, no safety, one log.

`python -m bench.peers.raw KIND FEED_PORT PORT` runs such a server, which sends the feed to all viewers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench import processes
from bench.peers import Watch, feed

Send = Callable[[bytes], None]


class Raw:
    """The bench's side of a raw broadcaster."""

    stamps = False
    numbers = False

    def __init__(self, kind: str) -> None:
        self.name = kind
        fed, port = processes.free_port(), processes.free_port()
        command = [sys.executable, "-m", "bench.peers.raw", kind, str(fed), str(port)]
        self.process = processes.pinned(*command, cwd=processes.ROOT)
        processes.wait_for_port(port, self.process)
        processes.wait_for_port(fed, self.process)
        self.pids = [self.process.pid]
        self.helpers: list[int] = []
        self.watches = [Watch(f"ws://127.0.0.1:{port}/")]
        self.feed = feed.Feed(fed)

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        self.feed.send(b",\n".join(lines), log)

    def flush(self) -> None:
        pass

    def stop(self) -> None:
        self.feed.close()
        processes.stop(self.process)


async def websockets_broadcast(port: int) -> Send:
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()
        connections.discard(connection)

    await serve(handler, "127.0.0.1", port, compression=None, backlog=2048)
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

    server = await ws_create_server(factory, "127.0.0.1", port, backlog=2048)
    await server.start_serving()

    def send(message: bytes) -> None:
        for transport in transports:
            transport.send(WSMsgType.TEXT, message)

    return send


async def main(kind: str, fed: int, port: int) -> None:
    send = await (websockets_broadcast if kind == "broadcast" else picows_broadcast)(port)
    await feed.serve(fed, lambda message, _log: send(message))


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
