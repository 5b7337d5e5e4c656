"""Lines at an even pace into a peer's logs; what each line looks like. The publisher's side of every measurement."""

from __future__ import annotations

import time
from typing import Literal

from bench.peers import Peer

Mode = Literal["by line", "10 ms", "as it is"]
"""A message for each line, as most users of the peers send; the lines of 10 ms in one; Synctail's own way."""

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
    """`total` lines into each log, `rate` per second. Each tick the ones that are due, so a late tick is made up for.

    Each log has a phase of its own, so that many slow logs are not written all in the same tick.
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
    # A publisher that puts in the moment itself does so once a message.
    if mode == "by line":
        for n in numbers:
            peer.publish([line(peer, n)], log)
    else:
        peer.publish([line(peer, n) for n in numbers], log)
