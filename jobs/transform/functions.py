"""The functions a mapped value goes through. One table: the definition's check, the docs and the page read it.

A null stays null, whatever it goes through; only what is marked `sees_null` is asked about it. A value that a function
cannot take raises `TransformFault`, which fails that record and no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import jmespath
import re2
from dateutil import parser as date_parser
from dateutil.relativedelta import relativedelta

from jobs.transform.arguments import CALENDAR, DURATION, EXACT, PLACE, Argument
from jobs.transform.filters import moment


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
    arguments: tuple[Argument, ...]
    does: str
    example: Example
    call: Callable[..., Any]
    """Takes the value, the arguments, and with `scoped` the scope first."""
    sees_null: bool = False
    scoped: bool = False

    def apply(self, value: Any, arguments: list[Any], scope: Scope) -> Any:
        """Raises `TransformFault`."""
        if value is None and not self.sees_null:
            return None
        given = (scope, value, *arguments) if self.scoped else (value, *arguments)
        try:
            return self.call(*given)
        except TransformFault as fault:
            raise TransformFault(f"{self.name}: {fault}") from None
        except (ValueError, TypeError, ArithmeticError, OverflowError) as error:
            raise TransformFault(f"{self.name}: got {shown(value)}: {error}") from None


TRANSFORMS: dict[str, Transform] = {}


def _transform(
    name: str, *arguments: Argument, does: str, example: tuple[Any, list[Any], Any], **more: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(call: Callable[..., Any]) -> Callable[..., Any]:
        TRANSFORMS[name] = Transform(name, arguments, does, Example(*example), call, **more)
        return call

    return register


# --- reading values -------------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A value for a sentence."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _text(value: Any) -> str:
    """As it would be written: true, 1.5, and lists and objects as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            pass
        else:
            if number.is_finite():
                return number
    raise TransformFault(f"got {shown(value)}, takes a number")


def _plain(number: Decimal) -> int | float:
    """A whole number as one, anything else as JSON can carry it."""
    return int(number) if number == number.to_integral_value() else float(number)


def _time(value: Any) -> datetime:
    found = moment(value)
    if found is None:
        raise TransformFault(f"got {shown(value)}, takes a time")
    return found


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TransformFault(f"got {shown(value)}, takes a list")
    return value


# --- text -----------------------------------------------------------------------------------------------------------


@_transform("text", does="Converts to text; lists and objects become JSON.", example=(12.5, [], "12.5"))
def _as_text(value: Any) -> str:
    return _text(value)


@_transform("lower", does="Converts to lower case.", example=("Ana@Example.ORG", [], "ana@example.org"))
def _lower(value: Any) -> str:
    return _text(value).lower()


@_transform("upper", does="Converts to upper case.", example=("de", [], "DE"))
def _upper(value: Any) -> str:
    return _text(value).upper()


@_transform("title", does="Capitalises each word.", example=("ana LIMA", [], "Ana Lima"))
def _title(value: Any) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in _text(value).split(" "))


@_transform("trim", does="Removes white space from both ends.", example=("  SO-1 \n", [], "SO-1"))
def _trim(value: Any) -> str:
    return _text(value).strip()


@_transform("squeeze", does="Trims, and collapses white space into single spaces.", example=("a \n  b", [], "a b"))
def _squeeze(value: Any) -> str:
    return " ".join(_text(value).split())


@_transform(
    "replace",
    Argument("old", "text"),
    Argument("new", "text"),
    does="Replaces every occurrence of a text.",
    example=("1.299,00", [".", ""], "1299,00"),
)
def _replace(value: Any, old: str, new: str) -> str:
    return _text(value).replace(old, new)


@_transform(
    "replace_pattern",
    Argument("pattern", "pattern"),
    Argument("new", "text"),
    does="Replaces every match of a pattern (RE2); `\\1` is the first group.",
    example=("SO-00042", ["^SO-0*([0-9]+)$", "\\1"], "42"),
)
def _replace_pattern(value: Any, pattern: str, new: str) -> str:
    return str(re2.sub(pattern, new, _text(value)))


@_transform(
    "extract",
    Argument("pattern", "pattern"),
    does="Returns the first match of a pattern (RE2), or its first group; null if there is none.",
    example=("Order 4711 of May", ["[0-9]+"], "4711"),
)
def _extract(value: Any, pattern: str) -> str | None:
    found = re2.search(pattern, _text(value))
    if not found:
        return None
    return str(found.group(1 if found.re.groups else 0))


@_transform(
    "split",
    Argument("separator", "text"),
    does="Splits a text into a list; an empty separator splits at white space.",
    example=("red;green", [";"], ["red", "green"]),
)
def _split(value: Any, separator: str) -> list[str]:
    return _text(value).split(separator or None)


