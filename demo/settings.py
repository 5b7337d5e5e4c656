"""What the launcher and the shop share: the demo's own environment variables, and values kept in the data folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from server.settings import parse_port
from synctail.settings import SECRET_PREFIX, Setting

SHOP_TOKEN = "SHOP_TOKEN"  # noqa: S105 - a secret's name
SHOP_TOKEN_VARIABLE = SECRET_PREFIX + SHOP_TOKEN


def parse_milliseconds(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit()) or int(text) > 60_000:
        raise ValueError
    return timedelta(milliseconds=int(text))


SHOP_PORT = Setting("SHOP_PORT", "8091", "The port of the demo shop.", "a port from 1 to 65535", parse_port)
SHOP_LATENCY_MS = Setting(
    "SHOP_LATENCY_MS",
    "120",
    "How long the demo shop takes per page, in milliseconds, so that a first sync is worth watching.",
    "a whole number from 0 to 60000",
    parse_milliseconds,
)

SETTINGS = (SHOP_PORT, SHOP_LATENCY_MS)


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text in the file; the first start creates it, readable by its owner only."""
    with suppress(FileNotFoundError):
        if text := path.read_text(encoding="utf-8").strip():
            return text
    text = make()
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    unfinished.replace(path)
    return text
