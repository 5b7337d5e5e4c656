"""Texts for a terminal: the server and static/line/ansi.js show the same, and what acts comes through in no form."""

from __future__ import annotations

import json
import random
import shutil
import subprocess

import pytest

from server.log.terminal_text import MOST_ACTS, shown
from synctail.model import unsafe_text
from tests.kit.support import ROOT

CASES: list[tuple[str, str]] = json.loads((ROOT / "tests" / "js" / "shown.json").read_text())

SHOW_ALL = """
import { shown } from "./static/line/ansi.js";
let text = "";
for await (const part of process.stdin) text += part;
console.log(JSON.stringify(JSON.parse(text).map(shown)));
"""

PARTS = (
    *("\x1b", "\x1b[", "\x1b]8;;", "\x1b]0;t\x07", "m", "K", "2K", "G", "1G", "0", ";", "?", " ", "(B", "P", "\\"),
    *("\r", "\n", "\b", "\x07", "\t", "\0", "x", "yz", "é", "😀", "\u202e", "\x9b", "\x9c"),
)


@pytest.mark.parametrize(("text", "expected"), CASES, ids=lambda value: json.dumps(value)[:40])
def test_each_text_is_shown_as_a_terminal_would_show_it(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.systems
def test_whatever_is_logged_the_page_and_the_server_show_the_same() -> None:
    made = random.Random(20261124)
    texts = ["".join(made.choices(PARTS, k=made.randrange(40))) for _ in range(5000)]
    texts += [f"before {chr(code)}after" for code in range(0x2100)]  # all of the table of what is unsafe, and around it
    node = shutil.which("node")
    assert node, "tests/install-node.sh says how to get it"
    told = subprocess.run(
        [node, "--input-type=module", "--eval", SHOW_ALL],
        cwd=ROOT,
        input=json.dumps(texts),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    for text, expected in zip(texts, json.loads(told.stdout), strict=True):
        assert shown(text) == expected, repr(text)


def test_a_text_in_which_too_much_acts_is_shown_as_it_was_logged() -> None:
    assert shown("a\b" * MOST_ACTS) == "a"
    assert shown("a\b" * (MOST_ACTS + 1)) == "a␈" * (MOST_ACTS + 1)


EVERYTHING = "".join(map(chr, reversed(range(0x11000))))  # so that no two halves make one character


def test_whatever_is_shown_instead_nothing_that_acts_is_left() -> None:
    kept = set(unsafe_text.one_line(EVERYTHING))
    assert not kept & set(unsafe_text.ACTING + "\t\n\u2028\u2029\ud800\udfff")
    for more in (unsafe_text.lines, unsafe_text.log_text):
        assert set(more(EVERYTHING)) - kept == {"\t", "\n"}
    assert unsafe_text.log_text("one\ntwo\u2028\x1b") == "one\n    two\\u2028\\x1b"
    assert set(shown(EVERYTHING)) & set(unsafe_text.ACTING) == set()


def test_json_is_made_safe_and_means_the_same() -> None:
    text = json.dumps(EVERYTHING, ensure_ascii=False)
    safe = unsafe_text.json_text(text)
    assert json.loads(safe) == EVERYTHING
    assert set(safe) & set(unsafe_text.ACTING) == set()
