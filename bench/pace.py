"""Publishes lines at an even pace into a peer's logs, and defines their content. The publisher of every measurement."""

from __future__ import annotations

import time
from typing import Literal

from bench.peers import Peer

Mode = Literal["by line", "10 ms", "as it is"]
"""One message per line, as most users of the peers send; the lines of 10 ms in one message; Synctail's own way."""

TICK_S = 0.01
PADDING = "x" * 60


def line(peer: Peer, n: int) -> bytes:
    """About 140 bytes as JSON."""
    text = f"{PADDING} @{'now' if peer.stamps else time.monotonic_ns()}@"
    if peer.numbers:
        return text.encode()
    return f'{{"n":{n},"time":"2026-01-31T09:30:00.125Z","level":"info","text":"{text}"}}'.encode()


def modes(name: str, wanted: str) -> list[Mode]:
    return ["as it is"] if name == "synctail" else [mode for mode in ("by line", "10 ms") if mode in wanted]


def publish(peer: Peer, mode: Mode, *, rate: float, total: int, logs: int = 1) -> None:
    """Publishes `total` lines per log, `rate` per second. Each tick sends all due lines, so a late tick catches up.

    Each log has its own phase, so that many slow logs do not publish in the same tick.
    """
    began = time.monotonic()
    done = [0] * logs
    while min(done) < total:
        passed = (time.monotonic() - began) * rate
        for log in range(logs):
            due = max(0, min(total, int(passed - log / logs)))
            if due > done[log]:
                _publish(peer, mode, range(done[log] + 1, due + 1), log)
                done[log] = due
        peer.flush()
        time.sleep(TICK_S)


def _publish(peer: Peer, mode: Mode, numbers: range, log: int) -> None:
    # A publisher that adds the time itself adds it once per message.
    if mode == "by line":
        for n in numbers:
            peer.publish([line(peer, n)], log)
    else:
        peer.publish([line(peer, n) for n in numbers], log)
