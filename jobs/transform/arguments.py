"""What the functions of a mapping take besides a value, and what is said where a definition gives something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.transform.filters import expression_fault, pattern_fault

EXACT = {"s": "seconds", "m": "minutes", "h": "hours"}
CALENDAR = {"d": "days", "w": "weeks", "mo": "months", "y": "years"}
DURATION = re.compile(r"([+-]?[0-9]{1,6})(s|m|h|d|w|mo|y)")
PLACE = re.compile(r"\{([^{}]+)\}")
"""In a template: a JMESPath in braces."""
HASHES = ("md5", "sha1", "sha256", "sha512")
LARGEST = 10_000
"""Of a whole number: a text is padded to no more characters than that."""


class Argument(NamedTuple):
    """`kind` is one of `KINDS`. Only the last of a function's arguments may be one of `many`."""

    name: str
    kind: str
    optional: bool = False
    many: bool = False


def arguments_fault(arguments: tuple[Argument, ...], given: list[Any], tables: Collection[str]) -> str | None:
    """What is wrong with all that is given to one function; `tables` are the names of the service's lookup tables."""
    least = sum(not (argument.optional or argument.many) for argument in arguments)
    many = bool(arguments) and arguments[-1].many
    if len(given) < least or (len(given) > len(arguments) and not many):
        takes = ", ".join(f"[{one.name}]" if one.optional else one.name + "…" * one.many for one in arguments)
        return f"takes {takes or 'no arguments'}; got {len(given)}"
    for index, value in enumerate(given):
        argument = arguments[min(index, len(arguments) - 1)]
        fault = KINDS[argument.kind](value, tables)
        if fault:
            return f"{argument.name}: {fault}"
    return None


def _whole(given: Any, _tables: Collection[str]) -> str | None:
    right = isinstance(given, int) and not isinstance(given, bool) and abs(given) <= LARGEST
    return None if right else f"takes a whole number up to {LARGEST:,}, got {given!r}"


def _number(given: Any, _tables: Collection[str]) -> str | None:
    right = isinstance(given, int | float) and not isinstance(given, bool)
    return None if right else f"takes a number, got {given!r}"


def _text(given: Any, _tables: Collection[str]) -> str | None:
    return None if isinstance(given, str) else f"takes a text, got {given!r}"


def _zone(given: Any, _tables: Collection[str]) -> str | None:
    try:
        ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        return f"takes a time zone such as 'Europe/London', got {given!r}"
    return None


def _table(given: Any, tables: Collection[str]) -> str | None:
    if isinstance(given, str) and given in tables:
        return None
    return f"there is no lookup table {given!r}; there are {', '.join(map(repr, tables)) or 'none'}"


def _field(given: Any, tables: Collection[str]) -> str | None:
    return _text(given, tables) or expression_fault(given)


def _hash(given: Any, _tables: Collection[str]) -> str | None:
    return None if given in HASHES else f"takes one of {', '.join(HASHES)}, got {given!r}"


def _duration(given: Any, _tables: Collection[str]) -> str | None:
    right = isinstance(given, str) and DURATION.fullmatch(given)
    return None if right else f"takes a duration such as '-90s', '2h', '7d' or '1mo', got {given!r}"


def _template(given: Any, tables: Collection[str]) -> str | None:
    fault = _text(given, tables)
    return fault or next((fault for one in PLACE.findall(given) if (fault := expression_fault(one))), None)


def _character(given: Any, _tables: Collection[str]) -> str | None:
    return None if isinstance(given, str) and len(given) == 1 else f"takes one character, got {given!r}"


KINDS: dict[str, Callable[[Any, Collection[str]], str | None]] = {
    "any": lambda _given, _tables: None,
    "text": _text,
    "character": _character,
    "whole": _whole,
    "number": _number,
    "pattern": lambda given, _tables: pattern_fault(given),
    "zone": _zone,
    "table": _table,
    "field": _field,
    "hash": _hash,
    "duration": _duration,
    "template": _template,
}
