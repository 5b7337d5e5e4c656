"""Which of the pulled records a sync takes: filters, joined by *and*. Pure; the time it is now is handed in.

A field is a JMESPath expression. A record whose value cannot be compared does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import jmespath
import re2
from dateutil.relativedelta import relativedelta
from jmespath.exceptions import EmptyExpressionError, JMESPathError, JMESPathTypeError, ParseError, UnknownFunctionError

from jobs.transform.model import Filter

DURATION = re.compile(r"([+-]?[0-9]{1,6})(s|m|h|d|w|mo|y)")
_LIKE_AGO = re.compile(r"-[0-9.]+ *[A-Za-z]+")
"""Meant as one, but would be compared as a text."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks", "mo": "months", "y": "years"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""The beginning of a text that is a time."""
_MILLISECONDS_FROM = 100_000_000_000
"""A number of that size is a Unix time in milliseconds: in seconds it would be the year 5138."""


def fault(condition: Filter) -> tuple[str, str] | None:
    """What is wrong with a filter: the member, and a sentence."""
    if problem := expression_fault(condition.field):
        return "field", problem
    problem = _value_fault(condition.op, condition.value)
    return ("value", problem) if problem else None


def _value_fault(op: str, value: Any) -> str | None:
    if op == "matches":
        return pattern_fault(value)
    ordered = op in ("<", "<=", ">", ">=")
    if ordered and isinstance(value, str) and _LIKE_AGO.fullmatch(value) and not DURATION.fullmatch(value):
        units = ", ".join(_UNITS)
        return f"{value!r} is not a relative time; takes a whole number of {units}, such as '-90s' or '-1mo'"
    takes = {
        "in": ("a list", isinstance(value, list)),
        "starts": ("a text", isinstance(value, str)),
        "exists": ("true or false", value in (None, True, False)),
    }
    if ordered:
        takes[op] = ("a number, a text or a time", isinstance(value, str | int | float) and not isinstance(value, bool))
    what, right = takes.get(op, ("", True))
    return None if right else f"{op} takes {what}, got {value!r}"


def expression_fault(expression: str) -> str | None:
    try:
        jmespath.compile(expression).search({})
    except UnknownFunctionError as error:
        return f"{expression!r}: {error}"
    except JMESPathTypeError:
        pass  # a function that wants what an empty record does not hold
    except EmptyExpressionError:
        return "takes JMESPath, got an empty text"
    except ParseError as error:
        where = f"it breaks at character {error.lex_position + 1}" if error.token_value else "it ends too early"
        return f"{expression!r} is not JMESPath: {where}"
    except JMESPathError as error:
        return f"{expression!r} is not JMESPath: {error}"
    return None


def pattern_fault(pattern: Any) -> str | None:
    if not isinstance(pattern, str):
        return f"takes a pattern (RE2), got {pattern!r}"
    try:
        re2.compile(pattern)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        return f"{pattern!r} is not a pattern (RE2): {reason}"
    return None


class Filters:
    """Relative times count from `now` (aware), the start of the sync, for all its records."""

    def __init__(self, filters: Sequence[Filter], now: datetime) -> None:
        self._tests = [(describe(one), _test(one, now)) for one in filters]

    def stopped_by(self, record: Any) -> str | None:
        """The first filter that the record does not pass, in words; None when it passes all."""
        for said, passes in self._tests:
            if not passes(record):
                return said
        return None


def describe(condition: Filter) -> str:
    """`updated_at >= -1h`, as the log has it."""
    value = condition.value
    if condition.op == "exists":
        return f"{condition.field} {'does not exist' if value is False else 'exists'}"
    return f"{condition.field} {condition.op} {value if isinstance(value, str) else repr(value)}"


def _test(condition: Filter, now: datetime) -> Callable[[Any], bool]:
    find = jmespath.compile(condition.field).search
    wanted = _wanted(condition, now)
    passes = _OPERATORS[condition.op]

    def test(record: Any) -> bool:
        try:
            return passes(find(record), wanted)
        except JMESPathError:  # a function that does not take what the record holds there
            return False

    return test


def _wanted(condition: Filter, now: datetime) -> Any:
    value = condition.value
    if condition.op == "matches":
        return re2.compile(value)
    return now + duration(value) if isinstance(value, str) and value[:1] == "-" and DURATION.fullmatch(value) else value


def duration(text: str) -> relativedelta:
    """Of a text that matches `DURATION`."""
    count, unit = DURATION.fullmatch(text).groups()  # type: ignore[union-attr]
    return relativedelta(**{_UNITS[unit]: int(count)})


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted) or _order(found, wanted) == 0


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(found, str):
        return isinstance(wanted, str) and wanted in found
    return isinstance(found, list) and any(_equal(one, wanted) for one in found)


def _order(found: Any, wanted: Any) -> int | None:
    """-1, 0 or 1; None where the two cannot be compared. Times as times, numbers as numbers, also within texts."""
    if isinstance(wanted, datetime):
        return _compare(moment(found), wanted)
    texts = isinstance(found, str) and isinstance(wanted, str)
    if texts and _DAY.match(found) and _DAY.match(wanted):
        order = _compare(moment(found), moment(wanted))
    else:
        order = _compare(decimal(found), decimal(wanted))
    return _compare(found, wanted) if order is None and texts else order


def _compare(left: Any, right: Any) -> int | None:
    return None if left is None or right is None else (left > right) - (left < right)


def moment(value: Any) -> datetime | None:
    """A time (aware): ISO 8601, where no zone means UTC and no time the day's start; or a Unix time, in s or ms."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DAY.match(value):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return None


def decimal(value: Any) -> Decimal | None:
    """A number, also from a text; None where it is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": _equal,
    "!=": lambda found, wanted: not _equal(found, wanted),
    "<": lambda found, wanted: _order(found, wanted) == -1,
    "<=": lambda found, wanted: _order(found, wanted) in (-1, 0),
    ">": lambda found, wanted: _order(found, wanted) == 1,
    ">=": lambda found, wanted: _order(found, wanted) in (0, 1),
    "in": lambda found, wanted: any(_equal(found, one) for one in wanted),
    "contains": _contains,
    "starts": lambda found, wanted: isinstance(found, str) and found.startswith(wanted),
    "matches": lambda found, wanted: isinstance(found, str) and wanted.search(found) is not None,
    "exists": lambda found, wanted: (found is not None) is (wanted is not False),
}
