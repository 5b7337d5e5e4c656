"""Keeps known secrets out of what leaves the process: plain, URL-encoded, JSON and base64 forms become `••••••`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import re2

MASK = "••••••"
_MASK = MASK.encode()
SHORTEST = 4
"""A shorter secret would mask half the log and protect nothing."""

_WIDEST = 12
"""So many bytes at most stand for one character of a secret, however it is written: `%F0%9F%98%80`."""

_BYTES = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}


class Masker:
    """Masks what a pattern finds in a string, or in every string of a nested value; without a pattern nothing."""

    def __init__(self, pattern: str, longest_bytes: int = 0) -> None:
        self._longest = longest_bytes
        self._pattern = re.compile(pattern) if pattern else None
        self._filter = re2.compile(pattern.encode()) if pattern else None

    def __call__(self, value: Any) -> Any:
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self._pattern.sub(MASK, value)
        if isinstance(value, dict):
            return {self(k): self(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self(v) for v in value]
        return value

    def concerns(self, text: bytes) -> bool:
        """May the text (UTF-8) hold a secret? In linear time, whatever there is of both: so a long text is asked
        about, and looked through line by line only where the answer is yes."""
        return self._filter is not None and self._filter.search(text) is not None

    def stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The bytes that come in pieces, masked as if they were one text, also where a secret spans two pieces.

        The end of what has come, as long as the longest secret, is held back until more comes: only from before that
        is it sure where each secret begins and ends.
        """
        if self._filter is None:
            yield from pieces
            return
        held = b""
        for piece in pieces:
            text = held + piece
            masked, held = _masked(self._filter, text, len(text) - self._longest)
            yield masked
        yield _masked(self._filter, held, len(held))[0]


def _masked(pattern: Any, text: bytes, sure: int) -> tuple[bytes, bytes]:
    """The text with those secrets masked that begin before `sure`; and from there on, the rest."""
    parts: list[bytes] = []
    at = 0
    while (found := pattern.search(text, at)) and found.start() < sure:
        parts += text[at : found.start()], _MASK
        at = found.end()
    rest = max(at, sure)
    return b"".join([*parts, text[at:rest]]), text[rest:]


def masker(secrets: Iterable[str]) -> Masker:
    # A line break at a secret's end comes from the file it was read from, and is in no text that quotes it.
    known = {text for s in secrets for one in (s, s.strip()) for text in _texts(one) if len(one) >= SHORTEST}
    plain = [_as_written(secret) for secret in sorted(known, key=len, reverse=True)]
    encoded = sorted({form for secret in known for form in _base64_forms(secret)}, key=len, reverse=True)
    longest = _WIDEST * max(map(len, known), default=0)
    return Masker("|".join([*plain, *map(re.escape, encoded)]), longest)


def _texts(secret: str) -> tuple[str, str]:
    """As `lines.readable` shows it, given as text or as bytes: the environment may hold bytes that are no UTF-8."""
    return (
        secret.encode("utf-8", "backslashreplace").decode(),
        secret.translate(_BYTES).encode("utf-8", "backslashreplace").decode(),
    )


def _as_written(secret: str) -> str:
    """A pattern of the secret as it is, in an address, and within JSON: which characters those encode differs."""
    return "".join(_character(c) for c in secret)


def _character(c: str) -> str:
    if c.isascii() and c.isalnum():
        return c
    forms = {
        re.escape(c),
        f"(?i:{re.escape(json.dumps(c)[1:-1])})",
        re.escape(json.dumps(c, ensure_ascii=False)[1:-1]),
        re.escape(repr(c)[1:-1]),
        "".join(f"%(?i:{byte:02x})" for byte in c.encode()),
    }
    # An address may write a space so, JSON a slash, and Python an apostrophe where the text holds both kinds of quotes.
    forms |= {" ": {r"\+"}, "/": {r"\\/"}, "'": {r"\\'"}}.get(c, set())
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"


def _base64_forms(secret: str) -> Iterable[str]:
    raw = secret.encode()
    # Inside a longer text that was base64-encoded as a whole, the secret starts at any of three offsets; what depends
    # on its neighbours is left out.
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + raw).decode()
        start = (0, 2, 3)[offset]
        end = (offset + len(raw)) * 8 // 6  # characters that these bytes decide alone
        if end - start >= SHORTEST:
            yield padded[start:end]
            yield padded[start:end].replace("+", "-").replace("/", "_")
