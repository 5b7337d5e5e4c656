"""How long the lines of a busy log gather: longer, the more a process has to write, and never longer than a bound."""

from __future__ import annotations

import pytest

from server.log.viewers import PUBLISH_EVERY_S, Pace


@pytest.mark.parametrize(
    ("logs", "viewers", "seconds"), [(1, 100, 0.05), (1, 10_000, 0.1), (200, 5, 0.1), (1, 360, 0.06)]
)
def test_a_process_with_much_to_write_writes_less_often(logs: int, viewers: int, seconds: float) -> None:
    pace, now = Pace(), 100.0
    for _ in range(200):  # each log always has something to say
        now += pace.seconds
        for _ in range(logs):
            pace.wrote(viewers, now)
        assert PUBLISH_EVERY_S[0] <= pace.seconds <= PUBLISH_EVERY_S[1]
    assert pace.seconds == pytest.approx(seconds, rel=0.1)


def test_a_process_that_has_become_quiet_writes_as_soon_as_ever() -> None:
    pace = Pace()
    for n in range(100):
        pace.wrote(10_000, n * 0.1)
    assert pace.seconds == pytest.approx(PUBLISH_EVERY_S[1])
    for n in range(100, 200):
        pace.wrote(10, n * 0.1)
    assert pace.seconds == pytest.approx(PUBLISH_EVERY_S[0])
