"""Latency of a quiet log: from the job's `log.info`, or a peer's publish, to the viewers' sockets.

    .venv/bin/python -m bench.quiet --rate 10 --seconds 8

All servers are up at once; all but the measured one are idle. Each line is its own message, because the lines of a
quiet log arrive one by one. Every line of every viewer is checked.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import pace, peers, processes, report
from bench.load import Load
from bench.peers import Peer
from bench.report import Reading

BASE = "centrifuge"
"""The server that the others are compared with."""
DEFAULT = "synctail,centrifuge,nchan,nats,socketio,channels,picows"
LATE_S = 5.0


class Quiet:
    """One server, up during all rounds. Each round uses a new log, or continues the previous one."""

    def __init__(self, name: str, stack: ExitStack, rounds: int) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.peer: Peer = peers.start(name, folder, rounds if name not in ("picows", "broadcast") else 1)
        stack.callback(self.peer.stop)
        self.round = 0

    def measure(self, options: argparse.Namespace) -> Reading:
        log = self.round % len(self.peer.watches)
        self.round += 1
        total = int(options.rate * options.seconds)
        limit = options.seconds * 2 + LATE_S
        with Load([self.peer.watches[log]], viewers=options.viewers, total=total, seconds=limit, exact_every=1) as load:
            for n in range(1, total + 1):
                # 0.5 to 1.5 times the pause between two lines, so as not to run in step with any timer.
                time.sleep((0.5 + random.random()) / options.rate)  # noqa: S311
                self.peer.publish([pace.line(self.peer, n)], log)
                self.peer.flush()
            return load.result()


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--rate", type=float, default=10, help="lines per second")
    parser.add_argument("--viewers", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--peers", default=DEFAULT)
    options = parser.parse_args()
    processes.on_the_clients_core()
    with ExitStack() as stack:
        up: dict[str, Quiet] = {}
        for name in options.peers.split(","):
            try:
                up[name] = Quiet(name, stack, options.rounds)
            except FileNotFoundError as missing:
                report.say(f"left out: {name} needs {missing}")
        found = report.in_turn(options.rounds, list(up), lambda name: up[name].measure(options))
    report.headline(f"A quiet log: {options.rate:g} lines per second, one by one, {options.viewers} viewers")
    base = found.get(BASE, {}).get("p50_ms", 0)
    head = ["server", "p50", f"{report.TIMES} {peers.TITLES[BASE]}", "p99", "worst", "counts"]
    report.table(
        head,
        [
            [
                peers.TITLES[name],
                f"{row['p50_ms']:.2f} ms",
                report.times(row["p50_ms"], base),
                f"{row['p99_ms']:.2f} ms",
                f"{row['worst_ms']:.2f} ms",
                report.verdict(row),
            ]
            for name, row in sorted(found.items(), key=lambda item: item[1]["p50_ms"])
        ],
    )


if __name__ == "__main__":
    main()
