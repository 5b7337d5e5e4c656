"""Parts of the chaos tests: producers of numbered lines, travellers that read them over any transport and are cut off,
and a private Redis. Only `checker` judges what travellers received."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import socket as sockets
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx2
import pytest
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import WebSocketException

from demo import valkey
from jobs.queue.requests import Requests
from server.access.auth import token_hash
from synctail import settings
from synctail.connect import connect
from synctail.log.appender import Appender
from synctail.model import keys
from tests.kit.checker import Tape, Truth, check, spoken
from tests.kit.following import BEARER, Logs
from tests.kit.support import ADMIN_TOKEN, PATIENCE_S, Process, free_port, immortal_keys, service, until

COME_BACK = 4400
"""Close codes from here on mean: do not reconnect."""
MOVES = ("lines", "gap", "rewind")
"""Frames that move a reader's cursor to their `last`."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection, as a broken network does."""


class NotNow(Exception):
    """The server says that it cannot answer now."""


class Traveller:
    """One reader with one cursor. After each cut it continues at the next of its doors. It judges nothing."""

    def __init__(self, http: httpx2.AsyncClient, sync_id: str, doors: Iterable[str], after: int = 0) -> None:
        self._http = http
        self.sync_id = sync_id
        self._doors = itertools.cycle(doors)
        self.tape = Tape(after)
        self.cursor = after
        self.ended = False
        self.cuts = 0
        self.codes: list[int | None] = []
        """How each of its websockets was closed."""
        self.troubles: list[str] = []

    # --- journeys ---------------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """By websocket, to the end."""
        await self._persist(itertools.repeat(self.watch))

    async def wander(self, dice: Random, cuts: int) -> None:
        """By websocket and by poll in turns, with so many cuts; then to the end."""

        async def watch() -> None:
            await self.watch(dice.randrange(1, 4))

        async def poll() -> None:
            await self.poll(cut=dice.random() < 0.3)

        turns = itertools.cycle((watch, poll))
        await self._persist(next(turns) if self.cuts < cuts else self.watch for _ in itertools.count())

    async def poll_on(self, every_s: float = 0.2) -> None:
        """By poll, to the end."""

        async def poll() -> None:
            await self.poll()
            await asyncio.sleep(every_s)

        await self._persist(itertools.repeat(poll))

    async def download_on(self, dice: Random, cuts: int = 0) -> None:
        """By a download that follows, with so many cuts; then to the end."""

        async def cut_off() -> None:
            await self.download(dice.randrange(1, 400))

        await self._persist(cut_off if self.cuts < cuts else self.download for _ in itertools.count())

    async def _persist(self, legs: Iterator[Callable[[], Awaitable[None]]]) -> None:
        while not self.ended:
            try:
                await next(legs)()
            except (OSError, TimeoutError, NotNow, httpx2.TransportError, WebSocketException) as trouble:
                self.troubles.append(repr(trouble))
                assert not self.codes or (self.codes[-1] or 0) < COME_BACK, f"sent away for good: {self.codes[-1]}"
                await asyncio.sleep(0.05)

    # --- one leg ----------------------------------------------------------------------------------------------------

    async def watch(self, frames: int = 0) -> None:
        """By websocket, to the end; or reset the connection after that many frames."""
        url = f"{next(self._doors).replace('http', 'ws', 1)}/api/syncs/{self.sync_id}/live?after={self.cursor}"
        async with open_websocket(
            url,
            additional_headers=BEARER,
            compression=None,
            max_size=None,
            proxy=None,
            open_timeout=PATIENCE_S,
            close_timeout=2,
        ) as socket:
            try:
                async for text in socket:
                    self._hear(str(text))
                    frames -= 1
                    if frames == 0 and not self.ended:
                        self.cuts += 1
                        _reset(socket.transport.get_extra_info("socket"))
                        socket.transport.abort()
                        return
            finally:
                self.codes.append(socket.close_code)

    async def poll(self, *, cut: bool = False) -> None:
        async with self._get("log", limit=1000) as answer:
            if cut:
                async for _ in answer.aiter_raw():
                    self.cuts += 1
                    _reset(answer.extensions["network_stream"].get_extra_info("socket"))
                    return
            body = json.loads(await answer.aread())
        for frame in body["frames"]:
            self._hear(json.dumps(frame))

    async def download(self, lines: int = 0) -> None:
        """By download, to the end; or reset the connection after that many lines."""
        rest = b""
        async with self._get("log.ndjson", follow=1) as answer:
            async for piece in answer.aiter_bytes():
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    self.tape.line(line.decode())
                    heard = json.loads(line)
                    if "type" not in heard:
                        self.cursor = heard["n"]
                    elif heard["type"] in MOVES:
                        self.cursor = heard["last"]
                    lines -= 1
                    if lines == 0:
                        self.cuts += 1
                        _reset(answer.extensions["network_stream"].get_extra_info("socket"))
                        return
        if rest:
            self.tape.line(rest.decode())
        self.tape.finished()
        self.ended = True

    def _hear(self, text: str) -> None:
        self.tape.frame(text)
        frame: dict[str, Any] = json.loads(text)
        if frame["type"] in MOVES:
            self.cursor = frame["last"]
        self.ended = frame["type"] == "end"

    @asynccontextmanager
    async def _get(self, what: str, **params: int) -> AsyncIterator[httpx2.Response]:
        url = f"{next(self._doors)}/api/syncs/{self.sync_id}/{what}"
        async with self._http.stream("GET", url, params={"after": self.cursor, **params}, headers=BEARER) as answer:
            if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
                raise NotNow
            assert answer.status_code == httpx2.codes.OK, f"{url}: {answer.status_code}"
            yield answer