@_transform(
    "slice",
    Argument("start", "whole"),
    Argument("end", "whole", optional=True),
    does="Returns part of a text or list. Positions start at 0; negative ones count from the end.",
    example=("2026-01-31", [0, 4], "2026"),
)
def _slice(value: Any, start: int, end: int | None = None) -> Any:
    return (value if isinstance(value, list) else _text(value))[start:end]


@_transform(
    "truncate",
    Argument("length", "whole"),
    does="Cuts a text to a maximum length.",
    example=("wholesale", [5], "whole"),
)
def _truncate(value: Any, length: int) -> str:
    return _text(value)[: max(0, length)]


@_transform(
    "pad_left",
    Argument("length", "whole"),
    Argument("character", "character", optional=True),
    does="Pads on the left, with spaces or another character.",
    example=(42, [6, "0"], "000042"),
)
def _pad_left(value: Any, length: int, character: str = " ") -> str:
    return _text(value).rjust(length, character)


@_transform(
    "pad_right",
    Argument("length", "whole"),
    Argument("character", "character", optional=True),
    does="Pads on the right, with spaces or another character.",
    example=("DE", [4, "-"], "DE--"),
)
def _pad_right(value: Any, length: int, character: str = " ") -> str:
    return _text(value).ljust(length, character)


@_transform("prefix", Argument("text", "text"), does="Puts a text before the value.", example=(42, ["SO-"], "SO-42"))
def _prefix(value: Any, text: str) -> str:
    return text + _text(value)


@_transform("suffix", Argument("text", "text"), does="Puts a text after the value.", example=(42, [" EUR"], "42 EUR"))
def _suffix(value: Any, text: str) -> str:
    return _text(value) + text


@_transform(
    "template",
    Argument("template", "template"),
    does="Fills in a text: each `{…}` is a JMESPath into the whole record; null becomes empty.",
    example=(None, ["{id}: {customer.name}"], "7: Ana"),
    sees_null=True,
    scoped=True,
)
def _template(scope: Scope, _value: Any, template: str) -> str:
    def fill(place: re.Match[str]) -> str:
        found = jmespath.search(place[1], scope.record)
        return "" if found is None else _text(found)

    return PLACE.sub(fill, template)


@_transform(
    "concat",
    Argument("separator", "text"),
    Argument("field", "field", many=True),
    does="Joins the value and other fields of the record (JMESPath), leaving out nulls.",
    example=("SO-1", [" / ", "customer.name", "missing"], "SO-1 / Ana"),
    sees_null=True,
    scoped=True,
)
def _concat(scope: Scope, value: Any, separator: str, *fields: str) -> str:
    values = [value, *(jmespath.search(field, scope.record) for field in fields)]
    return separator.join(_text(one) for one in values if one is not None)


@_transform("without_accents", does="Removes accents from letters.", example=("Müller, José", [], "Muller, Jose"))
def _without_accents(value: Any) -> str:
    apart = unicodedata.normalize("NFD", _text(value))
    return unicodedata.normalize("NFC", "".join(c for c in apart if not unicodedata.combining(c)))


@_transform(
    "slug",
    does="Reduces a text to lower-case letters, digits and dashes, for use in a URL.",
    example=("Café & Bar, Köln", [], "cafe-bar-koln"),
)
def _slug(value: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _without_accents(value).lower()).strip("-")


@_transform("length", does="Counts the characters of a text or the members of a list.", example=("DE89", [], 4))
def _length(value: Any) -> int:
    return len(value if isinstance(value, list | dict) else _text(value))


# --- numbers --------------------------------------------------------------------------------------------------------


@_transform("number", does="Converts to a number, also from text.", example=(" 12.50 ", [], 12.5))
def _number(value: Any) -> int | float:
    return _plain(_decimal(value))


@_transform("whole", does="Converts to a whole number, dropping the decimals.", example=("12.9", [], 12))
def _whole(value: Any) -> int:
    return int(_decimal(value))


