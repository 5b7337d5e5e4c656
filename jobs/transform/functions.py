"""The functions a mapped value goes through. `functions.json` describes each: the page and the docs show it.

A null stays null, whatever it goes through; only what is marked `sees_null` is asked about it. A value that a function
cannot take raises `TransformFault`, which fails that record and no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import jmespath
import re2
from dateutil import parser as date_parser

from jobs.transform.arguments import PLACE
from jobs.transform.filters import decimal, duration, moment


class TransformFault(ValueError):
    """What the function got, and what it takes."""


class Scope(NamedTuple):
    """What a function may look at besides its value."""

    record: Any
    lookups: Mapping[str, Mapping[str, Any]]


class Example(NamedTuple):
    value: Any
    arguments: list[Any]
    result: Any


@dataclass(frozen=True)
class Transform:
    name: str
    takes: str
    """Names of its arguments: `start, [end]`, where `[end]` is optional; `field…` may come any number of times."""
    does: str
    example: Example
    reads: Callable[[Any], Any]
    call: Callable[..., Any]
    """Takes the value as `reads` returns it, then the arguments; with `scoped` the scope before both."""
    sees_null: bool
    scoped: bool

    def apply(self, value: Any, arguments: list[Any], scope: Scope) -> Any:
        """Raises `TransformFault`."""
        if value is None and not self.sees_null:
            return None
        try:
            call = partial(self.call, scope) if self.scoped else self.call
            return call(self.reads(value), *arguments)
        except TransformFault as fault:
            raise TransformFault(f"{self.name}: {fault}") from None
        except (ValueError, TypeError, ArithmeticError, OverflowError) as error:
            raise TransformFault(f"{self.name}: got {excerpt(value)}: {error}") from None


# --- reading values -------------------------------------------------------------------------------------------------


def excerpt(value: Any) -> str:
    """A value for a sentence."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _any(value: Any) -> Any:
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _text(value: Any) -> str:
    """As it would be written: true, 1.5, and lists and objects as JSON."""
    return value if isinstance(value, str) else _json(value)


def _decimal(value: Any) -> Decimal:
    if (number := decimal(value)) is None:
        raise TransformFault(f"got {excerpt(value)}, takes a number")
    return number


def _time(value: Any) -> datetime:
    if (found := moment(value)) is None:
        raise TransformFault(f"got {excerpt(value)}, takes a time")
    return found


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TransformFault(f"got {excerpt(value)}, takes a list")
    return value


def _boolean(value: Any) -> bool:
    text = _text(value).strip().lower()
    if text in {"true", "yes", "y", "on", "1", "t"}:
        return True
    if text in {"false", "no", "n", "off", "0", "f", ""}:
        return False
    raise TransformFault(f"got {excerpt(value)}, takes yes or no, true or false, on or off, 1 or 0")


# --- what takes more than a line ------------------------------------------------------------------------------------


def _plain(number: Decimal) -> int | float:
    """A whole number as one, anything else as JSON can carry it."""
    return int(number) if number == number.to_integral_value() else float(number)


def _iso(at: datetime) -> str:
    text = at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def _slice(value: Any, start: int, end: int | None = None) -> Any:
    return (value if isinstance(value, list) else _text(value))[start:end]


def _extract(text: str, pattern: str) -> str | None:
    found = re2.search(pattern, text)
    return str(found.group(1 if found.re.groups else 0)) if found else None


def _template(scope: Scope, _value: Any, template: str) -> str:
    def fill(place: re.Match[str]) -> str:
        found = jmespath.search(place[1], scope.record)
        return "" if found is None else _text(found)

    return PLACE.sub(fill, template)


def _concat(scope: Scope, value: Any, separator: str, *fields: str) -> str:
    return _join([value, *(jmespath.search(field, scope.record) for field in fields)], separator)


def _join(values: list[Any], separator: str) -> str:
    return separator.join(_text(one) for one in values if one is not None)


def _without_accents(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in apart if not unicodedata.combining(c)))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _without_accents(text).lower()).strip("-")


def _divide(value: Decimal, number: float) -> int | float:
    if not number:
        raise TransformFault("takes a number that is not 0")
    return _plain(value / _decimal(number))


def _rounded(value: Decimal, digits: int = 0) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _parse_time(text: str, form: str, zone: str = "UTC") -> str:
    at = datetime.strptime(text, form)  # noqa: DTZ007 - it gets its zone right here
    return _iso(at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone)))


def _guess_time(text: str) -> str:
    return _iso(date_parser.parse(text, default=datetime(2000, 1, 1, tzinfo=UTC)))


