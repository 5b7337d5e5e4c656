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

_FLOWING = {**{chr(code): picture for code, picture in PICTURES.items()}, "\n": "\n", "\r": ""}
_OVERWRITES = re.compile(r"\x08|\r(?!\n|\Z)|\x1b\[[0-9;]{0,16}[GK]")


def shown(text: str) -> str:
    """The text as a terminal would show it."""
    acts = len(_ACTING.findall(text))
    if not acts:
        return text
    if acts > MOST_ACTS:
        return text.translate(PICTURES)
    if _OVERWRITES.search(text):
        return _laid_out(text)
    return _TOKEN.sub(lambda token: _FLOWING.get(token["one"], ""), text)


def _laid_out(text: str) -> str:
    screen, at = _Screen(), 0
    for token in _TOKEN.finditer(text):
        screen.write(text[at : token.start()])
        screen.act(**token.groupdict())
        at = token.end()
    screen.write(text[at:])
    return "\n".join(map("".join, screen.rows))


class _Screen:
    """Text in which something is overwritten, laid out row by row."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = [[]]
        self._cursor = 0

    def write(self, text: str) -> None:
        if text:
            row, end = self.rows[-1], self._cursor + len(text)
            # The row may have been erased before the cursor.
            row.extend(" " * (self._cursor - len(row)))
            row[self._cursor : end] = text
            self._cursor = end

    def act(self, one: str | None, final: str | None, parameters: str | None) -> None:
        if one == "\n":
            self.rows.append([])
            self._cursor = 0
        elif one == "\r" or (final == "G" and parameters in ("", "0", "1")):
            self._cursor = 0
        elif one == "\b":
            self._cursor = max(0, self._cursor - 1)
        elif one:
            self.write(PICTURES[ord(one)])
        elif final == "K" and parameters == "2":
            self.rows[-1].clear()
        elif final == "K" and parameters in ("", "0"):
            del self.rows[-1][self._cursor :]
