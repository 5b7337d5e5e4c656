"""The server's address and the token: from the environment, or those of `make run` on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from synctail.cli.show import Trouble

URL = "SYNCTAIL_URL"
TOKEN = "SYNCTAIL_TOKEN"  # noqa: S105 - a variable's name
DATA = "SYNCTAIL_DATA"
DEFAULT_URL = "http://127.0.0.1:8000"
HERE = ("127.0.0.1", "localhost", "::1")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Target:
    url: str
    token: str
    token_from: str
    """A variable or a file, for messages."""


def find(environ: Mapping[str, str]) -> Target:
    """Raises `Trouble`."""
    url = (environ.get(URL, "").strip() or DEFAULT_URL).rstrip("/")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise Trouble(f"{URL}: got {url!r}; takes an address such as {DEFAULT_URL}")
    token = environ.get(TOKEN, "").strip()
    if token:
        return Target(url, _checked(token), TOKEN)
    # Only for a server on this machine: the token must not be sent elsewhere.
    if parts.hostname in HERE:
        for folder in (environ.get(DATA, "").strip() or ".data", ROOT / ".data"):
            path = Path(folder) / "admin-token"
            try:
                return Target(url, _checked(path.read_text().strip()), str(path))
            except (OSError, UnicodeDecodeError):
                continue
    return Target(url, "", "")


def _checked(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Trouble(f"{TOKEN}: takes a token without spaces or line breaks")
    return token