def _required(value: Any) -> Any:
    if value is None or value == "":
        raise TransformFault("there is no value")
    return value


def _lookup(scope: Scope, value: Any, table: str, *default: Any) -> Any:
    found = scope.lookups[table]
    if _text(value) in found:
        return found[_text(value)]
    if default:
        return default[0]
    raise TransformFault(f"the table {table!r} has nothing for {excerpt(value)}")


def _unique(values: list[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for one in values:
        found.setdefault(json.dumps(one, sort_keys=True, default=str), one)
    return list(found.values())


# --- the table ------------------------------------------------------------------------------------------------------

_CODE: dict[str, tuple[Callable[[Any], Any], Callable[..., Any]]] = {
    # text
    "text": (_any, _text),
    "lower": (_text, str.lower),
    "upper": (_text, str.upper),
    "title": (_text, lambda text: " ".join(word[:1].upper() + word[1:].lower() for word in text.split(" "))),
    "trim": (_text, str.strip),
    "squeeze": (_text, lambda text: " ".join(text.split())),
    "replace": (_text, str.replace),
    "replace_pattern": (_text, lambda text, pattern, new: str(re2.sub(pattern, new, text))),
    "extract": (_text, _extract),
    "split": (_text, lambda text, separator: text.split(separator or None)),
    "slice": (_any, _slice),
    "truncate": (_text, lambda text, length: text[: max(0, length)]),
    "pad_left": (_text, str.rjust),
    "pad_right": (_text, str.ljust),
    "prefix": (_text, lambda text, prefix: prefix + text),
    "suffix": (_text, lambda text, suffix: text + suffix),
    "template": (_any, _template),
    "concat": (_any, _concat),
    "without_accents": (_text, _without_accents),
    "slug": (_text, _slug),
    "length": (_any, lambda value: len(value if isinstance(value, list | dict) else _text(value))),
    # numbers
    "number": (_decimal, _plain),
    "whole": (_decimal, int),
    "round": (_decimal, lambda value, digits=0: _plain(_rounded(value, digits))),
    "add": (_decimal, lambda value, number: _plain(value + _decimal(number))),
    "multiply": (_decimal, lambda value, number: _plain(value * _decimal(number))),
    "divide": (_decimal, _divide),
    "absolute": (_decimal, lambda value: _plain(abs(value))),
    "clamp": (_decimal, lambda value, least, most: _plain(min(max(value, _decimal(least)), _decimal(most)))),
    "decimals": (_decimal, lambda value, digits: str(_rounded(value, digits))),
    # times
    "time": (_time, _iso),
    "parse_time": (_text, _parse_time),
    "guess_time": (_text, _guess_time),
    "format_time": (_time, datetime.strftime),
    "to_zone": (_time, lambda at, zone: _iso(at.astimezone(ZoneInfo(zone)))),
    "date": (_time, lambda at: at.date().isoformat()),
    "unix_time": (_time, lambda at: _plain(Decimal(str(at.timestamp())))),
    "add_time": (_time, lambda at, later: _iso(at + duration(later))),
    # true and false, null
    "boolean": (_boolean, _any),
    "not": (_boolean, operator.not_),
    "if": (_boolean, lambda true, then, otherwise: then if true else otherwise),
    "default": (_any, lambda value, other: other if value is None or value == "" else value),
    "null_if": (_any, lambda value, nothing: None if value == nothing else value),
    "constant": (_any, lambda _, constant: constant),
    "required": (_any, _required),
    "lookup": (_any, _lookup),
    # lists
    "join": (_list, _join),
    "first": (_list, lambda values: values[0] if values else None),
    "last": (_list, lambda values: values[-1] if values else None),
    "sum": (_list, lambda values: _plain(sum((_decimal(one) for one in values if one is not None), Decimal(0)))),
    "unique": (_list, _unique),
    # encodings
    "hash": (_text, lambda text, name: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()),
    "to_json": (_any, _json),
    "from_json": (_text, json.loads),
    "to_base64": (_text, lambda text: base64.b64encode(text.encode()).decode()),
    "from_base64": (_text, lambda text: base64.b64decode(text, validate=True).decode()),
    "url_encode": (_text, lambda text: quote(text, safe="")),
    "url_decode": (_text, unquote),
}
_SEES_NULL = {"concat", "constant", "default", "required", "template"}
_SCOPED = {"concat", "lookup", "template"}

TRANSFORMS = {
    name: Transform(name, takes, does, Example(*example), *_CODE[name], name in _SEES_NULL, name in _SCOPED)
    for name, takes, does, example in json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
}
