"""The process's one subscription to Redis: it alone connects, subscribes, reads and reconnects.

Callers name channels and the keepers that hear them (`want`, `drop`). Pub/sub loses what is published while
the connection is down, so every confirmation, not only the first, means: read the stream now.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from server.log.keeper import Keeper
from server.web.tasks import heed_cancellation, within

PING_EVERY_S = 5.0
SILENT_S = 12.0
"""A connection that has answered nothing for this long, not even a ping, is dead although it looks open."""
AGAIN_S = 0.3
"""Short, as logs should be live again within two seconds after Redis is."""
STOOD_S = 5.0
"""The end of a connection that lasted this long is logged again."""

_log = logging.getLogger("synctail.subscriber")


class Subscriber:
    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._listeners: dict[str, Keeper] = {}
        self._asked: set[str] = set()
        self._poke = asyncio.Event()
        self._heard_at = 0.0

    def want(self, channel: str, listener: Keeper) -> None:
        self._listeners[channel] = listener
        self._asked.add(channel)
        self._poke.set()

    def drop(self, channel: str) -> None:
        self._listeners.pop(channel, None)
        self._poke.set()

    async def run(self) -> None:
        """Until cancelled. Reconnects, with jitter."""
        logged = False
        while True:
            began = time.monotonic()
            try:
                await self._session()
            except (RedisError, OSError) as error:
                if not logged or time.monotonic() - began > STOOD_S:
                    _log.warning("The subscription to Redis broke, reconnecting: %s", error)
                logged = True
            await asyncio.sleep(AGAIN_S * random.uniform(0.5, 1.5))  # noqa: S311

    async def _session(self) -> None:
        connection = self._pool.make_connection()
        try:
            await connection.connect()
            heed_cancellation()
            self._heard_at = time.monotonic()
            # Not a TaskGroup: one that fails at the moment it is cancelled forgets that it was cancelled.
            reading = asyncio.create_task(self._read(connection), name="subscriber-read")
            writing = asyncio.create_task(self._write(connection), name="subscriber-write")
            try:
                await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
                await (reading if reading.done() else writing)
            finally:
                reading.cancel()
                writing.cancel()
                await asyncio.gather(reading, writing, return_exceptions=True)
        finally:
            await connection.disconnect(nowait=True)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            answer = await connection.read_response(disable_decoding=True, timeout=math.inf)
            self._heard_at = time.monotonic()
            match answer:
                case [b"message", channel, message]:
                    if listener := self._listeners.get(channel.decode()):
                        listener.received(message)
                case [b"subscribe", channel, _]:
                    if listener := self._listeners.get(channel.decode()):
                        listener.subscribed()
                case _:
                    pass  # pongs, and confirmations of unsubscribing

    async def _write(self, connection: AbstractConnection) -> None:
        """Subscribe to what is wanted, unsubscribe from the rest, and ping in between."""
        current: set[str] = set()
        pinged_at = time.monotonic()
        while True:
            self._poke.clear()
            # Also what was dropped and wanted again before this task noticed: the caller waits for a confirmation.
            wanted = set(self._listeners)
            new, old = wanted - current | wanted & self._asked, current - wanted
            current = wanted
            self._asked.clear()
            if new:
                await connection.send_command("SUBSCRIBE", *new, check_health=False)
            if old:
                await connection.send_command("UNSUBSCRIBE", *old, check_health=False)
            heed_cancellation()
            await within(self._poke, PING_EVERY_S)
            now = time.monotonic()
            if now - self._heard_at > SILENT_S:
                raise RedisConnectionError("no answer to a ping")
            if now - pinged_at >= PING_EVERY_S:
                pinged_at = now
                await connection.send_command("PING", check_health=False)
