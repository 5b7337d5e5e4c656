"""The compared servers: how to start each, publish to it and view it.

One file each, next to the peer's own program if it needs one. All but `raw` support several logs, so that one log with
many viewers and many logs with few are measured the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Watch(NamedTuple):
    """How to become a viewer of one log."""

    url: str
    hello: str = ""
    """Sent after connecting, to servers that expect a subscription."""
    welcome: str = ""
    """Text in the first message after the subscription; empty if the handshake is enough."""
    token: str = ""


class Peer(Protocol):
    name: str
    pids: list[int]
    """The processes that serve viewers, whose CPU counts."""
    helpers: list[int]
    """Redis, and a separate publisher if there is one; they run on the clients' core."""
    stamps: bool
    """True for a separate publisher, which replaces `@now@` in lines by the time."""
    numbers: bool
    """True if the server numbers plain texts itself; otherwise lines are JSON objects with numbers."""

    @property
    def watches(self) -> Sequence[Watch]:
        """One per log."""

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        """Publishes lines in one message."""

    def flush(self) -> None:
        """Called once per tick, after its lines were published."""

    def stop(self) -> None: ...


NAMES = ("synctail", "nchan", "nats", "picows", "broadcast", "centrifuge", "socketio", "channels")
TITLES = {
    "synctail": "**Synctail**",
    "nchan": "nchan (memory)",
    "nats": "NATS",
    "picows": "picows, raw",
    "broadcast": "`websockets.broadcast`",
    "centrifuge": "Centrifuge + Redis history",
    "socketio": "Socket.IO + Redis streams",
    "channels": "Django Channels + Redis",
}


def start(name: str, folder: Path, logs: int = 1) -> Peer:  # noqa: PLR0911 - a table
    """Starts a peer and returns when it answers. Raises `FileNotFoundError` with what is not installed."""
    # Imported on demand, so that a broken peer does not stop the others.
    match name:
        case "synctail":
            from bench.peers.synctail import Synctail  # noqa: PLC0415

            return Synctail(folder, logs)
        case "nchan":
            from bench.peers.nchan import Nchan  # noqa: PLC0415

            return Nchan(folder, logs)
        case "nats":
            from bench.peers.nats import Nats  # noqa: PLC0415

            return Nats(folder, logs)
        case "centrifuge":
            from bench.peers.centrifuge import Centrifuge  # noqa: PLC0415

            return Centrifuge(folder, logs)
        case "socketio":
            from bench.peers.socketio import SocketIO  # noqa: PLC0415

            return SocketIO(folder, logs)
        case "channels":
            from bench.peers.channels import Channels  # noqa: PLC0415

            return Channels(folder, logs)
        case "picows" | "broadcast":
            from bench.peers.raw import Raw  # noqa: PLC0415

            return Raw(name)
        case _:
            raise FileNotFoundError(f"no peer is called {name}; there are {', '.join(NAMES)}")
