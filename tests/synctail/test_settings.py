"""The environment: what is read, and the one line that a wrong value is answered with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from synctail.settings import (
    DATA,
    FILES,
    LOG_BYTES,
    LOG_LINES,
    REDIS_URL,
    RETENTION,
    SETTINGS,
    Setting,
    SettingsError,
    load,
)


def told(setting: Setting[Any], text: str) -> str:
    """What is said of a wrong value: one line, with the variable's name and what it takes."""
    with pytest.raises(SettingsError) as error:
        load({setting.name: text})
    line = str(error.value)
    assert line.startswith(f"{setting.name}: got ")
    assert f"; takes {setting.takes}" in line
    assert "\n" not in line
    return line


def test_without_an_environment_everything_has_its_default() -> None:
    settings = load({})
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.retention == timedelta(hours=24)
    assert settings.retention_ms == 86_400_000
    assert (settings.data, settings.files) == (Path(".data"), Path(".data/files"))
    assert settings.secrets == {}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_an_empty_value_is_the_default(setting: Setting[object]) -> None:
    assert setting.read({setting.name: "  "}) == setting.read({}) == setting.parse(setting.default)


def test_folders_are_what_they_are_set_to() -> None:
    settings = load({DATA.name: " /var/lib/synctail ", FILES.name: "out"})
    assert (settings.data, settings.files) == (Path("/var/lib/synctail"), Path("out"))


def test_secrets_are_collected_by_name_and_empty_ones_left_out() -> None:
    environ = {"SYNCTAIL_SECRET_SHOP": " kept as it is ", "SYNCTAIL_SECRET_EMPTY": "", "SECRET_OTHER": "x"}
    assert load(environ).secrets == {"SHOP": " kept as it is "}


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90m", 5_400), ("24h", 86_400), ("7d", 604_800), ("3650d", 315_360_000)]
)
def test_durations(text: str, seconds: int) -> None:
    assert RETENTION.read({RETENTION.name: text}).total_seconds() == seconds


@pytest.mark.parametrize(("text", "size"), [("1KiB", 1024), ("64MiB", 1 << 26), ("1GiB", 1 << 30)])
def test_sizes(text: str, size: int) -> None:
    assert LOG_BYTES.read({LOG_BYTES.name: text}) == size


@pytest.mark.parametrize("text", ["0MiB", "64", "64MB", "MiB", "-1MiB", "1.5GiB", "1 GiB", "٣MiB"])
def test_a_size_that_is_none_is_told(text: str) -> None:
    told(LOG_BYTES, text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "2_000", "1e6", "many", "٣"])
def test_a_count_that_is_none_is_told(text: str) -> None:
    told(LOG_LINES, text)


@pytest.mark.parametrize(
    "text",
    ["0h", "24", "h", "-1h", "1.5h", "24H", "1h30m", "3651d", "9999999999d", "999999999d", "٣h", "1h\n2h", "1 h"],
)
def test_a_duration_that_is_none_is_told(text: str) -> None:
    assert f"got {text!r}" in told(RETENTION, text)


def test_a_duration_that_is_too_long_is_told_the_limit() -> None:
    assert told(RETENTION, "3651d").endswith("(at most 3650d)")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6380/",
        "redis://[::1]:6379/3",
        "rediss://user:pass@host:1/0?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_addresses_of_redis(url: str) -> None:
    assert load({REDIS_URL.name: url}).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://:6379",
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://localhost/zero",
        "redis://localhost/0/1",
        "redis://[::1",
        "unix://",
    ],
)
def test_an_address_that_is_none_of_redis_is_told(url: str) -> None:
    assert f"got {url!r}" in told(REDIS_URL, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host/0",
        "redis://:s3c/ret@host",
        "redis://user:s3c#ret@host",
        "redis://user:s3c?ret@host",
        "redis://user:s3c@ret@host/x",
        "redis://user:s3cret℀@host",
    ],
)
def test_a_password_is_not_repeated(url: str) -> None:
    line = told(REDIS_URL, url)
    assert "s3c" not in line
    assert "ret" not in line
    assert "@host" in line
