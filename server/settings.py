"""The web process's own part of the environment; the rest is `synctail.settings`."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from synctail import settings as jobs_settings
from synctail.settings import Setting, SettingsError

HIGHEST_PORT = 65_535


def parse_port(text: str) -> int:
    port = int(text) if re.fullmatch("[0-9]{1,5}", text) else 0
    if not 1 <= port <= HIGHEST_PORT:
        raise ValueError
    return port


def _token(text: str) -> str:
    if text and (len(text) < 16 or not text.isascii() or any(c.isspace() for c in text)):
        raise ValueError
    return text


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.rstrip("/") for part in _listed(text))
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise ValueError(origin)
    return origins


def _proxies(text: str) -> tuple[str, ...]:
    proxies = _listed(text)
    if proxies != ("*",):  # next to other entries it would count as a name
        for proxy in proxies:
            ip_network(proxy)
    return proxies


HOST = Setting("HOST", "127.0.0.1", "The address the web process listens on.", "an address or a host name", str)
PORT = Setting("PORT", "8000", "The port it listens on.", "a number from 1 to 65535", parse_port)
ADMIN_TOKEN = Setting(
    "SYNCTAIL_ADMIN_TOKEN",
    "",
    "A fixed admin token, for automation. If unset, the first start creates one and shows it once.",
    "at least 16 ASCII characters without spaces",
    _token,
    secret=True,
)
SESSION_KEY = Setting(
    "SYNCTAIL_SESSION_KEY",
    "",
    "Signs browser sessions. If unset, the first start creates one and keeps it in the data folder.",
    "at least 16 ASCII characters without spaces",
    _token,
    secret=True,
)
ALLOWED_ORIGINS = Setting(
    "SYNCTAIL_ALLOWED_ORIGINS",
    "",
    "Browser origins whose pages may sign in, make changes and open websockets, in addition to the server's own.",
    "origins such as https://ops.example.com, separated by commas",
    _origins,
)

PROXIES = Setting(
    "FORWARDED_ALLOW_IPS",
    "127.0.0.1",
    "Proxies whose `X-Forwarded-Proto` is trusted. Behind TLS, it makes cookies `Secure`.",
    "addresses or networks separated by commas, or * alone",
    _proxies,
)
RELOAD = Setting(
    "SYNCTAIL_RELOAD",
    "0",
    "With `1` the server reloads files of `static/` when they change, for work on the pages. `make run` sets it.",
    "0 or 1",
    lambda text: bool(("0", "1").index(text)),
)

SETTINGS = (HOST, PORT, ADMIN_TOKEN, SESSION_KEY, ALLOWED_ORIGINS, PROXIES, RELOAD)


@dataclass(frozen=True)
class ServerSettings:
    jobs: jobs_settings.Settings
    host: str
    port: int
    admin_token: str
    session_key: str
    allowed_origins: tuple[str, ...]
    proxies: tuple[str, ...]
    reload: bool


def load(environ: Mapping[str, str]) -> ServerSettings:
    """Raises `SettingsError`. Creates the session key if there is none."""
    common = jobs_settings.load(environ)
    return ServerSettings(
        jobs=common,
        host=HOST.read(environ),
        port=PORT.read(environ),
        admin_token=ADMIN_TOKEN.read(environ),
        session_key=SESSION_KEY.read(environ) or _kept_key(common.data),
        allowed_origins=ALLOWED_ORIGINS.read(environ),
        proxies=PROXIES.read(environ),
        reload=RELOAD.read(environ),
    )


def _kept_key(data: Path) -> str:
    path, act = data / "session-key", "written"
    try:
        with suppress(FileExistsError):
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            # O_EXCL: of two processes that start at once, one creates the key and both use it
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
                file.write(secrets.token_urlsafe(32))
        act = "read"
        key = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"{jobs_settings.DATA.name}: {path} cannot be {act}: {error.strerror}") from None
    if not key:
        raise SettingsError(f"{jobs_settings.DATA.name}: {path} is empty; remove it, and a new key is created")
    return key
