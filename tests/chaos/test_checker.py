"""The checker of the chaos tests, checked: it counts each fault that a stream can have, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.checker import Report, Tape, Truth, check, spoken

SYNC = "A"
TRUTH = Truth(SYNC, [*(spoken(SYNC, n) for n in range(1, 10)), "The end"])

Frame = dict[str, Any]


def line(n: int, text: str | None = None) -> Frame:
    return {"n": n, "time": "", "level": "info", "text": text or TRUTH.texts[n - 1]}


def lines(first: int, last: int) -> Frame:
    return {
        "type": "lines",
        "sync": SYNC,
        "first": first,
        "last": last,
        "lines": [line(n) for n in range(first, last + 1)],
    }


def good() -> list[Frame]:
    summary = {"type": "summary", "sync": SYNC, "summary": {}}
    beat = {"type": "beat", "time": "", "last": 3}
    return [summary, lines(1, 3), beat, lines(4, 8), lines(9, 10), summary, {"type": "end", "sync": SYNC, "last": 10}]


def tape(frames: list[Frame], after: int = 0) -> Tape:
    made = Tape(after)
    for frame in frames:
        made.frame(json.dumps(frame))
    return made


def test_a_reader_who_heard_everything_has_no_fault() -> None:
    assert check(TRUTH, [tape(good()), tape(good())]) == Report(readers=2, lines=20)


def test_a_reader_who_began_later_misses_nothing() -> None:
    assert check(TRUTH, [tape([lines(9, 10), good()[-1]], after=8)]) == Report(readers=1, lines=2)


def forget(frames: list[Frame]) -> None:
    del frames[3]


def repeat(frames: list[Frame]) -> None:
    frames.insert(4, lines(7, 8))


def swap(frames: list[Frame]) -> None:
    frames[1], frames[3] = frames[3], frames[1]


def swap_inside(frames: list[Frame]) -> None:
    inside = frames[3]["lines"]
    inside[0], inside[1] = inside[1], inside[0]


def misquote(frames: list[Frame]) -> None:
    frames[3]["lines"][2] = line(6, spoken(SYNC, 7))


def shift(frames: list[Frame]) -> None:
    """What a roll-back would do to a writer that numbers anew: other texts under the same numbers."""
    for number, one in enumerate(frames[3]["lines"], 4):
        one["text"] = spoken(SYNC, number + 1)


def invent(frames: list[Frame]) -> None:
    frames.insert(5, {"type": "lines", "sync": SYNC, "first": 11, "last": 11, "lines": [line(11, "what?")]})


def lose(frames: list[Frame]) -> None:
    frames[3] = {"type": "gap", "sync": SYNC, "first": 4, "last": 8, "why": ""}


def take_back(frames: list[Frame]) -> None:
    """The first telling of lines 6 to 8 was another one, and is void."""
    for n in (6, 7, 8):
        frames[3]["lines"][n - 4] = line(n, "another")
    frames[4:4] = [{"type": "rewind", "sync": SYNC, "last": 5, "why": ""}, lines(6, 8)]


def never_end(frames: list[Frame]) -> None:
    del frames[-1]


def end_early(frames: list[Frame]) -> None:
    del frames[4]


def end_wrong(frames: list[Frame]) -> None:
    frames[-1]["last"] = 9


def go_on(frames: list[Frame]) -> None:
    frames.append({"type": "beat", "time": "", "last": 10})


def end_twice(frames: list[Frame]) -> None:
    frames.append(frames[-1])


def mix_up(frames: list[Frame]) -> None:
    frames[3]["sync"] = "B"


def miscount(frames: list[Frame]) -> None:
    frames[3]["last"] = 7


def babble(frames: list[Frame]) -> None:
    frames.insert(2, {"type": "news"})


@pytest.mark.parametrize(
    ("harm", "faults"),
    [
        (forget, {"missing": 5}),
        (repeat, {"double": 2}),
        (swap, {"disordered": 3}),
        (swap_inside, {"disordered": 1, "malformed": 1}),
        (misquote, {"wrong": 1}),
        (shift, {"wrong": 5}),
        (invent, {"wrong": 1}),
        (lose, {"gone": 5}),
        (take_back, {"taken_back": 3}),
        (never_end, {"endless": 1}),
        (end_early, {"missing": 2, "false_ends": 1}),
        (end_wrong, {"false_ends": 1}),
        (go_on, {"after_end": 1}),
        (end_twice, {"after_end": 1}),
        (mix_up, {"foreign": 1}),
        (miscount, {"malformed": 1}),
        (babble, {"malformed": 1}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_each_fault_is_counted(harm: Callable[[list[Frame]], None], faults: dict[str, int]) -> None:
    frames = good()
    harm(frames)
    report = check(TRUTH, [tape(good()), tape(frames)])
    assert report.faults == faults
    assert report.readers == 2


def test_what_is_no_json_is_counted() -> None:
    made = tape(good()[:-1])
    made.frame('{"type": "lines", "sync"')
    made.frame(json.dumps(good()[-1]))
    assert check(TRUTH, [made]).faults == {"malformed": 1}


def test_a_download_is_checked_line_by_line_and_has_ended_when_it_is_complete() -> None:
    made = Tape()
    for n in range(1, 11):
        made.line(json.dumps(line(n)))
    assert check(TRUTH, [made]).faults == {"endless": 1}
    made.finished()
    assert check(TRUTH, [made]) == Report(readers=1, lines=10)


def test_a_download_that_is_called_complete_and_is_not_has_a_false_end() -> None:
    made = Tape()
    for n in (1, 2, 2, 4):
        made.line(json.dumps(line(n)))
    made.line(json.dumps({"type": "gap", "first": 5, "last": 6, "why": ""}))
    made.finished()
    report = check(TRUTH, [made])
    assert report.faults == {"missing": 5, "double": 1, "gone": 2, "false_ends": 1}


def test_a_line_below_the_cursor_is_a_double() -> None:
    assert check(TRUTH, [tape([lines(8, 10), good()[-1]], after=8)]).faults == {"double": 1}
