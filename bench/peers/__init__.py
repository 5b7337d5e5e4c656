"""The servers that are compared: how each is started, what a publisher says to it, what a viewer asks it for.

One file each, with the peer's own program beside it where it needs one. All take one of several logs (`fed.py`'s only
one), so that one log with many viewers and many logs with few are the same to whoever measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Watch(NamedTuple):
    """How to become a viewer of one log."""

    url: str
    hello: str = ""
    """Sent once connected, to servers that want to be asked."""
    welcome: str = ""
    """What the first message that comes after the subscription holds; empty: the handshake is enough."""
    token: str = ""


class Peer(Protocol):
    name: str
    pids: list[int]
    """The processes whose CPU counts: those that serve viewers."""
    helpers: list[int]
    """Redis, and a publisher where that is a process of its own: they run with the clients."""
    stamps: bool
    """It puts the moment where a line has `@now@`: for publishers that are a process of their own."""
    numbers: bool
    """It takes texts and numbers them itself; else lines come as JSON objects with their numbers."""

    @property
    def watches(self) -> Sequence[Watch]:
        """One for each log."""

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        """Lines in one message."""

    def flush(self) -> None:
        """Once a tick, after what was published in it."""

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
    """Returns when it answers. Raises `FileNotFoundError` with the name of what is not installed."""
    # Each imported when it is asked for: one that is broken must not keep the others from being measured.
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
