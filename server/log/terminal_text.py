"""What a text that was meant for a terminal says, once it has been there: overwritten where it was written over.

The same as `shown` in static/ansi.js, which also has the colours; a test holds both to the same texts. Nothing that
acts comes out: neither control characters nor what turns text around. No input takes more than linear time.
"""

from __future__ import annotations

import re

# C0 but newline and tab, DEL, C1, and the marks, overrides and isolates of bidirectional text. The first have pictures;
# the others are shown by their numbers.
_NUMBERED = (*range(0x80, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE = {chr(code): chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
_VISIBLE |= {"\x7f": "\u2421"} | {chr(code): f"\\u{{{code:x}}}" for code in _NUMBERED}

_ACTS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ACTING = re.compile(f"[{_ACTS}]")
_TOKEN = re.compile(
    r"\x1b\[(?P<parameters>[0-?]{0,256})[ -/]{0,8}(?P<final>[@-~])"  # a control sequence
    rf"|\x1b[\]PX^_][^\t\n{_ACTS}]{{0,4096}}(?:\x07|\x1b\\|\x9c)"  # a string for the system or the device
    r"|\x1b(?:[ -/]{1,8}[0-~]|[0-OQ-WYZ\\`-~])"  # a short escape
    rf"|(?P<one>[{_ACTS}\n])"
)
MOST_ACTS = 500
"""A text in which more acts than that is not laid out: a page has hundreds of lines, and others wait for theirs."""

_TRANSLATED = {ord(one): picture for one, picture in _VISIBLE.items()}
_OVERWRITES = re.compile(r"\x08|\r(?!\n|\Z)|\x1b\[[0-9;]{0,16}[GK]")


def shown(text: str) -> str:
    """The text as a terminal would show it, without its styles."""
    acts = len(_ACTING.findall(text))
    if not acts:
        return text
    if acts > MOST_ACTS:
        return text.translate(_TRANSLATED)
    screen = _Screen() if _OVERWRITES.search(text) else _Flow()
    at = 0
    for token in _TOKEN.finditer(text):
        screen.write(text[at : token.start()])
        at = token.end()
        _act(screen, token)
    screen.write(text[at:])
    return screen.text()


def _act(screen: _Flow, token: re.Match[str]) -> None:
    one, final, parameters = token["one"], token["final"], token["parameters"]
    if one == "\n":
        screen.newline()
    elif one == "\r":
        screen.home()
    elif one == "\b":
        screen.back()
    elif one:
        screen.write(_VISIBLE[one])
    elif final == "K":
        screen.erase(parameters)
    elif final == "G" and parameters in ("", "0", "1"):
        screen.home()


class _Flow:
    """Text that only goes forward: a carriage return stands before a newline or at the end."""

    def __init__(self) -> None:
        self._done: list[str] = []

    def write(self, text: str) -> None:
        self._done.append(text)

    def newline(self) -> None:
        self._done.append("\n")

    def home(self) -> None: ...

    def back(self) -> None: ...

    def erase(self, what: str) -> None: ...

    def text(self) -> str:
        return "".join(self._done)


class _Screen(_Flow):
    """Text in which something is written over, a row at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._row: list[str] = []
        self._cursor = 0

    def write(self, text: str) -> None:
        end = self._cursor + len(text)
        if text:
            # After the row was erased there may be nothing before the cursor.
            self._row.extend(" " * (self._cursor - len(self._row)))
            self._row[self._cursor : end] = text
            self._cursor = end

    def newline(self) -> None:
        self._done.extend((*self._row, "\n"))
        self._row = []
        self._cursor = 0

    def home(self) -> None:
        self._cursor = 0

    def back(self) -> None:
        self._cursor = max(0, self._cursor - 1)

    def erase(self, what: str) -> None:
        if what == "2":
            self._row = []
        elif what in ("", "0"):
            del self._row[self._cursor :]

    def text(self) -> str:
        return "".join((*self._done, *self._row))
