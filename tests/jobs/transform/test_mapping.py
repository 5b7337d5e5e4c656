"""From a pulled record to a pushed one: paths, functions, tables; and what is said of a mapping that cannot work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.transform.arguments import CHECKS
from jobs.transform.functions import _CODE, TRANSFORMS, Scope, Transform, TransformFault
from jobs.transform.mapping import Mapper, MappingFault, faults
from jobs.transform.model import MappedField
from tests.kit.generated import json_values
from tests.kit.support import ROOT

LOOKUPS = {"countries": {"DE": "Germany"}}
SCOPE = Scope({"id": 7, "customer": {"name": "Ana"}}, LOOKUPS)


def mapped(record: dict[str, Any], *fields: MappedField) -> dict[str, Any]:
    assert list(faults(fields, LOOKUPS)) == []
    return Mapper(fields, LOOKUPS).map(record)


def through(value: Any, *steps: list[Any]) -> Any:
    return mapped({"it": value}, MappedField("it", "it", list(steps)))["it"]


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_each_function_does_what_its_example_says(transform: Transform) -> None:
    value, arguments, result = transform.example
    found = transform.apply(value, arguments, SCOPE)
    assert found == result
    assert type(found) is type(result)
    assert list(faults([MappedField("x", "it", [[transform.name, *arguments]])], LOOKUPS)) == []


def test_there_are_functions_for_everything_that_is_promised() -> None:
    assert len(TRANSFORMS) >= 30
    assert set(TRANSFORMS) == set(_CODE)
    names = {name.strip("[]…") for one in TRANSFORMS.values() for name in one.takes.split(", ")}
    assert names == {*CHECKS, "table", ""}


def test_each_function_is_in_the_reference_with_its_example() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    for one in TRANSFORMS.values():
        assert f"| `{one.name}` | {one.takes} | {one.does} |" in reference


@given(json_values, st.sampled_from(list(TRANSFORMS.values())))
def test_whatever_a_function_is_given_it_answers_or_says_why(value: Any, transform: Transform) -> None:
    try:
        found = transform.apply(value, transform.example.arguments, SCOPE)
    except TransformFault as fault:
        assert str(fault).startswith(f"{transform.name}: ")  # noqa: PT017
    else:
        assert value is not None or transform.sees_null or found is None


def test_members_are_made_from_paths_through_functions_in_their_order() -> None:
    order = {"id": "so-42", "customer": {"email": " Ana@Example.ORG "}, "lines": [{"price": 1.1}, {"price": 2.2}]}
    assert mapped(
        order,
        MappedField("number", "id", [["upper"], ["replace", "SO-", ""], ["number"]]),
        MappedField("email", "customer.email", [["trim"], ["lower"]]),
        MappedField("total", "lines[].price", [["sum"], ["decimals", 2]]),
        MappedField("source.system", with_=[["constant", "shop"]]),
        MappedField("source.id", "id"),
        MappedField("country", "customer.country", [["default", "DE"], ["lookup", "countries"]]),
        MappedField("nothing", "not.there"),
    ) == {
        "number": 42,
        "email": "ana@example.org",
        "total": "3.30",
        "source": {"system": "shop", "id": "so-42"},
        "country": "Germany",
        "nothing": None,
    }


def test_without_a_mapping_a_record_is_pushed_as_it_is() -> None:
    record = {"id": 1, "deep": {"er": [1]}}
    assert mapped(record) == record


def test_a_null_stays_null_but_where_it_is_asked_about() -> None:
    assert through(None, ["upper"], ["round", 2], ["suffix", "x"]) is None
    assert through(None, ["default", "none"], ["upper"]) == "NONE"
    assert through("", ["default", 0]) == 0
    assert through("N/A", ["null_if", "N/A"], ["upper"]) is None


def test_rounding_is_that_of_an_invoice_and_free_of_binary_noise() -> None:
    assert [through(value, ["round", 2]) for value in (2.675, "1.005", -2.675)] == [2.68, 1.01, -2.68]
    assert through(0.1, ["add", 0.2]) == 0.3
    assert through(19.99, ["multiply", 100]) == 1999


def test_a_time_keeps_its_moment_over_zones_and_the_change_of_clocks() -> None:
    assert through("2026-03-29T01:30:00Z", ["to_zone", "Europe/Berlin"]) == "2026-03-29T03:30:00+02:00"
    assert through("2026-01-31", ["add_time", "1mo"], ["date"]) == "2026-02-28"
    assert through("2026-10-25 02:30", ["parse_time", "%Y-%m-%d %H:%M", "Europe/Berlin"]) == "2026-10-25T02:30:00+02:00"


@pytest.mark.parametrize(
    ("value", "step", "says"),
    [
        ("many", ["round", 2], "it: round: got 'many', takes a number"),
        ("maybe", ["boolean"], "it: boolean: got 'maybe', takes yes or no"),
        ("soon", ["date"], "it: date: got 'soon', takes a time"),
        ("XX", ["lookup", "countries"], "it: lookup: the table 'countries' has nothing for 'XX'"),
        ("x", ["join", ","], "it: join: got 'x', takes a list"),
        (1, ["divide", 0], "it: divide: takes a number that is not 0"),
        ("{", ["from_json"], "it: from_json: got '{'"),
        ("", ["required"], "it: required: there is no value"),
        ("31.02.2026", ["parse_time", "%d.%m.%Y"], "it: parse_time: got '31.02.2026'"),
        ("x" * 500, ["number"], "…, takes a number"),
    ],
)
def test_a_value_that_a_function_cannot_take_fails_the_record_and_says_why(
    value: Any, step: list[Any], says: str
) -> None:
    with pytest.raises(MappingFault) as fault:
        through(value, step)
    assert says in str(fault.value)
    assert len(str(fault.value)) < 300


def test_a_member_within_something_that_is_no_object_is_a_fault() -> None:
    with pytest.raises(MappingFault, match="'a' is not an object"):
        mapped({"x": 1}, MappedField("a", "x"), MappedField("a.b", "x"))


@pytest.mark.parametrize(
    ("field", "path", "says"),
    [
        (MappedField("a", "b..c"), "[0].from", "is not JMESPath"),
        (MappedField("a", "b", [["lowr"]]), "[0].with[0]", 'unknown function "lowr"; did you mean "lower"?'),
        (MappedField("a", "b", [["lower"], []]), "[0].with[1]", "takes a function's name and its arguments"),
        (MappedField("a", "b", [[5]]), "[0].with[0]", "takes a function's name"),
        (MappedField("a", "b", [["lower", 1]]), "[0].with[0]", "lower: takes no arguments; got 1"),
        (MappedField("a", "b", [["replace", "x"]]), "[0].with[0]", "replace: takes old, new; got 1"),
        (MappedField("a", "b", [["round", "2"]]), "[0].with[0]", "round: digits: takes a whole number"),
        (MappedField("a", "b", [["pad_left", 10**9]]), "[0].with[0]", "pad_left: length: takes a whole number up to"),
        (MappedField("a", "b", [["to_zone", "Mars"]]), "[0].with[0]", "to_zone: zone: takes a time zone"),
        (
            MappedField("a", "b", [["lookup", "x"]]),
            "[0].with[0]",
            "there is no lookup table 'x'; there are 'countries'",
        ),
        (MappedField("a", "b", [["extract", "(("]]), "[0].with[0]", "extract: pattern: '((' is not a pattern"),
        (MappedField("a", "b", [["template", "{a..}"]]), "[0].with[0]", "template: template: 'a..' is not JMESPath"),
        (MappedField("a", "b", [["hash", "crc"]]), "[0].with[0]", "takes one of md5"),
        (MappedField("a", "b", [["add_time", "soon"]]), "[0].with[0]", "takes a duration such as"),
    ],
)
def test_a_mapping_that_cannot_work_is_told(field: MappedField, path: str, says: str) -> None:
    [(found, said)] = faults([field], LOOKUPS)
    assert found == path
    assert says in said


def test_a_member_that_is_made_twice_is_told() -> None:
    assert list(faults([MappedField("a", "b"), MappedField("a", "c")], [])) == [("[1].to", "'a' is mapped twice")]
