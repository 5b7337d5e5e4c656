"""The bench's own Valkey, as in `make run`; its output goes to its folder."""

from __future__ import annotations

from pathlib import Path

from bench import processes
from demo import valkey


def start(folder: Path) -> valkey.Server:
    """Starts it on a unix socket only."""
    return valkey.start(folder, extra=["--logfile", str(folder / "valkey.log")])


def start_on_port(folder: Path) -> tuple[valkey.Server, int]:
    """Starts it on a port too, for peers without unix sockets."""
    port = processes.free_port()
    extra = ["--logfile", str(folder / "valkey.log"), "--port", str(port), "--bind", "127.0.0.1"]
    return valkey.start(folder, extra=extra), port
