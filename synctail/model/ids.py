"""Ids that sort by time, and times as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ulid import ULID

_ULID = re.compile(r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")


def new_sync_id() -> str:
    """A ULID: it sorts by time, and its age can be read from it."""
    return str(ULID())


def sync_id_time(sync_id: str) -> datetime | None:
    """When the id was made (UTC); None if it is not an id of ours."""
    if not _ULID.match(sync_id):
        return None
    try:
        return ULID.from_str(sync_id).datetime
    except (ValueError, OverflowError):
        return None


def rfc3339(moment: datetime) -> str:
    """`2026-01-31T09:30:00.125Z`: UTC, milliseconds. Such strings sort by time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_rfc3339(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc_now() -> datetime:
    return datetime.now(UTC)
