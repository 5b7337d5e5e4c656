"""The viewers in their own process, on picows (C) and uvloop, so that they are not the limit.

Reads a plan, one line of JSON, from standard input. Prints `ready` when all viewers are subscribed, then a JSON object
when all have their last line or time is up. Exits when its input ends. `Load` is the bench's side.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Self

import uvloop
from picows import WSListener, ws_connect

from bench import processes
from bench.peers import Watch
from bench.viewer import Crowd, Viewer

CONNECTING_AT_ONCE = 20
SMALL_BUFFER_BYTES = 8 * 1024


class Load:
    """`viewers` per watch, until each has line `total`. Every `stall_every`th stops reading at once.

    For every `exact_every`th viewer, each line is checked, and its latency measured from line `count_from` on.
    """

    def __init__(
        self,
        watches: Sequence[Watch],
        *,
        viewers: int,
        total: int,
        seconds: float,
        exact_every: int = 10,
        count_from: int = 1,
        stall_every: int = 0,
    ) -> None:
        plan = {
            "watches": [watch._asdict() for watch in watches],
            "viewers": viewers,
            "total": total,
            "seconds": seconds,
            "exact_every": exact_every,
            "count_from": count_from,
            "stall_every": stall_every,
        }
        command = ["taskset", "-c", str(processes.CLIENT_CORE), sys.executable, "-m", "bench.load"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=processes.ROOT
        )
        self.pid = self._process.pid
        self._say(json.dumps(plan))
        if self._hear() != "ready":
            self.close()
            raise ConnectionError("the viewers could not subscribe")

    def result(self) -> dict[str, float]:
        """Waits for the result: `lines` of all viewers, `faults`, `p50_ms`, `p99_ms`, `worst_ms`.

        `late`: viewers without the last line when time was up.
        """
        found: dict[str, float] = json.loads(self._hear())
        return found

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin  # noqa: S101
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout  # noqa: S101
        return self._process.stdout.readline().rstrip("\n")


async def main() -> None:
    plan = json.loads(sys.stdin.readline())
    crowd = Crowd(plan["total"], plan["count_from"])
    readers, stalled = await connect_all(plan, crowd)
    if not await _until(lambda: crowd.welcomed == len(readers) + len(stalled), 30):
        sys.exit(f"{crowd.welcomed} viewers of {len(readers) + len(stalled)} were subscribed")
    for viewer in stalled:
        viewer.transport.underlying_transport.pause_reading()
    print("ready", flush=True)
    await _until(lambda: crowd.done >= len(readers), plan["seconds"])
    print(json.dumps(summary(crowd, readers)), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for viewer in readers + stalled:
        viewer.transport.disconnect()


async def connect_all(plan: dict[str, Any], crowd: Crowd) -> tuple[list[Viewer], list[Viewer]]:
    """The viewers that read, and those that stall."""
    readers: list[Viewer] = []
    stalled: list[Viewer] = []
    door = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(index: int, watch: dict[str, str]) -> None:
        stalls = bool(plan["stall_every"]) and index % plan["stall_every"] == 1
        exact = index % plan["exact_every"] == 0
        async with door:
            viewer = await connect(watch, crowd, exact=exact, small=stalls)
        (stalled if stalls else readers).append(viewer)

    async with asyncio.TaskGroup() as group:
        for index in range(len(plan["watches"]) * plan["viewers"]):
            group.create_task(one(index, plan["watches"][index % len(plan["watches"])]))
    return readers, stalled


async def connect(watch: dict[str, str], crowd: Crowd, *, exact: bool, small: bool = False) -> Viewer:
    viewer = Viewer(crowd, hello=watch["hello"].encode(), welcome=watch["welcome"].encode(), exact=exact)
    headers = {"Authorization": f"Bearer {watch['token']}"} if watch["token"] else {}

    def listener() -> WSListener:
        return viewer

    transport, _ = await ws_connect(listener, watch["url"], extra_headers=headers, websocket_handshake_timeout=30)
    if small:  # otherwise the kernel buffers megabytes before the server notices
        raw = transport.underlying_transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    return viewer


def summary(crowd: Crowd, readers: list[Viewer]) -> dict[str, float]:
    latencies = sorted(crowd.latencies) or [0]
    return {
        "lines": sum(viewer.lines for viewer in readers),
        "faults": sum(viewer.faults for viewer in readers),
        "late": sum(viewer.last < crowd.total for viewer in readers),
        "p50_ms": latencies[len(latencies) // 2] / 1e6,
        "p99_ms": latencies[int(len(latencies) * 0.99)] / 1e6,
        "worst_ms": latencies[-1] / 1e6,
    }


async def _until(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


if __name__ == "__main__":
    uvloop.run(main())
