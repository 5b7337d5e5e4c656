"""One log with many viewers, or many logs with few viewers each, next to the peers: in turn, medians.

    .venv/bin/python -m bench.fanout --viewers 100 --rate 1000
    .venv/bin/python -m bench.fanout --logs 200 --viewers 5 --rate 20 --peers synctail,centrifuge

Columns: CPU (user and system) of the processes that serve viewers, per line and viewer, also as a multiple of
Synctail's; latency from the creation of a line to its arrival; CPU of publisher, viewers and Redis on their core. Near
100% that core is the limit, and the row does not count. Faults are missing, duplicate and out-of-order lines.
`by line`: one message per line, as most users of the peers send; `10 ms`: the lines of 10 ms in one message.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from bench import pace, peers, processes, report
from bench.load import Load
from bench.pace import Mode
from bench.report import Reading

LATE_S = 10.0
"""Time for a slow server to catch up after the last line was published."""


def measure(name: str, mode: Mode, *, logs: int = 1, viewers: int, rate: float, seconds: float) -> Reading:
    """One run of one server, which is started and stopped for it."""
    with tempfile.TemporaryDirectory() as folder:
        peer = peers.start(name, Path(folder), logs)
        try:
            return _measure(peer, mode, viewers, rate, seconds)
        finally:
            peer.stop()


def _measure(peer: peers.Peer, mode: Mode, viewers: int, rate: float, seconds: float) -> Reading:
    total = max(1, int(rate * seconds))
    with Load(peer.watches, viewers=viewers, total=total, seconds=seconds + LATE_S) as load:
        clients = [os.getpid(), load.pid, *peer.helpers]
        before, clients_before, began = processes.cpu_s(peer.pids), processes.cpu_s(clients), time.monotonic()
        pace.publish(peer, mode, rate=rate, total=total, logs=len(peer.watches))
        result = load.result()
        took = time.monotonic() - began
        used, clients_used = processes.cpu_s(peer.pids) - before, processes.cpu_s(clients) - clients_before
    return {
        **result,
        "us_per_line": used / max(1, result["lines"]) * 1e6,
        "server_core": used / took,
        "viewers_core": clients_used / took,
        "behind_s": took - total / rate,
    }


def arguments() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--logs", type=int, default=1)
    parser.add_argument("--viewers", type=int, default=100, help="of each log")
    parser.add_argument("--rate", type=float, default=1000, help="lines per second into each log")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--peers", default=",".join(peers.NAMES))
    parser.add_argument("--modes", default="by line,10 ms")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    processes.on_the_clients_core()
    cases = [(name, mode) for name in options.peers.split(",") for mode in pace.modes(name, options.modes)]
    how = {"logs": options.logs, "viewers": options.viewers, "rate": options.rate, "seconds": options.seconds}
    found = report.in_turn(options.rounds, cases, lambda case: measure(*case, **how))
    many = f"{options.logs} logs, {options.viewers} viewers each" if options.logs > 1 else f"{options.viewers} viewers"
    report.headline(f"{many}, {options.rate:,g} lines per second{' each' if options.logs > 1 else ''}")
    ours = found.get(("synctail", "as it is"), {}).get("us_per_line", 0)
    head = [
        "server",
        "messages",
        "CPU per delivered line",
        f"{report.TIMES} Synctail",
        "p50",
        "p99",
        "viewers' core",
        "counts",
    ]
    report.table(head, [_row(name, mode, row, ours) for (name, mode), row in _cheapest_first(found)])


def _cheapest_first(found: dict[tuple[str, Mode], Reading]) -> list[tuple[tuple[str, Mode], Reading]]:
    return sorted(found.items(), key=lambda item: item[1]["us_per_line"])


def _row(name: str, mode: Mode, row: Reading, ours: float) -> list[str]:
    return [
        peers.TITLES[name],
        mode,
        f"{row['us_per_line']:.3f} µs",
        report.times(row["us_per_line"], ours),
        f"{row['p50_ms']:.1f} ms",
        f"{row['p99_ms']:.1f} ms",
        f"{row['viewers_core']:.0%}",
        report.verdict(row),
    ]


if __name__ == "__main__":
    main()
