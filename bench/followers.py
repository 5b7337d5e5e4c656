"""Viewers that reconnect by the rules of `static/log/follower.js`: backoff with jitter, polling after two failures.

Runs as its own process. It reads commands from standard input, one per line, and answers each with a line of JSON:
`mark` resets the times. `live` waits until every viewer has a new websocket that has sent something, `lines` until
every viewer has a new line by websocket or poll; both return the times (ns, monotonic: median and last). `end N` waits
until each viewer has line N, and counts faults.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import uvloop
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

# The constants of follower.js, in seconds.
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 15.0
CONNECT_WITHIN_S = 5.0
PROVEN_AFTER_S = 5.0
POLL_EVERY_S = 5.0
PROBE_EVERY_S = 30.0
POLL_LIMIT = 5000
TRIES_BEFORE_POLLING = 2
RESTARTING = WSCloseCode.SERVICE_RESTART

LINE = re.compile(rb'\{"n":(\d+),[^#]*#(\d+)#')
PATIENCE_S = 90.0
CONNECTING_AT_ONCE = 50


class Connection(WSListener):
    """One websocket of one follower."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.code = WSCloseCode.ABNORMAL_CLOSURE
        self.heard_at = 0.0
        self.heard = asyncio.Event()
        self.began_from = follower.cursor
        self.closed = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        del transport
        self.closed.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.follower.connection is not self:
            transport.disconnect()  # we gave up on it before it connected
        elif frame.msg_type == WSMsgType.CLOSE:
            self.code = frame.get_close_code()
            transport.send_close(self.code)
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            if not self.heard_at:
                self.heard_at = time.monotonic()
                self.heard.set()
                self.follower.live_ns = time.monotonic_ns()
            self.follower.take(frame.get_payload_as_bytes())

    @property
    def proven(self) -> bool:
        lived = self.heard_at and time.monotonic() - self.heard_at > PROVEN_AFTER_S
        return bool(lived) or self.follower.cursor > self.began_from


class Follower:
    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.cursor = 0
        self.faults = 0
        self.polls = 0
        self.live_ns = 0
        self.line_ns = 0
        self.retries = 0
        self.failures = 0
        self.without = time.monotonic()
        self.connection: Connection | None = None

    def take(self, data: bytes) -> None:
        """Takes frames; each line must be the next one, with the text logged under its number."""
        for number, counted in LINE.findall(data):
            n = int(number)
            self.faults += n != self.cursor + 1 or n != int(counted)
            self.cursor = n
            self.line_ns = self.line_ns or time.monotonic_ns()

    async def run(self, door: asyncio.Semaphore) -> None:
        async with door:
            connection = await self._open(CONNECT_WITHIN_S)
        while True:
            code = await self._watch(connection) if connection else WSCloseCode.ABNORMAL_CLOSURE
            if self.failures >= TRIES_BEFORE_POLLING or self._left_s() <= 0:
                await self._poll_until_probe()
                connection = await self._open(CONNECT_WITHIN_S)
            else:
                await asyncio.sleep(self._backoff() * (1 + 4 * random.random() if code == RESTARTING else 1))  # noqa: S311
                connection = await self._open(self._left_s())

    def _left_s(self) -> float:
        """Seconds until polling takes over, counted from the loss of the last websocket, including backoff."""
        return self.without + CONNECT_WITHIN_S - time.monotonic()

    async def _open(self, seconds: float) -> Connection | None:
        """A websocket that has sent something; None if there was none in time."""
        connection = self.connection = Connection(self)
        try:
            async with asyncio.timeout(seconds):
                await ws_connect(
                    lambda: connection,
                    f"{self.url}?after={self.cursor}",
                    extra_headers={"Authorization": f"Bearer {self.token}"},
                )
                await connection.heard.wait()
        except (OSError, WSError, TimeoutError):
            self.connection = None
            self.failures += 1
            return None
        return connection

    async def _watch(self, connection: Connection) -> WSCloseCode:
        """Waits until it closes, and returns the close code."""
        await connection.closed.wait()
        self.connection = None
        self.without = time.monotonic()
        if connection.proven:
            self.failures = self.retries = 0
        else:
            self.failures += 1
        return connection.code

    def _backoff(self) -> float:
        self.retries += 1
        ceiling: float = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2**self.retries)
        return BACKOFF_FIRST_S + (ceiling - BACKOFF_FIRST_S) * random.random()  # noqa: S311

    async def _poll_until_probe(self) -> None:
        """Polls. If a poll fails, or succeeds again after an outage, it returns at once to try a websocket."""
        outage = False
        probe_at = time.monotonic() + PROBE_EVERY_S
        while time.monotonic() < probe_at:
            if not await self._poll():
                await asyncio.sleep(self._backoff())
                self.failures, outage = TRIES_BEFORE_POLLING - 1, True
                self.without = time.monotonic()
                return
            self.retries = 0
            if outage:
                return
            await asyncio.sleep(POLL_EVERY_S)

    async def _poll(self) -> bool:
        self.polls += 1
        parts = urlsplit(self.url)
        path = f"{parts.path.removesuffix('live')}log?after={self.cursor}&limit={POLL_LIMIT}"
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.token}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            answer = await reader.read(-1)
            writer.close()
        except OSError:
            return False
        if not answer.startswith(b"HTTP/1.1 200"):
            return False
        self.take(answer)
        return True


async def main(url: str, token: str, viewers: int) -> None:
    followers = [Follower(url, token) for _ in range(viewers)]
    door = asyncio.Semaphore(CONNECTING_AT_ONCE)
    tasks = [asyncio.create_task(follower.run(door)) for follower in followers]
    while command := (await asyncio.to_thread(sys.stdin.readline)).split():
        print(json.dumps(await _obey(command, followers)), flush=True)
        for task in tasks:
            if task.done():
                await task  # followers run forever: raise the reason
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)


async def _obey(command: list[str], followers: list[Follower]) -> dict[str, float]:
    match command:
        case ["mark"]:
            for follower in followers:
                follower.live_ns = follower.line_ns = 0
            return {}
        case ["live"]:
            return await _when(lambda: [follower.live_ns for follower in followers])
        case ["lines"]:
            return await _when(lambda: [follower.line_ns for follower in followers])
        case ["end", last]:
            await _until(lambda: all(follower.cursor >= int(last) for follower in followers))
            return {
                "faults": sum(follower.faults for follower in followers),
                "late": sum(follower.cursor < int(last) for follower in followers),
                "polls": sum(follower.polls for follower in followers),
            }
    raise ValueError(command)


async def _when(moments: Callable[[], list[int]]) -> dict[str, float]:
    await _until(lambda: all(moments()))
    found = sorted(moments())
    return {"missing": found.count(0), "median_ns": statistics.median(found), "last_ns": found[-1]}


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - polled by a single caller
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
