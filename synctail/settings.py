"""The environment: read once, validated, passed in. Nothing else reads `os.environ`.

A setting is data: name, default, help and a parser. A wrong value raises `SettingsError`, one line that names the
variable, its value and what it takes. A test checks the table in the docs against the same data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


class SettingsError(Exception):
    """One line for the person who starts the process: the variable, its value and what it takes."""


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One environment variable: how to parse it, and what to say when that fails."""

    name: str
    default: str
    help: str
    takes: str
    parse: Callable[[str], T]
    secret: bool = False
    """Errors do not repeat the value: it may be the real secret with a typo."""

    def read(self, environ: Mapping[str, str]) -> T:
        text = environ.get(self.name, "").strip() or self.default
        try:
            return self.parse(text)
        except ValueError as error:
            detail = f" ({error})" if str(error) else ""
            # a password does not help the reader of the error
            got = f"a value of {len(text)} characters" if self.secret else repr(re.sub(r"//.*@", "//…@", text))
            raise SettingsError(f"{self.name}: got {got}; takes {self.takes}{detail}") from None


LONGEST = timedelta(days=3650)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if not match or not int(match[1]):
        raise ValueError
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if duration > LONGEST:
        raise ValueError(f"at most {LONGEST.days}d")
    return duration


def parse_count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,11}", text):
        raise ValueError
    return int(text)


_SIZES = {"KiB": 10, "MiB": 20, "GiB": 30}


def parse_size(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,5})(KiB|MiB|GiB)", text)
    if not match:
        raise ValueError
    return int(match[1]) << _SIZES[match[2]]


def parse_redis_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError from None  # its text may quote part of the password
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("no path")
    elif parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError
    elif not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise ValueError("no database number")  # redis-py would take 0
    return text


SECRET_PREFIX = "SYNCTAIL_SECRET_"  # noqa: S105 - the name's beginning, not a secret

REDIS_URL = Setting(
    "REDIS_URL",
    "redis://127.0.0.1:6379/0",
    "The Redis or Valkey that holds jobs, logs and summaries. `make run` starts its own unless this is set.",
    "redis://host:port/db, rediss://host:port/db or unix:///path/to.sock",
    parse_redis_url,
)
RETENTION = Setting(
    "SYNCTAIL_RETENTION",
    "24h",
    "How long a sync's summary, log and payload files are kept after it ends, and how far back the lists go.",
    "a duration such as 90m, 24h or 7d",
    parse_duration,
)
LOG_LINES = Setting(
    "SYNCTAIL_LOG_LINES",
    "2000000",
    "Maximum lines kept per sync. A full log says so, and keeps a tenth more for errors.",
    "a whole number such as 2000000",
    parse_count,
)
LOG_BYTES = Setting(
    "SYNCTAIL_LOG_BYTES",
    "1GiB",
    "Maximum bytes kept per sync, as readers receive them; Redis stores them compressed.",
    "a size such as 64MiB or 1GiB",
    parse_size,
)
PAYLOAD_BYTES = Setting(
    "SYNCTAIL_PAYLOAD_BYTES",
    "50MiB",
    "Maximum size of a payload file, as it is served; Redis stores it compressed. A larger file is not kept, and the "
    "log gives its size.",
    "a size such as 50MiB or 1GiB",
    parse_size,
)
PAYLOAD_TOTAL = Setting(
    "SYNCTAIL_PAYLOAD_TOTAL",
    "500MiB",
    "Maximum size of all payload files of one sync; each counts as at least 1 KiB.",
    "a size such as 500MiB or 2GiB",
    parse_size,
)
DATA = Setting(
    "SYNCTAIL_DATA",
    ".data",
    "The folder for the processes' own data: session key, embedded Valkey.",
    "a folder's path",
    Path,
)
FILES = Setting(
    "SYNCTAIL_FILES",
    ".data/files",
    "The only folder that `file` connectors can reach.",
    "a folder's path",
    Path,
)

SETTINGS = (REDIS_URL, RETENTION, LOG_LINES, LOG_BYTES, PAYLOAD_BYTES, PAYLOAD_TOTAL, DATA, FILES)


@dataclass(frozen=True)
class Settings:
    redis_url: str
    retention: timedelta
    log_lines: int
    log_bytes: int
    payload_bytes: int
    payload_total: int
    data: Path
    files: Path
    secrets: Mapping[str, str]
    """Secrets by name, without the prefix."""

    @property
    def retention_ms(self) -> int:
        return int(self.retention.total_seconds() * 1000)


def load(environ: Mapping[str, str]) -> Settings:
    """Raises `SettingsError` for the first wrong variable."""
    return Settings(
        redis_url=REDIS_URL.read(environ),
        retention=RETENTION.read(environ),
        log_lines=LOG_LINES.read(environ),
        log_bytes=LOG_BYTES.read(environ),
        payload_bytes=PAYLOAD_BYTES.read(environ),
        payload_total=PAYLOAD_TOTAL.read(environ),
        data=DATA.read(environ),
        files=FILES.read(environ),
        secrets={k.removeprefix(SECRET_PREFIX): v for k, v in environ.items() if k.startswith(SECRET_PREFIX) and v},
    )
