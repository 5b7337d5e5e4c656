"""Prints a measurement: the exact command, and a table as in `docs/performance.md`. Runs the rounds in turn."""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

FULL = 0.9
"""If the viewers' core is busier than this, it is the limit, and the row does not count."""

BEHIND_S = 0.5
"""Lines this late have piled up and went out in larger messages than the row says."""
BUSY = 0.1
"""How much of a core other processes, including the system's, may use."""

TIMES, NONE = "×", "–"  # noqa: RUF001 - as in the docs

Reading = dict[str, float]
Case = TypeVar("Case")


def parser(text: str | None, *, rounds: int = 5) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds, help="how often each is measured, in turn")
    return made


def in_turn(rounds: int, cases: Sequence[Case], measure: Callable[[Case], Reading]) -> dict[Case, Reading]:
    """Runs A B A B …. Returns the medians and all faults of each case; skips what is not installed."""
    readings: dict[Case, list[Reading]] = {}
    broken: Counter[Case] = Counter()
    absent: set[Case] = set()
    for number in range(rounds):
        for case in cases:
            if case in absent:
                continue
            say(f"round {number + 1} of {rounds}: {case}")
            try:
                reading = measure(case)
            except FileNotFoundError as missing:
                say(f"left out: {case} needs {missing}")
                absent.add(case)
            except OSError as error:
                say(f"broke off: {case}: {error}")
                broken[case] += 1
            else:
                readings.setdefault(case, []).append(reading)
    return {case: medians(found, broken[case]) for case, found in readings.items()}


def medians(readings: Sequence[Reading], broken: int = 0) -> Reading:
    middle = {key: statistics.median(reading[key] for reading in readings) for key in readings[0]}
    faults = {kind: sum(reading.get(kind, 0) for reading in readings) for kind in ("faults", "late")}
    return {**middle, **faults, "broken": broken}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def headline(text: str) -> None:
    """Prints a title and the exact command, and a warning if other processes used the machine."""
    command = shlex.join(["python", "-m", f"bench.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    print(f"{text} (`{command}`):\n")
    others = _others_share()
    if others > BUSY:
        print(f"**Not alone: meanwhile others used {others:.0%} of a core.**\n")


def _machine_s() -> float:
    """CPU time of all cores so far."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _others_share() -> float:
    """CPU use of other processes since this one started, in cores. All its children have ended by now."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return (_machine_s() - _BEGAN[1] - own) / (time.monotonic() - _BEGAN[0])


_BEGAN = time.monotonic(), _machine_s()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)


def verdict(reading: Reading) -> str:
    """Whether a row counts, and if not, why not."""
    if reading["faults"]:
        return f"**no: {reading['faults']:,.0f} faults**"
    if reading["broken"]:
        return f"**no: broke off {reading['broken']:.0f} times**"
    if reading["late"]:
        return f"**no: fell behind, {reading['late']:,.0f} viewers miss the end**"
    if reading.get("behind_s", 0) > BEHIND_S:
        return f"**no: fell behind by {reading['behind_s']:.1f} s**"
    if reading.get("viewers_core", 0) >= FULL:
        return "**no: the viewers are the limit**"
    return "yes"


def times(part: float, whole: float) -> str:
    return f"{part / whole:.2f} {TIMES}" if whole else NONE
