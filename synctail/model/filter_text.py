"""How people type a value or a filter, and how it is read. A text is taken as JSON where it is JSON, else as it is."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_FILTER = re.compile(
    r"\s*(?P<field>\S.*?)\s+(?P<op>!=|<=|>=|=|<|>|in|contains|starts|matches|exists)(?:\s+(?P<value>.*?))?\s*",
    re.DOTALL,
)


class TypedFault(ValueError):
    """Where a text cannot be read, and what it takes there."""


def value_of(text: str) -> Any:
    """Null for an empty text."""
    if not text:
        return None
    try:
        return json_of(text)
    except TypedFault:
        return text


def json_of(text: str) -> Any:
    """Raises `TypedFault`."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TypedFault(f"is not JSON: {error}") from None


def filter_of(text: str) -> dict[str, Any]:
    """`updated_at >= -1h`, as a filter's definition. Raises `TypedFault`."""
    found = _FILTER.fullmatch(text)
    if not found:
        raise TypedFault(f"{text!r}: takes a field, an operator and a value, as in 'status = open'")
    return {"field": found["field"], "op": found["op"], "value": value_of(found["value"] or "")}
