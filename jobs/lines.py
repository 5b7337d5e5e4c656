"""How lines become bytes: encoding, cutting, masking, compressing. Pure; the bytes are what the browser will receive.

A chunk's body is its lines as JSON objects joined by `,\\n`. JSON text holds no raw newline, so a body can be put
inside a JSON array as it is, and cut at any line without parsing it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from jobs import keys
from jobs.records import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TEXT_LIMIT_BYTES = 16 * 1024
COMPRESS_FROM_BYTES = 2 * 1024

_encode = msgspec.json.Encoder(enc_hook=str).encode
_compressor = zstandard.ZstdCompressor(level=3)


def readable(text: object) -> str:
    """Any value as text that UTF-8 can carry: bytes that are not UTF-8, and lone surrogates, are made visible."""
    if isinstance(text, bytes | bytearray):
        return text.decode("utf-8", "backslashreplace")
    string = text if isinstance(text, str) else str(text)
    if not string.isascii():
        try:
            string.encode()
        except UnicodeEncodeError:
            return string.encode("utf-8", "backslashreplace").decode()
    return string


def cut(text: str) -> str:
    """At most `TEXT_LIMIT_BYTES` of UTF-8, with a visible mark that says how much was taken away."""
    if len(text) * 4 <= TEXT_LIMIT_BYTES or len(raw := text.encode()) <= TEXT_LIMIT_BYTES:
        return text
    kept = raw[:TEXT_LIMIT_BYTES].decode("utf-8", "ignore")
    return f"{kept} … [cut: {len(raw) - len(kept.encode()):,} bytes more]"


def encode_line(
    n: int,
    at: float,
    level: str,
    text: object,
    extra: dict[str, Any] | None,
    mask: Callable[[Any], Any],
) -> bytes:
    """One line's JSON. `at` is a Unix time in seconds; `extra`: `phase`, `record`, `fields` where they apply."""
    line = Line(n, timestamp(at), level, cut(mask(readable(text))), **(mask(_plain(extra)) if extra else {}))
    encoded = _encode(line)
    if len(encoded) > 4 * TEXT_LIMIT_BYTES and extra and "fields" in extra:
        note = {"cut": f"{len(encoded):,} bytes of fields were too large to keep"}
        return _encode(msgspec.structs.replace(line, fields=note))
    return encoded


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a job logs
    """Fields as JSON can carry them, keys and values readable."""
    if isinstance(value, dict):
        return {readable(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return readable(value)


def pack(lines: Sequence[bytes]) -> tuple[str, bytes]:
    """The name of the stream's field, `json` or `zstd`, and the body."""
    body = keys.SEPARATOR.join(lines)
    if len(body) < COMPRESS_FROM_BYTES:
        return "json", body
    return "zstd", _compressor.compress(body)


_second = (0, "")


def timestamp(at: float) -> str:
    """RFC 3339 with milliseconds, in UTC. The part up to the second is made once per second."""
    global _second  # noqa: PLW0603 - a cache of one value; a lost race costs one strftime
    whole = int(at)
    cached, prefix = _second
    if cached != whole:
        prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(whole))
        _second = (whole, prefix)
    return f"{prefix}{int((at - whole) * 1000):03d}Z"
