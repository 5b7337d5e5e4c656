"""The tail of a log, without a loop or a clock: what it takes, what it makes of it, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from server.log import tail, wire
from server.log.tail import SUMMARY_EVERY_S, Tail
from synctail.model import keys
from synctail.model.sync import Status, Summary

SUMMARY = Summary(id="a", service="orders", status=Status.RUNNING, queued_at="", lines=0)


def chunk(first: int, last: int, size: int = 1) -> wire.Chunk:
    lines = [b'{"n":%d,"text":"%s"}' % (n, b"x" * size) for n in range(first, last + 1)]
    return wire.Chunk(first, last, keys.SEPARATOR.join(lines))


def numbers(frames: Sequence[wire.Frame]) -> list[int]:
    return [line["n"] for frame in frames for line in json.loads(frame.text)["lines"]]


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6), st.booleans()), max_size=40))
def test_whatever_comes_frames_hold_each_line_once_and_in_order(coming: list[tuple[int, int, bool]]) -> None:
    """Old, overlapping, next and too early; a frame is made now and then."""
    one = Tail("a")
    frames: list[wire.Frame] = []
    for first, more, publish in coming:
        had = one.received
        assert one.take(chunk(first, first + more)) == (first <= had + 1)
        assert one.received == (max(had, first + more) if first <= had + 1 else had)
        if publish and (frame := one.publish()):
            frames.append(frame)
    frames += filter(None, [one.publish()])
    assert numbers(frames) == list(range(1, one.received + 1))
    assert one.last == one.received
    for frame in frames:
        assert one.frame_after(frame.first - 1) == frame


def test_a_frame_begins_only_where_one_begins() -> None:
    one = Tail("a")
    one.take(chunk(1, 10))
    assert (one.last, one.received) == (0, 10)
    one.publish()
    assert one.last == 10
    assert [n for n in range(12) if one.frame_after(n)] == [0]
    assert one.publish() is None


def test_it_keeps_no_more_frames_than_it_may_and_at_least_the_newest() -> None:
    one = Tail("a")
    frames = 100
    for n in range(1, frames + 1):
        one.take(chunk(n, n, tail.TAIL_BYTES // 10))
        one.publish()
    kept = [n for n in range(frames) if one.frame_after(n)]
    assert kept == list(range(frames - 9, frames))
    one.take(chunk(frames + 1, frames + 1, 2 * tail.TAIL_BYTES))
    one.publish()
    assert [n for n in range(frames + 1) if one.frame_after(n)] == [frames]


def test_it_begins_at_the_end_and_goes_on_after_a_gap() -> None:
    one = Tail("a")
    one.restart(10)
    assert not one.take(chunk(14, 15))
    one.skip(wire.Gap(11, 13, "they are no longer kept"))
    assert (one.last, one.received) == (13, 13)
    assert one.take(chunk(14, 15))
    one.publish()
    assert [json.loads(frame.text)["type"] for n in (10, 13) if (frame := one.frame_after(n))] == ["gap", "lines"]


def test_a_log_that_went_back_is_taken_again_from_there() -> None:
    one = Tail("a")
    one.take(chunk(1, 10))
    one.publish()
    one.take(chunk(11, 20))
    one.restart(5)
    assert (one.last, one.received) == (5, 5)
    assert one.publish() is None
    assert one.frame_after(0) is None
    assert one.take(chunk(6, 8))
    frame = one.publish()
    assert frame
    assert numbers([frame]) == [6, 7, 8]


def test_a_summary_is_new_twice_a_second_at_most_and_an_ending_at_once() -> None:
    one = Tail("a")
    shown = [
        one.show(msgspec.structs.replace(SUMMARY, pulled=pulled), now)
        for pulled, now in [(0, 100.0), (0, 100.1), (1, 100.1), (1, 100.0 + SUMMARY_EVERY_S), (1, 101.0)]
    ]
    assert shown == ["new", "same", "later", "new", "same"]
    assert json.loads(one.summary_text)["summary"]["pulled"] == 1
    ended = msgspec.structs.replace(SUMMARY, status=Status.COMPLETED, lines=2)
    assert one.show(ended, 100.0 + SUMMARY_EVERY_S) == "new"


def test_it_has_ended_once_all_its_lines_are_in_frames() -> None:
    one = Tail("a")
    one.show(msgspec.structs.replace(SUMMARY, status=Status.COMPLETED, lines=2), 100.0)
    one.take(chunk(1, 2))
    assert not one.ended
    one.publish()
    assert one.ended