@_transform(
    "round",
    Argument("digits", "whole", optional=True),
    does="Rounds; halves go away from zero, as on an invoice.",
    example=(2.675, [2], 2.68),
)
def _round(value: Any, digits: int = 0) -> int | float:
    return _plain(_decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


@_transform("add", Argument("number", "number"), does="Adds a number.", example=(0.1, [0.2], 0.3))
def _add(value: Any, number: float) -> int | float:
    return _plain(_decimal(value) + _decimal(number))


@_transform("multiply", Argument("number", "number"), does="Multiplies by a number.", example=("19.99", [100], 1999))
def _multiply(value: Any, number: float) -> int | float:
    return _plain(_decimal(value) * _decimal(number))


@_transform("divide", Argument("number", "number"), does="Divides by a number.", example=(1999, [100], 19.99))
def _divide(value: Any, number: float) -> int | float:
    if not number:
        raise TransformFault("takes a number that is not 0")
    return _plain(_decimal(value) / _decimal(number))


@_transform("absolute", does="Removes the sign of a number.", example=(-12, [], 12))
def _absolute(value: Any) -> int | float:
    return _plain(abs(_decimal(value)))


@_transform(
    "clamp",
    Argument("least", "number"),
    Argument("most", "number"),
    does="Limits a number to a range.",
    example=(140, [0, 100], 100),
)
def _clamp(value: Any, least: float, most: float) -> int | float:
    return _plain(min(max(_decimal(value), _decimal(least)), _decimal(most)))


@_transform(
    "decimals",
    Argument("digits", "whole"),
    does="Writes a number as text with a fixed number of decimals.",
    example=(5, [2], "5.00"),
)
def _decimals(value: Any, digits: int) -> str:
    return str(_decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


# --- times ----------------------------------------------------------------------------------------------------------


def _iso(found: datetime) -> str:
    text = found.isoformat(timespec="milliseconds" if found.microsecond else "seconds")
    return text.replace("+00:00", "Z")


@_transform(
    "time",
    does="Converts ISO 8601 (UTC if no zone is given) or a Unix time in s or ms to ISO 8601.",
    example=(1769851800, [], "2026-01-31T09:30:00Z"),
)
def _as_time(value: Any) -> str:
    return _iso(_time(value))


@_transform(
    "parse_time",
    Argument("format", "text"),
    Argument("zone", "zone", optional=True),
    does="Reads a time in the given format (`strptime`), in UTC or another time zone.",
    example=("31.01.2026 09:30", ["%d.%m.%Y %H:%M", "Europe/Berlin"], "2026-01-31T09:30:00+01:00"),
)
def _parse_time(value: Any, form: str, zone: str = "UTC") -> str:
    found = datetime.strptime(_text(value), form)  # noqa: DTZ007 - it gets its zone right here
    return _iso(found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone)))


@_transform(
    "guess_time",
    does="Reads a time in any common format; an ambiguous date is read month first.",
    example=("31 Jan 2026, 9:30 am", [], "2026-01-31T09:30:00Z"),
)
def _guess_time(value: Any) -> str:
    midnight = datetime(2000, 1, 1, tzinfo=UTC)
    return _iso(date_parser.parse(_text(value), default=midnight))


@_transform(
    "format_time",
    Argument("format", "text"),
    does="Writes a time in the given format (`strftime`).",
    example=("2026-01-31T09:30:00Z", ["%d.%m.%Y"], "31.01.2026"),
)
def _format_time(value: Any, form: str) -> str:
    return _time(value).strftime(form)


@_transform(
    "to_zone",
    Argument("zone", "zone"),
    does="Converts a time to another time zone.",
    example=("2026-07-01T12:00:00Z", ["Europe/London"], "2026-07-01T13:00:00+01:00"),
)
def _to_zone(value: Any, zone: str) -> str:
    return _iso(_time(value).astimezone(ZoneInfo(zone)))


@_transform("date", does="Returns the day of a time.", example=("2026-01-31T09:30:00Z", [], "2026-01-31"))
def _date(value: Any) -> str:
    return _time(value).date().isoformat()


@_transform(
    "unix_time", does="Converts a time to seconds since 1970.", example=("2026-01-31T09:30:00Z", [], 1769851800)
)
def _unix_time(value: Any) -> int | float:
    return _plain(Decimal(str(_time(value).timestamp())))


@_transform(
    "add_time",
    Argument("duration", "duration"),
    does="Moves a time by a duration: `30s`, `15m`, `2h`, `7d`, `1w`, `1mo`, `-1y`.",
    example=("2026-01-31T09:30:00Z", ["1mo"], "2026-02-28T09:30:00Z"),
)
def _add_time(value: Any, duration: str) -> str:
    count, unit = DURATION.fullmatch(duration).groups()  # type: ignore[union-attr]
    if unit in CALENDAR:
        return _iso(_time(value) + relativedelta(**{CALENDAR[unit]: int(count)}))
    return _iso(_time(value) + timedelta(**{EXACT[unit]: int(count)}))


# --- true and false, null -------------------------------------------------------------------------------------------

_TRUE = {"true", "yes", "y", "on", "1", "t"}
_FALSE = {"false", "no", "n", "off", "0", "f", ""}


@_transform("boolean", does="Converts yes and no, on and off, 1 and 0 to true and false.", example=("Yes", [], True))
def _boolean(value: Any) -> bool:
    said = _text(value).strip().lower()
    if said in _TRUE:
        return True
    if said in _FALSE:
        return False
    raise TransformFault(f"got {shown(value)}, takes yes or no, true or false, on or off, 1 or 0")


