"""What somebody looks for in a log, and which lines of a chunk that is. Pure: no I/O, no clock.

Texts are found as they are shown: without what a terminal would obey. Patterns are RE2's, whose time is linear in the
text whatever the pattern; each is bounded in length and in what it compiles to. A chunk is looked through as the bytes
it is, and decoded only where a line of it may match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import re2
from starlette.datastructures import QueryParams

from server.log.terminal_text import shown
from server.web.errors import BadRequest, PatternRefused
from synctail.model.sync import Level

LONGEST = 1000
"""Of each text that is asked for, in characters."""
MOST_VALUES = 20
"""Of each parameter that may be given more than once."""
MOST_INSTRUCTIONS = 3000
"""Of what a pattern compiles to: where RE2 cannot use its automaton, each byte of a log may cost so many steps."""
PATTERN_MEMORY = 1024 * 1024
"""RE2's, for one pattern; the module keeps the last 128."""

NO_PHASE = "-"
"""How lines without a phase are asked for."""
FIELD = "field."

_json = msgspec.json.encode


class _Line(msgspec.Struct, gc=False):
    text: str
    level: str = ""
    phase: str = ""
    record: str | None = None


class _LineWithFields(msgspec.Struct, gc=False):
    text: str
    level: str = ""
    phase: str = ""
    record: str | None = None
    fields: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(list[_Line]).decode
_decode_with_fields = msgspec.json.Decoder(list[_LineWithFields]).decode


