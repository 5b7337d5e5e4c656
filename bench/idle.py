"""The cost of idle viewers: server memory per viewer, and CPU for all.

    .venv/bin/python -m bench.idle --viewers 1000 --seconds 30

A running log without new lines; the job's writer still sends a heartbeat each second. Memory is the growth of the
servers' PSS when the viewers connect, measured after a few had connected and left. All servers idle at the same time,
each with its own CPU counted. At the end, a few lines show that all viewers are live.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import pace, peers, processes, report
from bench.load import Load
from bench.peers import Peer
from bench.report import Reading

DEFAULT = "synctail,centrifuge,broadcast,nchan,nats,socketio"
LINES = 20
SETTLED_S = 2.0
FIRST_FEW = 50
"""Viewers before the first memory reading, so that one-time allocations are not counted."""


def one_round(names: list[str], options: argparse.Namespace) -> dict[str, Reading]:
    found: dict[str, Reading] = {}
    with ExitStack() as stack:
        up = [peer for name in names for peer in _start(name, stack)]
        held: list[tuple[Peer, Load, int]] = []
        for peer in up:
            with Load(peer.watches[-1:], viewers=FIRST_FEW, total=1, seconds=0):
                time.sleep(0.2)
            time.sleep(0.5)
            before = processes.memory_kib(peer.pids)
            limit = options.seconds * 3 + 300
            load = Load(peer.watches[:1], viewers=options.viewers, total=LINES, seconds=limit, exact_every=1)
            stack.callback(load.close)
            held.append((peer, load, before))
        time.sleep(SETTLED_S)
        used = {peer.name: processes.cpu_s(peer.pids) for peer in up}
        began = time.monotonic()
        time.sleep(options.seconds)
        took = time.monotonic() - began
        used = {peer.name: processes.cpu_s(peer.pids) - used[peer.name] for peer in up}
        for peer, load, before in held:
            grown = processes.memory_kib(peer.pids) - before
            pace.publish(peer, "as it is" if peer.name == "synctail" else "by line", rate=10, total=LINES)
            result = load.result()
            found[peer.name] = {**result, "kib": grown / options.viewers, "core": used[peer.name] / took}
    return found


def _start(name: str, stack: ExitStack) -> list[Peer]:
    """Empty if the server is not installed."""
    try:
        peer = peers.start(name, Path(stack.enter_context(tempfile.TemporaryDirectory())), 2)
    except FileNotFoundError as missing:
        report.say(f"left out: {name} needs {missing}")
        return []
    stack.callback(peer.stop)
    return [peer]


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--peers", default=DEFAULT)
    options = parser.parse_args()
    processes.on_the_clients_core()
    rounds = []
    for number in range(options.rounds):
        report.say(f"round {number + 1} of {options.rounds}")
        rounds.append(one_round(options.peers.split(","), options))
    found = {name: report.medians([one[name] for one in rounds]) for name in rounds[0]}
    report.headline(f"{options.viewers:,} viewers of a running log in which nothing is written")
    head = ["server", "memory of a viewer", "CPU of all of them", "worst latency afterwards", "counts"]
    report.table(
        head,
        [
            [
                peers.TITLES[name],
                f"{row['kib']:.1f} KiB",
                f"{row['core']:.2%} of a core",
                f"{row['worst_ms']:.0f} ms",
                report.verdict(row),
            ]
            for name, row in sorted(found.items(), key=lambda item: item[1]["kib"])
        ],
    )


if __name__ == "__main__":
    main()
