"""The daily chart, as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pages.charts import HEIGHT, LEAST, chart, short
from synctail.model.sync import Day


def test_the_highest_day_fits_and_the_scale_reads_well() -> None:
    shown = chart([Day(day="2026-11-23", syncs=1, pulled=12_345, pushed=12_000), Day(day="2026-11-24")])
    assert shown.scale == ["16k", "8k", "0"]
    first, last = shown.columns
    assert [(bar.kind, bar.height) for bar in first.bars] == [("pulled", 93), ("pushed", 90)]
    assert (first.name, first.today, last.name, last.today) == ("Mon 23 Nov", False, "Tue 24 Nov", True)
    assert last.bars == []


def test_the_totals_are_of_all_days() -> None:
    shown = chart([Day(day=f"2026-11-{n:02}", syncs=2, failed_syncs=1, pulled=n, failed=1) for n in range(1, 15)])
    assert shown.totals == Day(day="2026-11-01", syncs=28, failed_syncs=14, pulled=105, failed=14)
    assert not shown.empty
    assert chart([Day(day="2026-11-24")]).empty


@given(st.lists(st.integers(0, 10**12), min_size=3, max_size=3))
def test_every_bar_is_within_the_drawing_and_what_is_not_nothing_is_seen(counts: list[int]) -> None:
    pulled, pushed, failed = counts
    [column] = chart([Day(day="2026-11-24", pulled=pulled, pushed=pushed, failed=failed)]).columns
    assert [bar.kind for bar in column.bars] == [
        kind for kind, count in zip(("pulled", "pushed", "failed"), counts, strict=True) if count
    ]
    for bar in column.bars:
        assert LEAST <= bar.height <= HEIGHT
        assert bar.y + bar.height == HEIGHT


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (950, "950"), (1200, "1.2k"), (12_000, "12k"), (1_600_000, "1.6M"), (10**12, "1000G")],
)
def test_a_mark_of_the_scale_is_short(number: int, words: str) -> None:
    assert short(number) == words
