"""The viewers: one process, picows (C) so that it is not the limit. Counts missing, double and disordered lines.

Prints one JSON object: lines received by all viewers, faults, and latency percentiles in ms. A line carries its number
and the moment it was made: `{"n":7,…"text":"… @<ns>@"}`. Of every tenth viewer each line's latency is taken; of the
others only the numbers at both ends of each message are looked at, which costs next to nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from typing import cast

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

NUMBER = re.compile(rb'\{"n":(\d+),')
MADE = re.compile(rb"@(\d+)@")


class Viewer(WSListener):
    """One viewer. `hello` is sent once connected, for servers that want to be asked."""

    def __init__(self, index: int, hello: bytes, shared: Shared) -> None:
        self.exact = index % 10 == 0
        self.hello = hello
        self.shared = shared
        self.last = 0
        self.lines = 0
        self.faults = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.hello:
            transport.send(WSMsgType.TEXT, self.hello)
        self.shared.connected += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            return
        if frame.msg_type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        data = frame.get_payload_as_bytes()
        if b"PING\r\n" in data[:8]:
            transport.send(WSMsgType.BINARY, b"PONG\r\n")
            return
        begin = data.find(b'{"n":')
        if begin < 0:
            return
        end = data.rfind(b'{"n":')
        first, last = int(data[begin + 5 : data.index(b",", begin)]), int(data[end + 5 : data.index(b",", end)])
        if self.exact:
            self.look(data)
        elif first != self.last + 1:
            self.faults += 1
        self.lines += last - first + 1
        self.last = last

    def look(self, data: bytes) -> None:
        now = time.monotonic_ns()
        expected = self.last + 1
        for number in NUMBER.findall(data):
            if int(number) != expected:
                self.faults += 1
            expected = int(number) + 1
        self.shared.latencies.extend(now - int(made) for made in MADE.findall(data))


class Shared:
    def __init__(self) -> None:
        self.connected = 0
        self.latencies: list[int] = []


async def main(url: str, viewers: int, total: int, hello: str, token: str, seconds: float) -> None:
    shared = Shared()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    watching: list[Viewer] = []
    for index in range(viewers):
        _, listener = await ws_connect(
            lambda index=index: Viewer(index, hello.encode().decode("unicode_escape").encode(), shared),
            url,
            extra_headers=headers,
        )
        watching.append(cast("Viewer", listener))
    print("ready", flush=True)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(viewer.last < total for viewer in watching):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    latencies = sorted(shared.latencies) or [0]
    result = {
        "lines": sum(viewer.lines for viewer in watching),
        "faults": sum(viewer.faults for viewer in watching) + sum(viewer.last < total for viewer in watching),
        "p50_ms": latencies[len(latencies) // 2] / 1e6,
        "p99_ms": latencies[int(len(latencies) * 0.99)] / 1e6,
        "cpu_s": time.process_time(),
    }
    print(json.dumps(result), flush=True)
    for viewer in watching:
        viewer.transport.disconnect()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--viewers", type=int, required=True)
    parser.add_argument("--total", type=int, required=True, help="the number of the last line")
    parser.add_argument("--hello", default="")
    parser.add_argument("--token", default="")
    parser.add_argument("--seconds", type=float, default=60, help="give up after so long")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(**vars(arguments))))
