"""A service's definition, checked whole: every fault with its path, not only the first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from jobs.services import ends
from jobs.services.model import InboundSource, Run, Schedule, Service
from jobs.transform import filters, mapping, script
from jobs.transform.model import Filter, MappedField, ScriptText

T = TypeVar("T", bound=Struct)

RESERVED_IDS = ("import", "new")
"""`/services/new` is not the page of a service."""

_BY_THEMSELVES = frozenset({"url", "auth", "paging", "key", "rate_per_s", "concurrency"})
"""Members of an HTTP source or destination that say nothing of its others."""


class Fault(NamedTuple):
    """`path` as in `mapping[2].with[0]`; empty where the whole is meant."""

    path: str
    says: str


class DefinitionFaulty(ValueError):
    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{path}: {says}" if path else says for path, says in faults))
        self.faults = faults


def read_service(given: object) -> Service:
    """A service from what JSON or TOML said. Raises `DefinitionFaulty` with all that is wrong."""
    found = shape_faults(given, Service)
    if found:
        raise DefinitionFaulty([*found, *_part_faults(given, found)])
    service = msgspec.convert(given, Service)
    found = list(_meaning_faults(service))
    if found:
        raise DefinitionFaulty(found)
    return service


def _part_faults(given: object, found: list[Fault]) -> Iterator[Fault]:
    """What the parts say that are well formed, while others are not: nobody should have to come back for those."""
    if not isinstance(given, dict):
        return
    broken = tuple(fault.path for fault in found)

    def part(name: str, wanted: Any, otherwise: Any) -> Any:
        if any(path.startswith(name) for path in broken):
            return otherwise
        return msgspec.convert(given.get(name, otherwise), wanted)

    yield from _name_faults(given.get("name"))
    yield from _end_faults(given, broken)
    yield from _filter_faults(_rows(given, broken, "filters", Filter, lambda _: Filter(field="@", op="exists")))
    yield from _schedule_faults(part("trigger", Schedule, Schedule()))
    text = part("script", ScriptText | None, None)
    if text and (problem := script.check(text.code)):
        yield Fault("script.code", problem)
    if not any(path.startswith("lookups") for path in broken):
        tables = part("lookups", dict[str, dict[str, Any]], {})
        fields = _rows(given, broken, "mapping", MappedField, lambda index: MappedField(to=f"\0{index}"))
        for path, says in mapping.faults(fields, tables):
            yield Fault(f"mapping{path}", says)


def _end_faults(given: dict[str, Any], broken: Sequence[str]) -> Iterator[Fault]:
    types = {field.name: field.type for field in msgspec.structs.fields(Service)}
    for name, faults_of in (("source", ends.source_faults), ("destination", ends.destination_faults)):
        inside = f"{name}."
        paths = [path for path in broken if path == name or path.startswith(inside)]
        wrong = {path.removeprefix(inside).partition(".")[0] for path in paths}
        end = _without(given.get(name), wrong)
        for member, says in faults_of(msgspec.convert(end, types[name])) if end is not None else ():
            if member.partition(".")[0] not in wrong:
                yield Fault(f"{inside}{member}", says)


def _without(end: object, wrong: set[str]) -> dict[str, Any] | None:
    """A source or a destination without what is broken in it; None where the rest says nothing by itself."""
    if not isinstance(end, dict) or (wrong and (end.get("kind") != "http" or not wrong <= _BY_THEMSELVES)):
        return None
    sound = {name: value for name, value in end.items() if name not in wrong}
    return {**sound, "url": "http://stand.in"} if "url" in wrong else sound


def _rows(
    given: dict[str, Any], broken: Sequence[str], name: str, wanted: type[T], stand_in: Callable[[int], T]
) -> list[T]:
    """The rows at their places; for one that is broken, one in which nothing is wrong."""
    rows = given.get(name, [])
    wrong = {path.partition("]")[0] for path in broken}
    return [
        stand_in(index) if f"{name}[{index}" in wrong else msgspec.convert(row, wanted)
        for index, row in enumerate(rows if isinstance(rows, list) else [])
    ]


def read_run(given: object) -> Run:
    """What one sync does otherwise than its service says. Raises `DefinitionFaulty` with all that is wrong."""
    found = list(_faults(given, Run, ""))
    if found:
        raise DefinitionFaulty(found)
    run = msgspec.convert(given, Run)
    found = list(_filter_faults(run.filters or []))
    if found:
        raise DefinitionFaulty(found)
    return run


def shape_faults(given: object, wanted: type[Struct]) -> list[Fault]:
    """What keeps JSON from being this struct; empty where it is one."""
    found = list(_faults(given, wanted, ""))
    if not found:
        try:
            msgspec.convert(given, wanted)
        except msgspec.ValidationError as error:
            found.append(Fault("", _says(error)))
    return found


def _meaning_faults(service: Service) -> Iterator[Fault]:
    """What its parts say of expressions, functions and tables."""
    yield from _name_faults(service.name)
    for member, says in ends.source_faults(service.source):
        yield Fault(f"source.{member}", says)
    for member, says in ends.destination_faults(service.destination):
        yield Fault(f"destination.{member}", says)
    if service.id in RESERVED_IDS:
        yield Fault("id", f"{service.id!r} is what a page is called; choose another")
    yield from _filter_faults(service.filters)
    if isinstance(service.source, InboundSource) and service.trigger.schedule:
        yield Fault("trigger.schedule", "does not go with an inbound source, whose syncs start when records are posted")
    yield from _schedule_faults(service.trigger)
    if service.script and (problem := script.check(service.script.code)):
        yield Fault("script.code", problem)
    for path, says in mapping.faults(service.mapping, service.lookups):
        yield Fault(f"mapping{path}", says)


def _name_faults(name: object) -> Iterator[Fault]:
    if isinstance(name, str) and not name.strip():  # nobody could find it in a list, or press it
        yield Fault("name", "is missing")


def _schedule_faults(trigger: Schedule) -> Iterator[Fault]:
    if trigger.fault:
        yield Fault("trigger.schedule", trigger.fault)


def _filter_faults(given: list[Filter]) -> Iterator[Fault]:
    for index, one in enumerate(given):
        fault = filters.fault(one)
        if fault:
            member, says = fault
            yield Fault(f"filters[{index}].{member}", says)


def _faults(given: object, wanted: Any, path: str) -> Iterator[Fault]:
    if get_origin(wanted) in (Union, UnionType) and given is not None:
        inner = [one for one in get_args(wanted) if one is not type(None)]
        wanted = inner[0] if len(inner) == 1 else wanted  # optional
    choices = [one for one in get_args(wanted) if isinstance(one, type) and issubclass(one, Struct)]
    if get_origin(wanted) in (Union, UnionType) and choices and not (given is None and type(None) in get_args(wanted)):
        if len(choices) == 1:
            yield from _struct_faults(given, choices[0], path)
        else:
            yield from _choice_faults(given, choices, path)
    elif isinstance(wanted, type) and issubclass(wanted, Struct):
        yield from _struct_faults(given, wanted, path)
    elif get_origin(wanted) is list and isinstance(given, list):
        for index, one in enumerate(given):
            yield from _faults(one, get_args(wanted)[0], f"{path}[{index}]")
    else:
        yield from _leaf_faults(given, wanted, path)


def _leaf_faults(given: object, wanted: Any, path: str) -> Iterator[Fault]:
    if get_origin(wanted) is Literal and given not in get_args(wanted):
        yield Fault(path, f"got {given!r}; takes {' or '.join(map(repr, get_args(wanted)))}")
        return
    try:
        msgspec.convert(given, wanted)
    except msgspec.ValidationError as error:
        yield Fault(path, _says(error))


def _choice_faults(given: object, choices: list[type[Struct]], path: str) -> Iterator[Fault]:
    """One of several structs, told apart by `kind`."""
    if not isinstance(given, dict):
        yield Fault(path, f"takes an object, got {given!r}")
        return
    kinds = {str(choice.__struct_config__.tag): choice for choice in choices}
    kind = given.get("kind")
    if kind in kinds:
        yield from _struct_faults(given, kinds[kind], path)
    else:
        said = "is missing" if kind is None else f"got {kind!r}"
        yield Fault(f"{path}.kind", f"{said}; takes {' or '.join(map(repr, kinds))}")


def _struct_faults(given: object, wanted: type[Struct], path: str) -> Iterator[Fault]:
    if not isinstance(given, dict):
        yield Fault(path, f"takes an object, got {given!r}")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    inside = f"{path}." if path else ""
    tag = wanted.__struct_config__.tag_field
    yield from (
        Fault(f"{inside}{name}", _unknown(str(name), [*fields])) for name in given if name not in {*fields, tag}
    )
    found = False
    for name, field in fields.items():
        if name in given:
            for fault in _faults(given[name], field.type, f"{inside}{name}"):
                found = True
                yield fault
        elif field.required:
            found = True
            yield Fault(f"{inside}{name}", "is missing")
    if not found:  # what only the whole can say, as of a time zone
        known = {name: value for name, value in given.items() if name in {*fields, tag}}
        for fault in _leaf_faults(known, wanted, path):
            name, colon, says = fault.says.partition(": ")
            yield Fault(f"{inside}{name}", says) if colon and name in fields else fault


def _unknown(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 1)
    return f"there is no {name!r} here" + (f"; did you mean {near[0]!r}?" if near else "")


def _says(error: msgspec.ValidationError) -> str:
    """In a person's words, where there are any."""
    says = str(error).split(" - at `$")[0]
    for begins, instead in _PLAIN:
        if says.startswith(begins):
            return instead + says[len(begins) :].replace("`", "")
    return says


_PLAIN = (
    ("Expected `int` >= ", "takes a whole number from "),
    ("Expected `int` <= ", "takes a whole number up to "),
    ("Expected `int`", "takes a whole number"),
    ("Expected `float` >= ", "takes a number from "),
    ("Expected `float` > ", "takes a number above "),
    ("Expected `float` <= ", "takes a number up to "),
    ("Expected `float`", "takes a number"),
    ("Expected `bool`", "takes true or false"),
    ("Expected `array`", "takes a list"),
    ("Expected `object`", "takes an object"),
    ("Expected `str` of length >= 1", "is missing"),
    ("Expected `str` of length <= ", "takes so many characters at most: "),
    ("Expected `str` matching regex '^https?://'", "takes an address that begins with http:// or https://"),
    (
        "Expected `str` matching regex '^[a-z0-9][a-z0-9-]{0,62}\\\\Z'",
        "takes lower-case letters, digits and dashes, 63 at most, and begins with no dash",
    ),
    (
        "Expected `str` matching regex '^[A-Z][A-Z0-9_]{0,62}\\\\Z'",
        "takes the name of a secret: capital letters, digits and underscores, as in SHOP_TOKEN",
    ),
    ("Expected `str`,", "takes a text,"),
)
