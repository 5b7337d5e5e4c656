"""This process's one subscription connection, and its only owner: it connects, subscribes, reads, and starts again.

Others only say which channels they want (`want`, `drop`) and are told what happens. Pub/sub loses what is published
while a connection is down, so every confirmation, the first and each one after, means: read the stream now.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from contextlib import suppress
from typing import Protocol

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from server.web.tasks import heed_cancellation

PING_EVERY_S = 5.0
SILENT_S = 12.0
"""A connection that has said nothing for so long, pings notwithstanding, is dead although it looks open."""
BACKOFF_S = (0.1, 0.5)
"""Logs are to be live again within two seconds after Redis is."""
STOOD_S = 5.0
"""A connection that lasted so long was a good one, and its end is worth a word."""

_log = logging.getLogger("synctail.subscriber")


class Listener(Protocol):
    def subscribed(self, channel: str) -> None:
        """Redis has confirmed: from here on nothing is missed, what came before may have been."""

    def received(self, channel: str, message: bytes) -> None: ...


class Subscriber:
    def __init__(self, pool: ConnectionPool, listener: Listener) -> None:
        self._pool = pool
        self._listener = listener
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._poke = asyncio.Event()
        self._answered = False
        self._heard_at = 0.0

    def want(self, channel: str) -> None:
        self._wanted.add(channel)
        self._asked.add(channel)
        self._poke.set()

    def drop(self, channel: str) -> None:
        self._wanted.discard(channel)
        self._poke.set()

    async def run(self) -> None:
        """Until cancelled. Reconnects with backoff and jitter."""
        delay, longest = BACKOFF_S
        said = False
        while True:
            began = time.monotonic()
            try:
                await self._session()
            except (RedisError, OSError) as error:
                if self._answered:  # Redis is not away, only the connection was lost
                    delay = BACKOFF_S[0]
                if time.monotonic() - began > STOOD_S:
                    said = False
                if not said:
                    _log.warning("The subscription to Redis broke and is made again: %s", error)
                said = True
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
            delay = min(delay * 2, longest)

    async def _session(self) -> None:
        self._answered = False
        connection = self._pool.make_connection()
        try:
            await connection.connect()
            heed_cancellation()
            self._heard_at = time.monotonic()
            # Not a TaskGroup: one that fails in the moment in which it is cancelled forgets that it was cancelled.
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
            self._answered, self._heard_at = True, time.monotonic()
            match answer:
                case [b"message", channel, message]:
                    self._listener.received(channel.decode(), message)
                case [b"subscribe", channel, _]:
                    self._listener.subscribed(channel.decode())
                case _:
                    pass  # pongs, and confirmations of what nobody wants any more

    async def _write(self, connection: AbstractConnection) -> None:
        """Bring what is subscribed to what is wanted, and ping while nothing else is said."""
        current: set[str] = set()
        pinged_at = time.monotonic()
        while True:
            self._poke.clear()
            # Also what was dropped and wanted again before this task noticed: who asks waits for a confirmation.
            new, old = self._wanted - current | self._wanted & self._asked, current - self._wanted
            current = set(self._wanted)
            self._asked.clear()
            if new:
                await connection.send_command("SUBSCRIBE", *new, check_health=False)
            if old:
                await connection.send_command("UNSUBSCRIBE", *old, check_health=False)
            heed_cancellation()
            # Not `wait_for`: until Python 3.12 it swallows a cancellation that comes in the moment of the poke.
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_EVERY_S):
                    await self._poke.wait()
            now = time.monotonic()
            if now - self._heard_at > SILENT_S:
                raise RedisConnectionError("no answer to a ping")
            if now - pinged_at >= PING_EVERY_S:
                pinged_at = now
                await connection.send_command("PING", check_health=False)
