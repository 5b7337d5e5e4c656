"""Logs to follow, written without a worker, and a reader that accepts no line twice, late or out of order."""

from __future__ import annotations

import json
import random
import socket as sockets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, cast

import httpx2
import msgspec
import redis
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.sync.client import ClientConnection, connect

from jobs.queue.requests import Requests
from jobs.services.model import Service
from synctail.log.appender import Appender
from synctail.log.endings import end_sync, ending_fields
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Reason, Status, Summary, Trigger
from tests.kit.support import ADMIN_TOKEN, PATIENCE_S, reconciles, service

BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


class Logs:
    """Starts syncs, and writes their logs in place of a worker."""

    def __init__(self, requests: Requests, appender: Appender, retention: timedelta) -> None:
        self._requests = requests
        self._appender = appender
        self._retention = retention

    def start(self, of: Service | None = None) -> str:
        return self._requests.start(of or service(), Trigger.MANUAL).id

    @contextmanager
    def writing(self, sync_id: str) -> Iterator[LogWriter]:
        """A running sync. It completes at the end, unless the test has ended it otherwise."""
        story = LogWriter(self._appender, sync_id, self._appender.claim(sync_id))
        story.set(status=Status.RUNNING, started_at=rfc3339(utc_now()))
        try:
            yield story
        finally:
            self.end(story)

    def end(self, story: LogWriter, status: Status = Status.COMPLETED, reason: Reason | None = None) -> bool:
        return story.close("info", "The end", **ending_fields(status, reason, self._retention))

    def written(self, lines: int, *, size: int = 0, of: Service | None = None) -> str:
        """A completed sync with that many lines, including its last."""
        sync_id = self.start(of)
        with self.writing(sync_id) as story:
            for n in range(1, lines):
                story.info(f"line {n} {'x' * size}")
        return sync_id


def noise(story: LogWriter, lines: int) -> None:
    dice = random.Random(3)
    for _ in range(lines):
        story.info(dice.randbytes(1000).hex())


class Reader:
    """One reader's cursor and what it received. Each frame is checked: none may skip, repeat or reorder lines."""

    def __init__(self, sync_id: str, after: int = 0) -> None:
        self.sync_id = sync_id
        self.cursor = after
        self.numbers: list[int] = []
        self.texts: list[str] = []
        self.gaps: list[tuple[int, int]] = []
        self.rewinds: list[int] = []
        self.summaries: list[dict[str, Any]] = []
        self.beats = 0
        self.end: dict[str, Any] | None = None

    def hear(self, text: str | bytes) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(text)
        return self.take(frame)

    def take(self, frame: dict[str, Any]) -> dict[str, Any]:
        assert self.end is None, f"after the end came {frame}"
        assert frame["type"] == "beat" or frame["sync"] == self.sync_id
        match frame["type"]:
            case "lines":
                numbers = [line["n"] for line in frame["lines"]]
                assert frame["first"] == self.cursor + 1
                assert numbers == list(range(frame["first"], frame["last"] + 1))
                self.numbers += numbers
                self.texts += [line["text"] for line in frame["lines"]]
                self.cursor = frame["last"]
            case "gap":
                assert frame["first"] == self.cursor + 1 <= frame["last"]
                self.gaps.append((frame["first"], frame["last"]))
                self.cursor = frame["last"]
            case "rewind":
                assert frame["last"] < self.cursor
                keep = sum(n <= frame["last"] for n in self.numbers)
                del self.numbers[keep:], self.texts[keep:]
                self.rewinds.append(frame["last"])
                self.cursor = frame["last"]
            case "summary":
                assert reconciles(msgspec.convert(frame["summary"], Summary)), frame
                self.summaries.append(frame["summary"])
            case "beat":
                self.beats += 1
            case "end":
                assert frame["last"] == frame["summary"]["lines"] == self.cursor
                self.end = frame
            case other:
                raise AssertionError(f"a frame of type {other!r}")
        return frame

    def poll(self, web: httpx2.Client, *, limit: int = 5000) -> None:
        answer = web.get(f"/api/syncs/{self.sync_id}/log", params={"after": self.cursor, "limit": limit})
        assert answer.status_code == 200, answer.text
        for frame in answer.json()["frames"]:
            self.take(frame)

    def watch(self, web: httpx2.Client) -> int | None:
        """Follow by websocket from the cursor to the end, and return the close code."""
        with open_socket(web, self.sync_id, self.cursor) as socket:
            return self.listen(socket)

    def listen(self, socket: ClientConnection, *, seconds: float = 3 * PATIENCE_S) -> int | None:
        """Take all frames until the server closes normally, and return the close code."""
        deadline = time.monotonic() + seconds
        with suppress(ConnectionClosedOK):
            while True:
                self.hear(socket.recv(timeout=max(0.0, deadline - time.monotonic())))
        return socket.close_code


