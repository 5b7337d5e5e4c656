"""Services as TOML and as people type them: what comes out goes in again as the same, and every fault is named."""

from __future__ import annotations

import asyncio
import tomllib
from contextlib import nullcontext
from typing import Any, cast

import httpx2
import msgspec
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisGone

from jobs.services.model import Service
from jobs.services.notation import steps_of, table_of, text_of, text_of_steps, text_of_table
from jobs.services.store import Services
from jobs.services.toml import read_definitions, write_services
from jobs.services.validate import DefinitionFaulty, read_service
from jobs.transform.model import Filter, MappedField, ScriptText
from server.services import fields
from server.services.actions import Actions
from server.services.toml_files import Change, TomlFiles
from synctail.connect import connect
from synctail.model import keys
from synctail.model.filter_text import TypedFault, filter_of, value_of
from synctail.settings import Settings
from tests.kit.generated import PLAIN_TEXTS, TEXTS, definitions
from tests.kit.support import service, store

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
quick = settings(max_examples=40, deadline=None, derandomize=True)


def same(one: Any, other: Any) -> bool:
    """Also that 1 is not 1.0, and not true. The members of an object have no order."""
    return bool(msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted"))


# --- TOML -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@quick
@given(st.lists(definitions(), min_size=1, max_size=3))
def test_what_is_exported_is_read_as_the_same(services: list[Service]) -> None:
    read = read_definitions(write_services(services))
    assert [one.faults for one in read] == [[] for _ in services]
    assert same([msgspec.convert(one.body, Service) for one in read], services)


def test_a_single_service_is_at_the_top_level_and_several_are_in_tables() -> None:
    assert read_definitions(write_services([service()]))[0].path == ""
    assert [one.path for one in read_definitions(write_services([service("a"), service("b")]))] == [
        "service[0]",
        "service[1]",
    ]
    assert read_definitions(write_services([], several=True)) == []


def test_it_reads_as_a_person_would_have_written_it() -> None:
    text = write_services(
        [
            service(
                script=ScriptText('def handle(records, log):\n    log("hi")\n    return records'),
                mapping=[MappedField(to="email", from_="customer.email", with_=[["trim"], ["round", 2]])],
            )
        ]
    )
    assert "code = '''\ndef handle(records, log):\n    log(\"hi\")\n    return records'''" in text
    assert 'with = "trim | round(2)"' in text
    assert "page_size" not in text, "what has its default is left out"


def test_what_toml_has_and_json_has_not_is_read_as_text() -> None:
    [read] = read_definitions('filters = [{ field = "day", op = ">=", value = 2026-01-31 }]')
    assert read.body["filters"][0]["value"] == "2026-01-31"


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("id = ", "", "is not TOML"),
        ('id = "x"\n[[service]]\nid = "y"', "id", "a file has either"),
        ("service = 1", "service", "takes tables"),
    ],
)
def test_a_file_that_is_none_says_where_and_why(text: str, path: str, says: str) -> None:
    with pytest.raises(DefinitionFaulty) as faulty:
        read_definitions(text)
    assert faulty.value.faults[0].path == path
    assert says in faulty.value.faults[0].says


def test_functions_that_cannot_be_read_are_named_with_their_path() -> None:
    [_, read] = read_definitions('[[service]]\n[[service]]\nmapping = [{ to = "x", with = "trim |" }]')
    assert [fault.path for fault in read.faults] == ["service[1].mapping[0].with"]


def test_the_parts_that_are_well_formed_are_checked_while_others_are_not() -> None:
    definition = msgspec.to_builtins(service(filters=[Filter("a b", "=")])) | {"name": 7}
    with pytest.raises(DefinitionFaulty) as faulty:
        read_service(definition)
    assert [fault.path for fault in faulty.value.faults] == ["name", "filters[0].field"]


# --- over the API -----------------------------------------------------------------------------------------------------


def test_a_bundle_is_applied_whole_and_told_before_what_it_does(web: httpx2.Client) -> None:
    text = write_services([service("a"), service("b")])
    dry = web.post("/api/services.toml?dry_run=1", content=text).json()
    assert (dry["applied"], [one["change"] for one in dry["services"]]) == (False, ["created", "created"])
    assert web.get("/api/services").json() == []
    assert web.post("/api/services.toml", content=text).json()["applied"]
    again = web.post("/api/services.toml", content=write_services([service("b"), service("a", name="Other")])).json()
    assert [(one["id"], one["change"]) for one in again["services"]] == [("b", "unchanged"), ("a", "replaced")]
    assert web.get("/api/services/a").json()["name"] == "Other"
    assert tomllib.loads(web.get("/api/services.toml?service=b").text)["id"] == "b"
    assert [one["id"] for one in tomllib.loads(web.get("/api/services.toml").text)["service"]] == ["b", "a"]


