"""Centrifuge: a node that serves viewers and a node that publishes (see `centrifuge.go`), with history in Redis."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench import processes, redis
from bench.peers import Watch, feed

PROGRAM = processes.INSTALLED / "centrifuge"


class Centrifuge:
    name = "centrifuge"
    stamps = True
    numbers = False

    def __init__(self, folder: Path, logs: int = 1) -> None:
        if not PROGRAM.exists():
            raise FileNotFoundError("bench/install-peers.sh")
        port, fed = processes.free_port(), processes.free_port()
        self.valkey, redis_port = redis.start_on_port(folder)
        address = f"127.0.0.1:{redis_port}"
        self.process = processes.pinned(str(PROGRAM), "serve", address, str(port))
        self.publisher = subprocess.Popen([PROGRAM, "publish", address, str(fed)])
        processes.wait_for_port(port, self.process)
        processes.wait_for_port(fed, self.publisher)
        self.pids = [self.process.pid]
        self.helpers = [self.valkey.process.pid, self.publisher.pid]
        url = f"ws://127.0.0.1:{port}/connection/websocket"
        self.watches = [Watch(url, _hello(f"log{log}"), '"id":2') for log in range(logs)]
        self.feed = feed.Feed(fed)

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        # No raw newline: it ends a message in Centrifuge's JSON protocol.
        self.feed.send(lines[0] if len(lines) == 1 else b"[" + b",".join(lines) + b"]", log)

    def flush(self) -> None:
        pass

    def stop(self) -> None:
        self.feed.close()
        processes.stop(self.process)
        processes.stop(self.publisher)
        self.valkey.stop()


def _hello(channel: str) -> str:
    connect = {"id": 1, "params": {}}
    subscribe = {"id": 2, "method": 1, "params": {"channel": channel}}
    return f"{json.dumps(connect)}\n{json.dumps(subscribe)}"
