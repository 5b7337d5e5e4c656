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
"""Maximum bytes that stand for one character of a secret, in any form: `%F0%9F%98%80`."""

_BYTES = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}


class Masker:
    """Masks what a pattern finds in a string, or in every string of a nested value. An empty pattern finds nothing."""

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
        """Whether the text, as UTF-8, may contain a secret. Takes linear time for any number of secrets, so many lines
        are checked as one text, and line by line only when the answer is yes."""
        return self._filter is not None and self._filter.search(text) is not None

    def stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Mask bytes that arrive in pieces, also where a secret spans two of them.

        The last bytes received, as many as the longest secret has, are held back until more arrive: a secret may begin
        in them.
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
    """The text with the secrets masked that begin before `sure`, and the rest, from there on."""
    parts: list[bytes] = []
    at = 0
    while (found := pattern.search(text, at)) and found.start() < sure:
        parts += text[at : found.start()], _MASK
        at = found.end()
    rest = max(at, sure)
    return b"".join([*parts, text[at:rest]]), text[rest:]


NO_MASK = Masker("")


def masker(secrets: Iterable[str]) -> Masker:
    """Make a masker of secrets; one shorter than `SHORTEST` characters is not masked."""
    # A line break at the end of a secret comes from the file it was read from; a text that quotes it has none.
    known = {text for s in secrets for one in (s, s.strip()) for text in _texts(one) if len(one) >= SHORTEST}
    plain = ["".join(map(_character, secret)) for secret in sorted(known, key=len, reverse=True)]
    encoded = sorted({form for secret in known for form in _base64_forms(secret)}, key=len, reverse=True)
    longest = _WIDEST * max(map(len, known), default=0)
    return Masker("|".join([*plain, *map(re.escape, encoded)]), longest)


def _texts(secret: str) -> tuple[str, str]:
    """As `lines.readable` shows it, as text or as bytes: the environment may contain bytes that are not UTF-8."""
    return (
        secret.encode("utf-8", "backslashreplace").decode(),
        secret.translate(_BYTES).encode("utf-8", "backslashreplace").decode(),
    )


def _character(c: str) -> str:
    """A pattern for it in plain text, in a URL and in JSON, which differ in the characters they escape."""
    if c.isascii() and c.isalnum():
        return c
    forms = {
        re.escape(c),
        f"(?i:{re.escape(json.dumps(c)[1:-1])})",
        re.escape(json.dumps(c, ensure_ascii=False)[1:-1]),
        re.escape(repr(c)[1:-1]),
        "".join(f"%(?i:{byte:02x})" for byte in c.encode()),
    }
    # A URL may write a space like this, JSON a slash, and Python an apostrophe in a text with both kinds of quotes.
    forms |= {" ": {r"\+"}, "/": {r"\\/"}, "'": {r"\\'"}}.get(c, set())
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"


def _base64_forms(secret: str) -> Iterable[str]:
    raw = secret.encode()
    # In a longer text that was base64-encoded as a whole, the secret starts at one of three offsets. Characters that
    # also depend on its neighbours are left out.
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + raw).decode()
        start = (0, 2, 3)[offset]
        end = (offset + len(raw)) * 8 // 6  # characters that depend on these bytes alone
        if end - start >= SHORTEST:
            yield padded[start:end]
            yield padded[start:end].replace("+", "-").replace("/", "_")
