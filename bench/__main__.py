"""Runs all measurements in turn, in about 40 minutes. `python -m bench --quick` only shows that they work."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time

from bench import processes

MANY = "--viewers 500 --rate 1000 --modes '10 ms' --peers synctail,nchan,picows,centrifuge"
FEW = "--logs 200 --viewers 5 --rate 20 --modes 'by line' --peers synctail,nchan,centrifuge"
FULL = f"""
headroom --rounds 3
fanout --rate 1000 --seconds 4
fanout --rate 10000 --seconds 4 --modes '10 ms'
fanout --seconds 4 {MANY}
fanout --seconds 5 {FEW}
quiet --seconds 5
stalls
replay
idle
storm
writer
engine
"""
QUICK = f"""
headroom --rounds 1 --seconds 1
fanout --rounds 1 --rate 1000 --seconds 1
fanout --rounds 1 --rate 10000 --seconds 1 --modes '10 ms'
fanout --rounds 1 --seconds 1 {MANY}
fanout --rounds 1 --seconds 2 {FEW}
quiet --rounds 1 --seconds 2
stalls --rounds 1 --seconds 3
replay --rounds 1 --lines 100000
idle --rounds 1 --viewers 200 --seconds 5
storm --rounds 1 --viewers 200
writer --rounds 1 --lines 50000 --seconds 5
engine --rounds 1 --records 10000
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    steps = (QUICK if parser.parse_args().quick else FULL).strip().splitlines()
    began = time.monotonic()
    failed = []
    for number, step in enumerate(steps, 1):
        print(f"[{number} of {len(steps)}, after {time.monotonic() - began:.0f} s] {step}", file=sys.stderr, flush=True)
        module, *options = shlex.split(step)
        if subprocess.run(
            [sys.executable, "-m", f"bench.{module}", *options], cwd=processes.ROOT, check=False
        ).returncode:
            failed.append(step)
    print(f"{len(steps) - len(failed)} of {len(steps)} done in {time.monotonic() - began:.0f} s", file=sys.stderr)
    if failed:
        sys.exit("These failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
