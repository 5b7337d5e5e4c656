"""A definition is checked whole: every fault is listed, with its path."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.services.model import Service
from jobs.services.validate import DefinitionFaulty, read_service
from tests.kit.generated import json_values
from tests.kit.support import GOOD, ROOT, service


def told(**changes: Any) -> dict[str, str]:
    with pytest.raises(DefinitionFaulty) as faulty:
        read_service({**GOOD, **changes})
    return dict(faulty.value.faults)


def test_a_good_definition_is_a_service() -> None:
    made = read_service(GOOD)
    assert isinstance(made, Service)
    assert (made.mapping[0].from_, made.mapping[0].with_) == ("customer.email", [["lower"]])
    assert read_service(msgspec.to_builtins(made)) == made


def test_every_fault_is_listed_with_its_path() -> None:
    assert told(
        id="Orders!",
        nmae="x",
        filters=[{"field": "a", "op": "~", "value": 1}, {"op": "="}],
        mapping=[{"to": "x"}, {"from": 5, "to": ""}],
        source={"kind": "http", "url": "ftp://x", "auth": {"kind": "baerer"}},
        options={"page_size": 0, "max_attempts": "many"},
    ) == {
        "nmae": "is unknown; did you mean 'name'?",
        "id": "takes up to 63 lower-case letters, digits and dashes, and does not begin with a dash",
        "filters[0].op": "got '~'; takes "
        "'=' or '!=' or '<' or '<=' or '>' or '>=' or 'in' or 'contains' or 'starts' or 'matches' or 'exists'",
        "filters[1].field": "is missing",
        "mapping[1].from": "takes a text, got int",
        "mapping[1].to": "is missing",
        "source.url": "takes a URL that begins with http:// or https://",
        "source.auth.kind": "got 'baerer'; takes 'bearer' or 'basic' or 'header'",
        "options.page_size": "takes a whole number from 1",
        "options.max_attempts": "takes a whole number, got str",
    }


def test_faults_of_expressions_and_functions_have_paths_too() -> None:
    assert told(
        filters=[{"field": "a", "op": "="}, {"field": "a..b", "op": "="}, {"field": "c", "op": "in", "value": 5}],
        mapping=[{"to": "x", "with": [["lower"], ["lowr"]]}, {"to": "y", "with": [["round", "x"]]}],
    ) == {
        "filters[1].field": "'a..b' is not JMESPath: it breaks at character 3",
        "filters[2].value": "in takes a list, got 5",
        "mapping[0].with[1]": 'unknown function "lowr"; did you mean "lower"?',
        "mapping[1].with[0]": "round: digits: takes a whole number up to 10,000, got 'x'",
    }


def test_a_part_that_is_broken_hides_no_fault_of_the_others() -> None:
    assert told(
        source={"kind": "http", "url": "ftp://x", "records": "a[[", "paging": {"style": "cursor"}},
        filters=[{"field": "a", "op": "~"}, {"field": "a..b", "op": "exists"}],
        mapping=[{"to": ""}, {"to": "x", "with": [["lowr"]]}],
        destination={"kind": "http", "records": "orders"},
    ).keys() == {
        "source.url",
        "source.records",
        "source.paging.next",
        "filters[0].op",
        "filters[1].field",
        "mapping[0].to",
        "mapping[1].with[0]",
        "destination.url",
        "destination.records",
    }


def test_an_inbound_source_has_no_schedule_and_an_expression_that_can_be_read() -> None:
    assert told(source={"kind": "inbound", "records": "a..b"}) == {
        "source.records": "'a..b' is not JMESPath: it breaks at character 3",
        "trigger.schedule": "does not go with an inbound source, whose syncs start when records are posted",
    }
    assert read_service({**GOOD, "source": {"kind": "inbound"}, "trigger": {}}).source.key == "id"


@pytest.mark.parametrize("name", ["", " \n"])
def test_an_invisible_name_is_missing_even_when_more_is_wrong(name: str) -> None:
    assert told(name=name) == {"name": "is missing"}
    assert set(told(name=name, notes=7)) == {"name", "notes"}


def test_a_script_that_cannot_run_is_told() -> None:
    assert "line 1" in told(script={"code": "def handle(records, log)"})["script.code"]
    assert "handle(records, log)" in told(script={"code": "x = 1"})["script.code"]
    assert told(script={"code": "def handle(records, log): return records", "timeout_s": 0}) == {
        "script.timeout_s": "takes a number above 0.0"
    }


def test_what_only_the_whole_can_say_is_told_at_the_whole() -> None:
    assert "takes five cron fields" in told(trigger={"schedule": "now and then"})["trigger.schedule"]
    assert "takes a name such as" in told(trigger={"timezone": "Mars"})["trigger.timezone"]


def test_checking_a_definition_loads_nothing_that_runs_a_sync() -> None:
    names = "import sys, jobs.services.validate; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", names], cwd=ROOT, capture_output=True, text=True, check=True)
    runs = {
        "jobs.connectors",
        "synctail.log.capture",
        "synctail.log.writer",
        "jobs.transform.script",
        "jobs.transform.sandbox.cage",
        "jobs.run.sync",
    }
    assert "jobs.services.model" in loaded.stdout.split()
    assert not runs & set(loaded.stdout.split())


@pytest.mark.parametrize("given", [None, [], "text", 5, {}])
def test_what_is_no_definition_at_all_is_told(given: object) -> None:
    with pytest.raises(DefinitionFaulty):
        read_service(given)


def test_a_kind_that_is_missing_is_told_with_those_there_are() -> None:
    assert told(destination={"table": "x"}) == {
        "destination.kind": "is missing; takes 'http' or 'sql' or 'file' or 'sftp'"
    }
    assert told(source=5) == {"source": "takes an object, got 5"}
    assert told(source={"kind": ["http"]})["source.kind"].startswith("got ['http']; takes 'http' or")


@given(json_values, st.sampled_from([*GOOD, "options", "lookups", "notes", "active"]))
def test_whatever_a_member_is_the_answer_is_a_service_or_faults(value: Any, member: str) -> None:
    try:
        made = read_service({**GOOD, member: value})
    except DefinitionFaulty as faulty:
        assert faulty.faults  # noqa: PT017
    else:
        assert isinstance(made, Service)


def test_what_a_service_is_stored_as_is_a_definition() -> None:
    stored = msgspec.json.encode(service("orders"))
    assert read_service(msgspec.json.decode(stored)) == service("orders")


def test_the_example_of_the_reference_is_a_definition() -> None:
    example = (ROOT / "docs" / "reference.md").read_text().split("```json")[1].split("```")[0]
    read_service(msgspec.json.decode(example))
