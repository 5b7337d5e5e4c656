"""Socket.IO with `@socket.io/redis-streams-adapter` (see `socketio.js`), published to through the adapter's stream.

Its emitters do the same: one XADD per message, which Node then sends to the viewers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench import processes, redis
from bench.peers import Watch
from synctail.connect import connect

MODULES = processes.INSTALLED / "socketio" / "node_modules"
BROADCAST = "3"
KEPT = 100_000


class SocketIO:
    name = "socketio"
    stamps = False
    numbers = False

    def __init__(self, folder: Path, logs: int = 1) -> None:
        if not shutil.which("node") or not MODULES.exists():
            raise FileNotFoundError("Node.js and bench/install-peers.sh")
        port = processes.free_port()
        self.valkey, redis_port = redis.start_on_port(folder)
        program = str(processes.ROOT / "bench" / "peers" / "socketio.js")
        command = ["node", program, f"redis://127.0.0.1:{redis_port}", str(port)]
        self.process = processes.pinned(*command, env={**os.environ, "NODE_PATH": str(MODULES)})
        processes.wait_for_port(port, self.process)
        self.pids = [self.process.pid]
        self.helpers = [self.valkey.process.pid]
        url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
        self.watches = [Watch(f"{url}&log={log}", "40", "40{") for log in range(logs)]
        self.redis = connect(self.valkey.url)

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        body = lines[0] if len(lines) == 1 else b"[" + b",".join(lines) + b"]"
        packet = b'{"type":2,"data":["lines",%s],"nsp":"/"}' % body
        data = b'{"opts":{"rooms":["log%d"],"except":[],"flags":{}},"packet":%s}' % (log, packet)
        entry = {"uid": "bench", "nsp": "/", "type": BROADCAST, "data": data}
        self.redis.xadd("socket.io", entry, maxlen=KEPT, approximate=True)  # type: ignore[arg-type] # bytes work as well

    def flush(self) -> None:
        pass

    def stop(self) -> None:
        self.redis.close()
        processes.stop(self.process)
        self.valkey.stop()
