"""A log that is full: it says so, errors go on for a while, and the last line always stands."""

from __future__ import annotations

from synctail.log.cap import LogCap, LogLimit
from synctail.log.lines import Entry

MANY = 1 << 30
LAST = Entry(0, "info", "The end")


def entries(count: int, level: str = "info") -> list[Entry]:
    return [Entry(0, level, f"{level} {n}") for n in range(1, count + 1)]


def texts(kept: list[Entry]) -> list[str]:
    return [entry.text[:20] for entry in kept]


def test_a_log_within_its_limit_is_kept_whole() -> None:
    cap = LogCap(LogLimit(100, MANY), 0)
    assert list(cap.keep(entries(100))) == entries(100)
    assert list(cap.close(LAST)) == [LAST]


def test_errors_are_kept_for_a_while_longer() -> None:
    cap = LogCap(LogLimit(50, MANY), 0)
    kept = texts([*cap.keep(entries(60)), *cap.keep(entries(100, "error")), *cap.close(LAST)])
    assert kept[49:] == [
        "info 50",
        "The log is full: it ",
        *(f"error {n}" for n in range(1, 6)),
        "Too many errors: fur",
        "105 more lines logge",
        "The end",
    ]


def test_a_log_is_full_by_its_bytes_too() -> None:
    cap = LogCap(LogLimit(MANY, 1000), 0)
    assert len(cap.keep(entries(5))) == 5
    cap.wrote(999)
    assert len(cap.keep(entries(5))) == 5
    cap.wrote(1)
    [note, error] = cap.keep([*entries(3), *entries(1, "error")])
    assert note.text.startswith("The log is full: it reached 1,073,741,824 lines or 1,000 bytes")
    assert error.text == "error 1"


def test_lines_of_an_earlier_attempt_count() -> None:
    assert texts(list(LogCap(LogLimit(10, MANY), 9).keep(entries(2)))) == ["info 1", "The log is full: it "]
