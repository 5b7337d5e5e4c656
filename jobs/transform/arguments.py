"""What the functions of a mapping take besides the value: a check for each name of an argument."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.transform.filters import DURATION, expression_fault, pattern_fault

PLACE = re.compile(r"\{([^{}]+)\}")
"""In a template: a JMESPath in braces."""
_HASHES = ("md5", "sha1", "sha256", "sha512")
_LARGEST = 10_000
"""The limit of whole numbers, and so of the characters to which a text is padded."""


def arguments_fault(takes: str, args: list[Any], tables: Collection[str]) -> str | None:
    """What is wrong with the arguments of a function.

    Args:
        takes: as in `functions.Transform`.
        tables: names of the service's lookup tables.
    """
    names = takes.split(", ") if takes else []
    least = sum(name.isidentifier() for name in names)
    if len(args) < least or (len(args) > len(names) and not takes.endswith("…")):
        return f"takes {takes or 'no arguments'}; got {len(args)}"
    for index, value in enumerate(args):
        name = names[min(index, len(names) - 1)].strip("[]…")
        if fault := _table(value, tables) if name == "table" else CHECKS[name](value):
            return f"{name}: {fault}"
    return None


def _table(value: Any, tables: Collection[str]) -> str | None:
    if isinstance(value, str) and value in tables:
        return None
    return f"there is no lookup table {value!r}; there are {', '.join(map(repr, tables)) or 'none'}"


def _takes(what: str, right: Callable[[Any], object]) -> Callable[[Any], str | None]:
    return lambda value: None if right(value) else f"takes {what}, got {value!r}"


def _is_zone(value: Any) -> bool:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        return False
    return True


def _field(value: Any) -> str | None:
    return _text(value) or expression_fault(value)


def _template(value: Any) -> str | None:
    return _text(value) or next((fault for one in PLACE.findall(value) if (fault := expression_fault(one))), None)


_text = _takes("a text", lambda value: isinstance(value, str))
_number = _takes("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool))
_whole = _takes(
    f"a whole number up to {_LARGEST:,}",
    lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST,
)

CHECKS: dict[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(("value", "default", "then", "else"), lambda _: None),
    **dict.fromkeys(("text", "old", "new", "separator", "format"), _text),
    **dict.fromkeys(("number", "least", "most"), _number),
    **dict.fromkeys(("length", "start", "end", "digits"), _whole),
    "character": _takes("one character", lambda value: isinstance(value, str) and len(value) == 1),
    "pattern": pattern_fault,
    "zone": _takes("a time zone such as 'Europe/London'", _is_zone),
    "field": _field,
    "algorithm": _takes(f"one of {', '.join(_HASHES)}", _HASHES.__contains__),
    "duration": _takes(
        "a duration such as '-90s', '2h', '7d' or '1mo'",
        lambda value: isinstance(value, str) and DURATION.fullmatch(value),
    ),
    "template": _template,
}