@pytest.mark.parametrize("writes", [0, 1])
def test_a_bundle_is_there_whole_or_not_at_all_when_redis_goes_away_in_between(
    client: redis.Redis, config: Settings, writes: int
) -> None:
    away = connect(config.redis_url)
    answered = 0
    ask: Any = away.execute_command

    def asked(*command: Any, **options: Any) -> Any:
        nonlocal answered
        if answered == writes:
            raise RedisGone
        answered += 1
        return ask(*command, **options)

    away.execute_command = asked  # type: ignore[method-assign]
    store(client, service("b"))
    nobody: Any = None
    services, bundles = Services(client), TomlFiles(nobody, Actions(nobody, nobody, nobody, Services(away)), nobody)
    wanted = [service(one, name="New") for one in ("a", "b", "c")]
    with pytest.raises(RedisGone) if not writes else nullcontext():
        asyncio.run(bundles.carry_out([Change(service("b") if one.id == "b" else None, one) for one in wanted]))
    away.close()
    ids = sorted(name.decode() for name in cast("dict[bytes, bytes]", client.hgetall(keys.SERVICES)))
    assert [services.read(one) for one in ids] == (wanted if writes else [service("b")])


def test_a_bundle_with_faults_changes_nothing_and_names_them_all(web: httpx2.Client) -> None:
    good = write_services([service("a")], several=True)
    bad = good + '[[service]]\nid = "A"\nname = 1\n[[service]]\nid = "a"\n'
    answer = web.post("/api/services.toml", content=bad)
    assert answer.status_code == 422
    paths = [one["path"] for one in answer.json()["errors"]]
    assert {"service[1].id", "service[1].name", "service[1].source", "service[2].name"} <= set(paths)
    assert web.get("/api/services").json() == []
    twice = web.post("/api/services.toml", content=write_services([service("a"), service("a")]))
    assert twice.json()["errors"] == [{"path": "service[1].id", "says": "the service 'a' appears twice"}]
    assert web.post("/api/services.toml", content=b"\xff\xfe").status_code == 400
    assert web.get("/api/services.toml?service=ghost").status_code == 404


# --- as people type ---------------------------------------------------------------------------------------------------


@quick
@given(json_values)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    assert same(value_of(text_of(value)), value)


def test_a_text_needs_no_quotes_unless_it_could_be_something_else() -> None:
    assert [text_of(one) for one in ("open", "-1h", 5, "5", None, "", True, ["a"])] == [
        "open",
        "-1h",
        "5",
        '"5"',
        "",
        '""',
        "true",
        '["a"]',
    ]


@quick
@given(st.lists(st.lists(json_values, max_size=3), max_size=3))
def test_functions_are_read_as_they_were_written(steps: list[list[Any]]) -> None:
    assert same(steps_of(text_of_steps(steps)), steps)


def test_functions_read_like_a_pipe() -> None:
    steps: list[list[Any]] = [["trim"], ["lookup", "countries", "other"], ["round", 2]]
    assert text_of_steps(steps) == 'trim | lookup("countries", "other") | round(2)'
    assert steps_of('trim|lookup ( "countries","other" )| round(2)') == steps
    assert steps_of('["round", 2]') == [["round", 2]]


@pytest.mark.parametrize("text", ["trim |", "trim lower", "round(2", "round(x)", "round(2,,3)", "|", "5", "[["])
def test_functions_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(TypedFault):
        steps_of(text)


@quick
@given(st.dictionaries(TEXTS, json_values, max_size=4))
def test_a_table_is_read_as_it_was_written(table: dict[str, Any]) -> None:
    assert same(table_of(text_of_table(table)), table)


def test_a_table_is_a_line_for_each_entry() -> None:
    assert text_of_table({"DE": "Germany", "n": 5, "x": None}) == "DE = Germany\nn = 5\nx = null"
    assert table_of(" DE =  Germany \n\nPT=Portugal\nempty =") == {"DE": "Germany", "PT": "Portugal", "empty": ""}
    for text in ("no equals", "a = 1\na = 2", "{bad"):
        with pytest.raises(TypedFault):
            table_of(text)


def test_a_filter_is_a_field_an_operator_and_a_value() -> None:
    assert filter_of("updated_at >= -1h") == {"field": "updated_at", "op": ">=", "value": "-1h"}
    assert filter_of('status in ["open"]') == {"field": "status", "op": "in", "value": ["open"]}
    assert filter_of("email exists") == {"field": "email", "op": "exists", "value": None}
    for text in ("", "status", "= 5", "status open"):
        with pytest.raises(TypedFault):
            filter_of(text)


# --- in a form --------------------------------------------------------------------------------------------------------


@quick
@given(definitions(PLAIN_TEXTS))
def test_what_a_form_contains_is_read_as_the_same(of: Service) -> None:
    typed = fields.typed_of(msgspec.to_builtins(of), Service)
    definition, faults = fields.definition_of(typed, Service)
    assert faults == []
    # A default may be a whole number where a fraction is taken: read once, it is one.
    assert same(msgspec.convert(definition, Service), msgspec.convert(msgspec.to_builtins(of), Service))
