"""Django Channels with channels_redis (see `channels_site.py`), served by the same uvicorn as Synctail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench import processes, redis
from bench.peers import Watch, feed

PYTHON = processes.INSTALLED / "venv" / "bin" / "python"
SITE = "bench.peers.channels_site"


class Channels:
    name = "channels"
    stamps = True
    numbers = False

    def __init__(self, folder: Path, logs: int = 1) -> None:
        if not PYTHON.exists():
            raise FileNotFoundError("bench/install-peers.sh")
        port, fed = processes.free_port(), processes.free_port()
        self.valkey, redis_port = redis.start_on_port(folder)
        url = f"redis://127.0.0.1:{redis_port}"
        command = [str(PYTHON), "-m", "uvicorn", f"{SITE}:site", "--port", str(port), "--lifespan", "off"]
        command += ["--log-level", "warning", "--no-access-log", "--ws-per-message-deflate", "false"]
        command += ["--timeout-graceful-shutdown", "1"]
        environ = {**os.environ, "CHANNELS_REDIS": url}
        self.process = processes.pinned(*command, cwd=processes.ROOT, env=environ)
        self.publisher = subprocess.Popen([PYTHON, "-m", SITE, url, str(fed)], cwd=processes.ROOT)
        processes.wait_for_port(port, self.process)
        processes.wait_for_port(fed, self.publisher)
        self.pids = [self.process.pid]
        self.helpers = [self.valkey.process.pid, self.publisher.pid]
        self.watches = [Watch(f"ws://127.0.0.1:{port}/logs/{log}") for log in range(logs)]
        self.feed = feed.Feed(fed)

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        self.feed.send(b",\n".join(lines), log)

    def flush(self) -> None:
        pass

    def stop(self) -> None:
        self.feed.close()
        processes.stop(self.process)
        processes.stop(self.publisher)
        self.valkey.stop()
