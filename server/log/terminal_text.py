"""A text that was meant for a terminal, as the terminal would show it, without colours and styles.

The same as `shown` in static/line/ansi.js, which also has the colours; a test holds both to the same texts. The
result holds no control characters and nothing that turns text around. No input takes more than linear time.
"""

from __future__ import annotations

import re

from synctail.model.unsafe_text import ACTING, PICTURES

_ACTING = re.compile(f"[{ACTING}]")
_TOKEN = re.compile(
    r"\x1b\[(?P<parameters>[0-?]{0,256})[ -/]{0,8}(?P<final>[@-~])"  # a control sequence
    rf"|\x1b[\]PX^_][^\t\n{ACTING}]{{0,4096}}(?:\x07|\x1b\\|\x9c)"  # a string for the system or the device
    r"|\x1b(?:[ -/]{1,8}[0-~]|[0-OQ-WYZ\\`-~])"  # a short escape
    rf"|(?P<one>[{ACTING}\n])"
)
MOST_ACTS = 500
"""A text with more acting characters is not laid out: a page has hundreds of lines, and others wait for theirs."""

_OVERWRITES = re.compile(r"\x08|\r(?!\n|\Z)|\x1b\[[0-9;]{0,16}[GK]")


def shown(text: str) -> str:
    """The text as a terminal would show it."""
    acts = len(_ACTING.findall(text))
    if not acts:
        return text
    if acts > MOST_ACTS:
        return text.translate(PICTURES)
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
        screen.write(PICTURES[ord(one)])
    elif final == "K":
        screen.erase(parameters)
    elif final == "G" and parameters in ("", "0", "1"):
        screen.home()


class _Flow:
    """Text in which nothing is overwritten: a carriage return comes only before a newline or at the end."""

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
    """Text in which something is overwritten, laid out row by row."""

    def __init__(self) -> None:
        super().__init__()
        self._row: list[str] = []
        self._cursor = 0

    def write(self, text: str) -> None:
        end = self._cursor + len(text)
        if text:
            # The row may have been erased before the cursor.
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
