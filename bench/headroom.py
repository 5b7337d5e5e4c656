"""Checks that the load generator is not the limit: viewers of a raw broadcaster, far above the measured rates.

    .venv/bin/python -m bench.headroom

Viewers keep up if all lines arrive in time and their core has room left. `by line` is limited by the core itself, at
about 100,000 messages a second for viewers and broadcaster alike; its row shows that limit.
"""

from __future__ import annotations

from bench import fanout, processes, report
from bench.pace import Mode

CASES: list[tuple[Mode, int, float]] = [
    ("10 ms", 10_000, 1),
    ("10 ms", 20_000, 2),
    ("10 ms", 30_000, 3),
    ("by line", 1000, 1),
]
"""Messages, lines per second, and the multiple of the highest measured rate."""


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    processes.on_the_clients_core()

    def measure(case: tuple[Mode, int, float]) -> report.Reading:
        mode, rate, _ = case
        return fanout.measure("picows", mode, viewers=options.viewers, rate=rate, seconds=options.seconds)

    found = report.in_turn(options.rounds, CASES, measure)
    report.headline(f"The load against picows, raw, {options.viewers} viewers")
    head = [
        "messages",
        "lines per second",
        "of what is measured",
        "p99",
        "broadcaster's core",
        "viewers' core",
        "keep up",
    ]
    report.table(
        head,
        [
            [
                mode,
                f"{rate:,}",
                f"{share:g} {report.TIMES}",
                f"{row['p99_ms']:.1f} ms",
                f"{row['server_core']:.0%}",
                f"{row['viewers_core']:.0%}",
                report.verdict(row),
            ]
            for (mode, rate, share), row in found.items()
        ],
    )


if __name__ == "__main__":
    main()
