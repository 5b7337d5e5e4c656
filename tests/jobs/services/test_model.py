"""What Synctail speaks of: when a schedule is due, what an id tells, what a stored hash means."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.services.model import Schedule, Service
from synctail.model.ids import new_sync_id, parse_rfc3339, rfc3339, sync_id_time, utc_now
from synctail.model.sync import Phase, Reason, Status, Summary, Trigger, summary_from_hash
from tests.kit.support import ROOT, service


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def last_due(schedule: str, zone: str, now: str) -> datetime | None:
    return Schedule(schedule, zone).last_due(at(now))


# --- schedules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "due"),
    [
        ("0 12 * * *", "UTC", "2026-03-02T12:00:00", "2026-03-02T12:00:00"),
        ("0 12 * * *", "UTC", "2026-03-02T12:00:00.999", "2026-03-02T12:00:00"),
        ("0 12 * * *", "UTC", "2026-03-02T11:59:59.999", "2026-03-01T12:00:00"),
        ("*/15 * * * *", "UTC", "2026-03-02T12:14:00", "2026-03-02T12:00:00"),
        ("0 9 * * 1", "Asia/Kolkata", "2026-03-02T03:30:00", "2026-03-02T03:30:00"),
        ("0 9 * * 1", "Asia/Kolkata", "2026-03-02T03:29:59", "2026-02-23T03:30:00"),
        ("0 9 * * *", "America/New_York", "2026-01-15T23:00:00", "2026-01-15T14:00:00"),
        ("0 9 * * *", "America/New_York", "2026-07-15T23:00:00", "2026-07-15T13:00:00"),
        ("0 0 29 2 *", "UTC", "2026-03-02T00:00:00", "2024-02-29T00:00:00"),
    ],
)
def test_a_schedule_was_last_due_in_its_own_zone(schedule: str, zone: str, now: str, due: str) -> None:
    assert last_due(schedule, zone, now) == at(due)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-29T00:59:59", "2026-03-28T01:30:00"),
        ("2026-03-29T01:00:00", "2026-03-29T01:00:00"),
        ("2026-03-29T01:30:00", "2026-03-29T01:00:00"),
        ("2026-03-29T12:00:00", "2026-03-29T01:00:00"),
        ("2026-03-30T00:30:00", "2026-03-30T00:30:00"),
    ],
)
def test_a_time_that_clocks_skip_is_made_up_for_right_after(now: str, due: str) -> None:
    assert last_due("30 1 * * *", "Europe/London", now) == at(due)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-10-25T00:29:59", "2026-10-24T00:30:00"),
        ("2026-10-25T00:30:00", "2026-10-25T00:30:00"),
        ("2026-10-25T01:30:00", "2026-10-25T00:30:00"),
        ("2026-10-26T01:30:00", "2026-10-26T01:30:00"),
    ],
)
def test_a_time_that_clocks_show_twice_counts_once(now: str, due: str) -> None:
    assert last_due("30 1 * * *", "Europe/London", now) == at(due)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-06-01"])
def test_every_hour_is_every_real_hour_whatever_the_clocks_do(day: str) -> None:
    midnight = at(f"{day}T00:00:00")
    for hours in range(6):
        due = midnight + timedelta(hours=hours, minutes=30)
        assert Schedule("30 * * * *", "Europe/London").last_due(due + timedelta(minutes=29)) == due


@given(st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants them so
def test_what_is_due_is_never_ahead_and_aware(now: datetime) -> None:
    due = Schedule("*/5 * * * *", "Australia/Lord_Howe").last_due(now)
    assert due
    assert timedelta() <= now - due < timedelta(minutes=5)
    assert due.tzinfo is UTC


def test_without_a_schedule_nothing_is_due() -> None:
    assert Schedule().last_due(utc_now()) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "here is 1: minute, hour, day, month, day of the week"),
        ("@daily", "here is 1: minute, hour, day, month, day of the week"),
        (" ", "here are 0: minute, hour, day, month, day of the week"),
        ("* * * *", "here are 4: minute, hour, day, month, day of the week"),
        ("* * * * * *", "here are 6: minute, hour, day, month, day of the week"),
        ("61 * * * *", "'61' is no minute (0 to 59)"),
        ("*/0 * * * *", "'*/0' is no minute (0 to 59)"),
        ("R * * * *", "'R' is no minute (0 to 59)"),
        ("0 H * * *", "'H' is no hour (0 to 23)"),
        ("0 9-25 * * *", "'9-25' is no hour (0 to 23)"),
        ("0 0 0 * *", "'0' is no day of the month (1 to 31)"),
        ("0 0 1 13 *", "'13' is no month (1 to 12, or JAN to DEC)"),
        ("0 0 * * 8", "'8' is no day of the week (0 to 7, or MON to SUN)"),
        ("0 0 31 2 *", "this never comes"),
    ],
)
def test_what_is_no_schedule_is_told_and_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="takes five cron fields such as") as told:
        Schedule(text)
    assert str(told.value) == f"schedule: got {text!r}; takes five cron fields such as '*/15 * * * *', and {why}"


@pytest.mark.parametrize("zone", ["", "Europe", "Europe/Nowhere", "/etc/passwd", "../UTC", "nul\0", "x" * 300])
def test_what_is_no_zone_is_told(zone: str) -> None:
    with pytest.raises(ValueError, match="takes a name such as 'Europe/London'") as told:
        Schedule(timezone=zone)
    assert str(told.value).startswith(f"timezone: got {zone!r};")


# --- services -----------------------------------------------------------------------------------------------------


def test_a_service_comes_back_from_its_json() -> None:
    one = service(trigger=Schedule("0 9 * * *", "Europe/London"))
    assert msgspec.json.decode(msgspec.json.encode(one), type=Service) == one


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "Orders"}, r"\$.id"),
        ({"id": "-orders"}, r"\$.id"),
        ({"id": "orders\n"}, r"\$.id"),
        ({"id": "o" * 64}, r"\$.id"),
        ({"colour": "red"}, "unknown field `colour`"),
        ({"source": {"kind": "http", "url": "file:///etc/passwd"}}, r"\$.source.url"),
        ({"source": {"kind": "ftp", "url": "http://x"}}, r"\$.source.kind"),
        (
            {"source": {"kind": "http", "url": "http://x", "auth": {"kind": "bearer", "token": {"secret": "A\n"}}}},
            "secret",
        ),
        ({"trigger": {"schedule": "often"}}, "takes five cron fields"),
        ({"trigger": {"timezone": "Nowhere"}}, "takes a name such as"),
        ({"options": {"page_size": 0}}, r"\$.options.page_size"),
        ({"options": {"timeout_s": 0}}, r"\$.options.timeout_s"),
    ],
)
def test_a_service_that_makes_no_sense_is_refused_and_the_member_named(change: dict[str, Any], told: str) -> None:
    fields = {**msgspec.to_builtins(service()), **change}
    with pytest.raises(msgspec.ValidationError, match=told):
        msgspec.json.decode(msgspec.json.encode(fields), type=Service)


# --- syncs --------------------------------------------------------------------------------------------------------


def test_a_summary_is_read_from_its_hash() -> None:
    stored = {
        b"id": b"01M83EHA5S8S0BXRZTBQ3HB165",
        b"service": b"orders",
        b"status": b"failed",
        b"reason": b"lost",
        b"trigger": b"schedule",
        b"queued_at": b"2026-01-31T09:30:00.125Z",
        b"started_at": b"",
        b"phase": b"push",
        b"pulled": b"10",
        b"pushed": b"4",
        b"skipped": b"3",
        b"failed": b"1",
        b"progress": b"0.5",
        b"last": b"12",
        b"attempt": b"2",
        b"beat": b"1769851800125",
        b"stop": b"ana",
    }
    summary = summary_from_hash(stored)
    assert summary == Summary(
        id="01M83EHA5S8S0BXRZTBQ3HB165",
        service="orders",
        status=Status.FAILED,
        reason=Reason.LOST,
        trigger=Trigger.SCHEDULE,
        queued_at="2026-01-31T09:30:00.125Z",
        phase=Phase.PUSH,
        pulled=10,
        pushed=4,
        skipped=3,
        failed=1,
        progress=0.5,
        lines=12,
    )
    assert summary.pending == 2
    assert summary.listed_from == summary.queued_at


def test_all_but_two_statuses_are_endings() -> None:
    assert [status.value for status in Status if not status.ended] == ["queued", "running"]


def test_an_id_tells_when_it_was_made_and_ids_sort_by_time() -> None:
    before = utc_now()
    sync_id = new_sync_id()
    made = sync_id_time(sync_id)
    assert made
    assert before - timedelta(milliseconds=1) <= made <= utc_now()
    assert sync_id > "01JG0000000000000000000000"  # of 2024


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "01M83EHA5S8S0BXRZTBQ3HB16",
        "01M83EHA5S8S0BXRZTBQ3HB165\n",
        "01m83eha5s8s0bxrztbq3hb165",
        "81M83EHA5S8S0BXRZTBQ3HB165",
        "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "01M83EHA5S8S0BXRZTBQ3HB1{}",
        "\u06601M83EHA5S8S0BXRZTBQ3HB165",
    ],
    ids=ascii,
)
def test_what_is_no_id_of_ours_has_no_time(text: str) -> None:
    assert sync_id_time(text) is None


# --- times --------------------------------------------------------------------------------------------------------


def test_times_are_written_in_utc_with_milliseconds() -> None:
    moment = datetime(2026, 1, 31, 10, 30, 0, 125_999, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339(moment) == "2026-01-31T09:30:00.125Z"


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_come_back_and_sort_as_text(moment: datetime) -> None:
    text = rfc3339(moment)
    assert parse_rfc3339(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert rfc3339(moment + timedelta(milliseconds=1)) > text


# --- structs ------------------------------------------------------------------------------------------------------

MEETS_ALL = """
import inspect, sys, msgspec
from jobs.services import model
from synctail.model import sync
read = []
def called(frame, event, _):
    if event == "call" and frame.f_code.co_name == "get_class_annotations":
        read.append(frame.f_locals)
sys.setprofile(called)
for name, one in (*inspect.getmembers(model, inspect.isclass), *inspect.getmembers(sync, inspect.isclass)):
    if issubclass(one, msgspec.Struct) and one is not msgspec.Struct and one.__struct_fields__:
        before = len(read)
        msgspec.json.Decoder(one)
        if len(read) > before:
            print(name)
"""


def test_no_struct_is_met_for_the_first_time_by_two_threads_which_crashes_msgspec() -> None:
    found = subprocess.run([sys.executable, "-c", MEETS_ALL], cwd=ROOT, capture_output=True, text=True, check=True)
    # These are parts of others, and never read by themselves.
    assert set(found.stdout.split()) <= {"Layout", "Line", "Sftp"}
