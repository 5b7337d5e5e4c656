"""Delivery without a Redis: whatever the network and Redis do, the log has every line once, or says what is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctail.log.appender import Answer
from synctail.log.cap import DEFAULT_LIMIT, LogCap
from synctail.log.delivery import KEPT_S, Append, Chunk, Delivery, Numbering, SummaryFields
from synctail.log.lines import Entry
from synctail.log.masks import NO_MASK

Fault = int | str
"""Of one append: "" none, "away", "reply lost", or a number: Redis first goes back by so many appends."""


class Log:
    """What `append.lua` does with the log of one writer, and what a Redis can forget of it."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.fields: dict[str, str] = {}
        self._before: list[tuple[list[int], dict[str, str]]] = [([], {})]

    @property
    def last(self) -> int:
        return self.lines[-1] if self.lines else 0

    def append(self, append: Append) -> Answer:
        chunk, fields, lost_before = append
        if chunk.line_count and self.last >= chunk.last:
            return Answer("have", self.last)
        if chunk.line_count and chunk.first != self.last + 1 and not lost_before:
            return Answer("gap", self.last)
        self.lines = [*self.lines, *range(chunk.first, chunk.last + 1)]
        self.fields = {**self.fields, **fields}
        self._before.append((self.lines, self.fields))
        return Answer("ok", self.last)

    def go_back(self, appends: int) -> None:
        del self._before[max(1, len(self._before) - appends) :]
        self.lines, self.fields = self._before[-1]


class Writer:
    """A delivery, and a Redis that fails as told."""

    def __init__(self) -> None:
        self.log = Log()
        self.warnings: list[str] = []
        self.summary = SummaryFields()
        self.delivery = Delivery(1, self.summary, self.warnings.append)
        self._numbering = Numbering(0, NO_MASK, LogCap(DEFAULT_LIMIT, 0))
        self.now = 0.0

    def write(self, lines: int, faults: Iterator[Fault] | None = None) -> None:
        faults = faults or iter(())
        self.delivery.begin(self._numbering.chunk([Entry(0, "info", "x")] * lines))
        outcome = "again"
        while outcome == "again":
            fault = next(faults, "")
            if isinstance(fault, int):
                self.log.go_back(fault)
            answer = None if fault == "away" else self.log.append(self.delivery.next)
            if answer is None or fault == "reply lost":
                self.delivery.failed()
            else:
                outcome = self.delivery.answered(answer, self.now)
        assert outcome == "written"


faults = st.lists(st.sampled_from(["", "", "away", "reply lost"]) | st.integers(1, 5), max_size=40)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), faults)
def test_every_line_stands_once_whatever_happens(chunks: list[int], happens: list[Fault]) -> None:
    writer, coming = Writer(), iter(happens)
    for number, lines in enumerate(chunks):
        writer.summary.set({"pulled": str(number)})
        writer.write(lines, coming)
    writer.write(0)  # a heartbeat, and Redis is well by now
    assert writer.log.lines == list(range(1, sum(chunks) + 1))
    assert writer.log.fields == {"pulled": str(len(chunks) - 1)}
    assert writer.warnings == []


@pytest.mark.parametrize("lines", [0, 1], ids=["a heartbeat", "a line"])
@pytest.mark.parametrize("away", [0, 3])
def test_what_is_no_longer_kept_is_reported_once(lines: int, away: int) -> None:
    writer = Writer()
    for _ in range(10):
        writer.write(1)
        writer.now += 1
    writer.now += KEPT_S - 3  # the last three chunks are kept
    writer.write(1)
    writer.log.go_back(9)
    happens: list[Fault] = ["", *["away", ""] * away]
    writer.write(lines, iter(happens))
    assert writer.warnings == ["Redis went back in time and lost lines 3 to 7"]
    assert writer.log.lines == [1, 2, *range(8, 12 + lines)]


@pytest.mark.parametrize("verdict", ["fenced", "gone"])
def test_a_writer_that_was_fenced_is_told(verdict: str) -> None:
    writer = Writer()
    writer.delivery.begin(Chunk(1, 1))
    assert writer.delivery.answered(Answer(verdict, 4, attempt=2), 0) == "fenced"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer("fenced", 1, status="completed", attempt=1), "written"),
        (Answer("fenced", 1, status="failed", attempt=2), "fenced"),
        (Answer("fenced", 2, status="completed", attempt=1), "fenced"),
        (Answer("gone"), "fenced"),
    ],
    ids=["its own", "of another", "at another line", "gone"],
)
def test_an_ending_whose_reply_was_lost_is_recognised(answer: Answer, outcome: str) -> None:
    writer = Writer()
    writer.delivery.begin(Chunk(1, 1), final=True)
    writer.delivery.failed()
    assert writer.delivery.answered(answer, 0) == outcome


def test_the_summary_counts_warnings_and_errors_and_is_taken_once() -> None:
    summary = SummaryFields()
    summary.count(Entry(0, level, "x") for level in ("debug", "info", "warning", "error", "error"))
    summary.set({"pulled": "3"})
    assert summary.take() == {"warnings": "1", "errors": "2", "pulled": "3"}
    assert not summary
    summary.count([Entry(0, "error", "x")])
    assert summary.take() == {"errors": "3"}
    assert summary.all == {"warnings": "1", "errors": "3", "pulled": "3"}
