"""How lines become bytes: encoding, cutting, masking, compressing. Pure; a browser receives the same bytes.

A chunk's body is its lines as JSON objects joined by `,\\n`. JSON contains no raw newline, so a body can be put into a
JSON array as it is, and cut at any line without parsing it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import zstandard
from msgspec import UNSET

from synctail.log.masks import NO_MASK, Masker
from synctail.model import keys
from synctail.model.sync import Line

TEXT_LIMIT_BYTES = 16 * 1024
COMPRESS_FROM_BYTES = 512

NAME_LIMIT_BYTES = 1024
"""For a phase or the name of a record, which should be readable at a glance."""
FIELDS_LIMIT_BYTES = 4 * TEXT_LIMIT_BYTES
INT_LIMIT_BITS = 2048
"""Python refuses to convert an integer of thousands of digits to text."""
DEEPEST = 20

_encoder = msgspec.json.Encoder(enc_hook=str)
_encode = _encoder.encode
_own = threading.local()  # a zstandard compressor must not be shared by threads


def readable(text: object) -> str:
    """Any value as text that UTF-8 can encode: invalid bytes and lone surrogates appear escaped."""
    if isinstance(text, bytes | bytearray):
        return text.decode("utf-8", "backslashreplace")
    try:
        string = text if type(text) is str else str(text)
    except Exception as error:  # noqa: BLE001 - logging a value must not break the job
        return f"<{type(text).__name__} without a text: {type(error).__name__}>"
    if not string.isascii():
        try:
            string.encode()
        except UnicodeEncodeError:
            return string.encode("utf-8", "backslashreplace").decode()
    return string


def cut(text: str, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """The text, cut to `limit_bytes` of UTF-8 and a mark that says how much is missing."""
    if len(text) * 4 <= limit_bytes or len(raw := text.encode()) <= limit_bytes:
        return text
    kept = raw[:limit_bytes].decode("utf-8", "ignore")
    return f"{kept} … [cut: {len(raw) - len(kept.encode()):,} bytes more]"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A line without a number yet. `at` is a Unix time in seconds; `fields` come from `plain`."""

    at: float
    level: str
    text: str
    phase: str | None = None
    record: str | None = None
    fields: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None


def encode_lines(first: int, entries: Sequence[Entry], mask: Masker = NO_MASK) -> bytes:
    """A chunk's body: the entries, numbered from `first` on, each encoded as by `encode_line`.

    Most lines are short texts without a secret, in valid Unicode. All of them are checked at once and encoded at once:
    line by line, a busy sync would spend most of its time here.
    """
    made: list[Line] = []
    texts: list[str] = []
    for n, entry in enumerate(entries, first):
        phase, record, text = entry.phase, entry.record, entry.text
        members = entry.fields is not None or entry.payload is not None
        if members or len(text) > _SHORT or len(phase or "") + len(record or "") > _SHORT_NAMES:
            made.append(_line(n, entry, mask))
            continue
        texts.append(text)
        if record is None:
            made.append(Line(n, timestamp(entry.at), entry.level, text, UNSET if phase is None else phase))
        else:
            texts.append(record)
            made.append(Line(n, timestamp(entry.at), entry.level, text, UNSET if phase is None else phase, record))
    if not _harmless("\n".join(texts), mask):
        made = [_line(n, entry, mask) for n, entry in enumerate(entries, first)]
    return _encoder.encode_lines(made)[:-1].replace(b"\n", keys.SEPARATOR)


_SHORT = TEXT_LIMIT_BYTES // 4
_SHORT_NAMES = NAME_LIMIT_BYTES // 4
"""In characters, each at most four bytes of UTF-8: a text that short is never cut."""


def _harmless(text: str, mask: Masker) -> bool:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return False
    return not mask.concerns(raw)


def encode_line(n: int, entry: Entry, mask: Masker = NO_MASK) -> bytes:
    """One line's JSON."""
    return _encode(_line(n, entry, mask))


def _line(n: int, entry: Entry, mask: Masker) -> Line:
    """The entry made readable, then masked, then cut: a secret at the cut must not show in part."""
    line = Line(
        n,
        timestamp(entry.at),
        entry.level,
        cut(mask(readable(entry.text))),
        UNSET if entry.phase is None else _name(entry.phase, mask),
        UNSET if entry.record is None else _name(entry.record, mask),
        UNSET if entry.fields is None else mask(plain(entry.fields)),
        UNSET if entry.payload is None else mask(plain(entry.payload)),
    )
    if line.fields and (size := len(_encode(line.fields))) > FIELDS_LIMIT_BYTES:
        return msgspec.structs.replace(line, fields={"cut": f"{size:,} bytes of fields were too large to keep"})
    return line


def _name(name: object, mask: Masker) -> str:
    return cut(mask(readable(name)), NAME_LIMIT_BYTES)


def plain(value: Any) -> Any:
    """A copy that JSON can encode, with readable keys and values, without what is nested too deep, as in a circle."""
    # More values are too large to keep in any case, and a few lists that contain each other can stand for billions.
    return _plain(value, 0, iter(range(FIELDS_LIMIT_BYTES)))


def _plain(value: Any, depth: int, budget: Iterator[int]) -> Any:
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


def pack(body: bytes) -> tuple[str, bytes]:
    """The name of the stream's field, `json` or `zstd`, and the body as it is stored."""
    if len(body) < COMPRESS_FROM_BYTES:
        return "json", body
    if not hasattr(_own, "compressor"):
        _own.compressor = zstandard.ZstdCompressor(level=3)
    return "zstd", _own.compressor.compress(body)


_moment = (-1, "")


def timestamp(at: float) -> str:
    """RFC 3339 with milliseconds, in UTC. Computed once for all lines of a millisecond."""
    global _moment  # noqa: PLW0603 - a cache of one value; a lost race costs one strftime
    ms = int(at * 1000)
    cached, text = _moment
    if cached != ms:
        text = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms // 1000))}.{ms % 1000:03d}Z"
        _moment = (ms, text)
    return text