def _reset(socket: Any) -> None:
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, RESET)


class Journeys:
    """Travellers on their way, in a thread with its own event loop, so that the test can break things meanwhile.

    A traveller that fails makes the test fail.
    """

    def __init__(self) -> None:
        self.travellers: list[Traveller] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="travellers")
        self._under_way: list[Future[None]] = []
        self._http: httpx2.AsyncClient

    def __enter__(self) -> Self:
        self._thread.start()
        self._http = self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        for journey in self._under_way:
            journey.cancel()
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def send(
        self,
        sync_id: str,
        doors: Sequence[str],
        how: Callable[[Traveller], Coroutine[Any, Any, None]] = Traveller.follow,
        *,
        after: int = 0,
    ) -> Traveller:
        traveller = Traveller(self._http, sync_id, doors, after)
        self.travellers.append(traveller)
        self._under_way.append(asyncio.run_coroutine_threadsafe(how(traveller), self._loop))
        return traveller

    def look(self) -> None:
        """Raise the error of a traveller that failed."""
        for journey in self._under_way:
            if journey.done():
                journey.result()

    def reach(self, condition: Callable[[Traveller], object], what: str, *, seconds: float = 20) -> None:
        """Wait until the condition holds for every traveller."""

        def look() -> bool:
            self.look()
            return all(condition(traveller) for traveller in self.travellers)

        until(look, what, seconds=seconds)

    def arrive(self, truth: Truth, *, seconds: float = 30) -> None:
        """Wait for all travellers, and check what they received."""
        self.reach(lambda one: one.ended, "all are told of the end", seconds=seconds)
        judge(truth, self.travellers)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _open(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=httpx2.Timeout(PATIENCE_S, read=30), limits=httpx2.Limits(max_connections=None), verify=False
        )

    async def _close(self) -> None:
        await self._http.aclose()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()


def judge(truth: Truth, travellers: Sequence[Traveller]) -> None:
    report = check(truth, [traveller.tape for traveller in travellers])
    assert not report.faults, f"{report} of {truth.sync_id}, {truth.last} lines"
    assert report.readers == len(travellers) > 0
    assert report.lines == sum(truth.last - traveller.tape.after for traveller in travellers)