class Query:
    """All that is given must hold; of several levels, phases or records one. Raises `PatternRefused`.

    `exclude`: texts, or patterns where `q` is one, of which a line may have none. `fields`: names and values as they
    are shown, that is a text as itself and anything else as JSON.
    """

    def __init__(
        self,
        q: str = "",
        *,
        pattern: bool = False,
        case: bool = False,
        levels: Sequence[str] = (),
        phases: Sequence[str] = (),
        records: Sequence[str] = (),
        fields: Sequence[tuple[str, str]] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        self._levels = frozenset(levels)
        self._phases = frozenset("" if one == NO_PHASE else one for one in phases)
        self._records = frozenset(records)
        self._fields = tuple(fields)
        self._without = [_finder(one, pattern=pattern, case=case, name="exclude") for one in exclude]
        self._find: _Finder | None = _finder(q, pattern=pattern, case=case, name="q") if q else None
        self._needles = [
            *self._either("level", self._levels),
            *self._either("phase", self._phases),
            *self._either("record", self._records),
            *([_json(name) + b":"] for name, _ in self._fields),
        ]

    @staticmethod
    def _either(name: str, values: frozenset[str]) -> list[list[bytes]]:
        return [[b'"%s":%s' % (name.encode(), _json(one)) for one in values]] if values and "" not in values else []

    def places(self, body: bytes) -> list[int]:
        """Where in a chunk's body the lines are that match, counted from 0."""
        if not all(any(needle in body for needle in either) for either in self._needles):
            return []
        if self._find and not self._find.may_be_in(body):
            return []
        whole = b"[" + body + b"]"
        if self._fields:
            with_fields = _decode_with_fields(whole)
            lines: Sequence[_Line | _LineWithFields] = with_fields
            found = [i for i, line in enumerate(with_fields) if self._has_fields(line)]
        else:
            lines = _decode(whole)
            found = list(range(len(lines)))
        if self._levels:
            found = [i for i in found if lines[i].level in self._levels]
        if self._phases:
            found = [i for i in found if lines[i].phase in self._phases]
        if self._records:
            found = [i for i in found if lines[i].record in self._records]
        return self._by_text(lines, found, body) if self._find or self._without else found

    def _by_text(self, lines: Sequence[_Line | _LineWithFields], among: list[int], body: bytes) -> list[int]:
        texts = [lines[i].text for i in among]
        if hides_something(body):
            texts = [shown(text) for text in texts]
        if self._find and not self._find.may_be_in_texts(texts):
            return []
        found = []
        for i, text in zip(among, texts, strict=True):
            if self._find and not self._find.in_text(text):
                continue
            if not any(one.in_text(text) for one in self._without):
                found.append(i)
        return found

    def _has_fields(self, line: _LineWithFields) -> bool:
        fields = line.fields
        return fields is not None and all(
            name in fields and _is_shown_as(fields[name], value) for name, value in self._fields
        )


def asked(given: QueryParams) -> Query | None:
    """What a request looks for; None when it looks for nothing. Raises `BadRequest` or `PatternRefused`."""
    fields = [(name.removeprefix(FIELD), value) for name, value in given.multi_items() if name.startswith(FIELD)]
    lists = {name: [one for one in given.getlist(name) if one] for name in ("level", "phase", "record", "exclude")}
    q = given.get("q", "")
    if not (q or fields or any(lists.values())):
        return None
    for name, values in [*lists.items(), (f"{FIELD}…", [value for _, value in fields])]:
        if len(values) > MOST_VALUES:
            raise BadRequest(f"{name}: got {len(values)} values; takes {MOST_VALUES} at most")
        for value in values:
            _check_length(name, value)
    _check_length("q", q)
    for level in lists["level"]:
        if level not in set(Level):
            raise BadRequest(f"level: got {level[:40]!r}; takes one of {', '.join(Level)}")
    return Query(
        q,
        pattern=_switch(given, "pattern"),
        case=_switch(given, "case"),
        levels=lists["level"],
        phases=lists["phase"],
        records=lists["record"],
        fields=fields,
        exclude=lists["exclude"],
    )


def _check_length(name: str, value: str) -> None:
    if len(value) > LONGEST:
        raise BadRequest(f"{name}: got {len(value):,} characters; takes {LONGEST:,} at most")


def _switch(given: QueryParams, name: str) -> bool:
    text = given.get(name, "")
    if text not in ("", "0", "1"):
        raise BadRequest(f"{name}: got {text[:40]!r}; takes 1, or 0")
    return text == "1"


def _is_shown_as(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(text) == value  # to a page 3.0 is 3
    return _json(value).decode() == text


# --- one text or pattern ------------------------------------------------------------------------------------------


class _Finder:
    """Three sieves, each finer than the one before: a chunk's bytes, the texts of its lines together, one text."""

    def may_be_in(self, body: bytes) -> bool:
        raise NotImplementedError

    def may_be_in_texts(self, texts: list[str]) -> bool:
        raise NotImplementedError

    def in_text(self, text: str) -> bool:
        raise NotImplementedError


def _finder(q: str, *, pattern: bool, case: bool, name: str) -> _Finder:
    return _Pattern(q, case=case, name=name) if pattern else _Text(q, case=case)


class _Text(_Finder):
    def __init__(self, text: str, *, case: bool) -> None:
        self._needle = text if case else text.lower()
        stored = _json(text)[1:-1]  # as it stands in a body, but where something is hidden in between
        self._stored = stored
        self._case = case
        self._folded = None if case else _compiled(re2.escape(text), case=False)
        in_body = b"(?i)" + re2.escape(stored)
        self._in_body: Callable[[bytes], Any] = (
            (lambda body: stored in body) if case else re2.compile(in_body, _options(case=True)).search
        )

    def may_be_in(self, body: bytes) -> bool:
        return self._in_body(body) or hides_something(body)

    def may_be_in_texts(self, texts: list[str]) -> bool:
        del texts
        return True

    def in_text(self, text: str) -> bool:
        if self._folded is None:
            return self._needle in text
        if text.isascii() and self._needle.isascii():
            return self._needle in text.lower()
        return self._folded.search(text) is not None


class _Pattern(_Finder):
    def __init__(self, pattern: str, *, case: bool, name: str) -> None:
        self._search = compiled(pattern, case=case, name=name).search
        # "^" and "$" hold at each row anyway, so lines that are joined by line breaks match where one of them does.
        # Not so where a pattern speaks of the text's very ends, or changes what it means on its way.
        self._joins = not re.search(r"\\[AzC]|\(\?[a-zA-Z]*-", pattern)

    def may_be_in(self, body: bytes) -> bool:
        del body
        return True

    def may_be_in_texts(self, texts: list[str]) -> bool:
        return not self._joins or self._search("\n".join(texts).encode()) is not None

    def in_text(self, text: str) -> bool:
        return self._search(text.encode()) is not None


_ROWS = "(?m)"
"""`^` and `$` hold at each row of a text."""


def compiled(pattern: str, *, case: bool, name: str = "q") -> Any:
    """A pattern within its bounds, ready to search. Raises `PatternRefused`, with RE2's words and a position."""
    try:
        found = _compiled(pattern, case=case)
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        said = said.replace(_ROWS, "", 1)
        at = _position(pattern, said)
        where = f" at character {at}" if at else ""
        raise PatternRefused(
            f"{name}: {pattern[:200]!r} is no pattern (RE2): {said[:200]}{where}", position=at, says=said[:200]
        ) from None
    size = max(found.programsize, found.reverseprogramsize)
    if size > MOST_INSTRUCTIONS:
        said = f"it comes to {size:,} steps; {MOST_INSTRUCTIONS:,} are taken"
        raise PatternRefused(f"{name}: this pattern is too large: {said}. Repeat less.", position=None, says=said)
    return found


def _compiled(pattern: str, *, case: bool) -> Any:
    return re2.compile(_ROWS + pattern, _options(case=case))


def _options(*, case: bool) -> re2.Options:
    options = re2.Options()
    options.case_sensitive = case
    options.max_mem = PATTERN_MEMORY
    options.never_capture = True
    options.log_errors = False  # it is told to whoever asked
    return options


def _position(pattern: str, said: str) -> int | None:
    """Where RE2 stumbled, from 1 on; it names the piece but not its place."""
    if said.startswith(("missing ):", "missing closing )")):
        return _open_bracket(pattern)
    if said.startswith("unexpected )"):
        return _stray_bracket(pattern)
    at = pattern.find(said.partition(": ")[2] or "\0")
    return at + 1 if at >= 0 else None


def _brackets(pattern: str) -> tuple[list[int], int | None]:
    """The places of what is opened and never closed, and of the first that closes nothing."""
    opened: list[int] = []
    for token in re.finditer(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|[()]", pattern, re.DOTALL):
        if token[0] == "(":
            opened.append(token.start() + 1)
        elif token[0] == ")":
            if not opened:
                return [], token.start() + 1
            opened.pop()
    return opened, None


def _open_bracket(pattern: str) -> int | None:
    opened, _ = _brackets(pattern)
    return opened[-1] if opened else None


def _stray_bracket(pattern: str) -> int | None:
    return _brackets(pattern)[1]


# --- where in a text ----------------------------------------------------------------------------------------------

MOST_SPANS = 100
"""Of one text: finding the next match may mean looking at all the rest again."""


def spans(find: Any, text: str) -> list[tuple[int, int]]:
    """Where a text matches, at most `MOST_SPANS` times, in UTF-16 units as JavaScript counts; nothing empty."""
    found: list[tuple[int, int]] = []
    for match in find.finditer(text):
        start, end = match.span()
        if start < end:
            found.append((start, end))
        if len(found) == MOST_SPANS:
            break
    if found and not text.isascii():
        return [(_units(text[:start]), _units(text[:end])) for start, end in found]
    return found


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


# --- a text that is not shown as it is written --------------------------------------------------------------------

# What `shown` takes for acting: JSON escapes some of it.
_ACTS = re2.compile(r"\\(?:u00|[rbf])|[\x7f-\x{9f}\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]")


def hides_something(body: bytes) -> bool:
    """Whether a chunk may have a text that is not shown as it is written."""
    # Most have none of the three, and that costs next to nothing to see.
    plain = b"\\" not in body and b"\x7f" not in body and body.isascii()
    return not plain and _ACTS.search(body) is not None