def live_url(web: httpx2.Client, sync_id: str, after: int = 0) -> str:
    return f"ws://{web.base_url.host}:{web.base_url.port}/api/syncs/{sync_id}/live?after={after}"


def open_socket(web: httpx2.Client, sync_id: str, after: int = 0, **options: Any) -> ClientConnection:
    options.setdefault("additional_headers", BEARER)
    url = live_url(web, sync_id, after)
    socket: ClientConnection = connect(url, max_size=None, proxy=None, open_timeout=PATIENCE_S, **options)
    return socket


class Story:
    """A log written ten lines at a time, whose end Redis can lose."""

    def __init__(self, client: redis.Redis, sync_id: str) -> None:
        self.client, self.id = client, sync_id
        self.appender = Appender(client, live_ttl_ms=60_000)
        self.attempt = self.appender.claim(sync_id).attempt

    def write(self, last: int, *, first: int = 1) -> None:
        for begin in range(first, last + 1, 10):
            numbers = range(begin, min(begin + 9, last) + 1)
            body = keys.SEPARATOR.join(
                msgspec.json.encode({"n": n, "time": "", "level": "info", "text": f"line {n}"}) for n in numbers
            )
            fields = {"status": "running"}
            count = len(numbers)
            answer = self.appender.append(
                self.id, attempt=self.attempt, first=begin, count=count, body=body, fields=fields
            )
            assert answer.verdict == "ok"

    def go_back(self, last: int) -> None:
        """Take Redis back to line `last`, as a restart with an older file does."""
        kept = [one for one in cast("Any", self.client.xrange(keys.log(self.id))) if int(one[0].split(b"-")[0]) <= last]
        with self.client.pipeline() as pipe:
            pipe.delete(keys.log(self.id))
            for entry, fields in kept:
                pipe.xadd(keys.log(self.id), fields, entry)
            pipe.pexpire(keys.log(self.id), 60_000)
            pipe.hset(keys.summary(self.id), "last", last)
            pipe.execute()
        self.client.publish(keys.live(self.id), "1-0 wake")

    def lose(self) -> None:
        """The clock ends it."""
        assert end_sync(
            self.appender,
            self.id,
            status=Status.FAILED,
            reason=Reason.LOST,
            text="Lost",
            retention=timedelta(minutes=1),
        )


def closed(socket: ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        while True:
            socket.recv(timeout=PATIENCE_S)
    return socket.close_code


def shake_hands(web: httpx2.Client, sync_id: str) -> sockets.socket:
    """A websocket that reads nothing after its handshake."""
    stalled = sockets.socket()
    stalled.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    stalled.connect((web.base_url.host, web.base_url.port))
    request = (
        f"GET /api/syncs/{sync_id}/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: {BEARER['Authorization']}\r\n\r\n"
    )
    stalled.sendall(request.encode())
    assert stalled.recv(12) == b"HTTP/1.1 101"
    return stalled


def subscriptions(client: redis.Redis, sync_id: str) -> int:
    [(_, number)] = cast("Any", client.pubsub_numsub(keys.live(sync_id)))
    return int(number)
