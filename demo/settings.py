"""The demo's own environment variables, as data like all other settings. Reads nothing itself."""

from __future__ import annotations

from datetime import timedelta

from server.settings import parse_port
from synctail.settings import SECRET_PREFIX, Setting

SHOP_TOKEN = "SHOP_TOKEN"  # noqa: S105 - a secret's name
SHOP_TOKEN_VARIABLE = SECRET_PREFIX + SHOP_TOKEN

LONGEST_LATENCY_MS = 60_000


def parse_milliseconds(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit()) or int(text) > LONGEST_LATENCY_MS:
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
