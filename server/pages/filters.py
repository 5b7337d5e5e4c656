"""What templates call: times, counts and logged texts in a form for people. Pure."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from server.log.terminal_text import shown
from server.services import schedules
from synctail.model.ids import parse_rfc3339
from synctail.model.sync import Summary

LOOKED_AT = 16_384  # characters of a text


def logged(text: object) -> str:
    """What was logged, as a terminal would show it, without its effects; line/row.js shows the same. Of a long text
    only the beginning, as much as can be read without a script."""
    return shown(str(text)[:LOOKED_AT])


def field(value: object) -> str:
    """A field's value: text as it is, anything else as JSON."""
    return logged(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def elapsed(summary: Summary, now: str) -> str:
    """`1 m 12 s`, `850 ms`: a sync's duration, in whole seconds while it runs; empty before it started."""
    if not summary.started_at:
        return ""
    took = max(timedelta(), parse_rfc3339(summary.ended_at or now) - parse_rfc3339(summary.started_at))
    if summary.ended_at and took < timedelta(seconds=10):
        ms = took // timedelta(milliseconds=1)
        return f"{ms} ms" if ms < 1000 else f"{ms // 100 / 10:.1f} s"
    minutes, seconds = divmod(took // timedelta(seconds=1), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} m"
    return f"{minutes} m {seconds} s" if minutes else f"{seconds} s"


def kind(connector: object) -> str:
    """The kind of system, as definitions name it."""
    return str(getattr(type(connector), "__struct_config__").tag)  # noqa: B009 - no part of a struct's type


def lasting(time: timedelta) -> str:
    """`24 hours`, `7 days`, `90 minutes`: in the largest unit that divides it; a single day in hours."""
    minutes = max(1, time // timedelta(minutes=1))
    count, unit = minutes, "minute"
    if minutes % 60 == 0:
        count, unit = minutes // 60, "hour"
    if minutes % 1440 == 0 and minutes > 1440:
        count, unit = minutes // 1440, "day"
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def status_word(value: str | None) -> str:
    """`Completed with errors`, from `completed_with_errors`."""
    return (value or "").replace("_", " ").capitalize()


TRIGGERS = {"manual": "by hand", "schedule": "on schedule", "inbound": "posted", "retry": "retry"}
REASONS = {
    "error": "with an error",
    "timeout": "time limit reached",
    "killed": "process killed",
    "lost": "worker lost",
    "stopped_by_user": "by a user",
}
"""Why a sync ended; shown after its status."""

FILTERS = {
    "kind": kind,
    "schedule_words": schedules.describe,
    "trigger_word": lambda trigger: TRIGGERS.get(trigger, str(trigger)),
    "clock": lambda time: time[11:23],  # 12:30:01.125, of an RFC 3339 time
    "field": field,
    "logged": logged,
    "thousands": "{:,}".format,
    "elapsed": elapsed,
    "status_word": status_word,
    "reason_word": lambda value: REASONS.get(value, status_word(value).lower()),
}
