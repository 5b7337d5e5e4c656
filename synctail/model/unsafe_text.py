"""The one table of characters that act on a terminal or a page, and how each is shown instead. Pure.

A page shows pictures and numbers (``␛``, ``\\u{202e}``); files and terminals show escapes (``\\x1b``, ``\\u202e``).
``static/line/ansi.js`` has the page's part in JavaScript; a test holds both to the same texts.
"""

from __future__ import annotations

_TAB, _NEWLINE, _DELETE = 0x09, 0x0A, 0x7F
_BIDI = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # marks, overrides, isolates
_BREAKS = (0x2028, 0x2029)  # some programs end a line there; browsers do not
_SURROGATES = range(0xD800, 0xE000)  # halves of characters, which UTF-8 cannot carry

ACTING = "".join(map(chr, (*(set(range(0x20)) - {_TAB, _NEWLINE}), *range(_DELETE, 0xA0), *_BIDI)))
"""Control characters but newline and tab, and what turns text around. No member has a meaning in a character class, so
it can be put into one as it is, for `re` and for RE2."""


def _picture(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == _DELETE else f"\\u{{{code:x}}}"


PICTURES = {ord(one): _picture(ord(one)) for one in ACTING}
"""For `str.translate`: how a page shows them."""

_UNSAFE = (*map(ord, ACTING), _TAB, _NEWLINE, *_BREAKS, *_SURROGATES)
_ONE_LINE = {code: f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" for code in _UNSAFE}
_LINES = {**_ONE_LINE, _TAB: "\t", _NEWLINE: "\n"}
_LOG = {**_ONE_LINE, _TAB: "\t", _NEWLINE: "\n    "}
_JSON = {code: f"\\u{code:04x}" for code in _UNSAFE if code >= _DELETE}


def one_line(text: str) -> str:
    """The text with everything unsafe as escapes, line breaks and tabs included."""
    return _shown(text, _ONE_LINE)


def lines(text: str) -> str:
    """The text with its line breaks and tabs; everything else unsafe as escapes."""
    return _shown(text, _LINES)


def log_text(text: str) -> str:
    """As `lines`, for one line of a log: text after a line break is indented, so that it does not look like a line."""
    return _shown(text, _LOG)


def json_text(text: str) -> str:
    """JSON that means the same. JSON itself escapes C0; the others only stand within its strings."""
    return text.translate(_JSON)


def _shown(text: str, table: dict[int, str]) -> str:
    # Nothing unsafe is printable, and most lines are: that is quick to see.
    return text if text.isprintable() else text.translate(table)