class Producer:
    """Logs from a thread, at about `rate` lines a second, until `finish`."""

    def __init__(self, logs: Logs, rate: int, name: str = "orders") -> None:
        self.sync_id = logs.start(service(name))
        self.said = 0
        self._logs = logs
        self._rate = rate
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._talk, name=f"producer-{name}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(60)

    def finish(self) -> Truth:
        """End the sync with one more line, and return all that was logged."""
        assert self._thread.is_alive(), "it was to talk all the time"
        self._enough.set()
        self._thread.join(60)
        return Truth(self.sync_id, [*(spoken(self.sync_id, n) for n in range(1, self.said + 1)), "The end"])

    def talk_on(self, lines: int) -> int:
        enough = self.said + lines
        until(lambda: self.said >= enough, "it talks on")
        return self.said

    def _talk(self) -> None:
        with self._logs.writing(self.sync_id) as story:
            at = time.monotonic()
            owed = 0.0
            while not self._enough.wait(0.02):
                now = time.monotonic()
                owed, at = owed + min(0.2, now - at) * self._rate, now
                for _ in range(int(owed)):
                    self.said += 1
                    story.info(spoken(self.sync_id, self.said))
                owed %= 1


class Stack:
    """A private Redis with an append-only file, and the processes that the test starts on it."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._exits = ExitStack()
        self.redis = valkey.start(folder)
        self.environ = {
            **environ,
            "REDIS_URL": self.redis.url,
            "SYNCTAIL_DATA": str(self.data),
            "SYNCTAIL_FILES": str(folder / "files"),
        }
        self.client = connect(self.redis.url)
        self.client.hset(keys.token(token_hash(ADMIN_TOKEN)), mapping={"name": "tests", "role": "admin"})
        config = settings.load(self.environ)
        self.requests = Requests(config, self.client)
        self.logs = Logs(self.requests, Appender(self.client, live_ttl_ms=config.retention_ms), config.retention)

    def process(self, module: str, ready: str, **environ: str) -> Process:
        return self._exits.enter_context(Process(module, {**self.environ, **environ}, ready=ready))

    def workers(self, count: int = 1) -> list[Process]:
        workers = [self.process("jobs.worker", "") for _ in range(count)]
        for worker in workers:
            worker.wait_for("Worker ready")
        return workers

    def web(self) -> str:
        """Start a web process, and return its address."""
        port = str(free_port())
        self.process("server", "Synctail listens", PORT=port)
        return f"http://127.0.0.1:{port}"

    def shop(self, latency_ms: int) -> str:
        port = str(free_port())
        self.process("demo.shop", "The demo shop is open", SHOP_PORT=port, SHOP_LATENCY_MS=str(latency_ms))
        return f"http://127.0.0.1:{port}"

    def away(self, *, kill: bool) -> None:
        if kill:
            self.redis.kill()
        else:
            self.redis.stop()

    def back(self) -> float:
        """Start Redis again, and return when it answered."""
        self.redis = valkey.start(self.folder)
        return time.monotonic()

    def copy(self) -> Path:
        """Copy what is on its disk, while it writes on."""
        return shutil.copytree(self._append_only, self.folder / f"copy-{time.monotonic_ns()}")

    def restore(self, copy: Path) -> None:
        """Put older files in place of the newest, while it is away."""
        shutil.rmtree(self._append_only)
        shutil.copytree(copy, self._append_only)

    @property
    def _append_only(self) -> Path:
        return self.folder / "valkey" / "appendonlydir"

    def close(self) -> None:
        self._exits.close()
        self.client.close()
        self.redis.stop()


@pytest.fixture
def stack(environ: dict[str, str], tmp_path: Path) -> Iterator[Stack]:
    """Fails the test when a key was left without an expiry."""
    stack = Stack(environ, tmp_path)
    try:
        yield stack
        assert immortal_keys(stack.client) == [], "these keys have no TTL and would be left for ever"
    finally:
        stack.close()


@pytest.fixture
def journeys() -> Iterator[Journeys]:
    with Journeys() as journeys:
        yield journeys
