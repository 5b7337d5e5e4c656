"""nats-server over websocket, without persistence."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench import processes
from bench.peers import Watch

CONNECT = 'CONNECT {"verbose":false,"pedantic":false}\r\n'


class Nats:
    name = "nats"
    stamps = False
    numbers = False

    def __init__(self, folder: Path, logs: int = 1) -> None:
        if not shutil.which("nats-server"):
            raise FileNotFoundError("apt-get install nats-server")
        port, ws = processes.free_port(), processes.free_port()
        (folder / "nats.conf").write_text(
            f'listen: "127.0.0.1:{port}"\nmax_payload: 8MB\nwebsocket {{ listen: "127.0.0.1:{ws}", no_tls: true }}'
        )
        self.process = processes.pinned("nats-server", "-c", str(folder / "nats.conf"), stderr=subprocess.DEVNULL)
        processes.wait_for_port(port, self.process)
        processes.wait_for_port(ws, self.process)
        self.pids = [self.process.pid]
        self.helpers: list[int] = []
        # The pong follows the subscription, so by then the viewer is subscribed.
        self.watches = [
            Watch(f"ws://127.0.0.1:{ws}/", f"{CONNECT}SUB log.{log} 1\r\nPING\r\n", "PONG\r\n") for log in range(logs)
        ]
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.recv(4096)
        self.socket.sendall(CONNECT.encode())

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        message = b",\n".join(lines)
        self.socket.sendall(b"PUB log.%d %d\r\n%s\r\n" % (log, len(message), message))

    def flush(self) -> None:
        pass

    def stop(self) -> None:
        self.socket.close()
        processes.stop(self.process)
