"""Lines that wait for Redis: in order, in chunks, and with a note where some were dropped."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctail.log import spool
from synctail.log.lines import Entry
from synctail.log.spool import Spool


def line(n: int, size: int = 10) -> Entry:
    return Entry(n, "info", f"{n} {'x' * size}")


def taken(waiting: Spool) -> list[list[Entry]]:
    chunks = []
    while waiting:
        chunks.append(waiting.take(0))
    return chunks


@given(st.lists(st.integers(0, 40_000), max_size=30))
def test_lines_leave_in_order_and_in_small_chunks(sizes: list[int]) -> None:
    waiting, entries = Spool(), [line(n, size) for n, size in enumerate(sizes)]
    waiting.add(entries)
    chunks = taken(waiting)
    assert [entry for chunk in chunks for entry in chunk] == entries
    for chunk in chunks:
        assert sum(len(entry.text) for entry in chunk[:-1]) < spool.CHUNK_BYTES


def test_a_chunk_has_a_maximum_of_lines() -> None:
    waiting = Spool()
    waiting.add(line(n) for n in range(1200))
    assert [len(chunk) for chunk in taken(waiting)] == [500, 500, 200]


@given(st.lists(st.integers(0, 12) | st.none(), max_size=40))
def test_every_line_is_kept_or_counted(steps: list[int | None]) -> None:
    """Steps are lines that are added, or None where a chunk is taken."""
    waiting, added, got = Spool(), 0, list[Entry]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "SPOOL_BYTES", 1000)
        for step in steps:
            if step is None:
                got += waiting.take(-1)
            else:
                waiting.add(line(n) for n in range(added, added + step))
                added += step
        got += [entry for chunk in taken(waiting) for entry in chunk]
    accounted = 0
    for entry in got:
        if entry.level == "warning":
            lost, _, why = re.sub(" lines? ", " ", entry.text).partition(" lost: ")
            assert why
            accounted += int(lost)
        else:
            assert entry.at == accounted, "a note stands where the lines are missing"
            accounted += 1
    assert accounted == added


def test_large_fields_count_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SPOOL_BYTES", 100_000)
    waiting = Spool()
    waiting.add(Entry(0, "info", "x", fields={"answer": "y" * 10_000}) for _ in range(100))
    [chunk] = taken(waiting)[-1:]
    assert chunk[-1].text.startswith("91 lines lost: ")


def test_lines_that_never_came_are_reported_before_the_next_one() -> None:
    waiting = Spool()
    waiting.add([line(1)])
    waiting.drop(3)
    waiting.add([line(2)])
    assert [entry.text[:12] for entry in waiting.take(0)] == ["1 xxxxxxxxxx", "3 lines lost", "2 xxxxxxxxxx"]