@_transform("not", does="Turns true into false, and false into true.", example=("no", [], True))
def _not(value: Any) -> bool:
    return not _boolean(value)


@_transform(
    "if",
    Argument("then", "any"),
    Argument("else", "any"),
    does="Returns one value if true, another if false.",
    example=("yes", ["active", "closed"], "active"),
)
def _if(value: Any, then: Any, otherwise: Any) -> Any:
    return then if _boolean(value) else otherwise


@_transform(
    "default",
    Argument("value", "any"),
    does="Replaces null or an empty text with another value.",
    example=(None, ["unknown"], "unknown"),
    sees_null=True,
)
def _default(value: Any, other: Any) -> Any:
    return other if value is None or value == "" else value


@_transform("null_if", Argument("value", "any"), does="Replaces a value with null.", example=("N/A", ["N/A"], None))
def _null_if(value: Any, nothing: Any) -> Any:
    return None if value == nothing else value


@_transform(
    "constant", Argument("value", "any"), does="Returns a fixed value.", example=("x", ["EUR"], "EUR"), sees_null=True
)
def _constant(_value: Any, constant: Any) -> Any:
    return constant


@_transform("required", does="Fails the record if there is no value.", example=("SO-1", [], "SO-1"), sees_null=True)
def _required(value: Any) -> Any:
    if value is None or value == "":
        raise TransformFault("there is no value")
    return value


@_transform(
    "lookup",
    Argument("table", "table"),
    Argument("default", "any", optional=True),
    does="Looks the value up in a lookup table; without a default, an unknown value fails the record.",
    example=("DE", ["countries"], "Germany"),
    scoped=True,
)
def _lookup(scope: Scope, value: Any, table: str, *default: Any) -> Any:
    found = scope.lookups[table]
    if _text(value) in found:
        return found[_text(value)]
    if default:
        return default[0]
    raise TransformFault(f"the table {table!r} has nothing for {shown(value)}")


# --- lists ----------------------------------------------------------------------------------------------------------


@_transform(
    "join", Argument("separator", "text"), does="Joins a list into one text.", example=(["a", 1], [", "], "a, 1")
)
def _join(value: Any, separator: str) -> str:
    return separator.join(_text(one) for one in _list(value) if one is not None)


@_transform("first", does="Returns the first member of a list; null if it is empty.", example=([3, 1, 2], [], 3))
def _first(value: Any) -> Any:
    return next(iter(_list(value)), None)


@_transform("last", does="Returns the last member of a list; null if it is empty.", example=([3, 1, 2], [], 2))
def _last(value: Any) -> Any:
    return next(reversed(_list(value)), None)


@_transform("sum", does="Adds up a list of numbers.", example=([0.1, "0.2"], [], 0.3))
def _sum(value: Any) -> int | float:
    return _plain(sum((_decimal(one) for one in _list(value) if one is not None), Decimal(0)))


@_transform(
    "unique", does="Removes duplicates from a list, keeping its order.", example=(["a", "b", "a"], [], ["a", "b"])
)
def _unique(value: Any) -> list[Any]:
    found: dict[str, Any] = {}
    for one in _list(value):
        found.setdefault(json.dumps(one, sort_keys=True, default=str), one)
    return list(found.values())


# --- encodings ------------------------------------------------------------------------------------------------------


@_transform(
    "hash",
    Argument("algorithm", "hash"),
    does="Returns a digest in hex: md5, sha1, sha256 or sha512.",
    example=("abc", ["md5"], "900150983cd24fb0d6963f7d28e17f72"),
)
def _hash(value: Any, algorithm: str) -> str:
    return hashlib.new(algorithm, _text(value).encode(), usedforsecurity=False).hexdigest()


@_transform("to_json", does="Converts to JSON text.", example=({"a": [1]}, [], '{"a": [1]}'))
def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


@_transform("from_json", does="Parses JSON text.", example=('{"a": [1]}', [], {"a": [1]}))
def _from_json(value: Any) -> Any:
    return json.loads(_text(value))


@_transform("to_base64", does="Encodes a text as Base64.", example=("ana", [], "YW5h"))
def _to_base64(value: Any) -> str:
    return base64.b64encode(_text(value).encode()).decode()


@_transform("from_base64", does="Decodes Base64 to text.", example=("YW5h", [], "ana"))
def _from_base64(value: Any) -> str:
    return base64.b64decode(_text(value), validate=True).decode()


@_transform("url_encode", does="Encodes a text for use in a URL.", example=("a b/ü", [], "a%20b%2F%C3%BC"))
def _url_encode(value: Any) -> str:
    return quote(_text(value), safe="")


@_transform("url_decode", does="Decodes URL-encoded text.", example=("a%20b", [], "a b"))
def _url_decode(value: Any) -> str:
    return unquote(_text(value))
