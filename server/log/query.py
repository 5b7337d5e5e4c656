"""A query, and which lines of a chunk match it. Pure: no I/O, no clock.

Texts are matched as they are shown: without what a terminal would obey. Patterns are RE2's, whose time is linear in
the text; their length and their compiled size are limited. A chunk is searched as the bytes it is stored as, and
decoded only if one of its lines may match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec
import re2
from starlette.datastructures import QueryParams

from server.log.terminal_text import shown
from server.web import params
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
    fields: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(list[_Line]).decode


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
        level: Sequence[str] = (),
        phase: Sequence[str] = (),
        record: Sequence[str] = (),
        fields: Sequence[tuple[str, str]] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        phase = ["" if one == NO_PHASE else one for one in phase]
        one_of = {name: values for name, values in (("level", level), ("phase", phase), ("record", record)) if values}
        self._one_of = [(attrgetter(name), frozenset(values)) for name, values in one_of.items()]
        self._fields = fields

        def finder(name: str, text: str) -> _Text | _Pattern:
            return _Pattern(text, case=case, name=name) if pattern else _Text(text, case=case)

        self._find = finder("q", q) if q else None
        self._without = [finder("exclude", one) for one in exclude]
        # A chunk in which a line matches has one of each.
        self._needles = [[_json(name) + b":"] for name, _ in fields]
        for name, values in one_of.items():
            if "" not in values:
                self._needles.append([b'"%s":%s' % (name.encode(), _json(one)) for one in values])

    def places(self, body: bytes) -> list[int]:
        """The positions of the matching lines in a chunk's body, from 0."""
        if not all(any(needle in body for needle in either) for either in self._needles):
            return []
        if self._find and not self._find.may_be_in(body):
            return []
        lines = _decode(b"[" + body + b"]")
        found = list(range(len(lines)))
        for value_of, values in self._one_of:
            found = [i for i in found if value_of(lines[i]) in values]
        if self._fields:
            found = [i for i in found if self._has_fields(lines[i])]
        return self._by_text(lines, found, body) if self._find or self._without else found

    def _by_text(self, lines: Sequence[_Line], among: list[int], body: bytes) -> list[int]:
        texts = [lines[i].text for i in among]
        if hides_something(body):
            texts = [shown(text) for text in texts]
        if self._find and not self._find.may_be_in_texts(texts):
            return []
        return [
            i
            for i, text in zip(among, texts, strict=True)
            if (not self._find or self._find.is_in(text)) and not any(one.is_in(text) for one in self._without)
        ]

    def _has_fields(self, line: _Line) -> bool:
        fields = msgspec.json.decode(line.fields) or {}
        return all(name in fields and _is_shown_as(fields[name], value) for name, value in self._fields)


def asked(query: QueryParams) -> Query | None:
    """The query in a request's parameters, or None. Raises `BadRequest` or `PatternRefused`."""
    fields = [(name.removeprefix(FIELD), value) for name, value in query.multi_items() if name.startswith(FIELD)]
    lists = {name: [one for one in query.getlist(name) if one] for name in ("level", "phase", "record", "exclude")}
    q = query.get("q", "")
    if not (q or fields or any(lists.values())):
        return None
    for name, values in [("q", [q]), *lists.items(), (f"{FIELD}…", [value for _, value in fields])]:
        if len(values) > MOST_VALUES:
            raise BadRequest(f"{name}: got {len(values)} values; takes {MOST_VALUES} at most")
        longest = max(map(len, values), default=0)
        if longest > LONGEST:
            raise BadRequest(f"{name}: got {longest:,} characters; takes {LONGEST:,} at most")
    for level in lists["level"]:
        if level not in set(Level):
            raise BadRequest(f"level: got {level[:40]!r}; takes one of {', '.join(Level)}")
    pattern, case = (bool(params.whole_number(query, name, default=0, most=1)) for name in ("pattern", "case"))
    return Query(q, pattern=pattern, case=case, fields=fields, **lists)


def _is_shown_as(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(text) == value  # a page shows 3.0 as 3
    return _json(value).decode() == text


# --- one text or pattern ------------------------------------------------------------------------------------------


# A finder makes three tests, from coarse to fine: on a chunk's bytes, on the texts of its lines together, on one text.


class _Text:
    def __init__(self, text: str, *, case: bool) -> None:
        self._needle = text if case else text.lower()
        self._folded = None if case else _compiled(re2.escape(text), case=False)
        # As it is in a body, unless escapes come in between.
        self._stored = _compiled(re2.escape(_json(text)[1:-1].decode()), case=case)

    def may_be_in(self, body: bytes) -> bool:
        return self._stored.search(body) is not None or hides_something(body)

    def may_be_in_texts(self, texts: list[str]) -> bool:  # noqa: ARG002
        return True

    def is_in(self, text: str) -> bool:
        if self._folded is None:
            return self._needle in text
        if text.isascii() and self._needle.isascii():
            return self._needle in text.lower()
        return self._folded.search(text) is not None


class _Pattern:
    def __init__(self, pattern: str, *, case: bool, name: str) -> None:
        self._search = compiled(pattern, case=case, name=name).search
        # "^" and "$" match at each row anyway, so lines joined by line breaks match if one of them does. The exceptions
        # are patterns about the very ends of the text, and those that switch flags.
        self._joins = not re.search(r"\\[AzC]|\(\?[a-zA-Z]*-", pattern)

    def may_be_in(self, body: bytes) -> bool:  # noqa: ARG002
        return True

    def may_be_in_texts(self, texts: list[str]) -> bool:
        return not self._joins or self.is_in("\n".join(texts))

    def is_in(self, text: str) -> bool:
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
    options = re2.Options()
    options.case_sensitive = case
    options.max_mem = PATTERN_MEMORY
    options.never_capture = True
    options.log_errors = False  # the client gets them
    return re2.compile(_ROWS + pattern, options)


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
    matches = (match.span() for match in find.finditer(text) if match[0])
    found = list(islice(matches, MOST_SPANS))
    return found if text.isascii() else [(_units(text[:start]), _units(text[:end])) for start, end in found]


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
