"""How lines become bytes: encoding, cutting, masking, compressing. Pure; the bytes are what the browser will receive.

A chunk's body is its lines as JSON objects joined by `,\\n`. JSON text holds no raw newline, so a body can be put
inside a JSON array as it is, and cut at any line without parsing it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from jobs import keys
from jobs.records import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TEXT_LIMIT_BYTES = 16 * 1024
COMPRESS_FROM_BYTES = 2 * 1024

NAME_LIMIT_BYTES = 1024
"""Of a phase or a record's name: they are to be seen in one glance."""
FIELDS_LIMIT_BYTES = 4 * TEXT_LIMIT_BYTES
INT_LIMIT_BITS = 2048
"""Python refuses to write out integers of some thousand digits."""
DEEPEST = 20

_encode = msgspec.json.Encoder(enc_hook=str).encode
_own = threading.local()  # zstandard's compressors are not made for threads


def readable(text: object) -> str:
    """Any value as text that UTF-8 can carry: bytes that are not UTF-8, and lone surrogates, are made visible."""
    if isinstance(text, bytes | bytearray):
        return text.decode("utf-8", "backslashreplace")
    try:
        string = text if type(text) is str else str(text)
    except Exception as error:  # noqa: BLE001 - whatever was logged, logging it must not break the job
        return f"<{type(text).__name__} without a text: {type(error).__name__}>"
    if not string.isascii():
        try:
            string.encode()
        except UnicodeEncodeError:
            return string.encode("utf-8", "backslashreplace").decode()
    return string


def cut(text: str, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """At most so many bytes of UTF-8, with a visible mark that says how much was taken away."""
    if len(text) * 4 <= limit_bytes or len(raw := text.encode()) <= limit_bytes:
        return text
    kept = raw[:limit_bytes].decode("utf-8", "ignore")
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
    line = Line(n, timestamp(at), level, cut(mask(readable(text))), **(_about(extra, mask) if extra else {}))
    encoded = _encode(line)
    if len(encoded) > FIELDS_LIMIT_BYTES and line.fields and (size := len(_encode(line.fields))) > FIELDS_LIMIT_BYTES:
        note = {"cut": f"{size:,} bytes of fields were too large to keep"}
        return _encode(msgspec.structs.replace(line, fields=note))
    return encoded


def _about(extra: dict[str, Any], mask: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        name: mask(plain(value)) if name == "fields" else cut(mask(readable(value)), NAME_LIMIT_BYTES)
        for name, value in extra.items()
    }


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a job logs
    """A copy as JSON can carry it, keys and values readable; what lies too deep, as in a circle, is left out."""
    # More values than that are too large to keep in any case, and a few lists that hold each other can mean billions.
    return _plain(value, 0, iter(range(FIELDS_LIMIT_BYTES)))


def _plain(value: Any, depth: int, budget: Iterator[int]) -> Any:  # noqa: ANN401
    if isinstance(value, dict | list | tuple | set | frozenset) and depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {readable(k): _plain(v, depth + 1, budget) for (k, v), _ in zip(value.items(), budget, strict=False)}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v, depth + 1, budget) for v, _ in zip(value, budget, strict=False)]
    if value is None or isinstance(value, bool) or type(value) is float:
        return value
    if type(value) is int and value.bit_length() <= INT_LIMIT_BITS:
        return value
    return readable(value)


def pack(lines: Sequence[bytes]) -> tuple[str, bytes]:
    """The name of the stream's field, `json` or `zstd`, and the body."""
    body = keys.SEPARATOR.join(lines)
    if len(body) < COMPRESS_FROM_BYTES:
        return "json", body
    if not hasattr(_own, "compressor"):
        _own.compressor = zstandard.ZstdCompressor(level=3)
    return "zstd", _own.compressor.compress(body)


_second = (-1, "")


def timestamp(at: float) -> str:
    """RFC 3339 with milliseconds, in UTC. The part up to the second is made once per second."""
    global _second  # noqa: PLW0603 - a cache of one value; a lost race costs one strftime
    whole = int(at)
    cached, prefix = _second
    if cached != whole:
        prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(whole))
        _second = (whole, prefix)
    return f"{prefix}{int((at - whole) * 1000):03d}Z"
