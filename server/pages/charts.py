"""The daily chart as numbers: the height of each bar, the labels of the scale, each day in words. Pure; the template
draws it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from synctail.model.sync import Day

HEIGHT = 120
"""Height of a full bar, in units of the SVG."""
LEAST = 2
"""Minimum height of a bar, so that small counts are visible."""
_STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
_BARS = (("pulled", 1.0), ("pushed", 9.5), ("failed", 18.0))
"""Each with its position from the left. The order helps to tell them apart without colour."""


class Bar(NamedTuple):
    kind: str
    x: float
    y: int
    height: int


class Column(NamedTuple):
    day: Day
    name: str
    """`Tue 24 Nov`"""
    number: str
    weekday: str
    today: bool
    bars: list[Bar]


class Chart(NamedTuple):
    columns: list[Column]
    scale: list[str]
    """Labels from top to bottom."""
    totals: Day
    """Sums over all days; its `day` is the first one."""

    @property
    def empty(self) -> bool:
        return not self.totals.syncs


def chart(days: Sequence[Day]) -> Chart:
    """The chart of consecutive days, at least one; the last is today."""
    top = _round_up(max(max(day.pulled, day.pushed, day.failed) for day in days))
    counts = ("syncs", "failed_syncs", "pulled", "pushed", "skipped", "filtered", "failed")
    totals = Day(day=days[0].day, **{name: sum(getattr(day, name) for day in days) for name in counts})
    columns = [_column(day, top, today=day is days[-1]) for day in days]
    return Chart(columns, [short(top), short(top / 2), "0"], totals)


def _column(day: Day, top: int, *, today: bool) -> Column:
    when = date.fromisoformat(day.day)
    bars = []
    for kind, x in _BARS:
        if count := getattr(day, kind):
            height = max(LEAST, round(count / top * HEIGHT))
            bars.append(Bar(kind, x, HEIGHT - height, height))
    return Column(day, f"{when:%a} {when.day} {when:%b}", str(when.day), f"{when:%a}", today, bars)


def _round_up(most: int) -> int:
    """The next round number whose half is round, too."""
    size = 1
    while size * 10 < most:
        size *= 10
    return max(4, next(int(step * size) for step in _STEPS if int(step * size) >= most and int(step * size) % 2 == 0))


def short(number: float) -> str:
    """`950`, `1.2k`, `12k`, `1.25M`."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"
