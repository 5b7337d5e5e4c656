"""One log and many viewers, next to the peers: in turn, several rounds, medians.

    .venv/bin/python -m bench.fanout --viewers 100 --rate 1000 --seconds 8 --rounds 3

Columns: CPU of the server processes (user and system) for each line delivered to each viewer, latency from a line's
making to its arrival, and what the viewers' process used of its core: near 100% it is the limit, and the row does not
count.
`by line`: a message for each line, as most users of the peers send; `10 ms`: the lines of 10 ms in one message.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import peers

if TYPE_CHECKING:
    from bench.peers import Peer

CLIENT_CORE = "1"
TICK_S = 0.01
PADDING = "x" * 60


def cpu_s(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def run(name: str, mode: str, viewers: int, rate: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        peer = peers.start(name, Path(folder))
        try:
            return _measure(peer, mode, viewers, rate, seconds)
        finally:
            peer.stop()


def _measure(peer: Peer, mode: str, viewers: int, rate: int, seconds: float) -> dict[str, float]:
    total = int(rate * seconds)
    command = [sys.executable, "-m", "bench.load", peer.url, "--viewers", str(viewers), "--total", str(total)]
    command += ["--hello", peer.hello, "--token", peer.token, "--seconds", str(seconds + 20)]
    load = subprocess.Popen(["taskset", "-c", CLIENT_CORE, *command], stdout=subprocess.PIPE, text=True)
    assert load.stdout  # noqa: S101
    assert load.stdout.readline() == "ready\n"  # noqa: S101
    before, began = cpu_s(peer.pids), time.monotonic()
    _publish(peer, mode, rate, total)
    result: dict[str, float] = json.loads(load.stdout.readline())
    took = time.monotonic() - began
    used = cpu_s(peer.pids) - before
    load.wait()
    return {**result, "us_per_line": used / max(1, result["lines"]) * 1e6, "viewers_core": result["cpu_s"] / took}


def _publish(peer: Peer, mode: str, rate: int, total: int) -> None:
    """Lines at an even pace: each tick the ones that are due, so that a late tick is made up for."""
    began = time.monotonic()
    done = 0
    while done < total:
        due = min(total, int((time.monotonic() - began) * rate))
        # Synctail numbers its lines itself; for the others the number is part of what is published.
        if peer.name == "synctail":
            made = [f"{PADDING} @{time.monotonic_ns()}@".encode() for _ in range(done, due)]
        else:
            made = [_line(n) for n in range(done + 1, due + 1)]
        if made and mode == "by line" and peer.name != "synctail":
            for line in made:
                peer.publish([line])
        elif made:
            peer.publish(made)
        done = due
        time.sleep(TICK_S)


def _line(n: int) -> bytes:
    moment = "2026-01-31T09:30:00.125Z"
    return f'{{"n":{n},"time":"{moment}","level":"info","text":"{PADDING} @{time.monotonic_ns()}@"}}'.encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--rate", type=int, default=1000, help="lines per second")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(peers.NAMES))
    parser.add_argument("--modes", default="10 ms,by line")
    arguments = parser.parse_args()
    names = arguments.peers.split(",")
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number in range(arguments.rounds):
        for name in names:
            for mode in ["as it is"] if name == "synctail" else arguments.modes.split(","):
                print(f"round {number + 1}: {name}, {mode} …", file=sys.stderr, flush=True)
                result = run(name, mode, arguments.viewers, arguments.rate, arguments.seconds)
                rows.setdefault((name, mode), []).append(result)
    print(f"{arguments.viewers} viewers, {arguments.rate:,} lines/s, medians of {arguments.rounds} rounds\n")
    print("| server | messages | CPU per delivered line | p50 | p99 | viewers' core | faults |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (name, mode), results in rows.items():
        middle = {key: statistics.median(result[key] for result in results) for key in results[0]}
        faults = sum(result["faults"] for result in results)
        cells = [
            name,
            mode,
            f"{middle['us_per_line']:.3f} µs",
            f"{middle['p50_ms']:.1f} ms",
            f"{middle['p99_ms']:.1f} ms",
            f"{middle['viewers_core']:.0%}",
            f"{faults:.0f}",
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
