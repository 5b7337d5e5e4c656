"""What Synctail speaks of: when a schedule is due, what an id tells, what a stored hash means."""

from __future__ import annotations

import subprocess
import sys
from bisect import bisect_right
from datetime import UTC, datetime, timedelta, timezone
from itertools import product, takewhile
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.services.model import Schedule, Service
from synctail.model.ids import new_sync_id, parse_rfc3339, rfc3339, sync_id_time, utc_now
from synctail.model.sync import Phase, Reason, Status, Summary, Trigger, summary_from_hash
from tests.kit.support import ROOT, service

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def last_due(schedule: str, zone: str, now: str) -> datetime | None:
    return next(Schedule(schedule, zone).due_until(at(now)), None)


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
        assert next(Schedule("30 * * * *", "Europe/London").due_until(due + timedelta(minutes=29))) == due


@given(st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants them so
def test_what_is_due_is_never_ahead_and_aware(now: datetime) -> None:
    due = next(Schedule("*/5 * * * *", "Australia/Lord_Howe").due_until(now))
    assert timedelta() <= now - due < timedelta(minutes=5)
    assert due.tzinfo is UTC


def test_without_a_schedule_nothing_is_due() -> None:
    assert (list(Schedule().due_until(utc_now())), list(Schedule().due_after(utc_now()))) == ([], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "wrong number of fields"),
        ("@daily", "wrong number of fields"),
        (" ", "wrong number of fields"),
        ("* * * *", "wrong number of fields"),
        ("* * * * * *", "wrong number of fields"),
        ("61 * * * *", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("R * * * *", "bad minute"),
        ("0 H * * *", "bad hour"),
        ("0 9-25 * * *", "bad hour"),
        ("0 22-2 * * *", "bad hour"),
        ("0 0 0 * *", "bad day-of-month"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 1 13 *", "bad month"),
        ("0 0 * * 8", "bad day-of-week"),
        ("0 0 * * L5", "bad day-of-week"),
        ("0 0 */20 * 1L", "never due"),
    ],
)
def test_what_is_no_schedule_is_told_and_why_and_is_never_due(text: str, why: str) -> None:
    schedule = Schedule(text)
    assert schedule.fault == f"got {text!r}; takes five cron fields such as '*/15 * * * *': {why}"
    assert (list(schedule.due_until(utc_now())), list(schedule.due_after(utc_now()))) == ([], [])


def test_a_schedule_is_no_longer_than_one_that_makes_sense() -> None:
    assert Schedule(",".join(map(str, range(60))) + " * * * *").fault == ""
    assert Schedule("9" * 5000 + " * * * *").fault == "takes at most 200 characters"


CHANGES = {
    "Europe/London": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "America/St_Johns": ("2026-03-08", "2026-11-01"),
    "America/Santiago": ("2026-04-05", "2026-09-06"),  # at midnight
    "America/Sao_Paulo": ("2018-11-04", "2019-02-17"),  # at midnight
    "Asia/Beirut": ("2026-03-29", "2026-10-25"),  # at midnight
    "Africa/Casablanca": ("2026-02-15", "2026-03-22"),  # back for Ramadan
    "Pacific/Apia": ("2011-12-30", "2012-04-01"),  # a day that never was
}
SCHEDULES = (
    "30 1 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "45 23 * * *",
    "*/5 * * * *",
    "30 * * * *",
    "0 */2 * * *",
    "*/20 2 * * *",
    "0,30 0-3 * * *",
    "5 1,2 * * SUN",
    "0 2 L * *",
    "10-50/20 1 * * *",
)


@pytest.mark.slow
@pytest.mark.parametrize("zone", CHANGES)
def test_the_next_starts_are_those_that_the_clock_will_see(zone: str) -> None:
    """Whatever the clocks do, and from whatever moment one looks: also from one that they show twice."""
    for schedule, day in product(SCHEDULES, CHANGES[zone]):
        trigger, midnight = Schedule(schedule, zone), at(f"{day}T00:00:00")
        dues = list(takewhile((midnight + 40 * DAY).__gt__, trigger.due_after(midnight - 40 * DAY)))
        assert dues == sorted(set(dues))
        for minutes in range(-14 * 60, 14 * 60, 35):
            now = midnight + timedelta(minutes=minutes)
            place = bisect_right(dues, now)
            seen = next(trigger.due_until(now)), next(trigger.due_after(now))
            assert seen == (dues[place - 1], dues[place]), (schedule, now)


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
