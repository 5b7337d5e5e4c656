"""What requests say beside their path: query parameters, checked (each fault says what was got and what is taken), and
what the client has already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from server.web.errors import BadRequest
from synctail.model.sync import Status


def whole_number(query: Mapping[str, str], name: str, *, default: int, least: int = 0, most: int = 2**53) -> int:
    """Raises `BadRequest`."""
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or not least <= int(text) <= most:
        limits = f"from {least} to {most:,}" if most < 2**53 else f"from {least} on"
        raise BadRequest(f"{name}: got {text[:40]!r}; takes a whole number {limits}")
    return int(text)


def tag_of(state: bytes) -> str:
    """The `ETag` of an answer."""
    return f'"{hashlib.blake2b(state, digest_size=12).hexdigest()}"'


def not_modified(headers: Mapping[str, str], tag: str) -> bool:
    """Does the client have it already? (RFC 9110, 13.1.2: a weak comparison.)"""
    known = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return tag in known or "*" in known


def status(query: Mapping[str, str]) -> Status | None:
    """Raises `BadRequest`."""
    text = query.get("status", "")
    try:
        return Status(text) if text else None
    except ValueError:
        raise BadRequest(f"status: got {text[:40]!r}; takes one of {', '.join(Status)}") from None
