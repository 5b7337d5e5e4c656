"""All viewers reconnect at once: after the web process restarts or is killed, and after Redis is killed and back.

    .venv/bin/python -m bench.storm --viewers 1000

A job keeps logging. The web process is restarted (SIGTERM) or killed (SIGKILL), and a new one starts at once. Viewers
reconnect by the rules of the page (see `followers.py`). Redis is killed, and comes back with the same data some seconds
later. Each line carries its own count as well as its number, so that a line lost or repeated by the writer shows, too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

from bench import processes, redis, report
from bench.peers.synctail import TOKEN, Synctail
from bench.report import Reading

RESTARTED, KILLED = "web process restarted", "web process killed"
REDIS_AWAY_S = {"Redis killed, for 3 s": 3.0, "Redis killed, for 8 s": 8.0}
"""Long enough for backoffs to grow; less than the ten seconds after which viewers are disconnected."""
CASES = (RESTARTED, KILLED, *REDIS_AWAY_S)
SETTLED_S = 6.0
"""A websocket that lived this long is proven, so the next failure counts as the first."""


class Followers:
    """The bench's side of the viewers' process."""

    def __init__(self, url: str, viewers: int) -> None:
        command = ["taskset", "-c", str(processes.CLIENT_CORE), sys.executable, "-m", "bench.followers"]
        self._process = subprocess.Popen(
            [*command, url, TOKEN, str(viewers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=processes.ROOT,
        )

    def ask(self, command: str) -> Reading:
        assert self._process.stdin  # noqa: S101
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer: Reading = json.loads(self._process.stdout.readline())
        if answer.get("missing"):
            raise TimeoutError(f"{answer['missing']:.0f} viewers did not come back")
        return answer

    def close(self) -> None:
        self._process.communicate()


class Job:
    """Logs at an even pace until told to stop; returns the number of the last line."""

    def __init__(self, synctail: Synctail, rate: float) -> None:
        self._log = synctail.logs[0]
        self._rate = rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.last = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(1 / self._rate):
            self.last += 1
            self._log.info(f"a line of a log that goes on #{self.last}#")


def measure(case: str, options: argparse.Namespace) -> Reading:
    with tempfile.TemporaryDirectory() as folder:
        synctail = Synctail(Path(folder))
        followers = Followers(synctail.watches[0].url.partition("?")[0], options.viewers)
        try:
            with Job(synctail, options.rate) as job:
                followers.ask("live")
                time.sleep(SETTLED_S)
                followers.ask("mark")
                if case in REDIS_AWAY_S:
                    found = _break_redis(REDIS_AWAY_S[case], synctail, followers)
                else:
                    found = _break_web(case, synctail, followers)
                time.sleep(1)
            return {**found, **followers.ask(f"end {job.last}")}
        finally:
            followers.close()
            synctail.stop()


def _break_web(case: str, synctail: Synctail, followers: Followers) -> Reading:
    began = time.monotonic_ns()
    if case == KILLED:
        synctail.process.kill()
        synctail.process.wait()
    else:
        processes.stop(synctail.process, seconds=10)
    followers.ask("mark")
    synctail.start_web()
    up, started = time.monotonic_ns(), processes.cpu_s(synctail.pids)
    lines = followers.ask("lines")
    used = processes.cpu_s(synctail.pids) - started
    return {"down_s": (up - began) / 1e9, "cpu_s": used, **_after(up, lines, followers.ask("live"))}


def _break_redis(away_s: float, synctail: Synctail, followers: Followers) -> Reading:
    synctail.valkey.kill()
    time.sleep(0.2)  # let lines in flight arrive
    followers.ask("mark")
    time.sleep(away_s)
    synctail.valkey = redis.start(synctail.folder)
    up, started = time.monotonic_ns(), processes.cpu_s(synctail.pids)
    lines = followers.ask("lines")
    used = processes.cpu_s(synctail.pids) - started
    return {"down_s": away_s, "cpu_s": used, **_after(up, lines, lines)}


def _after(up: int, lines: Reading, live: Reading) -> Reading:
    return {
        "median_s": (lines["median_ns"] - up) / 1e9,
        "all_s": (lines["last_ns"] - up) / 1e9,
        "live_s": (live["last_ns"] - up) / 1e9,
    }


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5, help="lines per second")
    parser.add_argument("--cases", default=";".join(CASES))
    options = parser.parse_args()
    processes.on_the_clients_core()
    found = report.in_turn(options.rounds, options.cases.split(";"), lambda case: measure(case, options))
    report.headline(f"{options.viewers:,} viewers come back, {options.rate:g} lines per second all the while")
    report.table(
        [
            "what happened",
            "away",
            "half have new lines",
            "all have",
            "all by websocket",
            "server's CPU",
            "polls",
            "counts",
        ],
        [
            [
                case,
                f"{row['down_s']:.1f} s",
                f"{row['median_s']:.2f} s",
                f"{row['all_s']:.2f} s",
                f"{row['live_s']:.2f} s",
                f"{row['cpu_s']:.2f} s",
                f"{row['polls']:,.0f}",
                report.verdict(row),
            ]
            for case, row in found.items()
        ],
    )
    print(
        "Times begin when the web process listens again, or with Redis's first PONG; CPU is until all have new lines.\n"
    )


if __name__ == "__main__":
    main()
