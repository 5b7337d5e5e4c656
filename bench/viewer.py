"""One viewer of any peer: subscribes, and counts lines, missing, duplicate and out of order.

A line carries its number and the time it was made: `{"n":7,… "text":"… @<ns>@"}`. Some viewers check every line; the
others check only the numbers at both ends of each message, which costs next to nothing.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from picows import WSFrame, WSListener, WSMsgType, WSTransport

NUMBER = re.compile(rb'\{"n":(\d+),')
MADE = re.compile(rb'\{"n":(\d+),[^@]*@(\d+)@')
HEAD = b'{"n":'


@dataclass
class Crowd:
    """State shared by the viewers of a process."""

    total: int
    """Number of the last line of each log."""
    count_from: int = 1
    """Latency is measured from this line on."""
    welcomed: int = 0
    done: int = 0
    lost: int = 0
    """Connections that ended before all lines had arrived."""
    latencies: list[int] = field(default_factory=list)


class Viewer(WSListener):
    def __init__(self, crowd: Crowd, *, hello: bytes, welcome: bytes, exact: bool) -> None:
        self.crowd = crowd
        self.hello = hello
        self.welcome = welcome
        self.exact = exact
        self.welcomed = False
        self.last = 0
        self.lines = 0
        self.faults = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.hello:
            transport.send(WSMsgType.TEXT, self.hello)
        if not self.welcome:
            self._welcomed()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        del transport
        if self.last < self.crowd.total:
            self.crowd.lost += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        # The hot path: 100,000 times a second. picows answers pings, and they contain no line.
        data = frame.get_payload_as_bytes()
        if not self.welcomed and self.welcome in data:
            self._welcomed()
        begin = data.find(HEAD)
        if begin < 0:
            self._answer(transport, data)
            return
        first = last = int(data[begin + 5 : data.index(b",", begin)])
        end = data.rfind(HEAD)
        if end != begin:
            last = int(data[end + 5 : data.index(b",", end)])
        if self.exact:
            self._look(data)
        elif first != self.last + 1 or last < first:
            self.faults += 1
        self.lines += last - first + 1
        self.last = last
        if last == self.crowd.total:
            self.crowd.done += 1

    def _welcomed(self) -> None:
        self.welcomed = True
        self.crowd.welcomed += 1

    def _answer(self, transport: WSTransport, data: bytes) -> None:
        """Answers pings that are messages: Engine.IO's and those of NATS."""
        if data == b"2":
            transport.send(WSMsgType.TEXT, b"3")
        elif data.startswith(b"PING\r\n"):
            transport.send(WSMsgType.BINARY, b"PONG\r\n")

    def _look(self, data: bytes) -> None:
        now = time.monotonic_ns()
        expected = self.last + 1
        for number in NUMBER.findall(data):
            if int(number) != expected:
                self.faults += 1
            expected = int(number) + 1
        count_from = self.crowd.count_from
        self.crowd.latencies.extend(now - int(made) for n, made in MADE.findall(data) if int(n) >= count_from)
