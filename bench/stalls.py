"""The cost of viewers that stop reading, for the others and for the server.

    .venv/bin/python -m bench.stalls --viewers 200 --rate 5000

In turn: all viewers read, or a tenth of them stops reading at once, with small receive buffers, so that the server
notices soon. Latency is measured on the readers, from `--warm-up` seconds on, when the stalled buffers are full. The
first round continues until the server has disconnected the stalled viewers (30 s without a byte taken), to measure its
memory then.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from bench import pace, processes, report
from bench.load import Load
from bench.peers.synctail import Synctail
from bench.report import Reading

LATE_S = 20.0
ABORTED_WITHIN_S = 60.0
"""30 s without a byte taken, plus the time to fill the buffers; the server checks every 5 s."""
SAMPLE_S = 1.0


class Stalls:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.waited = False
        self.memory: Reading = {}

    def measure(self, case: str) -> Reading:
        with tempfile.TemporaryDirectory() as folder:
            synctail = Synctail(Path(folder))
            try:
                return self._measure(synctail, stall_every=10 if case == "a tenth stalls" else 0)
            finally:
                synctail.stop()

    def _measure(self, synctail: Synctail, stall_every: int) -> Reading:
        options = self.options
        total = int(options.rate * (options.warm_up + options.seconds))
        limit = options.warm_up + options.seconds + LATE_S
        with Load(
            synctail.watches,
            viewers=options.viewers,
            total=total,
            seconds=limit,
            count_from=int(options.rate * options.warm_up),
            stall_every=stall_every,
        ) as load:
            before = processes.memory_kib(synctail.pids, "Rss")
            clients = [os.getpid(), load.pid, *synctail.helpers]
            used, began = processes.cpu_s(clients), time.monotonic()
            pace.publish(synctail, "as it is", rate=options.rate, total=total)
            result = load.result()
            result["viewers_core"] = (processes.cpu_s(clients) - used) / (time.monotonic() - began)
            result["grown_kib"] = processes.memory_kib(synctail.pids, "Rss") - before
            if stall_every and not self.waited:
                self.waited = True
                self.memory = {"before": before, "stalled": before + result["grown_kib"]}
                self._wait_until_let_go(synctail)
        return result

    def _wait_until_let_go(self, synctail: Synctail) -> None:
        """Waits until the server has closed the stalled viewers' sockets, so that only the others are left."""
        stalled = self.options.viewers // 10
        sockets = _sockets(synctail.pids[0])
        began = time.monotonic()
        while _sockets(synctail.pids[0]) > sockets - stalled and time.monotonic() < began + ABORTED_WITHIN_S:
            time.sleep(SAMPLE_S)
        self.memory["let_go_after_s"] = time.monotonic() - began
        self.memory["still_there"] = _sockets(synctail.pids[0]) - (sockets - stalled)
        time.sleep(SAMPLE_S)
        self.memory["after"] = processes.memory_kib(synctail.pids, "Rss")


def _sockets(pid: int) -> int:
    return sum(str(one.readlink()).startswith("socket:") for one in Path(f"/proc/{pid}/fd").iterdir())


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5000, help="lines per second")
    parser.add_argument("--warm-up", type=float, default=5, help="seconds whose latency is not counted")
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    processes.on_the_clients_core()
    stalls = Stalls(options)
    found = report.in_turn(options.rounds, ["all read", "a tenth stalls"], stalls.measure)
    report.headline(f"{options.viewers} viewers, {options.rate:,g} lines per second, a tenth of them stops reading")
    base = found["all read"]["p99_ms"]
    report.table(
        [
            "viewers",
            "p50",
            "p99",
            f"p99, {report.TIMES} all read",
            "server's memory grew by",
            "viewers' core",
            "counts",
        ],
        [
            [
                case,
                f"{row['p50_ms']:.1f} ms",
                f"{row['p99_ms']:.1f} ms",
                report.times(row["p99_ms"], base),
                f"{row['grown_kib'] / 1024:.1f} MiB",
                f"{row['viewers_core']:.0%}",
                report.verdict(row),
            ]
            for case, row in found.items()
        ],
    )
    _print_memory(stalls.memory, options.viewers // 10)


def _print_memory(memory: Reading, stalled: int) -> None:
    report.table(
        ["server's memory (RSS)", ""],
        [
            ["before", f"{memory['before'] / 1024:.1f} MiB"],
            [f"{stalled} viewers stalled", f"{memory['stalled'] / 1024:.1f} MiB"],
            [
                f"{memory['let_go_after_s']:.0f} s after the last line, {stalled - memory['still_there']:.0f} let go",
                f"{memory['after'] / 1024:.1f} MiB",
            ],
        ],
    )


if __name__ == "__main__":
    main()
