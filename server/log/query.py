"""A query, and which lines of a chunk match it. Pure: no I/O, no clock.

Texts are matched as they are shown: without what a terminal would obey. Patterns are RE2's, whose time is linear in
the text; their length and their compiled size are limited. A chunk is searched as the bytes it is stored as, and
decoded only if one of its lines may match.
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
from synctail.model.unsafe_text import ACTING

LONGEST = 1000
"""For each text or pattern, in characters."""
MOST_VALUES = 20
"""For each parameter that can be repeated."""
MOST_INSTRUCTIONS = 3000
"""For a compiled pattern: where RE2 cannot use its automaton, each byte of a log may cost this many steps."""
PATTERN_MEMORY = 1024 * 1024
"""RE2's limit for one pattern; the module caches the last 128."""

NO_PHASE = "-"
"""Selects lines without a phase."""
FIELD = "field."

_json = msgspec.json.encode


class _Line(msgspec.Struct, gc=False):
    text: str
    level: str = ""
    phase: str = ""
    record: str | None = None


class _LineWithFields(_Line, gc=False):
    fields: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(list[_Line]).decode
_decode_with_fields = msgspec.json.Decoder(list[_LineWithFields]).decode


class Query:
    """A line matches if it meets every condition; of several levels, phases or records, any one.

    `exclude`: texts, or patterns if `pattern` is on; a matching line has none of them. `fields`: names and values as
    they are shown: text as itself, anything else as JSON. Raises `PatternRefused`.
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
        """The positions of the matching lines in a chunk's body, from 0."""
        if not all(any(needle in body for needle in either) for either in self._needles):
            return []
        if self._find and not self._find.may_be_in(body):
            return []
        whole = b"[" + body + b"]"
        if self._fields:
            with_fields = _decode_with_fields(whole)
            lines: Sequence[_Line] = with_fields
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

    def _by_text(self, lines: Sequence[_Line], among: list[int], body: bytes) -> list[int]:
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
    """The query in a request's parameters, or None. Raises `BadRequest` or `PatternRefused`."""
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
            return float(text) == value  # a page shows 3.0 as 3
    return _json(value).decode() == text


# --- one text or pattern ------------------------------------------------------------------------------------------


class _Finder:
    """Three tests, from coarse to fine: on a chunk's bytes, on the texts of its lines together, on one text."""

    def may_be_in(self, body: bytes) -> bool:  # noqa: ARG002
        return True

    def may_be_in_texts(self, texts: list[str]) -> bool:  # noqa: ARG002
        return True

    def in_text(self, text: str) -> bool:
        raise NotImplementedError


def _finder(q: str, *, pattern: bool, case: bool, name: str) -> _Finder:
    return _Pattern(q, case=case, name=name) if pattern else _Text(q, case=case)


class _Text(_Finder):
    def __init__(self, text: str, *, case: bool) -> None:
        self._needle = text if case else text.lower()
        stored = _json(text)[1:-1]  # as it is in a body, unless escapes come in between
        self._stored = stored
        self._case = case
        self._folded = None if case else _compiled(re2.escape(text), case=False)
        in_body = b"(?i)" + re2.escape(stored)
        self._in_body: Callable[[bytes], Any] = (
            (lambda body: stored in body) if case else re2.compile(in_body, _options(case=True)).search
        )

    def may_be_in(self, body: bytes) -> bool:
        return self._in_body(body) or hides_something(body)

    def in_text(self, text: str) -> bool:
        if self._folded is None:
            return self._needle in text
        if text.isascii() and self._needle.isascii():
            return self._needle in text.lower()
        return self._folded.search(text) is not None


class _Pattern(_Finder):
    def __init__(self, pattern: str, *, case: bool, name: str) -> None:
        self._search = compiled(pattern, case=case, name=name).search
        # "^" and "$" match at each row anyway, so lines joined by line breaks match if one of them does. The exceptions
        # are patterns about the very ends of the text, and those that switch flags.
        self._joins = not re.search(r"\\[AzC]|\(\?[a-zA-Z]*-", pattern)

    def may_be_in_texts(self, texts: list[str]) -> bool:
        return not self._joins or self._search("\n".join(texts).encode()) is not None

    def in_text(self, text: str) -> bool:
        return self._search(text.encode()) is not None


_ROWS = "(?m)"
"""`^` and `$` match at each row of a text."""


def compiled(pattern: str, *, case: bool, name: str = "q") -> Any:
    """Compile a pattern and check its size. Raises `PatternRefused`, with RE2's message and the position."""
    try:
        found = _compiled(pattern, case=case)
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        said = said.replace(_ROWS, "", 1)
        at = _position(pattern, said)
        where = f" at character {at}" if at else ""
        raise PatternRefused(
            f"{name}: {pattern[:200]!r} is not a pattern (RE2): {said[:200]}{where}", position=at, says=said[:200]
        ) from None
    size = max(found.programsize, found.reverseprogramsize)
    if size > MOST_INSTRUCTIONS:
        said = f"it compiles to {size:,} steps; the limit is {MOST_INSTRUCTIONS:,}"
        raise PatternRefused(f"{name}: this pattern is too large: {said}. Repeat less.", position=None, says=said)
    return found


def _compiled(pattern: str, *, case: bool) -> Any:
    return re2.compile(_ROWS + pattern, _options(case=case))


def _options(*, case: bool) -> re2.Options:
    options = re2.Options()
    options.case_sensitive = case
    options.max_mem = PATTERN_MEMORY
    options.never_capture = True
    options.log_errors = False  # the client gets them
    return options


def _position(pattern: str, said: str) -> int | None:
    """Where the error is, from 1; RE2 names the faulty piece, but not its position."""
    opened, stray = _brackets(pattern)
    if said.startswith(("missing ):", "missing closing )")):
        return opened[-1] if opened else None
    if said.startswith("unexpected )"):
        return stray
    at = pattern.find(said.partition(": ")[2] or "\0")
    return at + 1 if at >= 0 else None


def _brackets(pattern: str) -> tuple[list[int], int | None]:
    """The positions of all brackets that are never closed, and of the first that closes none."""
    opened: list[int] = []
    for token in re.finditer(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|[()]", pattern, re.DOTALL):
        if token[0] == "(":
            opened.append(token.start() + 1)
        elif token[0] == ")":
            if not opened:
                return [], token.start() + 1
            opened.pop()
    return opened, None


# --- where in a text ----------------------------------------------------------------------------------------------

MOST_SPANS = 100
"""Per text: finding the next match may take another pass over the rest."""


def spans(find: Any, text: str) -> list[tuple[int, int]]:
    """The first `MOST_SPANS` matches in a text, in UTF-16 units as JavaScript counts; empty ones are left out."""
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


# --- texts that are shown in another way than they are written ------------------------------------------------------

# What `shown` changes, as it is written in JSON, which escapes C0.
_ACTS = re2.compile(r"\\(?:u00|[rbf])|[" + "".join(one for one in ACTING if one > " ") + "]")


def hides_something(body: bytes) -> bool:
    """Whether a chunk may have a text that is shown in another way than it is written."""
    # Most have none of the three, which is quick to see.
    plain = b"\\" not in body and b"\x7f" not in body and body.isascii()
    return not plain and _ACTS.search(body) is not None
