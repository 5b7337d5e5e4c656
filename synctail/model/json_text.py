"""JSON text of records, and how a record and a number of records are named."""

from __future__ import annotations

import json
from typing import Any

import msgspec

Record = dict[str, Any]


def as_json(value: Any) -> bytes:
    """JSON of what came as JSON, also of half a surrogate pair: that is kept as the escape it came as."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def reference(record: Record, key: str) -> str:
    """How a record is named in the log; empty where it has no key."""
    value = record.get(key)
    return "" if value is None else str(value)


_encode = msgspec.json.Encoder(enc_hook=str).encode


def as_text(record: Record) -> bytes:
    """A record as JSON. A value that JSON does not know becomes its text."""
    try:
        return _encode(record)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can name and UTF-8 cannot
        return json.dumps(record, default=str).encode()


def counted(records: int) -> str:
    """`1 record`, `1,300 records`."""
    return "1 record" if records == 1 else f"{records:,} records"
