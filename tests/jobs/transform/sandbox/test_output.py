"""What a script says and prints: in its order, cut where it is too long, and not without end."""

from __future__ import annotations

import pytest

from synctail.log.lines import cut
from tests.kit.scripts import (
    SMALL,
    handle,
    run,
    run_too_long,
)

pytestmark = pytest.mark.usefixtures("folders")


def test_what_a_script_says_is_in_the_log_in_its_order() -> None:
    body = """
        log("one"); print("two", 2); log.warning("three", record=records[0]); log.error("four"); log.debug("five")
        print("six", file=sys.stderr); log.info(7); print("eight\\nnine", end=""); print(" and a half")
        print("ten", end="")
        return records
    """
    _, log = run(handle(body))
    assert [(line.level, line.text, line.record) for line in log.lines] == [
        ("info", "one", None),
        ("info", "two 2", None),
        ("warning", "three", "1"),
        ("error", "four", None),
        ("debug", "five", None),
        ("warning", "six", None),
        ("info", "7", None),
        ("info", "eight", None),
        ("info", "nine and a half", None),
        ("info", "ten", None),
    ]
    assert {line.phase for line in log.lines} == {"script"}


def test_what_is_written_past_python_is_a_line_too() -> None:
    _, log = run(
        handle("os.write(1, b'one\\n')\nos.write(2, b'\\xff two\\n')\nimport time\ntime.sleep(0.2)\nreturn records")
    )
    assert log.texts("warning") == ["one", "\\xff two"]


@pytest.mark.parametrize("character", ["x", "é", "\\ud800"])
def test_a_line_that_is_too_long_is_cut_once_and_says_by_how_much(character: str) -> None:
    _, log = run(handle(f"log.info('{character}' * 100_000)\nreturn records"))
    [text] = log.texts()
    kept, mark, more = text.partition(" … [cut: ")
    size = len(("\\ud800" if character.startswith("\\") else character).encode())
    assert mark
    assert len(kept.encode()) + int(more.removesuffix(" bytes more]").replace(",", "")) == 100_000 * size
    assert cut(text) == text


def test_too_many_lines_are_counted_and_not_kept() -> None:
    _, log = run(handle("for n in range(1000): print(n)\nreturn records"))
    assert log.texts() == [str(n) for n in range(50)]
    assert log.texts("warning") == ["950 lines more of the script were left out: a batch may have 50"]


@pytest.mark.parametrize(
    "body", ["while True: print('x')", "while True: os.write(1, b'x\\n')", "while True: log.error('x' * 10 ** 6)"]
)
def test_printing_for_ever_ends_with_the_batch_s_time(body: str) -> None:
    outcome, log = run_too_long(body)
    assert outcome.fault
    assert outcome.fault.startswith("it took longer than 0.4 s, its time for a batch; it was at line 3 of the script")
    assert len(log.lines) == SMALL.lines + 2
    assert "ore lines of the script were left out" in log.lines[-2].text.replace("lines more", "More lines")
