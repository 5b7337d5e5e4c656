"""JSON text of records, and how a record and a number of records are named."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def counted(number: int, noun: str = "record") -> str:
    """`1 record`, `1,300 records`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


Record = dict[str, Any]

_encode = msgspec.json.Encoder(enc_hook=str).encode


def as_json(value: Any) -> bytes:
    """JSON of a value that came as JSON. Half a surrogate pair, which UTF-8 cannot carry, stays the escape it was."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def as_text(record: Record) -> bytes:
    """A record as JSON. A value that JSON does not know becomes its text."""
    try:
        return _encode(record)
    except UnicodeEncodeError:  # half a surrogate pair, as above
        return json.dumps(record, default=str).encode()


def reference(record: Record, key: str) -> str:
    """How the log names a record; empty for one without a key."""
    value = record.get(key)
    return "" if value is None else str(value)
