"""The arguments that the functions of a mapping take besides the value, and the check of them."""

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
"""The limit of whole numbers, and so of the characters to which a text is padded."""


class Argument(NamedTuple):
    """`kind` is one of `KINDS`, or `table`. Only a function's last argument may be one of `many`."""

    name: str
    kind: str
    optional: bool = False
    many: bool = False


def arguments_fault(arguments: tuple[Argument, ...], given: list[Any], tables: Collection[str]) -> str | None:
    """What is wrong with the arguments of one function; `tables` names the service's lookup tables."""
    least = sum(not (argument.optional or argument.many) for argument in arguments)
    many = bool(arguments) and arguments[-1].many
    if len(given) < least or (len(given) > len(arguments) and not many):
        takes = ", ".join(f"[{one.name}]" if one.optional else one.name + "…" * one.many for one in arguments)
        return f"takes {takes or 'no arguments'}; got {len(given)}"
    for index, value in enumerate(given):
        argument = arguments[min(index, len(arguments) - 1)]
        if fault := _table(value, tables) if argument.kind == "table" else KINDS[argument.kind](value):
            return f"{argument.name}: {fault}"
    return None


def _table(given: Any, tables: Collection[str]) -> str | None:
    if isinstance(given, str) and given in tables:
        return None
    return f"there is no lookup table {given!r}; there are {', '.join(map(repr, tables)) or 'none'}"


def _takes(what: str, right: Callable[[Any], object]) -> Callable[[Any], str | None]:
    return lambda given: None if right(given) else f"takes {what}, got {given!r}"


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _is_zone(given: Any) -> bool:
    try:
        ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        return False
    return True


def _field(given: Any) -> str | None:
    return _text(given) or expression_fault(given)


def _template(given: Any) -> str | None:
    return _text(given) or next((fault for one in PLACE.findall(given) if (fault := expression_fault(one))), None)


_text = _takes("a text", lambda given: isinstance(given, str))

KINDS: dict[str, Callable[[Any], str | None]] = {
    "any": lambda _: None,
    "text": _text,
    "character": _takes("one character", lambda given: isinstance(given, str) and len(given) == 1),
    "whole": _takes(
        f"a whole number up to {LARGEST:,}",
        lambda given: _is_number(given) and isinstance(given, int) and abs(given) <= LARGEST,
    ),
    "number": _takes("a number", _is_number),
    "pattern": pattern_fault,
    "zone": _takes("a time zone such as 'Europe/London'", _is_zone),
    "field": _field,
    "hash": _takes(f"one of {', '.join(HASHES)}", HASHES.__contains__),
    "duration": _takes(
        "a duration such as '-90s', '2h', '7d' or '1mo'",
        lambda given: isinstance(given, str) and DURATION.fullmatch(given),
    ),
    "template": _template,
}
