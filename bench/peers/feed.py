"""Sends messages to a publisher in another process: length and log number, then the bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

HEAD = struct.Struct("!IH")
LIMIT_BYTES = 1 << 24


class Feed:
    """The bench's side."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, message: bytes, log: int = 0) -> None:
        self._socket.sendall(HEAD.pack(len(message), log) + message)

    def close(self) -> None:
        self._socket.close()


async def serve(port: int, take: Callable[[bytes, int], Awaitable[None] | None]) -> None:
    """The publisher's side: receives each message in order, until cancelled."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                size, log = HEAD.unpack(await reader.readexactly(HEAD.size))
                waiting = take(await reader.readexactly(size), log)
                if waiting:
                    await waiting
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=LIMIT_BYTES)
    await server.serve_forever()
