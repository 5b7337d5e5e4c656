"""Keeps known secrets out of what leaves the process: plain, URL-encoded and base64 forms become `••••••`."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MASK = "••••••"
SHORTEST = 4
"""A shorter secret would mask half the log and protect nothing."""


def masker(secrets: Iterable[str]) -> Callable[[Any], Any]:
    """A function that masks the secrets in a string, or in every string of a nested value."""
    forms = sorted({form for s in secrets if len(s) >= SHORTEST for form in _forms(s)}, key=len, reverse=True)
    if not forms:
        return _unchanged
    pattern = re.compile("|".join(map(re.escape, forms)))

    def mask(value: Any) -> Any:  # noqa: ANN401 - strings anywhere in what a job logs
        if isinstance(value, str):
            return pattern.sub(MASK, value)
        if isinstance(value, dict):
            return {mask(k): mask(v) for k, v in value.items()}
        if isinstance(value, list):
            return [mask(v) for v in value]
        return value

    return mask


def _unchanged(value: Any) -> Any:  # noqa: ANN401
    return value


def _forms(secret: str) -> Iterable[str]:
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    # Inside a longer text that was base64-encoded as a whole, the secret starts at any of three offsets; what depends
    # on its neighbours is left out.
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + raw).decode()
        start = (0, 2, 3)[offset]
        end = (offset + len(raw)) * 8 // 6  # characters that these bytes decide alone
        if end - start >= SHORTEST:
            yield padded[start:end]
            yield padded[start:end].replace("+", "-").replace("/", "_")
