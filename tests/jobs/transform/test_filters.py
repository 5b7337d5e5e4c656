"""Which records pass: operators, kinds of values, relative times; and what is said of a filter that cannot work."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.transform.filters import Filters, describe, fault
from jobs.transform.model import Filter, Operator
from tests.kit.generated import json_values

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


def passes(field: str, op: Any, value: Any, record: Any) -> bool:
    assert fault(Filter(field, op, value)) is None
    return Filters([Filter(field, op, value)], NOW).stopped_by(record) is None


@pytest.mark.parametrize(
    ("found", "op", "value", "expected"),
    [
        ("open", "=", "open", True),
        ("open", "!=", "closed", True),
        (5, "=", "5", True),
        ("5.0", "=", 5, True),
        (1, "=", True, False),
        (None, "=", None, True),
        (None, "!=", "open", True),
        (10, ">", 9, True),
        ("10", ">", "9", True),
        ("b", ">", "a", True),
        ("b", "<", 5, False),
        (None, "<", 5, False),
        ([1], "<", 5, False),
        (5, "<=", 5, True),
        (5, ">=", 5.0, True),
        ("open", "in", ["open", "held"], True),
        (7, "in", ["7"], True),
        ("closed", "in", ["open"], False),
        ("a red box", "contains", "red", True),
        (["red", "blue"], "contains", "red", True),
        (5, "contains", 5, False),
        ("SO-1", "starts", "SO-", True),
        (5, "starts", "5", False),
        ("SO-42", "matches", "^SO-[0-9]+$", True),
        ("XSO-42", "matches", "^SO-", False),
        (0, "exists", None, True),
        (None, "exists", True, False),
        (None, "exists", False, True),
        ("20260131", "=", 20260131, True),
    ],
)
def test_a_record_passes_or_not(found: Any, op: str, value: Any, expected: bool) -> None:  # noqa: FBT001
    assert passes("it", op, value, {"it": found}) is expected


@pytest.mark.parametrize(
    ("found", "op", "value", "expected"),
    [
        ("2026-03-31T11:30:00Z", ">=", "-1h", True),
        ("2026-03-31T10:59:59Z", ">=", "-1h", False),
        ("2026-03-31T13:30:00+02:00", ">=", "-1h", True),
        ("2026-03-31T12:30:00+02:00", ">=", "-1h", False),
        ("2026-03-31 11:30", ">=", "-1h", True),
        (int(NOW.timestamp()) - 60, ">", "-90s", True),
        ((int(NOW.timestamp()) - 60) * 1000, ">", "-90s", True),
        ("2026-02-28", ">=", "-1mo", False),
        ("2026-02-28T12:00:00Z", ">=", "-1mo", True),
        ("2025-04-01", ">", "-1y", True),
        ("2026-03-24T12:00:01Z", ">", "-7d", True),
        ("yesterday", ">", "-7d", False),
        (None, "<", "-7d", False),
        ("2026-01-31T10:00:00+01:00", "=", "2026-01-31T09:00:00Z", True),
        ("2026-01-31T09:30:00+01:00", "<", "2026-01-31T09:00:00Z", True),
    ],
)
def test_times_are_compared_as_times(found: Any, op: str, value: Any, expected: bool) -> None:  # noqa: FBT001
    assert passes("at", op, value, {"at": found}) is expected


def test_a_field_is_a_jmespath_expression() -> None:
    record = {"customer": {"country": "DE"}, "lines": [{"sku": "A"}, {"sku": "B"}], "total": "x"}
    assert passes("customer.country", "=", "DE", record)
    assert passes("lines[].sku", "contains", "B", record)
    assert passes("length(lines)", ">", 1, record)
    assert not passes("abs(total)", ">", 1, record)  # a function that cannot take what is there


def test_filters_are_joined_by_and_and_the_first_that_stops_is_named() -> None:
    filters = Filters([Filter("a", ">", 1), Filter("b", "exists"), Filter("c", "=", "x")], NOW)
    assert filters.stopped_by({"a": 2, "b": 0, "c": "x"}) is None
    assert filters.stopped_by({"a": 1, "b": 0, "c": "x"}) == "a > 1"
    assert filters.stopped_by({"a": 2, "c": "x"}) == "b exists"
    assert describe(Filter("b", "exists", False)) == "b does not exist"


@given(json_values, st.sampled_from(get_args(Operator)), json_values)
def test_whatever_a_record_holds_a_filter_that_is_right_decides(found: Any, op: Any, value: Any) -> None:
    if fault(Filter("it", op, value)) is None:
        assert isinstance(passes("it", op, value, {"it": found}), bool)


@pytest.mark.parametrize(
    ("given", "member", "says"),
    [
        (Filter("a..b", "=", 1), "field", "is not JMESPath"),
        (Filter("a.", "=", 1), "field", "'a.' is not JMESPath: it ends too early"),
        (Filter("foo(bar)", "=", 1), "field", "Unknown function: foo()"),
        (Filter("foo(", "=", 1), "field", "is not JMESPath"),
        (Filter("", "=", 1), "field", "got an empty text"),
        (Filter("a", "in", "open"), "value", "in takes a list, got 'open'"),
        (Filter("a", "starts", 5), "value", "starts takes a text, got 5"),
        (Filter("a", "matches", "(("), "value", "is not a pattern (RE2)"),
        (Filter("a", "matches", 5), "value", "takes a pattern (RE2), got 5"),
        (Filter("a", "exists", "yes"), "value", "exists takes true or false"),
        (Filter("a", "<", None), "value", "< takes a number, a text or a time, got None"),
        (Filter("a", ">", True), "value", "> takes a number, a text or a time"),
        (
            Filter("a", ">=", "-1x"),
            "value",
            "'-1x' is not a relative time; takes a whole number of s, m, h, d, w, mo, y",
        ),
        (Filter("a", "<", "-1.5 h"), "value", "'-1.5 h' is not a relative time"),
    ],
)
def test_a_filter_that_cannot_work_is_told(given: Filter, member: str, says: str) -> None:
    found = fault(given)
    assert found
    assert found[0] == member
    assert says in found[1]
